package scoring

import (
	"math"

	"github.com/bellwether-llm/bellwether"
)

// alarm is the verdict on one family of hypotheses.
type alarm struct {
	active   bool
	hyp      int   // the hypothesis that explains it best
	severity int   // as bellwether.State.Severity
	since    int64 // onset
	raisedAt int64
	recovery float64 // evidence that it is over, nats
	relapses float64 // failures while that evidence grew
	chances  float64 // observations that might have ended it
	betterAt int64   // when that evidence last left zero
	peak     float64 // most evidence so far, nats
	peakAt   int64   // when it was reached
	shiftAt  int64   // when a change too small to matter was last taken for normal
	steady   lasting
}

// judge raises and worsens alarms by the evidence at hand.
func (e *Engine) judge(t *target, at int64) {
	for f := famErrors; f < families; f++ {
		if t.active.in(f) != 0 {
			e.judgeFamily(t, f, at)
		}
	}
	if t.verdict.Severity() > 0 {
		e.acceptNormal(t, at)
	}
	if t.fam[famErrors].active || t.fam[famFirst].active || t.fam[famInter].active {
		t.fam[famJoint] = alarm{}
	}
	worst, since := 0, int64(0)
	for i := range t.fam {
		if a := &t.fam[i]; a.active {
			worst = max(worst, a.severity)
			if since == 0 || a.since < since {
				since = a.since
			}
		}
	}
	if worst == 0 {
		return
	}
	if t.verdict.Severity() == 0 {
		t.since = since
	}
	t.dropPending()
	t.verdict = [...]bellwether.State{1: bellwether.Degraded, 2: bellwether.Failing, 3: bellwether.Down}[worst]
}

func (e *Engine) judgeFamily(t *target, f family, at int64) {
	a := &t.fam[f]
	first, last := f.span()
	best, since := -1, int64(0)
	for i := first; i <= last; i++ {
		// No threshold lies lower, so none is solved before it is needed.
		if t.bank.nats[i] == 0 || !e.set.alarming.has(i) || t.bank.nats[i] < t.allowed(i)-solveDepth-witnessSaves && !e.joined(t, i, 0) {
			continue
		}
		if t.bank.nats[i] >= e.need(t, i, at) && (best < 0 || t.bank.nats[i] > t.bank.nats[best]) {
			best, since = i, t.bank.since[i]
		}
	}
	if best < 0 && !a.active {
		best, since = e.single(t, f, at)
	}
	if best < 0 {
		return
	}
	switch {
	case !a.active:
		if f == famJoint && e.explained(t) {
			return
		}
		if f == famErrors && t.natural(best) {
			t.begin(f)
			return
		}
		if !e.sizeable(t, best, since) {
			e.shift(t, f, best, at)
			return
		}
		*a = alarm{active: true, hyp: best, severity: 1, since: since, raisedAt: at, shiftAt: a.shiftAt, steady: a.steady.again(at)}
		t.accuse(f)
	case best > a.hyp && a.recovery == 0:
		a.hyp = best
	case e.outgrown(t, f, a):
		e.relent(t, f, at)
		return
	}
	a.severity = max(a.severity, e.severity(t, f, a))
}

// explained reports whether a single signal already accounts for what the
// joint hypothesis sees.
func (e *Engine) explained(t *target) bool {
	return t.fam[famErrors].active || t.fam[famFirst].active || t.fam[famInter].active
}

// severity returns how bad an active alarm is by the evidence at hand. A signal
// that may only cap a weight is never worse than degraded.
func (e *Engine) severity(t *target, f family, a *alarm) int {
	if e.set.may[a.hyp] != acts {
		return 1
	}
	past := func(i int, extra float64) bool {
		return t.bank.nats[i] >= e.threshold(t, i)+extra || e.joined(t, i, extra)
	}
	switch f {
	case famErrors:
		if a.recovery > 0 {
			return a.severity
		}
		p := t.callsSince(t.bank.since[a.hyp]).rate()
		switch {
		case past(errors97, downExtra) && p >= .8:
			a.hyp = errors97
			return 3
		case t.bank.worse >= failingNats && (p >= sizeFailing || past(errors30, failingExtra) || past(errors97, failingExtra)):
			a.hyp = max(a.hyp, errors30) // it is over when that is
			return 2
		}
	case famSanity:
		if past(insane50, failingExtra) {
			return 2
		}
	}
	return 1
}

// sizeable reports whether what is wrong is large enough to matter to anyone.
// Counts are of all calls since the onset of hypothesis i: one failure among
// the few that are remembered singly would look like a large rate.
func (e *Engine) sizeable(t *target, i int, since int64) bool {
	switch f := table[i].family; f {
	case famErrors:
		return t.bank.rate(i) >= sizeErrors
	case famSanity:
		return t.bank.rate(i) >= sizeInsane
	case famStrange:
		return t.bank.rate(i) >= sizeText
	case famDisliked:
		return t.bank.rate(i) >= sizeFeedback*t.usualFeedback()
	case famJoint:
	default:
		eff := t.effectSince(f, f.kind(), since)
		switch f {
		case famLonger, famShorter:
			return eff.seems(f)
		case famUnsure:
			return math.Log(eff.shrunk()) >= sizeUnsure
		}
		if _, own := f.own(); own {
			return math.Abs(math.Log(eff.shrunk())) >= t.sigma(f.kind())
		}
		return eff.shrunk() >= sizeRatio
	}
	return t.effectSince(famJoint, kindFirst, since).shrunk() >= sizeRatio || t.effectSince(famJoint, kindInter, since).shrunk() >= sizeRatio ||
		t.bank.rate(i) >= sizeErrors
}

