package scoring_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/scoring"
)

const us = "openai-us"

func hasReason(rs []bellwether.Reason, code string) bool {
	for _, r := range rs {
		if r.Code == code {
			return true
		}
	}
	return false
}

func TestAnOutageIsLeftByEvidenceAndTrafficComesBackInSteps(t *testing.T) {
	t.Parallel()
	w := warm(t, 2*time.Second, nil)
	w.fault = only(us, func(o *bellwether.Observation) { fails(o, bellwether.Overloaded, 503) })
	w.run(time.Minute)
	if tw := w.weight("chat", us); tw.State != bellwether.Down || tw.Weight != 0 || tw.Share != 0 {
		t.Fatalf("after a minute of 503: %+v", tw)
	}
	if tw := w.weight("alone", us); tw.Weight != .05 || tw.Share != 1 {
		t.Errorf("a route with nothing else must keep a trickle: %+v", tw)
	}
	w.fault = only("nobody", nil)
	clear(w.probes)
	w.changes = nil
	var steps []float64
	last := 0.0
	done := w.until(w.now.Add(time.Minute), func() bool {
		if now := w.assess(us).Weight; now != last {
			if now > last && last > 0 && now > 2*last+1e-9 {
				t.Errorf("weight rose from %v to %v in one step", last, now)
			}
			steps, last = append(steps, now), now
		}
		return w.state(us) == bellwether.Healthy
	})
	t.Logf("healthy after %d probes, by weights %v", w.probes[us], steps)
	if !done || w.probes[us] > 14 || last < .95 {
		t.Errorf("recovery took %d probes to weight %v, state %s", w.probes[us], last, w.state(us))
	}
	if len(steps) < 4 {
		t.Errorf("weight came back in %d steps: %v", len(steps), steps)
	}
	if w.changes[0].To != bellwether.Recovering || !hasReason(w.changes[0].Reasons, "recovering") {
		t.Errorf("first change on the way back: %+v", w.changes[0])
	}
}

func TestSlownessInOneRegionIsBlamedOnTheRegionAndEnds(t *testing.T) {
	t.Parallel()
	w := warm(t, 3*time.Second, nil)
	w.fault = func(_ *world, tgt bellwether.Target, o *bellwether.Observation) {
		if tgt.Region == "us" {
			slower(o, 3, 3)
		}
	}
	w.run(time.Minute)
	for _, tgt := range w.config.Targets {
		a := w.assess(tgt.ID)
		want := bellwether.Healthy
		if tgt.Region == "us" {
			want = bellwether.Degraded
			if a.Cause != bellwether.CauseRegion || !hasReason(a.Reasons, "cause_region") {
				t.Errorf("%s: cause %s, reasons %+v; want the region", tgt.ID, a.Cause, a.Reasons)
			}
		}
		if a.State != want {
			t.Errorf("%s is %s, want %s: %+v", tgt.ID, a.State, want, a.Reasons)
		}
	}
	if w.routes["chat"].Mode != bellwether.ModeNormal {
		t.Errorf("mode = %s", w.routes["chat"].Mode)
	}
	w.fault = only("nobody", nil)
	clear(w.probes)
	if !w.until(w.now.Add(2*time.Minute), func() bool { return w.state(us) == bellwether.Healthy }) {
		t.Errorf("still %s two minutes after: %+v", w.state(us), w.assess(us))
	}
	t.Logf("healthy again after %d probes", w.probes[us])
}

func TestOneProviderSlowEverywhereIsBlamedOnTheProvider(t *testing.T) {
	t.Parallel()
	w := warm(t, 3*time.Second, func(c *scoring.Config) {
		for i := range c.Targets {
			c.Targets[i].Model += "-" + c.Targets[i].Region
		}
	})
	w.fault = func(_ *world, tgt bellwether.Target, o *bellwether.Observation) {
		if tgt.Provider == "openai" {
			fails(o, bellwether.ServerError, 500)
		}
	}
	w.run(time.Minute)
	if a := w.assess(us); a.Cause != bellwether.CauseProvider {
		t.Errorf("cause = %s, want provider: %+v", a.Cause, a.Reasons)
	}
}

