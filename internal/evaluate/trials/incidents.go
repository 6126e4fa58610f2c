package trials

import (
	_ "embed" // the recorded downs
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/evaluate/policies"
	"github.com/bellwether-llm/bellwether/internal/evaluate/world"
	"github.com/bellwether-llm/bellwether/scoring"
)

// Real histories: incidents of a provider's API are 3.2 days apart and last 75
// minutes in the median (OpenAI, 2023 to 2024, 189 of them). The world of the
// specification has a median of an hour.
const (
	gapMean    = 3.2 * 24 // hours
	lastMedian = 1.0      // hours
)

// fate is one kind of incident and how often it is the one.
type fate struct {
	share float64
	e     world.Effect
}

// Mixes of incidents: of failed calls only, and of everything.
func mix(name string) []fate {
	if name == "errors" {
		return []fate{
			{.4, world.Effect{Errors: 1, Utility: dead}},
			{.4, world.Effect{Errors: .3, Utility: poor}},
			{.2, world.Effect{Errors: .05, Utility: half}},
		}
	}
	return []fate{
		{.25, world.Effect{Errors: 1, Utility: dead}},
		{.2, world.Effect{Errors: .3, Utility: poor}},
		{.1, world.Effect{Errors: .05, Utility: half}},
		{.15, world.Effect{First: 2, Utility: half}},
		{.1, world.Effect{First: 2, Inter: 2, Utility: half}},
		{.05, world.Effect{First: 1.3, Utility: fair}},
		{.05, world.Effect{First: 1.2, Inter: 1.15, Errors: .015, Utility: half}},
		{.05, world.Effect{Tokens: 1.3, Utility: fair}},
		{.05, world.Effect{Insane: .5, Utility: poor}},
	}
}

// incidents is one month of eight targets whose faults come as they do in
// reality; a policy is judged by the traffic that it misroutes.
func (b *Bench) incidents(c *Cell, s *Scenario, n int, r *Result) error {
	all, begin, err := b.warmed(c, s, n)
	if err != nil {
		return err
	}
	seed := seedOf(b.shared.Seed, "incidents", c.Mix, n)
	setup := c.setup(s, n%max(1, c.Warm))
	setup.Traffic = c.Traffic
	w := world.New(setup, begin, seed, all...)
	w.Strike(begin, history(setup.Targets, mix(c.Mix), newRand(seed)))
	w.Until(begin+30*day, nil)
	for k := range all {
		col := &r.Columns[k]
		for _, h := range w.Log(k).Targets {
			col.Ill++
			col.ToBad += h.ToBad
			col.Held += h.Kept
			col.Probes += float64(h.Probes)
		}
		col.Seconds = append(col.Seconds, regret(w.Log(k)))
	}
	return nil
}

// regret is a run's misrouted hours per target.
func regret(l *world.Log) float64 {
	sum := 0.0
	for _, h := range l.Targets {
		sum += h.ToBad + h.Kept
	}
	return sum / float64(len(l.Targets))
}

// history draws a month of incidents for every target: exponential gaps,
// log-normal lengths whose mean is 1.6 medians.
func history(targets []bellwether.Target, fates []fate, rng *rand.Rand) []world.Effect {
	hours := func(h float64) time.Duration { return time.Duration(h * float64(hour)) }
	var all []world.Effect
	for _, t := range targets {
		for at := gapMean * rng.ExpFloat64(); at < 30*24; at += gapMean * rng.ExpFloat64() {
			e := pick(fates, rng)
			lasts := min(12, lastMedian*math.Exp(rng.NormFloat64()))
			e.Who = world.Who{Target: t.ID}
			e.From, e.To = hours(at), hours(at+lasts)
			all = append(all, e)
			at += lasts
		}
	}
	return all
}

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

func pick(fates []fate, rng *rand.Rand) world.Effect {
	u := rng.Float64()
	for _, f := range fates {
		if u -= f.share; u < 0 {
			return f.e
		}
	}
	return fates[len(fates)-1].e
}

//go:embed testdata/checks_adrianwedd.csv
var recordedDowns string

// downs replays what one public prober recorded of six sites in five months,
// down to the codes. The downs of two of them, Anthropic's and OpenAI's, are
// known to be nobody's outage but one: status pages that refuse a method, walls
// against bots, the prober's own network.
func (b *Bench) downs(c *Cell, r *Result) error {
	lines := strings.Split(strings.TrimSpace(recordedDowns), "\n")[1:]
	var targets []bellwether.Target
	index := map[string]int{}
	for _, line := range lines {
		site := strings.Split(line, ",")[1]
		if _, ok := index[site]; !ok {
			index[site] = len(targets)
			id := fmt.Sprintf("s%d", len(targets))
			targets = append(targets, bellwether.Target{ID: id, Provider: id, Model: "site", Region: "world"})
		}
	}
	config := scoring.Config{Policy: scoring.Policy{FalseAlarms: c.Engine.Budget}, Targets: targets, Interval: map[string]time.Duration{}}
	for _, t := range targets {
		config.Interval[t.ID] = 12 * hour
	}
	engine, err := policies.NewEngine(config)
	if err != nil {
		return err
	}
	all := []world.Policy{engine}
	for _, spec := range c.Rules {
		rule, err := spec.New()
		if err != nil {
			return err
		}
		all = append(all, rule)
	}
	was := make([][]bool, len(all))
	for k := range was {
		was[k] = make([]bool, len(targets))
		r.Columns[k].Trials = make([]Trial, 2)
	}
	watched := map[string]int{"Anthropic (Claude)": 0, "OpenAI": 1}
	for n, line := range lines {
		f := strings.Split(line, ",")
		at, err := time.Parse(time.RFC3339, f[0])
		if err != nil {
			return err
		}
		i := index[f[1]]
		o := recorded(f, targets[i].ID, at)
		o.ID = strconv.Itoa(n)
		for k, p := range all {
			p.Observe(i, o, at)
			v := p.View(i)
			ill := v.Severity > 0 && v.Cause != bellwether.CauseVantage && v.Cause != bellwether.CauseAccount
			if site, ok := watched[f[1]]; ok {
				t := &r.Columns[k].Trials[site]
				t.Kind = f[1]
				if f[2] == "down" {
					t.Probes++
				}
				if ill && !was[k][i] {
					t.Blamed++
				}
			}
			was[k][i] = ill
		}
	}
	return nil
}

// recorded is a check as an observation.
func recorded(f []string, target string, at time.Time) *bellwether.Observation {
	ms, _ := strconv.ParseFloat(f[4], 64)
	code, _ := strconv.Atoi(f[3])
	o := &bellwether.Observation{At: at, Source: bellwether.SourceProbe, Vantage: "runner", Target: target, Canary: "get", Outcome: bellwether.OK, Status: code,
		Timing: bellwether.Timing{Total: ms / 1000}}
	if f[2] == "up" {
		return o
	}
	switch {
	case code == 0:
		o.Outcome = bellwether.ConnectError
	case code == 403 || code == 405:
		o.Outcome = bellwether.Blocked
	case code >= 500:
		o.Outcome = bellwether.ServerError
	default:
		o.Outcome = bellwether.ClientError
	}
	return o
}
