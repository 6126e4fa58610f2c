package scoring

import "math"

// priors are what is expected of a target before it is known.
type priors struct{ errors, burst prior }

// What siblings must have shown to be asked, and what their word is worth; calls.
const (
	kinCalls, kinBursts = 500.0, 20.0
	kinErrors           = 200.0
	kinBurst            = 10.0
)

// kin reports whether o is like t: of the same provider, and of the same model
// where near is asked for.
func (t *target) isKin(o *target, near bool) bool {
	return o != t && o.Provider == t.Provider && (!near || o.Model == t.Model)
}

// expect sets what is expected of t, from targets of the same provider and model
// elsewhere, or else of the same provider. Only rates and spreads are borrowed,
// never levels: regions of one model differ too much.
func (e *Engine) expect(t *target) {
	for _, near := range []bool{true, false} {
		var calls, pairs rate
		for _, o := range e.targets {
			if t.isKin(o, near) {
				calls.good, calls.bad = calls.good+o.avail.good, calls.bad+o.avail.bad
				pairs.good, pairs.bad = pairs.good+o.burst.rate.good, pairs.bad+o.burst.rate.bad
			}
		}
		if calls.good+calls.bad < kinCalls {
			continue
		}
		p := math.Max(.0005, math.Min(.02, calls.mean(priorErrors)))
		t.prior.errors = prior{bad: p * kinErrors, good: (1 - p) * kinErrors}
		if pairs.good+pairs.bad >= kinBursts {
			q := pairs.mean(priorBurst)
			t.prior.burst = prior{bad: q * kinBurst, good: (1 - q) * kinBurst}
		}
		t.avail.refresh(t.prior.errors)
		return
	}
}

// kinSigma returns the spread of signal k of the same canary at the nearest kin,
// their geometric mean; 0 when none knows it.
func (e *Engine) kinSigma(t *target, s *series, k kind) float64 {
	for _, near := range []bool{true, false} {
		sum, n := 0.0, 0.0
		for _, o := range e.targets {
			if !t.isKin(o, near) {
				continue
			}
			for _, x := range o.series {
				if m := x.measures[k]; x.origin == s.origin && x.canary == s.canary && m.ready() && m.accepted >= 2*kinWorth {
					sum += math.Log(m.sigma)
					n++
				}
			}
		}
		if n > 0 {
			return math.Exp(sum / n)
		}
	}
	return 0
}
