package sqlite_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/id"
)

var benchStart = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// benchRecords returns n probes as a server has them: a streamed answer with
// all its timings, of twelve targets, each probed every 30 seconds.
func benchRecords(first uint64, n int) []bellwether.Record {
	rs := make([]bellwether.Record, n)
	for i := range rs {
		k := first + uint64(i)
		at := benchStart.Add(time.Duration(k) * 2500 * time.Millisecond)
		f := float64(k%997) / 997
		rs[i] = bellwether.Record{Seq: k, At: at.Add(1700 * time.Millisecond), Observation: &bellwether.Observation{
			ID: id.New(at), At: at, Source: bellwether.SourceProbe, Trigger: bellwether.TriggerSchedule,
			Vantage: "us-east", Target: fmt.Sprintf("gpt-4o-region-%02d", k%12), Canary: "capital", Outcome: bellwether.OK,
			Status: 200, Late: 0.0004 + f/1e4, SelfLag: 0.0001, Reused: true, HTTP: "2",
			Timing: bellwether.Timing{FirstByte: 0.412345678 + f/3, FirstToken: 0.523456789 + f/3, InterToken: 0.012345678,
				InterTokenP95: 0.031234567, InterTokenMax: 0.052345678, Total: 0.812345678 + f/2},
			Tokens: &bellwether.Tokens{Input: 21, Output: 8}, CostUSD: 0.00013,
			Checks: []bellwether.CheckResult{{Name: "contains", OK: true}, {Name: "max_tokens", OK: true}},
			Model:  "gpt-4o-2024-08-06", Fingerprint: "fp_44709d6fcb", Finish: "stop", Excerpt: "The capital of France is Paris.",
		}}
	}
	return rs
}

func BenchmarkAppend(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := open(b, filepath.Join(b.TempDir(), "bellwether.db"))
			defer s.Close()
			seq := uint64(1)
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				rs := benchRecords(seq, n)
				seq += uint64(n)
				b.StartTimer()
				if err := s.Append(b.Context(), rs); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// BenchmarkAppendConcurrently is what agents and routers that report at the
// same time get from sharing a transaction: 64 callers, one observation each.
func BenchmarkAppendConcurrently(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "bellwether.db"))
	defer s.Close()
	var seq atomic.Uint64
	b.SetParallelism(32)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := s.Append(b.Context(), benchRecords(seq.Add(1), 1)); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

func BenchmarkRollups(b *testing.B) {
	path := filepath.Join(b.TempDir(), "bellwether.db")
	s := open(b, path)
	defer s.Close()
	// Thirty days of two targets in minutes is what a report reads.
	const rows = 30 * 24 * 60 * 2
	for first := uint64(0); first < rows; first += 5000 {
		rs := benchRecords(first+1, 5000)
		for i := range rs {
			k := first + uint64(i)
			rs[i].Observation.At = benchStart.Add(time.Duration(k/2) * time.Minute)
			rs[i].Observation.Target = fmt.Sprint("target-", k%2)
		}
		if err := s.Append(b.Context(), rs); err != nil {
			b.Fatal(err)
		}
	}
	for name, q := range map[string]bellwether.Query{
		"minutes": {Target: "target-0", Limit: -1},
		"hours":   {Target: "target-0", Limit: -1, Seconds: 3600},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				got, err := s.Rollups(b.Context(), q)
				if err != nil {
					b.Fatal(err)
				}
				n = len(got)
			}
			b.ReportMetric(float64(n), "rollups")
		})
	}
}

func BenchmarkObservations(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "bellwether.db"))
	defer s.Close()
	for first := uint64(1); first < 50000; first += 5000 {
		if err := s.Append(b.Context(), benchRecords(first, 5000)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := s.Observations(b.Context(), bellwether.Query{Target: "gpt-4o-region-03"}); err != nil {
			b.Fatal(err)
		}
	}
}

// TestSizes keeps docs/storage.md honest: it measures the file per probe and
// per sum, and fails when they outgrow what the page says.
func TestSizes(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	size := func(name string, change func(i int, o *bellwether.Observation)) float64 {
		path := filepath.Join(folder, name)
		s := open(t, path)
		const n, batch = 3000, 1000
		for first := uint64(1); first < n; first += batch {
			rs := benchRecords(first, batch)
			for i := range rs {
				change(int(first)+i, rs[i].Observation)
			}
			if err := s.Append(t.Context(), rs); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return float64(info.Size()) / n
	}
	observation := size("a.db", func(i int, o *bellwether.Observation) { o.At = benchStart })
	rollup := size("b.db", func(i int, o *bellwether.Observation) {
		o.At = benchStart.Add(time.Duration(i/2*2) * 30 * time.Second) // two of a target in each minute
		o.Target = "gpt"
	})
	rollup = (rollup - observation) * 2
	t.Logf("%.0f bytes an observation, %.0f bytes a minute's sum", observation, rollup)
	if observation > 600 || rollup > 200 {
		t.Errorf("%.0f bytes an observation, %.0f bytes a minute's sum: docs/storage.md says less", observation, rollup)
	}
}
