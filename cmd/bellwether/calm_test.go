package main

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/sim"
	"github.com/bellwether-llm/bellwether/scoring"
)

// calmCanaries are the kinds of question that people watch by.
var calmCanaries = []sim.DayCanary{
	{Name: "capital", Prompt: "What is the capital of France? Answer with one word.", MaxTokens: 16},
	{Name: "sentence", Prompt: "What is the capital of France?", MaxTokens: 64},
	{Name: "count", Prompt: "Count from 1 to 10.", MaxTokens: 64},
	{Name: "prose", MaxTokens: 256},
}

// calm is what was said of healthy targets.
type calm struct {
	probes, low, alarms int
	lowest              float64
	said                string
}

// live folds the first minutes of life of targets that nothing is wrong with,
// each watched by the canaries of one kind, at one interval, whatever is
// suspected. The targets of a kind and a seed have providers, models, a region
// and a vantage of their own, so that each is a world to itself; one engine scores
// them all, because what takes long is solving its thresholds.
func (c *calm) live(t *testing.T, kinds [][]sim.DayCanary, seeds uint64, every, life time.Duration) {
	t.Helper()
	start := time.Date(2026, 11, 19, 12, 0, 0, 0, time.UTC)
	cfg := scoring.Config{Interval: map[string]time.Duration{}}
	var all []bellwether.Observation
	for k, canaries := range kinds {
		for seed := range seeds {
			o := sim.DayOptions{Seed: seed, Vantage: "here", Interval: every, Start: start, End: start.Add(life), Canaries: canaries}
			for i, p := range sim.Profiles() {
				world := fmt.Sprintf("%d-%d", k, seed)
				target := bellwether.Target{ID: fmt.Sprintf("t%d", i), Provider: fmt.Sprintf("p%d", i%3), Model: p.Name, Region: "us"}
				o.Targets = append(o.Targets, target)
				target.ID, target.Provider, target.Model, target.Region = target.ID+"-"+world, target.Provider+"-"+world, target.Model+"-"+world, target.Region+"-"+world
				cfg.Targets = append(cfg.Targets, target)
				cfg.Interval[target.ID] = every / time.Duration(len(canaries))
			}
			day, err := sim.Day(o)
			if err != nil {
				t.Fatal(err)
			}
			for ob := range day {
				world := fmt.Sprintf("%d-%d", k, seed)
				ob.Source, ob.Target, ob.Vantage = bellwether.SourceProbe, ob.Target+"-"+world, ob.Vantage+"-"+world
				all = append(all, ob)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b bellwether.Observation) int { return a.At.Compare(b.At) })
	engine, err := scoring.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for i, ob := range all {
		res := engine.Fold(bellwether.Record{Seq: uint64(i + 1), At: ob.At, Observation: &ob})
		for _, ch := range res.Changes {
			if ch.To.Severity() > 0 {
				c.alarms++
				c.said += fmt.Sprintf("\n%s after %v: %s, weight %v: %+v", ch.Target, ch.At.Sub(start), ch.To, ch.Weight, ch.Reasons)
			}
		}
		a, _ := engine.Assess(ob.Target)
		if c.probes++; a.Weight < .9 {
			c.low++
		}
		c.lowest = min(c.lowest, a.Weight)
	}
}

// TestTheFirstMinutesOfLifeAreCalm lets every fitted profile begin to be
// watched, by each kind of canary and by two at once, at the fastest probing and
// at the usual one: nothing is said of them, and they keep their traffic.
func TestTheFirstMinutesOfLifeAreCalm(t *testing.T) {
	t.Parallel()
	kinds := [][]sim.DayCanary{calmCanaries[:1], calmCanaries[1:2], calmCanaries[2:3], calmCanaries[3:], {calmCanaries[0], calmCanaries[3]}}
	type run struct {
		every, life time.Duration
		seeds       uint64
	}
	runs := []run{{5 * time.Second, 10 * time.Minute, 2}, {time.Minute, 10 * time.Minute, 6}, {time.Minute, 4 * time.Hour, 1}}
	if raced { // one goroutine has nothing to race with
		runs = []run{{5 * time.Second, 2 * time.Minute, 1}, {time.Minute, 10 * time.Minute, 1}}
	}
	for _, l := range runs {
		t.Run(fmt.Sprintf("%v at %v", l.life, l.every), func(t *testing.T) {
			t.Parallel()
			all := calm{lowest: 1}
			all.live(t, kinds, l.seeds, l.every, l.life)
			hours := float64(l.seeds) * float64(len(kinds)*len(sim.Profiles())) * l.life.Hours()
			t.Logf("%d probes, %d alarms in %.0f target-hours, weight below .9 at %.3f %%, at least %.2f%s", all.probes, all.alarms, hours,
				100*float64(all.low)/float64(all.probes), all.lowest, all.said)
			if all.alarms > 1 { // the budget is one in 2,880 target-hours
				t.Errorf("%d alarms in %.0f target-hours", all.alarms, hours)
			}
			if float64(all.low) > .005*float64(all.probes) {
				t.Errorf("weight below .9 at %.2f %% of %d probes", 100*float64(all.low)/float64(all.probes), all.probes)
			}
		})
	}
}
