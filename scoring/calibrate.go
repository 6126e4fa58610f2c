package scoring

import "math"

const (
	calmFrom   = 4.0  // nats: an excursion of the evidence that gets as far is counted
	calmPrior  = 5.0  // excursions that the solved threshold is believed for
	calmSlope  = 20.0 // and for how quickly higher ones get rarer
	calmMost   = 6.0  // nats by which a threshold is raised at most
	calmMonths = 2.0  // then the memory is halved
)

// calm is what a target's own clean history says of a hypothesis: how often its
// evidence rose past calmFrom, and how far. If every assumption of the solved
// threshold held, excursions would get rarer by the factor e with each nat; real
// streams alarm more, for they are not quite exchangeable, and then the threshold
// is raised until that history keeps the budget.
//
// It is peaks over a threshold in place of the replay of a ring of increments:
// two sums in place of a month of them, and as exact, because what a replay would
// count is the excursions.
type calm struct {
	peak   float64 // of the present excursion
	n      float64 // excursions past calmFrom that ended without a verdict
	excess float64 // sum of the nats by which they passed it
	seen   float64 // observations
}

// follow takes the evidence after one more observation in health.
func (c *calm) follow(nats, most float64) {
	if c.seen++; c.seen > most {
		c.seen, c.n, c.excess = c.seen/2, c.n/2, c.excess/2
	}
	if nats > 0 {
		c.peak = max(c.peak, nats)
		return
	}
	c.end()
}

// end closes an excursion.
func (c *calm) end() {
	if c.peak > calmFrom {
		c.n++
		c.excess += min(c.peak-calmFrom, 2*calmMost)
	}
	c.peak = 0
}

// raise returns the threshold for a solved one h whose run length has the
// logarithm run. It gives what was seen the benefit of one standard error, so
// that chance hardly ever raises it.
func (c *calm) raise(h, run float64) float64 {
	if c.n < calmPrior || h <= calmFrom {
		return h
	}
	expected := c.seen * math.Exp(h-calmFrom-run)
	often := math.Log((c.n+calmPrior)/(expected+calmPrior)) - 1/math.Sqrt(c.n)
	slope := (c.n + calmSlope) / (c.excess + calmSlope) * (1 + 1/math.Sqrt(c.n))
	raised := calmFrom + (h-calmFrom+max(0, often))/min(1, slope)
	return max(h, min(h+calmMost, raised))
}
