package scoring

import (
	"math"

	"github.com/bellwether-llm/bellwether"
)

// The constants of real traffic; docs/scoring.md says where they come from.
const (
	startSpread, mostSpread = 2.0, 50.0 // the divisor of the nats: before it is measured, and at most
	spreadPrior             = 10.0      // blocks that the start is worth
	spreadMemory            = 500.0     // blocks, then the memory is halved
	spreadClip              = 400.0     // most that one pair of blocks may say
	blockTime               = 60e9      // nanoseconds
	burstMost               = 20e9      // nanoseconds; what fails for longer is a fault and teaches nothing
	burstNats, nextNats     = 4.0, 2.0  // nats that traffic may hold against a target: at once, and per second
	paceTime                = 60.0      // e-time of the pace, seconds
	leastTraffic            = .001      // no stream is expected to fail less before it is known
)

// traffic is what the streams of real calls to one target are like, all routers
// together: calls that fail together do so at all of them.
type traffic struct {
	at                   int64   // end of the latest window
	norm, windows, calls float64 // decayed: seconds, windows and effective calls
	credit               float64 // nats that it may still hold against the target
	creditAt             int64

	from, until int64 // the present block of a minute
	n, bad      float64
	lastN       float64 // of the block before; 0 for none
	lastBad     float64
	sum, weight float64 // of the measured spreads of pairs of blocks
	waitSum     float64 // the same, in quarantine
	waitWeight  float64
}

// window is what a router says of a stretch of real traffic.
type window struct {
	good, bad float64
	worst     bellwether.Outcome
}

// readWindow counts the calls of a router's observation: those of a summary, or
// the one call. Failures before HTTP are the router's own affair, and 429
// answers the account's; they are left out.
func readWindow(o *bellwether.Observation) (w window) {
	if len(o.Counts) == 0 {
		w.count(o.Outcome, 1)
		return w
	}
	// By a fixed order: that of the map is of no consequence.
	for _, name := range outcomeNames {
		w.count(name, o.Counts[name])
	}
	return w
}

func (w *window) count(o bellwether.Outcome, n int) {
	m := o.Meaning()
	switch {
	case n <= 0 || m.Local:
	case m.Availability == bellwether.Good:
		w.good += float64(n)
	case m.Availability == bellwether.Bad:
		w.bad += float64(n)
		w.worst = o
	}
}

// observeTraffic folds what a router saw: availability only, against the
// stream's own baseline. The prompts of real traffic differ from call to call,
// so its timings say little against a baseline; they are for objectives.
func (e *Engine) observeTraffic(t *target, o *bellwether.Observation, at, end int64) {
	w := readWindow(o)
	n := w.good + w.bad
	if n == 0 {
		return
	}
	s := t.find(o, fromTraffic, e.now)
	r := reading{at: at}
	row, spread := &e.solver.ladders.rates[s.avail.bucket], t.traffic.spread()
	for i := errors3; i <= errors97; i++ {
		if e.set.may[i] != ignored {
			r.ell[i] = (w.bad*row.bad[i] + w.good*row.good[i]) / spread
		}
	}
	r.worse = (w.bad*row.worse[1] + w.good*row.worse[0]) / spread
	t.traffic.afford(&r.ell, end, seconds(end-at))
	r.calls, r.failed = n, w.bad
	t.calls.push(tally{at: at, n: float32(n), bad: float32(w.bad), worst: outcomeIndex(w.worst)})
	if t.learning() || t.alarmed(famErrors) {
		s.avail.wait(w.good/spread, w.bad/spread)
		t.traffic.disperse(n, w.bad, at, end, t.trafficRate())
	}
	t.traffic.see(end, n/spread)
	if t.firstAt == 0 {
		t.firstAt = at
	}
	// Where no probe came for as long as a suspicious prober would wait, real
	// traffic stands in for a clean one.
	if w.bad == 0 && n >= 5 && seconds(end-t.cleanAt) >= e.set.suspicion {
		r.clean, t.cleanAt = true, end
	}
	e.finish(t, s, &r)
}

// spread is by how much failures of real calls vary more than those of
// independent calls would: 1 + 2 sum(rho), the factor by which n correlated
// calls are worth fewer. It starts at 2, worth ten minutes, and follows what
// pairs of minutes show.
func (p *traffic) spread() float64 {
	return max(1, min(mostSpread, (spreadPrior*startSpread+p.sum)/(spreadPrior+p.weight)))
}

// disperse adds a window to the present block, and measures the spread when a
// minute is full: for neighbouring minutes of n1 and n2 calls with failure
// rates r1 and r2 the expectation of (r1-r2)² / (p(1-p)(1/n1+1/n2)) is
// 1 + 2 sum(rho) over the lags within a minute, whatever the level is and
// however slowly it moves. The variance of one is 2 + 1/2mu where mu failures
// are expected; its inverse is the weight, so that minutes in which nothing
// could fail say nothing.
func (p *traffic) disperse(n, bad float64, at, end int64, rate float64) {
	if p.n > 0 && at-p.from >= blockTime {
		p.closeBlock(rate)
	}
	if p.n == 0 {
		p.from = at
	}
	p.until = max(p.until, end)
	p.n += n
	p.bad += bad
}

func (p *traffic) closeBlock(rate float64) {
	if p.lastN > 0 && rate > 0 && p.until-p.from < 3*blockTime {
		both := 1/p.n + 1/p.lastN
		off := p.bad/p.n - p.lastBad/p.lastN
		mu := 2 * rate / both
		w := 4 * mu / (4*mu + 1)
		p.waitSum += w * min(spreadClip, off*off/(rate*(1-rate)*both))
		p.waitWeight += w
	}
	p.lastN, p.lastBad = p.n, p.bad
	p.n, p.bad, p.from = 0, 0, 0
}

