package main

import (
	"context"
	"log/slog"
	"maps"
	"reflect"
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

// publisher turns the engine's routes into numbered revisions. All methods
// are called from the pipeline's goroutine.
type publisher struct {
	store   revisionStore
	journal *journal
	board   interface{ Publish(bellwether.Weights) }
	log     *slog.Logger
	ttl     time.Duration
	hold    time.Duration

	current    bellwether.Weights
	next, last uint64 // the numbers at hand: next <= last
	refill     chan uint64
	refilling  bool
	pending    map[string]bellwether.RouteWeights // waits for a number
}

// start takes up the newest stored revision, so that a restart that changes
// nothing keeps its number, and reserves the first block.
func (p *publisher) start(ctx context.Context, routes map[string]bellwether.RouteWeights) error {
	kept, _, err := p.store.Revisions(ctx, bellwether.Query{Limit: 1})
	if err != nil {
		return err
	}
	first, err := p.store.ReserveRevisions(ctx, revisionBlock)
	if err != nil {
		return err
	}
	p.next, p.last = first, first+revisionBlock-1
	p.refill = make(chan uint64, 1)
	if len(kept) == 1 && samePublished(kept[0].Routes, routes) {
		p.current = kept[0]
		p.current.IssuedAt, p.current.Epoch = time.Now().UTC(), p.store.Epoch()
		p.board.Publish(p.current)
		return nil
	}
	p.publish(routes)
	return nil
}

// publish gives routes the next number and sends them out.
func (p *publisher) publish(routes map[string]bellwether.RouteWeights) {
	p.takeRefill()
	if p.last < p.next {
		p.pending = routes
		p.reserve()
		return
	}
	p.pending = nil
	p.current = bellwether.Weights{
		Epoch: p.store.Epoch(), Revision: p.next, IssuedAt: time.Now().UTC(),
		TTL: p.ttl.Seconds(), Hold: p.hold.Seconds(), Routes: maps.Clone(routes),
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
	if p.refilling {
		return
	}
	p.refilling = true
	go func() { // ends with the call; its answer waits in refill
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		first, err := p.store.ReserveRevisions(ctx, revisionBlock)
		if err != nil {
			p.log.Error("reserve revision numbers", "err", err)
			first = 0
		}
		p.refill <- first
	}()
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
	strip := func(m map[string]bellwether.RouteWeights) map[string]bellwether.RouteWeights {
		out := make(map[string]bellwether.RouteWeights, len(m))
		for name, r := range m {
			ts := make([]bellwether.TargetWeight, len(r.Targets))
			for i, t := range r.Targets {
				t.Score, t.Reasons = 0, nil
				ts[i] = t
			}
			out[name] = bellwether.RouteWeights{Mode: r.Mode, Targets: ts}
		}
		return out
	}
	return reflect.DeepEqual(strip(a), strip(b))
}
