package trials

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether/internal/evaluate/policies"
	"github.com/bellwether-llm/bellwether/internal/evaluate/world"
)

func TestEveryFamilyButTheDailyRhythmHasScenariosOfTheirOwnNames(t *testing.T) {
	seen, families := map[string]bool{}, map[int]bool{}
	for _, s := range Scenarios() {
		if seen[s.Name] {
			t.Errorf("%q is there twice", s.Name)
		}
		seen[s.Name], families[s.Family] = true, true
		if s.Lasts <= 0 || len(s.Effects) == 0 {
			t.Errorf("%q lasts %v and has %d effects", s.Name, s.Lasts, len(s.Effects))
		}
		if s.Limit != nil {
			if i := s.Limit.Information(); !(i > .01 && i < 1000) {
				t.Errorf("%q: information %v nats a probe", s.Name, i)
			}
		}
	}
	for f := 1; f < len(Families()); f++ {
		if want := Families()[f] != "daily rhythm"; families[f] != want {
			t.Errorf("family %d, %s: scenarios %v", f, Families()[f], families[f])
		}
	}
}

func TestTheGridIsThreeProvidersFourModelsTwoRegions(t *testing.T) {
	of := func(f func(i int) string) int {
		seen := map[string]bool{}
		for i := range Grid.Targets() {
			seen[f(i)] = true
		}
		return len(seen)
	}
	ts := Grid.Targets()
	if n, p, m, r := len(ts), of(func(i int) string { return ts[i].Provider }), of(func(i int) string { return ts[i].Model }), of(func(i int) string { return ts[i].Region }); n != 24 || p != 3 || m != 12 || r != 2 {
		t.Errorf("%d targets, %d providers, %d models, %d regions", n, p, m, r)
	}
}

// cell is a small cell of a scenario with both kinds of policy.
func cell(w Work, scenario string, n int) Cell {
	return Cell{Work: w, Scenario: scenario, Noise: world.Normal, Engine: Engine{Budget: 1, Every: 30 * time.Second}, Warm: 1, N: n,
		Rules: []policies.Spec{policies.Shipped("Gatus"), {Rule: "never act"}}}
}

func do(t *testing.T, c Cell) []Column {
	t.Helper()
	r, err := NewBench(NewShared(5)).Run(c)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Columns) != 3 {
		t.Fatalf("%d columns, want the engine and two rules", len(r.Columns))
	}
	return r.Columns
}

func TestAnOutageIsFoundAndLeftAndWhoeverNeverActsPaysForAllOfIt(t *testing.T) {
	for k, col := range do(t, cell(Faults, "down after 20 probes", 3)) {
		for _, trial := range col.Trials {
			switch {
			case k == 2:
				if trial.Found || math.Abs(trial.ToBad-.95) > 1e-9 || trial.Kept != 0 {
					t.Errorf("never acting: %+v; want .95 h to the ill", trial)
				}
			case !trial.Found || trial.Void || trial.Probes < 2 || trial.Probes > 10 || trial.Half < 0 || trial.HalfAt > 10:
				t.Errorf("policy %d: %+v", k, trial)
			case trial.Exit < 0 || trial.Exit > 600 || trial.ToBad > .2 || trial.ToBad <= 0:
				t.Errorf("policy %d does not see the end: %+v", k, trial)
			}
		}
	}
}

func TestAFaultOfOursIsBlamedOnNobodyByTheEngine(t *testing.T) {
	col := do(t, cell(Faults, "our network is out", 2))[0]
	for _, trial := range col.Trials {
		if trial.Wrong != 0 || trial.Blamed != 0 {
			t.Errorf("%+v", trial)
		}
	}
}

func TestIncidentsComeAboutEveryThreeDaysAndLastAboutAnHour(t *testing.T) {
	n, hours := 0.0, 0.0
	for seed := range uint64(20) {
		for _, e := range history(Eight.Targets(), mix("errors"), newRand(seed)) {
			n++
			hours += (e.To - e.From).Hours()
			if e.To <= e.From || e.Who.Target == "" || e.Utility >= 1 {
				t.Fatalf("incident %+v", e)
			}
		}
	}
	if gap := 20 * 8 * 30 / n; gap < 2.9 || gap > 3.7 {
		t.Errorf("%.2f days apart, want 3.2 and the length", gap)
	}
	if mean := hours / n; mean < 1.4 || mean > 1.75 {
		t.Errorf("%.2f h long on average, want e^.5 (of a median of one)", mean)
	}
	for _, name := range []string{"errors", "everything"} {
		sum := 0.0
		for _, f := range mix(name) {
			sum += f.share
		}
		if math.Abs(sum-1) > 1e-9 {
			t.Errorf("the shares of %s sum to %v", name, sum)
		}
	}
}

func TestRecordedDownsAreReplayedToEverybody(t *testing.T) {
	for k, col := range do(t, cell(Downs, "three", 1)) {
		if len(col.Trials) != 2 || col.Trials[0].Probes != 38 || col.Trials[1].Probes != 1 {
			t.Errorf("policy %d: %+v; want 38 downs of one site and 1 of the other", k, col.Trials)
		}
	}
}

func TestDifferentTrialsHaveDifferentSeeds(t *testing.T) {
	var all []uint64
	for n := range 100 {
		all = append(all, seedOf(1, "fault", "x", n), seedOf(1, "month", "x", n), seedOf(2, "fault", "x", n))
	}
	slices.Sort(all)
	if n := len(slices.Compact(all)); n != 300 {
		t.Errorf("%d different seeds of 300", n)
	}
}

func TestWorkThatDoesNotExistIsAnError(t *testing.T) {
	for _, c := range []Cell{{Work: "nonsense", N: 1}, {Work: Faults, Scenario: "nonsense", N: 1}, {Work: Months, N: 1, Rules: []policies.Spec{{Rule: "nonsense"}}}} {
		if _, err := NewBench(NewShared(1)).Run(c); err == nil {
			t.Errorf("%+v was done", c)
		}
	}
}
