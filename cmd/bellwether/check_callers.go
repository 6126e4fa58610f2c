package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/router"
)

// callerWarnings says what of the router's callers is valid and yet most
// likely not meant.
func callerWarnings(cfg Config) (out []string) {
	known, free := map[string]bool{}, false
	for name := range cfg.Routes {
		known[name] = true
	}
	for _, t := range cfg.Targets {
		known[t.ID], known[t.Model] = true, true
		free = free || t.Price == (bellwether.Price{})
	}
	budgets := false
	for _, name := range slices.Sorted(maps.Keys(cfg.Router.Callers)) {
		c := cfg.Router.Callers[name]
		for _, r := range c.Routes {
			if !known[r] {
				out = append(out, fmt.Sprintf("router.callers.%s may ask for %q, which is no route, target or model", name, r))
			}
		}
		if free && (c.Budget.Day.USD > 0 || c.Budget.Month.USD > 0) {
			out = append(out, "router.callers."+name+" has a budget in USD, and answers of targets without a price cost nothing")
		}
		budgets = budgets || c.Budget != (router.BudgetConfig{})
	}
	if budgets && cfg.Router.StateFile == "" && cfg.Router.AccountsFile == "" {
		out = append(out, "budgets of router.callers are forgotten when `bellwether router` restarts: set router.state_file or router.accounts_file")
	}
	return out
}
