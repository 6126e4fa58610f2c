package scoring

import "math"

// An atom is one value of a CUSUM's increment and its probability when all is
// well.
type atom struct{ p, x float64 }

// step is an atom on the lattice.
type step struct {
	by int
	p  float64
}

// lattice places atoms on multiples of delta, splitting each between its two
// neighbours so that the mean stays; the variance grows by at most delta²/4,
// so run lengths err on the short side.
func lattice(as []atom, delta float64) []step {
	sum := make(map[int]float64, 2*len(as))
	lo, hi := math.MaxInt, math.MinInt
	for _, a := range as {
		at := a.x / delta
		k := int(math.Floor(at + 1e-9))
		f := math.Max(0, at-float64(k))
		sum[k] += a.p * (1 - f)
		sum[k+1] += a.p * f
		lo, hi = min(lo, k), max(hi, k+1)
	}
	var steps []step
	for k := lo; k <= hi; k++ {
		if p := sum[k]; p > 0 {
			steps = append(steps, step{by: k, p: p})
		}
	}
	return steps
}

// runLength returns the mean number of observations until S = max(0, S+x),
// started at 0, reaches h: the Markov chain of Brook & Evans (1972) on a
// lattice. The chain is run until its rate of alarms is steady, and the rest is
// the tail of a geometric distribution.
func runLength(steps []step, h, delta float64) float64 {
	const longest = 1 << 15
	m := max(1, int(math.Ceil(h/delta-1e-9)))
	v, next := make([]float64, m), make([]float64, m)
	v[0] = 1
	alive, mean, rate := 1.0, 0.0, 0.0
	check, before := 32, -1.0
	for n := 1; n <= longest; n++ {
		mean += alive
		advance(next, v, steps)
		left := 0.0
		for _, p := range next {
			left += p
		}
		rate = 1 - left/alive
		alive = left
		v, next = next, v
		if alive < 1e-9 {
			return mean
		}
		if n == check {
			if rate > 0 && math.Abs(rate-before) < 1e-3*rate {
				break
			}
			before, check = rate, check*3/2
		}
	}
	if rate <= 0 {
		return math.Inf(1)
	}
	return mean + alive/rate
}

// advance moves the distribution v by one observation into next; what passes
// the end has raised the alarm and is gone.
func advance(next, v []float64, steps []step) {
	clear(next)
	m := len(v)
	for _, s := range steps {
		switch {
		case s.by >= m:
		case s.by >= 0:
			to, from := next[s.by:], v[:m-s.by]
			for j := range from {
				to[j] += s.p * from[j]
			}
		default:
			k := min(-s.by, m)
			floor := 0.0
			for _, p := range v[:k] {
				floor += p
			}
			next[0] += s.p * floor
			from := v[k:]
			to := next[:len(from)]
			for j := range from {
				to[j] += s.p * from[j]
			}
		}
	}
}

// solveDepth is how far below lnRun thresholds may lie.
const solveDepth = 6.0

// solve returns the least h, to 0.02 nats, whose mean run length is at least
// exp(lnRun). h = lnRun always suffices, because E[exp(x)] <= 1 when all is
// well; and none is more than solveDepth below. The run length grows about as
// exp(h), so the search steps by what is missing and halves where that fails.
func solve(as []atom, lnRun, delta float64) float64 {
	steps := lattice(as, delta)
	lo, hi := math.Max(delta, lnRun-solveDepth), lnRun
	for h := (lo + hi) / 2; hi-lo > .02; {
		missing := lnRun - math.Log(runLength(steps, h, delta))
		if missing > 0 {
			lo = h
		} else if hi = h; missing > -.02 {
			break
		}
		if h += missing + .01; !(h > lo+.005 && h < hi-.005) {
			h = (lo + hi) / 2
		}
	}
	return hi
}

// solver caches thresholds by what they depend on. Not safe for concurrent use.
type solver struct {
	ladders *ladders
	cache   map[thresholdKey]float64
}

type ladders struct {
	coarse, fine, text *ladder
	rates              *[pBuckets]rateRow
}

