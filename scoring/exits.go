package scoring

import (
	"math"

	"github.com/bellwether-llm/bellwether"
)

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
