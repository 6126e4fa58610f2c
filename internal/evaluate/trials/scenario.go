// Package trials is what is measured: the scenarios, and the trials that run
// policies through them. A [Cell] is a piece of work of some seconds whose
// result depends on nothing but the cell, so that cells may run in any order,
// on any core, or be read from an earlier run.
package trials

import (
	"fmt"
	"math"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/evaluate/limits"
	"github.com/bellwether-llm/bellwether/internal/evaluate/world"
)

// Fleet is which targets a scenario has.
type Fleet string

// The fleets.
const (
	One   Fleet = "one"
	Three Fleet = "three" // one of each of three providers
	Grid  Fleet = "grid"  // 3 providers x 4 models x 2 regions
	Pool  Fleet = "pool"  // four providers that share one tier
	Eight Fleet = "eight" // eight providers, whose faults have nothing to do with each other
)

// Targets returns the targets of a fleet. The first is the victim of faults
// that have one.
func (f Fleet) Targets() []bellwether.Target {
	make1 := func(p, m, r int) bellwether.Target {
		return bellwether.Target{ID: fmt.Sprintf("t%d%d%d", p, m, r), Provider: fmt.Sprintf("p%d", p), Model: fmt.Sprintf("p%d-m%d", p, m), Region: fmt.Sprintf("r%d", r)}
	}
	var ts []bellwether.Target
	several := func(n int) {
		for p := range n {
			ts = append(ts, make1(p, 0, 0))
		}
	}
	switch f {
	case One:
		several(1)
	case Three:
		several(3)
	case Pool:
		several(4)
	case Eight:
		several(8)
	case Grid:
		for p := range 3 {
			for m := range 4 {
				for r := range 2 {
					ts = append(ts, make1(p, m, r))
				}
			}
		}
	}
	return ts
}

// Scenario is one fault, or one thing that is none.
type Scenario struct {
	Family   int
	Name     string
	Fleet    Fleet
	Errors   float64 // share of calls that fail in health; 0 means the usual
	Effects  []world.Effect
	Lasts    time.Duration
	Cold     int                // so many probes since the first one ever; 0 means ten days
	Calm     bool               // no verdict is right
	Causes   []bellwether.Cause // the right ones; none means that any will do
	Limit    limits.Ratio       // of one probe; nil where the limit is not exact
	Canaries []string
	Ablated  bool // the ablations run it as well
	Swept    bool // every setting of every rule runs it as well
	Traffic  bool // also with real traffic
}

const (
	minute = time.Minute
	hour   = time.Hour
	day    = 24 * time.Hour
)

// Utilities are the weights that targets so ill deserve.
const (
	dead, poor, half, fair = .05, .05, .5, .8
)

func gauss(ratio, sigma float64) limits.Ratio {
	return limits.Shift(limits.Gauss, math.Log(ratio)/sigma, 9)
}

// victim is the first target of every fleet.
var victim = world.Who{Target: "t000"}

func hit(e world.Effect) []world.Effect {
	e.Who = victim
	return []world.Effect{e}
}

// Scenarios returns all of them, in the order of their families.
func Scenarios() []Scenario {
	var all []Scenario
	for family, list := range [][]Scenario{
		outages(), slow(), errorRates(), lengths(), outputs(), intermittent(), regions(), groups(), mild(), ramps(),
		nil, ours(), quotas(), cold(), sequences(), pools(), prompts(), swaps(),
	} {
		for _, s := range list {
			s.Family = family + 1
			if s.Fleet == "" {
				s.Fleet = One
			}
			all = append(all, s)
		}
	}
	return all
}

// Families names the families of scenarios, from 1.
func Families() []string {
	return []string{"", "outage", "slow", "error rate", "answer length", "wrong output", "intermittent", "one region", "model or provider", "mild, hours long", "ramp",
		"daily rhythm", "our own fault", "quota", "cold start", "back to back", "half the pool", "one broken prompt", "model swap"}
}

var itself = []bellwether.Cause{bellwether.CauseTarget, bellwether.CauseModel, bellwether.CauseProvider, bellwether.CauseRegion}

