package scoring_test

import (
	"math"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/scoring"
	"pgregory.net/rapid"
)

// TestCleanStreamsAlarmWithinTheBudget runs fault-free targets, suspicion's
// faster probes included, and counts how often something is said of them. A
// rare failure of 0.2 % belongs to what is usual.
func TestCleanStreamsAlarmWithinTheBudget(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		noise func(w *world) func(string) float64
	}{
		{"normal", func(*world) func(string) float64 { return nil }},
		{"heavy tails (Student t, 3 degrees)", func(w *world) func(string) float64 {
			return func(string) float64 {
				chi := 0.0
				for range 3 {
					z := w.rng.NormFloat64()
					chi += z * z
				}
				return w.rng.NormFloat64() / math.Sqrt(chi/3)
			}
		}},
		{"correlated (0.3 at 15 s)", func(w *world) func(string) float64 {
			state := map[string]float64{}
			return func(id string) float64 {
				state[id] = .3*state[id] + math.Sqrt(1-.09)*w.rng.NormFloat64()
				return state[id]
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 15*time.Second, func(c *scoring.Config) { c.Policy.FalseAlarms = 30 })
			w.noise = c.noise(w)
			w.fault = func(w *world, _ bellwether.Target, o *bellwether.Observation) {
				if w.rng.Float64() < .002 {
					fails(o, bellwether.ServerError, 500)
				}
			}
			w.ticks = -1
			w.run(24 * time.Hour)
			w.changes = nil
			clear(w.probes)
			days := 2
			if raced {
				days = 1
			}
			w.run(time.Duration(days) * 24 * time.Hour)
			probes := 0
			for _, n := range w.probes {
				probes += n
			}
			budget := float64(days * len(w.config.Targets)) // one a day
			t.Logf("%d false alarms in %d probes over %.0f target-days; the budget is %.0f", w.alarms(), probes, budget, budget)
			if n := float64(w.alarms()); n > budget+2*math.Sqrt(budget) {
				t.Errorf("%.0f false alarms, the budget is %.0f", n, budget)
			}
		})
	}
}

// TestWhateverHappensTheDocumentHoldsItsLaws throws random trouble at the
// engine; the world checks every published document.
func TestWhateverHappensTheDocumentHoldsItsLaws(t *testing.T) {
	t.Parallel()
	outcomes := []bellwether.Outcome{
		bellwether.OK, bellwether.OK, bellwether.BadOutput, bellwether.Refusal, bellwether.ServerError, bellwether.Timeout, bellwether.Gone,
		bellwether.RateLimited, bellwether.AuthError, bellwether.NoCredit, bellwether.Blocked, bellwether.ClientError, bellwether.DNSError,
		bellwether.ConnectError, bellwether.Canceled, bellwether.Missed, "never heard of",
	}
	w := warm(t, 3*time.Second, nil)
	day, begin := w.now, w.engine
	rapid.Check(t, func(rt *rapid.T) {
		w.rewind(begin, day)
		for range rapid.IntRange(1, 5).Draw(rt, "episodes") {
			who := rapid.SampledFrom(append(fleet(), bellwether.Target{})).Draw(rt, "who")
			outcome := rapid.SampledFrom(outcomes).Draw(rt, "outcome")
			factor := rapid.Float64Range(-1, 20).Draw(rt, "factor")
			w.fault = func(_ *world, tgt bellwether.Target, o *bellwether.Observation) {
				if who.ID == "" || tgt.ID == who.ID {
					o.Outcome = outcome
					o.Tokens.Output = int(float64(o.Tokens.Output) * factor)
					slower(o, factor, 1)
				}
			}
			if rapid.Bool().Draw(rt, "override") {
				w.fold(bellwether.Record{At: w.now, Override: &bellwether.Override{
					ID: "o", Target: who.ID, Weight: rapid.Float64Range(-1, 2).Draw(rt, "pin"), ExpiresAt: w.now.Add(10 * time.Second)}})
			}
			w.run(15 * time.Second)
			checkRoutes(t, w.engine.Routes())
			for _, a := range w.engine.Assessments() {
				if math.IsNaN(a.Score) || a.Score < 0 || a.Score > 100 {
					rt.Fatalf("score of %s = %v", a.Target, a.Score)
				}
			}
		}
	})
}
