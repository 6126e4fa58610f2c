package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"

	"github.com/bellwether-llm/bellwether/internal/evaluate/limits"
	"github.com/bellwether-llm/bellwether/internal/evaluate/trials"
	"github.com/bellwether-llm/bellwether/internal/evaluate/world"
)

// expectation is a figure of a long run, to which a short one is held. More is
// always worse.
type expectation struct {
	Value float64 `json:"value"`
	Error float64 `json:"standard_error"`
	// Spread is the standard deviation of one trial, by which the luck of a
	// short run is known; of counts it follows from the value.
	Spread float64 `json:"spread,omitempty"`
	Events int     `json:"events,omitempty"`
	Of     float64 `json:"of"` // trials or target-months
}

// figures are what a short run is held to, by name.
func (b *Book) figures() map[string]expectation {
	all := map[string]expectation{}
	count := func(name string, k int, of float64) {
		if of > 0 {
			all[name] = expectation{Value: float64(k) / of, Error: math.Sqrt(float64(k)+.25) / of, Events: k, Of: of}
		}
	}
	average := func(name string, xs []float64) {
		if len(xs) < 4 {
			return
		}
		m := limits.Mean(xs)
		all[name] = expectation{Value: m.Value, Error: m.Error(), Spread: m.Error() * math.Sqrt(float64(len(xs))), Of: float64(len(xs))}
	}
	for _, adaptive := range []bool{false, true} {
		for _, n := range world.Kinds() {
			c := b.calm(n, adaptive)
			count(fmt.Sprintf("false verdicts, %s noise, %s", n, cadence(adaptive)), c.False, c.Months)
		}
		for _, s := range b.scenarios {
			c := b.fault(s.Name, world.Normal, adaptive)
			name := s.Name + ", " + cadence(adaptive)
			k, n := found(c)
			if !s.Calm {
				count("missed: "+name, n-k, float64(n))
				average("delay: "+name, seconds(c))
			}
			average("misrouted: "+name, regret(c, s.Fleet == trials.Pool))
			wrong := 0
			for _, t := range c.Trials {
				wrong += min(1, t.Wrong)
			}
			count("verdicts on the well: "+name, wrong, float64(len(c.Trials)))
		}
	}
	wrong := 0
	for _, t := range b.ours(trials.Places).Trials {
		if !t.Settled {
			wrong++
		}
	}
	count("wrong group", wrong, float64(len(b.ours(trials.Places).Trials)))
	blamed := 0
	for _, t := range b.ours(trials.Blame).Trials {
		blamed += min(1, t.Blamed)
	}
	count("others blamed for our fault", blamed, float64(len(b.ours(trials.Blame).Trials)))
	return all
}

func saveExpected(file string, b *Book) error {
	text, err := json.MarshalIndent(b.figures(), "", " ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(file, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("expectations: %w", err)
	}
	return nil
}

// check compares a run with what is expected and fails where any figure is
// worse by more than both runs' luck explains. One false failure of the whole
// list is allowed in a thousand changes of the engine.
func check(file string, b *Book, log io.Writer) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("expectations: %w", err)
	}
	expected := map[string]expectation{}
	if err := json.Unmarshal(text, &expected); err != nil {
		return fmt.Errorf("expectations: %s: %w", file, err)
	}
	got := b.figures()
	var both []string
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if _, ok := expected[name]; ok {
			both = append(both, name)
		}
	}
	if len(both) == 0 {
		return fmt.Errorf("expectations: %s has none of the figures that were measured", file)
	}
	worse := 0
	for _, name := range both {
		if e, g := expected[name], got[name]; e.worse(g, .001/float64(len(both))) {
			worse++
			fmt.Fprintf(log, "worse than expected: %s: %.4g in %.0f, expected %.4g ± %.2g\n", name, g.Value, g.Of, e.Value, 1.96*e.Error)
		}
	}
	if worse > 0 {
		return errors.New("figures are worse than internal/evaluate/expected.json; if that is meant, run make evaluate")
	}
	fmt.Fprintf(log, "%d figures are as expected\n", len(both))
	return nil
}

// worse reports whether got is above what is expected, at the level given.
func (e expectation) worse(got expectation, level float64) bool {
	if got.Value <= e.Value {
		return false
	}
	if e.Spread == 0 && got.Spread == 0 {
		// Given the sum of two Poisson counts, one of them is binomial.
		p := got.Of / (got.Of + e.Of)
		return limits.AtLeast(got.Events, got.Events+e.Events, p) < level
	}
	luck := math.Hypot(e.Error, math.Max(e.Spread, got.Spread)/math.Sqrt(got.Of))
	return (got.Value-e.Value)/luck > limits.Tail(level)
}