func outages() []Scenario {
	down := func(o bellwether.Outcome) []world.Effect {
		return hit(world.Effect{Errors: 1, Outcome: o, Utility: dead})
	}
	return []Scenario{
		{Name: "down, refused", Fleet: Three, Effects: down(bellwether.ConnectError), Lasts: hour, Limit: limits.Bernoulli(.005, .9999), Causes: itself},
		{Name: "down, silent", Fleet: Three, Effects: down(bellwether.Timeout), Lasts: hour, Limit: limits.Bernoulli(.005, .9999), Causes: itself},
		{Name: "down, 5xx", Effects: down(bellwether.ServerError), Lasts: hour, Limit: limits.Bernoulli(.005, .9999), Ablated: true, Swept: true, Traffic: true},
	}
}

func slow() []Scenario {
	return []Scenario{
		{Name: "first token x2", Effects: hit(world.Effect{First: 2, Utility: half}), Lasts: 2 * hour, Limit: gauss(2, .35), Ablated: true, Swept: true},
		{Name: "first token x5", Effects: hit(world.Effect{First: 5, Utility: half}), Lasts: 2 * hour, Limit: gauss(5, .35)},
		{Name: "inter-token x2", Effects: hit(world.Effect{Inter: 2, Utility: half}), Lasts: 2 * hour, Limit: gauss(2, .12)},
		{Name: "both x2", Effects: hit(world.Effect{First: 2, Inter: 2, Utility: half}), Lasts: 2 * hour, Limit: limits.Both(gauss(2, .35), gauss(2, .12))},
		{Name: "both x5", Effects: hit(world.Effect{First: 5, Inter: 5, Utility: half}), Lasts: 2 * hour, Limit: limits.Both(gauss(5, .35), gauss(5, .12))},
		{Name: "first token x1.3", Effects: hit(world.Effect{First: 1.3, Utility: fair}), Lasts: 8 * hour, Limit: gauss(1.3, .35), Ablated: true, Swept: true},
		{Name: "inter-token x1.25", Effects: hit(world.Effect{Inter: 1.25, Utility: fair}), Lasts: 4 * hour, Limit: gauss(1.25, .12)},
	}
}

func errorRates() []Scenario {
	rise := func(p0, p1, u float64) []world.Effect {
		return hit(world.Effect{Errors: (p1 - p0) / (1 - p0), Utility: u})
	}
	return []Scenario{
		{Name: "errors .1 to 2 %", Errors: .001, Effects: rise(.001, .02, half), Lasts: 16 * hour, Limit: limits.Bernoulli(.001, .02)},
		{Name: "errors .1 to 5 %", Errors: .001, Effects: rise(.001, .05, half), Lasts: 8 * hour, Limit: limits.Bernoulli(.001, .05), Traffic: true},
		{Name: "errors .5 to 5 %", Effects: rise(.005, .05, half), Lasts: 12 * hour, Limit: limits.Bernoulli(.005, .05), Ablated: true, Swept: true, Traffic: true},
		{Name: "errors .5 to 30 %", Effects: rise(.005, .3, poor), Lasts: 2 * hour, Limit: limits.Bernoulli(.005, .3), Swept: true, Traffic: true},
	}
}

func lengths() []Scenario {
	return []Scenario{
		{Name: "answers a fifth longer", Effects: hit(world.Effect{Tokens: 1.2, Utility: fair}), Lasts: 4 * hour, Limit: gauss(1.2, .15)},
		{Name: "answers a fifth shorter", Effects: hit(world.Effect{Tokens: .8, Utility: fair}), Lasts: 4 * hour, Limit: gauss(.8, .15)},
	}
}

