// Package limits computes what no detector can beat, and how sure a measured
// figure is.
//
// The limit is that of Lorden (1971): among all stopping rules that raise, when
// nothing is wrong, one false alarm in ARL0 observations on average, the CUSUM
// of the true log-likelihood ratio has the least worst-case delay, exactly so
// for every ARL0 (Moustakides 1986). Its run lengths come from the Markov chain
// of Brook & Evans (1972), here by solving the linear system, so that this
// package shares neither code nor method with the engine that it judges. Pure
// functions; safe for concurrent use.
package limits

import (
	"math"
	"sort"
)

// Atom is one value of the log-likelihood ratio, with its probability when
// all is well and when the fault is on.
type Atom struct{ Good, Bad, Ratio float64 }

// Ratio is the distribution of one probe's log-likelihood ratio.
type Ratio []Atom

// Information returns the Kullback-Leibler number I(f1 || f0), nats per probe.
func (r Ratio) Information() float64 {
	sum := 0.0
	for _, a := range r {
		sum += a.Bad * a.Ratio
	}
	return sum
}

// Against returns I(f0 || f1): what a healthy probe says against the fault.
func (r Ratio) Against() float64 {
	sum := 0.0
	for _, a := range r {
		sum -= a.Good * a.Ratio
	}
	return sum
}

// Bernoulli is a rate that rises from p0 to p1.
func Bernoulli(p0, p1 float64) Ratio {
	return Ratio{{p0, p1, math.Log(p1 / p0)}, {1 - p0, 1 - p1, math.Log((1 - p1) / (1 - p0))}}
}

// Density is a probability density.
type Density func(x float64) float64

// Gauss is the standard normal density.
func Gauss(x float64) float64 { return math.Exp(-x*x/2) / math.Sqrt(2*math.Pi) }

// Student3 is the density of Student's t with 3 degrees of freedom, in units in
// which scale is one.
func Student3(scale float64) Density {
	return func(x float64) float64 {
		t := x * scale
		return scale * 6 * math.Sqrt(3) / (math.Pi * math.Pow(3+t*t, 2))
	}
}

// Mixed is f with a share of it moved by shift.
func Mixed(f Density, share, shift float64) Density {
	return func(x float64) float64 { return (1-share)*f(x) + share*f(x-shift) }
}

// Shift is a measured value, in units of its spread, that moves by d: the
// densities are cut into 4,000 pieces over ±span.
func Shift(f Density, d, span float64) Ratio {
	const pieces = 4000
	lo, width := -span, (2*span+math.Abs(d))/pieces
	if d < 0 {
		lo += d
	}
	r := make(Ratio, 0, pieces)
	good, bad := 0.0, 0.0
	for i := range pieces {
		x := lo + (float64(i)+.5)*width
		g, b := f(x), f(x-d)
		if g <= 0 || b <= 0 {
			continue
		}
		r = append(r, Atom{g * width, b * width, math.Log(b / g)})
		good, bad = good+g*width, bad+b*width
	}
	for i := range r {
		r[i].Good /= good
		r[i].Bad /= bad
	}
	return r
}

// Both is the sum of two independent ratios: two signals of one probe. It is
// gathered on a lattice of at most some hundred points, so that it stays small;
// the means stay, whatever the lattice.
func Both(a, b Ratio) Ratio {
	a, b = a.Thin(a.step()), b.Thin(b.step())
	all := make(Ratio, 0, len(a)*len(b))
	for _, x := range a {
		for _, y := range b {
			all = append(all, Atom{x.Good * y.Good, x.Bad * y.Bad, x.Ratio + y.Ratio})
		}
	}
	return all.Thin(all.step())
}

// step is a lattice for r: .02 nats, or a 400th of what r spans.
func (r Ratio) step() float64 {
	lo, hi := 0.0, 0.0
	for _, a := range r {
		lo, hi = math.Min(lo, a.Ratio), math.Max(hi, a.Ratio)
	}
	return math.Max(.02, (hi-lo)/400)
}

