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
		e.judgeFamily(t, f, at)
	}
	e.acceptNormal(t, at)
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

// mayAcquit reports whether what s measured may end an alarm about f: one canary
// that answers as ever says nothing of another that rambles, so only the canary,
// vantage or stream that accused may. Failures of calls are every canary's. When
// no accuser was heard for ten intervals, or is gone, anybody may.
func (e *Engine) mayAcquit(t *target, f family, s *series) bool {
	if f == famErrors || s.accuses[f] {
		return true
	}
	heard := false
	for _, o := range t.series {
		if !o.accuses[f] || !e.heard(t, o) {
			continue
		}
		if heard = true; o.canary == s.canary && o.vantage == s.vantage && o.origin == s.origin {
			return true
		}
	}
	return !heard
}

// heard reports whether s was heard within ten intervals, at least a minute.
func (e *Engine) heard(t *target, s *series) bool { return e.now-s.lastAt <= max(10*t.alone, 60e9) }

// accused reports whether somebody who accused did so still when last heard:
// while one canary rambles on, the others that have stopped acquit nobody.
func (e *Engine) accused(t *target, f family) bool {
	for _, s := range t.series {
		if f != famErrors && s.accuses[f] && s.ill[f] && e.heard(t, s) {
			return true
		}
	}
	return false
}

// accuse notes who spoke for an alarm about f as it was raised: whoever holds
// the evidence of a witness, or else the one that holds most.
func (t *target) accuse(f family) {
	first, last := f.span()
	var most *series
	best := 0.0
	for _, s := range t.series {
		s.accuses[f], s.ill[f] = s.holds(first, last), false
		for i := first; i <= last; i++ {
			if s.nats[i] > best {
				most, best = s, s.nats[i]
			}
		}
	}
	if most != nil {
		most.accuses[f] = true
	}
}

// mend adds up the evidence that active alarms are over.
func (e *Engine) mend(t *target, s *series, r *reading) {
	for f := famErrors; f < families; f++ {
		a := &t.fam[f]
		if !a.active || r.ell[a.hyp] == 0 {
			continue
		}
		if first, last := f.span(); s.holds(first, last) {
			s.accuses[f] = true
		}
		s.ill[f] = r.ell[a.hyp] > cleanNats
		if !e.mayAcquit(t, f, s) {
			continue
		}
		a.chances++
		if a.recovery == 0 {
			a.betterAt = r.at
		}
		a.recovery = math.Max(0, a.recovery-r.ell[a.hyp])
		if s := t.bank.nats[a.hyp]; s > a.peak {
			a.peak, a.peakAt = s, r.at
		}
		switch {
		case a.recovery == 0:
			a.relapses = 0
		case f == famErrors:
			a.relapses += r.failed
		case f == famSanity && r.badSane:
			a.relapses++
		} // of other signals it does not matter
		if a.recovery >= a.enough()*t.damping(r.at) && !e.accused(t, f) {
			e.relent(t, f, r.at)
		}
	}
}

// freeChances is how many observations an alarm may end by at the price of one.
const freeChances = 20.0

// enough is the evidence that an alarm is over: one chance in a hundred to be
// wrong for an alarm in all, however long it lasts, so that a fault of hours is
// not left once an hour.
func (a *alarm) enough() float64 { return recoverNats + math.Log(max(1, a.chances/freeChances)) }

// relent ends an alarm after a clean stretch, or else lowers it by one step.
func (e *Engine) relent(t *target, f family, at int64) {
	a := &t.fam[f]
	first, last := f.span()
	for i := first; i <= last; i++ {
		t.bank.forget(i)
		for _, s := range t.series {
			s.nats[i] = 0
		}
	}
	if a.hyp > first && t.goesOn(f, a) {
		*a = alarm{active: true, hyp: first, severity: 1, since: a.since, raisedAt: at, shiftAt: a.shiftAt, steady: a.steady, chances: a.chances}
		t.resume()
		return
	}
	if a.severity > 1 && a.relapses > 0 {
		a.severity--
		a.hyp = max(first, a.hyp-1)
		a.recovery, a.relapses = 0, 0
		t.verdict = bellwether.Healthy // the worst of what is left; see judge
		t.resume()
		return
	}
	if t.admit(f) {
		t.bank.chance(a.hyp, e.threshold(t, a.hyp))
	}
	*a = alarm{shiftAt: a.shiftAt, steady: a.steady}
	t.resume()
	if t.verdict.Severity() == 0 {
		t.recovering(at)
	}
}

