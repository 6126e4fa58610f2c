package scoring

import (
	"math"

	"github.com/bellwether-llm/bellwether"
)

// ramp returns the weight that follows now when want is deserved: it falls at
// once, and rises only on a clean probe and at most twofold, so that one lucky
// answer cannot restore full traffic. Small moves are not made. allow bounds
// the fall.
func ramp(now, want, allow float64, clean bool) float64 {
	if want >= .995 {
		want = 1
	}
	next := now
	switch {
	case want < now:
		next = max(want, now-allow)
	case clean:
		next = min(want, max(trickle, 2*now))
		if next >= .995 {
			next = 1
		}
	}
	if math.Abs(next-now) < deadband-1e-9 && next != 1 && next != 0 {
		return now
	}
	return next
}

// ceiling is the most that the alarms in force leave to t, so that no verdict is
// published beside a weight that knows nothing of it: what their hypotheses
// deserve, and while an alarm is failing or worse what failing does. Once
// evidence grows that an alarm is over, the belief decides, below half of the
// traffic where much was wrong.
func (e *Engine) ceiling(t *target) float64 {
	most := 1.0
	for f := range t.fam {
		a := &t.fam[f]
		if !a.active {
			continue
		}
		u := table[a.hyp].utility
		switch {
		case a.severity > 1 && a.recovery == 0:
			u = trickle
		case a.severity > 1:
			u = .5
		case a.recovery > 0:
			u = 1
		}
		most = min(most, max(u, e.set.floor[a.hyp]))
	}
	return most
}

// What is left to a target of whose last calls at least two failed in a row, no
// matter whether that is an outage or a burst that its past knows: the
// probability that the next call succeeds. Failures follow failures at the
// learned rate q, worth runPrior calls, and at the run's own.
const (
	runPrior = 3.0
	runHard  = 3 // so many are no chance: the weight falls without a bound
	runMost  = 16
)

// run returns how many of the last calls failed in a row, and the weight that
// leaves.
func (t *target) run() (failed int, left float64) {
	for i := range min(t.calls.len(), runMost) {
		if one := t.calls.last(i); one.bad < one.n {
			break
		}
		failed++
	}
	if failed < 2 {
		return failed, 1
	}
	q, k := t.burst.rate.mean(priorBurst), float64(failed-1)
	return failed, 1 - (runPrior*q+k)/(runPrior+k)
}

// weigh publishes what t deserves. Account trouble and an outage take all
// traffic away; other faults shed at most shedCap in shedTime, lest many
// callers stampede the peers.
func (e *Engine) weigh(t *target, at int64, clean bool) {
	if e.frozen || t.blocked() || t.misasked() || t.stale(at) {
		return
	}
	small := e.small(t)
	want := t.belief.weight(&e.set, &small)
	if e.set.quota == acts || e.set.quota == caps {
		want *= max(t.quotas.weight(), e.set.quotaFloor)
	}
	failed, left := t.run()
	if e.set.may[errors97] == acts || e.set.may[errors97] == caps {
		want = min(want, max(left, e.set.floor[errors97]))
	}
	want = max(want, trickle)
	want = min(want, e.ceiling(t))
	hard := failed >= runHard || t.belief.hard() || t.fam[famErrors].active && t.fam[famErrors].hyp == errors97
	if t.account() || t.verdict == bellwether.Down {
		want, hard = 0, true
	}
	if at > t.shedAt {
		t.shed = min(shedCap, t.shed+shedCap/shedTime*seconds(at-t.shedAt))
		t.shedAt = at
	}
	allow := t.shed
	if hard {
		allow = 1
	}
	next := ramp(t.weight, want, allow, clean)
	if next < t.weight {
		t.shed = max(0, t.shed-(t.weight-next))
	}
	if next != t.weight {
		t.weight, e.dirty = next, true
	}
}
