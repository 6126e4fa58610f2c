// Package slo says how well promises were kept: objectives in a small
// language, attainment, error budgets and burn rates from rollups, and reports
// as CSV and as a table for terminals.
//
// It is pure but for [Report], which reads rollups and incidents through
// interfaces of its own, hour by hour, so that a month of many targets need
// not fit into memory. It alerts nobody and starts no goroutine. The
// definitions are in docs/slos.md.
package slo

import (
	"fmt"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/conf"
)

// The defaults and bounds of an [Objective].
const (
	DefaultWindow = 30 * 24 * time.Hour
	MinWindow     = time.Hour
	MaxWindow     = 366 * 24 * time.Hour
	DefaultSlice  = time.Minute
)

// Config is the slos section.
type Config []Objective

// Objective is one promise: an indicator, the part of the time or of the
// requests that must be good by it, and over which window.
type Objective struct {
	// Name tells objectives apart; a slug.
	Name string `yaml:"name"`
	// Target is the id of the target that the promise is about. Either this or
	// route is set.
	Target string `yaml:"target"`
	// Route is the name of the route that the promise is about: on probe data
	// it is good while at least one of its targets is.
	Route string `yaml:"route"`
	// Indicator is what counts as good: "availability", "sanity",
	// "first_token < 2s", "inter_token < 50ms" or "total < 10s"; then, if
	// wanted, "for canary NAME" to count that canary's probes alone, or "from
	// router" to count requests of real traffic in place of probes.
	Indicator string `yaml:"indicator"`
	// Objective is how much must be good, in percent: 99.9. More than 1, less
	// than 100.
	Objective float64 `yaml:"objective"`
	// Window is the time that the promise is about, up to now. 1h to 366d;
	// default 30d, which 0 means too. What is older than the minute rollups
	// that are kept counts as missing data.
	Window conf.Duration `yaml:"window"`
	// Slice is the length of the time slices that probe data is counted in; at
	// least as long as the time between two probes, or slices in between count
	// as missing data. Whole minutes that divide an hour; default 1m, which 0
	// means too.
	Slice conf.Duration `yaml:"slice"`
}

// window returns the objective's window, with its default.
func (o Objective) window() time.Duration {
	if o.Window == 0 {
		return DefaultWindow
	}
	return o.Window.Std()
}

func (o Objective) slice() time.Duration {
	if o.Slice == 0 {
		return DefaultSlice
	}
	return o.Slice.Std()
}

// scope returns what the objective is about: "target:gpt-us", "route:chat".
func (o Objective) scope() string {
	if o.Route != "" {
		return "route:" + o.Route
	}
	return "target:" + o.Target
}

// Validate returns everything that is wrong with c by itself; see also
// [Config.Check].
func (c Config) Validate() []conf.Problem {
	var ps []conf.Problem
	seen := map[string]int{}
	for i, o := range c {
		path := fmt.Sprintf("[%d]", i)
		ps = append(ps, o.validate(path)...)
		if first, ok := seen[o.Name]; ok && o.Name != "" {
			ps = append(ps, conf.Problem{Path: path + ".name", Remedy: "give each objective a name of its own",
				Text: fmt.Sprintf("%q is already the name of [%d]", o.Name, first)})
		} else {
			seen[o.Name] = i
		}
	}
	return ps
}

func (o Objective) validate(path string) []conf.Problem {
	var ps []conf.Problem
	add := func(field, remedy, format string, args ...any) {
		ps = append(ps, conf.Problem{Path: path + field, Text: fmt.Sprintf(format, args...), Remedy: remedy})
	}
	if !bellwether.ValidID(o.Name) {
		add(".name", "use lower-case letters, digits, '.', '_' and '-'", "%q is not a name", o.Name)
	}
	if (o.Target == "") == (o.Route == "") {
		add("", "write target: ID or route: NAME", "needs either a target or a route")
	}
	if _, err := ParseIndicator(o.Indicator); err != nil {
		add(".indicator", `write "availability", "sanity", "first_token < 2s", "inter_token < 50ms" or "total < 10s"`, "%v", err)
	}
	switch {
	case o.Objective > 0 && o.Objective <= 1:
		add(".objective", "write percent, such as 99.9", "%v looks like a ratio", o.Objective)
	case !(o.Objective > 0 && o.Objective < 100):
		add(".objective", "write percent above 1 and below 100, such as 99.9; 100 would leave no budget", "%v is out of range", o.Objective)
	}
	if w := o.window(); w < MinWindow || w > MaxWindow {
		add(".window", "write 1h to 366d, such as 30d", "%s is out of range", w)
	}
	if s := o.slice(); s < time.Minute || s%time.Minute != 0 || time.Hour%s != 0 {
		add(".slice", "write 1m, 2m, 5m, 10m, 15m, 30m or another that divides an hour", "%s is not a slice", s)
	}
	return ps
}

// Check returns what in c names a target or a route that does not exist.
func (c Config) Check(targets []bellwether.Target, routes []bellwether.Route) []conf.Problem {
	var ps []conf.Problem
	w := newWorld(targets, routes)
	for i, o := range c {
		if _, ok := w.targets[o.Target]; o.Target != "" && !ok {
			ps = append(ps, conf.Problem{Path: fmt.Sprintf("[%d].target", i), Text: fmt.Sprintf("there is no target %q", o.Target),
				Remedy: "write the id of one of the targets"})
		}
		if _, ok := w.routes[o.Route]; o.Route != "" && !ok {
			ps = append(ps, conf.Problem{Path: fmt.Sprintf("[%d].route", i), Text: fmt.Sprintf("there is no route %q", o.Route),
				Remedy: "write the name of one of the routes"})
		}
	}
	return ps
}

// world is what objectives are about.
type world struct {
	targets map[string]bellwether.Target
	routes  map[string]bellwether.Route
}

func newWorld(targets []bellwether.Target, routes []bellwether.Route) world {
	w := world{targets: map[string]bellwether.Target{}, routes: map[string]bellwether.Route{}}
	for _, t := range targets {
		w.targets[t.ID] = t
	}
	for _, r := range routes {
		w.routes[r.Name] = r
	}
	return w
}

// members returns the ids of the targets that o is about, in tier order.
func (w world) members(o Objective) []string {
	if o.Route == "" {
		return []string{o.Target}
	}
	var ids []string
	for _, tier := range w.routes[o.Route].Tiers {
		for _, t := range tier {
			ids = append(ids, t.Target)
		}
	}
	return ids
}
