package scoring

import (
	"math"

	"github.com/bellwether-llm/bellwether"
)

// outcomeNames numbers the outcomes that tallies remember. Append only: the
// numbers are in checkpoints.
var outcomeNames = [...]bellwether.Outcome{
	"", bellwether.OK, bellwether.BadOutput, bellwether.Refusal, bellwether.ServerError, bellwether.Overloaded,
	bellwether.FirstTokenTimeout, bellwether.Stalled, bellwether.Timeout, bellwether.Truncated, bellwether.Malformed,
	bellwether.Gone, bellwether.DNSError, bellwether.ConnectError, bellwether.TLSError, bellwether.Blocked,
}

func outcomeIndex(o bellwether.Outcome) uint8 {
	for i, name := range outcomeNames {
		if name == o {
			return uint8(i)
		}
	}
	return 0
}

// reading is what one observation says, before it is added up.
type reading struct {
	at      int64
	ell     [hypotheses]float64
	says    hypSet  // those whose ell is not 0; from finish on
	clean   bool    // a probe that answered well and speaks for no hypothesis
	calls   float64 // calls whose success was looked at
	failed  float64 // those of them that failed
	worse   float64 // how much it speaks for errors 30 % against errors 3 %
	badSane bool
	oddText bool
	dragged bool    // its vantage is slow itself
	p0      float64 // of a probe: the usual rate of failures
	null    float64 // and the rate expected of this call in health, more after a failure
}

// score takes in one call of a probe.
func (e *Engine) score(t *target, o *bellwether.Observation, at int64, outcome bellwether.Outcome) {
	r := reading{at: at}
	if t.scored == 0 {
		e.expect(t)
	}
	s := t.find(o, fromProbe, e.now)
	e.follow(t, s, o)
	t.cleanAt = max(t.cleanAt, at)
	meaning := outcome.Meaning()
	limited := meaning.Signal == bellwether.Quota
	if e.set.quota != ignored && (limited || meaning.Availability != bellwether.Excluded) {
		t.quotas.add(limited, e.solver.ladders.rates[t.quota.bucket].p0, at, t.gap(at), &e.set)
		t.learnQuota(limited)
	}
	if meaning.Availability == bellwether.Excluded && outcome != bellwether.Blocked {
		e.finish(t, s, &r)
		return
	}
	bad := meaning.Availability != bellwether.Good
	e.readErrors(t, &r, bad, outcome)
	void := e.broken(o.Canary)
	if !bad && !void {
		e.readSanity(t, s, &r, outcome)
		r.dragged = e.dragged(o.Vantage)
		e.readMeasures(t, s, &r, o)
		e.doubtPace(t, o, &r)
		e.readText(t, s, &r, o)
	}
	if e.set.may[joint] != ignored && (r.ell[errors3] != 0 || r.ell[joint] != 0) {
		r.ell[joint] += r.ell[errors3]
	}
	r.clean = outcome == bellwether.OK || !bad && void
	t.scored++
	if t.firstAt == 0 {
		t.firstAt = at
	}
	e.finish(t, s, &r)
}

// learnQuota keeps the usual rate of 429 answers, in quarantine like the rest.
func (t *target) learnQuota(limited bool) {
	if limited {
		t.quota.wait(0, 1)
	} else {
		t.quota.wait(1, 0)
	}
	if t.quotas.nats != [2]float64{} {
		return
	}
	if w := &t.quota; w.waitBad >= 3 && w.waitBad > sizeQuota*(w.waitGood+w.waitBad) {
		w.drop() // a limit that was met, not what is usual
		return
	}
	t.quota.release(priorQuota)
}

// readErrors compares a call's success with the usual rate of failures; after a
// failure with how often failures follow each other.
func (e *Engine) readErrors(t *target, r *reading, bad bool, outcome bellwether.Outcome) {
	row := &e.solver.ladders.rates[t.avail.bucket]
	p0 := row.p0
	null := p0
	if t.answered() { // else there is no health in which failures could cluster
		null = t.burst.null(p0, t.prior.burst, r.at)
	}
	for i := errors3; i <= errors97; i++ {
		if e.set.may[i] == ignored {
			continue
		}
		if null <= p0 {
			r.ell[i] = row.ell(i, bad)
			continue
		}
		p1 := faultRate(table[i].p1, p0)
		q := math.Max(p0, math.Min(null, p1/2))
		if bad {
			r.ell[i] = math.Log(p1 / q)
		} else {
			r.ell[i] = math.Log((1 - p1) / (1 - q))
		}
	}
	r.p0, r.null = p0, null
	one := tally{at: r.at, n: 1, worst: outcomeIndex(outcome)}
	r.calls, r.worse = 1, row.worse[0]
	if bad {
		one.bad, r.failed, r.worse = 1, 1, row.worse[1]
	}
	t.calls.push(one)
	if t.learning() || t.alarmed(famErrors) || e.set.without(NoQuarantine) {
		if bad {
			t.avail.wait(0, 1)
		} else {
			t.avail.wait(1, 0)
		}
	}
	t.burst.see(r.at, bad)
}

