package trials

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/bellwether-llm/bellwether/internal/evaluate/policies"
	"github.com/bellwether-llm/bellwether/internal/evaluate/world"
)

// Shared is what all benches have in common: pasts that several cells go on
// from. Safe for concurrent use.
type Shared struct {
	Seed      uint64 // another seed is another evaluation
	scenarios map[string]*Scenario
	mu        sync.Mutex
	pasts     map[string]*past
}

// past is where policies are after a warm-up.
type past struct {
	once   sync.Once
	err    error
	engine []byte
	rules  []policies.Rule
	until  time.Duration
}

// NewShared returns an empty stock of pasts.
func NewShared(seed uint64) *Shared {
	s := &Shared{Seed: seed, scenarios: map[string]*Scenario{}, pasts: map[string]*past{}}
	for _, sc := range Scenarios() {
		s.scenarios[sc.Name] = &sc
	}
	s.scenarios[""] = &Scenario{Fleet: One}
	s.scenarios["grid"] = &Scenario{Fleet: Grid}
	s.scenarios["eight"] = &Scenario{Fleet: Eight}
	s.scenarios["three"] = &Scenario{Fleet: Three}
	return s
}

// Forget drops all pasts, to free memory between stages.
func (s *Shared) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.pasts)
}

// Bench runs cells. It keeps engines, because solving thresholds afresh for
// every cell would take longer than the cells; it belongs to one goroutine.
type Bench struct {
	shared  *Shared
	engines map[string]*policies.Engine
}

// NewBench returns a bench.
func NewBench(s *Shared) *Bench { return &Bench{shared: s, engines: map[string]*policies.Engine{}} }

// Run does the work of a cell.
func (b *Bench) Run(c Cell) (Result, error) {
	s := b.shared.scenarios[c.Scenario]
	if s == nil {
		return Result{}, fmt.Errorf("trials: no scenario %q", c.Scenario)
	}
	r := Result{Columns: make([]Column, len(c.Rules))}
	if c.Engine.Budget > 0 {
		r.Columns = append(r.Columns, Column{})
	}
	for n := c.First; n < c.First+c.N; n++ {
		if err := b.one(&c, s, n, &r); err != nil {
			return Result{}, fmt.Errorf("trials: %s %s %d: %w", c.Work, c.Scenario, n, err)
		}
	}
	return r, nil
}

func (b *Bench) one(c *Cell, s *Scenario, n int, r *Result) error {
	switch c.Work {
	case Months:
		return b.month(c, s, n, r)
	case Faults:
		return b.fault(c, s, n, r)
	case Places:
		return b.place(c, s, n, r)
	case Blame:
		return b.blame(c, s, n, r)
	case Incidents:
		return b.incidents(c, s, n, r)
	case Downs:
		return b.downs(c, r)
	}
	return fmt.Errorf("no such work")
}

// engine returns the bench's engine for a cell's config.
func (b *Bench) engine(c *Cell, s *Scenario) (*policies.Engine, error) {
	config := c.config(s.Fleet.Targets())
	key, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	e := b.engines[string(key)]
	if e == nil {
		if e, err = policies.NewEngine(config); err != nil {
			return nil, err
		}
		b.engines[string(key)] = e
	}
	return e, nil
}

// warmed returns the policies of a cell after the past of trial n, and when
// that past ends.
func (b *Bench) warmed(c *Cell, s *Scenario, n int) ([]world.Policy, time.Duration, error) {
	var engine *policies.Engine
	var err error
	if c.Engine.Budget > 0 {
		if engine, err = b.engine(c, s); err != nil {
			return nil, 0, err
		}
	}
	p := b.shared.past(c, s, n)
	p.once.Do(func() { p.err = p.live(b.shared.Seed, c, s, n, engine) })
	if p.err != nil {
		return nil, 0, p.err
	}
	var all []world.Policy
	if engine != nil {
		if err := engine.Load(p.engine); err != nil {
			return nil, 0, err
		}
		all = append(all, engine)
	}
	for _, r := range p.rules {
		all = append(all, r.Clone())
	}
	return all, p.until, nil
}

// past finds or begins the past of trial n.
func (s *Shared) past(c *Cell, sc *Scenario, n int) *past {
	like := *c
	like.Work, like.Scenario, like.First, like.N, like.Short, like.Mix = "", "", 0, 0, false, ""
	key := fmt.Sprint(like.Key(), sc.Fleet, sc.Errors, sc.Canaries, sc.Cold, n%max(1, c.Warm))
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pasts[key]
	if p == nil {
		p = &past{}
		s.pasts[key] = p
	}
	return p
}

// before is how long the past is: ten days; four weeks where there is a daily
// rhythm to be known, or a recorded noise to be calibrated by; and of two dozen
// targets three days will do.
func (c *Cell) before(s *Scenario) time.Duration {
	switch {
	case s.Cold > 0:
		return time.Duration(s.Cold) * c.setup(s, 0).Every
	case c.Diurnal != world.Diurnal{}, c.Noise == world.Real && s.Fleet == One:
		return 28 * day
	case s.Fleet == Grid:
		return 3 * day
	}
	return 10 * day
}

// live makes the past: everybody sees the same healthy days. Real traffic
// begins on the last one.
func (p *past) live(seed uint64, c *Cell, s *Scenario, n int, engine *policies.Engine) error {
	var all []world.Policy
	if engine != nil {
		if err := engine.Load(nil); err != nil {
			return err
		}
		all = append(all, engine)
	}
	for _, spec := range c.Rules {
		r, err := spec.New()
		if err != nil {
			return err
		}
		p.rules = append(p.rules, r)
		all = append(all, r)
	}
	warm := n % max(1, c.Warm)
	setup, until := c.setup(s, warm), c.before(s)
	quiet := until
	if c.Traffic > 0 && s.Cold == 0 {
		quiet = until - day
	}
	begin := time.Duration(0)
	world.New(setup, begin, seedOf(seed, "past", c.Noise, s.Fleet, warm), all...).Until(quiet, nil)
	if quiet < until {
		setup.Traffic = c.Traffic
		world.New(setup, quiet, seedOf(seed, "traffic", c.Noise, s.Fleet, warm), all...).Until(until, nil)
	}
	p.until = until
	if engine != nil {
		var err error
		if p.engine, err = engine.Save(); err != nil {
			return err
		}
	}
	p.rules = slices.Clip(p.rules)
	return nil
}