// Thin gathers a ratio on multiples of delta; both means stay.
func (r Ratio) Thin(delta float64) Ratio {
	type cell struct{ good, bad float64 }
	cells := map[int]cell{}
	for _, a := range r {
		at := a.Ratio / delta
		k := int(math.Floor(at))
		f := at - float64(k)
		low, high := cells[k], cells[k+1]
		low.good, low.bad = low.good+a.Good*(1-f), low.bad+a.Bad*(1-f)
		high.good, high.bad = high.good+a.Good*f, high.bad+a.Bad*f
		cells[k], cells[k+1] = low, high
	}
	keys := make([]int, 0, len(cells))
	for k := range cells {
		keys = append(keys, k)
	}
	sort.Ints(keys)
	out := make(Ratio, 0, len(keys))
	for _, k := range keys {
		if c := cells[k]; c.good+c.bad > 1e-300 {
			out = append(out, Atom{c.good, c.bad, float64(k) * delta})
		}
	}
	return out
}

// states is how fine the chain is: the lattice has this many points below h.
const states = 400

// RunLengths returns the mean number of probes until S = max(0, S + ratio),
// started at 0, reaches h, when all is well and when the fault is on.
func RunLengths(r Ratio, h float64) (good, bad float64) {
	delta := h / states
	return chain(r, delta, func(a Atom) float64 { return a.Good }), chain(r, delta, func(a Atom) float64 { return a.Bad })
}

// chain solves (I - Q) m = 1 for the mean run lengths m by elimination.
func chain(r Ratio, delta float64, weight func(Atom) float64) float64 {
	steps := make(map[int]float64, len(r))
	for _, a := range r {
		at := a.Ratio / delta
		k := int(math.Floor(at + 1e-9))
		f := math.Max(0, at-float64(k))
		steps[k] += weight(a) * (1 - f)
		if f > 0 {
			steps[k+1] += weight(a) * f
		}
	}
	m := make([][]float64, states)
	for s := range m {
		row := make([]float64, states+1)
		row[s], row[states] = 1, 1
		m[s] = row
	}
	for k, p := range steps {
		for s := range m {
			if to := max(0, s+k); to < states {
				m[s][to] -= p
			}
		}
	}
	return eliminate(m)
}

// eliminate returns the first unknown of the system whose rows end with their
// right side. The matrix is an M-matrix: no pivots are needed. Unknowns are
// removed from the last to the first.
func eliminate(m [][]float64) float64 {
	n := len(m)
	for c := n - 1; c > 0; c-- {
		pivot := m[c]
		for s := c - 1; s >= 0; s-- {
			row := m[s]
			f := row[c] / pivot[c]
			if f == 0 {
				continue
			}
			for j := range c {
				row[j] -= f * pivot[j]
			}
			row[n] -= f * pivot[n]
		}
	}
	return m[0][n] / m[0][0]
}

// Threshold returns the h at which the false-alarm run length is arl0, to a
// hundredth of a nat. The run length grows about as exp(h), so the search steps
// by what is missing, and halves where that leads out of bounds.
func Threshold(r Ratio, arl0 float64) float64 {
	lo, hi := .01, math.Log(arl0)+1
	h := math.Max(.5, hi-3)
	for range 40 {
		missing := math.Log(arl0 / chain(r, h/states, func(a Atom) float64 { return a.Good }))
		if missing > 0 {
			lo = h
		} else {
			hi = h
		}
		if math.Abs(missing) < .005 || hi-lo < .005 {
			break
		}
		if h += missing; !(h > lo && h < hi) {
			h = (lo + hi) / 2
		}
	}
	return h
}

// Optimum returns D*, the least mean delay in probes that any rule with this
// false-alarm run length can promise, in the worst case over onsets.
func Optimum(r Ratio, arl0 float64) float64 {
	return chain(r, Threshold(r, arl0)/states, func(a Atom) float64 { return a.Bad })
}

// Recovery returns the mean number of healthy probes until the evidence that a
// fault is over outweighs it 1 to alpha (Wald).
func Recovery(r Ratio, alpha float64) float64 { return math.Max(1, -math.Log(alpha)/r.Against()) }
