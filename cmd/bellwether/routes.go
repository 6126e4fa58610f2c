package main

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/conf"
	"github.com/bellwether-llm/bellwether/router"
)

// RouteConfig is a logical model: where its traffic goes.
type RouteConfig struct {
	// Tiers of targets, best first. Traffic spills to the next tier when one cannot carry it. An entry is a target's id, or {target: ID, base_weight: N}.
	Tiers [][]TierEntry `yaml:"tiers"`
	// StandbyShare is kept flowing to the next tier, so that it is warm and known to work: 0 to 0.5. Default 0.05.
	StandbyShare *float64 `yaml:"standby_share"`
	// Overprovision is how much more than its share a tier can carry: 1 to 10. Default 1.
	Overprovision float64 `yaml:"overprovision"`
	// Prefer says what is favoured among the healthy targets of a tier. Default: nothing; shares follow base weights and health.
	Prefer PreferConfig `yaml:"prefer"`
	// Task is what the route is for, such as extraction: canaries of that task tell which target is best at it; see prefer.task. Default: none.
	Task string `yaml:"task"`
	// ShiftWhen holds limits of your own, beside the learned ones, on first_token, inter_token or total: a target whose median is over one yields to members of its tier, or else of later tiers, that keep it. Such as {first_token: 2s}. Default: none.
	ShiftWhen map[bellwether.Signal]conf.Duration `yaml:"shift_when"`
	// Rollout is the part of the traffic that follows the weights; the rest keeps the shares of the base weights: 10%, or 0.1. 0 is shadow mode: what would be done is shown, and nothing moves. Default 100%.
	Rollout *Fraction `yaml:"rollout"`
	// FirstTokenLimit is how long a streamed answer's first token may take before the next target is tried. Default: three times what is usual for the target at worst, learned from its answers, between 2s and 20s; 20s while that is not known.
	FirstTokenLimit conf.Duration `yaml:"first_token_limit"`
	// StallLimit is how long a stream may fall silent after its first token. Default 15s.
	StallLimit conf.Duration `yaml:"stall_limit"`
	// TotalLimit is how long a request may take in all, every attempt included. Default 5m.
	TotalLimit conf.Duration `yaml:"total_limit"`
	// Conduct is what the bundled router does beyond that.
	router.Conduct `yaml:",inline"`
}

// PreferConfig says how strongly a route favours, among the healthy targets of
// a tier, what is better in one respect: 0 is not at all, 1 in proportion, and
// up to 4 more strongly.
type PreferConfig struct {
	// Latency favours the faster, by their usual first token: 0 to 4. Default 0.
	Latency float64 `yaml:"latency"`
	// Cost favours the cheaper, by their price: 0 to 4. Default 0.
	Cost float64 `yaml:"cost"`
	// Locality favours those in the caller's own region, where the caller (or router.region) says which that is: 0 to 4. Default 0.
	Locality float64 `yaml:"locality"`
	// Task favours those that do the route's task better, by the checks of the canaries of that task: 0 to 4. Default 0.
	Task float64 `yaml:"task"`
}

// TierEntry is a target in a tier.
type TierEntry bellwether.TierTarget

// UnmarshalYAML reads a target's id, or the whole entry.
func (e *TierEntry) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		e.Target = n.Value
		return nil
	}
	return n.Decode((*bellwether.TierTarget)(e))
}

// Fraction is a part of a whole, written as 0.1 or as 10%.
type Fraction float64

// UnmarshalYAML reads both ways of writing it. Its range is for Validate.
func (f *Fraction) UnmarshalYAML(n *yaml.Node) error {
	number, percent := strings.CutSuffix(strings.TrimSpace(n.Value), "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if n.Kind != yaml.ScalarNode || err != nil {
		return fmt.Errorf("%q is no part of a whole: write 10%% or 0.1", n.Value)
	}
	if percent {
		v /= 100
	}
	*f = Fraction(v)
	return nil
}

const (
	defaultStandbyShare = 0.05
	mostPreference      = 4
)

// route returns the route as scoring and routing know it.
func (r RouteConfig) route(name string) bellwether.Route {
	out := bellwether.Route{Name: name, StandbyShare: defaultStandbyShare, Overprovision: max(1, r.Overprovision),
		Prefer: bellwether.Preferences(r.Prefer), Task: r.Task}
	if r.StandbyShare != nil {
		out.StandbyShare = *r.StandbyShare
	}
	for _, tier := range r.Tiers {
		ts := make([]bellwether.TierTarget, len(tier))
		for i, e := range tier {
			ts[i] = bellwether.TierTarget(e)
			ts[i].BaseWeight = ts[i].Base()
		}
		out.Tiers = append(out.Tiers, ts)
	}
	if len(r.ShiftWhen) > 0 {
		out.ShiftWhen = map[bellwether.Signal]float64{}
		for signal, limit := range r.ShiftWhen {
			out.ShiftWhen[signal] = limit.Std().Seconds()
		}
	}
	if r.Rollout != nil && *r.Rollout < 1 {
		part := float64(*r.Rollout)
		out.Rollout = &part
	}
	return out
}

