package scoring

import (
	"fmt"
	"math"

	"github.com/bellwether-llm/bellwether"
)

// What has been so for newNormal, within the size that matters, is the new
// normal: a provider that moved for good is not ill for good.
const (
	newNormal   = 7 * 86400e9 // nanoseconds
	normalEvery = 3600e9      // between looks
)

// lasting is how an alarm's effect has stood, to tell a new normal from a fault
// that comes and goes.
type lasting struct {
	effect float64 // a moving mean of the middle of the measured effect
	at     int64   // since when it is so
	seen   int64   // when it was last looked at
}

// again returns what is left of it for the next alarm: all, when that comes
// within a day.
func (s lasting) again(at int64) lasting {
	if at-s.seen > 86400e9 {
		return lasting{}
	}
	return s
}

// acceptNormal ends alarms that are nothing but degraded and have been steady
// for so long that they are the new normal, which it then learns.
func (e *Engine) acceptNormal(t *target, at int64) {
	for f := famErrors; f < families; f++ {
		a := &t.fam[f]
		if !a.active || a.severity > 1 || f.class() == parts {
			continue
		}
		if a.steady.seen != 0 && at-a.steady.seen < normalEvery {
			continue
		}
		a.steady.seen = at
		eff := effect{}
		if f.class() == measured {
			eff = t.effectSince(f, f.kind(), a.since)
		}
		if off := eff.middle - a.steady.effect; a.steady.at == 0 || math.Abs(off) > t.sizeOf(f.kind())+eff.high-eff.low {
			a.steady.effect, a.steady.at = eff.middle, at
		} else {
			a.steady.effect += off / 8
		}
		if at-a.steady.at >= newNormal {
			e.accept(t, f, eff, at)
		}
	}
}

// accept takes what an alarm of f is about for the new normal.
func (e *Engine) accept(t *target, f family, eff effect, at int64) {
	if f.class() == measured {
		t.shiftMeasure(f.kind(), eff)
		for _, s := range t.series {
			if m := s.measures[f.kind()]; m != nil {
				m.anchor = anchor{}
			}
		}
	} else {
		t.shiftRates(f)
	}
	t.fam[f].steady = lasting{}
	e.relent(t, f, at)
}

// driftReason tells of a timing whose level has moved far from that of the last
// four weeks in steps too small for a verdict.
func (e *Engine) driftReason(t *target) (r bellwether.Reason, ok bool) {
	most := 0.0
	for k, f := range [...]family{kindFirst: famFirst, kindInter: famInter} {
		for _, s := range t.series {
			m := s.measures[k]
			if !m.ready() || m.whole || math.Abs(m.drift()) <= most {
				continue
			}
			off := m.drift()
			most, ok = math.Abs(off), true
			r = bellwether.Reason{Signal: wireSignal(t, f), Code: "baseline_drifted", Text: fmt.Sprintf(
				"the usual %s of canary %s has drifted to %s, %s times the %s of the last four weeks",
				t.words(f), orWord(s.canary, "-"), amount(math.Exp(m.level)), factor(math.Exp(off)), amount(math.Exp(m.anchor.median)))}
		}
	}
	return r, ok
}

// renewedReason tells that another model is being learned.
func (e *Engine) renewedReason(t *target) (bellwether.Reason, bool) {
	if t.renewedAt == 0 || e.now-t.renewedAt > 86400e9 {
		return bellwether.Reason{}, false
	}
	for _, s := range t.series {
		for k := range kindsShown {
			if m := s.measures[k]; m != nil && !m.ready() && s.origin == fromProbe && s.n > coldProbes {
				return bellwether.Reason{Signal: bellwether.Identity, Code: "new_generation",
					Text: "another model answers since " + clock(t.renewedAt) + "; what is usual of it is being learned"}, true
			}
		}
	}
	return bellwether.Reason{}, false
}

// warmMost is how many probes make a target warm, however many canaries it has.
const warmMost = 150

// warming reports whether t answers but was hardly probed yet.
func (t *target) warming() bool {
	if t.scored == 0 || t.scored >= warmMost || t.verdict.Severity() > 0 || t.oddRun > 0 {
		return false
	}
	return t.scored < warmProbes || t.scored < warmProbes*uint64(len(t.series))
}

// warmUp asks for probes as fast as under suspicion until the first baselines of
// a new target stand: in some minutes in place of an hour. Suspicion, while there
// is any, asks by itself.
func (e *Engine) warmUp(t *target) {
	now := t.warming() && !t.suspected
	s := bellwether.Suspicion{Target: t.ID, Since: stamp(t.firstAt)}
	switch {
	case now && !t.warmed:
		s.Interval = e.set.suspicion
		e.out.Suspicions = append(e.out.Suspicions, s)
	case !now && t.warmed && !t.suspected:
		e.out.Suspicions = append(e.out.Suspicions, s)
	}
	t.warmed = now
}
