package scoring

import (
	"math/bits"

	"github.com/bellwether-llm/bellwether"
)

// The hypotheses of the bank, in the order of the table. Three magnitudes of
// one signal are three hypotheses, because a CUSUM tuned to a large fault takes
// very long for a small one. Which of them are active for a target depends on
// what is observed of it; the budget is shared by those.
const (
	errors3, errors30, errors97 = 0, 1, 2
	firstToken13, firstToken2   = 3, 4
	interToken115, interToken15 = 5, 6
	longer, shorter             = 7, 8
	insane5, insane50           = 9, 10
	joint                       = 11
	unsure                      = 12
	strange                     = 13
	disliked15, disliked3       = 14, 15
	ownFirst                    = 16 // the first of mostOwn
	hypotheses                  = ownFirst + mostOwn
)

// mostOwn is how many signals of the user's own are scored.
const mostOwn = 4

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
	famUnsure
	famStrange
	famDisliked
	famOwn   // the first of mostOwn
	families = famOwn + mostOwn
)

// class is what the evidence of a family is made of.
type class uint8

const (
	counts   class = iota // how many of the calls failed
	measured              // a number and its rank
	parts                 // those of the joint hypothesis
	texts                 // how odd an answer's text is
)

// class returns what the evidence of f is made of.
func (f family) class() class {
	switch f {
	case famErrors, famSanity, famDisliked:
		return counts
	case famJoint:
		return parts
	case famStrange:
		return texts
	}
	return measured
}

// own returns which of the user's own signals f is about; false for none.
func (f family) own() (slot int, ok bool) { return int(f) - int(famOwn), f >= famOwn }

// hypothesis is one row of the bank.
type hypothesis struct {
	name    string
	signal  bellwether.Signal // "" for a user's own, whose name is in the settings
	family  family
	p1      float64 // counted signals: the rate under the fault
	ratio   float64 // measured signals: the factor under the fault; of ratings, of their usual rate
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
	{name: "less confident", signal: bellwether.Confidence, family: famUnsure, utility: .8, mild: true, health: .9},
	{name: "unlike itself", signal: bellwether.Text, family: famStrange, utility: .5, mild: true, health: .8},
	{name: "disliked x1.5", signal: bellwether.Feedback, family: famDisliked, ratio: 1.5, utility: .8, mild: true, health: .9},
	{name: "disliked x3", signal: bellwether.Feedback, family: famDisliked, ratio: 3, utility: .5, mild: true, health: .7},
	{family: famOwn, utility: .8, mild: true, health: .9},
	{family: famOwn + 1, utility: .8, mild: true, health: .9},
	{family: famOwn + 2, utility: .8, mild: true, health: .9},
	{family: famOwn + 3, utility: .8, mild: true, health: .9},
}

// jointFirst and jointInter are the slowdowns that the joint hypothesis
// expects; its error rate is that of errors3.
const jointFirst, jointInter = 1.2, 1.15

// spans are the first and last hypothesis of each family, by growing magnitude.
var spans = [families][2]int{
	famErrors: {errors3, errors97}, famFirst: {firstToken13, firstToken2}, famInter: {interToken115, interToken15},
	famLonger: {longer, longer}, famShorter: {shorter, shorter}, famSanity: {insane5, insane50}, famJoint: {joint, joint},
	famUnsure: {unsure, unsure}, famStrange: {strange, strange}, famDisliked: {disliked15, disliked3},
	famOwn: {ownFirst, ownFirst}, famOwn + 1: {ownFirst + 1, ownFirst + 1}, famOwn + 2: {ownFirst + 2, ownFirst + 2}, famOwn + 3: {ownFirst + 3, ownFirst + 3},
}

// span returns the hypotheses of f: first to last, both included, by growing
// magnitude.
func (f family) span() (first, last int) { return spans[f][0], spans[f][1] }

// in returns which of the hypotheses of s are about f.
func (s hypSet) in(f family) hypSet {
	first, last := f.span()
	return s & (2<<last - 1<<first)
}

// kind returns which measured signal f is about; that of the joint hypothesis
// is its first part.
func (f family) kind() kind {
	switch f {
	case famInter:
		return kindInter
	case famLonger, famShorter:
		return kindTokens
	case famUnsure:
		return kindConfidence
	}
	if slot, ok := f.own(); ok {
		return kindOwn + kind(slot)
	}
	return kindFirst
}

// hypSet is some of the hypotheses.
type hypSet uint32

func (s hypSet) has(i int) bool { return s&(1<<i) != 0 }

// size returns how many there are.
func (s hypSet) size() int { return bits.OnesCount32(uint32(s)) }

// next takes the lowest hypothesis out of s; for the loop
//
//	for s, i := s.next(); i >= 0; s, i = s.next()
func (s hypSet) next() (rest hypSet, i int) {
	if s == 0 {
		return 0, -1
	}
	return s & (s - 1), bits.TrailingZeros32(uint32(s))
}

// The constants of the specification, A0. Times in seconds, evidence in nats.
const (
	suspectAbove, clearBelow = 3.5, 2.0
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
	sizeFailing, sizeSinking = 0.2, 0.35 // rates of errors, of wrong answers, that are no small fault
	failingNats              = 9.2       // ln 10000: how surely it must be 30 % rather than 3 %
	sizeShorter, sizeInsane  = 0.85, 0.03
	sizeQuota                = 0.05
	sizeUnsure, sizeFeedback = 0.1, 1.25 // nats a token; times the usual rate of bad ratings
	longestGap               = 600.0     // a gap longer than this teaches no more than this
)
