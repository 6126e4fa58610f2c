package main

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/scoring"
	"github.com/bellwether-llm/bellwether/store/sqlite"
)

// gate is a shelf that writes records only while it is open, and refuses the
// records named.
type gate struct {
	shelf
	open   chan struct{} // closed: writes go through
	poison string
	tries  int
}

func newGate() *gate { return &gate{open: make(chan struct{})} }

func (g *gate) Append(ctx context.Context, rs []bellwether.Record) error {
	<-g.open
	g.tries++
	if slices.ContainsFunc(rs, func(r bellwether.Record) bool {
		return g.poison != "" && r.Observation != nil && r.Observation.ID == g.poison
	}) {
		return errors.New("record: it has no id")
	}
	return g.shelf.Append(ctx, rs)
}

// scored counts the observations that the engine was given.
func scored(n *int) sinks {
	s := noSinks()
	s.observed = func(bellwether.Observation) { *n++ }
	return s
}

func TestASenderThatLeavesAndComesBackIsNotScoredTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st, n := newGate(), 0
		p := newPipeline(testEngine(t), 0, newJournal(st, quiet()), scored(&n), quiet())
		runPipeline(t, p, func() {
			batch := []bellwether.Observation{observation("1")}
			ctx, leave := context.WithCancel(t.Context())
			first, second := make(chan error, 1), make(chan error, 1)
			go func() { _, _, err := p.Ingest(ctx, batch); first <- err }()
			synctest.Wait()
			leave() // the observation is with the journal by now
			synctest.Wait()
			go func() { _, _, err := p.Ingest(t.Context(), batch); second <- err }()
			synctest.Wait()
			close(st.open)
			<-first
			if err := <-second; err != nil {
				t.Errorf("sending again: %v", err)
			}
		})
		if n != 1 {
			t.Errorf("one observation was scored %d times", n)
		}
	})
}

func TestADuplicateIsAcknowledgedOnlyWhenTheFirstCopyIsOnDisk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := newGate()
		p := newPipeline(testEngine(t), 0, newJournal(st, quiet()), noSinks(), quiet())
		runPipeline(t, p, func() {
			answers := make(chan error, 2)
			for range 2 {
				go func() {
					_, _, err := p.Ingest(t.Context(), []bellwether.Observation{observation("1")})
					answers <- err
				}()
			}
			synctest.Wait()
			if len(answers) > 0 {
				t.Error("a copy was acknowledged while none is on disk")
			}
			close(st.open)
			for range 2 {
				if err := <-answers; err != nil {
					t.Error(err)
				}
			}
		})
	})
}

func TestWhatTheStoreRefusedIsNotScoredAgainWhenItComesAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st, n := &shelf{err: errors.New("disk full")}, 0
		p := newPipeline(testEngine(t), 0, newJournal(st, quiet()), scored(&n), quiet())
		runPipeline(t, p, func() {
			batch := []bellwether.Observation{observation("1")}
			for range 3 {
				if _, _, err := p.Ingest(t.Context(), batch); err == nil {
					t.Fatal("Ingest acknowledged what no disk has")
				}
			}
			st.mu.Lock()
			st.err = nil
			st.mu.Unlock()
			if taken, _, err := p.Ingest(t.Context(), batch); taken != 1 || err != nil {
				t.Errorf("once the store is well: Ingest = %d, %v, want 1 taken", taken, err)
			}
		})
		if n != 1 || len(st.records) == 0 {
			t.Errorf("one observation sent four times was scored %d times, want once and kept", n)
		}
	})
}

func TestNobodyWaitsForAPipelineThatHasStopped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPipeline(testEngine(t), 0, newJournal(&shelf{}, quiet()), noSinks(), quiet())
		runPipeline(t, p, func() {})
		for range 64 { // a select with two ready cases draws lots
			p.Observed(observation("1"))
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			_, _, err := p.Ingest(ctx, []bellwether.Observation{observation("2")})
			cancel()
			if again, ok := errors.AsType[interface {
				error
				Temporary() bool
			}](err); !ok || !again.Temporary() {
				t.Fatalf("Ingest = %v, want to be told to try again", err)
			}
		}
	})
}

func TestAnOverrideThatIsNotKeptIsNotInForce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := &shelf{err: errors.New("disk full")}
		p := newPipeline(testEngine(t), 0, newJournal(st, quiet()), noSinks(), quiet())
		now := time.Now()
		runPipeline(t, p, func() {
			o := bellwether.Override{ID: "o", Target: "a", Weight: 0, CreatedAt: now, ExpiresAt: now.Add(time.Hour)}
			if err := p.Override(t.Context(), o); err == nil {
				t.Fatal("Override acknowledged what no disk has")
			}
		})
		if mode := p.engine.Routes()["chat"].Mode; mode == bellwether.ModeOverride {
			t.Error("the operator was told that it failed, no list has it, and yet the target is drained")
		}
	})
}

func TestOnePoisonedRecordCostsNobodyElseTheirs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := newGate()
		st.poison = "bad"
		p := newPipeline(testEngine(t), 0, newJournal(st, quiet()), noSinks(), quiet())
		runPipeline(t, p, func() {
			p.Observed(observation("first")) // the journal stands before the gate with it
			synctest.Wait()
			p.Observed(observation("bad"))
			answer := make(chan error, 1)
			go func() {
				_, _, err := p.Ingest(t.Context(), []bellwether.Observation{observation("good")})
				answer <- err
			}()
			synctest.Wait()
			close(st.open)
			if err := <-answer; err != nil {
				t.Errorf("a good batch beside a bad one: %v", err)
			}
		})
		if lost := p.journal.Lost(); lost != 1 {
			t.Errorf("%d records were lost, want the bad one only", lost)
		}
	})
}

