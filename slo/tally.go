package slo

import (
	"fmt"
	"math"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/sketch"
)

// tally counts calls, or slices, by how they stand.
type tally struct{ good, bad, excluded int }

func (t *tally) add(o tally) {
	t.good += o.good
	t.bad += o.bad
	t.excluded += o.excluded
}

func (t tally) empty() bool { return t == tally{} }

// ratio returns the part that was good, NaN when nothing counted.
func (t tally) ratio() float64 {
	if t.good+t.bad == 0 {
		return math.NaN()
	}
	return float64(t.good) / float64(t.good+t.bad)
}

// judge counts the calls of one rollup. Local failures (before HTTP) are
// excluded where the vantage reached nobody else. Calls that were never made
// count as nothing at all: they are missing data.
func (in Indicator) judge(r *bellwether.Rollup, cutOff bool) (tally, error) {
	if in.latency() {
		return in.judgeLatency(r)
	}
	var t tally
	for outcome, n := range r.Counts {
		m := outcome.Meaning()
		standing := m.Availability
		if in.Signal == bellwether.Sanity {
			standing = m.Sanity
		}
		switch {
		case n <= 0 || unmade(outcome) && !in.Router:
		case m.Local && cutOff, standing == bellwether.Excluded:
			t.excluded += n
		case standing == bellwether.Good:
			t.good += n
		default:
			t.bad += n
		}
	}
	return t, nil
}

// judgeLatency counts what has a latency; everything else says nothing of
// speed and is excluded. A timeout is slow whatever the limit, also where it
// was given up before the limit.
func (in Indicator) judgeLatency(r *bellwether.Rollup) (tally, error) {
	calls, timeouts := 0, 0
	for outcome, n := range r.Counts {
		if n <= 0 || unmade(outcome) && !in.Router {
			continue
		}
		calls += n
		if in.timeout(outcome) {
			timeouts += n
		}
	}
	s, err := sketchOf(r, in.Signal)
	if err != nil {
		return tally{}, err
	}
	measured, slow := 0, 0
	if s != nil {
		measured, slow = int(math.Round(s.Count())), int(math.Round(s.CountAbove(in.Limit.Seconds())))
	}
	t := tally{bad: min(max(slow, timeouts), max(measured, timeouts))}
	t.good = max(measured, timeouts) - t.bad
	t.excluded = max(0, calls-t.good-t.bad)
	return t, nil
}

// timeout reports whether o means that the indicator's signal took too long.
func (in Indicator) timeout(o bellwether.Outcome) bool {
	switch o {
	case bellwether.FirstTokenTimeout:
		return in.Signal != bellwether.InterToken
	case bellwether.Stalled:
		return in.Signal != bellwether.FirstToken
	case bellwether.Timeout:
		return in.Signal == bellwether.Total
	}
	return false
}

// unmade reports whether o means that our own side made no call.
func unmade(o bellwether.Outcome) bool { return o == bellwether.Missed || o == bellwether.Canceled }

// answered reports whether o proves that the network let us through.
func answered(o bellwether.Outcome) bool {
	return !unmade(o) && !o.Meaning().Local && o != bellwether.Timeout && o != bellwether.FirstTokenTimeout
}

// sketchOf returns r's sketch of a signal, nil when there is none.
func sketchOf(r *bellwether.Rollup, signal bellwether.Signal) (*sketch.Sketch, error) {
	b := r.Sketches[signal]
	if len(b) == 0 {
		return nil, nil
	}
	s, err := sketch.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("slo: rollup of %s at %s: %s: %w", r.Target, r.Start.UTC().Format("2006-01-02T15:04Z"), signal, err)
	}
	return s, nil
}
