package scoring

import (
	"math"
	"slices"
)

const (
	poolBins   = 512
	poolCoarse = 16 // sums over 32 bins each, so that a rank adds up 48 numbers at most
	poolWide   = 6  // the bins cover this many standard deviations on both sides
	youngMost  = 64 // this many samples are kept as they are
)

// pool is what the whitened residuals of one signal of one series were like in
// health: the first samples as they are, later a histogram that forgets with
// [poolHalfLife] of healthy time. It serves ranks only.
type pool struct {
	young  []float64
	bins   []float32 // empty while young
	coarse [poolCoarse]float64
	width  float64 // of a bin; while young 0, or what it is to be
	gain   float64 // weight of the next sample; grows in place of decaying the rest
	total  float64 // sum of all weights
}

// size returns how many samples the pool is worth.
func (p *pool) size() float64 {
	if len(p.bins) == 0 {
		return float64(len(p.young))
	}
	return p.total / p.gain
}

// rank returns the randomised rank of w in (0, 1): uniform when w is
// exchangeable with the pool, whatever its distribution. v is uniform in (0, 1).
func (p *pool) rank(w, v float64) float64 {
	var below, same float64
	if len(p.bins) == 0 {
		for _, x := range p.young {
			switch {
			case x < w:
				below++
			case x == w:
				same++
			}
		}
		return (below + v*(same+1)) / (float64(len(p.young)) + 1)
	}
	i := p.index(w)
	below, same = p.before(i), float64(p.bins[i])
	return (below + v*(same+p.gain)) / (p.total + p.gain)
}

func (p *pool) index(w float64) int {
	i := int(math.Floor(w/p.width)) + poolBins/2
	return min(max(i, 0), poolBins-1)
}

// before returns the weight of all bins below i.
func (p *pool) before(i int) float64 {
	const per = poolBins / poolCoarse
	sum := 0.0
	for _, c := range p.coarse[:i/per] {
		sum += c
	}
	for _, b := range p.bins[i/per*per : i] {
		sum += float64(b)
	}
	return sum
}

// add takes in a healthy sample, healthy seconds after the one before.
func (p *pool) add(w, healthy float64) {
	if len(p.bins) == 0 {
		if p.young == nil {
			p.young = make([]float64, 0, youngMost)
		}
		if p.young = append(p.young, w); len(p.young) == youngMost {
			p.bin()
		}
		return
	}
	p.gain *= math.Exp(healthy * (math.Ln2 / poolHalfLife))
	if p.gain > 1024 {
		p.rescale(1 / p.gain)
		p.gain = 1
	}
	p.put(w, p.gain)
}

func (p *pool) put(w, weight float64) {
	i := p.index(w)
	p.bins[i] += float32(weight)
	p.coarse[i/(poolBins/poolCoarse)] += weight
	p.total += weight
}

// rescale multiplies all weights by f, and sums up afresh.
func (p *pool) rescale(f float64) {
	p.coarse, p.total = [poolCoarse]float64{}, 0
	for i := range p.bins {
		p.bins[i] *= float32(f)
		p.coarse[i/(poolBins/poolCoarse)] += float64(p.bins[i])
		p.total += float64(p.bins[i])
	}
}

// bin turns the young samples into a histogram.
func (p *pool) bin() {
	sigma := max(p.spread(), 1e-6)
	p.bins, p.gain = make([]float32, poolBins), 1
	if p.width == 0 {
		p.width = 2 * poolWide * sigma / poolBins
	}
	for _, w := range p.young {
		p.put(w, 1)
	}
	p.young = nil
}

// refit moves the bins to a new width when the spread has changed by much.
// What was in a bin is laid out evenly over it.
func (p *pool) refit(sigma float64) {
	width := 2 * poolWide * sigma / poolBins
	if len(p.bins) == 0 || (p.width < 1.6*width && p.width > width/1.6) {
		return
	}
	const parts = 4
	old, from := slices.Clone(p.bins), p.width
	clear(p.bins)
	p.coarse, p.total, p.width = [poolCoarse]float64{}, 0, width
	for i, b := range old {
		for k := range parts {
			if b > 0 {
				p.put((float64(i-poolBins/2)+(float64(k)+.5)/parts)*from, float64(b)/parts)
			}
		}
	}
}

// stretch multiplies all values in the pool by f.
func (p *pool) stretch(f float64) {
	for i := range p.young {
		p.young[i] *= f
	}
	p.width *= f
}

// spread returns the robust standard deviation: 1.4826 times the median
// absolute deviation from the median.
func (p *pool) spread() float64 {
	if len(p.bins) == 0 {
		return spreadOf(p.young)
	}
	mid := p.quantile(.5)
	lo, hi := 0.0, 2*poolWide*p.width*poolBins
	for range 30 {
		r := (lo + hi) / 2
		if p.below(mid+r)-p.below(mid-r) < p.total/2 {
			lo = r
		} else {
			hi = r
		}
	}
	return 1.4826 * hi
}

// below returns the weight below x, bins being filled evenly.
func (p *pool) below(x float64) float64 {
	at := x/p.width + poolBins/2
	i := int(math.Floor(at))
	switch {
	case i < 0:
		return 0
	case i >= poolBins:
		return p.total
	}
	return p.before(i) + (at-float64(i))*float64(p.bins[i])
}

func (p *pool) quantile(q float64) float64 {
	lo, hi := -poolBins/2*p.width, poolBins/2*p.width
	for range 40 {
		if mid := (lo + hi) / 2; p.below(mid) < q*p.total {
			lo = mid
		} else {
			hi = mid
		}
	}
	return (lo + hi) / 2
}

// median returns the middle of the pool, which of few values is one of them.
func (p *pool) median() float64 {
	if len(p.bins) == 0 {
		return medianOf(slices.Clone(p.young))
	}
	return p.quantile(.5)
}

// spreadOf is spread for few values. It allocates.
func spreadOf(xs []float64) float64 {
	if len(xs) == 0 {
		return 0
	}
	dev := slices.Clone(xs)
	mid := medianOf(dev)
	for i, x := range dev {
		dev[i] = math.Abs(x - mid)
	}
	return 1.4826 * medianOf(dev)
}

// medianOf sorts xs and returns its median; 0 for none.
func medianOf(xs []float64) float64 {
	n := len(xs)
	if n == 0 {
		return 0
	}
	slices.Sort(xs)
	return (xs[(n-1)/2] + xs[n/2]) / 2
}

// uniform maps an observation and a signal to (0, 1): the V of randomised
// ranks, the same whenever the observation is replayed.
func uniform(id string, salt uint64) float64 {
	h := uint64(14695981039346656037) ^ salt*0x9e3779b97f4a7c15
	for i := range len(id) {
		h = (h ^ uint64(id[i])) * 1099511628211
	}
	h ^= h >> 30
	h *= 0xbf58476d1ce4e5b9
	h ^= h >> 27
	h *= 0x94d049bb133111eb
	h ^= h >> 31
	return (float64(h>>11) + .5) / (1 << 53)
}
