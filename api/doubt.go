package api

import "time"

// ProberHealth is what a vantage's prober knows of its own condition. While it
// is unwell, what it sees is marked doubtful and does not count against targets.
type ProberHealth struct {
	// Unwell names what is wrong: controls, dns, fds, clock, pause. Empty: nothing.
	Unwell   []string       `json:"unwell"`
	Controls []ControlState `json:"controls"`
	// Disbelieved: no control answers though targets do.
	Disbelieved bool `json:"controls_disbelieved,omitempty"`
	// Step is by how much the wall clock was last set, at SteppedAt.
	Step       float64   `json:"clock_step_seconds,omitempty"`
	SteppedAt  time.Time `json:"clock_stepped_at,omitzero"`
	PausedAt   time.Time `json:"paused_at,omitzero"`
	Lag        float64   `json:"lag_seconds"` // at worst within the last minute
	LongPauses uint64    `json:"long_gc_pauses"`
	// Scheduling is how long its goroutines waited for a processor, Pauses how
	// long garbage collections stopped them, within the last minute.
	Scheduling *Delays `json:"scheduling,omitempty"`
	Pauses     *Delays `json:"gc_pauses,omitempty"`
	Files      int     `json:"files"`
	MaxFiles   int     `json:"max_files"`
	Doubted    uint64  `json:"doubted"` // observations marked since the start
}

// Delays are percentiles of how long something waited, in seconds.
type Delays struct {
	P50 float64 `json:"p50_seconds"`
	P99 float64 `json:"p99_seconds"`
	Max float64 `json:"max_seconds"`
}

func (d *Delays) sound() bool { return d == nil || d.P50 >= 0 && d.P99 >= 0 && d.Max >= 0 }

// ControlState is what came of asking one control last.
type ControlState struct {
	Control  string    `json:"control"`
	OK       bool      `json:"ok"`
	At       time.Time `json:"at,omitzero"`
	Seconds  float64   `json:"seconds"`
	DNS      float64   `json:"dns_seconds,omitempty"`
	Error    string    `json:"error,omitempty"`
	Failures int       `json:"failures"` // in a row
	LastOK   time.Time `json:"last_ok,omitzero"`
}

const (
	mostControls = 64
	mostWords    = 2000 // bytes of an address or error
)

// sound reports whether what an agent says of itself can be shown.
func (h *ProberHealth) sound() bool {
	if h == nil {
		return true
	}
	ok := len(h.Unwell) <= mostControls && len(h.Controls) <= mostControls && h.Files >= 0 && h.MaxFiles >= 0 && h.Lag >= 0 && h.Scheduling.sound() && h.Pauses.sound()
	for _, w := range h.Unwell {
		ok = ok && len(w) <= wordLimit
	}
	for _, c := range h.Controls {
		ok = ok && len(c.Control) <= mostWords && len(c.Error) <= mostWords && c.Failures >= 0 && c.Seconds >= 0
	}
	return ok
}
