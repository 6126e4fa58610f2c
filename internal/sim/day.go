package sim

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/llm"
)

// DayCanary is a canary of an invented history.
type DayCanary struct {
	Name      string
	Prompt    string   // "": free prose of the drawn length
	MaxTokens int      // 0: no limit
	Plain     bool     // not streamed: no first token, only a total
	Checks    []string // names of the checks, which all pass
}

// DayOptions say which history to invent.
type DayOptions struct {
	Seed     uint64
	Vantage  string
	Targets  []bellwether.Target
	Canaries []DayCanary
	Interval time.Duration // between the probes of one target and canary; required
	Start    time.Time     // inclusive
	End      time.Time     // exclusive
	// Regions multiply the first token's times by region, as [Options.Regions].
	Regions map[string]float64
}

// Day invents the history of a fault-free time: one observation per target,
// canary and interval, in the order of their starts, spread over the interval
// as schedules are. It draws from what the server draws from, so that a
// simulated provider goes on as its history was. The same options give the
// same observations. Nothing bounds the time but End.
func Day(o DayOptions) (iter.Seq[bellwether.Observation], error) {
	if o.Interval <= 0 {
		return nil, fmt.Errorf("invented history: interval %v: write one above 0", o.Interval)
	}
	lines := dayLines(o)
	return func(yield func(bellwether.Observation) bool) {
		states := make(map[string]State, len(o.Targets)) // by target; ranging again starts again
		for round := uint64(0); ; round++ {
			start := o.Start.Add(time.Duration(round) * o.Interval)
			for _, l := range lines {
				at := start.Add(l.phase)
				if !at.Before(o.End) {
					if l.phase == lines[0].phase {
						return
					}
					continue
				}
				ob, next := l.observe(at, round, states[l.target.ID])
				states[l.target.ID] = next
				ob.Vantage = o.Vantage
				if !yield(ob) {
					return
				}
			}
			if len(lines) == 0 {
				return
			}
		}
	}, nil
}

// dayLine is one series of an invented history.
type dayLine struct {
	target bellwether.Target
	canary DayCanary
	phase  time.Duration // of the interval, hashed
	seed   uint64
	call   call // what does not change from probe to probe
}

// dayLines returns the series in the order of their phases.
func dayLines(o DayOptions) []dayLine {
	var lines []dayLine
	for _, t := range o.Targets {
		factor := factorIn(o.Regions, t.Region)
		name, err := parseModel(t.Model)
		if err != nil { // a name that no server would serve is plain text here
			name = modelName{Base: t.Model, First: -1, Inter: -1, Tokens: -1}
		}
		for _, c := range o.Canaries {
			l := dayLine{target: t, canary: c, seed: seriesSeed(o.Seed, o.Vantage, t.ID, c.Name)}
			l.phase = time.Duration(seriesSeed(0, o.Vantage, t.ID, c.Name) % uint64(o.Interval))
			l.call = call{task: task{speak: webSpeaker{}}, choices: 1, name: name, factor: factor, profile: ProfileFor(name.Base).In(factor)}
			l.call.req = llm.Request{MaxTokens: c.MaxTokens, Messages: []llm.Message{{Role: "user", Text: c.Prompt}}}
			l.call.asked = understand(l.call.req)
			lines = append(lines, l)
		}
	}
	slices.SortStableFunc(lines, func(a, b dayLine) int { return cmp.Compare(a.phase, b.phase) })
	return lines
}

// maxExcerpt is how much of an answer an observation holds, in bytes.
const maxExcerpt = 200

// observe draws one probe of l.
func (l dayLine) observe(at time.Time, round uint64, prev State) (bellwether.Observation, State) {
	c := l.call
	c.at, c.dice = at, newDice(l.seed, round)
	c.sample = c.profile.Draw(c.dice.timing, prev)
	p := compose(c)
	ob := bellwether.Observation{
		ID: p.id, At: at, Source: bellwether.SourceSimulated, Trigger: bellwether.TriggerSchedule,
		Target: l.target.ID, Canary: l.canary.Name, Outcome: bellwether.OK, Status: 200, Reused: true, HTTP: "1.1",
	}
	if p.failure != nil {
		ob.Outcome, ob.Status, ob.Error = p.failure.Outcome, p.failure.Status, p.failure.Message
		ob.Timing.FirstByte = (p.first / errorPart).Seconds()
		ob.Timing.Total = ob.Timing.FirstByte
		return ob, c.sample.Next
	}
	ob.Model, ob.Finish = p.model, string(p.choices[0].finish)
	ob.Timing = p.timing(l.canary.Plain)
	ob.Tokens = &bellwether.Tokens{Input: p.usage.Input, Output: p.usage.Output}
	ob.CostUSD = l.target.Price.Cost(p.usage.Input, p.usage.Output)
	for _, name := range l.canary.Checks {
		ob.Checks = append(ob.Checks, bellwether.CheckResult{Name: name, OK: true})
	}
	for _, t := range p.choices[0].tokens {
		if len(ob.Excerpt)+len(t.text) > maxExcerpt {
			break
		}
		ob.Excerpt += t.text
	}
	return ob, c.sample.Next
}

// timing is what a prober would measure of p: on a stream its tokens, else
// only the whole.
func (p *plan) timing(plain bool) bellwether.Timing {
	t := bellwether.Timing{FirstByte: p.headers.Seconds(), Total: p.last().Seconds()}
	if plain {
		t.FirstByte = t.Total
		return t
	}
	if p.steps > 0 {
		t.FirstToken = p.first.Seconds()
	}
	if p.steps > 1 {
		g := p.gap.Seconds()
		t.InterToken, t.InterTokenP95, t.InterTokenMax = g, g, g
	}
	return t
}
