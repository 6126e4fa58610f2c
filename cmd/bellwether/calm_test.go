package main

import (
	"fmt"
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

// live folds the first minutes of life of a few targets that nothing is wrong
// with, at one interval, whatever is suspected.
func (c *calm) live(t *testing.T, seed uint64, canaries []sim.DayCanary, every, life time.Duration) {
	t.Helper()
	start := time.Date(2026, 11, 19, 12, 0, 0, 0, time.UTC)
	o := sim.DayOptions{Seed: seed, Vantage: "here", Interval: every, Start: start, End: start.Add(life), Canaries: canaries}
	cfg := scoring.Config{Interval: map[string]time.Duration{}}
	for i, p := range sim.Profiles() {
		target := bellwether.Target{ID: fmt.Sprintf("t%d", i), Provider: fmt.Sprintf("p%d", i%3), Model: p.Name, Region: "us"}
		o.Targets, cfg.Targets = append(o.Targets, target), append(cfg.Targets, target)
		cfg.Interval[target.ID] = every / time.Duration(len(canaries))
	}
	day, err := sim.Day(o)
	if err != nil {
		t.Fatal(err)
	}
	engine, err := scoring.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	seq := uint64(0)
	for ob := range day {
		seq++
		ob.Source = bellwether.SourceProbe
		res := engine.Fold(bellwether.Record{Seq: seq, At: ob.At, Observation: &ob})
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
	pairs := [][]sim.DayCanary{calmCanaries[:1], calmCanaries[1:2], calmCanaries[2:3], calmCanaries[3:], {calmCanaries[0], calmCanaries[3]}}
	for _, l := range []struct {
		every, life time.Duration
		seeds       uint64
	}{{5 * time.Second, 10 * time.Minute, 2}, {time.Minute, 10 * time.Minute, 6}, {time.Minute, 4 * time.Hour, 1}} {
		all := calm{lowest: 1}
		for _, canaries := range pairs {
			one := calm{lowest: 1}
			for seed := range l.seeds {
				one.live(t, seed, canaries, l.every, l.life)
			}
			t.Logf("%v of %s at %v: %d probes, %d alarms, weight below .9 at %.3f %%, at least %.2f%s",
				l.life, canaries[0].Name, l.every, one.probes, one.alarms, 100*float64(one.low)/float64(one.probes), one.lowest, one.said)
			all.probes, all.low, all.alarms = all.probes+one.probes, all.low+one.low, all.alarms+one.alarms
		}
		hours := float64(l.seeds) * float64(len(pairs)*len(sim.Profiles())) * l.life.Hours()
		t.Logf("%v at %v: %d alarms in %.0f target-hours, weight below .9 at %.3f %%", l.life, l.every, all.alarms, hours, 100*float64(all.low)/float64(all.probes))
		if all.alarms > 1 { // the budget is one in 2,880 target-hours
			t.Errorf("%d alarms in %.0f target-hours", all.alarms, hours)
		}
		if float64(all.low) > .005*float64(all.probes) {
			t.Errorf("weight below .9 at %.2f %% of %d probes", 100*float64(all.low)/float64(all.probes), all.probes)
		}
	}
}
