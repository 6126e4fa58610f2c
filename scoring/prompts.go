package scoring

import (
	"fmt"
	"slices"

	"github.com/bellwether-llm/bellwether"
)

// A prompt is doubted as a vantage is: answers that begin to be wrong at
// unrelated providers together speak against the canary, or its checks, rather
// than against all models of the world. A broken one is ours, so what its
// answers say is void until somebody gets it right again.

// promptAt returns what is known of a canary, making it when it is new.
func (e *Engine) promptAt(name string) *vantage {
	for _, p := range e.prompts {
		if p.name == name {
			return p
		}
	}
	if len(e.prompts) >= mostVantages {
		ks := make([]known, len(e.prompts))
		for i, p := range e.prompts {
			ks[i] = known{lastAt: p.seenAt, n: p.probes}
		}
		i := leastMissed(ks, e.now)
		e.prompts = slices.Delete(e.prompts, i, i+1)
	}
	p := e.newVantage()
	p.name = name
	e.prompts = append(e.prompts, p)
	return p
}

// broken reports whether a canary is at fault itself.
func (e *Engine) broken(canary string) bool {
	if !e.anyBroken {
		return false
	}
	i := slices.IndexFunc(e.prompts, func(p *vantage) bool { return p.name == canary })
	return i >= 0 && e.prompts[i].fault
}

// doubtPrompt weighs whether the canary of o is at fault after an answer of t.
func (e *Engine) doubtPrompt(t *target, o *bellwether.Observation, at int64) {
	if o.Canary == "" || o.Outcome.Meaning().Availability != bellwether.Good {
		return
	}
	p := e.promptAt(o.Canary)
	p.see(t, at, o.Outcome == bellwether.OK, t.patience())
	if fault := p.atFault(p.doubt()); fault != p.fault {
		p.fault, p.since = fault, max(p.from, 1)
		e.anyBroken = slices.ContainsFunc(e.prompts, func(p *vantage) bool { return p.fault })
		for _, o := range e.targets {
			e.acquit(o, p)
		}
	}
}

// ofAnswers are the families that a broken prompt would speak for.
var ofAnswers = [...]family{famLonger, famShorter, famSanity, famUnsure, famStrange}

// acquit voids what the answers to a canary said of t, after the canary was
// found, or is no longer, at fault.
func (e *Engine) acquit(t *target, p *vantage) {
	used := false
	for _, s := range t.series {
		if s.canary != p.name {
			continue
		}
		used = true
		s.sane.drop()
		for _, f := range ofAnswers {
			if m := s.measures[f.kind()]; m != nil && f.class() == measured {
				m.pend = m.pend[:0]
			}
		}
	}
	if !used {
		return
	}
	for _, f := range ofAnswers {
		if p.fault && t.accusedBy(f, p.name) {
			e.clear(t, f)
		}
	}
	t.resumeWell()
	e.touch(t)
	e.suspect(t)
}

// accusedBy reports whether the series of a canary hold most of t's evidence
// about f.
func (t *target) accusedBy(f family, canary string) bool {
	first, last := f.span()
	best, own := 0.0, false
	for _, s := range t.series {
		for i := first; i <= last; i++ {
			if s.nats[i] > best {
				best, own = s.nats[i], s.canary == canary
			}
		}
	}
	return own
}

// clear forgets all that speaks against t about f, and takes back its alarm.
func (e *Engine) clear(t *target, f family) {
	first, last := f.span()
	for i := first; i <= last; i++ {
		t.bank.forget(i)
		t.belief.p[0] += t.belief.p[i+1]
		t.belief.p[i+1] = 0
		for _, s := range t.series {
			s.nats[i] = 0
		}
	}
	if f == famSanity {
		t.answers = ring[tally]{}
	}
	t.fam[f] = alarm{shiftAt: t.fam[f].shiftAt}
}

// resumeWell sets the verdict to the worst alarm that is left, once some were
// taken back.
func (t *target) resumeWell() {
	if t.verdict.Severity() == 0 {
		return
	}
	if t.resume(); t.verdict.Severity() == 0 {
		t.cause, t.margin, t.group, t.since = "", 0, -1, 0
	}
}

// promptReason says that a canary of t's is at fault itself.
func (e *Engine) promptReason(t *target) (bellwether.Reason, bool) {
	if !e.anyBroken {
		return bellwether.Reason{}, false
	}
	for _, p := range e.prompts {
		if p.fault && p.lastAt[t.index] >= p.since {
			return bellwether.Reason{Signal: bellwether.Sanity, Code: "canary_fault",
				Text: fmt.Sprintf("canary %s is answered wrongly by unrelated providers since %s: its prompt or its checks are at fault, so its answers do not count", p.name, clock(p.since))}, true
		}
	}
	return bellwether.Reason{}, false
}
