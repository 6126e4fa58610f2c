package main

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/scoring"
)

// shelf is a store that keeps what it is given, or refuses.
type shelf struct {
	mu         sync.Mutex
	records    []bellwether.Record
	changes    []bellwether.Change
	weights    []bellwether.Weights
	checkpoint uint64
	reserved   uint64
	err        error
}

func (s *shelf) Append(_ context.Context, rs []bellwether.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.records = append(s.records, rs...)
	}
	return s.err
}

func (s *shelf) Known(_ context.Context, ids []string) (map[string]bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := map[string]bool{}
	for _, r := range s.records {
		if r.Observation != nil && slices.Contains(ids, r.Observation.ID) {
			known[r.Observation.ID] = true
		}
	}
	return known, nil
}

func (s *shelf) AppendChanges(_ context.Context, cs []bellwether.Change) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changes = append(s.changes, cs...)
	return nil
}

func (s *shelf) SaveWeights(_ context.Context, w bellwether.Weights) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.weights = append(s.weights, w)
	return nil
}

func (s *shelf) SaveCheckpoint(_ context.Context, seq uint64, _ []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.checkpoint = seq
	return nil
}

func (s *shelf) Epoch() string { return "test" }

func (s *shelf) ReserveRevisions(_ context.Context, n uint64) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := s.reserved + 1
	s.reserved += n
	return first, s.err
}

func (s *shelf) Revisions(context.Context, bellwether.Query) ([]bellwether.Weights, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.weights) == 0 {
		return nil, "", nil
	}
	return s.weights[len(s.weights)-1:], "", nil
}

func testEngine(t testing.TB) *scoring.Engine {
	t.Helper()
	e, err := scoring.New(scoring.Config{
		Targets: []bellwether.Target{{ID: "a", Provider: "p", Model: "m"}, {ID: "b", Provider: "q", Model: "n"}},
		Routes:  []bellwether.Route{{Name: "chat", Tiers: [][]bellwether.TierTarget{{{Target: "a"}}, {{Target: "b"}}}, StandbyShare: 0.05, Overprovision: 1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// noSinks hears nothing.
func noSinks() sinks {
	return sinks{publish: func(map[string]bellwether.RouteWeights) {}, observed: func(bellwether.Observation) {},
		changed: func(bellwether.Change) {}, suspect: func(bellwether.Suspicion) {}, tick: func(time.Time) {}}
}

// runPipeline runs a pipeline with its journal for as long as f takes.
func runPipeline(t *testing.T, p *pipeline, f func()) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- runStages(ctx, []part{{"pipeline", p.Run}}, []part{{"journal", p.journal.Run}})
	}()
	f()
	stop()
	if err := <-done; err != nil {
		t.Errorf("pipeline ended with %v", err)
	}
}

func observation(id string) bellwether.Observation {
	return bellwether.Observation{ID: id, At: time.Now().UTC(), Source: bellwether.SourceProbe, Vantage: "v", Target: "a",
		Outcome: bellwether.OK, Timing: bellwether.Timing{FirstToken: 0.5, InterToken: 0.02, Total: 1}}
}

func TestEverythingIsSequencedOnceAndAcknowledgedOnDisk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := &shelf{}
		p := newPipeline(testEngine(t), 41, newJournal(st, quiet()), noSinks(), quiet())
		runPipeline(t, p, func() {
			batch := []bellwether.Observation{observation("1"), observation("2")}
			if n, dup, err := p.Ingest(t.Context(), batch); n != 2 || dup != 0 || err != nil {
				t.Fatalf("Ingest = %d, %d, %v, want 2 accepted", n, dup, err)
			}
			if len(st.records) < 2 {
				t.Fatalf("acknowledged with %d records on disk, want 2", len(st.records))
			}
			batch = append(batch, observation("3"))
			if n, dup, err := p.Ingest(t.Context(), batch); n != 1 || dup != 2 || err != nil {
				t.Errorf("sending again: Ingest = %d, %d, %v, want 1 accepted, 2 duplicates", n, dup, err)
			}
		})
		for i, r := range st.records {
			if r.Seq != uint64(42+i) {
				t.Errorf("record %d has sequence %d, want %d", i, r.Seq, 42+i)
			}
		}
		if last := st.records[len(st.records)-1].Seq; st.checkpoint != last {
			t.Errorf("checkpoint at the end covers %d, want %d", st.checkpoint, last)
		}
	})
}

