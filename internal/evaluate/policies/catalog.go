package policies

import (
	"fmt"
	"time"
)

// Spec names a rule and one setting of its knob. Plain data.
type Spec struct {
	Rule string
	Knob float64
}

// String returns what tables call the spec.
func (s Spec) String() string {
	if catalog[s.Rule].knob == "" {
		return s.Rule
	}
	return fmt.Sprintf("%s (%s %g)", s.Rule, catalog[s.Rule].knob, s.Knob)
}

// entry is one rule of the catalog.
type entry struct {
	knob    string
	shipped float64
	sweep   []float64 // from touchy to calm
	traffic bool
	made    func(knob float64) Rule
}

// catalog is constant data; never written.
var catalog = map[string]entry{
	"Gatus": {"failures", 3, []float64{1, 2, 3, 4, 5, 6}, false, func(k float64) Rule { return &Consecutive{Fails: int(k), Passes: 2} }},
	"Uptime Kuma": {"retries", 0, []float64{0, 1, 2, 3, 4}, false, func(k float64) Rule {
		return &Consecutive{Fails: int(k) + 1, Passes: 1, Every: time.Minute}
	}},
	"static limits":         {"first token s", .5, []float64{.5, .75, 1, 1.25, 1.5, 2, 2.5, 3}, false, func(k float64) Rule { return &Static{First: k, Total: max(2, 3*k)} }},
	"window of 20":          {"5 %/25 % times", 1, []float64{1, 2, 3, 4}, false, func(k float64) Rule { return &Window{Mild: .05 * k, Hard: min(.95, .25*k)} }},
	"EWMA":                  {"sigmas", 3, []float64{2.5, 3, 3.5, 4, 4.3, 4.6, 5, 5.5, 6}, false, func(k float64) Rule { return &EWMA{Lambda: .2, Limit: k} }},
	"Gaussian CUSUM":        {"nats", 11.37, []float64{4, 6, 7, 8, 9, 10, 11.37, 13, 16, 20, 25}, false, func(k float64) Rule { return &Gaussian{Threshold: k} }},
	"never act":             {"", 0, nil, false, func(float64) Rule { return Never{} }},
	"Envoy":                 {"consecutive 5xx", 5, []float64{1, 2, 3, 4, 5, 7}, true, func(k float64) Rule { return &Envoy{Consecutive: int(k)} }},
	"LiteLLM":               {"share", .5, []float64{.05, .1, .2, .3, .5, .7}, true, func(k float64) Rule { return &LiteLLM{Share: k} }},
	"LiteLLM allowed_fails": {"fails", 3, []float64{1, 2, 3, 5, 8}, true, func(k float64) Rule { return &LiteLLM{AllowedFails: int(k)} }},
}

// Probing names the rules that judge probes, in the order of tables.
func Probing() []string {
	return []string{"Gatus", "Uptime Kuma", "static limits", "window of 20", "EWMA", "Gaussian CUSUM"}
}

// OnTraffic names the rules that judge real traffic.
func OnTraffic() []string { return []string{"Envoy", "LiteLLM", "LiteLLM allowed_fails"} }

// Shipped returns the rule with the setting that it comes with.
func Shipped(rule string) Spec { return Spec{rule, catalog[rule].shipped} }

// Sweep returns the settings of the rule to be tried, from touchy to calm.
func Sweep(rule string) []Spec {
	var specs []Spec
	for _, k := range catalog[rule].sweep {
		specs = append(specs, Spec{rule, k})
	}
	return specs
}

// New makes the rule of a spec; it fails when there is none of the name.
func (s Spec) New() (Rule, error) {
	e, ok := catalog[s.Rule]
	if !ok {
		return nil, fmt.Errorf("policies: no rule %q", s.Rule)
	}
	return e.made(s.Knob), nil
}
