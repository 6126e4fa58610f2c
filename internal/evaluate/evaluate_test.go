package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether/internal/evaluate/trials"
	"github.com/bellwether-llm/bellwether/internal/evaluate/world"
)

// atRoot makes the root of the tree the working directory, as for users.
func atRoot(t *testing.T) {
	t.Helper()
	t.Chdir("../..")
}

// some is a few cells of every kind of work, small ones.
func some() []trials.Cell {
	e := trials.Engine{Budget: 1, Adaptive: true, Every: 40 * time.Second}
	var cells []trials.Cell
	for _, c := range []trials.Cell{
		{Work: trials.Faults, Scenario: "down after 20 probes", Noise: world.Real, Engine: e, Warm: 2},
		{Work: trials.Faults, Scenario: "x2 slow after 50 probes", Noise: world.T3, Engine: e, Warm: 2, Short: true},
	} {
		cells = append(cells, split(c, 4, 1)...)
	}
	return cells
}

func TestResultsAreTheSameOnOneCoreOnThreeAndFromTheCache(t *testing.T) {
	atRoot(t)
	dir := t.TempDir()
	cells := interleave(some())
	say := func(workers int, cache string) string {
		o := options{workers: workers, cache: cache, seed: 3}
		p, err := newPool(o, trials.NewShared(o.seed), io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		results, err := p.stage(context.Background(), "test", 1, cells)
		if err != nil {
			t.Fatal(err)
		}
		b := &Book{columns: map[entry]*trials.Column{}}
		b.add(cells, results)
		var all strings.Builder
		for i := range cells {
			for _, trial := range results[i].Columns[0].Trials {
				all.WriteString(clock(trial.Seconds) + trials.Cell{N: trial.Probes}.Key())
			}
		}
		return all.String()
	}
	alone := say(1, "-")
	if got := say(3, dir); got != alone {
		t.Errorf("three workers say\n%s\none says\n%s", got, alone)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) != len(cells) {
		t.Errorf("%d finished cells kept, want %d (%v)", len(files), len(cells), err)
	}
	if got := say(2, dir); got != alone {
		t.Errorf("the cache says\n%s\nwant\n%s", got, alone)
	}
}

func TestNoWorkBeginsWhenTheTimeIsOver(t *testing.T) {
	atRoot(t)
	p, err := newPool(options{workers: 2, cache: "-", budget: time.Nanosecond}, trials.NewShared(1), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if results, err := p.stage(context.Background(), "test", 1, some()); err != nil || len(results) != 0 || p.skipped != len(some()) {
		t.Errorf("%d results, %d skipped, %v; want none and %d", len(results), p.skipped, err, len(some()))
	}
}

func TestAnInterruptedRunStops(t *testing.T) {
	atRoot(t)
	p, err := newPool(options{workers: 2, cache: "-"}, trials.NewShared(1), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := p.stage(ctx, "test", 1, some()); err == nil {
		t.Error("an interrupted stage has no error")
	}
}

func TestTheFirstPieceOfEverythingComesBeforeTheSecondOfAnything(t *testing.T) {
	seen := map[string]int{}
	for _, c := range interleave(some()) {
		for name, n := range seen {
			if seen[c.Scenario] > n && name != c.Scenario {
				t.Fatalf("%s for the %d. time before %s for the %d.", c.Scenario, seen[c.Scenario]+1, name, n+1)
			}
		}
		seen[c.Scenario]++
	}
	if len(seen) != 2 {
		t.Fatalf("interleaving lost cells: %v", seen)
	}
}

func TestOnlyWhatLuckCannotExplainIsWorse(t *testing.T) {
	delay := expectation{Value: 100, Error: 2, Spread: 40, Of: 400}
	count := expectation{Value: .5, Error: .05, Events: 100, Of: 200}
	for _, c := range []struct {
		name      string
		want, got expectation
		worse     bool
	}{
		{"a shorter delay", delay, expectation{Value: 50, Error: 10, Spread: 40, Of: 16}, false},
		{"a little longer", delay, expectation{Value: 120, Error: 10, Spread: 40, Of: 16}, false},
		{"twice as long", delay, expectation{Value: 200, Error: 10, Spread: 40, Of: 16}, true},
		{"eight alarms where three are usual", count, expectation{Value: 8. / 6, Events: 8, Of: 6}, false},
		{"thirty where three are usual", count, expectation{Value: 5, Events: 30, Of: 6}, true},
		{"none", count, expectation{Of: 6}, false},
	} {
		if got := c.want.worse(c.got, 1e-5); got != c.worse {
			t.Errorf("%s: worse = %v, want %v", c.name, got, c.worse)
		}
	}
}

func TestACheckFailsWhereNothingCanBeCompared(t *testing.T) {
	file := filepath.Join(t.TempDir(), "expected.json")
	if err := os.WriteFile(file, []byte(`{"delay: of something else": {"value": 1, "of": 2}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	b := &Book{columns: map[entry]*trials.Column{}, scenarios: trials.Scenarios()}
	if err := check(file, b, io.Discard); err == nil {
		t.Error("no figure was compared, and the check passed")
	}
}

// A run of one family, from the command line to its tables.
func TestOneFamilyRunsFromTheCommandLineAndWritesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("some seconds of simulation")
	}
	atRoot(t)
	docs := t.TempDir()
	var out, progress bytes.Buffer
	args := []string{"--profile", "quick", "--only", "down after 20 probes", "--seeds", "2", "--cache", t.TempDir(), "--docs", docs}
	if err := run(t.Context(), args, &out, &progress); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "| down after 20 probes | 2 of 2 |") {
		t.Errorf("the table lacks the scenario:\n%s", out.String())
	}
	if !strings.Contains(progress.String(), "of this left") {
		t.Errorf("no progress: %q", progress.String())
	}
	if left, _ := os.ReadDir(docs); len(left) != 0 {
		t.Errorf("a part of the evaluation wrote %v", left)
	}
	if err := run(t.Context(), []string{"--profile", "nonsense"}, &out, &progress); err == nil {
		t.Error("an unknown profile was accepted")
	}
}
