package probes_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/sim"
	"github.com/bellwether-llm/bellwether/llm"
	"github.com/bellwether-llm/bellwether/probes"
)

// capital is a canary that every model should pass.
func capital() probes.Canary {
	return probes.Canary{
		Name: "capital", Schedule: "@every 30s", Prompt: "What is the capital of France? Answer with one word.",
		Checks: []probes.CheckSpec{{"contains": "Paris"}, {"max_tokens": 8}},
	}
}

func ExampleProber_Probe() {
	provider, err := sim.New(sim.Options{Seed: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	srv := httptest.NewServer(provider)
	defer srv.Close()

	prober, err := probes.New(probes.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer prober.Close()
	job, err := probes.NewJob(capital(), probes.Target{
		Target:   bellwether.Target{ID: "gpt-us", Provider: "openai", Model: "m?first_token=1ms&inter_token=0ms", Region: "us"},
		Protocol: llm.OpenAI,
		Endpoint: llm.Endpoint{BaseURL: srv.URL + "/r/us/v1"},
	}, probes.Place{Vantage: "lab"})
	if err != nil {
		fmt.Println(err)
		return
	}
	o := prober.Probe(context.Background(), job)
	fmt.Println(o.Outcome, o.Excerpt, o.Timing.FirstToken >= 0.001)
	// Output: ok Paris true
}

// sender answers without a network.
type sender struct{}

func (sender) Probe(_ context.Context, j probes.Job) bellwether.Observation {
	return bellwether.Observation{Target: j.Target.ID, Trigger: j.Trigger, Outcome: bellwether.OK}
}

func ExampleScheduler() {
	jobs, err := probes.Jobs(probes.Config{Canaries: []probes.Canary{capital()}},
		[]probes.Target{{Target: bellwether.Target{ID: "gpt-us", Provider: "openai"}}}, probes.Place{Vantage: "lab"})
	if err != nil {
		fmt.Println(err)
		return
	}
	emit := func(o bellwether.Observation) { fmt.Println("emitted:", o.Target, o.Trigger, o.Outcome) }
	s, err := probes.NewScheduler(jobs, sender{}, emit, probes.SchedulerOptions{Warmup: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	// Run(ctx) would fire the schedule until ctx ends; Now works without it.
	s.Now(context.Background(), probes.Filter{Targets: []string{"gpt-us"}})
	fmt.Println(s.Status().Sent)
	// Output:
	// emitted: gpt-us manual ok
	// map[manual:1]
}

func ExamplePlan() {
	targets := []bellwether.Target{{ID: "gpt-us", Price: bellwether.Price{Input: 2.5, Output: 10}}}
	for _, line := range probes.Plan(probes.Config{Canaries: []probes.Canary{capital()}}, targets) {
		fmt.Println(line)
	}
	// Output: capital -> gpt-us: @every 30s, 2880 probes a day, about 0.35 USD a day (at most 2.00)
}

func ExampleCompile() {
	checks, _ := probes.Compile([]probes.CheckSpec{{"one_of": []any{"yes", "no"}}, {"max_tokens": 3}})
	for _, c := range checks {
		fmt.Println(c.Run(probes.Answer{Text: "Perhaps.", Tokens: 2}))
	}
	_, problems := probes.Compile([]probes.CheckSpec{{"regexp": "^4"}})
	fmt.Println(problems[0].Path, problems[0].Text)
	// Output:
	// {one_of false the answer is none of ["yes" "no"]}
	// {max_tokens true }
	// [0].regexp there is no such check
}
