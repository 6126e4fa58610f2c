package scoring

import "math"

// rate learns how often something usually fails: a Beta posterior over its
// prior. Counts wait in quarantine like samples.
type rate struct {
	good, bad         float64
	waitGood, waitBad float64
	bucket            int // of the upper 80 % bound of the rate; see bucketP
}

// prior is a Beta(bad, good) distribution.
type prior struct{ bad, good float64 }

// The priors of usual failure rates: about 0.5 %, 1 % and 0.25 %; of how often
// ratings are bad 5 %.
var priorErrors, priorQuota, priorInsane, priorFeedback = prior{1, 199}, prior{1, 99}, prior{1, 399}, prior{1, 19}

// halveAt bounds the memory of a rate, in observations.
const halveAt = 40000

func (r *rate) wait(good, bad float64) { r.waitGood += good; r.waitBad += bad }

// release lets the counts out of quarantine.
func (r *rate) release(p prior) {
	if r.waitGood == 0 && r.waitBad == 0 {
		return
	}
	r.good += r.waitGood
	r.bad += r.waitBad
	r.drop()
	if r.good+r.bad > halveAt {
		r.good, r.bad = r.good/2, r.bad/2
	}
	r.refresh(p)
}

func (r *rate) drop() { r.waitGood, r.waitBad = 0, 0 }

// refresh derives the bucket. The bound is the mean plus 0.84 standard
// deviations of the posterior, close to its 80 % quantile.
func (r *rate) refresh(p prior) {
	mean := r.mean(p)
	n := r.good + r.bad + p.good + p.bad
	r.bucket = bucketOfP(mean + .8416*math.Sqrt(mean*(1-mean)/(n+1)))
}

// mean returns the expected rate.
func (r *rate) mean(p prior) float64 { return (r.bad + p.bad) / (r.good + r.bad + p.good + p.bad) }

// burst learns how often a failure is followed by another one in health, so
// that a cluster of failures is not taken for independent ones.
type burst struct {
	failed bool  // the last probe
	at     int64 // when
	rate   rate
}

var priorBurst = prior{1, 4}

// null returns the probability of failure to assume in health for a probe at
// the given time: p0, or after a failure what usually follows one, fading with
// the gap.
func (b *burst) null(p0 float64, p prior, at int64) float64 {
	if !b.failed {
		return p0
	}
	gap := max(0, seconds(at-b.at))
	q := b.rate.mean(p)
	return max(p0, p0+(q-p0)*math.Exp(-gap/burstTime))
}

// see remembers a probe, and its pair when the one before had failed shortly
// before.
func (b *burst) see(at int64, failed bool) {
	if b.failed && seconds(at-b.at) <= 2*burstTime {
		if failed {
			b.rate.wait(0, 1)
		} else {
			b.rate.wait(1, 0)
		}
	}
	b.failed, b.at = failed, at
}
