package scoring_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/scoring"
)

// BenchmarkFold folds healthy observations of a warm engine.
func BenchmarkFold(b *testing.B) {
	w := warm(b, 5*time.Second, nil)
	const n = 4096
	obs := make([]*bellwether.Observation, n)
	for i := range obs {
		obs[i] = w.healthy(w.config.Targets[i%len(w.config.Targets)])
	}
	at := w.now
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		at = at.Add(833 * time.Millisecond)
		o := obs[i%n]
		o.At = at
		w.engine.Fold(bellwether.Record{Seq: uint64(i), At: at, Observation: o})
	}
}

// BenchmarkFoldTraffic folds a router's windows of a second.
func BenchmarkFoldTraffic(b *testing.B) {
	w := warm(b, 5*time.Second, nil)
	o := &bellwether.Observation{ID: "w", Source: bellwether.SourceRouter, Vantage: "r", Target: us, Window: 1, Counts: map[bellwether.Outcome]int{}}
	at := w.now
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		at = at.Add(time.Second)
		o.At = at.Add(-time.Second)
		o.Counts[bellwether.OK], o.Counts[bellwether.ServerError] = 8, max(0, i%400-398)
		w.engine.Fold(bellwether.Record{Seq: uint64(i), At: at, Observation: o})
	}
}

func BenchmarkTick10000Targets(b *testing.B) {
	e, at := many(b, 10000, 5)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		e.Fold(bellwether.Record{Seq: uint64(i), At: at})
	}
}

// many is an engine of n targets with two series and so many probes of each.
func many(b *testing.B, n, probes int) (*scoring.Engine, time.Time) {
	w := newWorld(b, 10*time.Second, func(c *scoring.Config) {
		c.Targets, c.Routes = nil, nil
		for i := range n {
			c.Targets = append(c.Targets, bellwether.Target{ID: fmt.Sprintf("t%d", i), Provider: fmt.Sprintf("p%d", i%5), Model: fmt.Sprintf("m%d", i%9), Region: fmt.Sprintf("r%d", i%4)})
		}
		c.Routes = append(c.Routes, bellwether.Route{Name: "all", Tiers: [][]bellwether.TierTarget{tier(c.Targets[0].ID, c.Targets[1].ID)}})
	})
	w.canaries = []string{"a", "b"}
	for range probes {
		w.now = w.now.Add(10 * time.Second)
		for _, tgt := range w.config.Targets {
			o := w.healthy(tgt)
			w.probes[tgt.ID]++
			w.engine.Fold(bellwether.Record{At: w.now, Observation: o})
		}
	}
	return w.engine, w.now
}

func BenchmarkCheckpoint100Targets(b *testing.B) {
	e, _ := many(b, 100, 200)
	b.ReportAllocs()
	for b.Loop() {
		cp, err := e.Checkpoint()
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(cp))/100, "bytes/target")
	}
}

func BenchmarkRestore100Targets(b *testing.B) {
	e, _ := many(b, 100, 200)
	cp, err := e.Checkpoint()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := e.Restore(cp); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAssessments500Targets(b *testing.B) {
	e, _ := many(b, 500, 200)
	begin := time.Now()
	e.Assessments()
	b.ReportMetric(float64(time.Since(begin).Milliseconds()), "first-ms")
	b.ReportAllocs()
	for b.Loop() {
		e.Assessments()
	}
}

// TestFoldDoesNotAllocateWhenNothingChanges holds the hot path to its word.
func TestFoldDoesNotAllocateWhenNothingChanges(t *testing.T) {
	w := warm(t, 5*time.Second, nil)
	obs := make([]*bellwether.Observation, 600)
	for i := range obs {
		obs[i] = w.healthy(w.config.Targets[i%len(w.config.Targets)])
	}
	at, i := w.now, 0
	fold := func() {
		at = at.Add(833 * time.Millisecond)
		o := obs[i%len(obs)]
		i++
		o.At = at
		w.engine.Fold(bellwether.Record{Seq: uint64(i), At: at, Observation: o})
	}
	for range 2 * len(obs) {
		fold()
	}
	if n := testing.AllocsPerRun(5*len(obs), fold); n > 0.2 {
		t.Errorf("Fold allocates %v times a record", n)
	}
}

// BenchmarkCheckpointOfAMonth says what a series takes that has seen every hour
// of the week for a month.
func BenchmarkCheckpointOfAMonth(b *testing.B) {
	w := newWorld(b, time.Minute, func(c *scoring.Config) { c.Targets, c.Routes = fleet()[:1], nil })
	w.canaries = []string{"a", "b"}
	w.ticks = -1
	w.run(28 * 24 * time.Hour)
	b.ReportAllocs()
	for b.Loop() {
		cp, err := w.engine.Checkpoint()
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(cp))/2, "bytes/series")
	}
}
