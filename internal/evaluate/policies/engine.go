// Package policies holds what is compared: Bellwether's engine, and the rules
// that monitors and gateways ship with. All of them see the same observations
// and answer the same question, [world.View]. It is not for measuring them.
package policies

import (
	"fmt"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/evaluate/world"
	"github.com/bellwether-llm/bellwether/scoring"
)

// Engine is Bellwether itself, by its public methods only. It belongs to one
// goroutine and may be used for one run after the other; see [Engine.Load].
type Engine struct {
	engine  *scoring.Engine
	empty   []byte // the checkpoint of an engine that knows nothing
	index   map[string]int
	views   []world.View
	shares  []float64
	pace    []time.Duration
	told    [][]string // which canaries
	mode    bellwether.Mode
	seq     uint64
	version uint64              // grows when anything published changes
	changes []bellwether.Change // since Load, when Keep is set
	Keep    bool
}

// NewEngine returns an engine for a config.
func NewEngine(c scoring.Config) (*Engine, error) {
	e, err := scoring.New(c)
	if err != nil {
		return nil, err
	}
	p := &Engine{engine: e, index: map[string]int{}, views: make([]world.View, len(c.Targets)), shares: make([]float64, len(c.Targets)), pace: make([]time.Duration, len(c.Targets)), told: make([][]string, len(c.Targets))}
	for i, t := range c.Targets {
		p.index[t.ID] = i
	}
	p.empty, err = e.Checkpoint()
	if err != nil {
		return nil, fmt.Errorf("engine: checkpoint: %w", err)
	}
	p.refresh()
	return p, nil
}

// Save returns a checkpoint.
func (p *Engine) Save() ([]byte, error) { return p.engine.Checkpoint() }

// Load goes on from a checkpoint, or from nothing when it is nil.
func (p *Engine) Load(checkpoint []byte) error {
	if checkpoint == nil {
		checkpoint = p.empty
	}
	if err := p.engine.Restore(checkpoint); err != nil {
		return fmt.Errorf("engine: restore: %w", err)
	}
	clear(p.pace)
	clear(p.told)
	p.changes = nil
	p.refresh()
	return nil
}

// refresh asks the engine for everything.
func (p *Engine) refresh() {
	p.read(p.engine.Routes())
	for _, a := range p.engine.Assessments() {
		i := p.index[a.Target]
		p.views[i].Severity, p.views[i].Cause = a.State.Severity(), a.Cause
		p.pace[i] = 0
		if a.Suspected {
			p.pace[i] = suspicionPace
		}
	}
}

const suspicionPace = 5 * time.Second

func (p *Engine) read(routes map[string]bellwether.RouteWeights) {
	r, ok := routes["pool"]
	if !ok {
		return
	}
	p.mode = r.Mode
	for _, t := range r.Targets {
		i := p.index[t.Target]
		p.views[i].Weight, p.shares[i] = t.Weight, t.Share
	}
}

// Observe folds a call that ended at the given time.
func (p *Engine) Observe(_ int, o *bellwether.Observation, at time.Time) {
	p.fold(bellwether.Record{At: at, Observation: o})
}

// Tick lets time pass.
func (p *Engine) Tick(at time.Time) { p.fold(bellwether.Record{At: at}) }

func (p *Engine) fold(r bellwether.Record) {
	p.seq++
	r.Seq = p.seq
	res := p.engine.Fold(r)
	if len(res.Changes) > 0 || res.Routes != nil {
		p.version++
	}
	for i := range res.Changes {
		c := &res.Changes[i]
		v := &p.views[p.index[c.Target]]
		v.Severity, v.Cause = c.To.Severity(), c.Cause
	}
	if p.Keep {
		p.changes = append(p.changes, res.Changes...)
	}
	for _, s := range res.Suspicions {
		i := p.index[s.Target]
		p.pace[i], p.told[i] = time.Duration(s.Interval*float64(time.Second)), s.Canaries
	}
	if res.Routes != nil {
		p.read(res.Routes)
	}
}

// View returns what the engine publishes of a target.
func (p *Engine) View(i int) world.View { return p.views[i] }

// Version grows when anything that is published changes.
func (p *Engine) Version() uint64 { return p.version }

// Share returns the target's part of its route's traffic.
func (p *Engine) Share(i int) float64 { return p.shares[i] }

// Mode returns how the route's shares came about.
func (p *Engine) Mode() bellwether.Mode { return p.mode }

// Interval returns how fast the engine wants the target to be probed.
func (p *Engine) Interval(i int) time.Duration { return p.pace[i] }

// Canaries returns which canaries to probe fast with; none means all.
func (p *Engine) Canaries(i int) []string { return p.told[i] }

// Changes returns the changes since Load, where they are kept.
func (p *Engine) Changes() []bellwether.Change { return p.changes }

// Assess returns all that the engine thinks of a target.
func (p *Engine) Assess(id string) bellwether.Assessment {
	a, _ := p.engine.Assess(id)
	return a
}
