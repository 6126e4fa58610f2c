package scoring

import (
	"math"

	"github.com/bellwether-llm/bellwether"
)

// startSpread is how much more the failures of a window are assumed to vary
// than independent ones, until it is measured.
const startSpread = 2.0

// window is what a router says of a stretch of real traffic.
type window struct {
	good, bad, limited float64
	worst              bellwether.Outcome
}

// readWindow counts the calls of a router's observation: those of a summary, or
// the one call. Failures before HTTP are the router's own affair, unless it
// reached others; they are left out.
func readWindow(o *bellwether.Observation) (w window) {
	if len(o.Counts) == 0 {
		w.count(o.Outcome, 1)
		return w
	}
	// Sums of whole numbers and a maximum by a fixed order: map order is of
	// no consequence.
	for _, name := range outcomeNames {
		w.count(name, o.Counts[name])
	}
	w.count(bellwether.RateLimited, o.Counts[bellwether.RateLimited])
	return w
}

func (w *window) count(o bellwether.Outcome, n int) {
	if n <= 0 {
		return
	}
	m := o.Meaning()
	switch {
	case m.Local:
	case o == bellwether.RateLimited:
		w.limited += float64(n)
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
func (e *Engine) observeTraffic(t *target, o *bellwether.Observation, at int64) {
	w := readWindow(o)
	n := w.good + w.bad
	if n == 0 {
		return
	}
	s := t.find(o, true)
	r := reading{at: at}
	p0 := bucketP(s.avail.bucket)
	for i := errors3; i <= errors97; i++ {
		if e.set.may[i] != ignored {
			p1 := faultRate(table[i].p1, p0)
			r.ell[i] = (w.bad*math.Log(p1/p0) + w.good*math.Log((1-p1)/(1-p0))) / s.spread
		}
	}
	r.failed = w.bad
	t.calls.push(tally{at: at, n: float32(n), bad: float32(w.bad), worst: outcomeIndex(w.worst)})
	if t.learning() {
		s.avail.wait(w.good/s.spread, w.bad/s.spread)
		s.disperse(n, w.bad, p0)
	}
	t.passive.see(at)
	if t.firstAt == 0 {
		t.firstAt = at
	}
	r.clean = w.bad == 0 && n >= 5 && e.mayClimb(t, at)
	e.finish(t, s, &r)
}

// mayClimb lets real traffic stand in for a clean probe where no probe came for
// as long as a suspicious prober would wait.
func (e *Engine) mayClimb(t *target, at int64) bool { return seconds(at-t.lastAt) >= e.set.suspicion }

// disperse measures how much more the failures of windows vary than those of
// independent calls: the divisor that keeps correlated calls from counting as
// so many witnesses.
func (s *series) disperse(n, bad, p0 float64) {
	if n < 5 {
		return
	}
	expected := n * p0 * (1 - p0)
	x := (bad - n*p0) * (bad - n*p0) / math.Max(expected, .05)
	s.spread = math.Max(1.5, math.Min(20, s.spread+.01*(math.Min(x, 50)-s.spread)))
}

// see smooths how often windows come.
func (p *pace) see(at int64) {
	if gap := seconds(at - p.at); p.at != 0 && gap > 0 {
		if p.gap == 0 {
			p.gap = math.Min(gap, longestGap)
		}
		p.gap += .05 * (math.Min(gap, longestGap) - p.gap)
	}
	p.at = at
}

// passiveRun is what windows of real traffic add to the run length that is
// allowed, because the budget is per month and not per observation.
func (t *target) passiveRun() float64 {
	if t.passive.gap <= 0 || t.lastAt-t.passive.at > recentVantage {
		return 0
	}
	return math.Log1p(seconds(t.interval) / math.Max(t.passive.gap, .1))
}
