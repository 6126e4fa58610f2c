package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/scoring"
)

// The rhythm of the pipeline.
const (
	tickEvery       = 5 * time.Second
	lookEvery       = 5 * time.Second // scoring's default between probes of the suspected
	checkpointEvery = 30 * time.Second
	snapshotEvery   = 200 * time.Millisecond // of assessments, at most
	mostUnkept      = 1 << 16                // ids remembered of what the store refused
)

// intake is what enters the one ingest path: observations or an override.
type intake struct {
	observations []bellwether.Observation
	override     *bellwether.Override
	durable      chan<- error    // told once it is on disk; nil when nobody waits
	scored       map[string]bool // ids that were folded before and not kept; nil nearly always
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
	look    time.Duration // between probes of a target that was suspected before the start

	in       chan intake
	swap     chan engineSwap
	stopped  chan struct{}
	seq      uint64 // owned by Run after start
	changed  bool   // since the last snapshot
	assessed atomic.Pointer[[]bellwether.Assessment]

	mu       sync.Mutex
	inFlight map[string]*flight // ids from outside, claimed but not yet on disk
	unkept   map[string]bool    // ids from outside that were folded and that the store refused
}

// flight is a batch from outside on its way to the disk.
type flight struct {
	done chan struct{} // closed when err is final
	err  error
}

type engineSwap struct {
	engine *scoring.Engine
	done   chan<- error
}

// newPipeline returns a pipeline whose next record follows seq. The engine
// must already hold everything up to it.
func newPipeline(e *scoring.Engine, seq uint64, j *journal, s sinks, log *slog.Logger) *pipeline {
	p := &pipeline{
		engine: e, journal: j, sinks: s, log: log, seq: seq, tick: tickEvery, look: lookEvery,
		in: make(chan intake), swap: make(chan engineSwap), stopped: make(chan struct{}),
		inFlight: map[string]*flight{}, unkept: map[string]bool{},
	}
	p.snapshot()
	return p
}

// Run folds what comes in until ctx ends, then checkpoints. It never waits for
// the disk. What it takes is answered by the journal, which must run longer;
// nothing waits between the senders and Run, so nothing is left behind there.
func (p *pipeline) Run(ctx context.Context) error {
	defer close(p.stopped)
	tick, snap, check := time.NewTicker(p.tick), time.NewTicker(snapshotEvery), time.NewTicker(checkpointEvery)
	defer tick.Stop()
	defer snap.Stop()
	defer check.Stop()
	p.resume()
	for {
		select {
		case <-ctx.Done():
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

// resume tells the scheduler whom the engine suspects since before the start.
func (p *pipeline) resume() {
	for _, a := range p.Assessments() {
		if a.Suspected || a.State.Severity() > 0 {
			p.sinks.suspect(bellwether.Suspicion{Target: a.Target, Since: a.Since, Interval: p.look.Seconds()})
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
		if r.Observation == nil || !it.scored[r.Observation.ID] {
			p.fold(r)
		}
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
	for _, a := range p.Assessments() { // a target may be new under an old name
		if !a.Suspected && a.State.Severity() == 0 {
			p.sinks.suspect(bellwether.Suspicion{Target: a.Target})
		}
	}
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
// Those whose id is known already are counted and not scored again. A caller
// whose ctx ends after they were taken still waits for the disk, so that what
// it sends again is recognised.
func (p *pipeline) Ingest(ctx context.Context, obs []bellwether.Observation) (accepted, duplicates int, err error) {
	mine := &flight{done: make(chan struct{})}
	claimed, others := p.claim(obs, mine)
	if accepted, err = p.land(ctx, claimed, mine); err != nil {
		return 0, 0, err
	}
	for _, f := range others { // a duplicate is acknowledged when its first copy is on disk
		select {
		case <-f.done:
		case <-ctx.Done():
			return 0, 0, ctx.Err()
		}
		if f.err != nil {
			return 0, 0, errFirstCopy
		}
	}
	return accepted, len(obs) - accepted, nil
}

// Override takes an operator's word and returns once it is on disk. One that is
// not kept is not in force either: no list would show it.
func (p *pipeline) Override(ctx context.Context, o bellwether.Override) error {
	err := p.enter(ctx, intake{override: &o})
	if err != nil && !o.Removed {
		undo := o
		undo.Removed = true
		_ = p.enter(context.WithoutCancel(ctx), intake{override: &undo}) // the caller learns the first error
	}
	return err
}

// enter hands in it and returns when it is on disk.
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
	err := <-durable // the journal answers everything, also while stopping
	p.remember(it.observations, err == nil)
	return err
}

const (
	errStopping  = retryLater("the server is stopping: send again to its successor")
	errFirstCopy = retryLater("an earlier copy did not reach the disk: send again")
)

// claim returns the observations that nobody else is bringing in, which are
// now this flight's, and the flights that bring in the others.
func (p *pipeline) claim(obs []bellwether.Observation, mine *flight) (claimed []bellwether.Observation, others []*flight) {
	p.mu.Lock()
	defer p.mu.Unlock()
	claimed = make([]bellwether.Observation, 0, len(obs))
	for _, o := range obs {
		switch f := p.inFlight[o.ID]; {
		case f == nil:
			p.inFlight[o.ID] = mine
			claimed = append(claimed, o)
		case f != mine && !slices.Contains(others, f):
			others = append(others, f)
		}
	}
	return claimed, others
}

// land brings to disk what of claimed is not there yet, and ends the flight.
// What is known is asked after the claim: a copy that landed before is on disk.
func (p *pipeline) land(ctx context.Context, claimed []bellwether.Observation, f *flight) (accepted int, err error) {
	defer func() { p.release(claimed, f, err) }()
	ids := make([]string, len(claimed))
	for i, o := range claimed {
		ids[i] = o.ID
	}
	known, err := p.journal.store.Known(ctx, ids)
	if err != nil {
		return 0, err
	}
	fresh := claimed
	if len(known) > 0 {
		fresh = slices.DeleteFunc(slices.Clone(claimed), func(o bellwether.Observation) bool { return known[o.ID] })
	}
	if len(fresh) == 0 {
		return 0, nil
	}
	return len(fresh), p.enter(ctx, intake{observations: fresh, scored: p.scoredBefore(fresh)})
}

func (p *pipeline) release(claimed []bellwether.Observation, f *flight, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, o := range claimed {
		delete(p.inFlight, o.ID)
	}
	f.err = err
	close(f.done)
}

// remember notes what was folded and not kept: its sender will send it again,
// for as long as the store refuses, and it must count once.
func (p *pipeline) remember(obs []bellwether.Observation, kept bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, o := range obs {
		if kept {
			delete(p.unkept, o.ID)
			continue
		}
		if len(p.unkept) >= mostUnkept {
			clear(p.unkept) // of senders that never came again, by now
		}
		p.unkept[o.ID] = true
	}
}

// scoredBefore returns which of obs were folded before; nil for none.
func (p *pipeline) scoredBefore(obs []bellwether.Observation) (scored map[string]bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.unkept) == 0 {
		return nil
	}
	scored = map[string]bool{}
	for _, o := range obs {
		scored[o.ID] = p.unkept[o.ID]
	}
	return scored
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