func TestAStoreThatRefusesIsToldToSendersAndDoesNotStopScoring(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := &shelf{err: errors.New("disk full")}
		seen := 0
		s := noSinks()
		s.observed = func(bellwether.Observation) { seen++ }
		p := newPipeline(testEngine(t), 0, newJournal(st, quiet()), s, quiet())
		runPipeline(t, p, func() {
			if _, _, err := p.Ingest(t.Context(), []bellwether.Observation{observation("1")}); err == nil {
				t.Error("Ingest acknowledged what no disk has")
			}
			p.Observed(observation("2"))
		})
		if seen != 2 || p.journal.Lost() == 0 {
			t.Errorf("scored %d observations with %d counted as lost, want 2 scored and the loss counted", seen, p.journal.Lost())
		}
	})
}

type boardOf []bellwether.Weights

func (b *boardOf) Publish(w bellwether.Weights) { *b = append(*b, w) }

func routesOf(weight float64) map[string]bellwether.RouteWeights {
	return map[string]bellwether.RouteWeights{"chat": {Mode: bellwether.ModeNormal, Targets: []bellwether.TargetWeight{{Target: "a", Weight: weight, Share: 1}}}}
}

func TestRevisionsOnlyGrowAndPublishingNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, board := &shelf{}, &boardOf{}
		p := runPublisher(t, st, board)
		if err := p.start(t.Context(), routesOf(1), false); err != nil {
			t.Fatal(err)
		}
		for i := range 5 * revisionBlock {
			p.publish(routesOf(1 / float64(i+2)))
			synctest.Wait()
		}
		for i, w := range *board {
			if w.Revision != uint64(i+1) {
				t.Fatalf("publication %d has revision %d, want %d", i, w.Revision, i+1)
			}
		}
	})
}

// runPublisher returns a publisher that runs until the test ends.
func runPublisher(t *testing.T, st *shelf, board *boardOf) *publisher {
	t.Helper()
	p := newPublisher(st, newJournal(st, quiet()), board, time.Minute, time.Hour, quiet())
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() { stop(); <-done })
	return p
}

func TestARestartThatChangesNothingKeepsItsRevision(t *testing.T) {
	for _, c := range []struct {
		name    string
		routes  map[string]bellwether.RouteWeights
		ttl     time.Duration
		allKept bool
		want    uint64
	}{
		{"after an orderly stop", routesOf(0.5), time.Minute, true, 17},
		{"when the weights changed meanwhile", routesOf(0.6), time.Minute, true, 101},
		{"when how long they hold changed meanwhile", routesOf(0.5), time.Hour, true, 101},
		{"after a crash, which may have lost a later one", routesOf(0.5), time.Minute, false, 101},
	} {
		t.Run(c.name, func(t *testing.T) {
			st, board := &shelf{reserved: 100}, &boardOf{}
			st.weights = append(st.weights, bellwether.Weights{Epoch: "test", Revision: 17, TTL: 60, Hold: 3600, Routes: routesOf(0.5)})
			p := newPublisher(st, newJournal(st, quiet()), board, c.ttl, time.Hour, quiet())
			if err := p.start(t.Context(), c.routes, c.allKept); err != nil {
				t.Fatal(err)
			}
			p.publish(routesOf(0.7))
			if got := *board; len(got) != 2 || got[0].Revision != c.want || got[0].TTL != c.ttl.Seconds() || got[1].Revision <= max(100, c.want) {
				t.Errorf("published %+v, want revision %d with the lifetime configured now, then one behind the reserved block", got, c.want)
			}
		})
	}
}

func TestWeightsThatSayTheSameAreNoNewRevision(t *testing.T) {
	st, board := &shelf{}, &boardOf{}
	p := newPublisher(st, newJournal(st, quiet()), board, time.Minute, time.Hour, quiet())
	if err := p.start(t.Context(), routesOf(1), false); err != nil {
		t.Fatal(err)
	}
	p.publish(routesOf(1)) // as a reload does that changes no route
	if len(*board) != 1 {
		t.Errorf("the same weights were published %d times", len(*board))
	}
}

func TestWithoutNumbersTheNewestWaitsForOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, board := &shelf{}, &boardOf{}
		p := runPublisher(t, st, board)
		if err := p.start(t.Context(), routesOf(1), false); err != nil {
			t.Fatal(err)
		}
		p.next = p.last + 1 // used up
		st.err = errors.New("disk full")
		p.publish(routesOf(0.2))
		p.publish(routesOf(0.3))
		synctest.Wait()
		p.tick()
		if len(*board) != 1 {
			t.Fatalf("published %d times without a number", len(*board))
		}
		st.mu.Lock()
		st.err = nil
		st.mu.Unlock()
		synctest.Wait()
		p.tick()
		synctest.Wait()
		p.tick()
		if len(*board) != 2 || (*board)[1].Routes["chat"].Targets[0].Weight != 0.3 {
			t.Errorf("once numbers are there: published %s, want the newest", strconv.Itoa(len(*board)))
		}
	})
}