func TestFourPercentErrorsAreSeen(t *testing.T) {
	t.Parallel()
	w := warm(t, 2*time.Second, nil)
	n := 0
	w.fault = only(us, func(o *bellwether.Observation) {
		if n++; n%25 == 0 {
			fails(o, bellwether.ServerError, 500)
		}
	})
	if !w.until(w.now.Add(10*time.Minute), func() bool { return w.state(us).Severity() > 0 }) {
		t.Fatalf("not seen after %d probes: %+v", w.probes[us], w.assess(us))
	}
	a := w.assess(us)
	t.Logf("%s after %d probes: %s", a.State, w.probes[us], a.Reasons[0].Text)
	if a.State != bellwether.Degraded || w.probes[us] > 130 {
		t.Errorf("state %s after %d probes", a.State, w.probes[us])
	}
}

func TestTrafficShowsSmallErrorRatesSooner(t *testing.T) {
	t.Parallel()
	w := warm(t, 5*time.Second, nil)
	window := func(bad int) {
		w.fold(bellwether.Record{At: w.now, Observation: &bellwether.Observation{
			ID: w.now.String(), At: w.now.Add(-time.Second), Source: bellwether.SourceRouter, Vantage: "router-1", Target: us, Route: "chat",
			Window: 1, Counts: map[bellwether.Outcome]int{bellwether.OK: 20 - bad, bellwether.ServerError: bad},
		}})
	}
	for range 600 {
		w.run(time.Second)
		window(0)
	}
	if s := w.state(us); s != bellwether.Healthy {
		t.Fatalf("clean traffic: %s", s)
	}
	begin := w.now
	for w.state(us).Severity() == 0 && w.now.Sub(begin) < 5*time.Minute {
		w.run(time.Second)
		window(1)
	}
	t.Logf("5 %% errors at 20 requests/s seen after %v", w.now.Sub(begin))
	if w.now.Sub(begin) > 30*time.Second {
		t.Errorf("5 %% errors in traffic not seen in 30 s: %+v", w.assess(us))
	}
}

func TestAColdTargetIsUnknownAtFullWeightAndAnOutageIsStillSeen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5*time.Second, nil)
	w.run(time.Minute)
	if a := w.assess(us); a.State != bellwether.Unknown || a.Weight != 1 || !hasReason(a.Reasons, "learning") {
		t.Errorf("a minute in: %+v", a)
	}
	w.fault = only(us, func(o *bellwether.Observation) { fails(o, bellwether.ServerError, 500) })
	clear(w.probes)
	if !w.until(w.now.Add(2*time.Minute), func() bool { return w.state(us) == bellwether.Down }) {
		t.Errorf("an outage of a cold target was not seen: %+v", w.assess(us))
	}
	t.Logf("down after %d probes", w.probes[us])
	w.run(2 * time.Minute)
	if s := w.state("gemini-eu"); s != bellwether.Healthy {
		t.Errorf("a watched target is %s after %d probes", s, w.probes["gemini-eu"])
	}
}

func TestAVantageFaultFreezesWeightsAndLeavesNothingKnown(t *testing.T) {
	t.Parallel()
	w := warm(t, 3*time.Second, nil)
	w.fault = func(_ *world, _ bellwether.Target, o *bellwether.Observation) { fails(o, bellwether.DNSError, 0) }
	w.run(20 * time.Second)
	for _, tgt := range w.config.Targets {
		a := w.assess(tgt.ID)
		if a.State != bellwether.Unknown || a.Weight != 1 || !hasReason(a.Reasons, "vantage_fault") || a.Cause != bellwether.CauseVantage {
			t.Errorf("%s during a vantage fault: %+v", tgt.ID, a)
		}
	}
	if m := w.routes["chat"].Mode; m != bellwether.ModeFrozen {
		t.Errorf("mode = %s, want frozen", m)
	}
	w.fault = only("nobody", nil)
	w.run(20 * time.Second)
	if m := w.routes["chat"].Mode; m != bellwether.ModeNormal {
		t.Errorf("mode after the fault = %s, want normal", m)
	}
	onlyDoubted(t, w)
}

