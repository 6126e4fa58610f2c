package policies

import (
	"math"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/evaluate/world"
)

// Rule is a policy of the usual kind: it keeps a little state per target and is
// copied whole to go on from a shared warm-up.
type Rule interface {
	world.Policy
	Clone() Rule
}

// perTarget makes room for target i.
func perTarget[T any](s []T, i int) []T {
	for len(s) <= i {
		var zero T
		s = append(s, zero)
	}
	return s
}

// onOff is all or nothing, as most monitors are.
func onOff(ill bool) world.View {
	if ill {
		return world.View{Severity: 2, Weight: 0, Cause: bellwether.CauseTarget}
	}
	return world.View{Weight: 1}
}

// failed reports whether a call counts as a failure to a rule that knows
// status codes only.
func failed(o *bellwether.Observation) bool {
	return o.Outcome != bellwether.OK && o.Outcome != bellwether.BadOutput && o.Outcome != bellwether.Refusal
}

// Consecutive is so many failures in a row for ill, so many successes for well:
// Gatus 3 and 2, Uptime Kuma 1 and 1.
type Consecutive struct {
	Fails, Passes int
	Insane        bool          // wrong answers are failures as well
	Every         time.Duration // looks no more often than this; 0 at everything
	state         []run
}

type run struct {
	bad, good int
	ill       bool
	lastAt    time.Time
}

func (c *Consecutive) Observe(i int, o *bellwether.Observation, at time.Time) {
	if o.Source != bellwether.SourceProbe {
		return
	}
	c.state = perTarget(c.state, i)
	s := &c.state[i]
	if c.Every > 0 && o.At.Sub(s.lastAt) < c.Every-time.Second {
		return
	}
	s.lastAt = o.At
	s.see(failed(o) || (c.Insane && o.Outcome != bellwether.OK), c.Fails, c.Passes)
}

func (s *run) see(bad bool, fails, passes int) {
	if bad {
		s.bad, s.good = s.bad+1, 0
	} else {
		s.good, s.bad = s.good+1, 0
	}
	if s.bad >= fails {
		s.ill = true
	} else if s.good >= passes {
		s.ill = false
	}
}

func (c *Consecutive) Tick(time.Time) {}

func (c *Consecutive) View(i int) world.View { return onOff(i < len(c.state) && c.state[i].ill) }

func (c *Consecutive) Clone() Rule {
	d := *c
	d.state = append([]run(nil), c.state...)
	return &d
}

// EWMA is a control chart on the logarithm of the first token: an exponentially
// weighted mean past so many of its standard deviations. What is usual is
// learned always, with a half-life of six hours. Three failures in a row are
// ill as well, because a failure has no first token.
type EWMA struct {
	Lambda, Limit float64
	state         []chart
}

type chart struct {
	run
	usual learned
	mean  float64
	slow  bool
}

// learned is a mean and variance that are always learned.
type learned struct {
	n, mean, variance float64
	lastAt            time.Time
}

func (l *learned) add(x float64, at time.Time) {
	l.n++
	gap := at.Sub(l.lastAt).Seconds()
	l.lastAt = at
	alpha := math.Max(1/l.n, 1-math.Exp2(-math.Min(gap, 600)/(6*3600)))
	if l.n == 1 {
		alpha = 1
	}
	d := x - l.mean
	l.mean += alpha * d
	l.variance = (1 - alpha) * (l.variance + alpha*d*d)
}

func (l *learned) sigma() float64 { return math.Sqrt(math.Max(l.variance, 1e-9)) }

func (e *EWMA) Observe(i int, o *bellwether.Observation, at time.Time) {
	if o.Source != bellwether.SourceProbe {
		return
	}
	e.state = perTarget(e.state, i)
	s := &e.state[i]
	s.see(failed(o), 3, 2)
	if x := o.Timing.FirstToken; x > 0 && !failed(o) {
		y := math.Log(x)
		if s.usual.n >= 30 {
			z := (y - s.usual.mean) / s.usual.sigma()
			s.mean += e.Lambda * (z - s.mean)
			s.slow = s.mean > e.Limit*math.Sqrt(e.Lambda/(2-e.Lambda))
		}
		s.usual.add(y, o.At)
	}
}

func (e *EWMA) Tick(time.Time) {}

func (e *EWMA) View(i int) world.View {
	return onOff(i < len(e.state) && (e.state[i].ill || e.state[i].slow))
}

func (e *EWMA) Clone() Rule {
	d := *e
	d.state = append([]chart(nil), e.state...)
	return &d
}
