package probes

import (
	"context"
	"slices"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// sending is one probe on its way: waiting for a slot, then in flight.
type sending struct {
	entry    *entry
	job      Job
	deadline time.Time // when it is missed instead; zero for never
	held     spend     // reserved in the ledger, of suspicion

	ctx    context.Context               // of the caller of Now; nil means Run's
	result chan<- bellwether.Observation // of the caller of Now
}

// await lets a probe wait for a slot until it is too late.
func (s *Scheduler) await(e *entry, trigger string, due time.Time, late time.Duration) {
	j := e.job
	j.Trigger, j.Due = trigger, due
	s.waiting = append(s.waiting, &sending{entry: e, job: j, deadline: due.Add(late)})
}

// expire says of everything that waited too long that it was missed.
func (s *Scheduler) expire(now time.Time) {
	s.waiting = slices.DeleteFunc(s.waiting, func(w *sending) bool {
		switch {
		case w.deadline.IsZero():
			return false
		case w.entry.removed:
			return true
		case now.Round(0).After(w.deadline):
			s.miss(w.job, "no free slot to its provider in time")
			return true
		}
		return false
	})
}

// dispatch starts what waits and has a slot, oldest first. What has none is
// passed over, so that nobody waits behind another provider or target.
func (s *Scheduler) dispatch() {
	if s.slots.full() {
		return
	}
	s.waiting = slices.DeleteFunc(s.waiting, func(w *sending) bool {
		ctx := or(w.ctx, s.run)
		if ctx == nil || ctx.Err() != nil || !s.slots.free(w.job.Target) {
			return false // when its time is over, halt or abandon take it
		}
		s.start(w)
		return true
	})
}

// start sends w on a goroutine of its own. s.mu is held, a slot is free.
func (s *Scheduler) start(w *sending) {
	e := w.entry
	if w.job.Trigger == bellwether.TriggerSchedule {
		e.sent++
		n := w.job.Canary.ColdEvery
		w.job.Fresh = n > 0 && e.sent%n == 0
	}
	s.slots.take(w.job.Target)
	e.flying[w.job.Trigger]++
	s.counts.sent[w.job.Trigger]++
	if w.result != nil {
		go s.fly(w.ctx, w) // joined by Now
		return
	}
	run := s.run
	s.flying.Go(func() { s.fly(run, w) })
}

// fly sends one probe, frees its slot, and emits what came back.
func (s *Scheduler) fly(ctx context.Context, w *sending) {
	o := s.sender.Probe(ctx, w.job)
	s.mu.Lock()
	s.slots.release(w.job.Target)
	w.entry.flying[w.job.Trigger]--
	if w.held != (spend{}) {
		s.ledger.settle(w.job.Target.ID, w.held, used(o, w.held))
	}
	s.dispatch()
	s.mu.Unlock()
	s.emit(o)
	if w.result != nil {
		w.result <- o
	}
}

// slots bounds the probes in flight: per provider and in all. Every target
// that has none in flight has one slot reserved, as long as the reserved are
// at most half of all, so that a slow target cannot take the place of another.
type slots struct {
	perLane, total int
	all            lane
	lanes          map[string]*lane // by provider
	targets        map[string]*lane // by target; only flying is used
}

// lane is what is known of one bound.
type lane struct {
	flying  int // probes
	targets int // that have jobs
	busy    int // targets with a probe in flight
}

func newSlots(perLane, total int) slots {
	return slots{perLane: perLane, total: total, lanes: map[string]*lane{}, targets: map[string]*lane{}}
}

// know counts the targets that there are now.
func (s *slots) know(entries []*entry) {
	s.all.targets = 0
	for _, l := range s.lanes {
		l.targets = 0
	}
	seen := map[string]bool{}
	for _, e := range entries {
		if t := e.job.Target; !seen[t.ID] {
			seen[t.ID] = true
			at(s.lanes, t.Provider).targets++
			s.all.targets++
		}
	}
	for key, l := range s.lanes {
		if l.targets == 0 && l.flying == 0 {
			delete(s.lanes, key)
		}
	}
	for key, l := range s.targets {
		if !seen[key] && l.flying == 0 {
			delete(s.targets, key)
		}
	}
}

func at(m map[string]*lane, key string) *lane {
	l := m[key]
	if l == nil {
		l = &lane{}
		m[key] = l
	}
	return l
}

func (s *slots) full() bool { return s.all.flying >= s.total }

// free reports whether a probe of t may start. O(1).
func (s *slots) free(t Target) bool {
	l, first := at(s.lanes, t.Provider), at(s.targets, t.ID).flying == 0
	return l.room(s.perLane, first) && s.all.room(s.total, first)
}

// room reports whether one more fits under limit; first is whether its target
// has none in flight.
func (l *lane) room(limit int, first bool) bool {
	reserved := 0
	if !first {
		reserved = min(max(0, l.targets-l.busy), limit/2)
	}
	return l.flying+reserved < limit
}

func (s *slots) take(t Target) { s.change(t, 1) }

func (s *slots) release(t Target) { s.change(t, -1) }

func (s *slots) change(t Target, by int) {
	own, l := at(s.targets, t.ID), at(s.lanes, t.Provider)
	was := own.flying > 0
	own.flying += by
	l.flying += by
	s.all.flying += by
	if is := own.flying > 0; is != was {
		l.busy += by
		s.all.busy += by
	}
}
