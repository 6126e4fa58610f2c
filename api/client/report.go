package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/bellwether-llm/bellwether"
)

const (
	mostPairs      = 1000 // of route and target that wait to be told; more are left out
	pairsInMessage = 500
	pairsInPoll    = 100
	longestSplit   = 12 << 10 // bytes of it that the address of a poll holds
)

// split counts requests by route and target.
type split map[string]map[string]int

func (s split) empty() bool { return len(s) == 0 }

// add adds what other counts, within the bound.
func (s *split) add(other split) {
	for route, by := range other {
		for target, n := range by {
			if n < 1 {
				continue
			}
			if *s == nil {
				*s = split{}
			}
			if (*s)[route] == nil {
				(*s)[route] = map[string]int{}
			}
			if _, known := (*s)[route][target]; known || s.pairs() < mostPairs {
				(*s)[route][target] += n
			}
		}
	}
}

func (s split) pairs() int {
	n := 0
	for _, by := range s {
		n += len(by)
	}
	return n
}

// take removes whole routes, as many as have at most n pairs together, and at
// least one: a route's shares are only right when it is told whole.
func (s *split) take(n int) split {
	var out split
	for route, by := range *s {
		if n -= len(by); n < 0 && out != nil {
			break
		}
		if out == nil {
			out = split{}
		}
		out[route] = by
		delete(*s, route)
	}
	return out
}

// Sent tells the server, under the client's name, how many requests went where
// since the last call, by route and target, for its operators to compare with
// the shares. It never blocks for long. What cannot be told now is told later:
// a client that polls says it with its next poll. sent is not kept.
func (c *Client) Sent(sent map[string]map[string]int) {
	if c.config.Name == "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unsaid.add(sent)
	c.tellApplied()
}

// Failovers tells the server of requests that were moved from one target to
// another. Those without a Router get the client's name. All are taken or,
// with an error, none; sending them again is safe. At most 5,000 at a time.
func (c *Client) Failovers(ctx context.Context, moved []bellwether.Failover) error {
	if len(moved) == 0 {
		return nil
	}
	named := make([]bellwether.Failover, len(moved))
	for i, f := range moved {
		if f.Router == "" {
			f.Router = c.config.Name
		}
		named[i] = f
	}
	body, err := json.Marshal(named)
	if err != nil {
		return fmt.Errorf("failovers: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	var taken struct{}
	if err := c.call(ctx, http.MethodPost, "/v1/failovers", nil, body, &taken); err != nil {
		return fmt.Errorf("failovers: %w", err)
	}
	return nil
}