// ell is what a call says for hypothesis i.
func (r *rateRow) ell(i int, bad bool) float64 {
	if bad {
		return r.bad[i]
	}
	return r.good[i]
}

// readSanity compares an answer's checks with the canary's usual.
func (e *Engine) readSanity(t *target, s *series, r *reading, outcome bellwether.Outcome) {
	bad := outcome != bellwether.OK
	r.badSane = bad
	for i := insane5; i <= insane50; i++ {
		if e.set.may[i] != ignored {
			r.ell[i] = e.solver.ladders.rates[s.sane.bucket].ell(i, bad)
		}
	}
	one := tally{at: r.at, n: 1, worst: outcomeIndex(outcome)}
	if bad {
		one.bad = 1
	}
	t.answers.push(one)
	if t.learning() || t.alarmed(famSanity) || e.set.without(NoQuarantine) {
		if bad {
			s.sane.wait(0, 1)
		} else {
			s.sane.wait(1, 0)
		}
	}
}

// readMeasures compares an answer's timings and length with their past.
func (e *Engine) readMeasures(t *target, s *series, r *reading, o *bellwether.Observation) {
	first := o.Timing.FirstToken
	plain := first <= 0
	if plain {
		first = o.Timing.Total
	}
	if o.Doubtful == "" {
		if first > 0 && !e.ignores(plain, firstToken13) {
			t.plain = plain
			e.readMeasure(t, s, r, kindFirst, o.ID, math.Log(first))
		}
		if gap := interToken(o); gap > 0 && e.set.may[interToken115] != ignored {
			e.readMeasure(t, s, r, kindInter, o.ID, math.Log(gap))
		}
	}
	if o.Tokens != nil && o.Tokens.Output >= 0 && e.set.may[longer] != ignored {
		e.readMeasure(t, s, r, kindTokens, o.ID, math.Log(float64(o.Tokens.Output)+1))
	}
	if o.Confidence != nil && e.set.may[unsure] != ignored {
		e.readMeasure(t, s, r, kindConfidence, o.ID, -*o.Confidence)
	}
}

// ignores reports whether the time to the first token, or the total of plain
// answers, is not to be scored.
func (e *Engine) ignores(plain bool, i int) bool {
	if plain && e.set.totalDeclared {
		return e.set.total == ignored
	}
	return e.set.may[i] == ignored
}

// interToken returns the mean gap between tokens after the first: (total -
// first token) / (n - 1), or the median gap where the tokens are not counted;
// 0 where neither is known.
func interToken(o *bellwether.Observation) float64 {
	t := &o.Timing
	if t.FirstToken <= 0 {
		return 0
	}
	if o.Tokens != nil && !o.Tokens.Estimated && o.Tokens.Output >= 3 && t.Total > t.FirstToken {
		return (t.Total - t.FirstToken) / float64(o.Tokens.Output-1)
	}
	return t.InterToken
}

// mostMeasure bounds the logarithms that are believed: from a millionth of a
// microsecond, or a token, to ages.
const mostMeasure = 28

func (e *Engine) readMeasure(t *target, s *series, r *reading, k kind, id string, z float64) {
	m := s.measures[k]
	if k < kindOwn && !(math.Abs(z) <= mostMeasure) {
		return
	}
	if !m.ready() {
		if t.learning() {
			m = s.begin(k)
			if m.accepted == coldProbes-1 {
				m.kin = e.kinSigma(t, s, k)
			}
			m.begin(k, r.at, z)
			t.histogram(k).add(z)
		}
		return
	}
	if e.set.without(NoWhitening) {
		m.prevAt = 0
	}
	y, u, slow := m.see(r.at, z, uniform(id, uint64(k)+1), !r.dragged && (t.learning() || t.alarmed(k.family()) || e.set.without(NoQuarantine)))
	t.effects[k].push(residual{at: r.at, from: s.key(), y: y - m.middle, z: z})
	l := e.solver.ladders.pick(m.fine())
	size := m.pool.size()
	ell := func(magnitude int, u float64) float64 {
		if b := bucketOf(m.place[magnitude] + slow); b >= 0 && size >= l.least[b] {
			return l.ell[b][l.bin(u)]
		}
		return 0
	}
	warm := m.accepted >= warmProbes
	if k >= kindOwn {
		if warm {
			r.ell[ownFirst+int(k-kindOwn)] = ell(0, t.own[k-kindOwn].rank(u))
		}
		return
	}
	switch {
	case k == kindFirst:
		r.ell[firstToken2] = ell(1, u)
		if warm {
			r.ell[firstToken13] = ell(0, u)
			r.ell[joint] += ell(2, u)
		}
	case !warm:
	case k == kindInter:
		r.ell[interToken115], r.ell[interToken15] = ell(0, u), ell(1, u)
		r.ell[joint] += ell(2, u)
	case k == kindTokens:
		r.ell[longer], r.ell[shorter] = ell(0, u), ell(0, 1-u)
	case k == kindConfidence:
		r.ell[unsure] = ell(0, u)
	}
}

