package scoring

import (
	"math"

	"github.com/bellwether-llm/bellwether"
)

// Assess returns everything that is thought of a target now, as a fresh copy;
// false when there is no such target. It may solve thresholds that nothing has
// asked for yet, which takes milliseconds the first time.
func (e *Engine) Assess(target string) (bellwether.Assessment, bool) {
	t := e.byID[target]
	if t == nil {
		return bellwether.Assessment{}, false
	}
	return e.assess(t), true
}

// Assessments returns the assessments of all targets, in the order of the
// config.
func (e *Engine) Assessments() []bellwether.Assessment {
	out := make([]bellwether.Assessment, len(e.targets))
	for i, t := range e.targets {
		out[i] = e.assess(t)
	}
	return out
}

func (e *Engine) assess(t *target) bellwether.Assessment {
	a := bellwether.Assessment{
		Target: t.ID, State: e.state(t), Suspected: t.suspected && t.verdict.Severity() == 0 && !e.isAsked(t), Cause: e.why(t),
		Score: e.score100(t), Weight: round4(t.effective()), LastSeen: stamp(t.seenAt),
		Reasons: e.reasons(t), Evidence: []bellwether.Evidence{}, Usual: e.usual(t), Factors: e.factors(t), Skills: e.profile(t),
	}
	switch {
	case t.verdict.Severity() > 0 || t.verdict == bellwether.Recovering:
		a.Since = stamp(t.since)
	case t.suspected:
		a.Since = stamp(t.doubtFrom)
	}
	for i := range table {
		if e.set.may[i] != ignored && t.measures(i) {
			a.Evidence = append(a.Evidence, e.evidence(t, i))
		}
	}
	return a
}

// measures reports whether t has what hypothesis i is about.
func (t *target) measures(i int) bool {
	f := table[i].family
	if c := f.class(); c == counts || c == texts {
		return t.active.has(i)
	}
	for _, s := range t.series {
		if s.measures[f.kind()].ready() {
			return true
		}
	}
	return false
}

func (e *Engine) evidence(t *target, i int) bellwether.Evidence {
	f := table[i].family
	ev := bellwether.Evidence{
		Hypothesis: t.hypothesis(i), Signal: wireSignal(t, f), Nats: round4(t.bank.nats[i]),
		Threshold: round4(e.need(t, i, e.now)), Since: stamp(t.bank.since[i]),
	}
	if t.bank.nats[i] == 0 {
		return ev
	}
	switch f.class() {
	case counts, texts:
		c := t.countSince(f, t.bank.since[i])
		lo, hi := c.interval()
		ev.Effect, ev.EffectLow, ev.EffectHigh = round4(c.rate()), round4(lo), round4(hi)
	default:
		if eff := t.effectSince(f, f.kind(), t.bank.since[i]); eff.n > 0 && f.natural() {
			ev.Effect, ev.EffectLow, ev.EffectHigh = round4(eff.middle), round4(eff.low), round4(eff.high)
		} else if eff.n > 0 {
			ev.Effect, ev.EffectLow, ev.EffectHigh = round4(math.Exp(eff.middle)), round4(math.Exp(eff.low)), round4(math.Exp(eff.high))
		}
	}
	return ev
}

// usual lists what t is like when all is well.
func (e *Engine) usual(t *target) []bellwether.Usual {
	us := []bellwether.Usual{}
	if n := t.avail.good + t.avail.bad; n > 0 {
		us = append(us, bellwether.Usual{Signal: bellwether.Availability, Median: round4(t.avail.mean(t.prior.errors)), Samples: n})
	}
	sane := 0.0
	for _, s := range t.series {
		sane += s.sane.good + s.sane.bad
	}
	if sane > 0 && t.usualInsane() >= 0 {
		us = append(us, bellwether.Usual{Signal: bellwether.Sanity, Median: round4(t.usualInsane()), Samples: sane})
	}
	for k, f := range [kindsShown]family{famFirst, famInter, famLonger} {
		h := &t.usual[k]
		if h.total == 0 {
			continue
		}
		off := 0.0
		if kind(k) == kindTokens {
			off = 1
		}
		us = append(us, bellwether.Usual{
			Signal: wireSignal(t, f), P05: h.quantile(.05) - off, Median: h.quantile(.5) - off, P95: h.quantile(.95) - off, Samples: math.Round(h.total),
		})
	}
	return t.usualFurther(us)
}