func outputs() []Scenario {
	return []Scenario{
		{Name: "off topic, 20 %", Effects: hit(world.Effect{Insane: .2, Utility: poor}), Lasts: 2 * hour, Limit: limits.Bernoulli(.002, .2)},
		{Name: "off topic, 100 %", Effects: hit(world.Effect{Insane: 1, Utility: poor}), Lasts: hour, Limit: limits.Bernoulli(.002, .9999)},
		{Name: "repetitive, 20 %", Effects: hit(world.Effect{Insane: .2, Tokens: 1.5, Utility: poor}), Lasts: 2 * hour, Limit: limits.Both(limits.Bernoulli(.002, .2), gauss(1.5, .15))},
		{Name: "empty, 100 %", Effects: hit(world.Effect{Insane: 1, Tokens: .02, Utility: poor}), Lasts: hour, Limit: limits.Both(limits.Bernoulli(.002, .9999), gauss(.1, .15))},
		{Name: "truncated, 20 %", Effects: hit(world.Effect{Errors: .2, Outcome: bellwether.Truncated, Utility: poor}), Lasts: 2 * hour, Limit: limits.Bernoulli(.005, .204)},
	}
}

func intermittent() []Scenario {
	return []Scenario{
		{Name: "2 minutes in 20", Effects: hit(world.Effect{Errors: 1, Period: 20 * minute, Burst: 2 * minute, Utility: half}), Lasts: 6 * hour, Traffic: true},
		{Name: "1 probe in 10", Effects: hit(world.Effect{Errors: 1, Every: 10, Utility: half}), Lasts: 6 * hour},
	}
}

func regions() []Scenario {
	who := world.Who{Provider: "p0", Region: "r0"}
	right := []bellwether.Cause{bellwether.CauseRegion}
	return []Scenario{
		{Name: "a provider's region down", Fleet: Grid, Effects: []world.Effect{{Who: who, Errors: 1, Utility: dead}}, Lasts: 30 * minute, Causes: right},
		{Name: "a provider's region x2 slow", Fleet: Grid, Effects: []world.Effect{{Who: who, First: 2, Utility: half}}, Lasts: hour, Causes: right},
	}
}

func groups() []Scenario {
	return []Scenario{
		{Name: "a model down everywhere", Fleet: Grid, Effects: []world.Effect{{Who: world.Who{Model: "p0-m0"}, Errors: 1, Utility: dead}}, Lasts: 30 * minute, Causes: []bellwether.Cause{bellwether.CauseModel}},
		{Name: "a provider down", Fleet: Grid, Effects: []world.Effect{{Who: world.Who{Provider: "p0"}, Errors: 1, Utility: dead}}, Lasts: 30 * minute, Causes: []bellwether.Cause{bellwether.CauseProvider}},
		{Name: "a provider x2 slow", Fleet: Grid, Effects: []world.Effect{{Who: world.Who{Provider: "p0"}, First: 2, Utility: half}}, Lasts: hour, Causes: []bellwether.Cause{bellwether.CauseProvider}},
	}
}

func mild() []Scenario {
	joint := limits.Both(limits.Both(gauss(1.2, .35), gauss(1.15, .12)), limits.Bernoulli(.005, .02))
	return []Scenario{
		{Name: "overload: x1.2, x1.15, 2 % errors", Effects: hit(world.Effect{First: 1.2, Inter: 1.15, Errors: .015, Utility: half}), Lasts: 4 * hour, Limit: joint, Ablated: true, Swept: true},
		{Name: "x1.2 slow for eight hours", Effects: hit(world.Effect{First: 1.2, Utility: .9}), Lasts: 8 * hour, Limit: gauss(1.2, .35)},
	}
}

func ramps() []Scenario {
	var out []Scenario
	for _, h := range []int{1, 6, 24} {
		d := time.Duration(h) * hour
		out = append(out, Scenario{Name: fmt.Sprintf("ramp to x2 over %d h", h), Effects: hit(world.Effect{First: 2, Ramp: d, Utility: half}), Lasts: d + 4*hour, Ablated: h == 6})
	}
	return out
}

