package main

import (
	"math"
	"slices"
)

// shape is a body that is normal in ln x, with an upper tail: with probability
// share an exponential of mean scale is added to ln x (a Pareto tail in x).
type shape struct{ mu, sigma, share, scale float64 }

// fitShape returns the maximum-likelihood shape of the logarithms ln. It is a
// compass search over four parameters from three starts; deterministic.
func fitShape(ln []float64) shape {
	m, s := median(ln), max(mad(ln), 1e-3)
	best, bestAt := math.Inf(-1), []float64(nil)
	for _, share := range []float64{0.02, 0.1, 0.3} {
		at := []float64{m, math.Log(s), math.Log(share / (1 - share)), math.Log(3 * s)}
		if l := climb(at, func(p []float64) float64 { return likelihood(ln, unpack(p)) }); l > best {
			best, bestAt = l, at
		}
	}
	return unpack(bestAt)
}

func unpack(p []float64) shape {
	return shape{mu: p[0], sigma: math.Exp(p[1]), share: 1 / (1 + math.Exp(-p[2])), scale: math.Exp(p[3])}
}

// climb moves at to a local maximum of f and returns its value there.
func climb(at []float64, f func([]float64) float64) float64 {
	best := f(at)
	for step := 0.5; step > 1e-4; {
		moved := false
		for i := range at {
			for _, d := range []float64{step, -step} {
				at[i] += d
				if v := f(at); v > best {
					best, moved = v, true
					break
				}
				at[i] -= d
			}
		}
		if !moved {
			step /= 2
		}
	}
	return best
}

// likelihood is the log-likelihood of ln under s; -Inf outside the range in
// which the two parts can be told apart (a tail wider than the body, rarer).
func likelihood(ln []float64, s shape) float64 {
	if s.share > 0.35 || s.share < 1e-3 || s.scale < s.sigma || s.scale > 2 || s.sigma < 0.01 {
		return math.Inf(-1)
	}
	sum := 0.0
	for _, x := range ln {
		z := (x - s.mu) / s.sigma
		body := math.Exp(-z*z/2) / (s.sigma * math.Sqrt(2*math.Pi))
		sum += math.Log((1-s.share)*body + s.share*shifted(x-s.mu, s.sigma, s.scale) + 1e-300)
	}
	return sum
}

// shifted is the density of a normal plus an exponential (the exponentially
// modified Gaussian).
func shifted(x, sigma, scale float64) float64 {
	r := sigma / scale
	upper := 0.5 * math.Erfc((r-x/sigma)/math.Sqrt2)
	return math.Exp(r*r/2-x/scale) / scale * upper
}

func median(x []float64) float64 { return quantile(x, 0.5) }

func quantile(x []float64, q float64) float64 {
	if len(x) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(x))
	at := q * float64(len(s)-1)
	lo := int(at)
	if lo+1 == len(s) {
		return s[lo]
	}
	return s[lo] + (at-float64(lo))*(s[lo+1]-s[lo])
}

// mad is the robust standard deviation: 1.4826 times the median absolute
// deviation from the median.
func mad(x []float64) float64 {
	m := median(x)
	d := make([]float64, len(x))
	for i := range x {
		d[i] = math.Abs(x[i] - m)
	}
	return 1.4826 * median(d)
}

// moments returns the standard deviation and the kurtosis (3 for a normal).
func moments(x []float64) (sd, kurtosis float64) {
	m, s2, s4 := mean(x), 0.0, 0.0
	for _, v := range x {
		d := (v - m) * (v - m)
		s2, s4 = s2+d, s4+d*d
	}
	n := float64(len(x))
	return math.Sqrt(s2 / n), s4 * n / (s2 * s2)
}

func mean(x []float64) float64 {
	s := 0.0
	for _, v := range x {
		s += v
	}
	return s / float64(len(x))
}

// lag1 is the lag-1 autocorrelation of x after a straight line on by is removed.
func lag1(x, by []float64) float64 {
	mx, mb, sxy, sbb := mean(x), mean(by), 0.0, 0.0
	for i := range x {
		sxy += (x[i] - mx) * (by[i] - mb)
		sbb += (by[i] - mb) * (by[i] - mb)
	}
	slope := 0.0
	if sbb > 0 {
		slope = sxy / sbb
	}
	num, den, prev := 0.0, 0.0, 0.0
	for i := range x {
		r := x[i] - mx - slope*(by[i]-mb)
		if i > 0 {
			num += r * prev
		}
		den, prev = den+r*r, r
	}
	return num / den
}
