package scoring

import "github.com/bellwether-llm/bellwether"

// The hypotheses of the bank, in the order of the table. Three magnitudes of
// one signal are three hypotheses, because a CUSUM tuned to a large fault takes
// very long for a small one.
const (
	errors3, errors30, errors97 = 0, 1, 2
	firstToken13, firstToken2   = 3, 4
	interToken115, interToken15 = 5, 6
	longer, shorter             = 7, 8
	insane5, insane50           = 9, 10
	joint                       = 11
	hypotheses                  = 12
)

// A family is the hypotheses about one signal in one direction; at most one
// of them explains it.
type family uint8

const (
	famErrors family = iota
	famFirst
	famInter
	famLonger
	famShorter
	famSanity
	famJoint
	families
)

// hypothesis is one row of the bank.
type hypothesis struct {
	name    string
	signal  bellwether.Signal
	family  family
	p1      float64 // counted signals: the rate under the fault
	ratio   float64 // measured signals: the factor under the fault
	utility float64 // the weight that a target in this state deserves
	mild    bool    // needs a witness, or 3 nats more
	health  float64 // the factor that the score loses, A8
}

// table is the bank of docs/scoring.md. Constant data; never written.
var table = [hypotheses]hypothesis{
	{name: "errors 3 %", signal: bellwether.Availability, family: famErrors, p1: .03, utility: .5, mild: true, health: .97},
	{name: "errors 30 %", signal: bellwether.Availability, family: famErrors, p1: .3, utility: .05, health: .7},
	{name: "errors 97 %", signal: bellwether.Availability, family: famErrors, p1: .97, utility: .05, health: .03},
	{name: "first token x1.3", signal: bellwether.FirstToken, family: famFirst, ratio: 1.3, utility: .8, mild: true, health: .877},
	{name: "first token x2", signal: bellwether.FirstToken, family: famFirst, ratio: 2, utility: .5, mild: true, health: .707},
	{name: "inter-token x1.15", signal: bellwether.InterToken, family: famInter, ratio: 1.15, utility: .8, mild: true, health: .933},
	{name: "inter-token x1.5", signal: bellwether.InterToken, family: famInter, ratio: 1.5, utility: .5, mild: true, health: .816},
	{name: "output tokens x1.2", signal: bellwether.OutputTokens, family: famLonger, ratio: 1.2, utility: .8, mild: true, health: .833},
	{name: "output tokens /1.2", signal: bellwether.OutputTokens, family: famShorter, ratio: 1.2, utility: .8, mild: true, health: .833},
	{name: "wrong answers 5 %", signal: bellwether.Sanity, family: famSanity, p1: .05, utility: .5, mild: true, health: .95},
	{name: "wrong answers 50 %", signal: bellwether.Sanity, family: famSanity, p1: .5, utility: .05, health: .5},
	{name: "overload", signal: bellwether.FirstToken, family: famJoint, utility: .5, health: .82},
}

// jointFirst and jointInter are the slowdowns that the joint hypothesis
// expects; its error rate is that of errors3.
const jointFirst, jointInter = 1.2, 1.15

// span returns the hypotheses of f: first to last, both included, by growing
// magnitude.
func (f family) span() (first, last int) {
	switch f {
	case famErrors:
		return errors3, errors97
	case famFirst:
		return firstToken13, firstToken2
	case famInter:
		return interToken115, interToken15
	case famLonger:
		return longer, longer
	case famShorter:
		return shorter, shorter
	case famSanity:
		return insane5, insane50
	}
	return joint, joint
}

// The constants of the specification, A0. Times in seconds, evidence in nats.
const (
	suspectAbove, clearBelow = 3.0, 1.0
	witnessNats              = 3.0 // what a witness must hold, and the price of having none
	failingExtra, downExtra  = 1.8, 2.5
	recoverNats              = 4.6 // ln(1/0.01)
	dampCap                  = 4.0 // most that repeated exits multiply recoverNats by
	dampWindow               = 6 * 3600.0
	levelHalfLife            = 6 * 3600.0
	poolHalfLife             = 3 * 86400.0
	rhoMost                  = 0.8
	burstTime                = 60.0 // e-time in which a failure stops foretelling the next
	coldProbes               = 30   // before these, availability and sanity only
	warmProbes               = 50   // before these, of the measured signals first token x2 only
	deadband, trickle        = 0.05, 0.05
	shedCap, shedTime        = 0.25, 10.0
	recoveredAt              = 0.95
	cleanNats                = 0.5
	staleIntervals           = 3
	sizeRatio, sizeErrors    = 1.15, 0.015
	sizeShorter, sizeInsane  = 0.85, 0.03
	sizeQuota                = 0.05
	longestGap               = 600.0 // a gap longer than this teaches no more than this
)
