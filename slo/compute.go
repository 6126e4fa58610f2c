package slo

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/sketch"
)

// The windows of burn rates. All end where the report does, or now.
var burnWindows = [3]time.Duration{time.Hour, 6 * time.Hour, 3 * 24 * time.Hour}

// Where a promise that is kept so far is at risk: little of the budget is
// left, or it is being spent fast, by the long and by the short window.
const (
	riskRemaining = 0.25
	riskBurn      = 6
)

// The statuses of an attainment.
const (
	StatusMet    = "met"
	StatusAtRisk = "at_risk"
	StatusMissed = "missed"
	StatusNoData = "no_data"
)

// Request says what to report on. Objectives, Targets and Routes are the
// config's.
type Request struct {
	Objectives Config
	Targets    []bellwether.Target
	Routes     []bellwether.Route
	From       time.Time // inclusive; zero: each objective's own window before To
	To         time.Time // exclusive; zero: Now
	Now        time.Time // what lies after it is neither expected nor counted
}

// ledger adds up one objective. It belongs to one goroutine; chunks of rollups
// come in any order, each slice whole within one chunk.
type ledger struct {
	objective Objective
	indicator Indicator
	world     world
	members   []string
	from, end time.Time // what counts: end is the earlier of the report's and now
	to, now   time.Time

	main      tally
	burn      [len(burnWindows)]tally
	slices    tally   // as main, also where requests are counted
	successes float64 // calls that were good
	tokens    int
	cost      float64
	any       bool
	values    *sketch.Sketch
}

func newLedger(o Objective, w world, r Request) (*ledger, error) {
	in, err := ParseIndicator(o.Indicator)
	if err != nil {
		return nil, fmt.Errorf("slo %s: indicator: %w", o.Name, err)
	}
	l := &ledger{objective: o, indicator: in, world: w, members: w.members(o), from: r.From, to: r.To, now: r.Now, values: sketch.New()}
	if l.to.IsZero() {
		l.to = r.Now
	}
	if l.from.IsZero() {
		l.from = l.to.Add(-o.window())
	}
	if l.end = l.to; r.Now.Before(l.end) {
		l.end = r.Now
	}
	if !l.from.Before(l.to) {
		return nil, fmt.Errorf("slo %s: the report ends (%s) before it begins (%s)", o.Name, l.to.Format(time.RFC3339), l.from.Format(time.RFC3339))
	}
	return l, nil
}

// first returns the time from which rollups are needed.
func (l *ledger) first() time.Time {
	first := l.from
	for _, w := range burnWindows {
		if t := l.end.Add(-w); t.Before(first) {
			first = t
		}
	}
	return first
}

// add takes a chunk of minute rollups.
func (l *ledger) add(c *chunk) error {
	cells := map[int64]map[string]tally{} // by slice and target
	length := int64(l.objective.slice() / time.Second)
	for _, id := range l.members {
		for _, r := range c.byTarget[id] {
			if !l.indicator.sees(r) || !r.Start.Before(l.end) {
				continue
			}
			t, err := l.indicator.judge(r, c.cutOff(r))
			if err != nil {
				return err
			}
			start := r.Start.Unix()
			start -= start % length
			if cells[start] == nil {
				cells[start] = map[string]tally{}
			}
			sum := cells[start][id]
			sum.add(t)
			cells[start][id] = sum
			if l.counts(l.from, start) {
				if err := l.addMain(r, t); err != nil {
					return err
				}
			}
		}
	}
	for start, byTarget := range cells {
		l.addSlice(start, byTarget)
	}
	return nil
}

// counts reports whether the slice that begins at start lies in the window
// that begins at from.
func (l *ledger) counts(from time.Time, start int64) bool {
	at := time.Unix(start, 0)
	return !at.Before(from) && at.Before(l.end)
}

func (l *ledger) addMain(r *bellwether.Rollup, t tally) error {
	l.any = true
	l.tokens += r.Input + r.Output
	l.cost += r.CostUSD
	l.successes += float64(t.good)
	signal := l.indicator.Signal
	if !l.indicator.latency() {
		signal = bellwether.FirstToken
	}
	s, err := sketchOf(r, signal)
	if err != nil || s == nil {
		return err
	}
	return l.values.Merge(s)
}

// addSlice counts one slice, or the requests in it.
func (l *ledger) addSlice(start int64, byTarget map[string]tally) {
	var calls, slice tally
	for _, t := range byTarget {
		calls.add(t)
		switch {
		case t.bad > 0:
			slice.bad = 1
		case t.good > 0:
			slice.good = 1
		case t.excluded > 0:
			slice.excluded = 1
		}
	}
	if calls.empty() {
		return
	}
	slice = oneOf(slice)
	counted := slice
	if l.indicator.Router {
		counted = calls
	}
	if l.counts(l.from, start) {
		l.main.add(counted)
		l.slices.add(slice)
	}
	for i, w := range burnWindows {
		if l.counts(l.end.Add(-w), start) {
			l.burn[i].add(counted)
		}
	}
}

