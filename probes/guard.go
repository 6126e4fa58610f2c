package probes

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// What an observation is doubted for: the values of its Doubtful that say more
// than that a timing may be spoiled. While one of these holds, a failure speaks
// against the place it was seen from, not against its target.
const (
	DoubtControls = "controls" // none of the controls can be reached from here
	DoubtDNS      = "dns"      // names cannot be resolved here; connections work
	DoubtFiles    = "fds"      // file descriptors run out
	DoubtClock    = "clock"    // the wall clock was set while the probe was under way
	DoubtPause    = "pause"    // our own process stood still for longer than a second
)

// The rhythm and limits of self-doubt.
const (
	controlEvery = 30 * time.Second
	controlLimit = 3 * time.Second // for one control to answer
	controlFresh = time.Second     // a failure asks the controls anew unless they were just asked
	selfEvery    = time.Second
	filesEvery   = 10 // looks at ourselves for one at the file descriptors
	filesLimit   = 0.9
	pauseLimit   = time.Second
	clockLimit   = time.Second
	rememberLags = 60 // looks
	maxControls  = 16
	maxLies      = 3 // rounds proved wrong before the controls are disbelieved
)

// GuardOptions say what a prober's guard asks. The zero value works and asks no
// controls.
type GuardOptions struct {
	// Controls are asked for a sign of life: web addresses (a plain GET, any
	// answer will do) and host:port (a TCP connection). See [Probing.Controls].
	Controls []string
	// Dial and Proxy are as those of [Options].
	Dial  func(ctx context.Context, network, addr string) (net.Conn, error)
	Proxy func(*http.Request) (*url.URL, error)
	// Resolve looks up a name; nil means the system's resolver.
	Resolve func(ctx context.Context, host string) ([]string, error)
	// Log tells when we fall ill and when we recover; nil discards.
	Log *slog.Logger
}

// Guard doubts a prober before it doubts a target: it asks the controls, looks
// at our own clock, delays and file descriptors, and marks what was observed
// while we were unwell. It is a [Sender] around another, and safe for
// concurrent use.
type Guard struct {
	next     Sender
	controls []control
	log      *slog.Logger
	meter    lagMeter // for its count of long collections only

	mu      sync.Mutex
	round   *round // the last one; nil before the first
	health  Health
	lags    []float64 // of the last looks
	clocked time.Time // of the last look, with its monotonic reading
	looks   int
	sched   delays
	pauses  delays
	// liars counts the rounds in a row that no control answered in and that an
	// answer to a later probe gave the lie; caught says that the last is counted.
	liars  int
	caught bool
}

// round is one asking of all controls. began and done are set at the start,
// all else before done is closed.
type round struct {
	began time.Time
	done  chan struct{}
	void  bool // it was cut short and says nothing
}

