package main

import (
	"fmt"
	"time"

	"github.com/bellwether-llm/bellwether/internal/evaluate/limits"
	"github.com/bellwether-llm/bellwether/internal/evaluate/policies"
	"github.com/bellwether-llm/bellwether/internal/evaluate/trials"
	"github.com/bellwether-llm/bellwether/internal/evaluate/world"
)

// entry names one column of results: what was done, and who did it.
type entry struct {
	work     trials.Work
	scenario string
	noise    world.Kind
	diurnal  world.Diurnal
	traffic  bool
	mix      string
	engine   trials.Engine // zero for a rule
	rule     policies.Spec // zero for the engine
	adaptive bool          // the engine's probes were paced by its suspicions
	short    bool          // trials ended with the verdict
}

// Book is all results.
type Book struct {
	columns   map[entry]*trials.Column
	scenarios []trials.Scenario
	tuned     map[string]policies.Spec // by rule
	pace      time.Duration            // between scheduled probes where suspicion adds some, at equal cost
	profile   profile
	optima    map[string]float64 // D* in probes
	Took      time.Duration
	Profile   string
}

// add sorts the results of a stage into the book, in the order of the cells.
func (b *Book) add(cells []trials.Cell, results map[int]trials.Result) {
	for i, c := range cells {
		r, ok := results[i]
		if !ok {
			continue
		}
		e := entry{work: c.Work, scenario: c.Scenario, noise: c.Noise, diurnal: c.Diurnal, traffic: c.Traffic > 0, mix: c.Mix, short: c.Short}
		k := 0
		if c.Engine.Budget > 0 {
			e.engine, e.adaptive = c.Engine, c.Engine.Adaptive
			b.merge(e, r.Columns[0])
			e.engine, k = trials.Engine{}, 1
		}
		e.adaptive = false
		for j, spec := range c.Rules {
			e.rule = spec
			b.merge(e, r.Columns[k+j])
		}
	}
}

func (b *Book) merge(e entry, c trials.Column) {
	all := b.columns[e]
	if all == nil {
		all = &trials.Column{}
		b.columns[e] = all
	}
	all.Months += c.Months
	all.False += c.False
	all.Probes += c.Probes
	all.Tokens += c.Tokens
	all.Kept += c.Kept
	all.Ill += c.Ill
	all.ToBad += c.ToBad
	all.Held += c.Held
	for name, one := range c.Sources {
		if all.Sources == nil {
			all.Sources = map[string]trials.Calm{}
		}
		sum := all.Sources[name]
		sum.Months += one.Months
		sum.False += one.False
		all.Sources[name] = sum
	}
	all.Trials = append(all.Trials, c.Trials...)
	all.Seconds = append(all.Seconds, c.Seconds...)
}

// column returns what is known, of short trials where there are no whole ones;
// an empty column when nothing is.
func (b *Book) column(e entry) *trials.Column {
	if c := b.columns[e]; c != nil {
		return c
	}
	e.short = true
	if c := b.columns[e]; c != nil {
		return c
	}
	return &trials.Column{}
}

// whole is the engine as it comes, at the budget of all comparisons.
func (b *Book) whole(adaptive bool) trials.Engine {
	e := trials.Engine{Budget: 1, Adaptive: adaptive, Every: 30 * time.Second}
	if adaptive {
		e.Every = b.pace
	}
	return e
}

// calm is a fault-free column of the engine.
func (b *Book) calm(n world.Kind, adaptive bool) *trials.Column {
	return b.column(entry{work: trials.Months, noise: n, engine: b.whole(adaptive), adaptive: adaptive})
}

// calmRule is a fault-free column of a rule.
func (b *Book) calmRule(n world.Kind, s policies.Spec) *trials.Column {
	return b.column(entry{work: trials.Months, noise: n, rule: s})
}

// fault is the engine's column of a scenario.
func (b *Book) fault(name string, n world.Kind, adaptive bool) *trials.Column {
	return b.column(entry{work: trials.Faults, scenario: name, noise: n, engine: b.whole(adaptive), adaptive: adaptive})
}

// faultRule is a rule's column of a scenario.
func (b *Book) faultRule(name string, n world.Kind, s policies.Spec) *trials.Column {
	return b.column(entry{work: trials.Faults, scenario: name, noise: n, rule: s})
}

// rate is the false verdicts of a target-month.
func rate(c *trials.Column) limits.Figure { return limits.Poisson(c.False, c.Months) }

// pick returns one number of each trial that counts and that the fault was
// found in.
func pick(c *trials.Column, f func(trials.Trial) float64) []float64 {
	var xs []float64
	for _, t := range c.Trials {
		if !t.Void && t.Found {
			xs = append(xs, f(t))
		}
	}
	return xs
}

func seconds(c *trials.Column) []float64 {
	return pick(c, func(t trials.Trial) float64 { return t.Seconds })
}

func probes(c *trials.Column) []float64 {
	return pick(c, func(t trials.Trial) float64 { return float64(t.Probes) })
}

// found returns how many of the trials that count were found.
func found(c *trials.Column) (k, n int) {
	for _, t := range c.Trials {
		if t.Void {
			continue
		}
		n++
		if t.Found {
			k++
		}
	}
	return k, n
}

// regret returns the misrouted hours of each trial.
func regret(c *trials.Column, pool bool) []float64 {
	var xs []float64
	for _, t := range c.Trials {
		x := t.ToBad + t.Kept
		if pool {
			x = t.Misled
		}
		xs = append(xs, x)
	}
	return xs
}

// scenario finds one by name.
func (b *Book) scenario(name string) *trials.Scenario {
	for i := range b.scenarios {
		if b.scenarios[i].Name == name {
			return &b.scenarios[i]
		}
	}
	panic(fmt.Sprintf("evaluate: no scenario %q", name)) // a name in the source is wrong
}
