package main

import (
	"math"
	"sync"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/api/client"
)

const (
	clockSamples = 8
	clockLimit   = 2.0  // seconds; a clock that is off by less is left alone
	clockSlack   = 0.05 // seconds that two measurements may differ beyond their errors
)

// clockOffset is the signal that holds what was taken away from a time.
const clockOffset bellwether.Signal = "clock.offset"

// agentClock knows how far this host's clock is from the server's. Safe for
// concurrent use.
type agentClock struct {
	mu      sync.Mutex
	samples []client.Clock // newest last
}

// add takes a measurement. One that contradicts the others means that a clock
// was stepped: they are forgotten.
func (c *agentClock) add(s client.Clock) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, o := range c.samples {
		if math.Abs(s.Offset-o.Offset) > s.Error+o.Error+clockSlack {
			c.samples = c.samples[:0]
			break
		}
	}
	if len(c.samples) == clockSamples {
		c.samples = append(c.samples[:0], c.samples[1:]...)
	}
	c.samples = append(c.samples, s)
}

// now returns the best of the last measurements; false before the first.
func (c *agentClock) now() (best client.Clock, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, s := range c.samples {
		if i == 0 || s.Error <= best.Error {
			best = s
		}
	}
	return best, len(c.samples) > 0
}

// correct moves the time of o from a clock that was off by so many seconds to
// the server's, and marks o with what was taken away.
func correct(o *bellwether.Observation, offset float64) {
	if math.Abs(offset) <= clockLimit {
		return
	}
	o.At = o.At.Add(-time.Duration(offset * float64(time.Second)))
	signals := map[bellwether.Signal]float64{clockOffset: offset}
	for k, v := range o.Signals {
		signals[k] = v
	}
	o.Signals = signals
}
