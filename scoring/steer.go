package scoring

import (
	"math"
	"slices"

	"github.com/bellwether-llm/bellwether"
)

// follow notes of a probe what routes steer by beside health: its pace, the
// user's limits, and how its target fares at the canary's task.
func (e *Engine) follow(t *target, s *series, o *bellwether.Observation) {
	e.noteTask(t, o)
	e.noteLimits(t, o)
	s.charge(t, o)
	if o.Doubtful == "" && o.Outcome.Meaning().Availability == bellwether.Good {
		if v := timed(o, bellwether.FirstToken); v > 0 {
			s.live.see(math.Log(v))
		}
	}
}

// steering codes what follow notes of a target. Tasks and limits go by name, as
// the config may have made others.
func (c *coder) steering(t *target) {
	c.life(&t.life)
	c.look(&t.look)
	c.f64s(t.together[:])
	n := c.count(len(t.skills), 1<<16)
	for i := 0; i < n && c.err == nil; i++ {
		var s skill
		if !c.read {
			s = t.skills[i]
		}
		c.str(&s.task)
		c.least(&s.good, 0)
		c.least(&s.bad, 0)
		if j := slices.IndexFunc(t.skills, func(o skill) bool { return o.task == s.task }); j >= 0 {
			t.skills[j] = s
		}
	}
	n = c.count(len(t.walks), 1<<16)
	for i := 0; i < n && c.err == nil; i++ {
		var w walk
		if !c.read {
			w = *t.walks[i]
		}
		c.walk(&w)
		if j := slices.IndexFunc(t.walks, func(o *walk) bool { return o.signal == w.signal && o.limit == w.limit }); j >= 0 {
			*t.walks[j] = w
		}
	}
}

func (c *coder) walk(w *walk) {
	signal := string(w.signal)
	c.str(&signal)
	w.signal = bellwether.Signal(signal)
	c.f64(&w.limit)
	c.int(&w.steps)
	c.bool(&w.over)
	if w.steps < 0 || w.steps > limitSteps {
		c.err = errCheckpoint
	}
}

// routes codes what routes stand at by preference, by the names of routes and
// targets.
func (c *coder) routes(e *Engine) {
	n := c.count(len(e.routes), 1<<16)
	for i := 0; i < n && c.err == nil; i++ {
		r := &route{}
		if !c.read {
			r = e.routes[i]
		}
		c.str(&r.name)
		own := slices.IndexFunc(e.routes, func(o *route) bool { return o.name == r.name })
		k := c.count(len(r.members), 1<<16)
		for j := 0; j < k && c.err == nil; j++ {
			m := member{t: &target{}}
			if !c.read {
				m = r.members[j]
			}
			c.str(&m.t.ID)
			for _, s := range []*steady{&m.lag, &m.fit} {
				c.f64(&s.at)
				c.bool(&s.known)
			}
			if c.read && own >= 0 {
				e.routes[own].restoreTaste(&m)
			}
		}
	}
}

// restoreTaste takes over where a member of a route stood.
func (r *route) restoreTaste(from *member) {
	for i := range r.members {
		if m := &r.members[i]; m.t.ID == from.t.ID {
			m.lag, m.fit = from.lag, from.fit
			m.lagSeen, m.fitSeen = m.lag.at, m.fit.at
		}
	}
}
