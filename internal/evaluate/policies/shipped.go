package policies

import (
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/evaluate/world"
)

// Static is the fixed limits that are commonly shipped, looked at probe by
// probe: any failure, a total over 2 s, a first token over so many seconds.
type Static struct {
	First, Total float64 // seconds
	Row          int     // so many in a row; 0 means 1
	state        []run
}

func (s *Static) Observe(i int, o *bellwether.Observation, _ time.Time) {
	if o.Source != bellwether.SourceProbe {
		return
	}
	s.state = perTarget(s.state, i)
	s.state[i].see(failed(o) || o.Timing.FirstToken > s.First || o.Timing.Total > s.Total, max(1, s.Row), 1)
}

func (s *Static) Tick(time.Time) {}

func (s *Static) View(i int) world.View { return onOff(i < len(s.state) && s.state[i].ill) }

func (s *Static) Clone() Rule {
	d := *s
	d.state = append([]run(nil), s.state...)
	return &d
}

// Window is the share of failures among the last 20 probes: from Mild on half
// of the traffic, from Hard on none.
type Window struct {
	Mild, Hard float64
	state      []ring
}

const windowSize = 20

type ring struct {
	failed [windowSize]bool
	at, n  int
	bad    int
}

func (r *ring) add(bad bool) {
	if r.n == windowSize && r.failed[r.at] {
		r.bad--
	}
	r.failed[r.at] = bad
	r.at = (r.at + 1) % windowSize
	r.n = min(r.n+1, windowSize)
	if bad {
		r.bad++
	}
}

func (w *Window) Observe(i int, o *bellwether.Observation, _ time.Time) {
	if o.Source != bellwether.SourceProbe {
		return
	}
	w.state = perTarget(w.state, i)
	w.state[i].add(failed(o))
}

func (w *Window) Tick(time.Time) {}

func (w *Window) View(i int) world.View {
	if i >= len(w.state) || w.state[i].n < windowSize {
		return world.View{Weight: 1}
	}
	switch share := float64(w.state[i].bad) / windowSize; {
	case share >= w.Hard:
		return onOff(true)
	case share >= w.Mild:
		return world.View{Severity: 1, Weight: .5, Cause: bellwether.CauseTarget}
	}
	return world.View{Weight: 1}
}

func (w *Window) Clone() Rule {
	d := *w
	d.state = append([]ring(nil), w.state...)
	return &d
}

// Never does nothing: what faults cost when nobody acts.
type Never struct{}

func (Never) Observe(int, *bellwether.Observation, time.Time) {}
func (Never) Tick(time.Time)                                  {}
func (Never) View(int) world.View                             { return world.View{Weight: 1} }
func (n Never) Clone() Rule                                   { return n }
