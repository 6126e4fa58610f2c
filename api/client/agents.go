package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// Plan is what an agent is to probe. Canaries and targets are JSON objects as
// the server's config writes them.
type Plan struct {
	Epoch      string                 `json:"epoch"`
	Revision   uint64                 `json:"revision"`
	Vantages   []string               `json:"vantages"`
	Canaries   []json.RawMessage      `json:"canaries"`
	Targets    []json.RawMessage      `json:"targets"`
	Suspicions []bellwether.Suspicion `json:"suspicions"`
}

// WatchPlan calls deliver with the plan of the agent of that name, and again
// whenever it changes, until ctx ends; it returns ctx's error then. Calls come
// one after another, from WatchPlan's own goroutine. It polls, each poll held
// by the server until there is news; lost connections, and a token that the
// server refuses, are logged and tried again as [Client.Watch] does.
func (c *Client) WatchPlan(ctx context.Context, name string, deliver func(Plan)) error {
	f := &follower{client: c, what: "plan"}
	var have Plan
	for ctx.Err() == nil {
		p, err := c.nextPlan(ctx, name, have)
		switch {
		case err == nil:
			f.fails = 0
			f.follows(byPolls, nil)
			if p.Epoch != have.Epoch || p.Revision != have.Revision {
				have = p
				deliver(p)
			}
		case errors.Is(err, errNotModified):
			f.fails = 0
			f.follows(byPolls, nil)
		case ctx.Err() == nil:
			f.pause(ctx, err)
		}
	}
	return ctx.Err()
}

// nextPlan asks for a plan other than have.
func (c *Client) nextPlan(ctx context.Context, name string, have Plan) (p Plan, err error) {
	v := url.Values{"wait": {strconv.Itoa(int(pollWait.Seconds())) + "s"}}
	if have.Epoch != "" {
		v.Set("after", strconv.FormatUint(have.Revision, 10))
		v.Set("epoch", have.Epoch)
	}
	ctx, cancel := context.WithTimeout(ctx, pollLimit)
	defer cancel()
	if err := c.call(ctx, http.MethodGet, "/v1/agents/"+url.PathEscape(name)+"/plan", v, nil, &p); err != nil {
		return Plan{}, fmt.Errorf("plan: %w", err)
	}
	return p, nil
}

// Clock is a measurement of the caller's clock against the server's.
type Clock struct {
	Offset float64 // seconds; the caller's clock minus the server's
	Error  float64 // seconds; Offset is at most so far from the truth
}

// Heard is what a server answers to a hello.
type Heard struct {
	Clock
	// Budget is what suspicion may spend here today; nil where the server does
	// not divide its budgets.
	Budget *Grant
}

// Grant is what suspicion may spend on one day. Nil numbers are no limits.
type Grant struct {
	Day           int64 // since 1970, UTC
	Target, Total Allowed
}

// Allowed bounds suspicion on one target, or on all together.
type Allowed struct {
	Probes, Tokens *int
	USD            *float64
}

// Hello tells the server how the agent of that name is, and measures the clock
// by the midpoint of the exchange. What hello must hold is in the server's
// openapi.yaml.
func (c *Client) Hello(ctx context.Context, name string, hello any) (Heard, error) {
	body, err := json.Marshal(hello)
	if err != nil {
		return Heard{}, fmt.Errorf("hello: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	var got struct {
		Received time.Time `json:"received_at"`
		Sent     time.Time `json:"sent_at"`
		Budget   *Grant    `json:"suspicion_budget"`
	}
	start := time.Now()
	if err := c.call(ctx, http.MethodPost, "/v1/agents/"+url.PathEscape(name)+"/hello", nil, body, &got); err != nil {
		return Heard{}, fmt.Errorf("hello: %w", err)
	}
	trip := time.Since(start)
	if got.Received.IsZero() || got.Sent.Before(got.Received) {
		return Heard{}, errors.New("hello: the answer holds no time")
	}
	there := got.Sent.Sub(got.Received)
	middle := got.Received.Add(there / 2)
	return Heard{Budget: got.Budget, Clock: Clock{
		Offset: start.Round(0).Add(trip / 2).Sub(middle).Seconds(),
		Error:  max(0, trip-there).Seconds() / 2,
	}}, nil
}
