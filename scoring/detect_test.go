package scoring_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
)

type fault = func(w *world, tgt bellwether.Target, o *bellwether.Observation)

func only(id string, do func(o *bellwether.Observation)) fault {
	return func(_ *world, tgt bellwether.Target, o *bellwether.Observation) {
		if tgt.ID == id {
			do(o)
		}
	}
}

func TestFaultsAreSeenWithinAFewProbes(t *testing.T) {
	t.Parallel()
	const id = "openai-us"
	for _, c := range []struct {
		name   string
		fault  fault
		want   bellwether.State
		code   string
		probes int
		every  time.Duration
		within time.Duration
	}{
		{"hard down is down", only(id, func(o *bellwether.Observation) { fails(o, bellwether.ServerError, 500) }), bellwether.Down, "errors", 6, 5 * time.Second, time.Minute},
		{"hard down at two seconds", only(id, func(o *bellwether.Observation) { fails(o, bellwether.Timeout, 0) }), bellwether.Down, "errors", 6, 2 * time.Second, time.Minute},
		{"a refused connection is down", only(id, func(o *bellwether.Observation) { fails(o, bellwether.ConnectError, 0) }), bellwether.Down, "errors", 7, 5 * time.Second, time.Minute},
		{"three times as slow is degraded", only(id, func(o *bellwether.Observation) { slower(o, 3, 3) }), bellwether.Degraded, "_token_slow", 5, 5 * time.Second, time.Minute},
		{"twice as slow is degraded", only(id, func(o *bellwether.Observation) { slower(o, 2, 2) }), bellwether.Degraded, "inter_token_slow", 7, 5 * time.Second, time.Minute},
		{"wrong answers are failing", only(id, func(o *bellwether.Observation) { o.Outcome = bellwether.BadOutput }), bellwether.Failing, "wrong_answers", 4, 5 * time.Second, time.Minute},
		{"rambling is degraded", only(id, func(o *bellwether.Observation) {
			extra := float64(o.Tokens.Output) * 2 * o.Timing.InterToken
			o.Tokens.Output *= 3
			o.Timing.Total += extra
		}), bellwether.Degraded, "output_longer", 8, 5 * time.Second, time.Minute},
		{"terse answers are degraded", only(id, func(o *bellwether.Observation) {
			o.Tokens.Output /= 3
			o.Timing.Total = o.Timing.FirstToken + o.Timing.InterToken*float64(o.Tokens.Output-1)
		}), bellwether.Degraded, "output_shorter", 8, 5 * time.Second, time.Minute},
		{"a missing model is down", only(id, func(o *bellwether.Observation) { fails(o, bellwether.Gone, 404) }), bellwether.Down, "errors", 6, 5 * time.Second, time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := warm(t, c.every, nil)
			clear(w.probes)
			w.fault = c.fault
			if !w.until(w.now.Add(c.within), func() bool { return w.state(id) == c.want }) {
				t.Fatalf("state = %s after %v, want %s: %+v", w.state(id), c.within, c.want, w.assess(id))
			}
			a := w.assess(id)
			t.Logf("%s after %d probes, weight %v, cause %s, score %v", a.State, w.probes[id], a.Weight, a.Cause, a.Score)
			for _, r := range a.Reasons {
				t.Logf("  %s: %s (%v nats)", r.Code, r.Text, r.Evidence)
			}
			if w.probes[id] > c.probes {
				t.Errorf("took %d probes, want at most %d", w.probes[id], c.probes)
			}
			found := false
			for _, r := range a.Reasons {
				found = found || strings.HasSuffix(r.Code, c.code)
			}
			if !found {
				t.Errorf("reasons = %+v, want one of code %s", a.Reasons, c.code)
			}
			for _, ch := range w.changes {
				if ch.Target != id {
					t.Errorf("%s changed to %s: %+v", ch.Target, ch.To, ch.Reasons)
				}
			}
		})
	}
}

// TestOneCanaryInFiveIsNotLostAmongTheOthers lets one canary's answers change
// while those of the others are as ever, whose evidence would cancel it.
func TestOneCanaryInFiveIsNotLostAmongTheOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 10*time.Second, nil)
	w.canaries = []string{"a", "b", "c", "d", "e"}
	w.ticks = -1
	w.run(8 * time.Hour)
	w.changes = nil
	clear(w.probes)
	w.fault = only("openai-us", func(o *bellwether.Observation) {
		if o.Canary == "c" {
			slower(o, 2, 1)
		}
	})
	w.until(w.now.Add(20*time.Minute), func() bool { return w.state("openai-us").Severity() > 0 })
	a := w.assess("openai-us")
	t.Logf("%s after %d probes: %+v", a.State, w.probes["openai-us"], a.Reasons)
	if a.State != bellwether.Degraded || w.probes["openai-us"] > 100 {
		t.Errorf("one slow canary in five: %s after %d probes: %+v", a.State, w.probes["openai-us"], a.Evidence)
	}
	w.fault = only("nobody", nil)
	if !w.until(w.now.Add(20*time.Minute), func() bool { return w.state("openai-us") == bellwether.Healthy }) {
		t.Errorf("still %s twenty minutes after", w.state("openai-us"))
	}
	if n := w.alarms(); n != 1 {
		t.Errorf("%d alarms, want one: %+v", n, w.changes)
	}
}
