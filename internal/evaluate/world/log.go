package world

import (
	"time"

	"github.com/bellwether-llm/bellwether"
)

// Log is what one policy did during a run, by target.
type Log struct{ Targets []History }

// History is what a policy thought of one target.
type History struct {
	Turns  []Turn
	Probes int     // sent
	Tokens int     // of those that were answered, and the prompt of the rest
	ToBad  float64 // hours in which weight above the ideal went to an ill target
	Kept   float64 // hours of weight withheld from a well target
	Steps  []Step  // of the weight

	last   View
	ideal  float64
	ill    bool
	lastAt time.Duration
	begun  bool
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

// note takes in what is thought and what is true from now on.
func (l *Log) note(i int, now time.Duration, v View, ideal float64, ill bool) {
	h := &l.Targets[i]
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

// Now returns what is thought now.
func (h *History) Now() View { return h.last }