// rank turns a rank so that 1 is worst.
func (s *ownSignal) rank(u float64) float64 {
	if s.worse == "either" {
		return math.Abs(2*u - 1)
	}
	return u
}

// gap returns the seconds since the last scored observation of t.
func (t *target) gap(at int64) float64 {
	if t.lastAt == 0 || at <= t.lastAt {
		return 0
	}
	return math.Min(longestGap, seconds(at-t.lastAt))
}

// finish adds up a reading, and lets out of quarantine what has proved well.
func (e *Engine) finish(t *target, s *series, r *reading) {
	inc := increments{at: r.at, from: nameKey(s.vantage)}
	for i, x := range r.ell {
		if x == 0 {
			continue
		}
		if x > cleanNats {
			r.clean = false
		}
		switch {
		case e.set.may[i] == ignored:
			r.ell[i] = 0
			continue
		case e.set.alarming.has(i):
			inc.ell[i] = float32(x)
		}
		r.says |= 1 << i
	}
	t.activate(r.says, &e.set)
	t.bank.add(r)
	if t.learning() {
		t.replay(r)
	}
	s.add(r)
	if t.lastAt == 0 {
		t.belief = coldBelief(t.active&e.set.alarming, &e.set)
	}
	begin, end := t.chances(t.gap(r.at), &e.set)
	t.belief.add(r, t.active&e.set.alarming, begin, end)
	t.recent.push(inc)
	t.life.pass(t.gap(r.at), t.verdict.Severity() > 0)
	t.lastAt = max(t.lastAt, r.at)
	e.mend(t, s, r)
	if always := e.set.without(NoQuarantine); always || t.learning() {
		t.release(s, always)
	}
	e.conspire(t, r)
	e.judge(t, r.at)
	e.weigh(t, r.at, r.clean)
	e.settle(t)
	e.suspect(t)
}

// release lets what waits in quarantine into the baselines of s, signal by
// signal, where no evidence is left against the signal, or always.
func (t *target) release(s *series, always bool) {
	if always || t.bank.quiet(famErrors) {
		t.avail.release(t.prior.errors)
		t.burst.rate.release(t.prior.burst)
		if s.passive {
			s.avail.release(t.trafficPrior(s))
		}
		t.traffic.release()
	}
	if s.origin == fromFeedback && (always || t.bank.quiet(famDisliked)) {
		s.avail.release(priorFeedback)
	}
	if always || t.bank.quiet(famStrange) {
		s.text.release()
	}
	if always || t.bank.quiet(famSanity) {
		s.sane.release(priorInsane)
	}
	for k, m := range s.measures {
		if f := kind(k).family(); m != nil && len(m.pend) > 0 && (always || t.bank.quiet(f) && (f != famLonger || t.bank.quiet(famShorter))) {
			m.release(kind(k), t.histogram(kind(k)))
		}
	}
}

// begin returns the measure of kind k, making it when it is new.
func (s *series) begin(k kind) *measure {
	if s.measures[k] == nil {
		s.measures[k] = &measure{}
	}
	return s.measures[k]
}

// histogram returns what is remembered of kind k for people; nil for nothing.
func (t *target) histogram(k kind) *histogram {
	if k >= kindsShown {
		return nil
	}
	return &t.usual[k]
}

// alarmed reports whether the family's signal is one of those that the alarms
// in force are about: its samples go on waiting until the alarm is over.
func (t *target) alarmed(f family) bool {
	switch f {
	case famFirst, famInter:
		return t.fam[f].active || t.fam[famJoint].active
	case famLonger, famShorter:
		return t.fam[famLonger].active || t.fam[famShorter].active
	}
	return t.fam[f].active
}

// family returns a family that is about signal k.
func (k kind) family() family {
	if k >= kindOwn {
		return famOwn + family(k-kindOwn)
	}
	return [kindOwn]family{famFirst, famInter, famLonger, famUnsure}[k]
}

// dropPending forgets what waits of signals that are not themselves in alarm:
// it was seen during a fault.
func (t *target) dropPending() {
	if !t.alarmed(famErrors) {
		t.avail.drop()
		t.burst.rate.drop()
		t.traffic.drop()
	}
	for _, s := range t.series {
		about := famErrors
		if s.origin == fromFeedback {
			about = famDisliked
		}
		if !t.alarmed(about) {
			s.avail.drop()
		}
		if !t.alarmed(famSanity) {
			s.sane.drop()
		}
		if !t.alarmed(famStrange) {
			s.text.drop()
		}
		for k, m := range s.measures {
			if m != nil && !t.alarmed(kind(k).family()) {
				m.pend = m.pend[:0]
			}
		}
	}
}
