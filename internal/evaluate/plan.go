package main

import (
	"context"
	"math"
	"strings"
	"time"

	"github.com/bellwether-llm/bellwether/internal/evaluate/policies"
	"github.com/bellwether-llm/bellwether/internal/evaluate/trials"
	"github.com/bellwether-llm/bellwether/internal/evaluate/world"
	"github.com/bellwether-llm/bellwether/scoring"
)

// budgets are further settings of the user's one knob, for the plots.
var budgets = [...]float64{.1, .25, 4, 16}

// ablations are the parts that are left out, one at a time.
var ablations = [...]struct {
	name string
	part scoring.Ablation
}{{"whitening", scoring.NoWhitening}, {"quarantine", scoring.NoQuarantine}, {"witness", scoring.NoWitness}, {"joint hypothesis", scoring.NoJoint}}

// rhythms are daily loads without fault.
var rhythms = [...]struct {
	name string
	d    world.Diurnal
}{
	{"±20 % over the day", world.Diurnal{Swing: .2}}, {"±40 % over the day", world.Diurnal{Swing: .4}},
	{"±20 %, weekends a sixth faster", world.Diurnal{Swing: .2, Weekend: .85}}, {"±20 %, clocks change", world.Diurnal{Swing: .2, Shift: true}},
}