// NewGuard returns a guard around next. It asks nobody yet.
func NewGuard(next Sender, o GuardOptions) (*Guard, error) {
	if next == nil {
		return nil, errors.New("guard: it needs a sender")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	g := &Guard{next: next, log: o.Log, health: Health{Unwell: []string{}, Controls: []ControlHealth{}}}
	client := controlClient(o)
	for _, name := range o.Controls {
		c, err := newControl(name, client, o)
		if err != nil {
			return nil, err
		}
		g.controls = append(g.controls, c)
		g.health.Controls = append(g.health.Controls, ControlHealth{Control: name})
	}
	return g, nil
}

// Probe lets the prober send j, and marks the observation when we are unwell. A
// probe that nothing came back of asks the controls before it is believed,
// which takes up to 3 s.
func (g *Guard) Probe(ctx context.Context, j Job) bellwether.Observation {
	began := time.Now()
	o := g.next.Probe(ctx, j)
	now := time.Now()
	if silent(&o) && ctx.Err() == nil {
		g.ask(ctx, now.Add(-controlFresh))
		g.vouch(&o)
	} else if o.Status != 0 {
		g.heard(began)
	}
	if why := g.doubt(&o, stepped(began, now)); why != "" {
		o.Doubtful = why
	}
	return o
}

// longFailed is for how long a control must not have answered to be taken for
// one that is wrong itself. It is longer than outages of our own network are: in
// one of those that cuts us off in part, a control that is cut off must count.
const longFailed = time.Hour

// vouch notes in o what the controls said: where all answer, even many providers
// that fall silent at once are not our own network's fault. A control that never
// answered, or not for longer than longFailed, is left out.
func (g *Guard) vouch(o *bellwether.Observation) {
	g.mu.Lock()
	defer g.mu.Unlock()
	answered, failed := 0, 0
	for _, c := range g.health.Controls {
		switch {
		case c.OK:
			answered++
		case c.At.Sub(c.LastOK) <= longFailed:
			failed++
		}
	}
	if answered+failed == 0 {
		return
	}
	if o.Signals == nil {
		o.Signals = map[bellwether.Signal]float64{}
	}
	o.Signals[bellwether.ControlsAnswered], o.Signals[bellwether.ControlsFailed] = float64(answered), float64(failed)
}

// silent reports whether nothing at all came back over HTTP.
func silent(o *bellwether.Observation) bool {
	switch o.Outcome {
	case bellwether.DNSError, bellwether.ConnectError, bellwether.TLSError:
		return true
	case bellwether.Timeout, bellwether.FirstTokenTimeout, bellwether.Stalled:
		return o.Status == 0
	}
	return false
}

// heard notes that a probe that began at a time had an answer. Where no control
// answered before it, they, and not our network, are what is wrong: after three
// such rounds they are not believed until one of them answers again.
func (g *Guard) heard(began time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if out, _ := controlsOut(g.health.Controls); !out || g.caught || !g.round.ended() || g.round.began.After(began) {
		return
	}
	g.caught = true
	if g.liars++; g.liars == maxLies {
		g.log.Warn("no control answers, yet targets do: controls are not believed until one answers")
		g.judge()
	}
}

// doubt returns why o is not to be trusted, "" when it is, and counts it.
func (g *Guard) doubt(o *bellwether.Observation, step time.Duration) (why string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case slices.Contains(g.health.Unwell, DoubtControls):
		why = DoubtControls
	case slices.Contains(g.health.Unwell, DoubtDNS) && o.Outcome == bellwether.DNSError:
		why = DoubtDNS
	case slices.Contains(g.health.Unwell, DoubtFiles):
		why = DoubtFiles
	case step.Abs() > clockLimit:
		why = DoubtClock
	case o.SelfLag > pauseLimit.Seconds():
		why = DoubtPause
	}
	if why != "" {
		g.health.Doubted++
	}
	return why
}

// stepped returns by how much the wall clock was set between two readings. A
// host that slept counts: its monotonic clock stands still meanwhile.
func stepped(from, to time.Time) time.Duration {
	return to.Round(0).Sub(from.Round(0)) - to.Sub(from)
}

// Run asks the controls every 30 s and looks at ourselves every second, until
// ctx ends; it returns nil.
func (g *Guard) Run(ctx context.Context) error {
	var asking sync.WaitGroup
	defer asking.Wait()
	tick := time.NewTicker(selfEvery)
	defer tick.Stop()
	for next := time.Now(); ; {
		now := time.Now()
		g.look(now)
		if !now.Before(next) {
			next = now.Add(controlEvery)
			asking.Go(func() { g.ask(ctx, now) }) // beside us: it must not pass for a pause
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// ask returns when all controls were asked at a time after since. Callers at
// the same time share one round.
func (g *Guard) ask(ctx context.Context, since time.Time) {
	if len(g.controls) == 0 {
		return
	}
	for ctx.Err() == nil {
		g.mu.Lock()
		r, mine := g.round, false
		if r == nil || (r.ended() && (r.void || r.began.Before(since))) {
			r, mine = &round{began: time.Now(), done: make(chan struct{})}, true
			g.round = r
		}
		g.mu.Unlock()
		if mine {
			g.hear(ctx, r)
		}
		select {
		case <-ctx.Done():
			return
		case <-r.done:
		}
		if !r.void && !r.began.Before(since) {
			return
		}
	}
}

func (r *round) ended() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// hear asks all controls at once and notes what they answered.
func (g *Guard) hear(ctx context.Context, r *round) {
	heard := make([]ControlHealth, len(g.controls))
	var all sync.WaitGroup
	for i, c := range g.controls {
		all.Go(func() { heard[i] = c.ask(ctx) })
	}
	all.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	defer close(r.done)
	if r.void = ctx.Err() != nil; r.void {
		return
	}
	for i, h := range heard {
		old := g.health.Controls[i]
		h.Failures, h.LastOK = old.Failures+1, old.LastOK
		if h.OK {
			h.Failures, h.LastOK = 0, h.At
		}
		g.health.Controls[i] = h
	}
	g.caught = false
	if out, _ := controlsOut(g.health.Controls); !out {
		g.liars = 0
	}
	g.judge()
}
