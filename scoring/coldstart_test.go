package scoring_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/scoring"
)

func reasonText(rs []bellwether.Reason, code string) string {
	for _, r := range rs {
		if r.Code == code {
			return r.Text
		}
	}
	return ""
}

func TestAKeyThatNeverWorkedIsSaidOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 15*time.Second, nil)
	w.fault = only(us, func(o *bellwether.Observation) { fails(o, bellwether.AuthError, 401) })
	w.run(5 * time.Minute)
	var said []bellwether.Change
	for _, c := range w.changes {
		if c.Target == us {
			said = append(said, c)
		}
	}
	if len(said) != 1 {
		t.Fatalf("%d changes, want one: %+v", len(said), said)
	}
	c := said[0]
	if c.From != bellwether.Unknown || c.To != bellwether.Unknown || c.Cause != bellwether.CauseAccount || c.Weight != 0 || c.Score != 0 || !hasReason(c.Reasons, "key_rejected") {
		t.Errorf("said: %+v", c)
	}
	if c.At.Sub(dawn) > time.Minute {
		t.Errorf("said after %v", c.At.Sub(dawn))
	}
	w.changes, w.fault = nil, only("nobody", nil)
	w.run(time.Minute)
	if len(w.changes) == 0 || w.changes[0].Cause != "" || w.changes[0].Score == 0 {
		t.Errorf("the key works again, and that is not said: %+v", w.changes)
	}
}

func TestAWallFromTheStartIsSaidOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 15*time.Second, nil)
	w.fault = only(us, func(o *bellwether.Observation) { fails(o, bellwether.Blocked, 403) })
	w.run(5 * time.Minute)
	n := 0
	for _, c := range w.changes {
		if c.Target == us {
			n++
			if c.To != bellwether.Unknown || c.Cause != bellwether.CauseVantage {
				t.Errorf("said: %+v", c)
			}
		}
	}
	if n != 1 {
		t.Errorf("%d changes, want one", n)
	}
}

// TestWhatNeverAnsweredLosesItsTrafficWithinAFewFailures probes as a first
// config does: one canary a minute, nothing known.
func TestWhatNeverAnsweredLosesItsTrafficWithinAFewFailures(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		outcome bellwether.Outcome
		status  int
		alone   bool
		within  time.Duration
	}{
		{bellwether.ConnectError, 0, false, 15 * time.Second},
		{bellwether.ConnectError, 0, true, 15 * time.Second},
		{bellwether.DNSError, 0, false, 15 * time.Second},
		{bellwether.ServerError, 500, false, 15 * time.Second},
		{bellwether.Gone, 404, false, 15 * time.Second},
	} {
		w := newWorld(t, time.Minute, func(cfg *scoring.Config) {
			cfg.Targets = []bellwether.Target{cfg.Targets[0], cfg.Targets[2]}
			if c.alone {
				cfg.Targets[1].Provider = cfg.Targets[0].Provider
			}
			cfg.Routes = []bellwether.Route{{Name: "chat", StandbyShare: .05, Tiers: [][]bellwether.TierTarget{tier(us), tier("anthropic-us")}}}
		})
		w.every = 59 * time.Second // ticks, too
		w.fault = only(us, func(o *bellwether.Observation) { fails(o, c.outcome, c.status) })
		first := time.Time{}
		for range 240 {
			w.run(500 * time.Millisecond)
			if first.IsZero() && w.probes[us] > 0 {
				first = w.now
			}
			tw := w.weight("chat", us)
			if s := w.state(us); (s == bellwether.Failing && tw.Weight > .5) || (s == bellwether.Down && tw.Weight != 0) {
				t.Fatalf("%s: %s at weight %v", c.outcome, s, tw.Weight)
			}
			if tw.Share <= .2 {
				break
			}
		}
		tw := w.weight("chat", us)
		t.Logf("%s: share %.2f, weight %.2f, %s after %v and %d probes", c.outcome, tw.Share, tw.Weight, tw.State, w.now.Sub(first), w.probes[us])
		if tw.Share > .2 || w.now.Sub(first) > c.within {
			t.Errorf("%s: share %v after %v: %+v", c.outcome, tw.Share, w.now.Sub(first), w.assess(us).Evidence[:3])
		}
		w.run(30 * time.Second)
		a := w.assess(us)
		if a.State != bellwether.Down || a.Weight != 0 {
			t.Errorf("%s: %s at weight %v half a minute later", c.outcome, a.State, a.Weight)
		}
		if text := reasonText(a.Reasons, "errors"); strings.Contains(text, "usually") || !strings.Contains(text, "nothing good seen yet") {
			t.Errorf("%s: %q says what is usual of a target that never answered", c.outcome, text)
		}
	}
}

// TestWhenAVerdictFallsItsWeightFallsWithIt looks at every published document.
func TestWhenAVerdictFallsItsWeightFallsWithIt(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]func(o *bellwether.Observation){
		"outage":        func(o *bellwether.Observation) { fails(o, bellwether.ServerError, 500) },
		"wrong answers": func(o *bellwether.Observation) { o.Outcome = bellwether.BadOutput },
	} {
		for _, start := range []func() *world{func() *world { return newWorld(t, 20*time.Second, nil) }, func() *world { return warm(t, 20*time.Second, nil) }} {
			w := start()
			w.fault = only(us, f)
			w.until(w.now.Add(5*time.Minute), func() bool {
				for _, tw := range w.routes["chat"].Targets {
					if (tw.State == bellwether.Failing || tw.State == bellwether.Down) && tw.Weight > .75 {
						t.Errorf("%s: %s is published as %s at weight %v", name, tw.Target, tw.State, tw.Weight)
					}
				}
				return t.Failed()
			})
			if s := w.state(us); s.Severity() < 2 {
				t.Errorf("%s: %s", name, s)
			}
		}
	}
}
