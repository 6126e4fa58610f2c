package probes

import (
	"math"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
)

func TestDelaysAreReadOffAHistogram(t *testing.T) {
	edges := []float64{math.Inf(-1), 0.001, 0.002, 0.004, math.Inf(1)}
	for _, c := range []struct {
		counts []uint64
		want   Delays
	}{
		{[]uint64{0, 0, 0, 0}, Delays{}},
		{[]uint64{100, 0, 0, 0}, Delays{0.001, 0.001, 0.001}},
		{[]uint64{98, 1, 0, 1}, Delays{0.001, 0.002, 0.004}},
		{[]uint64{10, 0, 90, 0}, Delays{0.004, 0.004, 0.004}},
	} {
		if got := delaysOf(c.counts, edges); got != c.want {
			t.Errorf("delaysOf(%v) = %+v, want %+v", c.counts, got, c.want)
		}
	}
}

func TestHealthHasTheDelaysOfTheRuntime(t *testing.T) {
	g, err := NewGuard(silence{}, GuardOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 * delayEvery * delayKept {
		g.look(time.Now())
	}
	h := g.Health()
	if s := h.Scheduling; !(s.P50 <= s.P99 && s.P99 <= s.Max) || len(g.sched.past) != delayKept {
		t.Errorf("scheduling = %+v of %d looks", s, len(g.sched.past))
	}
}

func TestStatusSaysWhatIsInFlightOfWhatMayBe(t *testing.T) {
	s, err := NewScheduler(jobsFor(t, "@every 1h", nil, "p/x", "q/y"), &fakeSender{}, func(bellwether.Observation) {}, SchedulerOptions{Probing: Probing{Concurrency: 7, MaxInFlight: 9}})
	if err != nil {
		t.Fatal(err)
	}
	st := s.Status()
	if st.MaxInFlight != 9 || len(st.Providers) != 2 || st.Providers[0] != (ProviderStatus{"p", 0, 7}) || st.Providers[1].Provider != "q" {
		t.Errorf("Status = %+v", st)
	}
}
