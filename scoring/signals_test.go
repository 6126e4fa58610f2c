package scoring_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/scoring"
)

// richer gives probes a confidence and features of text, as log-probabilities
// and prose have them, and changes what do asks for.
func richer(do func(o *bellwether.Observation)) fault {
	return func(w *world, tgt bellwether.Target, o *bellwether.Observation) {
		c := -.2 + .03*w.rng.NormFloat64()
		o.Confidence = &c
		o.Signals = map[bellwether.Signal]float64{
			"text.repetition": .1 * w.rng.Float64(), "text.distinct": .8 + .1*w.rng.Float64(),
			"text.similarity": .5 + .3*w.rng.Float64(), "text.length_ratio": .8 + .4*w.rng.Float64(), "judge.tokens": 100 * w.rng.Float64(),
		}
		if do != nil && tgt.ID == us {
			do(o)
		}
	}
}

// rich is a world whose probes have all signals, after some hours of health.
func rich(t *testing.T, change func(*scoring.Config)) *world {
	w := newWorld(t, 15*time.Second, func(c *scoring.Config) {
		c.Targets, c.Routes = fleet()[:2], nil
		if change != nil {
			change(c)
		}
	})
	w.ticks, w.fault = -1, richer(nil)
	w.run(26 * time.Hour)
	if n := w.alarms(); n > 1 {
		t.Fatalf("%d alarms in a healthy day: %+v", n, w.changes)
	}
	w.changes = nil
	return w
}

func TestConfidenceAndTextSpeakForTheirOwnPast(t *testing.T) {
	t.Parallel()
	w := rich(t, nil)
	cp, err := w.engine.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	now := w.now
	for _, c := range []struct {
		name, code string
		do         func(o *bellwether.Observation)
		probes     int
	}{
		{"unsure of its words", "confidence_lower", func(o *bellwether.Observation) { *o.Confidence -= .3 }, 16},
		{"repeating itself", "text_odd", func(o *bellwether.Observation) { o.Signals["text.repetition"] = .6 }, 9},
		{"answering something else", "text_odd", func(o *bellwether.Observation) { o.Signals["text.similarity"] = 0 }, 9},
		{"five times as long", "text_odd", func(o *bellwether.Observation) { o.Signals["text.length_ratio"] = 5 }, 9},
	} {
		if err := w.engine.Restore(cp); err != nil {
			t.Fatal(err)
		}
		w.now, w.changes, w.fault = now, nil, richer(c.do)
		clear(w.fast)
		clear(w.probes)
		for _, tgt := range w.config.Targets {
			w.next[tgt.ID] = now.Add(w.every)
		}
		w.until(now.Add(20*time.Minute), func() bool { return w.state(us).Severity() > 0 })
		a := w.assess(us)
		t.Logf("%s: %s after %d probes, weight %v: %+v", c.name, a.State, w.probes[us], a.Weight, a.Reasons)
		if a.State != bellwether.Degraded || !hasReason(a.Reasons, c.code) || w.probes[us] > c.probes {
			t.Errorf("%s: %s after %d probes: %+v", c.name, a.State, w.probes[us], a.Reasons)
		}
		w.fault = richer(nil)
		if !w.until(w.now.Add(15*time.Minute), func() bool { return w.state(us) == bellwether.Healthy }) {
			t.Errorf("%s: still %s a quarter of an hour after", c.name, w.state(us))
		}
	}
	for _, u := range w.assess(us).Usual {
		if u.Signal == bellwether.Confidence && (u.Median > -.17 || u.Median < -.23 || u.P05 > u.Median || u.P95 < u.Median) {
			t.Errorf("usual confidence: %+v", u)
		}
	}
	settled(t, w)
}

// say folds a number that somebody sends.
func (w *world) say(source string, signals map[bellwether.Signal]float64) {
	w.seq++
	w.fold(bellwether.Record{At: w.now, Observation: &bellwether.Observation{
		ID: fmt.Sprintf("s%d", w.seq), At: w.now, Source: source, Vantage: "app", Target: us, Signals: signals,
	}})
}

func TestWorseRatingsDegradeATargetWhateverIsUsual(t *testing.T) {
	t.Parallel()
	rates := []float64{.4, .02}
	if raced {
		rates = rates[:1]
	}
	for _, usual := range rates {
		w := warm(t, 15*time.Second, nil)
		w.ticks = -1
		rate := func(p float64) {
			bad := 0.0
			if w.rng.Float64() < p {
				bad = 1
			}
			w.say(bellwether.SourceFeedback, map[bellwether.Signal]float64{bellwether.Feedback: bad})
		}
		for range 1500 {
			w.run(20 * time.Second)
			rate(usual)
		}
		if n := w.alarms(); n > 1 {
			t.Fatalf("%v of the ratings are usually bad: %+v", usual, w.changes)
		}
		w.changes = nil
		n := 0
		for ; n < 900 && w.alarms() == 0; n++ {
			w.run(2 * time.Second)
			rate(min(.8, 4*usual))
		}
		a := w.assess(us)
		t.Logf("usually %v: %s after %d ratings: %+v", usual, a.State, n, a.Reasons)
		if a.State != bellwether.Degraded || !hasReason(a.Reasons, "disliked") {
			t.Errorf("usually %v: %s after %d ratings: %+v", usual, a.State, n, a.Evidence)
		}
		settled(t, w)
	}
}

func withGPU(c *scoring.Config) {
	c.Policy.UserSignals = map[bellwether.Signal]scoring.UserSignal{"gpu_memory": {}, "session_success": {Worse: "down"}, "tickets": {Worse: "either"}}
}