// ours are faults of our own network, host or account: nobody else is to blame.
func ours() []Scenario {
	all := func(name string, e world.Effect) Scenario {
		e.Healthy = true
		return Scenario{Name: name, Fleet: Three, Effects: []world.Effect{e}, Lasts: 20 * minute, Calm: true}
	}
	one := func(name string, o bellwether.Outcome) Scenario {
		s := all(name, world.Effect{Errors: 1, Outcome: o, Who: world.Who{Provider: "p0"}})
		s.Effects[0].Healthy, s.Effects[0].Utility = false, dead
		return s
	}
	return []Scenario{
		all("our network is out", world.Effect{Errors: 1, Outcome: bellwether.ConnectError}),
		all("our packets are dropped", world.Effect{Errors: 1, Outcome: bellwether.Timeout}),
		all("our resolver is out, and said so", world.Effect{Errors: 1, Outcome: bellwether.DNSError, Doubt: "dns"}),
		one("our key expired (401)", bellwether.AuthError),
		all("a wall blocks our probes (403)", world.Effect{Errors: 1, Outcome: bellwether.Blocked, Who: world.Who{Provider: "p0"}}),
		all("our clock steps ahead", world.Effect{ClockStep: 5 * minute}),
		all("our clock steps back", world.Effect{ClockStep: -5 * minute}),
		all("our prober pauses", world.Effect{Pause: true}),
	}
}

func quotas() []Scenario {
	return []Scenario{
		{Name: "our own quota, one target", Fleet: Three, Effects: hit(world.Effect{Errors: .8, Outcome: bellwether.RateLimited, Utility: .2}), Lasts: 30 * minute, Calm: true},
		{Name: "429 of a whole provider", Fleet: Grid, Effects: []world.Effect{{Who: world.Who{Provider: "p0"}, Errors: .8, Outcome: bellwether.RateLimited, Utility: .2}}, Lasts: 30 * minute, Calm: true},
	}
}

func cold() []Scenario {
	var out []Scenario
	for _, n := range []int{20, 50, 200} {
		out = append(out, Scenario{Name: fmt.Sprintf("x2 slow after %d probes", n), Cold: n, Effects: hit(world.Effect{First: 2, Utility: half}), Lasts: 4 * hour, Ablated: n == 50})
	}
	return append(out, Scenario{Name: "down after 20 probes", Cold: 20, Effects: hit(world.Effect{Errors: 1, Utility: dead}), Lasts: hour})
}

func sequences() []Scenario {
	twice := []world.Effect{
		{Who: victim, To: 10 * minute, Errors: 1, Utility: dead},
		{Who: victim, From: 30 * minute, To: 40 * minute, Errors: 1, Utility: dead},
	}
	return []Scenario{
		{Name: "down twice in an hour", Effects: twice, Lasts: 40 * minute},
		{Name: "x2 slow, then x1.1 for good", Effects: hit(world.Effect{First: 2, To: hour, NewLevel: 1.1, Utility: half}), Lasts: hour},
		{Name: "x2 slow, then faster than before", Effects: hit(world.Effect{First: 2, To: hour, NewLevel: .8, Utility: half}), Lasts: hour},
	}
}

func pools() []Scenario {
	two := func(e world.Effect) []world.Effect {
		a, b := e, e
		a.Who, b.Who = world.Who{Provider: "p0"}, world.Who{Provider: "p1"}
		return []world.Effect{a, b}
	}
	return []Scenario{
		{Name: "half the pool down", Fleet: Pool, Effects: two(world.Effect{Errors: 1, Utility: dead}), Lasts: hour},
		{Name: "half the pool x2 slow", Fleet: Pool, Effects: two(world.Effect{First: 2, Utility: half}), Lasts: hour},
		{Name: "half the pool, 30 % errors", Fleet: Pool, Effects: two(world.Effect{Errors: .3, Utility: poor}), Lasts: hour},
	}
}

func prompts() []Scenario {
	return []Scenario{{Name: "one of three prompts is broken", Fleet: Grid, Canaries: []string{"a", "b", "c"},
		Effects: []world.Effect{{Canary: "b", Insane: 1, Healthy: true}}, Lasts: hour, Calm: true}}
}

func swaps() []Scenario {
	return []Scenario{
		{Name: "another model, a fifth longer", Effects: hit(world.Effect{Model: "other", Tokens: 1.2, Utility: fair}), Lasts: 6 * hour, Limit: gauss(1.2, .15)},
		{Name: "another model, just as long", Effects: hit(world.Effect{Model: "other", Healthy: true}), Lasts: 6 * hour, Calm: true},
	}
}