// onlyDoubted holds that every target became unknown, then healthy, and nothing
// else.
func onlyDoubted(t *testing.T, w *world) {
	t.Helper()
	if len(w.changes) != 2*len(w.config.Targets) {
		t.Errorf("%d changes of %d targets", len(w.changes), len(w.config.Targets))
	}
	for _, c := range w.changes {
		doubt := c.To == bellwether.Unknown && c.Cause == bellwether.CauseVantage
		if !doubt && c.To != bellwether.Healthy || c.Weight != 1 {
			t.Errorf("a vantage fault made %s %s (%s) at weight %v", c.Target, c.To, c.Cause, c.Weight)
		}
	}
}

func TestARejectedKeyIsOursAndTakesTheTrafficAway(t *testing.T) {
	t.Parallel()
	w := warm(t, 3*time.Second, nil)
	w.fault = only(us, func(o *bellwether.Observation) { fails(o, bellwether.AuthError, 401) })
	w.run(10 * time.Second)
	a := w.assess(us)
	if a.State != bellwether.Unknown || a.Cause != bellwether.CauseAccount || a.Weight != 0 || !hasReason(a.Reasons, "key_rejected") {
		t.Errorf("with a rejected key: %+v", a)
	}
	if tw := w.weight("chat", us); tw.Share != 0 {
		t.Errorf("share = %v, want 0", tw.Share)
	}
	w.fault = only("nobody", nil)
	w.run(40 * time.Second)
	if a := w.assess(us); a.State != bellwether.Healthy || a.Weight != 1 {
		t.Errorf("with a good key again: %+v", a)
	}
}

func TestRateLimitsLowerTheWeightAndNeverHealth(t *testing.T) {
	t.Parallel()
	w := warm(t, 3*time.Second, nil)
	w.fault = only(us, func(o *bellwether.Observation) { fails(o, bellwether.RateLimited, 429) })
	w.run(time.Minute)
	a := w.assess(us)
	if a.State != bellwether.Healthy || a.Weight > .5 || !hasReason(a.Reasons, "rate_limited") || a.Cause != bellwether.CauseAccount {
		t.Errorf("under 429: %+v", a)
	}
	w.fault = only("nobody", nil)
	w.run(time.Minute)
	if a := w.assess(us); a.Weight != 1 {
		t.Errorf("weight after 429 = %v, want 1", a.Weight)
	}
}

func TestAWallSaysNothingOfHealth(t *testing.T) {
	t.Parallel()
	w := warm(t, 3*time.Second, nil)
	w.fault = only(us, func(o *bellwether.Observation) { fails(o, bellwether.Blocked, 403) })
	w.run(30 * time.Second)
	if a := w.assess(us); a.State != bellwether.Unknown || a.Weight != 1 || !hasReason(a.Reasons, "blocked") {
		t.Errorf("behind a wall: %+v", a)
	}
}

func TestTwoVantagesBeforeTheSameWallMakeItUnavailable(t *testing.T) {
	t.Parallel()
	w := warm(t, 3*time.Second, nil)
	w.vantages = []string{"home", "away"}
	w.fault = only(us, func(o *bellwether.Observation) { fails(o, bellwether.Blocked, 403) })
	w.run(2 * time.Minute)
	if s := w.state(us).Severity(); s == 0 {
		t.Errorf("blocked at two vantages: %+v", w.assess(us))
	}
}

func TestSilenceBecomesUnknownAndTheWeightStays(t *testing.T) {
	t.Parallel()
	w := warm(t, 5*time.Second, nil)
	w.fault = only("nobody", nil)
	w.run(10 * time.Second)
	w.next[us], w.mute = w.now.Add(time.Hour), us
	w.run(2 * time.Minute)
	if a := w.assess(us); a.State != bellwether.Unknown || a.Weight != 1 || !hasReason(a.Reasons, "stale") {
		t.Errorf("after two minutes of silence: %+v", a)
	}
	w.next[us] = w.now
	w.run(5 * time.Second)
	if s := w.state(us); s != bellwether.Healthy {
		t.Errorf("heard again: %s", s)
	}
}

