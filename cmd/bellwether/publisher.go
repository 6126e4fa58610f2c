package main

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// revisionBlock is how many revision numbers are reserved on disk at a time.
// After a crash numbering goes on behind the block, so a number is never used
// twice and publishing never waits for the disk.
const revisionBlock = 100

// revisionStore is the part of a store that hands out revision numbers.
type revisionStore interface {
	Epoch() string
	ReserveRevisions(ctx context.Context, n uint64) (first uint64, err error)
	Revisions(ctx context.Context, q bellwether.Query) ([]bellwether.Weights, string, error)
}

// publisher turns the engine's routes into numbered revisions. Run fetches
// numbers; all other methods are called from the pipeline's goroutine.
type publisher struct {
	store   revisionStore
	journal *journal
	board   interface{ Publish(bellwether.Weights) }
	log     *slog.Logger
	ttl     time.Duration
	hold    time.Duration

	current    bellwether.Weights
	next, last uint64 // the numbers at hand: next <= last
	need       chan struct{}
	refill     chan uint64 // the first number of a block; 0 when the store refused
	refilling  bool
	pending    map[string]bellwether.RouteWeights // waits for a number
}

// newPublisher returns a publisher of weights that ask to be believed for ttl
// and held for hold.
func newPublisher(st revisionStore, j *journal, board interface{ Publish(bellwether.Weights) }, ttl, hold time.Duration, log *slog.Logger) *publisher {
	return &publisher{store: st, journal: j, board: board, log: log, ttl: ttl, hold: hold,
		need: make(chan struct{}, 1), refill: make(chan uint64, 1)}
}

// start reserves the first block of numbers and publishes routes. The newest
// stored revision is taken up again where nothing changed, and where the last
// stop left nothing unwritten: else a higher one may have been published that
// is not stored, and numbers never go back.
func (p *publisher) start(ctx context.Context, routes map[string]bellwether.RouteWeights, allKept bool) error {
	kept, _, err := p.store.Revisions(ctx, bellwether.Query{Limit: 1})
	if err != nil {
		return err
	}
	first, err := p.store.ReserveRevisions(ctx, revisionBlock)
	if err != nil {
		return err
	}
	p.next, p.last = first, first+revisionBlock-1
	if allKept && len(kept) == 1 && kept[0].TTL == p.ttl.Seconds() && kept[0].Hold == p.hold.Seconds() && samePublished(kept[0].Routes, routes) {
		p.current = kept[0]
		p.current.IssuedAt, p.current.Epoch = time.Now().UTC(), p.store.Epoch()
		p.board.Publish(p.current)
		return nil
	}
	p.publish(routes)
	return nil
}

// Run fetches revision numbers when they run low, until ctx ends.
func (p *publisher) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-p.need:
		}
		first, err := p.store.ReserveRevisions(ctx, revisionBlock)
		if err != nil {
			first = 0
			if ctx.Err() == nil {
				p.log.Error("reserve revision numbers", "err", err)
			}
		}
		p.refill <- first // has room: nobody asks again before it is taken
	}
}

// publish gives routes the next number and sends them out, unless they say
// what was said last. It keeps routes.
func (p *publisher) publish(routes map[string]bellwether.RouteWeights) {
	p.takeRefill()
	if p.current.Revision > 0 && samePublished(p.current.Routes, routes) {
		p.pending = nil
		return
	}
	if p.last < p.next {
		p.pending = routes
		p.reserve()
		return
	}
	p.pending = nil
	p.current = bellwether.Weights{
		Epoch: p.store.Epoch(), Revision: p.next, IssuedAt: time.Now().UTC(),
		TTL: p.ttl.Seconds(), Hold: p.hold.Seconds(), Routes: routes,
	}
	p.next++
	p.board.Publish(p.current)
	p.journal.weights(p.current)
	if p.last-p.next+1 < revisionBlock/2 {
		p.reserve()
	}
}

// tick publishes what waited for a number.
func (p *publisher) tick() {
	p.takeRefill()
	if p.pending != nil {
		p.publish(p.pending)
	}
}

func (p *publisher) reserve() {
	if !p.refilling {
		p.refilling = true
		p.need <- struct{}{}
	}
}

func (p *publisher) takeRefill() {
	select {
	case first := <-p.refill:
		p.refilling = false
		switch {
		case first == 0: // the store refused; the next need asks again
		case first == p.last+1:
			p.last = first + revisionBlock - 1
		default: // somebody else reserved in between: go on behind them
			p.next, p.last = first, first+revisionBlock-1
		}
	default:
	}
}

// samePublished reports whether two sets of routes would send traffic alike.
func samePublished(a, b map[string]bellwether.RouteWeights) bool {
	return maps.EqualFunc(a, b, func(r, s bellwether.RouteWeights) bool {
		return r.Mode == s.Mode && slices.EqualFunc(r.Targets, s.Targets, func(t, u bellwether.TargetWeight) bool {
			return t.Target == u.Target && t.Tier == u.Tier && t.Weight == u.Weight && t.Share == u.Share &&
				t.BaseWeight == u.BaseWeight && t.Preference == u.Preference && t.State == u.State && t.Cause == u.Cause &&
				same(t.WouldShare, u.WouldShare)
		}) && same(r.Rollout, s.Rollout)
	})
}

// same reports whether two numbers that may be missing are alike.
func same(a, b *float64) bool { return a == b || a != nil && b != nil && *a == *b }
