package scoring

import (
	"fmt"
	"math"

	"github.com/bellwether-llm/bellwether"
)

const (
	// blameMargin is by how many nats a new cause must lead the one that was named
	// before.
	blameMargin = 1.0
	// blameEvery is how often the cause is looked for again while nothing new is
	// heard of the target itself; nanoseconds.
	blameEvery = 5e9
	// blameMost bounds how many members of a group are asked; of larger ones, as
	// many, evenly spread.
	blameMost = 64
)

// contest finds the group with the most evidence.
type contest struct {
	named        int // the group that is named now
	best         int
	lead, second float64
	current      float64
}

func (c *contest) enter(g int, score float64) {
	if g == c.named {
		c.current = score
	}
	if score > c.lead {
		c.best, c.lead, c.second = g, score, c.lead
	} else if score > c.second {
		c.second = score
	}
}

// worst returns the gravest alarm in force; nil for none.
func (t *target) worst() (family, *alarm) {
	worst := famErrors
	for f := famErrors; f < families; f++ {
		if t.fam[f].active && (!t.fam[worst].active || t.fam[f].severity > t.fam[worst].severity) {
			worst = f
		}
	}
	if a := &t.fam[worst]; a.active {
		return worst, a
	}
	return 0, nil
}

// localise names the cause of what is wrong with t: the group whose members'
// evidence since the onset, taken together, speaks most for one fault, where it
// speaks for one at all.
func (e *Engine) localise(t *target) {
	f, a := t.worst()
	if a == nil || (t.lastAt <= t.blamedAt && e.now-t.blamedAt < blameEvery) {
		return
	}
	t.blamedAt = e.now
	at := e.onset(t, a)
	c := contest{named: t.group, best: -1, lead: math.Inf(-1), second: math.Inf(-1), current: math.Inf(-1)}
	for i := range t.groups {
		g := &t.groups[i]
		// Any HTTP answer, even a failure, proves our own path.
		if g.cause == bellwether.CauseVantage && f != famFirst && f != famInter {
			continue
		}
		c.enter(i, e.groupNats(g.members, f, at, 0)+math.Log(g.prior))
	}
	e.enterVantages(t, f, at, &c)
	if c.best < 0 || (t.group >= 0 && c.best != t.group && c.lead < c.current+blameMargin) {
		return
	}
	if c.best > 0 && c.lead <= 0 {
		c.best = 0
	}
	t.group, t.margin = c.best, math.Min(c.lead-c.second, 999)
	if t.cause = bellwether.CauseVantage; c.best < len(t.groups) {
		t.cause = t.groups[c.best].cause
	}
	if t.cause == bellwether.CauseTarget && t.callsSince(a.since).worst == bellwether.Gone && f == famErrors {
		t.cause = bellwether.CauseModel
	}
}

// enterVantages lets the vantages compete: t's provider, or everything, as seen
// from one place only. They can be told from the rest where another vantage
// looked at the same since.
func (e *Engine) enterVantages(t *target, f family, at span, c *contest) {
	seen := 0
	for _, v := range e.vantages {
		if v.lastAt[t.index] >= at.since {
			seen++
		}
	}
	if seen < 2 {
		return
	}
	provider, all := t.wide(bellwether.CauseProvider), t.wide(bellwether.CauseVantage)
	for k, v := range e.vantages {
		if k >= pathGroups || v.lastAt[t.index] < at.since {
			continue
		}
		where := nameKey(v.name)
		c.enter(pathGroups+k, e.groupNats(provider, f, at, where)+math.Log(priorVantage))
		if all != nil {
			c.enter(placeGroups+k, e.groupNats(all, f, at, where)+math.Log(priorVantage))
		}
	}
}

// wide returns the members of t's group of that cause; t alone where its
// provider has no other, nil where there is no such group.
func (t *target) wide(cause bellwether.Cause) []int {
	for i := range t.groups {
		if t.groups[i].cause == cause {
			return t.groups[i].members
		}
	}
	if cause == bellwether.CauseProvider {
		return t.groups[0].members
	}
	return nil
}

// span is a time from which evidence counts, and how much earlier the same fault
// may have begun at others that were probed before.
type span struct{ since, slack int64 }

// onset is when what is wrong with t began, at whomever it struck first: answers
// from then on speak for those that it did not strike.
func (e *Engine) onset(t *target, a *alarm) span {
	at := span{a.since, 2 * t.alone}
	first := a.since
	for g := 1; g < len(t.groups); g++ {
		if ms := t.groups[g].members; len(ms) <= blameMost {
			for _, m := range ms {
				if o := e.targets[m]; o.accusesSince(a.hyp, at) {
					first = min(first, o.bank.since[a.hyp])
				}
			}
		}
	}
	return span{first, at.slack}
}

// groupNats is ln mean over the magnitudes of exp(sum of the members' evidence
// since the onset), as seen from one vantage, or all where that is 0. Members
// that answer as usual speak against.
func (e *Engine) groupNats(members []int, f family, at span, from uint32) float64 {
	first, last := f.span()
	var sums [3]float64
	step := max(1, (len(members)+blameMost-1)/blameMost)
	for k := 0; k < len(members); k += step {
		t := e.targets[members[k]]
		for i := first; i <= last; i++ {
			sums[i-first] += t.natsSince(i, at, from)
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

// natsSince sums up what the last observations said for hypothesis i; or, where
// that is more, the evidence that began to build shortly before.
func (t *target) natsSince(i int, at span, from uint32) float64 {
	sum := 0.0
	for k := range t.recent.len() {
		one := t.recent.last(k)
		if one.at < at.since-at.slack {
			break
		}
		// Windows of traffic lie behind probes.
		if one.at >= at.since && (from == 0 || one.from == from) {
			sum += float64(one.ell[i])
		}
	}
	if b := t.bank.nats[i]; from == 0 && b > sum && t.bank.since[i] >= at.since-at.slack {
		return b
	}
	return sum
}

// nameKey is a hash of a name, never 0.
func nameKey(name string) uint32 {
	h := uint32(2166136261)
	for i := range len(name) {
		h = (h ^ uint32(name[i])) * 16777619
	}
	return max(h, 1)
}

// causeReason says why a group of targets is blamed.
func (e *Engine) causeReason(t *target) (bellwether.Reason, bool) {
	if t.group < 1 || t.verdict.Severity() == 0 {
		return bellwether.Reason{}, false
	}
	r := bellwether.Reason{Code: "cause_" + string(t.cause), Evidence: nats(t.margin)}
	switch {
	case t.group >= placeGroups:
		r.Text = fmt.Sprintf("seen from %s only, at several providers", e.placeName(t.group-placeGroups))
	case t.group >= pathGroups:
		r.Text = fmt.Sprintf("%s, as seen from %s only; other vantages reach it as usual", t.Provider, e.placeName(t.group-pathGroups))
	case t.group >= len(t.groups):
		return r, false
	default:
		g := &t.groups[t.group]
		ill := 0
		for _, m := range g.members {
			if o := e.targets[m]; o.verdict.Severity() > 0 || o.suspected && !e.isAsked(o) {
				ill++
			}
		}
		r.Text = fmt.Sprintf("%d of %d targets of %s are affected alike", ill, len(g.members), g.what)
	}
	return r, true
}

func (e *Engine) placeName(i int) string {
	if i < len(e.vantages) {
		return e.vantages[i].name
	}
	return "one vantage"
}
