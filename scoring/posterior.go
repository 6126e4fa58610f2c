package scoring

import "math"

// belief is the posterior probability of each state of a target: good first,
// then the hypotheses of the bank (Shiryaev's reading of the same ratios that
// the bank accumulates). It sets weights and scores, never verdicts.
type belief struct {
	p [hypotheses + 1]float64
}

func newBelief() belief {
	var b belief
	b.p[0] = 1
	return b
}

// coldBelief is what is thought of a target before its first observation: that
// it may be at fault already, as likely as faults take up time. A config that was
// never tried has no past to be trusted for.
func coldBelief(active hypSet, set *settings) belief {
	ill := set.mttr / (set.mtbf + set.mttr)
	b := newBelief()
	for rest, i := active.next(); i >= 0; rest, i = rest.next() {
		b.p[i+1] = ill * share(i, active)
		b.p[0] -= b.p[i+1]
	}
	return b
}

// share is the part of all faults that each active hypothesis is expected to be:
// equal parts, an outage twice.
func share(i int, active hypSet) float64 {
	if i == errors97 {
		return 2 / float64(active.size()+1)
	}
	return 1 / float64(active.size()+1)
}

// add moves the belief on by a time in which a fault begins, and in which one
// ends, with those probabilities, and takes in one observation. Only the active
// hypotheses are possible.
func (b *belief) add(r *reading, active hypSet, begin, end float64) {
	good := b.p[0]
	sum := good*(1-begin) + (1-good)*end
	b.p[0] = sum
	for rest, i := active.next(); i >= 0; rest, i = rest.next() {
		p := b.p[i+1]*(1-end) + good*begin*share(i, active)
		if r.says.has(i) {
			x := r.ell[i]
			if i <= errors97 && r.null > 0 {
				x = r.streak(i)
			}
			p *= math.Exp(clip(x, 500))
		}
		b.p[i+1] = p
		sum += p
	}
	for i := range b.p {
		b.p[i] /= sum
	}
}

// streak is what a probe's success or failure says to the belief about errors
// hypothesis i. In a burst that the past knows failures follow failures whatever
// else is wrong, so that all hypotheses are held against the same rate: a run of
// failures speaks for an outage, and not for three failures in a hundred.
func (r *reading) streak(i int) float64 {
	p1 := faultRate(table[i].p1, r.p0)
	q := max(r.p0, min(r.null, faultRate(table[errors97].p1, r.p0)/2))
	if q > r.p0 {
		p1 = max(p1, q)
	}
	if r.failed > 0 {
		return math.Log(p1 / q)
	}
	return math.Log((1 - p1) / (1 - q))
}

// weight returns the expected utility: the fraction of its normal traffic that
// the target deserves, in [0, 1]. What is small counts as good.
func (b *belief) weight(set *settings, small *[hypotheses]bool) float64 {
	w := b.p[0]
	for i := range table {
		if small[i] {
			w += b.p[i+1]
			continue
		}
		w += b.p[i+1] * max(table[i].utility, set.floor[i])
	}
	return min(1, w)
}

// leastBelief is the probability below which a hypothesis moves no weight, so
// that its size need not be known.
const leastBelief = .01

// small tells which hypotheses about measured signals are believed only because
// evidence grew, while what was measured since is of no size that matters: a
// change that is sure but harmless withholds no traffic.
func (e *Engine) small(t *target) (small [hypotheses]bool) {
	for f := famErrors; f < families; f++ {
		if t.fam[f].active || t.active.in(f) == 0 || f.class() != measured {
			continue
		}
		k := f.kind()
		first, last := f.span()
		for i := first; i <= last; i++ {
			if t.belief.p[i+1] >= leastBelief && t.bank.nats[i] > 0 {
				small[i] = !t.effectSince(f, k, t.bank.since[i]).seems(f)
			}
		}
	}
	return small
}

// hard reports whether an outage is what is most likely wrong.
func (b *belief) hard() bool { return b.p[errors97+1] > (1-b.p[0])/2 }

// The rates of 429 answers that the quota bank tells apart, and the weights
// that they deserve.
var (
	quotaRates   = [2]float64{.2, .8}
	quotaWeights = [3]float64{1, .8, .2}
)

// quotaBank follows 429 answers apart from health: they lower the weight only.
type quotaBank struct {
	nats  [2]float64
	since [2]int64
	p     [3]float64
}

func (q *quotaBank) add(limited bool, p0 float64, at int64, gap float64, set *settings) {
	if q.p[0] == 0 && q.p[1] == 0 && q.p[2] == 0 {
		q.p[0] = 1
	}
	begin, end := -math.Expm1(-gap/set.mtbf), -math.Expm1(-gap/set.mttr)
	good := q.p[0]
	q.p[0] = good*(1-begin) + (1-good)*end
	sum := q.p[0]
	for i, p1 := range quotaRates {
		p1 = faultRate(p1, p0)
		x := math.Log((1 - p1) / (1 - p0))
		if limited {
			x = math.Log(p1 / p0)
		}
		if q.nats[i] == 0 {
			q.since[i] = at
		}
		q.nats[i] = max(0, q.nats[i]+x)
		q.p[i+1] = (q.p[i+1]*(1-end) + good*begin/2) * math.Exp(x)
		sum += q.p[i+1]
	}
	for i := range q.p {
		q.p[i] /= sum
	}
}

// weight returns the factor that 429 answers put on the weight.
func (q *quotaBank) weight() float64 {
	if q.p[0] == 0 && q.p[1] == 0 && q.p[2] == 0 {
		return 1
	}
	return q.p[0]*quotaWeights[0] + q.p[1]*quotaWeights[1] + q.p[2]*quotaWeights[2]
}