func TestAnOverridePinsUntilItExpires(t *testing.T) {
	t.Parallel()
	w := warm(t, 5*time.Second, nil)
	w.fold(bellwether.Record{At: w.now, Override: &bellwether.Override{ID: "x", Target: us, By: "ann", Reason: "migration", CreatedAt: w.now, ExpiresAt: w.now.Add(time.Minute)}})
	if w.last.Routes == nil {
		t.Fatal("an override was not published")
	}
	tw := w.weight("chat", us)
	if tw.Weight != 0 || tw.Share != 0 || w.routes["chat"].Mode != bellwether.ModeOverride || !strings.Contains(tw.Reasons[0].Text, "drained by ann until 2026-11-20 00:01 UTC: migration") {
		t.Errorf("drained: %+v in %s", tw, w.routes["chat"].Mode)
	}
	w.fault = only("nobody", nil)
	w.run(90 * time.Second)
	if tw := w.weight("chat", us); tw.Weight != 1 || w.routes["chat"].Mode != bellwether.ModeNormal {
		t.Errorf("after expiry: %+v in %s", tw, w.routes["chat"].Mode)
	}
	w.fold(bellwether.Record{At: w.now, Override: &bellwether.Override{ID: "y", Target: us, Weight: .3, ExpiresAt: w.now.Add(time.Hour)}})
	if tw := w.weight("chat", us); tw.Weight != .3 {
		t.Errorf("pinned: %+v", tw)
	}
	w.fold(bellwether.Record{At: w.now, Override: &bellwether.Override{ID: "y", Target: us, Removed: true}})
	if tw := w.weight("chat", us); tw.Weight != 1 {
		t.Errorf("removed: %+v", tw)
	}
}

func TestLateObservationsAreCountedAndNotScored(t *testing.T) {
	t.Parallel()
	w := warm(t, 5*time.Second, nil)
	o := w.healthy(w.config.Targets[0])
	o.At = w.now.Add(-10 * time.Minute)
	before := w.assess(us)
	w.fold(bellwether.Record{At: w.now, Observation: o})
	if n := w.engine.Late(us); n != 1 || w.assess(us).LastSeen != before.LastSeen {
		t.Errorf("Late = %d, last seen %v", n, w.assess(us).LastSeen)
	}
}

func TestSuspicionBeginsWithTheFirstFailureAndEnds(t *testing.T) {
	t.Parallel()
	w := warm(t, 15*time.Second, nil)
	bad := 1
	w.fault = only(us, func(o *bellwether.Observation) {
		if bad--; bad >= 0 {
			slower(o, 8, 1)
		}
	})
	if !w.until(w.now.Add(time.Minute), func() bool { return len(w.last.Suspicions) > 0 }) {
		t.Fatal("no suspicion after a very slow answer")
	}
	if s := w.last.Suspicions[0]; s.Target != us || s.Interval != 5 {
		t.Errorf("suspicion = %+v", s)
	}
	if a := w.assess(us); !a.Suspected || a.State != bellwether.Healthy {
		t.Errorf("while suspected: %+v", a)
	}
	if !w.until(w.now.Add(10*time.Minute), func() bool { return len(w.last.Suspicions) > 0 && w.last.Suspicions[0].Target == us }) || w.last.Suspicions[0].Interval != 0 {
		t.Errorf("suspicion does not end: %+v", w.assess(us).Evidence)
	}
}

func TestSignalPoliciesHold(t *testing.T) {
	t.Parallel()
	slow := only(us, func(o *bellwether.Observation) { slower(o, 3, 1) })
	for _, c := range []struct {
		act    scoring.Act
		state  bellwether.State
		least  float64
		most   float64
		reason bool
	}{
		{"act", bellwether.Degraded, 0, .6, true},
		{"inform", bellwether.Healthy, 1, 1, false},
		{"ignore", bellwether.Healthy, 1, 1, false},
		{"cap: 0.8", bellwether.Degraded, .79, .9, true},
	} {
		w := warm(t, 3*time.Second, func(c2 *scoring.Config) {
			c2.Policy.Signals = map[bellwether.Signal]scoring.Act{bellwether.FirstToken: c.act}
		})
		w.fault = slow
		w.run(time.Minute)
		a := w.assess(us)
		if a.State != c.state || a.Weight < c.least || a.Weight > c.most || hasReason(a.Reasons, "first_token_slow") != c.reason {
			t.Errorf("first_token: %s: %s at weight %v: %+v", c.act, a.State, a.Weight, a.Reasons)
		}
	}
}
