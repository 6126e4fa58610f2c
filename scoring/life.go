package scoring

import "math"

// life is how often a target is at fault and for how long, learned from its own
// verdicts: gamma posteriors of the two rates, whose priors are the configured
// times, worth lifePrior faults. What is learned moves a time by no more than
// lifeMost, and older faults fade, because providers change.
type life struct {
	well, ill       float64 // seconds
	faults, repairs float64
	down            bool // a fault was in force when it was last looked at
}

const (
	lifePrior  = 2.0
	lifeMost   = 4.0
	lifeMemory = 16.0 // faults, then all is halved
)

// pass lets gap seconds go by, at whose end t is ill or not.
func (l *life) pass(gap float64, ill bool) {
	if l.down {
		l.ill += gap
	} else {
		l.well += gap
	}
	switch {
	case ill && !l.down:
		l.faults++
	case !ill && l.down:
		l.repairs++
	}
	l.down = ill
	if l.faults >= lifeMemory {
		l.well, l.ill, l.faults, l.repairs = l.well/2, l.ill/2, l.faults/2, l.repairs/2
	}
}

// between is the expected time between faults, in seconds.
func (l *life) between(set *settings) float64 {
	return bounded((lifePrior*set.mtbf+l.well)/(lifePrior+l.faults), set.mtbf)
}

// toRepair is the expected length of a fault, in seconds.
func (l *life) toRepair(set *settings) float64 {
	return bounded((lifePrior*set.mttr+l.ill)/(lifePrior+l.repairs), set.mttr)
}

func bounded(x, usual float64) float64 {
	return math.Min(usual*lifeMost, math.Max(usual/lifeMost, x))
}

// chances returns the probabilities that a fault begins, and that one ends,
// within gap seconds.
func (t *target) chances(gap float64, set *settings) (begin, end float64) {
	return soon(gap / t.life.between(set)), soon(gap / t.life.toRepair(set))
}

// soon is 1 - exp(-x), to a millionth of itself.
func soon(x float64) float64 {
	if x < 1e-3 {
		return x - x*x/2
	}
	return -math.Expm1(-x)
}

func (c *coder) life(l *life) {
	for _, v := range []*float64{&l.well, &l.ill, &l.faults, &l.repairs} {
		c.least(v, 0)
	}
	c.bool(&l.down)
}
