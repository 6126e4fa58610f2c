package scoring_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/scoring"
)

// settled is that an engine can be checkpointed, restored and told.
func settled(t *testing.T, w *world) {
	t.Helper()
	checkRoutes(t, w.engine.Routes())
	if _, err := json.Marshal(w.engine.Assessments()); err != nil {
		t.Errorf("assessments: %v", err)
	}
	cp, err := w.engine.Checkpoint()
	if err != nil {
		t.Fatalf("checkpoint: %v", err)
	}
	other := w.fresh()
	if err := other.Restore(cp); err != nil {
		t.Fatalf("restore: %v", err)
	}
	if !bytes.Equal(final(t, w.engine), final(t, other)) {
		t.Error("restored, the engine says something else")
	}
}

func TestAbsurdObservationsLeaveTheEngineSound(t *testing.T) {
	t.Parallel()
	w := warm(t, 5*time.Second, nil)
	floats := []float64{math.NaN(), math.Inf(1), math.Inf(-1), -1, 0, 1e300, 5e-324, 1e18}
	times := []time.Time{{}, time.Unix(-1<<60, 0), time.Unix(1<<55, 0), time.Date(1, 2, 3, 0, 0, 0, 0, time.UTC), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), w.now}
	ints := []int{0, -1, math.MinInt, math.MaxInt}
	n := 0
	for _, f := range floats {
		for _, at := range times {
			for _, k := range ints {
				n++
				o := bellwether.Observation{
					ID: fmt.Sprint("x", n), At: at, Source: bellwether.SourceProbe, Vantage: "home", Target: us, Canary: "capital", Outcome: bellwether.OK,
					Timing: bellwether.Timing{FirstToken: f, Total: f, InterToken: f}, Tokens: &bellwether.Tokens{Output: k}, Window: f, Reused: true,
				}
				w.fold(bellwether.Record{At: w.now, Observation: &o})
				r := o
				r.Source, r.Timing, r.Tokens = bellwether.SourceRouter, bellwether.Timing{}, nil
				r.Counts = map[bellwether.Outcome]int{bellwether.OK: k, bellwether.ServerError: k, "no such": k}
				r.Sketches = map[bellwether.Signal][]byte{bellwether.FirstToken: {1, 2, 3}}
				w.fold(bellwether.Record{At: w.now, Observation: &r})
				w.now = w.now.Add(time.Second)
				w.fold(bellwether.Record{At: w.now})
			}
		}
	}
	for _, a := range w.engine.Assessments() {
		if math.IsNaN(a.Score) || math.IsNaN(a.Weight) || a.LastSeen.After(w.now) {
			t.Errorf("%s: score %v, weight %v, last seen %v at %v", a.Target, a.Score, a.Weight, a.LastSeen, w.now)
		}
	}
	settled(t, w)
}

func TestASummaryOfTheFutureDoesNotHideSilence(t *testing.T) {
	t.Parallel()
	w := warm(t, 5*time.Second, nil)
	w.fold(bellwether.Record{At: w.now, Observation: &bellwether.Observation{
		ID: "f", At: w.now, Source: bellwether.SourceRouter, Vantage: "r", Target: us, Window: 3600, Counts: map[bellwether.Outcome]int{bellwether.OK: 5}}})
	if at := w.assess(us).LastSeen; at.After(w.now) {
		t.Errorf("last seen %v, which is %v ahead", at, at.Sub(w.now))
	}
}

func TestOverridesOfAnyKindAreTakenOrLeft(t *testing.T) {
	t.Parallel()
	w := warm(t, 5*time.Second, nil)
	pin := func(id string, weight float64, until time.Time) {
		w.fold(bellwether.Record{At: w.now, Override: &bellwether.Override{ID: id, Target: us, Weight: weight, ExpiresAt: until, Reason: string(make([]byte, 1<<17))}})
	}
	pin("for ever", .5, time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC))
	if tw := w.weight("chat", us); tw.Weight != .5 {
		t.Errorf("pinned until the year 9000: weight %v", tw.Weight)
	}
	settled(t, w)
	pin("nan", math.NaN(), w.now.Add(time.Hour))
	if tw := w.weight("chat", us); tw.Weight != .5 {
		t.Errorf("pinned to NaN: weight %v", tw.Weight)
	}
	for i := range 100 {
		pin(fmt.Sprint(i), .25, w.now.Add(time.Hour))
	}
	pin("last", .75, w.now.Add(time.Hour))
	if tw := w.weight("chat", us); tw.Weight != .75 {
		t.Errorf("after a hundred overrides the newest is not in force: weight %v", tw.Weight)
	}
	settled(t, w)
}

