package scoring

import (
	"math"
	"slices"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/shares"
)

// route is a compiled route and what was last published of it.
type route struct {
	name    string
	members []member
	targets []shares.Target // scratch for shares.ComputeInto
	shares  []float64
	plain   []float64 // the shares of the base weights
	cells   []cell    // scratch of comparePaces
	policy  shares.Policy
	prefer  bellwether.Preferences
	task    int // index in Engine.tasks, -1 for none
	rollout float64
	config  bellwether.Route
	mode    bellwether.Mode
	shown   []published
	next    []published
}

// member is a target's place in a route.
type member struct {
	t      *target
	tier   int
	base   float64
	price  float64 // USD per million tokens, never 0
	limits []*walk

	lag, fit         steady // ln of the pace and of the failures at the task, relative to others
	lagSeen, fitSeen float64
	lagNow           float64 // scratch of comparePaces, as are the next two
	lagSum           float64
	lagWeight        float64

	preference float64 // within the tier, in (0, 1]
	fitness    float64 // 1, or less where it yields to a later tier
	yields     *walk   // the limit for which it gives way
	yieldsTo   string
}

// published are the parts of a target's entry whose change is news.
type published struct {
	weight, share, would float64
	preference           float64
	state                bellwether.State
	cause                bellwether.Cause
}

func newRoute(r bellwether.Route, e *Engine) *route {
	c := &route{name: r.Name, policy: shares.Policy{StandbyShare: r.StandbyShare, Overprovision: r.Overprovision},
		prefer: r.Prefer, task: slices.Index(e.tasks, r.Task), rollout: 1, config: r}
	if r.Rollout != nil {
		c.rollout = *r.Rollout
	}
	for tier, tts := range r.Tiers {
		for _, tt := range tts {
			t := e.byID[tt.Target]
			c.members = append(c.members, member{t: t, tier: tier, base: tt.Base(), price: price(t), limits: limitsOf(t, r.ShiftWhen)})
		}
	}
	n := len(c.members)
	c.targets, c.shares, c.plain = make([]shares.Target, n), make([]float64, n), make([]float64, n)
	c.shown, c.next = make([]published, n), make([]published, n)
	e.tasting = e.tasting || !indifferent(r.Prefer)
	return c
}

// compute derives the route's weights, shares and mode, and reports whether
// anything of it is news.
func (r *route) compute(e *Engine) (news bool) {
	for i := range r.members {
		r.members[i].preference, r.members[i].fitness = 1, 1
	}
	if !indifferent(r.prefer) {
		r.preferences()
	}
	r.yield()
	pinned, panicked := r.share()
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
		news = news || r.next[i] != r.shown[i]
	}
	r.mode = mode
	r.shown, r.next = r.next, r.shown
	return news
}

// share computes what is to be published of each member.
func (r *route) share() (pinned, panicked bool) {
	nothing := true
	for i := range r.members {
		t := r.members[i].t
		pinned = pinned || t.pinned() != nil
		nothing = nothing && t.effective() == 0
	}
	for i := range r.members {
		m := &r.members[i]
		w := m.t.effective() * m.fitness
		dead := w == 0
		// A route is never left with nothing: what is down keeps a trickle.
		if nothing && m.t.pinned() == nil {
			w, dead = trickle, false
		}
		w = round4(w)
		m.preference = round4(m.preference)
		r.targets[i] = shares.Target{Tier: m.tier, Base: m.base, Weight: w, Preference: m.preference, Dead: dead}
		r.next[i] = published{weight: w, preference: m.preference, state: m.t.shown, cause: m.t.shownWhy}
	}
	panicked = shares.ComputeInto(r.shares, r.targets, r.policy)
	shares.Round(r.shares)
	for i := range r.next {
		r.next[i].would = r.shares[i]
	}
	if r.rollout < 1 {
		r.mix()
	}
	for i := range r.next {
		r.next[i].share = r.shares[i]
	}
	return pinned, panicked
}

// mix lets only part of the traffic follow: the rest keeps the shares of the
// base weights, except that an operator's word holds for all of it.
func (r *route) mix() {
	for i := range r.members {
		w := 1.0
		if o := r.members[i].t.pinned(); o != nil {
			w = r.members[i].t.effective()
		}
		r.targets[i].Weight, r.targets[i].Preference, r.targets[i].Dead = w, 0, w == 0
	}
	shares.ComputeInto(r.plain, r.targets, r.policy)
	shares.Blend(r.shares, r.plain, r.rollout)
	shares.Round(r.shares)
}

// publish recomputes all routes when something moved, and returns them when
// there is news.
func (e *Engine) publish() map[string]bellwether.RouteWeights {
	e.taste()
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
		if r.rollout < 1 {
			part := r.rollout
			w.Rollout = &part
		}
		for i := range r.members {
			w.Targets[i] = e.entry(r, i)
		}
		out[r.name] = w
	}
	return out
}

// entry is the i-th member's part of a route.
func (e *Engine) entry(r *route, i int) bellwether.TargetWeight {
	m, p := &r.members[i], r.shown[i]
	w := bellwether.TargetWeight{
		Target: m.t.ID, Tier: m.tier, Weight: p.weight, Share: p.share, BaseWeight: m.base,
		State: p.state, Cause: p.cause, Score: e.score100(m.t), Reasons: e.reasons(m.t),
	}
	if p.preference != 1 {
		w.Preference = p.preference
	}
	if r.rollout < 1 {
		would := p.would
		w.WouldShare = &would
	}
	if m.yields != nil {
		w.Reasons = append(w.Reasons, m.yieldReason())
	}
	return w
}

func round4(x float64) float64 { return math.Round(x*1e4) / 1e4 }
