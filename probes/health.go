package probes

import (
	"slices"
	"time"
)

// Health is what a [Guard] knows of our own condition.
type Health struct {
	// At is when we last looked at ourselves; zero before Run.
	At time.Time `json:"at,omitzero"`
	// Unwell says what observations are doubted for now: controls, dns, fds,
	// and for a minute after they happened clock and pause. Empty: all is well.
	Unwell   []string        `json:"unwell"`
	Controls []ControlHealth `json:"controls"`
	// Disbelieved: no control answers though targets do, so they excuse nothing.
	Disbelieved bool `json:"controls_disbelieved,omitempty"`
	// Step is by how many seconds the wall clock was last set against the
	// monotonic one (or how long the host slept), at SteppedAt.
	Step      float64   `json:"clock_step_seconds,omitempty"`
	SteppedAt time.Time `json:"clock_stepped_at,omitzero"`
	// Lag is how late our own timer was at worst within the last minute, in
	// seconds; LongPauses counts garbage collections since the start that
	// stopped everything for longer than 5 ms.
	Lag        float64   `json:"lag_seconds"`
	PausedAt   time.Time `json:"paused_at,omitzero"`
	LongPauses uint64    `json:"long_gc_pauses"`
	// Scheduling is how long our goroutines waited for a processor when they were
	// ready; Pauses how long garbage collections stopped everything. Both within
	// the last minute.
	Scheduling Delays `json:"scheduling"`
	Pauses     Delays `json:"gc_pauses"`
	// Files are open of at most MaxFiles; 0 where the system does not say.
	Files    int `json:"files"`
	MaxFiles int `json:"max_files"`
	// Doubted counts the observations that were marked since the start.
	Doubted uint64 `json:"doubted"`
}

// ControlHealth is what came of asking one control last.
type ControlHealth struct {
	Control  string    `json:"control"`
	OK       bool      `json:"ok"`
	At       time.Time `json:"at,omitzero"` // zero: not asked yet
	Seconds  float64   `json:"seconds"`     // until it answered or failed
	DNS      float64   `json:"dns_seconds,omitempty"`
	Error    string    `json:"error,omitempty"`
	Failures int       `json:"failures"` // in a row
	LastOK   time.Time `json:"last_ok,omitzero"`

	named   bool // its host is a name that we look up
	unnamed bool // and that could not be resolved
}

// Health returns a snapshot.
func (g *Guard) Health() Health {
	g.mu.Lock()
	defer g.mu.Unlock()
	h := g.health
	h.Unwell, h.Controls = slices.Clone(h.Unwell), slices.Clone(h.Controls)
	return h
}

// look looks at our own clock, delay and file descriptors.
func (g *Guard) look(now time.Time) {
	g.meter.mu.Lock()
	pauses := g.meter.longPauses()
	g.meter.mu.Unlock()
	g.mu.Lock()
	defer g.mu.Unlock()
	h := &g.health
	if g.looks++; g.looks%filesEvery == 1 {
		h.Files, h.MaxFiles = openFiles()
	}
	if g.looks%delayEvery == 1 {
		h.Scheduling, h.Pauses = g.sched.within(schedLatencies), g.pauses.within(gcPauses)
	}
	var lag time.Duration
	if !g.clocked.IsZero() {
		if step := stepped(g.clocked, now); step.Abs() > clockLimit {
			h.Step, h.SteppedAt = step.Seconds(), now.UTC().Round(0)
			g.log.Warn("wall clock was set, or the host slept", "by", step)
		}
		if lag = max(0, now.Sub(g.clocked)-selfEvery); lag > pauseLimit {
			h.PausedAt = now.UTC().Round(0)
			g.log.Warn("our own process stood still", "for", lag)
		}
	}
	g.clocked = now
	if g.lags = append(g.lags, lag.Seconds()); len(g.lags) > rememberLags {
		g.lags = g.lags[1:]
	}
	h.At, h.Lag, h.LongPauses = now.UTC().Round(0), slices.Max(g.lags), pauses
	g.judge()
}

// judge works out what we are unwell of, and says so when it changes. g.mu is
// held.
func (g *Guard) judge() {
	h := &g.health
	unwell := []string{}
	out, dns := controlsOut(h.Controls)
	h.Disbelieved = g.liars >= maxLies
	if out && !h.Disbelieved {
		unwell = append(unwell, DoubtControls)
	} else if dns && !h.Disbelieved {
		unwell = append(unwell, DoubtDNS)
	}
	if h.MaxFiles > 0 && float64(h.Files) > filesLimit*float64(h.MaxFiles) {
		unwell = append(unwell, DoubtFiles)
	}
	recent := func(at time.Time) bool { return !at.IsZero() && h.At.Sub(at).Abs() < time.Minute }
	if recent(h.SteppedAt) {
		unwell = append(unwell, DoubtClock)
	}
	if recent(h.PausedAt) {
		unwell = append(unwell, DoubtPause)
	}
	if !slices.Equal(unwell, h.Unwell) {
		if len(unwell) > 0 {
			g.log.Warn("we are unwell ourselves: failures are not counted against targets", "of", unwell)
		} else {
			g.log.Info("we are well again")
		}
	}
	h.Unwell = unwell
}

// controlsOut reports whether no control could be reached, and whether none of
// those that have names could be resolved.
func controlsOut(cs []ControlHealth) (out, dns bool) {
	asked, failed, named, unnamed := 0, 0, 0, 0
	for _, c := range cs {
		if c.At.IsZero() {
			continue
		}
		asked++
		if !c.OK {
			failed++
		}
		if c.named {
			named++
		}
		if c.unnamed {
			unnamed++
		}
	}
	return asked > 0 && failed == asked, named > 0 && unnamed == named
}
