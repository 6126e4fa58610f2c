package main

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/scoring"
)

// rescorer scores a history under one config. It belongs to one goroutine.
type rescorer struct {
	engine   *scoring.Engine
	tally    *tally
	printer  *replayPrinter // nil: silent
	revision uint64
}

func newRescorer(cfg Config, p *replayPrinter) (*rescorer, error) {
	jobs, err := cfg.jobs()
	if err != nil {
		return nil, err
	}
	ec := engineConfig(cfg, jobs)
	engine, err := scoring.New(ec)
	if err != nil {
		return nil, err
	}
	return &rescorer{engine: engine, tally: newTally(cfg, ec, engine.Routes()), printer: p}, nil
}

func (s *rescorer) fold(r bellwether.Record) error {
	s.tally.record(r)
	res := s.engine.Fold(r)
	for _, c := range res.Changes {
		s.tally.change(c)
		if s.printer == nil {
			continue
		}
		if err := s.printer.change(c); err != nil {
			return err
		}
	}
	if res.Routes == nil {
		return nil
	}
	s.revision++
	s.tally.publish(r.At, res.Routes)
	if s.printer == nil {
		return nil
	}
	return s.printer.routes(bellwether.Weights{Epoch: "replay", Revision: s.revision, IssuedAt: r.At, Routes: res.Routes})
}

// replay scores a history under several configs at once, each on a goroutine
// of its own, and joins them. Reading goes ahead by a few blocks.
func replay(ctx context.Context, h history, done *gauge, under ...*rescorer) error {
	group, ctx := errgroup.WithContext(ctx)
	to := make([]chan []bellwether.Record, len(under))
	for i, s := range under {
		to[i] = make(chan []bellwether.Record, 2)
		group.Go(func() error {
			for records := range to[i] {
				for _, r := range records {
					if err := s.fold(r); err != nil {
						return err
					}
				}
			}
			s.tally.end()
			return nil
		})
	}
	group.Go(func() error {
		defer func() {
			for _, c := range to {
				close(c)
			}
		}()
		var seq sequencer
		return h.read(ctx, done, func(records []bellwether.Record) error {
			for _, page := range seq.order(records) {
				for _, c := range to {
					select {
					case c <- page:
					case <-ctx.Done():
						return ctx.Err()
					}
				}
			}
			return nil
		})
	})
	return group.Wait()
}

// maxGapTicks bounds the ticks folded between two observations: a long silence
// is told in longer steps.
const maxGapTicks = 10_000

// sequencer makes a log of a file's observations: each enters when it was over,
// with ticks in between. What has its place in a log keeps it.
type sequencer struct {
	seq uint64
	now time.Time // of the last record
}

// order returns the records with what belongs between them, in pages.
func (s *sequencer) order(records []bellwether.Record) (pages [][]bellwether.Record) {
	page := make([]bellwether.Record, 0, 2*len(records))
	for _, r := range records {
		if r.Seq > 0 {
			page = append(page, r)
			continue
		}
		o := r.Observation
		end := o.At.Add(time.Duration((o.Timing.Total + o.Window) * float64(time.Second)))
		if end.Before(s.now) {
			end = s.now // records are in order; a slow answer overlaps the next
		}
		if !s.now.IsZero() {
			step := max(tickEvery, end.Sub(s.now)/maxGapTicks)
			for t := s.now.Add(step); t.Before(end); t = t.Add(step) {
				page = append(page, s.next(bellwether.Record{At: t}))
			}
		}
		page = append(page, s.next(bellwether.Record{At: end, Observation: o}))
		if len(page) >= maxGapTicks {
			pages, page = append(pages, page), nil
		}
	}
	return append(pages, page)
}

func (s *sequencer) next(r bellwether.Record) bellwether.Record {
	s.seq++
	r.Seq, s.now = s.seq, r.At
	return r
}