// outgrown reports whether all that is remembered of a measured signal since
// its alarm is of less than half the size that matters: the fault is over, or what
// was learned of the signal was too narrow. Half, lest an effect at the very size
// come and go.
func (e *Engine) outgrown(t *target, f family, a *alarm) bool {
	if f.class() != measured {
		return false
	}
	r := &t.effects[f.kind()]
	if r.len() < ringSize {
		return false
	}
	oldest := max(a.since, r.last(r.len()-1).at)
	return oldest > a.raisedAt && math.Abs(t.effectSince(f, f.kind(), oldest).middle) < t.sizeOf(f.kind())/2
}

// shift takes a proven change that is too small to matter for the new normal,
// once enough of it was seen and at most once an hour; else it would keep the
// target suspected for ever.
func (e *Engine) shift(t *target, f family, i int, at int64) {
	const enough, pause = 30, 3600e9
	a := &t.fam[f]
	if a.shiftAt != 0 && at-a.shiftAt < pause {
		return
	}
	since := t.bank.since[i]
	switch f.class() {
	case counts, texts:
		if t.bank.n[i] < enough {
			return
		}
		t.shiftRates(f)
	case parts: // they shift by themselves
	case measured:
		eff := t.effectSince(f, f.kind(), since)
		if reach := max(math.Abs(eff.low), math.Abs(eff.high)); eff.n < enough || eff.n < ringSize && reach > t.sizeOf(f.kind()) {
			return // it may be of a size that matters
		}
		t.shiftMeasure(f.kind(), eff)
	}
	first, last := f.span()
	for _, s := range t.series {
		for j := first; j <= last; j++ {
			s.nats[j] = 0
		}
	}
	t.bank.clear(f)
	a.shiftAt = at
}

// shiftRates lets out of quarantine what was counted since the change.
func (t *target) shiftRates(f family) {
	if f == famErrors {
		t.avail.release(t.prior.errors)
		t.burst.rate.release(t.prior.burst)
		t.traffic.release()
	}
	for _, s := range t.series {
		switch {
		case f == famSanity:
			s.sane.release(priorInsane)
		case f == famStrange:
			s.text.release()
		case f == famDisliked && s.origin == fromFeedback:
			s.avail.release(priorFeedback)
		case f == famErrors && s.passive:
			s.avail.release(t.trafficPrior(s))
		}
	}
}

func (t *target) shiftMeasure(k kind, eff effect) {
	for _, s := range t.series {
		m := s.measures[k]
		switch {
		case m == nil:
		case math.Abs(eff.middle) < m.sigma/4:
			m.release(k, t.histogram(k))
		default:
			m.shift(k, eff.middle, eff.spread)
		}
	}
}

// resume sets the verdict to the worst alarm that is left; healthy for none.
func (t *target) resume() {
	worst := 0
	for i := range t.fam {
		if t.fam[i].active {
			worst = max(worst, t.fam[i].severity)
		}
	}
	t.verdict = [...]bellwether.State{bellwether.Healthy, bellwether.Degraded, bellwether.Failing, bellwether.Down}[worst]
}

// recovering begins the way back: all evidence starts from zero, and the exit
// is remembered, so that a target that keeps coming and going is believed more
// slowly each time.
func (t *target) recovering(at int64) {
	t.verdict = bellwether.Recovering
	t.bank.restart()
	for _, s := range t.series {
		s.nats = [hypotheses]float64{}
	}
	t.burst.failed = false
	t.exits = append(t.exits, at)
	if len(t.exits) > int(dampCap) {
		t.exits = t.exits[:copy(t.exits, t.exits[1:])]
	}
}

// damping is the factor on the evidence that a recovery needs: one more for
// each exit in the last six hours.
func (t *target) damping(at int64) float64 {
	d := 1.0
	for _, x := range t.exits {
		if seconds(at-x) < dampWindow {
			d++
		}
	}
	return math.Min(d, dampCap)
}

// settle moves on what evidence alone does not: from unknown to healthy once
// enough was seen, from recovering to healthy once the traffic is back.
func (e *Engine) settle(t *target) {
	switch {
	case t.verdict == bellwether.Unknown && t.scored >= coldProbes:
		t.verdict = bellwether.Healthy
	case t.verdict == bellwether.Recovering && (t.weight >= recoveredAt || e.moveless()):
		t.verdict = bellwether.Healthy
		t.cause, t.margin, t.group, t.since = "", 0, -1, 0
	}
}

// moveless reports whether nothing may move weights, so that none comes back.
func (e *Engine) moveless() bool {
	for _, a := range e.set.may {
		if a == acts || a == caps {
			return false
		}
	}
	return true
}
