package storetest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/sketch"
	"github.com/bellwether-llm/bellwether/store"
)

// CheckRollups recounts all observations of s and returns how its rollups
// differ, nil when they do not. Nothing may have been pruned.
func CheckRollups(t *testing.T, s Store) error {
	t.Helper()
	return checkRollups(t, s)
}

func checkRollups(t *testing.T, s Store) error {
	t.Helper()
	os, _, err := s.Observations(t.Context(), bellwether.Query{Limit: -1})
	must(t, err)
	want := store.Fold{}
	for i := range os {
		want.Add(&os[i])
	}
	n := 0
	for _, seconds := range []int{store.Minute, store.Hour} {
		rs, err := s.Rollups(t.Context(), bellwether.Query{Seconds: seconds, Limit: -1})
		must(t, err)
		n += len(rs)
		for _, got := range rs {
			bin := store.Bin{Start: got.Start.Unix(), Seconds: got.Seconds, Series: store.Series{
				Target: got.Target, Vantage: got.Vantage, Canary: got.Canary,
				Source: got.Source, Trigger: got.Trigger, Reused: got.Reused}}
			tally := want[bin]
			if tally == nil {
				return fmt.Errorf("a rollup of nothing: %s", text(t, got))
			}
			r := tally.Rollup(bin)
			if math.Abs(r.CostUSD-got.CostUSD) > 1e-9*(1+r.CostUSD) {
				return fmt.Errorf("rollup %+v: cost %v, want %v", bin, got.CostUSD, r.CostUSD)
			}
			r.CostUSD = got.CostUSD // its last digits depend on the order
			if g, w := text(t, got), text(t, r); g != w {
				return fmt.Errorf("rollup %+v:\n got %s\nwant %s", bin, g, w)
			}
		}
	}
	if n != len(want) {
		return fmt.Errorf("%d rollups, want %d", n, len(want))
	}
	return nil
}

// odd returns observations of every kind, over two hours.
func odd(seed uint64, n int) []bellwether.Observation {
	r := rand.New(rand.NewPCG(seed, 2))
	outcomes := []bellwether.Outcome{bellwether.OK, bellwether.OK, bellwether.OK, bellwether.BadOutput, bellwether.Refusal, bellwether.ServerError,
		bellwether.FirstTokenTimeout, bellwether.Stalled, bellwether.Timeout, bellwether.RateLimited, bellwether.Missed, "later_invention"}
	os := make([]bellwether.Observation, n)
	for i := range os {
		o := observation(i)
		o.At = noon.Add(time.Duration(r.Int64N(int64(2 * time.Hour))))
		o.Outcome = outcomes[r.IntN(len(outcomes))]
		o.Reused = r.IntN(2) == 0
		o.Trigger = []string{bellwether.TriggerSchedule, bellwether.TriggerSuspicion}[r.IntN(2)]
		o.Timing.FirstToken, o.CostUSD = r.ExpFloat64(), r.Float64()
		o.Checks[0].OK = r.IntN(3) > 0
		switch r.IntN(8) {
		case 0:
			sk := sketch.New()
			sk.AddN(r.ExpFloat64(), 5)
			o = bellwether.Observation{ID: o.ID, At: o.At, Source: bellwether.SourceRouter, Vantage: "router-1", Target: o.Target, Window: 10,
				Counts:   map[bellwether.Outcome]int{bellwether.OK: 5, bellwether.Stalled: r.IntN(2)},
				Sketches: map[bellwether.Signal][]byte{bellwether.FirstToken: sk.Bytes(), "tail_latency": sk.Bytes()}}
		case 1:
			o.Source, o.Trigger, o.SampleRate = bellwether.SourceRouter, "", 0.1
		case 2:
			o.Outcome, o.Signals = "", map[bellwether.Signal]float64{"gpu_memory": r.Float64()}
		}
		os[i] = o
	}
	return os
}

func rollupsEqualARecount(t *testing.T, s Store) {
	os := odd(1, 600)
	for i := 0; i < len(os); {
		n := min(1+i%97, len(os)-i)
		must(t, s.Append(t.Context(), records(uint64(i+1), os[i:i+n]...)))
		i += n
	}
	if err := checkRollups(t, s); err != nil {
		t.Error(err)
	}
}

func everyFilterOfRollupsCounts(t *testing.T, s Store) {
	os := world(300) // five minutes of two targets
	os[7].Vantage = "other"
	os[8].Canary = "other"
	os[9].Source = "other"
	os[11].Trigger = bellwether.TriggerSuspicion
	must(t, s.Append(t.Context(), records(1, os...)))
	for _, c := range []struct {
		q          bellwether.Query
		rows, sums int
	}{
		{bellwether.Query{}, 14, 300},
		{bellwether.Query{Limit: 3}, 3, 90},
		{bellwether.Query{Seconds: 3600}, 6, 300},
		{bellwether.Query{Target: "gpt-us"}, 6, 150},
		{bellwether.Query{Vantage: "other"}, 1, 1},
		{bellwether.Query{Canary: "other"}, 1, 1},
		{bellwether.Query{Source: "other"}, 1, 1},
		{bellwether.Query{From: noon.Add(time.Minute), To: noon.Add(3 * time.Minute)}, 4, 120},
		{bellwether.Query{From: noon.Add(time.Minute + time.Millisecond), To: noon.Add(3*time.Minute + 1)}, 4, 120},
		{bellwether.Query{From: noon.Add(time.Hour)}, 0, 0},
	} {
		for _, oldest := range []bool{false, true} {
			c.q.Oldest = oldest
			got, err := s.Rollups(t.Context(), c.q)
			must(t, err)
			sum := 0
			for i, r := range got {
				sum += r.Counts[bellwether.OK]
				if i > 0 && got[i].Start.Before(got[i-1].Start) == oldest && !got[i].Start.Equal(got[i-1].Start) {
					t.Errorf("Rollups(%s) are out of order", text(t, c.q))
				}
			}
			if len(got) != c.rows || (c.q.Limit == 0 && sum != c.sums) {
				t.Errorf("Rollups(%s): %d rows, %d observations, want %d, %d", text(t, c.q), len(got), sum, c.rows, c.sums)
			}
		}
	}
	if _, err := s.Rollups(t.Context(), bellwether.Query{Seconds: 61}); err == nil {
		t.Error("Rollups of 61 seconds must be an error")
	}
}
