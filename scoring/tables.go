package scoring

import "math"

// The effect size d of a hypothesis, in standard deviations of the whitened
// residual, is rounded down to a geometric grid, so that increments and
// thresholds are tabled once and agree exactly.
const (
	dLeast, dStep = 0.1, 1.15
	dBuckets      = 36
)

// A rate p0 is rounded up to a geometric grid likewise.
const (
	pLeast, pStep = 1e-4, 1.25
	pBuckets      = 42 // up to 0.94
)

// mostBins is the number of rank bins of the finer ladder.
const mostBins = 7

// ladder holds the log likelihood ratios of rank bins for every d. The finer
// ladder, with a bin above .999, serves pools of a thousand samples and more.
type ladder struct {
	edges []float64 // upper ends of all bins but the last
	q0    []float64 // probability of each bin when all is well
	ell   [dBuckets][mostBins]float64
	least [dBuckets]float64 // samples that a pool must have for the effect to be told from its own error
}

// poolError bounds how large an effect the pool's own error may imitate. The
// middle of m samples is off by 1.25/sqrt(m) standard deviations; evidence for
// an effect d falls in health as long as that is less than d/2, which at three
// standard errors takes m >= (8/d)^2. With less, a quarantined pool would go on
// accusing what it has not learned.
const poolError = 8

// newLadder fills the table: q1_j = .98 (Phi(e_j-d) - Phi(e_{j-1}-d)) + .02
// q0_j, and ell = ln(q1/q0). The mixture bounds ell, as Huber's clipped ratio.
func newLadder(edges []float64) *ladder {
	l := &ladder{edges: edges}
	last := 0.0
	for _, e := range append(append([]float64{}, edges...), 1) {
		l.q0 = append(l.q0, e-last)
		last = e
	}
	for k := range dBuckets {
		d := bucketD(k)
		l.least[k] = (poolError / d) * (poolError / d)
		below := 0.0
		for j, q0 := range l.q0 {
			at := 1.0
			if j < len(edges) {
				at = phi(math.Sqrt2*math.Erfinv(2*edges[j]-1) - d)
			}
			l.ell[k][j] = math.Log((.98*(at-below) + .02*q0) / q0)
			below = at
		}
	}
	return l
}

// The text ladder tests one answer in three being three standard deviations off
// in its strongest feature, and the rest as ever.
const textShare, textShift = .3, 3.0

// newTextLadder fills bucket 0 of a ladder of text.
func newTextLadder(edges []float64) *ladder {
	l := newLadder(edges)
	below := 0.0
	for j, q0 := range l.q0 {
		at := 1.0
		if j < len(edges) {
			at = phi(math.Sqrt2*math.Erfinv(2*edges[j]-1) - textShift)
		}
		l.ell[0][j] = math.Log((textShare*(at-below) + (1-textShare)*q0) / q0)
		below = at
	}
	return l
}

// bin returns the bin that the rank u in (0, 1) falls in.
func (l *ladder) bin(u float64) int {
	for j, e := range l.edges {
		if u < e {
			return j
		}
	}
	return len(l.edges)
}

// bucketD returns the effect size of bucket k.
func bucketD(k int) float64 { return dLeast * math.Pow(dStep, float64(k)) }

// logD places d on the grid as a real number; its floor is the bucket.
func logD(d float64) float64 { return math.Log(d/dLeast) / logDStep }

const logDStep = 0.13976194237515868 // ln(dStep)

// bucketOf returns the bucket of a place on the grid, -1 when the effect is too
// small to be seen.
func bucketOf(place float64) int {
	if !(place >= 0) {
		return -1
	}
	return int(min(place, dBuckets-1))
}

const logPStep = 0.22314355131420976 // ln(pStep)

// rateRow is what calls say where they usually fail at the rate of a bucket.
type rateRow struct {
	p0        float64
	good, bad [hypotheses]float64 // the counted hypotheses' log likelihood ratios
	worse     [2]float64          // for errors 30 % against errors 3 %: of a success, of a failure
}

func newRateRows() *[pBuckets]rateRow {
	var rows [pBuckets]rateRow
	for k := range rows {
		r := &rows[k]
		r.p0 = bucketP(k)
		for i := range table {
			if table[i].p1 > 0 {
				as := countAtoms(table[i].p1, r.p0)
				r.bad[i], r.good[i] = as[0].x, as[1].x
			}
		}
		small, large := faultRate(table[errors3].p1, r.p0), faultRate(table[errors30].p1, r.p0)
		r.worse = [2]float64{math.Log((1 - large) / (1 - small)), math.Log(large / small)}
	}
	return &rows
}

// bucketP returns the rate of bucket k.
func bucketP(k int) float64 { return pLeast * math.Pow(pStep, float64(k)) }

// bucketOfP returns the smallest bucket whose rate is at least p.
func bucketOfP(p float64) int {
	if !(p > pLeast) {
		return 0
	}
	return min(int(math.Ceil(math.Log(p/pLeast)/logPStep-1e-9)), pBuckets-1)
}

// faultRate is the rate under a fault for a target whose usual rate is p0: a
// target that often fails is at fault when it fails twice as often, or when half
// of what went well fails too.
func faultRate(p1, p0 float64) float64 { return max(p1, min(2*p0, (1+p0)/2)) }

func phi(x float64) float64 { return .5 * math.Erfc(-x/math.Sqrt2) }