// routes returns the routes in the order of their names.
func (c *Config) routes() []bellwether.Route {
	out := make([]bellwether.Route, 0, len(c.Routes))
	for _, name := range slices.Sorted(maps.Keys(c.Routes)) {
		out = append(out, c.Routes[name].route(name))
	}
	return out
}

// shiftable are the signals that a route may have a limit of its own on.
var shiftable = [...]bellwether.Signal{bellwether.FirstToken, bellwether.InterToken, bellwether.Total}

func (c *Config) validateRoutes() []conf.Problem {
	var ps []conf.Problem
	known := map[string]bool{}
	for _, t := range c.Targets {
		known[t.ID] = true
	}
	for _, name := range slices.Sorted(maps.Keys(c.Routes)) {
		at := "routes." + name
		bad := func(field, text, remedy string) {
			ps = append(ps, conf.Problem{Path: at + field, Text: text, Remedy: remedy})
		}
		if !bellwether.ValidID(name) {
			bad("", fmt.Sprintf("%q is not a route's name", name), "use lower-case letters, digits, '.', '_' and '-'")
		}
		r := c.Routes[name]
		r.validateTiers(known, bad)
		r.validatePolicy(bad)
		ps = append(ps, r.Conduct.Validate(at+".")...)
	}
	return ps
}

// validateTiers checks who stands in a route.
func (r RouteConfig) validateTiers(known map[string]bool, bad func(field, text, remedy string)) {
	if len(r.Tiers) == 0 {
		bad("", "has no tiers", "write tiers: [[first-target], [fallback]]")
	}
	seen := map[string]bool{}
	for i, tier := range r.Tiers {
		if len(tier) == 0 {
			bad(fmt.Sprintf(".tiers[%d]", i), "is empty", "name a target, or remove the tier")
		}
		for j, e := range tier {
			place := fmt.Sprintf(".tiers[%d][%d]", i, j)
			switch {
			case !known[e.Target]:
				bad(place, fmt.Sprintf("there is no target %q", e.Target), suggest(e.Target, slices.Sorted(maps.Keys(known))))
			case seen[e.Target]:
				bad(place, fmt.Sprintf("%q stands in this route twice", e.Target), "keep one")
			case !(e.BaseWeight >= 0 && e.BaseWeight <= 1000):
				bad(place, "base_weight is out of range", "write a number above 0, at most 1000")
			}
			seen[e.Target] = true
		}
	}
}

// validatePolicy checks how a route's shares are made.
func (r RouteConfig) validatePolicy(bad func(field, text, remedy string)) {
	if s := r.StandbyShare; s != nil && !(*s >= 0 && *s <= 0.5) {
		bad(".standby_share", "is out of range", "write 0 to 0.5")
	}
	if o := r.Overprovision; o != 0 && !(o >= 1 && o <= 10) {
		bad(".overprovision", "is out of range", "write 1 to 10")
	}
	for field, v := range sortedMap(map[string]float64{"latency": r.Prefer.Latency, "cost": r.Prefer.Cost, "locality": r.Prefer.Locality, "task": r.Prefer.Task}) {
		if !(v >= 0 && v <= mostPreference) {
			bad(".prefer."+field, "is out of range", "write 0 (not at all) to 4; 1 is in proportion")
		}
	}
	if r.Prefer.Task > 0 && r.Task == "" {
		bad(".prefer.task", "is set, and the route has no task", "write what it is for beside it, such as task: extraction")
	}
	for signal, limit := range sortedMap(r.ShiftWhen) {
		switch {
		case !slices.Contains(shiftable[:], signal):
			bad(".shift_when."+string(signal), "is no signal that a limit can be set on", "write first_token, inter_token or total")
		case limit <= 0:
			bad(".shift_when."+string(signal), "is not above zero", "write a duration, such as 2s")
		}
	}
	if f := r.Rollout; f != nil && (!(*f >= 0 && *f <= 1) || math.IsNaN(float64(*f))) {
		bad(".rollout", "is out of range", "write 0% to 100%, or 0 to 1")
	}
}

// describe says in words what a route does beyond its tiers; "" for nothing.
func (r RouteConfig) describe() string {
	var parts []string
	for what, v := range sortedMap(map[string]float64{"the faster": r.Prefer.Latency, "the cheaper": r.Prefer.Cost, "the nearer": r.Prefer.Locality, "the better at " + r.Task: r.Prefer.Task}) {
		if v > 0 {
			parts = append(parts, fmt.Sprintf("prefers %s (%g)", what, v))
		}
	}
	if r.Task != "" && r.Prefer.Task == 0 {
		parts = append(parts, "task "+r.Task)
	}
	for signal, limit := range sortedMap(r.ShiftWhen) {
		parts = append(parts, fmt.Sprintf("shifts when %s is over %v", signal, limit.Std()))
	}
	switch f := r.Rollout; {
	case f == nil || *f >= 1:
	case *f == 0:
		parts = append(parts, "shadow mode: shares are shown and not followed")
	default:
		parts = append(parts, fmt.Sprintf("%g %% of the traffic follows", 100*float64(*f)))
	}
	return strings.Join(parts, "; ")
}
