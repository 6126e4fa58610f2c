package world

import (
	"math"
	"math/rand/v2"
)

// Kind names a family of noise.
type Kind string

// The families: five ideal ones, and the recorded one.
const (
	Normal Kind = "normal"
	T3     Kind = "t3"     // Student t with 3 degrees of freedom, its MAD that of the normal
	Spikes Kind = "spikes" // one probe in 50 is 4.5 times as slow
	AR3    Kind = "ar3"    // autoregressive, correlation .3 at 30 s
	AR6    Kind = "ar6"
	Real   Kind = "real" // recorded residuals, in blocks of 20
)

// Ideal are the families whose exact limits are known.
var ideal = [...]Kind{Normal, T3, Spikes, AR3, AR6}

// IdealKinds returns the families whose distribution is known.
func IdealKinds() []Kind { return append([]Kind(nil), ideal[:]...) }

// Kinds returns all families.
func Kinds() []Kind { return append(IdealKinds(), Real) }

// T3Scale brings the median absolute deviation of Student's t with 3 degrees
// of freedom to that of the normal distribution: .7649 / .6745.
const T3Scale = 1.1340

// SpikeShare and SpikeFactor describe [Spikes].
const (
	SpikeShare  = .02
	SpikeFactor = 4.5
)

// Correlation returns the correlation of timings 30 s apart.
func (k Kind) Correlation() float64 {
	switch k {
	case AR3:
		return .3
	case AR6:
		return .6
	}
	return 0
}

// residual is what one probe's logarithms differ by from their levels.
type residual struct{ first, inter, tokens float64 }

// source draws the residuals of one target.
type source struct {
	kind   Kind
	spread Spread
	mood   [2]float64 // autoregressive state of first and inter-token
	tape   tape       // of Real
}

// Spread is the standard deviation of the logarithms of healthy answers.
type Spread struct{ First, Inter, Tokens float64 }

func newSource(k Kind, s Spread, reel int, rng *rand.Rand) *source {
	src := &source{kind: k, spread: s}
	src.mood[0], src.mood[1] = rng.NormFloat64(), rng.NormFloat64()
	if k == Real {
		src.tape = newTape(reel)
	}
	return src
}

// draw returns the residuals of a probe sent gap seconds after the last.
func (s *source) draw(gap float64, rng *rand.Rand) residual {
	if s.kind == Real {
		r := s.tape.next(rng)
		if math.IsNaN(r.inter) {
			r.inter = s.spread.Inter * rng.NormFloat64()
		}
		r.tokens = s.spread.Tokens * rng.NormFloat64()
		return r
	}
	r := residual{
		first:  s.spread.First * s.unit(0, gap, rng),
		inter:  s.spread.Inter * s.unit(1, gap, rng),
		tokens: s.spread.Tokens * s.length(rng),
	}
	if s.kind == Spikes && rng.Float64() < SpikeShare {
		r.first += math.Log(SpikeFactor)
	}
	return r
}

// length is not autocorrelated: canaries are independent questions.
func (s *source) length(rng *rand.Rand) float64 {
	if s.kind == T3 {
		return student3(rng)
	}
	return rng.NormFloat64()
}

func (s *source) unit(i int, gap float64, rng *rand.Rand) float64 {
	switch s.kind {
	case T3:
		return student3(rng)
	case AR3, AR6:
		rho := math.Pow(s.kind.Correlation(), gap/30)
		s.mood[i] = rho*s.mood[i] + math.Sqrt(1-rho*rho)*rng.NormFloat64()
		return s.mood[i]
	}
	return rng.NormFloat64()
}

func student3(rng *rand.Rand) float64 {
	a, b, c := rng.NormFloat64(), rng.NormFloat64(), rng.NormFloat64()
	return rng.NormFloat64() / math.Sqrt((a*a+b*b+c*c)/3) / T3Scale
}
