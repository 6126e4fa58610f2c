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
	berth    *berth    // whose slots it took; the entry may have another by its end

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
			s.miss(w.job, "its target or canary was taken out of the config")
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
		if ctx == nil || ctx.Err() != nil || !s.slots.free(w.entry.berth) {
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
	w.berth = e.berth
	s.slots.take(w.berth)
	e.count(w.job.Trigger, 1)
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
	s.slots.release(w.berth)
	w.entry.count(w.job.Trigger, -1)
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