// evaluate does all the work, in stages: what later ones measure follows from
// earlier ones.
func evaluate(ctx context.Context, pool *pool, p profile, only string) (*Book, error) {
	b := &Book{columns: map[entry]*trials.Column{}, scenarios: trials.Scenarios(), tuned: map[string]policies.Spec{}, pace: 30 * time.Second, profile: p, optima: map[string]float64{}}
	do := func(name string, part float64, cells []trials.Cell) error {
		cells = interleave(cells)
		results, err := pool.stage(ctx, name, part, cells)
		if err != nil {
			return err
		}
		b.add(cells, results)
		pool.shared.Forget()
		return nil
	}
	for range paces {
		if err := do("cost of suspicion", .2, b.pilot()); err != nil {
			return nil, err
		}
		b.setPace()
	}
	if only == "" || strings.Contains("false verdicts", only) || strings.Contains("daily rhythm", only) {
		if err := do("months without fault", .45, b.months()); err != nil {
			return nil, err
		}
	}
	b.tune()
	if err := do("faults", .7, b.faults(only)); err != nil {
		return nil, err
	}
	if only == "" || strings.Contains("localisation", only) {
		if err := do("whose fault", .5, b.places()); err != nil {
			return nil, err
		}
	}
	if only == "" || strings.Contains("incidents", only) {
		if err := do("months of incidents", 1, b.incidents()); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// split cuts n trials into cells of so many.
func split(c trials.Cell, n, chunk int) []trials.Cell {
	var cells []trials.Cell
	for first := 0; first < n; first += chunk {
		c.First, c.N = first, min(chunk, n-first)
		cells = append(cells, c)
	}
	return cells
}

// interleave puts the first piece of everything before the second of anything,
// so that a time limit thins all figures out alike.
func interleave(cells []trials.Cell) []trials.Cell {
	out := make([]trials.Cell, 0, len(cells))
	for first := 0; len(out) < len(cells); first++ {
		seen := map[string]int{}
		for _, c := range cells {
			like := c
			like.First, like.N = 0, 0
			key := like.Key()
			if seen[key] == first {
				out = append(out, c)
			}
			seen[key]++
		}
	}
	return out
}

func (p *profile) pasts(n world.Kind) int {
	if n == world.Real {
		return p.warmReal
	}
	return p.warm
}

// grid is how many pasts the fleet of 24 has.
func (p *profile) grid() int { return max(1, p.warm/4) }

func (p *profile) kinds() []world.Kind {
	if p.noises {
		return world.Kinds()
	}
	return []world.Kind{world.Normal, world.T3, world.Real}
}

// pilot measures how many probes suspicion adds in health.
func (b *Book) pilot() []trials.Cell {
	return split(trials.Cell{Work: trials.Months, Mix: pilot, Noise: world.Normal, Engine: b.whole(true), Warm: b.profile.warm}, min(4, max(1, b.profile.seeds/4)), 1)
}

// pilot marks the months that only tell what suspicion costs.
const pilot = "pilot"

// paces is how often the schedule is corrected by what it cost.
const paces = 4

// setPace comes nearer to the slower schedule that costs as many probes, with
// those of suspicion, as one every 30 s without.
func (b *Book) setPace() {
	c := b.column(entry{work: trials.Months, mix: pilot, noise: world.Normal, engine: b.whole(true), adaptive: true})
	if c.Months > 0 {
		b.pace = time.Duration(float64(b.pace) * c.Probes / c.Months / monthProbes).Round(100 * time.Millisecond)
	}
}

func (b *Book) months() []trials.Cell {
	var cells []trials.Cell
	p := &b.profile
	for _, n := range p.kinds() {
		c := trials.Cell{Work: trials.Months, Noise: n, Warm: p.pasts(n)}
		c.Engine = b.whole(true)
		cells = append(cells, split(c, p.months, max(1, p.chunk/8))...)
		c.Engine, c.Rules = b.whole(false), b.rules(p.sweeps || n == world.Normal)
		cells = append(cells, split(c, p.months, max(1, p.chunk/8))...)
		for _, a := range ablations {
			for _, adaptive := range []bool{false, true} {
				c := trials.Cell{Work: trials.Months, Noise: n, Warm: p.pasts(n), Engine: b.whole(adaptive)}
				c.Engine.Ablation = a.part
				if n != world.Real {
					cells = append(cells, split(c, p.side, 4)...)
				}
			}
		}
	}
	for _, budget := range budgets {
		for _, adaptive := range []bool{false, true} {
			c := trials.Cell{Work: trials.Months, Noise: world.Normal, Warm: p.warm, Engine: b.whole(adaptive)}
			c.Engine.Budget = budget
			cells = append(cells, split(c, p.side, 4)...)
		}
	}
	for _, r := range rhythms[:p.rhythms] {
		for _, adaptive := range []bool{false, true} {
			c := trials.Cell{Work: trials.Months, Noise: world.Normal, Diurnal: r.d, Warm: p.warm, Engine: b.whole(adaptive)}
			if !adaptive {
				c.Rules = b.rules(false)
			}
			cells = append(cells, split(c, max(p.side, 2), 2)...)
		}
	}
	c := trials.Cell{Work: trials.Months, Noise: world.Normal, Warm: 4, Engine: b.whole(true), Traffic: 1, Rules: sweep(policies.OnTraffic())}
	return append(cells, split(c, p.traffic, 1)...)
}

// rules returns the rules that judge probes: every setting, or those that they
// come with.
func (b *Book) rules(all bool) []policies.Spec {
	if all {
		return sweep(policies.Probing())
	}
	var specs []policies.Spec
	for _, r := range policies.Probing() {
		specs = append(specs, policies.Shipped(r))
	}
	return specs
}

func sweep(rules []string) []policies.Spec {
	var specs []policies.Spec
	for _, r := range rules {
		specs = append(specs, policies.Sweep(r)...)
	}
	return specs
}

// tune picks for every rule its touchiest setting that keeps the budget of one
// false verdict per target-month in normal noise; the calmest where none does.
func (b *Book) tune() {
	for _, traffic := range []bool{false, true} {
		names := policies.Probing()
		if traffic {
			names = policies.OnTraffic()
		}
		for _, name := range names {
			best, least := policies.Shipped(name), math.Inf(1)
			for _, s := range policies.Sweep(name) {
				c := b.column(entry{work: trials.Months, noise: world.Normal, rule: s, traffic: traffic})
				if c.Months == 0 {
					continue
				}
				if r := float64(c.False) / c.Months; r <= 1 {
					best = s
					break
				} else if r < least {
					best, least = s, r
				}
			}
			b.tuned[name] = best
		}
	}
}

// contenders are the rules as shipped and as tuned, each once.
func (b *Book) contenders(names []string) []policies.Spec {
	var specs []policies.Spec
	for _, n := range names {
		specs = append(specs, policies.Shipped(n))
		if t := b.tuned[n]; t != policies.Shipped(n) && t.Rule != "" {
			specs = append(specs, t)
		}
	}
	return append(specs, policies.Spec{Rule: "never act"})
}

func (b *Book) faults(only string) []trials.Cell {
	var cells []trials.Cell
	p := &b.profile
	names := trials.Families()
	for i := range b.scenarios {
		s := &b.scenarios[i]
		if only != "" && !strings.Contains(names[s.Family], only) && !strings.Contains(s.Name, only) {
			continue
		}
		if p.longest > 0 && s.Lasts > p.longest && only == "" {
			continue
		}
		n := p.seeds
		if s.Fleet == trials.Grid || s.Lasts > 12*time.Hour {
			n = p.long
		}
		c := trials.Cell{Work: trials.Faults, Scenario: s.Name, Noise: world.Normal, Warm: p.warm, Engine: b.whole(true)}
		if s.Fleet == trials.Grid {
			c.Warm = p.grid()
		}
		cells = append(cells, split(c, n, p.chunk)...)
		if s.Fleet != trials.Grid || p.longest == 0 {
			c.Engine, c.Rules = b.whole(false), b.contenders(policies.Probing())
			cells = append(cells, split(c, n, p.chunk)...)
		}
		cells = append(cells, b.extras(s)...)
	}
	return cells
}

// extras are further looks at some scenarios.
func (b *Book) extras(s *trials.Scenario) []trials.Cell {
	var cells []trials.Cell
	p := &b.profile
	c := trials.Cell{Work: trials.Faults, Scenario: s.Name, Noise: world.Normal, Warm: p.warm, Short: true}
	if s.Swept && p.side > 0 {
		c.Rules = sweep(policies.Probing())
		cells = append(cells, split(c, p.long, p.chunk)...)
		c.Rules = nil
		for _, budget := range budgets {
			for _, adaptive := range []bool{false, true} {
				c.Engine = b.whole(adaptive)
				c.Engine.Budget = budget
				cells = append(cells, split(c, p.seeds, p.chunk)...)
			}
		}
	}
	if s.Ablated && p.side > 0 {
		for _, a := range ablations {
			for _, adaptive := range []bool{false, true} {
				c.Engine = b.whole(adaptive)
				c.Engine.Ablation = a.part
				cells = append(cells, split(c, p.seeds, p.chunk)...)
			}
		}
	}
	if s.Swept { // the real noise, spliced
		for _, n := range p.kinds()[1:] {
			for _, adaptive := range []bool{false, true} {
				c.Engine, c.Noise, c.Warm = b.whole(adaptive), n, p.pasts(n)
				if p.noises || n == world.Real && adaptive {
					cells = append(cells, split(c, p.seeds, p.chunk)...)
				}
			}
		}
	}
	if s.Traffic && p.traffic > 0 {
		c := trials.Cell{Work: trials.Faults, Scenario: s.Name, Noise: world.Normal, Warm: 4, Engine: b.whole(true), Traffic: 1, Rules: b.contenders(policies.OnTraffic())}
		cells = append(cells, split(c, p.long, p.chunk)...)
	} else if s.Name == "down, 5xx" {
		c := trials.Cell{Work: trials.Faults, Scenario: s.Name, Noise: world.Normal, Warm: 1, Engine: b.whole(true), Traffic: 1, Short: true}
		cells = append(cells, split(c, p.seeds, p.seeds)...)
	}
	return cells
}

func (b *Book) places() []trials.Cell {
	p := &b.profile
	c := trials.Cell{Work: trials.Places, Scenario: "grid", Noise: world.Normal, Warm: p.grid(), Engine: b.whole(true)}
	cells := split(c, p.places, p.chunk)
	c.Work = trials.Blame
	cells = append(cells, split(c, p.blame, p.chunk)...)
	d := trials.Cell{Work: trials.Downs, Scenario: "three", Noise: world.Real, N: 1, Engine: trials.Engine{Budget: 1}, Rules: b.rules(false)}
	return append(cells, d)
}

func (b *Book) incidents() []trials.Cell {
	var cells []trials.Cell
	p := &b.profile
	for _, mix := range []string{"errors", "everything"} {
		c := trials.Cell{Work: trials.Incidents, Scenario: "eight", Noise: world.Normal, Warm: min(p.warm, 4), Mix: mix, Engine: b.whole(true)}
		cells = append(cells, split(c, p.runs, 1)...)
		c.Engine, c.Rules = b.whole(false), b.contenders(policies.Probing())
		cells = append(cells, split(c, p.runs, 1)...)
	}
	if p.traffic > 0 {
		c := trials.Cell{Work: trials.Incidents, Scenario: "eight", Noise: world.Normal, Warm: 2, Mix: "errors", Engine: b.whole(true), Traffic: 1, Rules: b.contenders(policies.OnTraffic())}
		cells = append(cells, split(c, min(p.runs, 4), 1)...)
	}
	return cells
}
