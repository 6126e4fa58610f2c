package api

import (
	"math"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/sketch"
)

// cell adds up what falls into one step of a series.
type cell struct {
	counts         map[bellwether.Outcome]int
	checks         map[string]passes
	output         int // tokens
	cost           float64
	signal, gap    *sketch.Sketch // of the signal asked for, and between tokens
	simulatedUntil time.Time
}

// passes counts how often a check passed and failed.
type passes struct {
	Passed int `json:"passed"`
	Failed int `json:"failed"`
}

// point is a cell as the API shows it.
type point struct {
	At     time.Time                  `json:"at"`
	P50    *float64                   `json:"p50,omitempty"`
	P95    *float64                   `json:"p95,omitempty"`
	P99    *float64                   `json:"p99,omitempty"`
	Count  int                        `json:"count"`
	Counts map[bellwether.Outcome]int `json:"counts"`
	Errors *proportion                `json:"errors,omitempty"`
	Output *float64                   `json:"output_tokens_mean,omitempty"`
	Speed  *float64                   `json:"decode_tokens_per_second,omitempty"`
	Sanity *float64                   `json:"sanity_ratio,omitempty"`
	Checks map[string]passes          `json:"checks,omitempty"`
	Cost   float64                    `json:"cost_usd"`
}

func newCell() *cell {
	return &cell{counts: map[bellwether.Outcome]int{}, checks: map[string]passes{}, signal: sketch.New(), gap: sketch.New()}
}

func (c *cell) addRollup(r *bellwether.Rollup, signal bellwether.Signal) {
	for o, n := range r.Counts {
		c.counts[o] += n
	}
	for name, n := range r.Checks {
		c.check(name, n[0], n[1])
	}
	c.output += r.Output
	c.cost += finite(r.CostUSD)
	merge(c.signal, r.Sketches[signal])
	merge(c.gap, r.Sketches[bellwether.InterToken])
	if r.Source == bellwether.SourceSimulated {
		c.simulated(r.Start.Add(time.Duration(r.Seconds) * time.Second))
	}
}

// addObservation counts o as the rollups do: a summary as what it sums up, a
// sampled call as the calls it stands for.
func (c *cell) addObservation(o *bellwether.Observation, signal bellwether.Signal) {
	n := 1
	if o.SampleRate > 0 && o.SampleRate < 1 {
		n = int(min(math.Round(1/o.SampleRate), 1e6))
	}
	if len(o.Counts) > 0 || len(o.Sketches) > 0 {
		n = 1
		for outcome, k := range o.Counts {
			c.counts[outcome] += k
		}
		merge(c.signal, o.Sketches[signal])
		merge(c.gap, o.Sketches[bellwether.InterToken])
	} else if o.Outcome != "" {
		c.counts[o.Outcome] += n
		measure(c.signal, o, signal, n)
		measure(c.gap, o, bellwether.InterToken, n)
	}
	for _, k := range o.Checks {
		if k.OK {
			c.check(k.Name, n, 0)
		} else {
			c.check(k.Name, 0, n)
		}
	}
	if o.Tokens != nil {
		c.output += n * max(o.Tokens.Output, 0)
	}
	c.cost += float64(n) * max(finite(o.CostUSD), 0)
	if o.Source == bellwether.SourceSimulated {
		c.simulated(o.At)
	}
}

// measure enters o's value of a signal: of proper answers, and of timeouts as
// at least their limit.
func measure(s *sketch.Sketch, o *bellwether.Observation, signal bellwether.Signal, n int) {
	answered := o.Outcome.Meaning().Availability == bellwether.Good
	v := 0.0
	switch {
	case signal == bellwether.FirstToken:
		v = firstToken(o)
	case signal == bellwether.OutputTokens:
		if answered && o.Tokens != nil {
			s.AddN(float64(o.Tokens.Output), float64(n))
		}
		return
	case signal == bellwether.Total && (answered || o.Outcome == bellwether.Timeout || o.Outcome == bellwether.FirstTokenTimeout || o.Outcome == bellwether.Stalled):
		v = o.Timing.Total
	case signal == bellwether.InterToken && o.Outcome == bellwether.Stalled:
		v = max(o.Timing.InterToken, o.Timing.InterTokenMax)
	case signal == bellwether.InterToken && (answered || o.Outcome == bellwether.Timeout):
		v = o.Timing.InterToken
	}
	if v > 0 {
		s.AddN(v, float64(n))
	}
}

func merge(s *sketch.Sketch, b []byte) {
	if len(b) == 0 {
		return
	}
	if o, err := sketch.Parse(b); err == nil { // one that is damaged is left out
		_ = s.Merge(o) // all sketches share one mapping: it cannot fail
	}
}

func (c *cell) check(name string, passed, failed int) {
	p := c.checks[name]
	c.checks[name] = passes{p.Passed + passed, p.Failed + failed}
}

func (c *cell) simulated(until time.Time) {
	if until.After(c.simulatedUntil) {
		c.simulatedUntil = until.UTC()
	}
}

func (c *cell) point(start int64) point {
	p := point{At: time.Unix(start, 0).UTC(), Counts: c.counts, Checks: c.checks, Cost: c.cost}
	var good, bad, sane, insane int
	for o, n := range c.counts {
		p.Count += n
		m := o.Meaning()
		switch m.Availability {
		case bellwether.Good:
			good += n
		case bellwether.Bad:
			bad += n
		}
		switch m.Sanity {
		case bellwether.Good:
			sane += n
		case bellwether.Bad:
			insane += n
		}
	}
	p.Errors = wilson(bad, good+bad)
	p.P50, p.P95, p.P99 = known(c.signal.Quantile(0.5)), known(c.signal.Quantile(0.95)), known(c.signal.Quantile(0.99))
	p.Sanity = known(float64(sane) / float64(sane+insane)) // NaN without any
	if good > 0 {
		p.Output = known(float64(c.output) / float64(good))
	}
	if gap := c.gap.Quantile(0.5); gap > 0 {
		p.Speed = known(1 / gap)
	}
	return p
}
