package router

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/api/client"
)

// Teller is a [Follower] that also takes what a router did: how it split each
// route's requests, and which it moved from one target to another.
type Teller interface {
	// Sent takes how many requests went where first, by route and target, since
	// the last call. It does not block for long.
	Sent(sent map[string]map[string]int)
	// Failovers takes moved requests. Sending them again is safe.
	Failovers(ctx context.Context, moved []bellwether.Failover) error
}

// moves counts where requests went, and where they were moved to, until the
// next report. Safe for concurrent use.
type moves struct {
	mu    sync.Mutex
	since time.Time // of the first in moved
	sent  map[sumKey]int
	moved map[move]*moved
}

// move is one way in which requests are moved; to is "" when nobody was left.
type move struct {
	route, from, to string
	why             bellwether.Outcome
}

type moved struct{ count, served int }

func newMoves() *moves { return &moves{sent: map[sumKey]int{}, moved: map[move]*moved{}} }

// note counts a request that is over. A target asked for by its own id is
// where its requests must go, and says nothing.
func (m *moves) note(x *exchange, f *failure) {
	if len(x.tries) == 0 || x.route.Name == "" {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent[sumKey{x.tries[0].up.ID, x.route.Name}]++
	if len(x.tries) == 1 && f == nil {
		return
	}
	var last *try
	for i := range x.tries {
		t := &x.tries[i]
		if t.lost || t.gone {
			continue
		}
		if last != nil && last.up.ID != t.up.ID {
			m.add(move{x.route.Name, last.up.ID, t.up.ID, last.outcome}, f == nil && t.outcome == bellwether.OK)
		}
		last = t
	}
	if f != nil && last != nil && last.outcome != bellwether.OK && !f.gone() && !f.final() {
		m.add(move{x.route.Name, last.up.ID, "", last.outcome}, false)
	}
}

func (m *moves) add(k move, served bool) {
	if len(m.moved) == 0 {
		m.since = time.Now()
	}
	c := m.moved[k]
	if c == nil {
		c = &moved{}
		m.moved[k] = c
	}
	if c.count++; served {
		c.served++
	}
}

// take returns what was counted since the last take.
func (m *moves) take() (sent map[string]map[string]int, failovers []bellwether.Failover) {
	m.mu.Lock()
	defer m.mu.Unlock()
	sent = map[string]map[string]int{}
	for k, n := range m.sent {
		if sent[k.route] == nil {
			sent[k.route] = map[string]int{}
		}
		sent[k.route][k.target] = n
	}
	for k, c := range m.moved {
		failovers = append(failovers, bellwether.Failover{At: m.since.UTC(), Route: k.route, From: k.from, To: k.to, Why: k.why, Count: c.count, Served: c.served})
	}
	clear(m.sent)
	clear(m.moved)
	return sent, failovers
}

// Bounds on failovers that wait for a server that is away.
const (
	mostFailovers  = 5000
	failoversBatch = 500
)

// tell tells the server where requests went, every so often, until ctx ends;
// then once more.
func (rt *Router) tell(ctx context.Context, to Teller) error {
	tick := time.NewTicker(rt.cfg.ReportEvery.Std())
	defer tick.Stop()
	var unsaid []bellwether.Failover
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), finalLimit)
			defer cancel()
			rt.tellMoves(last, to, unsaid)
			return nil
		case <-tick.C:
			unsaid = rt.tellMoves(ctx, to, unsaid)
		}
	}
}

// tellMoves tells what there is, and returns what is still to be told. What
// the server will never have is left out.
func (rt *Router) tellMoves(ctx context.Context, to Teller, unsaid []bellwether.Failover) []bellwether.Failover {
	sent, failovers := rt.moves.take()
	if len(sent) > 0 {
		to.Sent(sent)
	}
	unsaid = append(unsaid, failovers...)
	if over := len(unsaid) - mostFailovers; over > 0 {
		unsaid = unsaid[over:]
	}
	ctx, cancel := context.WithTimeout(ctx, sendLimit)
	defer cancel()
	for len(unsaid) > 0 {
		n := min(len(unsaid), failoversBatch)
		err := to.Failovers(ctx, unsaid[:n])
		if refusal, ok := errors.AsType[*client.Error](err); ok && permanent(refusal.Status) {
			rt.log.Warn("server refused word of failovers; it is dropped", "dropped", n, "err", err)
		} else if err != nil {
			rt.log.Debug("server takes no word of failovers; it waits", "waiting", len(unsaid), "err", err)
			return unsaid
		}
		unsaid = unsaid[n:]
	}
	return nil
}
