package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/probes"
)

func newCheckCommand() *cobra.Command {
	var file string
	var schema bool
	c := &cobra.Command{
		Use: "check --config FILE", Short: "Validate a config and print what would run", Args: cobra.NoArgs,
		Long: `Reports everything that is wrong with a config at once, with file, line and
column and what to write instead; then what would run, how many probes a day
that is, what they cost, and which routes stand on one leg.`,
		RunE: func(c *cobra.Command, _ []string) error {
			if schema {
				_, err := c.OutOrStdout().Write(configSchema)
				return err
			}
			cfg, err := loadConfig(file)
			if err != nil {
				return err
			}
			printPlan(c.OutOrStdout(), file, cfg)
			return nil
		},
	}
	configFlag(c, &file)
	c.Flags().BoolVar(&schema, "schema", false, "print the config's JSON Schema, for editors")
	return c
}

func printPlan(w io.Writer, file string, cfg Config) {
	fmt.Fprintf(w, "%s is valid: %s, %s, %s, %s, %s\n\n", file, count(len(cfg.Providers), "provider", "providers"),
		count(len(cfg.Targets), "target", "targets"), count(len(cfg.Canaries), "canary", "canaries"),
		count(len(cfg.Routes), "route", "routes"), count(len(cfg.SLOs), "objective", "objectives"))
	printAgent(w, cfg)
	if len(cfg.Targets) == 0 {
		return
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "CANARY\tTARGET\tSCHEDULE\tPROBES/DAY\tUSD/DAY\tAT MOST")
	var perDay, typical, worst float64
	for _, l := range probes.Plan(cfg.Config, cfg.targets()) {
		fmt.Fprintf(t, "%s\t%s\t%s\t%.0f\t%.4f\t%.4f\n", l.Canary, l.Target, l.Schedule, l.PerDay, l.Typical, l.WorstCase)
		perDay, typical, worst = perDay+l.PerDay, typical+l.Typical, worst+l.WorstCase
	}
	fmt.Fprintf(t, "all\t\t\t%.0f\t%.4f\t%.4f\n", perDay, typical, worst)
	_ = t.Flush()
	if all := cfg.places(); len(all) > 1 {
		n := float64(len(all))
		fmt.Fprintf(w, "\nThat is from each of %d vantages (%s): %.0f probes, %.4f USD, at most %.4f USD a day in all.\n",
			len(all), strings.Join(all, ", "), perDay*n, typical*n, worst*n)
	}
	b := cfg.Probing.WithDefaults().TotalBudget
	fmt.Fprintf(w, "\nUSD/DAY is for answers of a usual length, AT MOST for answers of max_tokens.\n"+
		"While something looks wrong, targets are probed every %v on top of this. That never uses more than\n"+
		"%s a day (probing.total_budget).\n", cfg.Probing.WithDefaults().FastInterval.Std(), budgetText(b))
	printRoutes(w, cfg)
	if lines := warnings(cfg); len(lines) > 0 {
		fmt.Fprintln(w)
		for _, line := range lines {
			fmt.Fprintln(w, "warning: "+line)
		}
	}
}

