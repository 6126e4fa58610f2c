package main

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/api"
	"github.com/bellwether-llm/bellwether/internal/id"
	"github.com/bellwether-llm/bellwether/store/sqlite"
)

// BenchmarkIngest is what one sender from outside sees: observations through
// the pipeline and onto the disk, acknowledged.
func BenchmarkIngest(b *testing.B) {
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			st, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "bellwether.db"), sqlite.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = st.Close() }()
			p := newPipeline(testEngine(b), 0, newJournal(st, quiet()), noSinks(), quiet())
			ctx, stop := context.WithCancel(b.Context())
			ended := make(chan error, 1)
			go func() {
				ended <- runStages(ctx, []part{{"pipeline", p.Run}}, []part{{"journal", p.journal.Run}})
			}()
			batch := make([]bellwether.Observation, n)
			b.ReportAllocs()
			for b.Loop() {
				for i := range batch {
					now := time.Now()
					batch[i] = observation(id.New(now))
				}
				if taken, _, err := p.Ingest(ctx, batch); taken != n || err != nil {
					b.Fatalf("Ingest = %d, %v", taken, err)
				}
			}
			b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "observations/s")
			stop()
			if err := <-ended; err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkPublish is a change of weights on its way from the engine to the
// board, encoded for everybody who follows.
func BenchmarkPublish(b *testing.B) {
	for _, n := range []int{2, 100} {
		b.Run(fmt.Sprintf("%d targets", n), func(b *testing.B) {
			st := &countingShelf{}
			j := newJournal(st, quiet())
			p := newPublisher(st, j, api.NewBoard(), time.Minute, time.Hour, quiet())
			ctx, stop := context.WithCancel(b.Context())
			ended := make(chan error, 1)
			go func() {
				ended <- runStages(ctx, []part{{"revisions", p.Run}, {"journal", j.Run}})
			}()
			routes := [2]map[string]bellwether.RouteWeights{wideRoutes(n, 0.5), wideRoutes(n, 0.6)}
			if err := p.start(ctx, routes[1], false); err != nil {
				b.Fatal(err)
			}
			p.last = 1 << 62 // numbers never run out
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				p.publish(routes[i%2])
				i++
			}
			stop()
			if err := <-ended; err != nil {
				b.Fatal(err)
			}
		})
	}
}

// countingShelf keeps no weights, so that a benchmark measures publishing.
type countingShelf struct{ shelf }

func (*countingShelf) SaveWeights(context.Context, bellwether.Weights) error { return nil }

func wideRoutes(n int, weight float64) map[string]bellwether.RouteWeights {
	r := bellwether.RouteWeights{Mode: bellwether.ModeNormal}
	for i := range n {
		r.Targets = append(r.Targets, bellwether.TargetWeight{Target: fmt.Sprintf("target-%d", i), Weight: weight, Share: 1 / float64(n),
			BaseWeight: 1, State: bellwether.Healthy, Score: 93, Reasons: []bellwether.Reason{}})
	}
	return map[string]bellwether.RouteWeights{"chat": r}
}