// release lets the spreads out of quarantine.
func (p *traffic) release() {
	p.sum += p.waitSum
	p.weight += p.waitWeight
	p.waitSum, p.waitWeight = 0, 0
	if p.weight > spreadMemory {
		p.sum, p.weight = p.sum/2, p.weight/2
	}
}

// drop forgets what waits, and the present block: it was seen during a fault.
func (p *traffic) drop() {
	p.waitSum, p.waitWeight, p.n, p.bad, p.lastN, p.lastBad, p.from = 0, 0, 0, 0, 0, 0, 0
}

// afford bounds what traffic may hold against the target to burstNats at once
// and nextNats a second, so that a burst of a few seconds, however many calls
// are in it, raises no alarm before the spread is known. To lessen a ratio that
// is above 1 keeps its expectation below 1.
func (p *traffic) afford(ell *[hypotheses]float64, end int64, window float64) {
	most := burstNats + nextNats*window
	switch {
	case p.creditAt == 0:
		p.credit = most
	case end > p.creditAt:
		p.credit += nextNats * seconds(end-p.creditAt)
	}
	p.credit = min(p.credit, most)
	p.creditAt = max(p.creditAt, end)
	top := 0.0
	for _, x := range ell {
		top = max(top, x)
	}
	part := 1.0
	if top > p.credit {
		part = p.credit / top
	}
	for i, x := range ell {
		if x > 0 {
			ell[i] = x * part
		}
	}
	p.credit -= top * part
}

// see follows how many windows and effective calls come per second.
func (p *traffic) see(end int64, calls float64) {
	if gap := seconds(end - p.at); p.at != 0 && gap > 0 {
		fade := math.Exp(-gap / paceTime)
		p.norm = p.norm*fade + paceTime*(1-fade)
		p.windows *= fade
		p.calls *= fade
	}
	p.at = max(p.at, end)
	p.windows++
	p.calls += calls
}

// errorRuns returns the logarithms of the run length that each hypothesis about
// errors is allowed, counted in calls and in observations. The budget is per
// month, so that real traffic adds to both.
func (t *target) errorRuns() (calls, observations float64) {
	p := &t.traffic
	if p.at == 0 || t.lastAt-p.at > recentTraffic {
		return t.lnRun, t.lnRun
	}
	norm := max(p.norm, 1)
	return t.lnRun + math.Log1p(seconds(t.interval)*p.calls/norm), t.lnRun + math.Log1p(seconds(t.interval)*p.windows/norm)
}

// recentTraffic is how long ago traffic may have come to be counted on.
const recentTraffic = 600e9

// trafficRate is how often calls of all streams together fail in health; 0 as
// long as none did.
func (t *target) trafficRate() float64 {
	good, bad := t.trafficCalls(nil)
	if bad == 0 {
		return 0
	}
	return bad / (good + bad)
}

// trafficCalls sums up the effective calls in health of all streams but one.
func (t *target) trafficCalls(but *series) (good, bad float64) {
	for _, s := range t.series {
		if s.passive && s != but {
			good += s.avail.good
			bad += s.avail.bad
		}
	}
	return good, bad
}

// trafficPrior is what is expected of a stream before it is known: what the
// target's other streams are like; else twice what its probes fail, because
// real prompts are longer and stranger, at least 0.1 %, and at most the 0.5 %
// that is expected of anything. It is worth 200 calls, and up to 500 when it
// rests on 3000.
func (t *target) trafficPrior(s *series) prior {
	if s.start != (prior{}) {
		return s.start
	}
	good, bad := t.trafficCalls(s)
	n := good + bad
	p := (bad + .5) / (n + 1)
	if n < priorErrors.bad+priorErrors.good {
		n = t.avail.good + t.avail.bad
		mean := t.avail.mean(t.prior.errors)
		p = min(2*mean, max(mean, priorErrors.bad/(priorErrors.bad+priorErrors.good)))
	}
	p = max(p, leastTraffic)
	worth := 200 + min(300, n/10)
	return prior{bad: p * worth, good: (1 - p) * worth}
}

const (
	neverBetter = .3  // chance at which a stream may have begun as it is now
	startWorth  = 100 // calls that its first ones are then worth
)

// atMost is the probability of at most n failures where mean are expected, after
// Poisson.
func atMost(n, mean float64) float64 {
	term, sum := math.Exp(-mean), 0.0
	for k := 0.0; k <= n; k++ {
		sum += term
		term *= mean / (k + 1)
	}
	return sum
}

// natural reports whether what alarms are only streams of traffic that were never
// better: had they always failed as they do now, that so few failed before would
// be no surprise. Their prompts are longer and stranger than canaries, and that is
// what they are like; a stream that was well before is another matter.
func (t *target) natural(i int) bool {
	found := false
	for _, s := range t.series {
		switch {
		case s.nats[i] < cleanNats:
		case !s.passive:
			return false
		default:
			w := &s.avail
			p := w.waitBad / (w.waitGood + w.waitBad)
			spread := t.traffic.spread()
			if !(p < sizeFailing) || atMost(w.bad*spread, p*(w.good+w.bad)*spread) < neverBetter {
				return false
			}
			found = true
		}
	}
	return found
}

// begin takes what streams have shown so far for what they are like, and starts
// the evidence of f from zero.
func (t *target) begin(f family) {
	first, last := f.span()
	for _, s := range t.series {
		if s.passive && s.nats[first] >= cleanNats {
			w := &s.avail
			p := max(leastTraffic, (w.waitBad+.5)/(w.waitGood+w.waitBad+1))
			s.start = prior{bad: p * startWorth, good: (1 - p) * startWorth}
		}
		clear(s.nats[first : last+1])
	}
	t.bank.clear(f)
	t.shiftRates(f)
}
