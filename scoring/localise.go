package scoring

import (
	"math"

	"github.com/bellwether-llm/bellwether"
)

// group is a set of targets that one fault would strike together.
type group struct {
	cause   bellwether.Cause
	what    string // for people: "region us-east of openai"
	prior   float64
	members []int // indexes of targets
}

// groupsOf lists the groups that t belongs to, the narrowest first. A group
// that is no larger than the target itself is left out.
func groupsOf(t *target, all []*target) []group {
	pick := func(in func(o *target) bool) (members []int, providers int) {
		seen := map[string]bool{}
		for _, o := range all {
			if in(o) {
				members = append(members, o.index)
				seen[o.Provider] = true
			}
		}
		return members, len(seen)
	}
	gs := []group{{cause: bellwether.CauseTarget, what: "this target", prior: .35, members: []int{t.index}}}
	add := func(cause bellwether.Cause, what string, prior float64, least, providers int, in func(o *target) bool) {
		if m, p := pick(in); len(m) >= least && p >= providers {
			gs = append(gs, group{cause: cause, what: what, prior: prior, members: m})
		}
	}
	add(bellwether.CauseModel, "model "+t.Model+" of "+t.Provider, .25, 2, 1, func(o *target) bool { return o.Provider == t.Provider && o.Model == t.Model })
	add(bellwether.CauseRegion, "region "+t.Region+" of "+t.Provider, .1, 2, 1, func(o *target) bool { return o.Provider == t.Provider && o.Region == t.Region })
	add(bellwether.CauseProvider, "provider "+t.Provider, .2, 2, 1, func(o *target) bool { return o.Provider == t.Provider })
	add(bellwether.CauseRegion, "region "+t.Region, .1, 2, 2, func(o *target) bool { return o.Region == t.Region && t.Region != "" })
	add(bellwether.CauseVantage, "our own network", .1, 3, 2, func(o *target) bool { return true })
	return gs
}

// blameMargin is by how many nats a new cause must lead the one that was named
// before.
const blameMargin = 1.0

// localise names the cause of what is wrong with t: the group whose members'
// evidence since the onset, taken together, speaks most for one fault.
func (e *Engine) localise(t *target) {
	worst := famErrors
	for f := famErrors; f < families; f++ {
		if t.fam[f].active && (!t.fam[worst].active || t.fam[f].severity > t.fam[worst].severity) {
			worst = f
		}
	}
	a := &t.fam[worst]
	if !a.active {
		return
	}
	best, lead, second, current := -1, math.Inf(-1), math.Inf(-1), math.Inf(-1)
	for i := range t.groups {
		g := &t.groups[i]
		// Any HTTP answer, even a failure, proves our own path.
		if g.cause == bellwether.CauseVantage && worst != famFirst && worst != famInter {
			continue
		}
		score := e.groupNats(g, worst, a.since) + math.Log(g.prior)
		if i == t.group {
			current = score
		}
		if score > lead {
			best, lead, second = i, score, lead
		} else if score > second {
			second = score
		}
	}
	if best < 0 || (t.group >= 0 && best != t.group && lead < current+blameMargin) {
		return
	}
	t.group, t.margin, t.cause = best, math.Min(lead-second, 999), t.groups[best].cause
	if t.cause == bellwether.CauseTarget && t.callsSince(a.since).worst == bellwether.Gone && worst == famErrors {
		t.cause = bellwether.CauseModel
	}
}

// groupNats is ln mean over the magnitudes of exp(sum of the members' evidence
// since the onset). Members that answer as usual speak against.
func (e *Engine) groupNats(g *group, f family, since int64) float64 {
	first, last := f.span()
	var sums [3]float64
	for _, m := range g.members {
		t := e.targets[m]
		for i := first; i <= last; i++ {
			sums[i-first] += t.natsSince(i, since)
		}
	}
	n := last - first + 1
	top := math.Inf(-1)
	for _, s := range sums[:n] {
		top = math.Max(top, s)
	}
	mean := 0.0
	for _, s := range sums[:n] {
		mean += math.Exp(s-top) / float64(n)
	}
	return top + math.Log(mean)
}

// natsSince sums up what the last observations said for hypothesis i.
func (t *target) natsSince(i int, since int64) float64 {
	sum := 0.0
	for k := range t.recent.len() {
		one := t.recent.last(k)
		if one.at < since {
			continue // windows of traffic lie behind probes
		}
		sum += float64(one.ell[i])
	}
	return sum
}
