package scoring

import (
	"math"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/shares"
)

// route is a compiled route and what was last published of it.
type route struct {
	name    string
	members []member
	targets []shares.Target // scratch for shares.ComputeInto
	shares  []float64
	policy  shares.Policy
	mode    bellwether.Mode
	shown   []published
	next    []published
}

// member is a target's place in a route.
type member struct {
	t    *target
	tier int
	base float64
}

// published are the parts of a target's entry whose change is news.
type published struct {
	weight, share float64
	state         bellwether.State
	cause         bellwether.Cause
}

func newRoute(r bellwether.Route, byID map[string]*target) *route {
	c := &route{name: r.Name, policy: shares.Policy{StandbyShare: r.StandbyShare, Overprovision: r.Overprovision}}
	for tier, tts := range r.Tiers {
		for _, tt := range tts {
			c.members = append(c.members, member{t: byID[tt.Target], tier: tier, base: tt.Base()})
		}
	}
	return c.size()
}

// size makes room for what compute needs.
func (r *route) size() *route {
	r.targets = make([]shares.Target, len(r.members))
	r.shares = make([]float64, len(r.members))
	r.shown, r.next = make([]published, len(r.members)), make([]published, len(r.members))
	return r
}

// compute derives the route's weights, shares and mode, and reports whether
// anything of it is news.
func (r *route) compute(e *Engine) (news bool) {
	pinned, nothing := false, true
	for _, m := range r.members {
		pinned = pinned || m.t.pinned() != nil
		nothing = nothing && m.t.effective() == 0
	}
	for i, m := range r.members {
		w := m.t.effective()
		r.targets[i] = shares.Target{Tier: m.tier, Base: m.base, Weight: w, Dead: w == 0}
		// A route is never left with nothing: what is down keeps a trickle.
		if nothing && m.t.pinned() == nil {
			w = trickle
			r.targets[i].Weight, r.targets[i].Dead = w, false
		}
		r.next[i] = published{weight: round4(w), state: m.t.shown, cause: m.t.shownWhy}
	}
	panicked := shares.ComputeInto(r.shares, r.targets, r.policy)
	shares.Round(r.shares)
	mode := bellwether.ModeNormal
	switch {
	case pinned:
		mode = bellwether.ModeOverride
	case e.frozen:
		mode = bellwether.ModeFrozen
	case panicked:
		mode = bellwether.ModePanic
	}
	news = mode != r.mode
	for i := range r.next {
		r.next[i].share = r.shares[i]
		news = news || r.next[i] != r.shown[i]
	}
	r.mode = mode
	r.shown, r.next = r.next, r.shown
	return news
}

// publish recomputes all routes when something moved, and returns them when
// there is news.
func (e *Engine) publish() map[string]bellwether.RouteWeights {
	if !e.dirty {
		return nil
	}
	e.dirty = false
	news := false
	for _, r := range e.routes {
		if r.compute(e) {
			news = true
		}
	}
	if !news {
		return nil
	}
	return e.Routes()
}

// Routes returns what every route's part of the weights document says now, as
// fresh copies.
func (e *Engine) Routes() map[string]bellwether.RouteWeights {
	out := make(map[string]bellwether.RouteWeights, len(e.routes))
	for _, r := range e.routes {
		w := bellwether.RouteWeights{Mode: r.mode, Targets: make([]bellwether.TargetWeight, len(r.members))}
		for i, m := range r.members {
			p := r.shown[i]
			w.Targets[i] = bellwether.TargetWeight{
				Target: m.t.ID, Tier: m.tier, Weight: p.weight, Share: p.share, BaseWeight: m.base,
				State: p.state, Cause: p.cause, Score: e.score100(m.t), Reasons: e.reasons(m.t),
			}
		}
		out[r.name] = w
	}
	return out
}

func round4(x float64) float64 { return math.Round(x*1e4) / 1e4 }

// score100 is the score of t, 0 to 100, to a tenth: 0 where our key or credit is
// refused, because nobody gets an answer.
func (e *Engine) score100(t *target) float64 {
	if t.account() {
		return 0
	}
	small := e.small(t)
	return math.Round(t.belief.score(&small)*10) / 10
}