func TestAClockSetBackIsNoSilence(t *testing.T) {
	t.Parallel()
	w := warm(t, 5*time.Second, nil)
	right := w.now
	w.now = w.now.Add(400 * 24 * time.Hour)
	for _, tgt := range w.config.Targets {
		w.probe(tgt)
	}
	w.now = right.Add(time.Minute)
	for _, tgt := range w.config.Targets {
		w.next[tgt.ID] = w.now
	}
	clear(w.fast)
	w.fault = only("nobody", nil)
	w.run(time.Minute)
	for _, a := range w.engine.Assessments() {
		if a.State != bellwether.Healthy || a.Weight != 1 || a.LastSeen.After(w.now) {
			t.Errorf("a minute after the clock was set right %s is %s at weight %v, last seen %v: %+v", a.Target, a.State, a.Weight, a.LastSeen, a.Reasons)
		}
	}
	w.fault = only(us, func(o *bellwether.Observation) { fails(o, bellwether.ServerError, 500) })
	w.run(time.Minute)
	if s := w.state(us); s != bellwether.Down {
		t.Errorf("an outage after that: %s", s)
	}
}

func TestPassingNamesDoNotPushOutWhatIsKnown(t *testing.T) {
	t.Parallel()
	w := warm(t, 5*time.Second, nil)
	size := func() int {
		cp, err := w.engine.Checkpoint()
		if err != nil {
			t.Fatal(err)
		}
		return len(cp)
	}
	before := size()
	for i := range 5000 {
		o := w.healthy(w.config.Targets[0])
		o.Canary, o.Vantage = fmt.Sprint("c", i), fmt.Sprint("v", i)
		w.fold(bellwether.Record{At: w.now, Observation: o})
		if i%50 == 0 {
			w.run(time.Second)
		}
	}
	if grown := size() - before; grown > 200<<10 {
		t.Errorf("5000 names of canaries and vantages made the checkpoint grow by %d bytes", grown)
	}
	w.vantages, w.canaries = []string{"elsewhere"}, []string{"new"}
	w.run(10 * time.Minute) // a new canary still gets a baseline of its own
	w.fault = only(us, func(o *bellwether.Observation) { slower(o, 3, 3) })
	clear(w.probes)
	if !w.until(w.now.Add(time.Minute), func() bool { return w.state(us) == bellwether.Degraded }) || w.probes[us] > 6 {
		t.Errorf("slowness on a new canary: %s after %d probes", w.state(us), w.probes[us])
	}
	settled(t, w)
}

func TestAWallOfAVantageThatIsGoneAgreesWithNobody(t *testing.T) {
	t.Parallel()
	w := warm(t, 3*time.Second, nil)
	o := w.healthy(w.config.Targets[0])
	fails(o, bellwether.Blocked, 403)
	o.Vantage = "gone"
	w.fold(bellwether.Record{At: w.now, Observation: o})
	w.run(20 * time.Minute)
	w.fault = only(us, func(o *bellwether.Observation) { fails(o, bellwether.Blocked, 403) })
	w.run(2 * time.Minute)
	if a := w.assess(us); a.State != bellwether.Unknown || !hasReason(a.Reasons, "blocked") {
		t.Errorf("behind one wall, 20 minutes after another vantage met one: %+v", a)
	}
}

func TestSilenceFromEverybodyIsOurOwnNetwork(t *testing.T) {
	t.Parallel()
	w := warm(t, 3*time.Second, nil)
	w.fault = func(_ *world, _ bellwether.Target, o *bellwether.Observation) { fails(o, bellwether.Timeout, 0) }
	w.run(time.Minute)
	for _, a := range w.engine.Assessments() {
		if a.State != bellwether.Unknown || a.Weight != 1 || a.Cause != bellwether.CauseVantage {
			t.Errorf("while warm connections to everybody hang, %s is %s (%s) at weight %v", a.Target, a.State, a.Cause, a.Weight)
		}
	}
	w.fault = only("nobody", nil)
	w.run(time.Minute)
	if m := w.routes["chat"].Mode; m != bellwether.ModeNormal {
		t.Errorf("afterwards: mode %s", m)
	}
	onlyDoubted(t, w)
}

