package scoring

import (
	"maps"
	"slices"

	"github.com/bellwether-llm/bellwether"
)

// group is a set of targets that one fault would strike together.
type group struct {
	cause   bellwether.Cause
	what    string // for people: "region us-east of openai"
	prior   float64
	members []int // indexes of targets
}

// The priors of A9: how likely a fault is one of each kind.
const (
	priorTarget, priorModel   = .35, .25
	priorProvider             = .2
	priorRegion, priorVantage = .1, .1
	priorLabel                = .1
)

// grouping collects the members of each possible group, once for all targets.
type grouping struct {
	all     []*target
	members map[string][]int
}

func newGrouping(all []*target) *grouping {
	g := &grouping{all: all, members: map[string][]int{}}
	for _, t := range all {
		for _, key := range keysOf(t) {
			g.members[key] = append(g.members[key], t.index)
		}
	}
	return g
}

// keysOf names the groups that t is in. Names of different kinds never agree:
// ids hold no spaces.
func keysOf(t *target) []string {
	keys := []string{"model " + t.Provider + " " + t.Model, "at " + t.Provider + " " + t.Region, "provider " + t.Provider, "all"}
	if t.Region != "" {
		keys = append(keys, "region "+t.Region)
	}
	for _, k := range slices.Sorted(maps.Keys(t.Labels)) {
		keys = append(keys, labelKey(k, t.Labels[k]))
	}
	return keys
}

func labelKey(k, v string) string { return "label " + k + " " + v }

// groupsOf lists the groups that t belongs to, the narrowest first. A group of
// one, one that spans too few providers for what it means, and a label that says
// what a group before it says are left out.
func (g *grouping) groupsOf(t *target) []group {
	gs := []group{{cause: bellwether.CauseTarget, what: "this target", prior: priorTarget, members: []int{t.index}}}
	add := func(cause bellwether.Cause, key, what string, prior float64, least, providers int) {
		if m := g.members[key]; len(m) >= least && g.providers(m, providers) {
			gs = append(gs, group{cause: cause, what: what, prior: prior, members: m})
		}
	}
	add(bellwether.CauseModel, "model "+t.Provider+" "+t.Model, "model "+t.Model+" of "+t.Provider, priorModel, 2, 1)
	add(bellwether.CauseRegion, "at "+t.Provider+" "+t.Region, "region "+t.Region+" of "+t.Provider, priorRegion, 2, 1)
	add(bellwether.CauseProvider, "provider "+t.Provider, "provider "+t.Provider, priorProvider, 2, 1)
	add(bellwether.CauseRegion, "region "+t.Region, "region "+t.Region, priorRegion, 2, 2)
	for _, k := range slices.Sorted(maps.Keys(t.Labels)) {
		key := labelKey(k, t.Labels[k])
		told := slices.ContainsFunc(gs, func(o group) bool { return slices.Equal(o.members, g.members[key]) })
		if len(g.members[key]) < len(g.all) && !told {
			// Who runs a cloud, a gateway or a cluster is a provider as well.
			add(bellwether.CauseProvider, key, k+" "+t.Labels[k], priorLabel, 2, 1)
		}
	}
	add(bellwether.CauseVantage, "all", "our own network", priorVantage, 3, 2)
	return gs
}

// providers reports whether members are of so many providers at least.
func (g *grouping) providers(members []int, least int) bool {
	seen := map[int]bool{}
	for _, m := range members {
		if seen[g.all[m].provider] = true; len(seen) >= least {
			return true
		}
	}
	return false
}

// askSiblings has others of t's groups probed at once: what they answer tells
// whether a fault that begins is that of t alone, and detects one that is not
// sooner. Of each group it asks the first well member that no narrower group
// has, at most mostAsked in all.
func (e *Engine) askSiblings(t *target, hyp int) {
	asked := 0
	for i := 1; i < len(t.groups) && asked < mostAsked; i++ {
		if o := e.sibling(t, i); o != nil {
			o.askedAt, o.look.ask = e.now, e.questionFor(o, t, hyp)
			asked++
			e.touch(o)
			e.suspect(o)
		}
	}
}

const (
	mostAsked = 6
	askedTime = 15e9 // nanoseconds for which an unanswered question stands
)

// questionFor returns the canary that o is to be asked, because t answers it
// badly; "" where any will do.
func (e *Engine) questionFor(o, t *target, hyp int) string {
	if f := table[hyp].family; f == famErrors || f == famFirst || f == famInter || f == famJoint {
		return ""
	}
	name := e.telling(t, hyp)
	for _, s := range o.series {
		if !s.passive && s.canary != "" && (s.canary == name[1] || name[1] == "" && s.canary == name[0]) {
			return s.canary
		}
	}
	return ""
}

// sibling returns who is to be asked of t's i-th group: nil when somebody is
// already, or nobody can be.
func (e *Engine) sibling(t *target, i int) *target {
	var first *target
	for _, m := range t.groups[i].members {
		o := e.targets[m]
		if o == t || t.inNarrower(i, m) {
			continue
		}
		if o.suspected || o.verdict.Severity() > 0 {
			return nil // it is being asked
		}
		if first == nil {
			first = o
		}
	}
	return first
}

// inNarrower reports whether target m is in one of t's groups before the i-th.
func (t *target) inNarrower(i, m int) bool {
	for j := 1; j < i; j++ {
		if _, in := slices.BinarySearch(t.groups[j].members, m); in {
			return true
		}
	}
	return false
}

// isAsked reports whether t is to answer for others.
func (e *Engine) isAsked(t *target) bool { return t.askedAt != 0 && e.now-t.askedAt <= askedTime }

// The codes of groups that are not in a target's list: as seen from one vantage.
const (
	pathGroups  = 1000 // plus the vantage's index: t's provider as seen from there
	placeGroups = 2000 // likewise: everything as seen from there
)

// validGroup returns a group's code, or -1 where the config, or the vantages,
// have changed so that it means something else.
func (e *Engine) validGroup(t *target) int {
	switch g := t.group; {
	case g >= placeGroups && g-placeGroups < len(e.vantages), g >= pathGroups && g-pathGroups < len(e.vantages):
		return g
	case g < 0 || g >= len(t.groups) || (g > 0 && t.groups[g].cause != t.cause):
		return -1
	}
	return t.group
}
