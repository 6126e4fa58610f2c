package limits

import (
	"math"
	"slices"
)

// Figure is a measured number and its 95 % interval.
type Figure struct{ Value, Low, High float64 }

// Poisson returns events per unit of exposure with its exact interval
// (Garwood 1936). Without exposure it is not a number.
func Poisson(events int, exposure float64) Figure {
	if exposure <= 0 {
		return Figure{math.NaN(), math.NaN(), math.NaN()}
	}
	k := float64(events)
	f := Figure{Value: k / exposure, High: solveUp(func(m float64) float64 { return poissonBelow(events, m) }, .025, k) / exposure}
	if events > 0 {
		f.Low = solveUp(func(m float64) float64 { return poissonBelow(events-1, m) }, .975, k) / exposure
	}
	return f
}

// poissonBelow returns P(X <= k) for the mean m.
func poissonBelow(k int, m float64) float64 {
	if m <= 0 {
		return 1
	}
	sum := 0.0
	for i := 0; i <= k; i++ {
		lg, _ := math.Lgamma(float64(i) + 1)
		sum += math.Exp(float64(i)*math.Log(m) - m - lg)
	}
	return sum
}

// solveUp returns the m at which the falling function p is at level.
func solveUp(p func(float64) float64, level, near float64) float64 {
	lo, hi := 0.0, near+10*math.Sqrt(near+1)+10
	for range 80 {
		if m := (lo + hi) / 2; p(m) > level {
			lo = m
		} else {
			hi = m
		}
	}
	return (lo + hi) / 2
}

// Share returns k of n with its exact interval (Clopper & Pearson 1934).
func Share(k, n int) Figure {
	if n == 0 {
		return Figure{math.NaN(), math.NaN(), math.NaN()}
	}
	f := Figure{Value: float64(k) / float64(n), High: 1}
	if k > 0 {
		f.Low = bisect(func(p float64) float64 { return 1 - binomialBelow(k-1, n, p) }, .025)
	}
	if k < n {
		f.High = bisect(func(p float64) float64 { return 1 - binomialBelow(k, n, p) }, .975)
	}
	return f
}

// binomialBelow returns P(X <= k) of n trials.
func binomialBelow(k, n int, p float64) float64 {
	sum := 0.0
	ln, _ := math.Lgamma(float64(n) + 1)
	for i := 0; i <= k; i++ {
		a, _ := math.Lgamma(float64(i) + 1)
		b, _ := math.Lgamma(float64(n-i) + 1)
		sum += math.Exp(ln - a - b + float64(i)*math.Log(p) + float64(n-i)*math.Log1p(-p))
	}
	return sum
}

// bisect returns the argument in (0, 1) at which the rising f is at level.
func bisect(f func(float64) float64, level float64) float64 {
	lo, hi := 0.0, 1.0
	for range 60 {
		if m := (lo + hi) / 2; f(m) < level {
			lo = m
		} else {
			hi = m
		}
	}
	return (lo + hi) / 2
}

// Mean returns the mean of xs with its interval by the normal distribution;
// of fewer than two it has none.
func Mean(xs []float64) Figure {
	n := float64(len(xs))
	if n == 0 {
		return Figure{math.NaN(), math.NaN(), math.NaN()}
	}
	m := 0.0
	for _, x := range xs {
		m += x / n
	}
	v := 0.0
	for _, x := range xs {
		v += (x - m) * (x - m)
	}
	if n < 2 {
		return Figure{m, math.Inf(-1), math.Inf(1)}
	}
	e := 1.96 * math.Sqrt(v/(n-1)/n)
	return Figure{m, m - e, m + e}
}

// Error returns the standard error that the interval stands for.
func (f Figure) Error() float64 { return (f.High - f.Low) / 3.92 }

// Over returns f divided by g, with the interval of the logarithms' errors
// added up (delta method); both must be positive.
func (f Figure) Over(g Figure) Figure {
	v := f.Value / g.Value
	e := 1.96 * math.Hypot(f.Error()/f.Value, g.Error()/g.Value)
	return Figure{v, v * math.Exp(-e), v * math.Exp(e)}
}

// Quantile returns the q-quantile of xs; NaN of none.
func Quantile(xs []float64, q float64) float64 {
	if len(xs) == 0 {
		return math.NaN()
	}
	ys := slices.Clone(xs)
	slices.Sort(ys)
	return ys[min(len(ys)-1, int(q*float64(len(ys))))]
}

// Median is the middle of xs.
func Median(xs []float64) float64 { return Quantile(xs, .5) }

// AtLeast returns the probability of k or more of n, each with probability p.
func AtLeast(k, n int, p float64) float64 {
	if k <= 0 {
		return 1
	}
	return math.Max(0, 1-binomialBelow(k-1, n, p))
}

// Tail returns the value that a standard normal exceeds with the probability.
func Tail(level float64) float64 { return math.Sqrt2 * math.Erfinv(1-2*level) }
