package scoring

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// TestNoTimeIsForgottenWhenTheClockGoesBack fills every int64 of the state with
// a time in the future, and looks for what is left of it.
func TestNoTimeIsForgottenWhenTheClockGoesBack(t *testing.T) {
	t.Parallel()
	e, err := New(Config{Targets: []bellwether.Target{{ID: "a", Provider: "p"}}, Vantages: []string{"home"}})
	if err != nil {
		t.Fatal(err)
	}
	a := e.targets[0]
	now := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC).UnixNano()
	future := now + 1e17
	s := &series{}
	for k := range s.measures {
		s.measures[k] = &measure{pend: make([]sample, 2)}
	}
	s.text = &textPast{pend: make([]textSample, 2)}
	a.calls.push(tally{})
	a.answers.push(tally{})
	a.oddTexts.push(tally{})
	a.recent.push(increments{})
	for k := range a.effects {
		a.effects[k].push(residual{})
	}
	a.series, a.held, a.exits = []*series{s}, make([]held, 2), make([]int64, 2)
	lengths := map[string]bool{"interval": true, "alone": true} // the int64 that are no times
	var walk func(v reflect.Value, name string, set bool)
	walk = func(v reflect.Value, name string, set bool) {
		switch v.Kind() {
		case reflect.Int64:
			switch p := (*int64)(v.Addr().UnsafePointer()); {
			case lengths[name]:
			case set:
				*p = future
			case *p > now:
				t.Errorf("%s keeps a time of the future", name)
			}
		case reflect.Pointer:
			if !v.IsNil() {
				walk(v.Elem(), name, set)
			}
		case reflect.Struct:
			if v.Type() == reflect.TypeFor[bellwether.Override]() {
				return
			}
			for i := range v.NumField() {
				walk(v.Field(i), v.Type().Field(i).Name, set)
			}
		case reflect.Slice, reflect.Array:
			for i := range v.Len() {
				walk(v.Index(i), name, set)
			}
		}
	}
	for _, x := range []any{a, e.vantages[0]} {
		walk(reflect.ValueOf(x), "", true)
	}
	e.now = future
	e.advance(now)
	for _, x := range []any{a, e.vantages[0]} {
		walk(reflect.ValueOf(x), "", false)
	}
}

func TestTheSpreadOfTrafficIsMeasured(t *testing.T) {
	t.Parallel()
	const p, n = .01, 8
	for _, c := range []struct {
		name      string
		size      int // of a cluster, within a second
		low, high float64
	}{
		{"independent calls", 1, 1, 1.25},
		{"threes", 3, 2.4, 3.8},
		{"eights", 8, 6, 10},
	} {
		rng := rand.New(rand.NewPCG(1, 2))
		var s traffic
		if s.spread() != startSpread {
			t.Errorf("before anything is known the spread is %v", s.spread())
		}
		for i := range int64(12 * 3600) {
			bad := 0.0
			for range n {
				if rng.Float64() < p/float64(c.size) {
					bad = math.Min(n, bad+float64(c.size))
				}
			}
			s.disperse(n, bad, 1e18+i*1e9, 1e18+(i+1)*1e9, p)
			s.release()
		}
		t.Logf("%s: %.2f", c.name, s.spread())
		if got := s.spread(); got < c.low || got > c.high {
			t.Errorf("%s: spread = %.2f, want %v to %v", c.name, got, c.low, c.high)
		}
	}
}

func TestAStreamIsExpectedToBeLikeItsSiblingsThenLikeTheProbes(t *testing.T) {
	t.Parallel()
	a := newTarget(bellwether.Target{ID: "a"})
	s := &series{passive: true}
	mean := func() float64 { p := a.trafficPrior(s); return p.bad / (p.bad + p.good) }
	worth := func() float64 { p := a.trafficPrior(s); return math.Round(p.bad + p.good) }
	if mean() != .005 || worth() != 200 {
		t.Errorf("nothing known: %v, worth %v; want 0.5 %%, worth 200", mean(), worth())
	}
	a.avail.good, a.avail.bad = 5760, 1
	if mean() != leastTraffic || worth() != 500 {
		t.Errorf("probes that hardly fail: %v, worth %v", mean(), worth())
	}
	a.avail.good, a.avail.bad = 9800, 200
	if m := mean(); math.Abs(m-.0197) > .0001 {
		t.Errorf("probes that fail 2 %%: %v", m)
	}
	a.series = []*series{s, {passive: true, avail: rate{good: 9970, bad: 30}}}
	if m := mean(); math.Abs(m-.003) > .0001 {
		t.Errorf("another router's traffic fails 0.3 %%: %v", m)
	}
}

func TestTrafficHoldsLittleAgainstATargetAtOnce(t *testing.T) {
	t.Parallel()
	var p traffic
	sum := 0.0
	for i := range int64(100) { // a hundred windows of the same two seconds
		ell := [hypotheses]float64{1000, 1, -5}
		p.afford(&ell, 1e18+i*20e6, 1)
		sum += ell[errors3]
		if ell[errors97] != -5 || ell[errors30] > ell[errors3] {
			t.Fatalf("afford made %v", ell)
		}
	}
	if most := burstNats + nextNats + 2*nextNats; sum > most {
		t.Errorf("in two seconds %v nats, want at most %v", sum, most)
	}
}

// TestSilenceIsMeasuredAgainstOneVantage: of four vantages that share a probe
// every 15 s, one alone sends one a minute, which must not pass for silence.
func TestSilenceIsMeasuredAgainstOneVantage(t *testing.T) {
	t.Parallel()
	e, err := New(Config{Targets: []bellwether.Target{{ID: "a"}}, Interval: map[string]time.Duration{"a": 15 * time.Second}, Vantages: []string{"w", "x", "y", "z"}})
	if err != nil {
		t.Fatal(err)
	}
	a := e.targets[0]
	if a.seenAt = 1e9; a.stale(150e9) || !a.stale(200e9) {
		t.Errorf("patience = %v, want three minutes", time.Duration(a.patience()))
	}
	if want := allowedRun(e.set.falseAlarms, 15e9, alwaysActive.size()); a.lnRun != want {
		t.Errorf("allowed run = %v, want that of a probe every 15 s, %v", a.lnRun, want)
	}
}