// oneOf decides a slice from what its targets were: one good target is enough,
// as a router would have served from it; for a single target it is its own.
func oneOf(t tally) tally {
	switch {
	case t.good > 0:
		return tally{good: 1}
	case t.bad > 0:
		return tally{bad: 1}
	}
	return tally{excluded: 1}
}

// expected returns how many slices lie in the report up to now.
func (l *ledger) expected() int64 {
	length := int64(l.objective.slice() / time.Second)
	n := ceilDiv(l.end, length) - ceilDiv(l.from, length)
	return max(0, n)
}

// ceilDiv returns how many slices of length seconds begin before t.
func ceilDiv(t time.Time, length int64) int64 {
	s := t.Unix()
	if t.Nanosecond() > 0 {
		s++
	}
	return (s + length - 1) / length
}

// attainment closes the books.
func (l *ledger) attainment(incidents []bellwether.Incident) bellwether.Attainment {
	o := l.objective
	goal := math.Round(o.Objective*1e6) / 1e8 // 99.9 / 100 is above 0.999, and 999 of 1000 would miss it
	a := bellwether.Attainment{GeneratedAt: l.now, From: l.from, To: l.to, SLO: o.Name, Scope: o.scope(), Indicator: l.indicator.String(),
		Good: l.main.good, Bad: l.main.bad, Excluded: l.main.excluded, Total: l.main.good + l.main.bad + l.main.excluded,
		Objective: goal, SLI: l.main.ratio(), Budget: 1 - goal, Tokens: l.tokens,
		Completeness: math.NaN(), Downtime: math.NaN(), CostUSD: math.NaN(), CostPerSuccess: math.NaN()}
	a.Provider, a.Model, a.Region = l.describe()
	a.Consumed = (1 - a.SLI) / a.Budget
	a.Remaining = 1 - a.Consumed
	burn := [len(burnWindows)]float64{}
	for i, t := range l.burn {
		burn[i] = (1 - t.ratio()) / a.Budget
	}
	a.Burn1h, a.Burn6h, a.Burn3d = burn[0], burn[1], burn[2]
	if !l.indicator.Router {
		if n := l.expected(); n > 0 {
			a.Completeness = float64(a.Total) / float64(n)
		}
		a.Downtime = float64(a.Bad) * o.slice().Seconds()
	}
	if l.any {
		a.CostUSD = l.cost
		if l.successes > 0 {
			a.CostPerSuccess = l.cost / l.successes
		}
	}
	a.P50, a.P95, a.P99 = l.values.Quantile(0.5), l.values.Quantile(0.95), l.values.Quantile(0.99)
	a.Incidents, a.Longest = l.countIncidents(incidents)
	a.Status = status(a)
	return a
}

func status(a bellwether.Attainment) string {
	switch {
	case a.Good+a.Bad == 0:
		return StatusNoData
	case a.SLI < a.Objective:
		return StatusMissed
	case a.Remaining < riskRemaining, a.Burn1h > riskBurn && a.Burn6h > riskBurn:
		return StatusAtRisk
	}
	return StatusMet
}

// describe returns the provider, model and region that all targets share, each
// "" where they do not.
func (l *ledger) describe() (provider, model, region string) {
	for i, id := range l.members {
		t := l.world.targets[id]
		if i == 0 {
			provider, model, region = t.Provider, t.Model, t.Region
			continue
		}
		if provider != t.Provider {
			provider = ""
		}
		if model != t.Model {
			model = ""
		}
		if region != t.Region {
			region = ""
		}
	}
	return provider, model, region
}

// countIncidents returns how many incidents touched the scope within the
// report, and the longest time in seconds that one of them took of it.
func (l *ledger) countIncidents(incidents []bellwether.Incident) (n int, longest float64) {
	for _, in := range incidents {
		if !slices.ContainsFunc(in.Targets, func(id string) bool { return slices.Contains(l.members, id) }) {
			continue
		}
		begin, end := in.FirstAt, in.ResolvedAt
		if begin.IsZero() {
			begin = in.OpenedAt
		}
		if end.IsZero() || end.After(l.end) {
			end = l.end
		}
		if begin.Before(l.from) {
			begin = l.from
		}
		if begin.Before(end) {
			n++
			longest = max(longest, end.Sub(begin).Seconds())
		}
	}
	return n, longest
}

// Compute returns how one objective stands, from minute rollups that are all
// in memory: those of its targets, and of whatever else its vantages probed.
// For burn rates they should reach three days back from the end.
func Compute(o Objective, r Request, rollups []bellwether.Rollup, incidents []bellwether.Incident) (bellwether.Attainment, error) {
	l, err := newLedger(o, newWorld(r.Targets, r.Routes), r)
	if err != nil {
		return bellwether.Attainment{}, err
	}
	if err := l.add(newChunk(rollups)); err != nil {
		return bellwether.Attainment{}, err
	}
	return l.attainment(incidents), nil
}
