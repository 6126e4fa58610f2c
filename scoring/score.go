package scoring

import (
	"math"
	"slices"

	"github.com/bellwether-llm/bellwether"
)

// health is what is left of t if hypothesis i is so, in [0, 1]: (1-p)/(1-p0) of
// counted signals, the ratio to the power -1/2 of timings and 1/r of lengths. An
// alarm in force counts with the size that was measured, where that is more than
// what the hypothesis tests.
func (t *target) health(i int) float64 {
	switch f := table[i].family; f {
	case famErrors:
		p0 := t.avail.mean(t.prior.errors)
		return math.Min(1, (1-faultRate(table[i].p1, p0))/(1-p0))
	case famFirst, famInter:
		a := &t.fam[f]
		if !a.active || a.hyp != i || a.recovery > 0 {
			return table[i].health
		}
		return math.Min(table[i].health, 1/math.Sqrt(math.Max(1, t.effectSince(f, f.kind(), a.since).shrunk())))
	}
	return table[i].health
}

// score100 is the score of t, 0 to 100, to a tenth: 100 times the expected
// health. It is 0 where our key or credit is refused, because nobody gets an
// answer.
func (e *Engine) score100(t *target) float64 {
	if t.account() {
		return 0
	}
	lost := 0.0
	e.eachLoss(t, func(_ int, _, points float64) { lost += points })
	return math.Round(math.Max(0, 100-lost)*10) / 10
}

// eachLoss calls f with every hypothesis that takes points off the score of t,
// and what is left of a target of which it is so. What is small counts as good.
func (e *Engine) eachLoss(t *target, f func(i int, health, points float64)) {
	small := e.small(t)
	for i := range table {
		p := t.belief.p[i+1]
		if p <= 0 || small[i] {
			continue
		}
		h := table[i].health
		if p >= leastBelief {
			h = t.health(i)
		}
		f(i, h, 100*p*(1-h))
	}
}

// leastPoints is what a factor must take off to be told.
const leastPoints = .05

// factors explains the score of t, the largest loss first; empty when nothing
// worth telling is lost.
func (e *Engine) factors(t *target) []bellwether.Factor {
	var fs []bellwether.Factor
	if t.account() {
		return []bellwether.Factor{{Hypothesis: "our key or credit is refused", Probability: 1, Points: 100}}
	}
	e.eachLoss(t, func(i int, health, points float64) {
		if points >= leastPoints {
			fs = append(fs, bellwether.Factor{Hypothesis: t.hypothesis(i), Signal: wireSignal(t, table[i].family),
				Probability: round4(t.belief.p[i+1]), Health: round4(health), Points: math.Round(points*10) / 10})
		}
	})
	slices.SortStableFunc(fs, func(a, b bellwether.Factor) int {
		switch {
		case a.Points > b.Points:
			return -1
		case a.Points < b.Points:
			return 1
		}
		return 0
	})
	return fs
}
