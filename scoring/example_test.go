package scoring_test

import (
	"fmt"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/scoring"
)

// A target that stops answering is taken out of its route within a few probes.
func ExampleEngine_Fold() {
	engine, err := scoring.New(scoring.Config{
		Targets:  []bellwether.Target{{ID: "gpt", Provider: "openai", Model: "gpt-4o"}, {ID: "claude", Provider: "anthropic", Model: "claude-sonnet-4-5"}},
		Routes:   []bellwether.Route{{Name: "chat", Tiers: [][]bellwether.TierTarget{{{Target: "gpt"}}, {{Target: "claude"}}}, StandbyShare: 0.05}},
		Interval: map[string]time.Duration{"gpt": 15 * time.Second, "claude": 15 * time.Second},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	at := time.Date(2026, 11, 20, 3, 0, 0, 0, time.UTC)
	for i := range 112 {
		o := bellwether.Observation{ID: fmt.Sprint(i), At: at, Source: bellwether.SourceProbe, Vantage: "home", Target: "gpt", Outcome: bellwether.OK}
		if i >= 100 {
			o.Outcome, o.Status = bellwether.ServerError, 500
		}
		result := engine.Fold(bellwether.Record{Seq: uint64(i + 1), At: at, Observation: &o})
		for _, c := range result.Changes {
			fmt.Println(c.Target, "is", c.To)
			for _, r := range c.Reasons {
				fmt.Println("   ", r.Text)
			}
		}
		at = at.Add(15 * time.Second)
	}
	for _, t := range engine.Routes()["chat"].Targets {
		fmt.Println(t.Target, t.Weight, t.Share)
	}
	// Output:
	// gpt is healthy
	// gpt is failing
	//     all of the last 7 calls failed (server error), usually 0.3 %, since 03:25 UTC
	// gpt is down
	//     all of the last 8 calls failed (server error), usually 0.3 %, since 03:25 UTC
	// gpt 0 0
	// claude 1 1
}
