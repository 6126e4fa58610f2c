package policies

import (
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/evaluate/world"
)

// calls reads what one second of real traffic says: how many calls, and how
// many of them failed. A window does not say in which order; failures count as
// spread evenly.
func calls(o *bellwether.Observation) (n, bad int) {
	for outcome, k := range o.Counts {
		n += k
		if outcome != bellwether.OK {
			bad += k
		}
	}
	return n, bad
}

// Envoy is outlier detection as shipped: so many consecutive 5xx eject a host
// for 30 s, times how often it was ejected, at most 300 s; one less for each
// interval that it stayed in. Its success-rate mode needs five hosts with a
// hundred requests in ten seconds and never comes into play at one a second. It
// judges real traffic only, and of a host that is out sees none.
type Envoy struct {
	Consecutive int
	state       []host
}

type host struct {
	bad     int
	times   int
	out     time.Time // until when it is out
	checked time.Time
	now     time.Time
}

func (e *Envoy) Observe(i int, o *bellwether.Observation, at time.Time) {
	if o.Source != bellwether.SourceRouter {
		return
	}
	e.state = perTarget(e.state, i)
	h := &e.state[i]
	h.pass(at)
	if at.Before(h.out) {
		return
	}
	n, bad := calls(o)
	for k := range n {
		if (k+1)*bad/n == k*bad/n {
			h.bad = 0
			continue
		}
		if h.bad++; h.bad >= e.Consecutive {
			h.times++
			h.bad = 0
			h.out = at.Add(min(time.Duration(h.times)*30*time.Second, 300*time.Second))
			return
		}
	}
}

// pass counts ejections down, one for each interval of ten seconds in service.
func (h *host) pass(at time.Time) {
	h.now = at
	if h.checked.IsZero() || h.checked.Before(h.out) {
		h.checked = h.out
		if h.checked.IsZero() {
			h.checked = at
		}
	}
	for at.Sub(h.checked) >= 10*time.Second {
		h.checked = h.checked.Add(10 * time.Second)
		h.times = max(0, h.times-1)
	}
}

func (e *Envoy) Tick(at time.Time) {
	for i := range e.state {
		e.state[i].pass(at)
	}
}

func (e *Envoy) View(i int) world.View {
	return onOff(i < len(e.state) && e.state[i].now.Before(e.state[i].out))
}

func (e *Envoy) Clone() Rule {
	d := *e
	d.state = append([]host(nil), e.state...)
	return &d
}

// LiteLLM is its router's cooldown: more than a share of this minute's calls
// failed, of five at least, or more than AllowedFails in the minute where that
// is set: out for five seconds.
type LiteLLM struct {
	Share        float64
	AllowedFails int // 0: the share counts
	state        []deployment
}

type deployment struct {
	minute int64
	n, bad int
	out    time.Time
	now    time.Time
}

func (l *LiteLLM) Observe(i int, o *bellwether.Observation, at time.Time) {
	if o.Source != bellwether.SourceRouter {
		return
	}
	l.state = perTarget(l.state, i)
	d := &l.state[i]
	d.now = at
	if at.Before(d.out) {
		return
	}
	if m := at.Unix() / 60; m != d.minute {
		d.minute, d.n, d.bad = m, 0, 0
	}
	n, bad := calls(o)
	d.n, d.bad = d.n+n, d.bad+bad
	if bad == 0 {
		return
	}
	over := d.n >= 5 && float64(d.bad) > l.Share*float64(d.n)
	if l.AllowedFails > 0 {
		over = d.bad > l.AllowedFails
	}
	if over {
		d.out = at.Add(5 * time.Second)
	}
}

func (l *LiteLLM) Tick(at time.Time) {
	for i := range l.state {
		l.state[i].now = at
	}
}

func (l *LiteLLM) View(i int) world.View {
	return onOff(i < len(l.state) && l.state[i].now.Before(l.state[i].out))
}

func (l *LiteLLM) Clone() Rule {
	d := *l
	d.state = append([]deployment(nil), l.state...)
	return &d
}
