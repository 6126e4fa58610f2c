package probes

import (
	"slices"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// suspect is a target that is looked at harder.
type suspect struct {
	interval time.Duration
	canaries []string // empty means all
}

func (s suspect) wants(canary string) bool {
	return len(s.canaries) == 0 || slices.Contains(s.canaries, canary)
}

// Suspect probes a target at once, then at the suspicion's interval (at least
// the configured fast one) beside its schedule, while the budgets last. An
// interval of 0 ends that. A repeated suspicion changes interval and canaries
// and does not probe at once again. It never blocks.
func (s *Scheduler) Suspect(x bellwether.Suspicion) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x.Interval > 0 {
		interval := time.Duration(min(x.Interval, 1e6) * float64(time.Second))
		s.suspects[x.Target] = suspect{interval: max(interval, s.limits.FastInterval.Std()), canaries: slices.Clone(x.Canaries)}
	} else {
		delete(s.suspects, x.Target)
	}
	s.followSuspicions(s.byTarget[x.Target], time.Now())
	s.nudge()
}

// followSuspicions sets the fast alarms of entries as the suspicions want them.
func (s *Scheduler) followSuspicions(entries []*entry, now time.Time) {
	for _, e := range entries {
		x, suspected := s.suspects[e.job.Target.ID]
		switch {
		case !suspected || !x.wants(e.job.Canary.Name):
			e.looked = false
			s.due.set(&e.fast, time.Time{})
		case !e.looked:
			e.looked = true
			s.due.set(&e.fast, now.Round(0))
		case e.job.when.within(x.interval, now):
			// The schedule is as fast by itself; what is set already may fire.
		case e.fast.at.IsZero() || e.fast.at.Sub(now.Round(0)) > x.interval:
			s.due.set(&e.fast, now.Round(0).Add(x.interval))
		}
	}
}

// fireFast sends one probe of suspicion if there is a slot and a budget for
// it now, and sets the next time. One that cannot be sent is left out, not
// missed: it stands in no schedule.
func (s *Scheduler) fireFast(a *alarm, now time.Time) {
	e := a.entry
	x := s.suspects[e.job.Target.ID]
	next := a.at.Add(x.interval)
	if !next.After(now) {
		next = now.Round(0).Add(x.interval)
	}
	if e.job.when.within(x.interval, now) {
		next = time.Time{} // the schedule is as fast by itself
	}
	j := e.job
	j.Trigger, j.Due = bellwether.TriggerSuspicion, a.at
	s.due.set(a, next)
	s.dispatch() // what waits on the schedule goes first
	if e.flying[onSuspicion] >= maxOverlap || !s.slots.free(e.berth) {
		s.counts.skipped++
		return
	}
	held := worst(j, now)
	if ok, first := s.ledger.hold(j.Target.ID, held); !ok {
		if first {
			s.log.Warn("budget of suspicion is spent for today", "target", j.Target.ID)
		}
		return
	}
	s.start(&sending{entry: e, job: j, held: held})
}
