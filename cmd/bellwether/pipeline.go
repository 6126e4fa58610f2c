package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/scoring"
)

// The rhythm of the pipeline.
const (
	tickEvery       = 5 * time.Second
	checkpointEvery = 30 * time.Second
	snapshotEvery   = 200 * time.Millisecond // of assessments, at most
	intakeDepth     = 1024                   // batches waiting for the engine
)

// intake is what enters the one ingest path: observations or an override.
type intake struct {
	observations []bellwether.Observation
	override     *bellwether.Override
	durable      chan<- error // told once it is on disk; nil when nobody waits
}

// sinks are told what the pipeline concludes. Each call is made from the
// pipeline's goroutine and must not block.
type sinks struct {
	publish  func(map[string]bellwether.RouteWeights)
	observed func(bellwether.Observation)
	changed  func(bellwether.Change)
	suspect  func(bellwether.Suspicion)
	tick     func(time.Time)
}

// pipeline is the one ingest path: everything observed gets a sequence number
// here, and in that order goes to the engine and to the store's writer. Run
// owns the engine; everything else may be called from anywhere.
type pipeline struct {
	engine  *scoring.Engine
	journal *journal
	sinks   sinks
	log     *slog.Logger
	tick    time.Duration

	in       chan intake
	swap     chan engineSwap
	stopped  chan struct{}
	seq      uint64 // owned by Run after start
	changed  bool   // since the last snapshot
	assessed atomic.Pointer[[]bellwether.Assessment]

	mu       sync.Mutex
	inFlight map[string]bool // ids from outside, sequenced but not yet on disk
}

type engineSwap struct {
	engine *scoring.Engine
	done   chan<- error
}

// newPipeline returns a pipeline whose next record follows seq. The engine
// must already hold everything up to it.
func newPipeline(e *scoring.Engine, seq uint64, j *journal, s sinks, log *slog.Logger) *pipeline {
	p := &pipeline{
		engine: e, journal: j, sinks: s, log: log, seq: seq, tick: tickEvery,
		in: make(chan intake, intakeDepth), swap: make(chan engineSwap), stopped: make(chan struct{}),
		inFlight: map[string]bool{},
	}
	p.snapshot()
	return p
}

// Run folds what comes in until ctx ends, then checkpoints. It never waits for
// the disk.
func (p *pipeline) Run(ctx context.Context) error {
	defer close(p.stopped)
	tick, snap, check := time.NewTicker(p.tick), time.NewTicker(snapshotEvery), time.NewTicker(checkpointEvery)
	defer tick.Stop()
	defer snap.Stop()
	defer check.Stop()
	for {
		select {
		case <-ctx.Done():
			p.drain()
			p.checkpoint()
			return nil
		case it := <-p.in:
			p.take(it, time.Now())
		case now := <-tick.C:
			p.take(intake{}, now)
			p.sinks.tick(now)
		case <-snap.C:
			if p.changed {
				p.snapshot()
			}
		case <-check.C:
			p.checkpoint()
		case s := <-p.swap:
			s.done <- p.replaceEngine(s.engine)
		}
	}
}

// drain takes what was already handed in, so that nobody who waits is let down.
func (p *pipeline) drain() {
	for {
		select {
		case it := <-p.in:
			p.take(it, time.Now())
		default:
			return
		}
	}
}

// take sequences, folds and journals one intake; an empty one is a tick.
func (p *pipeline) take(it intake, now time.Time) {
	records := make([]bellwether.Record, 0, max(1, len(it.observations)))
	for i := range it.observations {
		records = append(records, p.sequence(bellwether.Record{At: now, Observation: &it.observations[i]}))
	}
	if len(it.observations) == 0 {
		records = append(records, p.sequence(bellwether.Record{At: now, Override: it.override}))
	}
	p.journal.write(records, it.durable)
	for _, r := range records {
		p.fold(r)
	}
}

func (p *pipeline) sequence(r bellwether.Record) bellwether.Record {
	p.seq++
	r.Seq = p.seq
	return r
}

