package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/bellwether-llm/bellwether/api"
	"github.com/bellwether-llm/bellwether/api/client"
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
				out.Checks = append(out.Checks, kind+": "+shown(value))
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

// shown is a check's value for people: texts as they are, all else as JSON, and
// of a vector only that there is one.
func shown(value any) string {
	if s, ok := value.(string); ok {
		return s
	}
	if m, ok := value.(map[string]any); ok && m["vector"] != nil {
		m = maps.Clone(m)
		m["vector"] = "..."
		value = m
	}
	var out strings.Builder
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return fmt.Sprint(value)
	}
	return strings.TrimSpace(out.String())
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
	v := probingView(a.scheduler.Status(), a.guard.Health())
	v.Lookups = a.bulletins.Counts()
	return v
}

// sources are the providers with what they are asked about themselves.
func (c *Config) sources() []probes.Source {
	by := map[string][]probes.Target{}
	for _, t := range c.probeTargets() {
		by[t.Provider] = append(by[t.Provider], t)
	}
	var out []probes.Source
	for _, name := range slices.Sorted(maps.Keys(by)) {
		out = append(out, probes.Source{Provider: name, Targets: by[name], StatusPage: c.Providers[name].StatusPage})
	}
	return out
}

// notice puts what a provider says of itself with its target.
func (a *app) notice(n probes.Notice) {
	a.server.Note(n.Target, api.Note{At: n.At, Kind: n.Kind, Text: n.Text})
}

// grant serves the hellos of agents: the budgets of suspicion are one for all
// vantages, and each is told what it may spend of them.
func (a *app) grant(agent string, said api.Probing) api.Grant {
	now, n := time.Now(), len(a.cfg.Load().places())
	spent := probes.Accounts{Day: now.Unix() / 86400, All: spentOf(said.Today), Targets: map[string]probes.Spent{}}
	for _, t := range said.Targets {
		spent.Targets[t.Target] = spentOf(t.Today)
	}
	return grantView(a.ledger.Grant(agent, n, spent, now))
}

func spentOf(s api.Spent) probes.Spent {
	return probes.Spent{Probes: s.Probes, Tokens: s.Tokens, USD: s.USD, Unprobed: s.Unprobed}
}

func grantView(a probes.Allowance) api.Grant {
	return api.Grant{Day: a.Day, Target: budgetView(a.Target), Total: budgetView(a.Total)}
}

// allowance is a server's word as a ledger understands it.
func allowance(g *client.Grant) *probes.Allowance {
	if g == nil {
		return nil
	}
	budget := func(a client.Allowed) probes.Budget {
		b := probes.Budget{Probes: -1, Tokens: -1, USD: -1}
		if a.Probes != nil {
			b.Probes = *a.Probes
		}
		if a.Tokens != nil {
			b.Tokens = *a.Tokens
		}
		if a.USD != nil {
			b.USD = *a.USD
		}
		return b
	}
	return &probes.Allowance{Day: g.Day, Target: budget(g.Target), Total: budget(g.Total)}
}

// ledgerFile holds what suspicion used of its budgets today, beside the
// database or in an agent's spool.
const ledgerFile = "suspicion-budget.ndjson"

// healthView is a guard's snapshot as the API shows it.
func healthView(h probes.Health) *api.ProberHealth {
	v := &api.ProberHealth{Unwell: h.Unwell, Disbelieved: h.Disbelieved, Step: h.Step, SteppedAt: h.SteppedAt, PausedAt: h.PausedAt,
		Lag: h.Lag, LongPauses: h.LongPauses, Files: h.Files, MaxFiles: h.MaxFiles, Doubted: h.Doubted,
		Scheduling: delaysView(h.Scheduling), Pauses: delaysView(h.Pauses)}
	for _, c := range h.Controls {
		v.Controls = append(v.Controls, api.ControlState{Control: c.Control, OK: c.OK, At: c.At, Seconds: c.Seconds, DNS: c.DNS,
			Error: c.Error, Failures: c.Failures, LastOK: c.LastOK})
	}
	return v
}

func delaysView(d probes.Delays) *api.Delays {
	return &api.Delays{P50: d.P50, P99: d.P99, Max: d.Max}
}