func TestWhatWaitsForTheDiskIsBoundedInRecords(t *testing.T) {
	j := newJournal(&shelf{}, quiet())
	batch := make([]bellwether.Record, 5000)
	taken := 0
	for range 100 {
		durable := make(chan error, 1)
		j.write(batch, durable)
		if len(durable) == 0 {
			taken += len(batch)
		}
	}
	if taken > 1<<17 {
		t.Errorf("%d records wait in memory for a disk that does not move", taken)
	}
	waiting := len(j.queue)
	for i := range 100 {
		j.checkpoint(uint64(i), make([]byte, 1<<20))
	}
	if n := len(j.queue) - waiting; n > 1 {
		t.Errorf("%d checkpoints wait in memory, want one: the next comes soon enough", n)
	}
}

func TestAStoreThatGoesOnRefusingDoesNotHoldUpTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newGate()
		st.err = errors.New("disk full")
		close(st.open)
		j := newJournal(st, quiet())
		for range 100 {
			j.write(make([]bellwether.Record, journalBatch/2), nil)
		}
		for range journalBatch {
			j.write(make([]bellwether.Record, 1), nil)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		start := time.Now()
		_ = j.Run(ctx)
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("the journal took %v to give up, want a few seconds whatever waits", took)
		}
		if st.tries > 500 || j.Lost() != 100*journalBatch/2+journalBatch { // each may wait for a lock on the file
			t.Errorf("the store was asked %d times, %d records are counted as lost", st.tries, j.Lost())
		}
	})
}

func TestAfterACrashTheChangesOfReplayedRecordsAreRecorded(t *testing.T) {
	t.Parallel()
	_, url := simulator(t)
	file, _, _ := testConfig(t, t.TempDir(), url)
	cfg, err := LoadConfig(file)
	if err != nil {
		t.Fatal(err)
	}
	st, err := sqlite.Open(t.Context(), cfg.Store.File(), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = st.Close() }()
	var seq uint64
	for i := range 40 { // on disk, and the crash came before their changes were
		o := observation(filepath.Join("o", time.Duration(i).String()))
		o.At = time.Now().Add(time.Duration(i-60) * time.Second)
		o.Target, o.Vantage, o.Canary = "first", "test", "hello"
		if i > 20 {
			o.Outcome = bellwether.ServerError
		}
		seq++
		if err := st.Append(t.Context(), []bellwether.Record{{Seq: seq, At: o.At.Add(time.Second), Observation: &o}}); err != nil {
			t.Fatal(err)
		}
	}
	a := &app{store: st, log: quiet()}
	engine, _, _, err := a.restore(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	now, _ := engine.Assess("first")
	changes, _, err := st.Changes(t.Context(), bellwether.Query{Target: "first"})
	if err != nil {
		t.Fatal(err)
	}
	if len(changes) == 0 || changes[0].To != now.State {
		t.Errorf("the target is %s after the replay, and the record of changes has %+v", now.State, changes)
	}
}

func TestASuspicionOutlivesARestartAndEndsWithItsTarget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var told []bellwether.Suspicion
		s := noSinks()
		s.suspect = func(x bellwether.Suspicion) { told = append(told, x) }
		ill := testEngine(t)
		for i := range 40 {
			o := observation(time.Duration(i).String())
			o.At = time.Now().Add(time.Duration(i-41) * time.Second)
			if i > 20 {
				o.Outcome = bellwether.ServerError
			}
			ill.Fold(bellwether.Record{Seq: uint64(i + 1), At: o.At.Add(time.Second), Observation: &o})
		}
		p := newPipeline(ill, 40, newJournal(&shelf{}, quiet()), s, quiet())
		runPipeline(t, p, func() {
			synctest.Wait()
			if len(told) != 1 || told[0].Target != "a" || told[0].Interval <= 0 {
				t.Errorf("after a restart while a is ill the scheduler is told %+v, want to look harder at a", told)
			}
			without, err := scoring.New(scoring.Config{Targets: []bellwether.Target{{ID: "b", Provider: "q", Model: "n"}}})
			if err != nil {
				t.Fatal(err)
			}
			told = nil
			if err := p.Reload(t.Context(), without); err != nil { // a is gone
				t.Fatal(err)
			}
			if err := p.Reload(t.Context(), testEngine(t)); err != nil { // and comes again, as new
				t.Fatal(err)
			}
			if !slices.ContainsFunc(told, func(x bellwether.Suspicion) bool { return x.Target == "a" && x.Interval == 0 }) {
				t.Errorf("a is new and nothing speaks against it, yet the scheduler is told %+v and looks harder for ever", told)
			}
		})
	})
}

func TestFactsAreWorkedOutOncePerConfig(t *testing.T) {
	cfg, fs := ParseConfig("demo.yaml", demoConfig, func(string) (string, bool) { return "http://127.0.0.1:1", true })
	if len(fs) > 0 {
		t.Fatal(fs)
	}
	a := &app{}
	a.cfg.Store(&cfg)
	a.factsNow()
	if n := testing.AllocsPerRun(10, func() { a.factsNow() }); n > 0 {
		t.Errorf("the facts, which every observation asks for, cost %v allocations each time", n)
	}
	changed := cfg
	changed.Vantage = "elsewhere"
	a.cfg.Store(&changed)
	if got := a.factsNow().Vantage; got != "elsewhere" {
		t.Errorf("after a reload the facts are still those of vantage %s", got)
	}
}
