package api

import (
	"math"
	"slices"
	"sync"
	"time"

	"github.com/bellwether-llm/bellwether"
)

const (
	mostLines    = 5000 // series of users' signals that are remembered; their names come from outside
	recentValues = 120  // of one series
	opinionsKept = 20   // of one target
	voiceHours   = 24
)

// told remembers what users and their machines said: the newest values of
// their signals, and their word on answers. Safe for concurrent use.
type told struct {
	since   time.Time // what came before is in the store only
	seeding sync.Mutex

	mu     sync.Mutex
	seeded bool
	lines  map[lineKey]*line
	voices map[string]*voice
}

type lineKey struct {
	target  string
	signal  bellwether.Signal
	vantage string
}

// line is one user's signal over time, oldest first; never empty.
type line struct {
	recent []sample
	seen   int // since the start, and the day before it
}

type sample struct {
	At    time.Time `json:"at"`
	Value float64   `json:"value"`
}

func (l *line) newest() sample { return l.recent[len(l.recent)-1] }

// signalView is one user's signal as the API shows it.
type signalView struct {
	Target  string            `json:"target"`
	Signal  bellwether.Signal `json:"signal"`
	Vantage string            `json:"vantage"`
	Value   float64           `json:"value"`
	At      time.Time         `json:"at"`
	Age     float64           `json:"age_seconds"`
	Seen    int               `json:"seen"`
	Recent  []sample          `json:"recent,omitempty"` // oldest first
}

// voice is what callers say of one target, as a ring over the Unix hour.
type voice struct {
	hours [voiceHours]struct {
		at    int64
		bad   float64
		total int
	}
	last []opinion // newest first
}

func newTold() *told {
	return &told{since: time.Now(), lines: map[lineKey]*line{}, voices: map[string]*voice{}}
}

// note remembers what o says, if a user or a caller said it of a target that
// there is.
func (t *told) note(o *bellwether.Observation, f func() Facts) { t.take(o, f, false) }

func (t *told) take(o *bellwether.Observation, f func() Facts, seeding bool) {
	if o.Source != bellwether.SourceUser && o.Source != bellwether.SourceFeedback {
		return
	}
	if _, known := f().target(o.Target); !known {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.seeded && o.At.Before(t.since) && !seeding {
		return // the store has it
	}
	if o.Source == bellwether.SourceUser {
		for signal, v := range o.Signals {
			t.value(lineKey{o.Target, signal, o.Vantage}, sample{o.At.UTC(), finite(v)})
		}
		return
	}
	bad, said := o.Signals[bellwether.Feedback]
	if !said {
		return
	}
	v := t.voices[o.Target]
	if v == nil {
		v = &voice{}
		t.voices[o.Target] = v
	}
	v.add(opinion{At: o.At.UTC(), Score: 1 - bad, Route: o.Route, Comment: o.Excerpt})
}

// value is called with mu held.
func (t *told) value(k lineKey, s sample) {
	l := t.lines[k]
	if l == nil {
		if len(t.lines) >= mostLines {
			return
		}
		l = &line{}
		t.lines[k] = l
	}
	i, _ := slices.BinarySearchFunc(l.recent, s, func(a, b sample) int {
		if a.At.After(b.At) {
			return 1
		}
		return -1 // behind those of the same time
	})
	l.recent = slices.Insert(l.recent, i, s)
	if over := len(l.recent) - recentValues; over > 0 {
		l.recent = slices.Delete(l.recent, 0, over)
	}
	l.seen++
}

// add counts o and keeps it while it is among the newest.
func (v *voice) add(o opinion) {
	at := o.At.Unix() / 3600
	h := &v.hours[((at%voiceHours)+voiceHours)%voiceHours]
	if h.at < at {
		h.at, h.bad, h.total = at, 0, 0
	}
	if h.at == at {
		h.bad, h.total = h.bad+1-o.Score, h.total+1
	}
	i := slices.IndexFunc(v.last, func(x opinion) bool { return !x.At.After(o.At) })
	if i < 0 {
		i = len(v.last)
	}
	v.last = slices.Insert(v.last, i, o)
	v.last = v.last[:min(len(v.last), opinionsKept)]
}

// day sums the last day up; nil when nobody said anything.
func (v *voice) day(now time.Time) *proportion {
	bad, total := 0.0, 0
	for _, h := range v.hours {
		if age := now.Unix()/3600 - h.at; age >= 0 && age < voiceHours {
			bad, total = bad+h.bad, total+h.total
		}
	}
	p := wilson(int(math.Round(bad)), total)
	if p != nil {
		p.Ratio = bad / float64(total)
		p.Low, p.High = min(p.Low, p.Ratio), max(p.High, p.Ratio)
	}
	return p
}
