// Command evaluate measures how soon Bellwether and others notice faults, at
// which rate of false alarms, and what mathematics allows.
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/evaluate/limits"
	"github.com/bellwether-llm/bellwether/internal/evaluate/policies"
	"github.com/bellwether-llm/bellwether/internal/evaluate/world"
	"github.com/bellwether-llm/bellwether/scoring"
)

func main() {
	if err := skeleton(); err != nil {
		fmt.Fprintln(os.Stderr, "evaluate:", err)
		os.Exit(1)
	}
}

func skeleton() error {
	target := bellwether.Target{ID: "t", Provider: "p", Model: "m", Region: "r"}
	config := scoring.Config{
		Policy: scoring.Policy{FalseAlarms: 1}, Targets: []bellwether.Target{target},
		Routes:   []bellwether.Route{{Name: "pool", Tiers: [][]bellwether.TierTarget{{{Target: "t"}}}}},
		Interval: map[string]time.Duration{"t": 30 * time.Second},
	}
	setup := world.Setup{Targets: config.Targets, Noise: world.Normal, Levels: world.Usual(), Every: 30 * time.Second}
	engine, err := policies.NewEngine(config)
	if err != nil {
		return err
	}
	gatus, ewma := &policies.Consecutive{Fails: 3, Passes: 2}, &policies.EWMA{Lambda: .2, Limit: 3}
	day := 24 * time.Hour
	world.New(setup, 0, 90001, engine, gatus, ewma).Until(10*day, nil)
	warm, err := engine.Save()
	if err != nil {
		return err
	}
	names := []string{"bellwether", "gatus 3/2", "ewma 3 sigma"}
	fmt.Println("| false verdicts in 10 target-months |", names)
	var counts [3]int
	began := time.Now()
	for seed := range uint64(10) {
		if err := engine.Load(warm); err != nil {
			return err
		}
		w := world.New(setup, 10*day, 90100+seed, engine, gatus.Clone(), ewma.Clone())
		w.Until(40*day, nil)
		for k := range counts {
			counts[k] += w.Log(k).Targets[0].Ill(10 * day)
		}
	}
	fmt.Println(counts, time.Since(began)/10, "a month")
	faults := []struct {
		name string
		e    world.Effect
	}{
		{"down", world.Effect{Errors: 1}}, {"first token x2", world.Effect{First: 2}}, {"errors 5 %", world.Effect{Errors: .045}},
	}
	for _, f := range faults {
		var sum, n [3]float64
		for seed := range uint64(30) {
			if err := engine.Load(warm); err != nil {
				return err
			}
			w := world.New(setup, 10*day, 91000+seed, engine, gatus.Clone(), ewma.Clone())
			onset := 10*day + 10*time.Minute
			w.Strike(onset, []world.Effect{f.e})
			w.Until(onset+24*time.Hour, nil)
			for k := range sum {
				for _, t := range w.Log(k).Targets[0].Turns {
					if t.At >= onset && t.To > 0 {
						sum[k] += (t.At - onset).Seconds()
						n[k]++
						break
					}
				}
			}
		}
		fmt.Println(f.name, "mean delay s", sum[0]/n[0], sum[1]/n[1], sum[2]/n[2], "found", n)
	}
	fmt.Println("limit x2:", limits.Optimum(limits.Shift(limits.Gauss, .6931/.35, 9), 86400)*30-15, "s")
	return nil
}
