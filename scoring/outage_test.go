package scoring_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/scoring"
	"pgregory.net/rapid"
)

// TestAnOutageTakesMostTrafficByItsFourthFailedProbe holds at any pace, number
// of vantages and canaries, and whether or not failures cluster in health.
func TestAnOutageTakesMostTrafficByItsFourthFailedProbe(t *testing.T) {
	t.Parallel()
	for _, every := range []time.Duration{5 * time.Second, 30 * time.Second, time.Minute} {
		for _, places := range [][]string{{"home"}, {"home", "away", "far"}} {
			for _, bursts := range []int{1, 4} {
				name := fmt.Sprintf("every %v from %d places, failures in runs of %d", every, len(places), bursts)
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					outage(t, every, places, bursts)
				})
			}
		}
	}
}

func outage(t *testing.T, every time.Duration, places []string, bursts int) {
	w := newWorld(t, every, nil)
	w.ticks, w.vantages, w.canaries = -1, places, []string{"a", "b"}
	left := map[string]int{}
	w.fault = func(w *world, tgt bellwether.Target, o *bellwether.Observation) {
		if left[tgt.ID] == 0 && w.rng.Float64() < .002/float64(bursts) {
			left[tgt.ID] = bursts
		}
		if left[tgt.ID] > 0 {
			left[tgt.ID]--
			fails(o, bellwether.ServerError, 500)
		}
	}
	past := 24 * time.Hour
	if raced {
		past = 4 * time.Hour
	}
	w.run(past)
	w.until(w.now.Add(time.Hour), func() bool { return w.weight("chat", us).Weight == 1 })
	w.ticks = 0
	clear(w.probes)
	w.fault = only(us, func(o *bellwether.Observation) { fails(o, bellwether.ServerError, 500) })
	w.until(w.now.Add(10*time.Minute), func() bool { return w.probes[us] >= 4 })
	if a := w.assess(us); a.Weight >= .5 {
		t.Errorf("weight %v after four failed probes: %+v", a.Weight, a.Evidence[:3])
	}
	w.run(20 * time.Minute)
	if a := w.assess(us); a.State != bellwether.Down || a.Weight != 0 {
		t.Fatalf("twenty minutes of failures: %s at %v", a.State, a.Weight)
	}
	clear(w.probes)
	w.fault = only("nobody", nil)
	last := 0.0
	w.until(w.now.Add(20*time.Minute), func() bool {
		now := w.assess(us).Weight
		if o := w.observed; now > last && (o == nil || o.Target != us || o.Outcome != bellwether.OK) {
			t.Errorf("weight rose from %v to %v without an answer", last, now)
		}
		last = now
		return last > .93
	})
	if last <= .93 {
		a := w.assess(us)
		t.Errorf("twenty minutes of answers: %s at weight %v: %+v %+v", a.State, last, a.Factors, a.Reasons)
	}
}

// TestWorseNewsNeverBringsMoreTraffic compares two futures of one past, whatever
// that is: the next observation of a target is as usual, or it is worse. Panic
// apart, which spreads traffic on purpose, the worse one never leaves it a
// larger weight or share.
func TestWorseNewsNeverBringsMoreTraffic(t *testing.T) {
	t.Parallel()
	prefer := bellwether.Preferences{Latency: 1, Task: 1}
	w := warm(t, 3*time.Second, func(c *scoring.Config) {
		c.Routes[0].Prefer, c.Routes[0].Task, c.Tasks = prefer, "factual", map[string]string{"capital": "factual"}
		c.Routes[0].ShiftWhen = map[bellwether.Signal]float64{bellwether.FirstToken: 1.5}
	})
	day, begin := w.now, w.engine
	other := w.fresh()
	worse := map[string]func(*bellwether.Observation){
		"fails":   func(o *bellwether.Observation) { fails(o, bellwether.ServerError, 500) },
		"slow":    func(o *bellwether.Observation) { slower(o, 3, 3) },
		"wrong":   func(o *bellwether.Observation) { o.Outcome = bellwether.BadOutput },
		"limited": func(o *bellwether.Observation) { fails(o, bellwether.RateLimited, 429) },
	}
	rapid.Check(t, func(rt *rapid.T) {
		w.rewind(begin, day)
		for range rapid.IntRange(0, 4).Draw(rt, "episodes") {
			who := rapid.SampledFrom(fleet()).Draw(rt, "who").ID
			what := rapid.SampledFrom([]string{"fails", "slow", "wrong", "limited"}).Draw(rt, "what")
			part := rapid.SampledFrom([]float64{.3, 1}).Draw(rt, "part")
			w.fault = only(who, func(o *bellwether.Observation) {
				if w.rng.Float64() < part {
					worse[what](o)
				}
			})
			w.run(time.Duration(rapid.IntRange(3, 25).Draw(rt, "seconds")) * time.Second)
			w.fault = only("nobody", nil)
			w.run(time.Duration(rapid.IntRange(0, 25).Draw(rt, "seconds after")) * time.Second)
		}
		past, err := w.engine.Checkpoint()
		if err != nil {
			rt.Fatal(err)
		}
		tgt := rapid.SampledFrom(fleet()).Draw(rt, "target")
		what := rapid.SampledFrom([]string{"fails", "slow", "wrong", "limited"}).Draw(rt, "news")
		usual := w.healthy(tgt)
		bad := *usual
		worse[what](&bad)
		one, two := w.future(rt, other, past, usual), w.future(rt, other, past, &bad)
		for name, r := range one {
			for i, tw := range r.Targets {
				o := two[name].Targets[i]
				if tw.Target == tgt.ID && (o.Weight > tw.Weight || o.Share > tw.Share+1e-9 && r.Mode == two[name].Mode) {
					rt.Fatalf("%s %s: weight %v share %v in %s, and as usual %v and %v in %s", tgt.ID, what, o.Weight, o.Share, two[name].Mode, tw.Weight, tw.Share, r.Mode)
				}
			}
		}
	})
}

// future returns the routes after one more observation, folded by e.
func (w *world) future(rt *rapid.T, e *scoring.Engine, past []byte, o *bellwether.Observation) map[string]bellwether.RouteWeights {
	if err := e.Restore(past); err != nil {
		rt.Fatal(err)
	}
	e.Fold(bellwether.Record{At: w.now, Observation: o})
	a, _ := e.Assess(o.Target)
	lost := 0.0
	for _, f := range a.Factors {
		lost += f.Points
	}
	if math.Abs(100-lost-a.Score) > .5 {
		rt.Fatalf("%s: score %v, and %v are taken off by %+v", a.Target, a.Score, lost, a.Factors)
	}
	return e.Routes()
}
