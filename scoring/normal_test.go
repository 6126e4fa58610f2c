package scoring_test

import (
	"math"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/scoring"
)

// daily makes the load of a day slow answers down and speed them up by a factor.
func daily(a float64) fault {
	return func(w *world, _ bellwether.Target, o *bellwether.Observation) {
		h := float64(w.now.Hour()) + float64(w.now.Minute())/60
		f := math.Pow(1+a, math.Sin(2*math.Pi*h/24))
		slower(o, f, f)
	}
}

func TestTheRhythmOfTheDayIsNoFault(t *testing.T) {
	t.Parallel()
	days, swings := 14, []float64{.2, .4}
	if raced {
		days, swings = 4, swings[1:]
	}
	for _, a := range swings {
		w := newWorld(t, time.Minute, func(c *scoring.Config) { c.Policy.FalseAlarms, c.Targets, c.Routes = 1, fleet()[:3], nil })
		w.ticks, w.fault = -1, daily(a)
		w.run(48 * time.Hour)
		cold := w.alarms()
		w.changes = nil
		w.run(time.Duration(days) * 24 * time.Hour)
		budget := float64(days*len(w.config.Targets)) / 30
		t.Logf("load that moves latency by %v: %d alarms in the first two days, %d in the next %d target-days; the budget is %.1f", a, cold, w.alarms(), days*len(w.config.Targets), budget)
		if n := float64(w.alarms()); n > budget+2*math.Sqrt(budget) {
			t.Errorf("load that moves latency by %v: %v alarms, the budget is %.1f: %+v", a, n, budget, w.changes[0])
		}
	}
}

func TestWhatStaysSoForAWeekIsTheNewNormal(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]func(w *world, o *bellwether.Observation){
		"slower for good": func(_ *world, o *bellwether.Observation) { slower(o, 1.5, 1.5) },
		"longer for good": func(_ *world, o *bellwether.Observation) { o.Tokens.Output *= 2; o.Timing.InterToken = 0 },
		"failing a little for good": func(w *world, o *bellwether.Observation) {
			if w.rng.Float64() < .04 {
				fails(o, bellwether.ServerError, 500)
			}
		},
	} {
		w := newWorld(t, 5*time.Minute, func(c *scoring.Config) { c.Targets, c.Routes = fleet()[:2], nil })
		w.ticks = -1
		w.run(48 * time.Hour)
		w.fault = func(w *world, tgt bellwether.Target, o *bellwether.Observation) {
			if tgt.ID == us {
				f(w, o)
			}
		}
		w.run(24 * time.Hour)
		if n := w.alarms(); n == 0 {
			t.Errorf("%s: not noticed for a day", name)
		}
		w.run(10 * 24 * time.Hour)
		w.changes = nil
		w.run(2 * 24 * time.Hour)
		if a := w.assess(us); a.State != bellwether.Healthy || w.alarms() > 0 {
			t.Errorf("%s: %s after thirteen days, with %d alarms in the last two: %+v", name, a.State, w.alarms(), a.Reasons)
		}
	}
}

func TestAnotherModelIsLearnedAfresh(t *testing.T) {
	t.Parallel()
	w := warm(t, 15*time.Second, nil)
	w.ticks = -1
	n := 0
	w.fault = only(us, func(o *bellwether.Observation) {
		slower(o, 1.6, 1.6)
		if n++; n == 2 {
			o.Signals = map[bellwether.Signal]float64{"identity.changed": 1, "identity.model": 1}
		}
	})
	w.run(3 * time.Minute)
	if a := w.assess(us); a.State != bellwether.Healthy || !hasReason(a.Reasons, "new_generation") {
		t.Errorf("another model: %s, %+v", a.State, a.Reasons)
	}
	w.run(time.Hour)
	if a := w.assess(us); a.State != bellwether.Healthy || a.Weight != 1 || hasReason(a.Reasons, "new_generation") {
		t.Errorf("an hour later: %s at weight %v, %+v", a.State, a.Weight, a.Reasons)
	}
	if w.alarms() > 0 {
		t.Errorf("another model is called ill: %+v", w.changes)
	}
	w.fault = only(us, func(o *bellwether.Observation) { slower(o, 4, 4) })
	clear(w.probes)
	if !w.until(w.now.Add(5*time.Minute), func() bool { return w.state(us).Severity() > 0 }) || w.probes[us] > 6 {
		t.Errorf("2.5 times slower than its own usual: %s after %d probes", w.state(us), w.probes[us])
	}
}

func TestANewTargetIsWarmWithinMinutes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5*time.Minute, nil)
	w.run(10 * time.Minute)
	for _, tgt := range w.config.Targets {
		if n := w.probes[tgt.ID]; n < 50 || n > 56 {
			t.Errorf("%s was probed %d times in ten minutes, want about 50", tgt.ID, n)
		}
		if a := w.assess(tgt.ID); a.State != bellwether.Healthy || a.Suspected {
			t.Errorf("%s is %s, suspected %v", tgt.ID, a.State, a.Suspected)
		}
	}
}

// TestANewTargetExpectsWhatItsSiblingsShow adds a region of a model whose calls
// often fail elsewhere.
func TestANewTargetExpectsWhatItsSiblingsShow(t *testing.T) {
	t.Parallel()
	usual := func(sibling float64) float64 {
		w := newWorld(t, 15*time.Second, func(c *scoring.Config) { c.Targets, c.Routes = fleet()[:2], nil })
		w.ticks = -1
		w.next["openai-eu"] = dawn.Add(12 * time.Hour)
		w.fault = func(w *world, tgt bellwether.Target, o *bellwether.Observation) {
			if w.rng.Float64() < sibling {
				fails(o, bellwether.ServerError, 500)
			}
		}
		w.run(12 * time.Hour)
		w.fault = nil
		w.run(time.Minute)
		for _, u := range w.assess("openai-eu").Usual {
			if u.Signal == bellwether.Availability {
				return u.Median
			}
		}
		return -1
	}
	if often, seldom := usual(.01), usual(0); often < .006 || seldom > .001 {
		t.Errorf("a new target expects %v where its sibling fails 1 %%, %v where it never fails", often, seldom)
	}
}