func TestASignalOfTheUsersOwnIsScoredAsDeclared(t *testing.T) {
	t.Parallel()
	w := warm(t, 15*time.Second, withGPU)
	w.ticks = -1
	send := func(gpu, success float64) {
		w.run(30 * time.Second)
		w.say(bellwether.SourceUser, map[bellwether.Signal]float64{
			"gpu_memory": gpu + .02*w.rng.NormFloat64(), "session_success": success + .01*w.rng.NormFloat64(), "tickets": float64(w.rng.IntN(3)),
			"undeclared": 1e9 * w.rng.Float64(), "clock.offset": 1e9 * w.rng.Float64(), "first_token": 1e9 * w.rng.Float64(),
		})
	}
	for range 600 {
		send(.6, .9)
	}
	send(.3, .99) // better is no fault
	if n := w.alarms(); n > 0 {
		t.Fatalf("in health: %+v", w.changes)
	}
	for range 40 {
		send(.3, .99)
	}
	if n := w.alarms(); n > 0 {
		t.Errorf("less memory and more success are called a fault: %+v", w.changes)
	}
	n := 0
	for ; n < 60 && w.alarms() == 0; n++ {
		send(.6, .7)
	}
	a := w.assess(us)
	t.Logf("%s after %d numbers: %+v", a.State, n, a.Reasons)
	if a.State != bellwether.Degraded || !strings.Contains(reasonText(a.Reasons, "own_signal"), "session_success 0.") {
		t.Errorf("%s after %d numbers: %+v", a.State, n, a.Reasons)
	}
	settled(t, w)
	cp, _ := w.engine.Checkpoint()
	w.config.Policy.UserSignals = map[bellwether.Signal]scoring.UserSignal{"session_success": {Worse: "up"}}
	other := w.fresh()
	if err := other.Restore(cp); err != nil {
		t.Fatal(err)
	}
	if a, _ := other.Assess(us); a.State.Severity() > 0 {
		t.Errorf("a signal that is declared otherwise is still held against the target: %+v", a.Reasons)
	}
}

func TestNumbersThatAreNoSignalsChangeNothing(t *testing.T) {
	t.Parallel()
	w := warm(t, 15*time.Second, nil)
	before, _ := w.engine.Checkpoint()
	for _, source := range []string{bellwether.SourceUser, bellwether.SourceFeedback} {
		w.say(source, map[bellwether.Signal]float64{"clock.offset": 3, "gpu_memory": 5, "judge.cost": 1})
		w.say(source, nil)
	}
	after, _ := w.engine.Checkpoint()
	// Only the sequence number of the last record is new.
	if len(before) != len(after) || bytes.Equal(before, after) {
		t.Errorf("numbers that nobody declared changed the state: %d bytes, then %d", len(before), len(after))
	}
}

func TestAChangeOfIdentityConfirmsWhatElseChanged(t *testing.T) {
	t.Parallel()
	needs := func(signals map[bellwether.Signal]float64) (nats float64, text string) {
		w := warm(t, 5*time.Second, nil)
		w.fault = only("gemini-eu", func(o *bellwether.Observation) {
			o.Tokens.Output *= 2
			o.Timing.Total += float64(o.Tokens.Output) / 2 * o.Timing.InterToken
			o.Signals = signals
		})
		w.until(w.now.Add(2*time.Minute), func() bool { return w.state("gemini-eu").Severity() > 0 })
		a := w.assess("gemini-eu")
		return a.Reasons[0].Evidence, a.Reasons[0].Text
	}
	alone, _ := needs(nil)
	confirmed, text := needs(map[bellwether.Signal]float64{"identity.changed": 1, "identity.fingerprint": 1})
	if confirmed >= alone || !strings.Contains(text, "confirmed by a change of identity") {
		t.Errorf("with a new fingerprint %v nats were needed, without %v: %s", confirmed, alone, text)
	}
}

func TestPoliciesOfOwnSignalsAreHeldToTheirRules(t *testing.T) {
	t.Parallel()
	own := map[bellwether.Signal]scoring.UserSignal{"Bad Name": {}, "clock.offset": {}, "first_token": {}, "gpu": {Worse: "sideways"}, "fine": {Worse: "either"}}
	var paths []string
	for _, p := range (scoring.Policy{UserSignals: own, Signals: map[bellwether.Signal]scoring.Act{"fine": "inform", "other": "act"}}).Validate() {
		paths = append(paths, p.Path)
	}
	want := "signals.other user_signals user_signals.Bad Name user_signals.clock.offset user_signals.first_token user_signals.gpu.worse"
	if got := strings.Join(paths, " "); got != want {
		t.Errorf("Validate names %q, want %q", got, want)
	}
}

func TestWhatInformsOnlyMovesNothing(t *testing.T) {
	t.Parallel()
	w := rich(t, func(c *scoring.Config) {
		c.Policy.Signals = map[bellwether.Signal]scoring.Act{bellwether.Confidence: "inform", bellwether.Text: "ignore"}
	})
	w.fault = richer(func(o *bellwether.Observation) { *o.Confidence -= .3; o.Signals["text.repetition"] = .9 })
	w.run(10 * time.Minute)
	a := w.assess(us)
	shown := false
	for _, ev := range a.Evidence {
		shown = shown || ev.Signal == bellwether.Confidence && ev.Nats > 10
		if ev.Signal == bellwether.Text {
			t.Errorf("an ignored signal has evidence: %+v", ev)
		}
	}
	if a.State != bellwether.Healthy || a.Weight != 1 || !shown {
		t.Errorf("a signal that informs only: %s at weight %v, %+v", a.State, a.Weight, a.Evidence)
	}
}
