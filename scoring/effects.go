package scoring

import (
	"math"
	"slices"

	"github.com/bellwether-llm/bellwether"
)

// counted is how many calls failed since an onset, of those that are still
// remembered.
type counted struct {
	n, bad float64
	worst  bellwether.Outcome // the most frequent way of failing
}

// rate is the estimated rate of failure: (bad + 1/2) / (n + 1), after Jeffreys.
func (c counted) rate() float64 { return (c.bad + .5) / (c.n + 1) }

// interval is Wilson's 90 % interval of the rate.
func (c counted) interval() (lo, hi float64) {
	const z = 1.645
	if c.n == 0 {
		return 0, 1
	}
	p := c.bad / c.n
	mid, half := p+z*z/(2*c.n), z*math.Sqrt(p*(1-p)/c.n+z*z/(4*c.n*c.n))
	return math.Max(0, (mid-half)/(1+z*z/c.n)), math.Min(1, (mid+half)/(1+z*z/c.n))
}

func (t *target) callsSince(since int64) counted   { return countSince(&t.calls, since) }
func (t *target) answersSince(since int64) counted { return countSince(&t.answers, since) }

// countSince counts what f is about, of what is still remembered; of ratings
// since the evidence last was zero.
func (t *target) countSince(f family, since int64) counted {
	switch f {
	case famSanity:
		return t.answersSince(since)
	case famStrange:
		c, _ := t.textWords(since)
		return c
	case famDisliked:
		return counted{n: t.bank.n[disliked15], bad: t.bank.bad[disliked15]}
	}
	return t.callsSince(since)
}

func countSince(r *ring[tally], since int64) counted {
	var c counted
	var ways [len(outcomeNames)]float64
	for i := range r.len() {
		one := r.last(i)
		if one.at < since {
			continue
		}
		c.n += float64(one.n)
		c.bad += float64(one.bad)
		ways[one.worst] += float64(one.bad)
	}
	most := 0.0
	for i, n := range ways {
		if n > most {
			most, c.worst = n, outcomeNames[i]
		}
	}
	return c
}

// effect is how far a measured signal is off its baseline since an onset, over
// the samples that are still remembered.
type effect struct {
	n         int
	middle    float64 // median residual, a logarithm
	low, high float64 // its 90 % interval, from order statistics
	value     float64 // median of the raw values, a logarithm
	p95       float64 // 95th percentile of them
	spread    float64 // robust standard deviation of the residuals
}

// shrunk is the factor that is safe to claim: the median, drawn towards 1 while
// samples are few.
func (e effect) shrunk() float64 {
	n := float64(e.n)
	return math.Exp(e.middle * n / (n + 5))
}

// seems reports whether the effect, as far as it is known, is of a size that
// matters in the direction that f is about. Of counts the interval must be on
// that side as well: their median jumps from one value to another by chance.
func (e effect) seems(f family) bool {
	r := math.Exp(e.middle)
	switch f {
	case famLonger:
		return r > sizeRatio && e.low > 0
	case famShorter:
		return r < sizeShorter && e.high < 0
	case famUnsure:
		return e.middle >= sizeUnsure
	}
	return f >= famOwn || r >= sizeRatio
}

// accusers returns the keys of the series that speak for f: those that accused
// while it is in alarm, those that hold evidence before. What other canaries or
// vantages measure, which the fault may not touch, would hide its size.
func (t *target) accusers(f family, keys []uint64) []uint64 {
	first, last := f.span()
	for _, s := range t.series {
		speaks := s.accuses[f]
		for i := first; i <= last && !t.fam[f].active; i++ {
			speaks = (i > first && speaks) || s.nats[i] >= cleanNats
		}
		if speaks && len(keys) < cap(keys) {
			keys = append(keys, s.key())
		}
	}
	return keys
}

// effectSince estimates the effect that f is about in signal k, over the series
// that speak for it, or all when none does. O(64 log 64), no allocation.
func (t *target) effectSince(f family, k kind, since int64) effect {
	var room [mostSeries]uint64
	keys := t.accusers(f, room[:0])
	if eff := t.effectOf(keys, k, since); eff.n > 0 {
		return eff
	}
	return t.effectOf(nil, k, since)
}

// effectOf estimates the effect over the series of those keys; nil means all.
func (t *target) effectOf(keys []uint64, k kind, since int64) effect {
	r := &t.effects[k]
	var ys, zs [64]float64
	n := 0
	for i := range r.len() {
		if one := r.last(i); one.at >= since && (len(keys) == 0 || slices.Contains(keys, one.from)) {
			ys[n], zs[n] = one.y, one.z
			n++
		}
	}
	if n == 0 {
		return effect{}
	}
	y, z := ys[:n], zs[:n]
	eff := effect{n: n, middle: medianOf(y), value: medianOf(z)}
	half := 1.645 * math.Sqrt(float64(n)) / 2
	eff.low = y[max(0, int(math.Floor(float64(n)/2-half)))]
	eff.high = y[min(n-1, int(math.Ceil(float64(n)/2+half)))]
	eff.p95 = z[min(n-1, int(.95*float64(n)))]
	for i := range y {
		y[i] = math.Abs(y[i] - eff.middle)
	}
	eff.spread = 1.4826 * medianOf(y)
	return eff
}
