package scoring

import "math"

// bank holds the CUSUMs of one target: S = max(0, S + ell) for each hypothesis,
// fed by all its series.
type bank struct {
	nats  [hypotheses]float64
	since [hypotheses]int64   // when the evidence last left zero
	n     [hypotheses]float64 // calls, or answers, since then; of the counted signals only
	bad   [hypotheses]float64 // those of them that failed
	worse float64             // evidence of errors 30 % against errors 3 %
	calm  [hypotheses]calm
}

const mostNats = 1e6

// add takes in what one observation says.
func (b *bank) add(r *reading) {
	b.worse = min(max(0, b.worse+r.worse), mostNats)
	for rest, i := r.says.next(); i >= 0; rest, i = rest.next() {
		s := b.nats[i] + r.ell[i]
		if s <= 0 {
			b.zero(i)
			continue
		}
		if b.nats[i] == 0 {
			b.since[i] = r.at
		}
		b.nats[i] = min(s, mostNats)
		switch table[i].family {
		case famErrors, famJoint, famDisliked:
			b.n[i] += r.calls
			b.bad[i] += r.failed
		case famSanity:
			b.count(i, r.badSane)
		case famStrange:
			b.count(i, r.oddText)
		}
	}
}

func (b *bank) count(i int, bad bool) {
	b.n[i]++
	if bad {
		b.bad[i]++
	}
}

func (b *bank) zero(i int) { b.nats[i], b.since[i], b.n[i], b.bad[i] = 0, 0, 0, 0 }

// forget drops the evidence of hypothesis i, which is then no part of what is
// usual in health.
func (b *bank) forget(i int) {
	b.zero(i)
	b.calm[i].peak = 0
}

// restart drops all evidence.
func (b *bank) restart() {
	b.worse = 0
	for i := range table {
		b.forget(i)
	}
}

// rate is the estimated rate of failure since the onset of hypothesis i.
func (b *bank) rate(i int) float64 { return counted{n: b.n[i], bad: b.bad[i]}.rate() }

// quiet reports whether no hypothesis of f has any evidence.
func (b *bank) quiet(f family) bool {
	first, last := f.span()
	for i := first; i <= last; i++ {
		if b.nats[i] != 0 {
			return false
		}
	}
	return true
}

// clear forgets the evidence of f.
func (b *bank) clear(f family) {
	first, last := f.span()
	for i := first; i <= last; i++ {
		b.forget(i)
	}
}

// threshold returns the evidence at which hypothesis i of t raises an alarm,
// before the witness rule: the solved one, or a higher one where the target's own
// clean history asks for it.
func (e *Engine) threshold(t *target, i int) float64 {
	return t.bank.calm[i].raise(e.solved(t, i), t.allowed(i)) - e.spent(t, i)
}

// By how many nats thresholds about measured signals are lowered because of what
// else an alarm needs: a witness, and a size that matters. Without it, fault-free
// streams of four kinds of noise alarm at an eighth of the budget. Counts are left
// out: of them real streams have the worst surprises.
const witnessSaves, jointSaves = 2.75, 0.7

// spent returns what is saved that way for hypothesis i, once t was watched for
// three days and its hours are known.
func (e *Engine) spent(t *target, i int) float64 {
	switch c := table[i].family.class(); {
	case e.set.without(NoWitness) || seconds(t.lastAt-t.firstAt) < 3*86400:
		return 0
	case c == measured:
		return witnessSaves
	case c == parts:
		return jointSaves
	}
	return 0
}

// solved returns the threshold by the book. Series of one target may differ in
// how much their signals vary; the highest threshold holds.
func (e *Engine) solved(t *target, i int) float64 {
	f, run, h := table[i].family, t.allowed(i), 0.0
	switch {
	case f == famErrors:
		return e.errorThreshold(t, i)
	case f == famJoint:
		h = e.jointThreshold(t)
	case f == famStrange:
		h = e.solver.texts(run)
	case f == famSanity:
		for _, s := range t.series {
			if s.origin == fromProbe {
				h = max(h, e.solver.counts(table[i].p1, s.sane.bucket, run))
			}
		}
	case f == famDisliked:
		for _, s := range t.series {
			if s.origin == fromFeedback {
				h = max(h, e.solver.rates(dislikeRate(i, bucketP(s.avail.bucket)), s.avail.bucket, run))
			}
		}
	default:
		first, _ := f.span()
		for _, s := range t.series {
			if m := s.measures[f.kind()]; m.ready() {
				h = max(h, e.solver.ranks(m.fine(), m.usualBucket(i-first, t.interval), run))
			}
		}
	}
	if h == 0 {
		return roundRun(run) // holds without any calibration
	}
	return h
}

