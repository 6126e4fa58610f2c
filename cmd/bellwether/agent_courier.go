package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/api/client"
	"github.com/bellwether-llm/bellwether/probes/spool"
)

// The rhythm of the courier.
const (
	parcelRecords = 2000
	parcelBytes   = 2 << 20 // before compression
	courierFirst  = 200 * time.Millisecond
	courierMost   = 15 * time.Second
	lastTry       = 5 * time.Second // for what is left when the agent ends
)

// receiver is the part of a client that takes observations.
type receiver interface {
	Observe(ctx context.Context, obs []bellwether.Observation) (accepted, duplicates int, err error)
}

// courier brings observations from the prober to the spool, and from there to
// the server, oldest first. What it may send twice the server knows by its id.
type courier struct {
	spool *spool.Spool
	to    receiver
	clock *agentClock
	log   *slog.Logger

	lost    atomic.Uint64 // could not be spooled
	refused atomic.Uint64 // the server will never take them
	away    bool          // the last delivery failed; owned by Run
}

// parcel is an observation as it is spooled, with how far the clock was off
// when it was made, where that was known.
type parcel struct {
	Observation bellwether.Observation `json:"observation"`
	Clock       *float64               `json:"clock_offset_seconds,omitempty"`
}

// Observed spools what a probe saw. It returns when that outlives the process.
func (c *courier) Observed(o bellwether.Observation) {
	p := parcel{Observation: o}
	if now, known := c.clock.now(); known {
		p.Clock = &now.Offset
	}
	text, err := json.Marshal(p)
	if err == nil {
		err = c.spool.Append(text)
	}
	if err != nil && c.lost.Add(1) == 1 {
		c.log.Error("an observation could not be spooled; later ones are counted only", "err", err)
	}
}

// Run delivers until ctx ends, then tries once more for what is left.
func (c *courier) Run(ctx context.Context) error {
	fails := 0
	for ctx.Err() == nil {
		sent, err := c.deliver(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			wait := backoff(fails, err)
			fails++
			if !c.away {
				c.log.Warn("observations wait on disk: the server does not take them", "err", err, "spooled", c.spool.Stats().Records)
			}
			c.away = true
			sleep(ctx, wait)
		case sent:
			if c.away {
				c.log.Info("the server takes observations again", "spooled", c.spool.Stats().Records)
			}
			c.away, fails = false, 0
		default:
			select {
			case <-c.spool.Ready():
			case <-ctx.Done():
			}
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastTry)
	defer cancel()
	for {
		if sent, err := c.deliver(last); err != nil || !sent {
			return nil // what is left waits on disk for the next start
		}
	}
}

// backoff is full jitter, doubling, and at least what the server asked for.
func backoff(fails int, err error) time.Duration {
	wait := time.Duration(rand.Int64N(int64(min(courierFirst<<min(fails, 10), courierMost)) + 1))
	if e, ok := errors.AsType[*client.Error](err); ok {
		wait += min(e.RetryAfter, time.Minute)
	}
	return wait
}

// deliver sends the oldest batch; sent is whether there was one.
func (c *courier) deliver(ctx context.Context) (sent bool, err error) {
	b, err := c.spool.Next(parcelRecords, parcelBytes)
	if err != nil || len(b.Records) == 0 {
		return false, err
	}
	obs := make([]bellwether.Observation, 0, len(b.Records))
	for _, r := range b.Records {
		if o, err := c.unpack(r); err != nil {
			c.refuse(1, err)
		} else {
			obs = append(obs, o)
		}
	}
	if err := c.send(ctx, obs); err != nil {
		return false, err
	}
	return true, c.spool.Done(b)
}

// unpack reads a parcel and puts its time right.
func (c *courier) unpack(text []byte) (bellwether.Observation, error) {
	var p parcel
	if err := json.Unmarshal(text, &p); err != nil {
		return p.Observation, err
	}
	if p.Clock != nil {
		correct(&p.Observation, *p.Clock)
	} else if now, known := c.clock.now(); known { // made before the server was ever heard
		correct(&p.Observation, now.Offset)
	}
	return p.Observation, nil
}

// send delivers obs. What the server will never take is left out and counted,
// so that one bad observation does not hold up the rest for ever.
func (c *courier) send(ctx context.Context, obs []bellwether.Observation) error {
	for len(obs) > 0 {
		_, _, err := c.to.Observe(ctx, obs)
		e, refused := errors.AsType[*client.Error](err)
		if !refused || !slices.Contains([]int{http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity}, e.Status) {
			return err
		}
		bad := faulty(e, len(obs))
		switch {
		case len(bad) > 0:
			c.refuse(len(bad), err)
			i := -1
			obs = slices.DeleteFunc(obs, func(bellwether.Observation) bool { i++; return bad[i] })
		case len(obs) == 1:
			c.refuse(1, err)
			return nil
		default: // it does not say which: look in each half
			if err := c.send(ctx, slices.Clone(obs[:len(obs)/2])); err != nil {
				return err
			}
			obs = obs[len(obs)/2:]
		}
	}
	return nil
}

// faulty returns which of n elements an error names, by pointers such as
// "/3/target".
func faulty(e *client.Error, n int) map[int]bool {
	bad := map[int]bool{}
	for _, f := range e.Faults {
		first, _, _ := strings.Cut(strings.TrimPrefix(f.Pointer, "/"), "/")
		if i, err := strconv.Atoi(first); err == nil && i >= 0 && i < n {
			bad[i] = true
		}
	}
	return bad
}

func (c *courier) refuse(n int, err error) {
	c.refused.Add(uint64(n))
	c.log.Error("observations are given up: the server would never take them", "count", n, "err", fmt.Sprintf("%.500v", err))
}
