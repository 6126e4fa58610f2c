package scoring_test

import (
	"slices"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// lengths gives a world a canary of one token and one of two hundred.
func lengths(w *world, do func(tgt bellwether.Target, o *bellwether.Observation)) fault {
	return func(_ *world, tgt bellwether.Target, o *bellwether.Observation) {
		if o.Canary == "short" {
			o.Tokens.Output = 1
			o.Timing.InterToken, o.Timing.Total = 0, o.Timing.FirstToken
		} else {
			o.Tokens.Output *= 5
			o.Timing.Total = o.Timing.FirstToken + float64(o.Tokens.Output-1)*o.Timing.InterToken
		}
		if do != nil {
			do(tgt, o)
		}
	}
}

// asked runs until us is suspected, or the canaries it is asked change, and
// returns them as they are half a minute later.
func asked(w *world) (names []string) {
	end := time.Time{}
	w.until(w.now.Add(10*time.Minute), func() bool {
		for _, s := range w.last.Suspicions {
			if s.Target == us && s.Interval > 0 {
				names = s.Canaries
				if end.IsZero() {
					end = w.now.Add(30 * time.Second)
				}
			}
		}
		return !end.IsZero() && w.now.After(end)
	})
	return names
}

func TestSuspicionAsksWhatTellsMostForItsCost(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		do   func(o *bellwether.Observation)
		want []string
	}{
		{"calls that fail: whatever is cheapest", func(o *bellwether.Observation) { fails(o, bellwether.ServerError, 500) }, []string{"short"}},
		{"a slow first token: whatever is cheapest", func(o *bellwether.Observation) { slower(o, 3, 1) }, []string{"short"}},
		{"slow tokens: who has some", func(o *bellwether.Observation) { slower(o, 1, 2) }, []string{"long"}},
		{"wrong answers to one canary: that one", func(o *bellwether.Observation) {
			if o.Canary == "long" {
				o.Outcome = bellwether.BadOutput
			}
		}, []string{"long"}},
	} {
		w := newWorld(t, 15*time.Second, nil)
		w.ticks, w.canaries = -1, []string{"short", "long"}
		w.fault = lengths(w, nil)
		w.run(4 * time.Hour)
		w.until(w.now.Add(time.Hour), func() bool { return !w.assess(us).Suspected })
		w.ticks = 0
		w.fault = lengths(w, func(tgt bellwether.Target, o *bellwether.Observation) {
			if tgt.ID == us {
				c.do(o)
			}
		})
		if got := asked(w); !slices.Contains(got, c.want[0]) || len(got) > 2 {
			t.Errorf("%s: asked %v, want %v", c.name, got, c.want)
		}
	}
}

// TestSuspicionKeepsToItsShareOfTheAnswers watches a fault that lasts for a day:
// one that answers is soon asked little more than the schedule does, one that
// does not costs nothing and is watched on.
func TestSuspicionKeepsToItsShareOfTheAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name        string
		do          func(o *bellwether.Observation)
		least, most float64 // probes an interval in the second half of a day
	}{
		{"slow", func(o *bellwether.Observation) { slower(o, 3, 3) }, 1.2, 1.45},
		{"down", func(o *bellwether.Observation) { fails(o, bellwether.ServerError, 500) }, 5.5, 6.5},
	} {
		w := warm(t, 30*time.Second, nil)
		w.config.Interval[us] = 30 * time.Second
		w.rewind(w.fresh(), w.now)
		w.ticks, w.fault = -1, only(us, c.do)
		w.run(12 * time.Hour)
		clear(w.probes)
		w.run(12 * time.Hour)
		if got := float64(w.probes[us]) / 1440; got < c.least || got > c.most {
			t.Errorf("%s: %.2f probes an interval in the second half of a day, want %v to %v; the state is %s", c.name, got, c.least, c.most, w.state(us))
		}
	}
}

func TestTheSlowIntervalMakesUpForSuspicion(t *testing.T) {
	t.Parallel()
	w := warm(t, 15*time.Second, nil)
	w.ticks = -1
	c, ok := w.engine.Cadence(us)
	if _, unknown := w.engine.Cadence("nobody"); !ok || unknown || c.Usual != 15 {
		t.Fatalf("cadence = %+v, %v", c, ok)
	}
	clear(w.probes)
	w.run(24 * time.Hour)
	c, _ = w.engine.Cadence(us)
	extra := float64(w.probes[us])/5760 - 1
	t.Logf("%.3f probes beside the schedule for each on it; cadence %+v", extra, c)
	if c.Extra < extra/2 || c.Extra > 2*extra+.02 || c.Slow < 15 || c.Slow > 20 {
		t.Errorf("%.3f probes beside the schedule for each on it, and the cadence is %+v", extra, c)
	}
}
