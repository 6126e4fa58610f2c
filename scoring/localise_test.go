package scoring_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/scoring"
)

// grid is three providers of four models in two regions; clouds cut across them.
func grid(c *scoring.Config) {
	c.Targets, c.Routes = nil, nil
	for _, p := range []string{"openai", "anthropic", "gemini"} {
		for m := range 4 {
			for _, r := range []string{"us", "eu"} {
				c.Targets = append(c.Targets, bellwether.Target{ID: fmt.Sprintf("%s-%d-%s", p, m, r), Provider: p, Model: fmt.Sprintf("%s-%d", p, m), Region: r,
					Labels: map[string]string{"cloud": []string{"aws", "gcp", "azure", "own"}[(m+len(p))%4]}})
			}
		}
	}
	c.Routes = []bellwether.Route{{Name: "chat", Tiers: [][]bellwether.TierTarget{tier(c.Targets[0].ID, c.Targets[8].ID)}}}
	for _, t := range c.Targets {
		c.Interval[t.ID] = 30 * time.Second
	}
}

// gridPast is a checkpoint after hours of health of the grid.
var gridPast = sync.OnceValues(func() ([]byte, error) {
	w := newWorld(&testing.T{}, 30*time.Second, grid)
	w.ticks = -1
	w.run(6 * time.Hour)
	w.engine.Assessments()
	return w.engine.Checkpoint()
})

// trials runs n times from the grid's past, at a random phase: prepare makes the
// fault, and says when the trial is over.
func trials(t *testing.T, n int, prepare func(w *world) (fault, func() bool), ended func(w *world)) {
	t.Helper()
	past, err := gridPast()
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, 30*time.Second, grid)
	if raced {
		n = (n + 9) / 10
	}
	for range n {
		if err := w.engine.Restore(past); err != nil {
			t.Fatal(err)
		}
		w.now, w.fault, w.changes, w.routes = dawn.Add(6*time.Hour), nil, nil, w.engine.Routes()
		clear(w.fast)
		clear(w.probes)
		for _, tgt := range w.config.Targets {
			w.next[tgt.ID] = w.now.Add(time.Duration(w.rng.Int64N(int64(w.every))))
			if w.assess(tgt.ID).Suspected {
				w.fast[tgt.ID] = 5 * time.Second // as a server resumes what it suspected
			}
		}
		f, over := prepare(w)
		w.fault = f
		w.until(w.now.Add(5*time.Minute), over)
		ended(w)
	}
}

func TestTheRightGroupIsBlamedInTheRoundOfDetection(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		cause bellwether.Cause
		hit   func(one, other bellwether.Target) bool
	}{
		{"one target", bellwether.CauseTarget, func(a, b bellwether.Target) bool { return a.ID == b.ID }},
		{"one model in all regions", bellwether.CauseModel, func(a, b bellwether.Target) bool { return a.Model == b.Model }},
		{"one region of a provider", bellwether.CauseRegion, func(a, b bellwether.Target) bool { return a.Provider == b.Provider && a.Region == b.Region }},
		{"one provider", bellwether.CauseProvider, func(a, b bellwether.Target) bool { return a.Provider == b.Provider }},
		{"one cloud of three providers", bellwether.CauseProvider, func(a, b bellwether.Target) bool { return a.Labels["cloud"] == b.Labels["cloud"] }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			right, found, n := 0, 0, 100
			var took time.Duration
			trials(t, n, func(w *world) (fault, func() bool) {
				one := w.config.Targets[w.rng.IntN(len(w.config.Targets))]
				var first time.Time
				begin := w.now
				return func(_ *world, tgt bellwether.Target, o *bellwether.Observation) {
						if c.hit(one, tgt) {
							fails(o, bellwether.ServerError, 500)
						}
					}, func() bool {
						if first.IsZero() && len(w.changes) > 0 {
							first = w.now
							took += w.now.Sub(begin)
						}
						return !first.IsZero() && w.now.Sub(first) >= 5*time.Second
					}
			}, func(w *world) {
				if len(w.changes) == 0 {
					return
				}
				found++
				if a := w.assess(w.changes[0].Target); a.Cause == c.cause && (c.name[:9] != "one cloud" || strings.Contains(fmt.Sprint(a.Reasons), "cloud ")) {
					right++
				} else if testing.Verbose() {
					t.Logf("blamed %s: %+v", a.Cause, a.Reasons)
				}
			})
			if raced {
				n = (n + 9) / 10
			}
			t.Logf("found %d of %d after %v on average, right %d", found, n, (took / time.Duration(max(1, found))).Round(100*time.Millisecond), right)
			if found < n || float64(right) < .95*float64(n)-1 {
				t.Errorf("%d of %d blamed rightly", right, n)
			}
		})
	}
}

