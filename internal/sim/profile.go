package sim

import (
	"math"
	"math/rand/v2"

	"github.com/bellwether-llm/bellwether"
)

// Latency is the distribution of a time in seconds: its logarithm is normal
// around ln Body with deviation Sigma; with probability TailShare an
// exponential of mean TailScale is added (a Pareto tail); what would exceed
// Max, the longest time on record, is Max. Successive bodies are correlated by
// Rho. Median is the recording's, which the whole reproduces.
type Latency struct {
	Median, Max          float64
	Body, Sigma          float64
	TailShare, TailScale float64
	Rho                  float64
}

// draw returns one time in seconds and the body's new deviation, in sigmas.
func (l Latency) draw(rng *rand.Rand, prev float64) (seconds, next float64) {
	next = l.Rho*prev + math.Sqrt(1-l.Rho*l.Rho)*rng.NormFloat64()
	ln := l.Sigma * next
	tail, excess := rng.Float64(), rng.ExpFloat64() // always both, so that streams of draws stay in step
	if tail < l.TailShare {
		ln += l.TailScale * excess
	}
	return min(l.Body*math.Exp(ln), l.Max), next
}

// Length is the distribution of the tokens of free prose: lognormal, at least
// 1 and at most Max.
type Length struct{ Median, Sigma, Max float64 }

func (l Length) draw(rng *rand.Rand) int {
	n := l.Median * math.Exp(l.Sigma*rng.NormFloat64())
	return int(math.Round(min(max(n, 1), l.Max)))
}

// Profile is how one recorded model answers: plain data, safe to share.
type Profile struct {
	Name      string  // the provider and model that the figures were recorded from
	First     Latency // start to first token, without a region's factor
	Inter     Latency // mean gap between tokens of one answer
	Headers   float64 // the part of the first token's time after which headers arrive, 0 to 1
	Length    Length  // of free prose; an answer that is known has its own length
	ErrorRate float64 // of calls that fail for no scripted reason
}

// State is what one draw leaves for the next of the same target: the bodies'
// deviations in sigmas. The zero value starts a series.
type State struct{ First, Inter float64 }

// Sample is one drawn call. Times are seconds.
type Sample struct {
	FirstByte  float64
	FirstToken float64
	InterToken float64 // mean gap; the gaps of one answer are equal
	Tokens     int     // of free prose
	Outcome    bellwether.Outcome
	Next       State
}

// Draw returns one call as p's model would answer it after prev. It takes the
// same number of random values whatever it returns, so that a seeded series
// does not shift when a profile changes. It does not allocate.
func (p Profile) Draw(rng *rand.Rand, prev State) Sample {
	s := Sample{Outcome: bellwether.OK}
	s.FirstToken, s.Next.First = p.First.draw(rng, prev.First)
	s.InterToken, s.Next.Inter = p.Inter.draw(rng, prev.Inter)
	s.FirstByte = s.FirstToken * p.Headers
	s.Tokens = p.Length.draw(rng)
	if rng.Float64() < p.ErrorRate {
		s.Outcome = bellwether.ServerError
	}
	return s
}

// In returns p as it answers in a region: the first token's times multiplied.
func (p Profile) In(factor float64) Profile {
	p.First.Median *= factor
	p.First.Body *= factor
	p.First.Max *= factor
	return p
}