// printRoutes says where each route's traffic goes, and by what beside health.
func printRoutes(w io.Writer, cfg Config) {
	if len(cfg.Routes) == 0 {
		return
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "ROUTE\tTIERS\tFOLLOWS")
	for _, r := range cfg.routes() {
		var tiers []string
		for _, tier := range r.Tiers {
			var ids []string
			for _, e := range tier {
				ids = append(ids, e.Target)
			}
			tiers = append(tiers, strings.Join(ids, ", "))
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", r.Name, strings.Join(tiers, " then "), firstOf(cfg.Routes[r.Name].describe(), "health"))
	}
	_ = t.Flush()
}

// printAgent says what `bellwether agent` would do with the config.
func printAgent(w io.Writer, cfg Config) {
	a := cfg.Agent.withDefaults(cfg.Vantage)
	if a.Server == "" {
		return
	}
	what := "what the server's config says, with the providers of this file"
	if a.Plan == planFile {
		what = "what this file says"
	}
	fmt.Fprintf(w, "As an agent it is %s at vantage %s, probes %s, and reports to %s.\n\n", a.Name, a.Vantage, what, a.Server)
}

func budgetText(b probes.Budget) string {
	part := func(n float64, format string) string {
		if n < 0 {
			return "any number of" + format[strings.Index(format, " "):]
		}
		return fmt.Sprintf(format, n)
	}
	usd := "any cost"
	if b.USD >= 0 {
		usd = fmt.Sprintf("%.2f USD", b.USD)
	}
	return part(float64(b.Probes), "%.0f probes") + ", " + part(float64(b.Tokens), "%.0f tokens") + " and " + usd
}

// count writes a number with its noun.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// warnings says what is valid and yet most likely not meant.
func warnings(cfg Config) []string {
	var out []string
	if len(cfg.Canaries) == 0 {
		out = append(out, "there are no canaries: nothing is probed; that is right for a router alone only")
	}
	out = append(out, probes.Warnings(cfg.Config, cfg.probeTargets())...)
	var free []string
	for _, t := range cfg.Targets {
		if t.Price == (bellwether.Price{}) {
			free = append(free, t.ID)
		}
	}
	if len(free) > 0 {
		out = append(out, "no price is set for "+strings.Join(free, ", ")+": their probes count as free, against budgets too")
	}
	if tokens := cfg.Server.Tokens; cfg.Router.Listen != "" && cfg.Router.Token == "" && len(tokens) > 0 && ownToken(cfg) == "" {
		out = append(out, "the router inside serve has no token that may read and observe: set router.token, or give one of server.tokens both scopes")
	}
	out = append(out, callerWarnings(cfg)...)
	tasks := map[string]bool{"": true}
	for _, k := range cfg.Canaries {
		tasks[k.WithDefaults().Task] = true
	}
	for name, r := range sortedMap(cfg.Routes) {
		if !tasks[r.Task] {
			out = append(out, fmt.Sprintf("route %s is for task %s, and no canary tests it: give one `task: %s`", name, r.Task, r.Task))
		}
	}
	return append(out, routeWarnings(cfg)...)
}

// routeWarnings says which routes would fall with one vendor, region or key,
// and which fallbacks cannot do what the first choice can.
func routeWarnings(cfg Config) []string {
	var out []string
	byID := map[string]TargetConfig{}
	for _, t := range cfg.Targets {
		byID[t.ID] = t
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Routes)) {
		var members []TargetConfig
		for _, tier := range cfg.Routes[name].Tiers {
			for _, e := range tier {
				members = append(members, byID[e.Target])
			}
		}
		for _, text := range slices.Concat(legs(cfg, members), lacks(members), idle(cfg.Routes[name], members)) {
			out = append(out, "route "+name+" "+text)
		}
	}
	return out
}

// idle names what a route says and nobody in it can do.
func idle(r RouteConfig, members []TargetConfig) []string {
	var out []string
	able := func(m TargetConfig) bool { return slices.Contains(m.Capabilities, "prefill") }
	if slices.Contains(r.Rescue, "continue") && !slices.ContainsFunc(members, able) {
		out = append(out, "rescues by continue, and no target of it has the capability prefill")
	}
	if r.Hedge.MaxCost > 0 && len(members) == 1 {
		out = append(out, "hedges, and has one target")
	}
	return out
}

// legs names what all members of a route share.
func legs(cfg Config, members []TargetConfig) []string {
	lineages, regions, keys, keyless := map[string]bool{}, map[string]bool{}, map[string]bool{}, false
	for _, m := range members {
		p := cfg.Providers[m.Provider]
		lineages[p.lineage(m.Provider)] = true
		regions[m.Region] = true
		key := p.endpoint(m.Region).Key.Reveal()
		keys[m.Provider+" "+key] = true // equal keys of two providers are two keys
		for _, k := range p.keys(m.Region) {
			keys[m.Provider+" "+k.Key.Reveal()] = true
		}
		keyless = keyless || key == ""
	}
	only := func(set map[string]bool) string { return slices.Collect(maps.Keys(set))[0] }
	var out []string
	if len(members) == 1 {
		return []string{"has one target and no fallback: when it is down, so is the route"}
	}
	if len(lineages) == 1 {
		out = append(out, fmt.Sprintf("rests on one vendor's models (%s): add a fallback of another vendor", only(lineages)))
	}
	if len(regions) == 1 && only(regions) != "" {
		out = append(out, fmt.Sprintf("rests on one region (%s): add a target elsewhere", only(regions)))
	}
	if len(keys) == 1 && !keyless {
		out = append(out, "rests on one API key: when it expires or runs out, so does the route")
	}
	return out
}

// lacks names fallbacks that cannot do what the first target can.
func lacks(members []TargetConfig) []string {
	var out []string
	first := members[0]
	for _, m := range members[1:] {
		var missing []string
		for _, c := range first.Capabilities {
			if !slices.Contains(m.Capabilities, c) {
				missing = append(missing, c)
			}
		}
		if len(missing) > 0 {
			out = append(out, fmt.Sprintf("falls back from %s to %s, which lacks %s", first.ID, m.ID, strings.Join(missing, ", ")))
		}
		if first.ContextWindow > 0 && m.ContextWindow > 0 && m.ContextWindow < first.ContextWindow {
			out = append(out, fmt.Sprintf("falls back from %s to %s, whose context window is smaller (%d against %d tokens)",
				first.ID, m.ID, m.ContextWindow, first.ContextWindow))
		}
	}
	return out
}