// TestNobodyIsBlamedForOurOwnNetwork cuts the network in every way, or loses half
// of the calls, at any time, for 10 s to two minutes.
func TestNobodyIsBlamedForOurOwnNetwork(t *testing.T) {
	t.Parallel()
	n := 300
	blamed, froze := 0, 0
	trials(t, n, func(w *world) (fault, func() bool) {
		outcome := []bellwether.Outcome{bellwether.DNSError, bellwether.ConnectError, bellwether.TLSError, bellwether.Timeout, bellwether.FirstTokenTimeout}[w.rng.IntN(5)]
		from := w.now.Add(time.Duration(w.rng.Int64N(int64(time.Minute))))
		to := from.Add(10*time.Second + time.Duration(w.rng.Int64N(int64(110*time.Second))))
		frozen, part := false, []float64{1, 1, .5}[w.rng.IntN(3)]
		return func(w *world, _ bellwether.Target, o *bellwether.Observation) {
				if w.now.After(from) && w.now.Before(to) && w.rng.Float64() < part {
					fails(o, outcome, 0)
				}
			}, func() bool {
				if !frozen && w.routes["chat"].Mode == bellwether.ModeFrozen {
					frozen = true
					froze++
				}
				return w.now.After(to.Add(time.Minute))
			}
	}, func(w *world) {
		if w.alarms() > 0 {
			blamed++
			if testing.Verbose() {
				t.Logf("blamed: %+v", w.changes[0])
			}
		}
	})
	t.Logf("of %d cuts %d froze the weights, %d brought a verdict", n, froze, blamed)
	if blamed > 0 {
		t.Errorf("%d of %d cuts of our own network were blamed on somebody", blamed, n)
	}
}

func TestABrokenPromptIsOurOwnFault(t *testing.T) {
	t.Parallel()
	w := warm(t, 5*time.Second, nil)
	w.canaries = []string{"capital", "sum"}
	w.run(10 * time.Minute)
	w.changes = nil
	w.fault = func(_ *world, _ bellwether.Target, o *bellwether.Observation) {
		if o.Canary == "sum" {
			o.Outcome = bellwether.BadOutput
		}
	}
	w.run(2 * time.Minute)
	for _, ch := range w.changes {
		if ch.To.Severity() > 0 {
			t.Errorf("a broken prompt is blamed on %s: %+v", ch.Target, ch)
		}
	}
	if a := w.assess(us); a.Weight < 1 || !hasReason(a.Reasons, "canary_fault") || !strings.Contains(a.Reasons[0].Text, "canary sum is answered wrongly by unrelated providers") {
		t.Errorf("during the fault: weight %v, %+v", a.Weight, a.Reasons)
	}
	w.fault = only(us, func(o *bellwether.Observation) { o.Outcome = bellwether.BadOutput })
	w.run(2 * time.Minute)
	if a := w.assess(us); a.State != bellwether.Failing || hasReason(a.Reasons, "canary_fault") {
		t.Errorf("mended, and one target still wrong: %s %+v", a.State, a.Reasons)
	}
}

func TestWhatOneVantageSeesIsNotTheProvidersFault(t *testing.T) {
	t.Parallel()
	w := warm(t, 5*time.Second, nil)
	w.vantages = []string{"home", "away"}
	w.run(20 * time.Minute)
	w.changes = nil
	w.fault = func(_ *world, tgt bellwether.Target, o *bellwether.Observation) {
		if tgt.Provider == "openai" && o.Vantage == "away" {
			fails(o, bellwether.ServerError, 502)
		}
	}
	w.run(2 * time.Minute)
	a := w.assess(us)
	if a.State.Severity() == 0 || a.Cause != bellwether.CauseVantage || !strings.Contains(fmt.Sprint(a.Reasons), "openai, as seen from away only") {
		t.Errorf("%s %s: %+v", a.State, a.Cause, a.Reasons)
	}
}

// TestNobodyIsBlamedForOurOwnSlowness makes everything slow at any time, for half
// a minute to two.
func TestNobodyIsBlamedForOurOwnSlowness(t *testing.T) {
	t.Parallel()
	n, blamed, said := 100, 0, 0
	trials(t, n, func(w *world) (fault, func() bool) {
		factor := 2 + 3*w.rng.Float64()
		from := w.now.Add(time.Duration(w.rng.Int64N(int64(time.Minute))))
		to := from.Add(30*time.Second + time.Duration(w.rng.Int64N(int64(90*time.Second))))
		heard := false
		return func(w *world, _ bellwether.Target, o *bellwether.Observation) {
				if w.now.After(from) && w.now.Before(to) {
					slower(o, factor, 1)
				}
			}, func() bool {
				if !heard && hasReason(w.assess(w.config.Targets[0].ID).Reasons, "vantage_slow") {
					heard = true
					said++
				}
				return w.now.After(to.Add(time.Minute))
			}
	}, func(w *world) {
		for _, ch := range w.changes {
			if ch.To.Severity() > 0 && ch.Cause != bellwether.CauseVantage {
				blamed++
				t.Logf("blamed: %+v", ch)
				break
			}
		}
	})
	t.Logf("of %d slow spells %d were said to be our own, %d brought a verdict on others", n, said, blamed)
	if blamed > n/50 {
		t.Errorf("%d of %d slow spells of our own network were blamed on others", blamed, n)
	}
}