// goesOn reports whether a smaller fault goes on where a larger one is over: a few
// failures that came together look like a large fault, and a target that is a
// quarter slower is neither half as slow again nor well.
func (t *target) goesOn(f family, a *alarm) bool {
	switch {
	case f == famErrors:
		return t.callsSince(a.since).rate() < sizeFailing
	case f == famSanity:
		return t.answersSince(a.since).rate() < sizeSinking
	case f.class() == measured:
		eff := t.effectSince(f, f.kind(), a.betterAt)
		return eff.n > 2 && eff.middle >= t.sizeOf(f.kind())/2
	}
	return false
}

// admit decides what was seen during an alarm that is over, and reports whether
// it was chance: a real fault teaches nothing, but chance does. To drop what a
// false alarm was made of would cut the pool's tail off, and make the next false
// alarm likelier.
func (t *target) admit(f family) (chance bool) {
	switch f.class() {
	case counts:
		return t.admitRates(f)
	case texts:
		return t.admitTexts()
	case parts:
		first, inter := t.admitMeasure(kindFirst), t.admitMeasure(kindInter)
		return first && inter
	}
	return t.admitMeasure(f.kind())
}

func (t *target) admitRates(f family) (chance bool) {
	a := &t.fam[f]
	burst := f == famErrors && a.peakAt-a.since < burstMost
	if burst {
		t.traffic.release()
	}
	for _, s := range t.series {
		switch {
		case f == famErrors && s.passive:
			chance = s.avail.admit(t.trafficPrior(s), sizeErrors, burst) || chance
		case f == famSanity:
			chance = s.sane.admit(priorInsane, sizeInsane, false) || chance
		case f == famDisliked && s.origin == fromFeedback:
			chance = s.avail.admit(priorFeedback, sizeFeedback*s.avail.mean(priorFeedback), false) || chance
		}
	}
	if f == famErrors {
		chance = t.avail.admit(t.prior.errors, sizeErrors, false) || chance
	}
	return chance
}

// admit lets what waits out of quarantine if it fails less than matters, or in
// any case.
func (r *rate) admit(p prior, size float64, always bool) bool {
	if n := r.waitGood + r.waitBad; n == 0 || !always && r.waitBad >= size*n {
		return false
	}
	r.release(p)
	return true
}

func (t *target) admitMeasure(k kind) (chance bool) {
	var ys []float64
	for _, s := range t.series {
		if m := s.measures[k]; m != nil {
			for i := range m.pend {
				ys = append(ys, m.pend[i].y)
			}
		}
	}
	chance = math.Abs(medianOf(ys)) < t.sizeOf(k)
	for _, s := range t.series {
		switch m := s.measures[k]; {
		case m == nil:
		case chance:
			m.release(k, t.histogram(k))
		default:
			m.pend = m.pend[:0]
		}
	}
	return chance
}

// sizeOf is how far the middle of a measured signal must be off to matter.
func (t *target) sizeOf(k kind) float64 {
	switch {
	case k == kindConfidence:
		return sizeUnsure
	case k >= kindOwn:
		return t.sigma(k)
	}
	return math.Log(sizeRatio)
}

// sigma is the standard deviation of a measured signal; of several series the
// largest.
func (t *target) sigma(k kind) float64 {
	most := 0.0
	for _, s := range t.series {
		if m := s.measures[k]; m.ready() {
			most = max(most, m.sigma)
		}
	}
	return most
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
