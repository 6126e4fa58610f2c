package sim_test

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/sim"
	"github.com/bellwether-llm/bellwether/llm"
)

func dayOptions(hours time.Duration) sim.DayOptions {
	start := time.Date(2026, 11, 19, 0, 0, 0, 0, time.UTC)
	return sim.DayOptions{
		Seed: 5, Vantage: "us-east", Interval: 30 * time.Second, Start: start, End: start.Add(hours * time.Hour),
		Targets: []bellwether.Target{
			{ID: "gpt-us", Provider: "openai", Model: "gpt-4o", Region: "us-east", Price: bellwether.Price{Input: 2.5, Output: 10}},
			{ID: "claude-eu", Provider: "anthropic", Model: "claude-haiku-4-5", Region: "eu-west"},
		},
		Canaries: []sim.DayCanary{
			{Name: "capital", Prompt: capital, MaxTokens: 16, Checks: []string{"contains"}},
			{Name: "prose", MaxTokens: 64},
			{Name: "sum", Prompt: "What is 17 + 25?", Plain: true},
		},
	}
}

func collect(t *testing.T, o sim.DayOptions) []bellwether.Observation {
	t.Helper()
	day, err := sim.Day(o)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Collect(day)
}

func TestADayHasEveryProbeInOrder(t *testing.T) {
	o := dayOptions(24)
	obs := collect(t, o)
	if want := 2880 * 6; len(obs) != want {
		t.Fatalf("%d observations, want %d", len(obs), want)
	}
	ids, last := map[string]bool{}, o.Start
	for _, ob := range obs {
		if ob.At.Before(last) || !ob.At.Before(o.End) || ids[ob.ID] {
			t.Fatalf("observation %s at %v after one at %v, known %v", ob.ID, ob.At, last, ids[ob.ID])
		}
		last, ids[ob.ID] = ob.At, true
		if ob.Source != bellwether.SourceSimulated || ob.Trigger != bellwether.TriggerSchedule || ob.Vantage != "us-east" {
			t.Fatalf("observation %+v, want a simulated, scheduled one from us-east", ob)
		}
		if ob.Outcome == bellwether.OK && (ob.Tokens == nil || ob.Timing.Total <= 0 || ob.Model == "" || ob.Finish == "") {
			t.Fatalf("observation %+v lacks what an ok one has", ob)
		}
		if plain := ob.Canary == "sum"; plain && ob.Timing.FirstToken != 0 || !plain && ob.Outcome == bellwether.OK && ob.Timing.FirstToken <= 0 {
			t.Fatalf("observation %+v: a first token only where the answer is streamed", ob)
		}
	}
}

func TestTheSameSeedInventsTheSameDay(t *testing.T) {
	text := func(o sim.DayOptions) string {
		b, err := json.Marshal(collect(t, o))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	o := dayOptions(1)
	one := text(o)
	if text(o) != one {
		t.Error("the same options invented another day")
	}
	day, _ := sim.Day(o)
	for range day {
		break // a reader may leave early, and come again
	}
	if b, _ := json.Marshal(slices.Collect(day)); string(b) != one {
		t.Error("the second reading of a day is another one")
	}
	o.Seed++
	if text(o) == one {
		t.Error("another seed invented the same day")
	}
}

func TestHistoryAndLiveAnswersAreAlike(t *testing.T) {
	history := func() (firsts []float64) {
		for _, ob := range collect(t, dayOptions(6)) {
			if ob.Target == "gpt-us" && ob.Canary == "capital" && ob.Outcome == bellwether.OK {
				firsts = append(firsts, ob.Timing.FirstToken)
			}
		}
		return firsts
	}()
	var live []float64
	synctest.Test(t, func(t *testing.T) {
		_, c, stop := bubble(t, sim.Options{Seed: 99, Regions: map[string]float64{"eu": sim.RegionFactor("us-east")}})
		defer stop()
		for range 600 {
			if a := c.ask(t.Context(), llm.OpenAI, true, question("gpt-4o", capital, true)); len(a.at) > 0 {
				live = append(live, a.at[0].Seconds())
			}
		}
	})
	for _, q := range []float64{0.1, 0.5, 0.9} {
		slices.Sort(history)
		slices.Sort(live)
		h, l := history[int(q*float64(len(history)))], live[int(q*float64(len(live)))]
		if math.Abs(math.Log(h/l)) > 0.12 {
			t.Errorf("first token, quantile %v: history %.3f s, live %.3f s", q, h, l)
		}
	}
}

func TestADayNeedsAnInterval(t *testing.T) {
	o := dayOptions(1)
	o.Interval = 0
	if _, err := sim.Day(o); err == nil {
		t.Error("Day without an interval = nil, want an error")
	}
	o = dayOptions(1)
	o.Targets = nil
	if obs := collect(t, o); len(obs) != 0 {
		t.Errorf("Day without targets has %d observations, want none", len(obs))
	}
}

func ExampleDay() {
	start := time.Date(2026, 11, 19, 0, 0, 0, 0, time.UTC)
	day, err := sim.Day(sim.DayOptions{
		Vantage: "us-east", Interval: time.Minute, Start: start, End: start.Add(time.Hour),
		Targets:  []bellwether.Target{{ID: "gpt-us", Model: "gpt-4o", Region: "us-east"}},
		Canaries: []sim.DayCanary{{Name: "capital", Prompt: "What is the capital of France?", MaxTokens: 16}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	n := 0
	for range day {
		n++
	}
	fmt.Println(n, "observations")
	// Output: 60 observations
}

func BenchmarkDay(b *testing.B) {
	b.ReportAllocs()
	o := dayOptions(1)
	n := 0
	for b.Loop() {
		day, err := sim.Day(o)
		if err != nil {
			b.Fatal(err)
		}
		for range day {
			n++
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/observation")
}
