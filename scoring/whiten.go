package scoring

import "math"

// correlation learns how much a residual foretells the next one of its series,
// from healthy pairs. Latency comes in moods; counting ten slow answers of one
// mood as ten witnesses would raise false alarms.
type correlation struct {
	yy, yx, gaps, pairs float64
	rho30               float64 // correlation at 30 s, 0 when not significant
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

// refresh derives the correlation at 30 s. One that is within two standard
// errors of zero is not extrapolated to shorter gaps.
func (c *correlation) refresh() {
	c.rho30, c.bias = 0, 0
	if c.pairs < 10 || c.yy <= 0 {
		return
	}
	rho := math.Min(c.yx/c.yy, .95)
	c.bias = .5 / math.Sqrt(c.pairs)
	if gap := c.gaps / c.pairs; rho > 2/math.Sqrt(c.pairs) && gap > 0 {
		c.rho30 = math.Pow(rho, rhoGap/gap)
	}
}

// at returns the correlation to assume over a gap in seconds, in [0, 0.8].
func (c *correlation) at(gap float64) float64 {
	if gap <= 0 || gap > longestGap {
		return 0
	}
	rho := c.bias
	if c.rho30 > 0 {
		rho += math.Pow(c.rho30, gap/rhoGap)
	}
	return math.Min(rho, rhoMost)
}

// whiten removes from y what the residual before foretold, and brings what is
// left back to the variance of y, so that residuals over different gaps share
// one pool.
func whiten(y, before, rho float64) float64 {
	if rho == 0 {
		return y
	}
	return (y - rho*before) / math.Sqrt(1-rho*rho)
}

// slowing is how far, on the grid of d, the correlation rho moves a bucket:
// d shrinks by sqrt((1-rho)/(1+rho)).
func slowing(rho float64) float64 {
	if rho == 0 {
		return 0
	}
	return .5 * math.Log((1-rho)/(1+rho)) / logDStep
}

// clip bounds v to [-most, most].
func clip(v, most float64) float64 { return math.Max(-most, math.Min(most, v)) }
