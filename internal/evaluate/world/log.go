package world

import (
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/shares"
)

// Log is what one policy did during a run, by target.
type Log struct {
	Targets []History
	// Misled is the hours of a pool's traffic that went to ill targets beyond
	// what ideal weights would have sent there.
	Misled float64

	at     time.Duration
	excess float64
}

// History is what a policy thought of one target.
type History struct {
	Turns  []Turn
	Probes int     // sent
	Tokens int     // of those that were answered, and the prompt of the rest
	ToBad  float64 // hours in which weight above the ideal went to an ill target
	Kept   float64 // hours of weight withheld from a well target
	Steps  []Step  // of the weight
	First  View    // at the beginning

	last   View
	ideal  float64
	ill    bool
	lastAt time.Duration
	begun  bool

	probesAtOnset, tokensAtOnset int
}

// Turn is a change of severity, or of the cause while ill.
type Turn struct {
	At     time.Duration
	From   int
	To     int
	Cause  bellwether.Cause
	Probes int // sent so far
	Tokens int
}

// Step is a change of weight.
type Step struct {
	At     time.Duration
	Weight float64
	Probes int
}

func newLog(targets int) *Log { return &Log{Targets: make([]History, targets)} }

func (l *Log) sent(i int, o *bellwether.Observation) {
	h := &l.Targets[i]
	h.Probes++
	if o.Tokens != nil {
		h.Tokens += o.Tokens.Input + o.Tokens.Output
	}
}

// begin notes where the counts stood when the fault began.
func (l *Log) begin() {
	for i := range l.Targets {
		h := &l.Targets[i]
		h.probesAtOnset, h.tokensAtOnset = h.Probes, h.Tokens
	}
}

// note takes in what is thought and what is true from now on.
func (l *Log) note(i int, now time.Duration, v View, ideal float64, ill bool) {
	h := &l.Targets[i]
	if !h.begun {
		h.First = v
	}
	if h.begun && now > h.lastAt {
		hours := (now - h.lastAt).Hours()
		if h.ill {
			h.ToBad += max(0, h.last.Weight-h.ideal) * hours
		} else {
			h.Kept += (1 - h.last.Weight) * hours
		}
	}
	if h.begun && (v.Severity != h.last.Severity || (v.Severity > 0 && v.Cause != h.last.Cause)) {
		h.Turns = append(h.Turns, Turn{At: now, From: h.last.Severity, To: v.Severity, Cause: v.Cause, Probes: h.Probes, Tokens: h.Tokens})
	}
	if h.begun && v.Weight != h.last.Weight {
		h.Steps = append(h.Steps, Step{At: now, Weight: v.Weight, Probes: h.Probes})
	}
	h.last, h.ideal, h.ill, h.lastAt, h.begun = v, ideal, ill, now, true
}

// Sharing is a policy that publishes shares; those of others follow from their
// weights.
type Sharing interface {
	Share(target int) float64
}

// share notes where a pool's traffic goes from now on.
func (l *Log) share(now time.Duration, p Policy) {
	l.Misled += l.excess * max(0, (now-l.at).Hours())
	l.at = now
	given, best := make([]shares.Target, len(l.Targets)), make([]shares.Target, len(l.Targets))
	for i := range l.Targets {
		h := &l.Targets[i]
		given[i] = shares.Target{Base: 1, Weight: h.last.Weight}
		best[i] = shares.Target{Base: 1, Weight: h.ideal}
	}
	is, _ := shares.Compute(given, shares.Policy{})
	ought, _ := shares.Compute(best, shares.Policy{})
	own, publishes := p.(Sharing)
	l.excess = 0
	for i := range l.Targets {
		s := is[i]
		if publishes {
			s = own.Share(i)
		}
		if l.Targets[i].ill {
			l.excess += max(0, s-ought[i])
		}
	}
}

// Ill returns how often the target was called ill anew since the given time.
func (h *History) Ill(since time.Duration) int {
	n := 0
	for _, t := range h.Turns {
		if t.At >= since && t.From == 0 && t.To > 0 {
			n++
		}
	}
	return n
}

// Before returns how many probes and tokens had been sent when the onset came.
func (h *History) Before() (probes, tokens int) { return h.probesAtOnset, h.tokensAtOnset }

// Told reports whether the first target was called ill since the onset.
func (l *Log) Told(onset time.Duration) bool {
	for _, t := range l.Targets[0].Turns {
		if t.At >= onset && t.To > 0 {
			return true
		}
	}
	return false
}

// Well reports whether nothing is said against any target.
func (l *Log) Well() bool {
	for i := range l.Targets {
		if v := l.Targets[i].last; v.Severity > 0 || v.Weight < .95 {
			return false
		}
	}
	return true
}

// Now returns what is thought now.
func (h *History) Now() View { return h.last }
