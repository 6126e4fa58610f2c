package scoring

import "math"

// correlation learns how much a residual foretells the next one of its series,
// from healthy pairs. Latency comes in moods; counting ten slow answers of one
// mood as ten witnesses would raise false alarms.
type correlation struct {
	yy, yx, gaps, pairs float64
	rho30               float64 // correlation at 30 s, 0 when not significant
	sure30              float64 // its lower bound, two standard errors down
	bias                float64 // half the standard error, added to stay on the safe side
}

const rhoGap = 30.0 // seconds

// learn takes in a pair of residuals gap seconds apart, clipped at three
// standard deviations.
func (c *correlation) learn(y, before, gap, sigma float64) {
	y, before = clip(y, 3*sigma), clip(before, 3*sigma)
	c.yx += y * before
	c.yy += (y*y + before*before) / 2
	c.gaps += gap
	if c.pairs++; c.pairs >= 8192 {
		c.yy, c.yx, c.gaps, c.pairs = c.yy/2, c.yx/2, c.gaps/2, c.pairs/2
	}
}

// leastPairs is how many pairs a correlation is believed from.
const leastPairs = 100

// refresh derives the correlation at 30 s. One that is within two standard
// errors of zero is not extrapolated to other gaps.
func (c *correlation) refresh() {
	c.rho30, c.sure30, c.bias = 0, 0, 0
	if c.pairs < leastPairs || c.yy <= 0 {
		return
	}
	rho, wide := min(c.yx/c.yy, .95), 2/math.Sqrt(c.pairs)
	c.bias = .5 / math.Sqrt(c.pairs)
	if gap := c.gaps / c.pairs; rho > wide && gap > 0 {
		c.rho30 = math.Pow(rho, rhoGap/gap)
		c.sure30 = math.Pow(rho-wide, rhoGap/gap)
	}
}

// at returns the correlation to remove over a gap in seconds, in [0, 0.8], and
// how much of it is certain.
func (c *correlation) at(gap float64) (rho, sure float64) {
	if gap <= 0 || gap > longestGap {
		return 0, 0
	}
	rho = c.bias
	if c.rho30 > 0 {
		rho += math.Pow(c.rho30, gap/rhoGap)
		sure = min(rhoMost, math.Pow(c.sure30, gap/rhoGap))
	}
	return min(rho, rhoMost), sure
}

// widening is the standard deviation of y - rho*before, in those of y, when the
// true correlation is no more than what is certain: removing a correlation that
// is not there adds noise, which must not pass for a change.
func widening(rho, sure float64) float64 { return math.Sqrt(1 + rho*rho - 2*rho*sure) }

// whiten removes from y what the residual before foretold, and brings what is
// left back to the variance of y, so that residuals over different gaps share
// one pool.
func whiten(y, before, rho, sure float64) float64 {
	if rho == 0 {
		return y
	}
	return (y - rho*before) / widening(rho, sure)
}

// slowing is how far, on the grid of d, the correlation moves a bucket: of a
// lasting shift 1-rho is left, over the same spread.
func slowing(rho, sure float64) float64 {
	if rho == 0 {
		return 0
	}
	return math.Log((1-rho)/widening(rho, sure)) / logDStep
}

// clip bounds v to [-most, most].
func clip(v, most float64) float64 { return max(-most, min(most, v)) }