func TestProbesAnHourApartKnowTheirVantage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Hour, nil)
	w.run(48 * time.Hour)
	w.changes = nil
	w.fault = func(_ *world, _ bellwether.Target, o *bellwether.Observation) { fails(o, bellwether.DNSError, 0) }
	w.run(3 * time.Hour)
	for _, ch := range w.changes {
		if ch.To.Severity() > 0 {
			t.Errorf("our own DNS fault is blamed: %+v", ch)
		}
	}
}

func TestASmallLastingErrorRateIsNotSuspectedForEver(t *testing.T) {
	t.Parallel()
	w := warm(t, 5*time.Second, nil)
	n := 0
	w.ticks = -1
	w.fault = only(us, func(o *bellwether.Observation) {
		if n++; n%90 == 0 { // 1.1 %: too little to matter, and proven
			fails(o, bellwether.ServerError, 500)
		}
	})
	w.run(6 * time.Hour)
	suspected := 0
	const minutes = 300
	for range minutes {
		w.run(time.Minute)
		a := w.assess(us)
		if a.State != bellwether.Healthy {
			t.Fatalf("1.1 %% errors are said to matter: %s, %+v", a.State, a.Reasons)
		}
		if a.Suspected {
			suspected++
		}
	}
	t.Logf("suspected in %d of %d minutes", suspected, minutes)
	if suspected > minutes/2 {
		t.Errorf("suspected in %d of %d minutes of a small, lasting rate of errors", suspected, minutes)
	}
}

func TestALimitThatWasMetDoesNotBecomeUsual(t *testing.T) {
	t.Parallel()
	w := warm(t, 3*time.Second, nil)
	limited := func() string {
		w.fault = only(us, func(o *bellwether.Observation) { fails(o, bellwether.RateLimited, 429) })
		w.run(2 * time.Minute)
		a := w.assess(us)
		w.fault = only("nobody", nil)
		w.run(30 * time.Minute)
		_, usually, _ := strings.Cut(a.Reasons[0].Text, "usually ")
		return usually
	}
	first := limited()
	for range 5 {
		limited()
	}
	if again := limited(); again > first {
		t.Errorf("429 was usually %s, and %s after some storms", first, again)
	}
}

func TestTrafficAloneBringsTheWeightBack(t *testing.T) {
	t.Parallel()
	w := warm(t, 5*time.Second, nil)
	w.fault = only("nobody", nil)
	w.next[us] = w.now.Add(24 * time.Hour) // no probes
	feed := func(d time.Duration, bad int) {
		for end := w.now.Add(d); w.now.Before(end); {
			w.run(time.Second)
			w.window("r", us, 10, bad)
		}
	}
	feed(2*time.Minute, 0)
	feed(30*time.Second, 10)
	if a := w.assess(us); a.State != bellwether.Down || a.Weight != 0 {
		t.Fatalf("traffic that fails for half a minute: %s at weight %v", a.State, a.Weight)
	}
	w.next[us] = w.now.Add(24 * time.Hour) // suspicion asked for probes
	delete(w.fast, us)
	feed(5*time.Minute, 0)
	if a := w.assess(us); a.State != bellwether.Healthy || a.Weight < .95 {
		t.Errorf("five minutes of good traffic later: %s at weight %v", a.State, a.Weight)
	}
}

func TestAHeldFailureConfirmsNothingByItself(t *testing.T) {
	t.Parallel()
	w := warm(t, 3*time.Second, nil)
	n := 0
	w.fault = only(us, func(o *bellwether.Observation) {
		if n++; n%2 == 0 {
			fails(o, bellwether.ConnectError, 0)
		} else {
			fails(o, bellwether.ServerError, 500)
		}
	})
	w.run(time.Minute)
	for _, r := range w.assess(us).Reasons {
		if r.Code == "errors" && bytes.Contains([]byte(r.Text), []byte("another canary")) {
			t.Errorf("one canary is confirmed by another: %s", r.Text)
		}
	}
}

func TestAbsurdPoliciesAreRefused(t *testing.T) {
	t.Parallel()
	for _, v := range []float64{math.NaN(), math.Inf(1), -1, 5e-324, 31} {
		if ps := (scoring.Policy{FalseAlarms: v}).Validate(); len(ps) != 1 {
			t.Errorf("a budget of %v false alarms: %v", v, ps)
		}
	}
}
