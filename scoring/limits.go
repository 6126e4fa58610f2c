package scoring

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/conf"
)

// A limit is the user's own on a latency signal of a route. It is held against
// the median, because the 95th percentile of probes takes an hour to know: each
// answer over the limit is a step up, each other a step down, and limitSteps
// more steps up than down make the target over it. It is back when as many
// answers more lie below limitBack of it. A median on the limit itself moves
// neither way for long.
const (
	limitSteps = 6
	limitBack  = 0.9
)

// walk is how one target stands to one limit. Targets have one for each limit
// of any of their routes.
type walk struct {
	signal bellwether.Signal
	limit  float64 // seconds
	steps  int     // 0 to limitSteps
	over   bool
}

// see takes in one answer's time in seconds, and reports whether w changed sides.
func (w *walk) see(seconds float64) bool {
	up := seconds > w.limit
	if w.over {
		up = seconds > limitBack*w.limit
	}
	if up {
		w.steps = min(w.steps+1, limitSteps)
	} else {
		w.steps = max(w.steps-1, 0)
	}
	was := w.over
	if w.steps == limitSteps {
		w.over = true
	} else if w.steps == 0 {
		w.over = false
	}
	return w.over != was
}

// watch returns t's walk for a limit, making it when it is new.
func (t *target) watch(signal bellwether.Signal, limit float64) *walk {
	for _, w := range t.walks {
		if w.signal == signal && w.limit == limit {
			return w
		}
	}
	w := &walk{signal: signal, limit: limit}
	t.walks = append(t.walks, w)
	return w
}

// limitsOf returns the walks of t that a route asks for, in a fixed order.
func limitsOf(t *target, limits map[bellwether.Signal]float64) (ws []*walk) {
	for _, s := range slices.Sorted(maps.Keys(limits)) {
		ws = append(ws, t.watch(s, limits[s]))
	}
	return ws
}

// noteLimits holds an answer against the user's limits. A call that ran out of
// time took at least as long as any limit.
func (e *Engine) noteLimits(t *target, o *bellwether.Observation) {
	slow := false
	switch o.Outcome {
	case bellwether.FirstTokenTimeout, bellwether.Timeout, bellwether.Stalled:
		slow = true
	default:
		if o.Outcome.Meaning().Availability != bellwether.Good || o.Doubtful != "" {
			return
		}
	}
	for _, w := range t.walks {
		v := timed(o, w.signal)
		switch {
		case slow && (w.signal != bellwether.InterToken || o.Outcome == bellwether.Stalled):
			v = math.Inf(1)
		case !(v > 0):
			continue
		}
		if w.see(v) {
			e.dirty = true
		}
	}
}

// timed is what o says of a latency signal, in seconds; 0 for nothing. Answers
// that are not streamed have their first token when they are whole.
func timed(o *bellwether.Observation, s bellwether.Signal) float64 {
	switch s {
	case bellwether.FirstToken:
		if o.Timing.FirstToken > 0 {
			return o.Timing.FirstToken
		}
		return o.Timing.Total
	case bellwether.InterToken:
		return interToken(o)
	}
	return o.Timing.Total
}

// over returns the limit of this route that the member does not keep, nil for
// none.
func (m *member) over() *walk {
	for _, w := range m.limits {
		if w.over {
			return w
		}
	}
	return nil
}

// yield has members that are over a limit of the route's give way to those that
// keep it: of their own tier, by preference; where it has none, of a later tier,
// by weight, so that traffic spills over. How much depends on what who keeps it
// is fit to take. If none keeps it, nothing shifts.
func (r *route) yield() {
	for i := range r.members {
		m := &r.members[i]
		m.yields, m.yieldsTo = nil, ""
		if m.yields = m.over(); m.yields == nil {
			continue
		}
		if keeper, fit := r.keeper(i, func(tier int) bool { return tier == m.tier }); keeper != nil {
			m.yieldsTo = keeper.t.ID
			m.preference = math.Max(leastTaste*leastTaste, m.preference*(1-(1-leastTaste)*fit))
		} else if keeper, fit := r.keeper(i, func(tier int) bool { return tier > m.tier }); keeper != nil {
			m.yieldsTo = keeper.t.ID
			m.fitness = 1 - (1-trickle)*fit
		} else {
			m.yields = nil
		}
	}
}

// keeper returns the member in one of those tiers that keeps the limits and is
// fittest, and how fit it is.
func (r *route) keeper(of int, in func(tier int) bool) (best *member, fit float64) {
	for i := range r.members {
		m := &r.members[i]
		if i == of || !in(m.tier) || len(m.limits) == 0 || m.over() != nil {
			continue
		}
		if w := m.t.effective(); w > fit {
			best, fit = m, w
		}
	}
	return best, fit
}

// yieldReason says why a member of a route gives way.
func (m *member) yieldReason() bellwether.Reason {
	w := m.yields
	name := map[bellwether.Signal]string{bellwether.FirstToken: "first token", bellwether.InterToken: "inter-token", bellwether.Total: "total time"}[w.signal]
	return bellwether.Reason{Signal: w.signal, Code: "over_limit",
		Text: fmt.Sprintf("%s is mostly over this route's limit of %s; its traffic goes to %s, which keeps it", name, amount(w.limit), m.yieldsTo)}
}

// routeProblems returns what is wrong with a route's policy; its tiers are
// looked at elsewhere.
func routeProblems(r bellwether.Route, path string) (ps []conf.Problem) {
	bad := func(field, text, remedy string) {
		ps = append(ps, conf.Problem{Path: path + field, Text: text, Remedy: remedy})
	}
	p := r.Prefer
	for i, v := range []float64{p.Latency, p.Cost, p.Locality, p.Task} {
		if !(v >= 0 && v <= mostTaste) {
			bad(".prefer."+[]string{"latency", "cost", "locality", "task"}[i], fmt.Sprintf("%v is out of range", v), "write 0 to 4")
		}
	}
	for _, s := range slices.Sorted(maps.Keys(r.ShiftWhen)) {
		if s != bellwether.FirstToken && s != bellwether.InterToken && s != bellwether.Total {
			bad(".shift_when."+string(s), "is no latency signal", "write first_token, inter_token or total")
		} else if v := r.ShiftWhen[s]; !(v > 0) || math.IsInf(v, 1) {
			bad(".shift_when."+string(s), "is not above zero", "write a time, such as 2s")
		}
	}
	if v := r.Rollout; v != nil && !(*v >= 0 && *v <= 1) {
		bad(".rollout", fmt.Sprintf("%v is out of range", *v), "write 0 to 1")
	}
	return ps
}
