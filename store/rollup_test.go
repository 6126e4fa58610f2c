package store_test

import (
	"encoding/json"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/sketch"
	"github.com/bellwether-llm/bellwether/store"
	"pgregory.net/rapid"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func ExampleFold() {
	f := store.Fold{}
	for i := range 3 {
		f.Add(&bellwether.Observation{At: noon.Add(time.Duration(i) * 40 * time.Second), Target: "gpt-us", Outcome: bellwether.OK})
	}
	for _, bin := range f.Bins() {
		r := f[bin].Rollup(bin)
		fmt.Println(r.Start.Format(time.TimeOnly), r.Seconds, r.Counts)
	}
	// Output:
	// 12:00:00 60 map[ok:2]
	// 12:01:00 60 map[ok:1]
	// 12:00:00 3600 map[ok:3]
}

func TestLatenciesCountAnswersAndTimeoutsButNotFastErrors(t *testing.T) {
	timing := bellwether.Timing{FirstToken: 0.5, InterToken: 0.02, InterTokenMax: 8, Total: 30}
	for _, c := range []struct {
		name                string
		outcome             bellwether.Outcome
		timing              bellwether.Timing
		first, inter, total float64 // NaN: not counted
	}{
		{"an answer counts", bellwether.OK, timing, 0.5, 0.02, 30},
		{"a wrong answer counts", bellwether.BadOutput, timing, 0.5, 0.02, 30},
		{"a refusal counts", bellwether.Refusal, timing, 0.5, 0.02, 30},
		{"an answer that was not streamed has a total only", bellwether.OK, bellwether.Timing{Total: 3}, math.NaN(), math.NaN(), 3},
		{"a first token that did not come counts as its limit", bellwether.FirstTokenTimeout, bellwether.Timing{Total: 10}, 10, math.NaN(), 10},
		{"a stall counts as its gap", bellwether.Stalled, timing, 0.5, 8, 30},
		{"a timeout counts as its limit", bellwether.Timeout, bellwether.Timing{Total: 60}, math.NaN(), math.NaN(), 60},
		{"a server error does not count", bellwether.ServerError, timing, math.NaN(), math.NaN(), math.NaN()},
		{"a refused connection does not count", bellwether.ConnectError, timing, math.NaN(), math.NaN(), math.NaN()},
		{"a cut stream does not count", bellwether.Truncated, timing, math.NaN(), math.NaN(), math.NaN()},
		{"a probe that was not sent does not count", bellwether.Missed, timing, math.NaN(), math.NaN(), math.NaN()},
		{"a rate limit does not count", bellwether.RateLimited, timing, math.NaN(), math.NaN(), math.NaN()},
	} {
		var tally store.Tally
		tally.Add(&bellwether.Observation{Outcome: c.outcome, Timing: c.timing})
		for signal, want := range map[bellwether.Signal]float64{bellwether.FirstToken: c.first, bellwether.InterToken: c.inter, bellwether.Total: c.total} {
			got := math.NaN()
			if s := tally.Sketches[signal]; s != nil {
				got = s.Quantile(0.5)
			}
			if math.IsNaN(got) != math.IsNaN(want) || math.Abs(got-want) > want*sketch.Accuracy {
				t.Errorf("%s: %s = %v, want %v", c.name, signal, got, want)
			}
		}
		if tally.Counts[c.outcome] != 1 {
			t.Errorf("%s: counts %v, want one %s", c.name, tally.Counts, c.outcome)
		}
	}
}

func TestTriggersSourcesAndConnectionsAreNotAddedUp(t *testing.T) {
	f := store.Fold{}
	for _, o := range []bellwether.Observation{
		{At: noon, Trigger: bellwether.TriggerSchedule}, {At: noon, Trigger: bellwether.TriggerSuspicion},
		{At: noon, Reused: true}, {At: noon, Source: bellwether.SourceRouter}, {At: noon, Canary: "c"}, {At: noon, Vantage: "v"},
	} {
		o.Outcome = bellwether.OK
		f.Add(&o)
	}
	if len(f) != 12 {
		t.Errorf("%d bins, want 6 minutes and 6 hours", len(f))
	}
}

func TestASampleStandsForWhatItWasDrawnFrom(t *testing.T) {
	var tally store.Tally
	tally.Add(&bellwether.Observation{Outcome: bellwether.OK, SampleRate: 0.1, Timing: bellwether.Timing{FirstToken: 1},
		Tokens: &bellwether.Tokens{Input: 3, Output: 2}, CostUSD: 0.5})
	if tally.Counts[bellwether.OK] != 10 || tally.Sketches[bellwether.FirstToken].Count() != 10 || tally.Input != 30 || tally.CostUSD != 5 {
		t.Errorf("a sample of one in ten counts %+v", tally)
	}
}

func TestWhatComesFromOutsideIsBounded(t *testing.T) {
	var tally store.Tally
	for i := range 1000 {
		name := fmt.Sprint("n", i)
		tally.Add(&bellwether.Observation{Outcome: bellwether.Outcome(name), SampleRate: 1e-300,
			Checks: []bellwether.CheckResult{{Name: name}}, Signals: map[bellwether.Signal]float64{bellwether.Signal(name): 1},
			Tokens: &bellwether.Tokens{Input: -5, Output: -5}, CostUSD: math.Inf(1)})
		tally.Add(&bellwether.Observation{Counts: map[bellwether.Outcome]int{"ok": -7}, Sketches: map[bellwether.Signal][]byte{"bad": {1, 2, 3}}})
	}
	if len(tally.Counts) > 64 || len(tally.Checks) > 64 || len(tally.Sketches) > 64 {
		t.Errorf("%d outcomes, %d checks, %d sketches, want at most 64", len(tally.Counts), len(tally.Checks), len(tally.Sketches))
	}
	if tally.Input != 0 || tally.Output != 0 || tally.CostUSD != 0 || tally.Counts["ok"] != 0 {
		t.Errorf("odd numbers were counted: %+v", tally)
	}
}

func drawn() *rapid.Generator[bellwether.Observation] {
	return rapid.Custom(func(t *rapid.T) bellwether.Observation {
		o := bellwether.Observation{
			At:      noon.Add(time.Duration(rapid.Int64Range(-2e12, 6e12).Draw(t, "at"))),
			Target:  rapid.SampledFrom([]string{"a", "b"}).Draw(t, "target"),
			Reused:  rapid.Bool().Draw(t, "reused"),
			Outcome: rapid.SampledFrom([]bellwether.Outcome{bellwether.OK, bellwether.Timeout, bellwether.ServerError, ""}).Draw(t, "outcome"),
			Timing:  bellwether.Timing{FirstToken: rapid.Float64Range(0, 9).Draw(t, "first token"), Total: 20},
			Checks:  []bellwether.CheckResult{{Name: "contains", OK: rapid.Bool().Draw(t, "check")}},
			Tokens:  &bellwether.Tokens{Input: 3, Output: rapid.IntRange(0, 99).Draw(t, "output")},
			CostUSD: float64(rapid.IntRange(0, 64).Draw(t, "cost")) / 64, // adds up exactly
		}
		return o
	})
}

func TestMinutesAddUpToHoursInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		os := rapid.SliceOfN(drawn(), 0, 40).Draw(t, "observations")
		f, backwards := store.Fold{}, store.Fold{}
		for i := range os {
			f.Add(&os[i])
			backwards.Add(&os[len(os)-1-i])
		}
		hours := store.Fold{}
		for _, bin := range f.Bins() {
			if got, want := shown(t, backwards[bin], bin), shown(t, f[bin], bin); got != want {
				t.Fatalf("backwards:\n got %s\nwant %s", got, want)
			}
			if bin.Seconds != store.Minute {
				continue
			}
			again, err := store.TallyOf(f[bin].Rollup(bin)) // as it would be read back
			if err != nil {
				t.Fatal(err)
			}
			bin.Start -= ((bin.Start % 3600) + 3600) % 3600
			bin.Seconds = store.Hour
			if hours[bin] == nil {
				hours[bin] = &store.Tally{}
			}
			hours[bin].Merge(again)
		}
		for bin, tally := range hours {
			if got, want := shown(t, tally, bin), shown(t, f[bin], bin); got != want {
				t.Fatalf("minutes added up:\n got %s\nwant %s", got, want)
			}
		}
	})
}

func shown(t *rapid.T, tally *store.Tally, bin store.Bin) string {
	b, err := json.Marshal(tally.Rollup(bin))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestARollupWithADamagedSketchIsAnError(t *testing.T) {
	if _, err := store.TallyOf(bellwether.Rollup{Sketches: map[bellwether.Signal][]byte{"total": {9, 9}}}); err == nil {
		t.Error("TallyOf of a damaged sketch must be an error")
	}
}

func BenchmarkFold(b *testing.B) {
	b.ReportAllocs()
	f := store.Fold{}
	o := bellwether.Observation{At: noon, Target: "gpt-us", Outcome: bellwether.OK, Checks: []bellwether.CheckResult{{Name: "contains", OK: true}},
		Timing: bellwether.Timing{FirstToken: 0.5, InterToken: 0.02, Total: 1.5}, Tokens: &bellwether.Tokens{Output: 8}}
	for b.Loop() {
		f.Add(&o)
	}
}
