package scoring

import "math"

// correlation learns how much a residual foretells the next one of its series,
// from healthy pairs. Latency comes in moods; counting ten slow answers of one
// mood as ten witnesses would raise false alarms. Pairs of suspicion's pace are
// learned apart from scheduled ones, because some moods last for a time and others
// for a number of answers.
type correlation struct {
	near, far pairs // less than nearGap apart, and more
}

// pairs are what is known of residuals about so far apart.
type pairs struct {
	yy, yx, gaps, n float64
	rho             float64 // correlation at the mean gap, 0 when not significant
	sure            float64 // its lower bound, two standard errors down
	bias            float64 // half the standard error, added to stay on the safe side
}

const (
	nearGap    = 15.0 // seconds
	leastPairs = 100  // pairs that a correlation is believed from
)

// learn takes in a pair of residuals gap seconds apart, clipped at three
// standard deviations.
func (c *correlation) learn(y, before, gap, sigma float64) {
	p := &c.far
	if gap < nearGap {
		p = &c.near
	}
	y, before = clip(y, 3*sigma), clip(before, 3*sigma)
	p.yx += y * before
	p.yy += (y*y + before*before) / 2
	p.gaps += gap
	if p.n++; p.n >= 8192 {
		p.yy, p.yx, p.gaps, p.n = p.yy/2, p.yx/2, p.gaps/2, p.n/2
	}
}

func (c *correlation) refresh() {
	c.near.refresh()
	c.far.refresh()
}

// refresh derives the correlation. One that is within two standard errors of
// zero is not extrapolated to other gaps.
func (p *pairs) refresh() {
	p.rho, p.sure, p.bias = 0, 0, 0
	if p.n < leastPairs || p.yy <= 0 {
		return
	}
	rho, wide := min(p.yx/p.yy, .95), 2/math.Sqrt(p.n)
	p.bias = .5 / math.Sqrt(p.n)
	if rho > wide {
		p.rho, p.sure = rho, rho-wide
	}
}

// at returns the correlation to remove over a gap in seconds, in [0, 0.8], and
// how much of it is certain: over gaps like those that were seen it fades with
// time, and so does what is certain. Over shorter gaps than were ever seen it may
// be higher, which is removed but not certain; over longer ones nothing is.
func (c *correlation) at(gap float64) (rho, sure float64) {
	if gap <= 0 || gap > longestGap {
		return 0, 0
	}
	p, other := &c.far, &c.near
	if gap < nearGap {
		p, other = other, p
	}
	seen := p.n >= leastPairs
	if !seen {
		p = other
	}
	rho = p.bias
	if p.rho > 0 {
		mean := p.gaps / p.n
		rho += math.Pow(p.rho, gap/mean)
		sure = p.sure
		if gap > mean {
			sure = math.Pow(p.sure, gap/mean)
		}
		if !seen && gap > nearGap {
			sure = 0
		}
	}
	return min(rho, rhoMost), min(sure, rhoMost)
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