// errorThreshold is the threshold of hypothesis i about errors: solved for the
// budget's run length in calls, at whichever usual rate of the probes and of
// the streams needs most; or the bound that holds for any observations, be they
// of one call or of many, where that is lower.
func (e *Engine) errorThreshold(t *target, i int) float64 {
	calls, observations := t.errorRuns()
	bound := roundRun(observations)
	if calls-solveDepth >= bound {
		return bound // no need to solve what lies higher
	}
	h := e.solver.counts(table[i].p1, t.avail.bucket, calls)
	for _, s := range t.series {
		if s.passive && t.lastAt-s.lastAt < recentTraffic {
			h = max(h, e.solver.counts(table[i].p1, s.avail.bucket, calls))
		}
	}
	return min(h, bound)
}

func (e *Engine) jointThreshold(t *target) float64 {
	h := 0.0
	for _, s := range t.series {
		first, inter := s.measures[kindFirst], s.measures[kindInter]
		if !first.ready() {
			continue
		}
		k := -1
		if inter.ready() {
			k = inter.usualBucket(2, t.interval)
		}
		h = max(h, e.solver.overload(first.fine(), first.usualBucket(2, t.interval), k, t.avail.bucket, t.lnRun))
	}
	return h
}

// usualBucket returns the effect bucket of a magnitude at the usual interval.
func (m *measure) usualBucket(magnitude int, interval int64) int {
	rho, sure := m.corr.at(seconds(interval))
	return bucketOf(m.place[magnitude] + slowing(rho, sure))
}

// need returns the evidence at which hypothesis i of t counts: its threshold,
// and 3 nats more for a mild one that nothing else confirms, and 3 more again
// while the hours of the day are not known.
func (e *Engine) need(t *target, i int, at int64) float64 {
	if e.joined(t, i, 0) {
		return accuseNats
	}
	h := e.threshold(t, i)
	if !table[i].mild {
		return h
	}
	if !e.set.without(NoWitness) && e.witness(t, i) == "" {
		h += witnessNats
	}
	if t.young(at) {
		h += witnessNats
	}
	return h
}

// replay lets the target's clean history grow by one observation.
func (t *target) replay(r *reading) {
	most := calmMonths * month / seconds(t.interval)
	for rest, i := r.says.next(); i >= 0; rest, i = rest.next() {
		t.bank.calm[i].follow(t.bank.nats[i], most)
	}
}

// chance counts an alarm that is over and was none as an excursion.
func (b *bank) chance(i int, h float64) {
	b.calm[i].peak = math.Max(b.calm[i].peak, h)
	b.calm[i].end()
}

// witness names what else holds evidence against t beside hypothesis i: another
// signal, or a second prompt, vantage or stream of the same signal; "" for
// nothing.
func (e *Engine) witness(t *target, i int) string {
	for j := range table {
		if table[j].family != table[i].family && j != joint && t.bank.nats[j] >= witnessNats && e.set.may[j] == acts {
			return t.words(table[j].family)
		}
	}
	if e.identityWitness(t, i) {
		return "a change of identity"
	}
	first, last := table[i].family.span()
	var one *series
	for _, s := range t.series {
		if !s.holds(first, last) {
			continue
		}
		if one == nil {
			one = s
			continue
		}
		switch {
		case s.origin != one.origin:
			return "real traffic"
		case s.vantage != one.vantage:
			return "another vantage"
		case s.canary != one.canary:
			return "another canary"
		}
	}
	return ""
}

// holds reports whether the series by itself has the evidence of a witness.
func (s *series) holds(first, last int) bool {
	for i := first; i <= last; i++ {
		if s.nats[i] >= witnessNats {
			return true
		}
	}
	return false
}

// add is the series' own part of the evidence.
func (s *series) add(r *reading) {
	for rest, i := r.says.next(); i >= 0; rest, i = rest.next() {
		if s.nats[i] == 0 {
			s.since[i] = r.at
		}
		s.nats[i] = min(max(0, s.nats[i]+r.ell[i]), mostNats)
	}
}

const (
	leastSingle = 3   // series that a single one may be lost among
	singleNats  = 2.0 // the price of looking at each: about an eighth of the budget more
)

// single looks for one canary or vantage whose own evidence proves what that of
// the others cancels in the sum: a fault of one in five is seen by one in five.
// Failures of calls are every canary's. -1 for none.
func (e *Engine) single(t *target, f family, at int64) (best int, since int64) {
	best = -1
	if f.class() == counts || f.class() == parts || len(t.series) < leastSingle {
		return best, 0
	}
	first, last := f.span()
	for i := first; i <= last; i++ {
		for _, s := range t.series {
			if s.nats[i] <= suspectAbove || !e.set.alarming.has(i) || s.nats[i] < t.allowed(i)-solveDepth-witnessSaves || s.nats[i] < e.need(t, i, at)+singleNats {
				continue
			}
			if best < 0 || s.since[i] < since {
				best, since = i, s.since[i]
			}
		}
	}
	return best, since
}

// most returns the evidence for hypothesis i, of all or of one series.
func (t *target) most(i int) float64 {
	x := t.bank.nats[i]
	for _, s := range t.series {
		x = max(x, s.nats[i])
	}
	return x
}
