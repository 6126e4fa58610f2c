package probes

import (
	"slices"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/conf"
)

func TestValidateReportsEverythingAtOnceWithRemedies(t *testing.T) {
	hot := 3.0
	cfg := Config{
		Canaries: []Canary{
			{Name: "good", Prompt: "hi"},
			{Name: "Bad Name", Schedule: "often", MaxTokens: -1, Temperature: &hot, ColdEvery: -2, Timeout: conf.Duration(-1), Checks: []CheckSpec{{"contains": "a"}, {"regex": "("}}},
			{Name: "good", Prompt: "hi", Timeout: conf.Duration(5 * time.Second), FirstTokenLimit: conf.Duration(6 * time.Second), StallLimit: conf.Duration(7 * time.Second)},
		},
		Probing: Probing{Concurrency: -1, MaxInFlight: -1, FastInterval: conf.Duration(time.Millisecond), TargetBudget: Budget{Probes: -2, Tokens: -2, USD: -0.5}, TotalBudget: Budget{USD: -3}},
	}
	var got []string
	for _, p := range cfg.Validate() {
		got = append(got, p.Path)
		if p.Text == "" || p.Remedy == "" {
			t.Errorf("%+v lacks words", p)
		}
	}
	want := []string{
		"canaries[1].name", "canaries[1].prompt", "canaries[1].schedule", "canaries[1].max_tokens", "canaries[1].temperature", "canaries[1].cold_every",
		"canaries[1].timeout", "canaries[1].first_token_limit", "canaries[1].stall_limit", "canaries[1].checks[1].regex",
		"canaries[2].name", "canaries[2].first_token_limit", "canaries[2].stall_limit",
		"probing.concurrency", "probing.max_in_flight", "probing.fast_interval",
		"probing.target_budget.probes", "probing.target_budget.tokens", "probing.target_budget.usd", "probing.total_budget.usd",
	}
	if !slices.Equal(got, want) {
		t.Errorf("problems at\n%q, want\n%q", got, want)
	}
}

func TestCanaryOfNameAndPromptIsEnough(t *testing.T) {
	cfg := Config{Canaries: []Canary{{Name: "capital", Prompt: "hi"}, {Name: "short", Prompt: "hi", Timeout: conf.Duration(5 * time.Second)}}}
	if ps := cfg.Validate(); len(ps) != 0 {
		t.Fatalf("Validate = %v, want nothing", ps)
	}
	c := cfg.Canaries[0].WithDefaults()
	if !c.Streams() || c.Schedule != "@every 30s" || c.Timeout.Std() != time.Minute || c.ColdEvery != 20 || c.Temperature != nil {
		t.Errorf("defaults = %+v", c)
	}
	if c := cfg.Canaries[1].WithDefaults(); c.FirstTokenLimit != c.Timeout || c.StallLimit != c.Timeout {
		t.Errorf("limits of a short canary = %v, %v, want its timeout", c.FirstTokenLimit.Std(), c.StallLimit.Std())
	}
}

func TestTargetsOfACanaryMustExist(t *testing.T) {
	cfg := Config{Canaries: []Canary{{Name: "a"}, {Name: "b", Targets: []string{"x", "y", "x"}}}}
	ps := cfg.ValidateTargets([]bellwether.Target{{ID: "x"}})
	if len(ps) != 2 || ps[0].Path != "canaries[1].targets[1]" || ps[1].Path != "canaries[1].targets[2]" {
		t.Errorf("ValidateTargets = %v", ps)
	}
}

func TestJobsPairCanariesWithTheirTargets(t *testing.T) {
	targets := []Target{{Target: bellwether.Target{ID: "x"}}, {Target: bellwether.Target{ID: "y"}}}
	jobs, err := Jobs(Config{Canaries: []Canary{{Name: "all", Prompt: "p"}, {Name: "one", Prompt: "p", Targets: []string{"y"}}}}, targets, Place{Vantage: "lab"})
	if err != nil || len(jobs) != 3 || jobs[2].Target.ID != "y" || jobs[2].Canary.Name != "one" || jobs[2].Vantage != "lab" {
		t.Errorf("Jobs = %+v, %v", jobs, err)
	}
	if _, err := Jobs(Config{Canaries: []Canary{{Name: "bad", Schedule: "x"}, {Name: "worse", Checks: []CheckSpec{{"x": 1}}}}}, targets, Place{}); err == nil {
		t.Error("Jobs of a broken config = nil error")
	}
}

func TestIntervalsAddUpTheCanariesOfATarget(t *testing.T) {
	both := append(jobsFor(t, "@every 30s", nil, "p/x", "p/y"), jobsFor(t, "@every 60s", func(c *Canary) { c.Name = "second" }, "p/x")...)
	got := Intervals(both, time.Now(), 1)
	if got["x"] != 20*time.Second || got["y"] != 30*time.Second || len(got) != 2 {
		t.Errorf("Intervals = %v, want x 20s, y 30s", got)
	}
	if got := Intervals(both, time.Now(), 3); got["x"] != 20*time.Second/3 || got["y"] != 10*time.Second {
		t.Errorf("Intervals at three vantages = %v, want a third", got)
	}
}