func newLadders() *ladders {
	return &ladders{
		coarse: newLadder([]float64{.5, .75, .9, .97, .99}),
		fine:   newLadder([]float64{.5, .75, .9, .97, .99, .999}),
		text:   newTextLadder([]float64{.5, .75, .9, .97, .99}),
		rates:  newRateRows(),
	}
}

func (l *ladders) pick(fine bool) *ladder {
	if fine {
		return l.fine
	}
	return l.coarse
}

type thresholdKey struct {
	kind    uint8 // 0 ranks, 1 counts, 2 joint, 3 texts
	fine    bool
	d, e, p int16
	p1      float64
	lnRun   float64
}

// roundRun rounds a run length up to a quarter nat, so that targets of about
// the same interval share thresholds.
func roundRun(lnRun float64) float64 { return math.Ceil(lnRun*4) / 4 }

func (s *solver) cached(k thresholdKey, solve func() float64) float64 {
	h, ok := s.cache[k]
	if !ok {
		h = solve()
		s.cache[k] = h
	}
	return h
}

// ranks returns the threshold of a measured signal with effect bucket d.
func (s *solver) ranks(fine bool, d int, lnRun float64) float64 {
	lnRun = roundRun(lnRun)
	return s.cached(thresholdKey{fine: fine, d: int16(d), lnRun: lnRun}, func() float64 {
		return solve(s.rankAtoms(fine, d), lnRun, .02)
	})
}

// texts returns the threshold of the hypothesis about text.
func (s *solver) texts(lnRun float64) float64 {
	lnRun = roundRun(lnRun)
	return s.cached(thresholdKey{kind: 3, lnRun: lnRun}, func() float64 { return solve(s.ladders.text.atoms(0), lnRun, .02) })
}

func (s *solver) rankAtoms(fine bool, d int) []atom { return s.ladders.pick(fine).atoms(d) }

// atoms returns the increments of effect bucket d; -1 for none.
func (l *ladder) atoms(d int) []atom {
	as := make([]atom, len(l.q0))
	for j, q := range l.q0 {
		as[j] = atom{p: q}
		if d >= 0 {
			as[j].x = l.ell[d][j]
		}
	}
	return as
}

// counts returns the threshold of a counted signal of usual rate bucket p.
func (s *solver) counts(p1 float64, p int, lnRun float64) float64 {
	return s.rates(faultRate(p1, bucketP(p)), p, lnRun)
}

// rates returns the threshold of a rate p1 against the usual bucket p.
func (s *solver) rates(p1 float64, p int, lnRun float64) float64 {
	lnRun = roundRun(lnRun)
	return s.cached(thresholdKey{kind: 1, p: int16(p), p1: p1, lnRun: lnRun}, func() float64 {
		as := rateAtoms(p1, bucketP(p))
		good := -as[1].x
		return solve(as, lnRun, good/math.Ceil(good/.02))
	})
}

func countAtoms(p1, p0 float64) []atom { return rateAtoms(faultRate(p1, p0), p0) }

func rateAtoms(p1, p0 float64) []atom {
	return []atom{{p: p0, x: math.Log(p1 / p0)}, {p: 1 - p0, x: math.Log((1 - p1) / (1 - p0))}}
}

// overload returns the threshold of the joint hypothesis, whose increment is
// the sum of its parts. Its parameters are thinned out to keep the cache small;
// the threshold moves by less than 0.2 nats between neighbours.
func (s *solver) overload(fine bool, first, inter, p int, lnRun float64) float64 {
	lnRun = roundRun(lnRun)
	if first >= 0 {
		first -= first % 3
	}
	if inter >= 0 {
		inter -= inter % 3
	}
	p -= p % 3
	key := thresholdKey{kind: 2, fine: fine, d: int16(first), e: int16(inter), p: int16(p), lnRun: lnRun}
	return s.cached(key, func() float64 {
		p0 := bucketP(p)
		calls := countAtoms(table[errors3].p1, p0)
		as := []atom{calls[0]}
		for _, a := range s.rankAtoms(fine, first) {
			for _, b := range s.rankAtoms(fine, inter) {
				as = append(as, atom{p: calls[1].p * a.p * b.p, x: calls[1].x + a.x + b.x})
			}
		}
		return solve(as, lnRun, .05)
	})
}
