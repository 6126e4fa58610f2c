package main

import (
	"fmt"

	"github.com/bellwether-llm/bellwether/api"
	"github.com/bellwether-llm/bellwether/probes"
)

// facts are what the API says about the config.
func (a *app) facts() api.Facts {
	cfg := a.cfg.Load()
	f := api.Facts{Version: version(), Vantage: cfg.Vantage, Vantages: cfg.places(), Simulated: a.simulated, Targets: cfg.targets(), Routes: cfg.routes()}
	plan, n := map[string][]probes.PlanLine{}, float64(max(1, len(f.Vantages))) // each vantage sends them
	for _, l := range probes.Plan(cfg.Config, f.Targets) {
		plan[l.Canary] = append(plan[l.Canary], l)
	}
	for _, c := range cfg.Canaries {
		d := c.WithDefaults()
		out := api.Canary{Name: c.Name, Schedule: d.Schedule, Task: d.Task, Prompt: d.Asks(), MaxTokens: d.MaxTokens, Stream: c.Streams()}
		for _, spec := range d.Checks {
			for kind, value := range spec {
				out.Checks = append(out.Checks, fmt.Sprintf("%s: %v", kind, value))
			}
		}
		if d.Challenge != "" {
			out.Checks = append(out.Checks, "challenge: the answer of its own question")
		}
		for _, l := range plan[c.Name] {
			out.Targets = append(out.Targets, l.Target)
			out.ProbesPerDay += l.PerDay * n
			out.CostPerDay += l.Typical * n
		}
		f.Canaries = append(f.Canaries, out)
	}
	return f
}

// planWork puts what cfg says into the plan that agents follow.
func (a *app) planWork(cfg Config) error {
	w, err := cfg.work()
	if err != nil {
		return err
	}
	return a.plans.Replace(w)
}

// probing serves GET /v1/probing.
func (a *app) probing() api.Probing {
	return probingView(a.scheduler.Status(), a.cfg.Load().Probing, a.guard.Health())
}

// healthView is a guard's snapshot as the API shows it.
func healthView(h probes.Health) *api.ProberHealth {
	v := &api.ProberHealth{Unwell: h.Unwell, Disbelieved: h.Disbelieved, Step: h.Step, SteppedAt: h.SteppedAt, PausedAt: h.PausedAt,
		Lag: h.Lag, LongPauses: h.LongPauses, Files: h.Files, MaxFiles: h.MaxFiles, Doubted: h.Doubted}
	for _, c := range h.Controls {
		v.Controls = append(v.Controls, api.ControlState{Control: c.Control, OK: c.OK, At: c.At, Seconds: c.Seconds, DNS: c.DNS,
			Error: c.Error, Failures: c.Failures, LastOK: c.LastOK})
	}
	return v
}