func (p *pipeline) fold(r bellwether.Record) {
	res := p.engine.Fold(r)
	p.changed = true
	if r.Observation != nil {
		p.sinks.observed(*r.Observation)
	}
	if res.Routes != nil {
		p.sinks.publish(res.Routes)
	}
	for _, s := range res.Suspicions {
		p.sinks.suspect(s)
	}
	for _, c := range res.Changes {
		c.Seq = r.Seq
		p.journal.change(c)
		p.sinks.changed(c)
	}
	if len(res.Changes) > 0 {
		p.snapshot()
	}
}

func (p *pipeline) snapshot() {
	all := p.engine.Assessments()
	p.assessed.Store(&all)
	p.changed = false
}

func (p *pipeline) checkpoint() {
	data, err := p.engine.Checkpoint()
	if err != nil {
		p.log.Error("checkpoint of scoring state", "err", err)
		return
	}
	p.journal.checkpoint(p.seq, data)
}

// replaceEngine carries the state of the old engine into the new one.
func (p *pipeline) replaceEngine(e *scoring.Engine) error {
	data, err := p.engine.Checkpoint()
	if err != nil {
		return fmt.Errorf("reload: checkpoint: %w", err)
	}
	if err := e.Restore(data); err != nil {
		return fmt.Errorf("reload: restore: %w", err)
	}
	p.engine = e
	p.snapshot()
	p.sinks.publish(e.Routes())
	p.checkpoint()
	return nil
}

// Observed hands in what a probe of our own saw. It never waits for the disk.
func (p *pipeline) Observed(o bellwether.Observation) {
	select {
	case p.in <- intake{observations: []bellwether.Observation{o}}:
	case <-p.stopped:
	}
}

// Ingest takes observations from outside and returns once they are on disk.
// Those whose id is known already are counted and not scored again.
func (p *pipeline) Ingest(ctx context.Context, obs []bellwether.Observation) (accepted, duplicates int, err error) {
	fresh, err := p.claim(ctx, obs)
	if err != nil {
		return 0, 0, err
	}
	defer p.release(fresh)
	if len(fresh) > 0 {
		if err := p.enter(ctx, intake{observations: fresh}); err != nil {
			return 0, 0, err
		}
	}
	return len(fresh), len(obs) - len(fresh), nil
}

// Override takes an operator's word and returns once it is on disk.
func (p *pipeline) Override(ctx context.Context, o bellwether.Override) error {
	return p.enter(ctx, intake{override: &o})
}

func (p *pipeline) enter(ctx context.Context, it intake) error {
	durable := make(chan error, 1)
	it.durable = durable
	select {
	case p.in <- it:
	case <-ctx.Done():
		return ctx.Err()
	case <-p.stopped:
		return errStopping
	}
	select {
	case err := <-durable:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

var errStopping = fmt.Errorf("the server is stopping: send again to its successor")

// claim returns the observations that nobody has sent before, and holds their
// ids until release.
func (p *pipeline) claim(ctx context.Context, obs []bellwether.Observation) ([]bellwether.Observation, error) {
	ids := make([]string, len(obs))
	for i, o := range obs {
		ids[i] = o.ID
	}
	known, err := p.journal.store.Known(ctx, ids)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	fresh := make([]bellwether.Observation, 0, len(obs))
	for _, o := range obs {
		if !known[o.ID] && !p.inFlight[o.ID] {
			p.inFlight[o.ID] = true
			fresh = append(fresh, o)
		}
	}
	return fresh, nil
}

func (p *pipeline) release(obs []bellwether.Observation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, o := range obs {
		delete(p.inFlight, o.ID)
	}
}

// Reload swaps in an engine of a new config, with the old one's memory.
func (p *pipeline) Reload(ctx context.Context, e *scoring.Engine) error {
	done := make(chan error, 1)
	select {
	case p.swap <- engineSwap{e, done}:
		return <-done
	case <-ctx.Done():
		return ctx.Err()
	case <-p.stopped:
		return errStopping
	}
}

// Assessments returns what the engine thinks of every target, at most a fifth
// of a second old. The slice is only read.
func (p *pipeline) Assessments() []bellwether.Assessment { return *p.assessed.Load() }
