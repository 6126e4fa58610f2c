package world

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// seen is a policy that only counts.
type seen struct {
	calls, failed, ticks int
	first                []float64
	pace                 time.Duration
	at                   []time.Time
	sum                  float64
}

func (s *seen) Observe(_ int, o *bellwether.Observation, _ time.Time) {
	s.calls++
	s.at = append(s.at, o.At)
	s.sum += o.Timing.Total
	if o.Timing.FirstToken > 0 && o.Outcome == bellwether.OK {
		s.first = append(s.first, math.Log(o.Timing.FirstToken))
	}
	if o.Outcome != bellwether.OK {
		s.failed++
	}
}
func (s *seen) Tick(time.Time)             { s.ticks++ }
func (s *seen) View(int) View              { return View{Weight: 1} }
func (s *seen) Interval(int) time.Duration { return s.pace }
func (s *seen) Canaries(int) []string      { return nil }

func one(k Kind) Setup {
	return Setup{Targets: []bellwether.Target{{ID: "t", Provider: "p", Model: "m", Region: "r"}}, Noise: k, Levels: Usual(), Every: 30 * time.Second}
}

// spread is the median absolute deviation as a standard deviation.
func spread(xs []float64) float64 {
	mid := func(ys []float64) float64 { slices.Sort(ys); return ys[len(ys)/2] }
	m := mid(slices.Clone(xs))
	var ds []float64
	for _, x := range xs {
		ds = append(ds, math.Abs(x-m))
	}
	return 1.4826 * mid(ds)
}

func TestEveryIdealNoiseHasTheSameMedianDeviationAndItsOwnCorrelation(t *testing.T) {
	for _, k := range IdealKinds() {
		s := &seen{}
		New(one(k), 0, 4711, s).Until(10*24*time.Hour, nil)
		if got := spread(s.first); math.Abs(got/.35-1) > .05 {
			t.Errorf("%s: spread %.3f, want .35", k, got)
		}
		num, den := 0.0, 0.0
		for i := 1; i < len(s.first); i++ {
			a, b := s.first[i-1]-math.Log(.3), s.first[i]-math.Log(.3)
			num, den = num+a*b, den+a*a
		}
		if got := num / den; math.Abs(got-k.Correlation()) > .06 {
			t.Errorf("%s: correlation %.3f, want %.1f", k, got, k.Correlation())
		}
	}
}

func TestEverySourceThatWasRecordedIsReplayed(t *testing.T) {
	series, samples := Recorded()
	for source, least := range map[string]int{"llmperf": 2, "latencylab": 5, "thefastest": 10, "levonk": 30} {
		if series[source] < least || samples[source] < 30*least {
			t.Errorf("%s: %d series, %d samples; want %d series at least", source, series[source], samples[source], least)
		}
	}
	rng := rand.New(rand.NewPCG(3, 4))
	for n := range 1000 {
		tape := newTape(n)
		if r := tape.next(rng); math.IsNaN(r.first) || math.Abs(r.first) > 10 {
			t.Fatalf("residual %v", r)
		}
	}
}

func TestTheSameSeedGivesTheSameWorldAndAnotherDoesNot(t *testing.T) {
	run := func(seed uint64) float64 {
		s := &seen{}
		w := New(one(Real), 0, seed, s)
		w.Strike(time.Hour, []Effect{{Errors: .5}})
		w.Until(6*time.Hour, nil)
		return s.sum
	}
	if a, b, c := run(5), run(5), run(6); a != b || a == c {
		t.Errorf("sums of two equal seeds and another: %v, %v, %v", a, b, c)
	}
}

func TestFastProbesComeAtOnceAndBesideTheScheduleButNeverTwoAtATime(t *testing.T) {
	s := &seen{}
	setup := one(Normal)
	setup.Adaptive, setup.Levels.Errors = true, 0
	w := New(setup, 0, 9, s)
	w.Until(10*time.Minute, nil)
	if got := len(s.at); got < 19 || got > 21 {
		t.Fatalf("%d probes in ten minutes, want 20", got)
	}
	s.pace = 5 * time.Second
	w.Until(20*time.Minute, nil)
	if got := len(s.at); got < 155 || got > 162 {
		t.Errorf("%d probes after ten fast minutes, want 20+20+120", got)
	}
	w.Strike(w.Now(), []Effect{{Errors: 1, Outcome: bellwether.Timeout}})
	before := len(s.at)
	w.Until(w.Now()+10*time.Minute, nil)
	if got := len(s.at) - before; got < 75 || got > 82 {
		t.Errorf("%d probes that time out in ten minutes, want 60 fast ones beside 20", got)
	}
}

func TestRegretCountsWhatGoesToTheIllAndWhatIsKeptFromTheWell(t *testing.T) {
	s := &seen{}
	w := New(one(Normal), 0, 10, s)
	w.Strike(time.Hour, []Effect{{From: 0, To: 2 * time.Hour, Errors: 1, Utility: .25}})
	w.Until(10*time.Hour, nil)
	h := w.Log(0).Targets[0]
	if math.Abs(h.ToBad-1.5) > 1e-9 || h.Kept != 0 {
		t.Errorf("to the ill %v h, kept %v h; want 2 h x (1 - .25) and 0", h.ToBad, h.Kept)
	}
}

func TestRealTrafficFailsAsProbesDo(t *testing.T) {
	for name, e := range map[string]Effect{"unnamed failures": {Errors: .5}, "timeouts": {Errors: .5, Outcome: bellwether.Timeout}, "slowness": {First: 3}} {
		s := &calls{}
		setup := one(Normal)
		setup.Traffic, setup.Levels.Errors = 2, 0
		w := New(setup, 0, 12, s)
		w.Strike(0, []Effect{e})
		w.Until(time.Hour, nil)
		if share := s.bad / s.n; math.Abs(share-e.Errors) > .03 || math.Abs(s.n/7200-1) > .05 {
			t.Errorf("%s: %.3f of %.0f calls fail, want %v of 7200", name, share, s.n, e.Errors)
		}
	}
}

// calls counts calls.
type calls struct{ n, bad float64 }

func (s *calls) Observe(_ int, o *bellwether.Observation, _ time.Time) {
	for outcome, k := range o.Counts {
		s.n += float64(k)
		if outcome != bellwether.OK {
			s.bad += float64(k)
		}
	}
}
func (s *calls) Tick(time.Time) {}
func (s *calls) View(int) View  { return View{Weight: 1} }
