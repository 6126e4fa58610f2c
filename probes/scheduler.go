package probes

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/id"
)

// Sender sends one probe; a [Prober] is one. It must be safe for concurrent
// use and return soon after ctx ends.
type Sender interface {
	Probe(ctx context.Context, j Job) bellwether.Observation
}

// SchedulerOptions are what a scheduler can do without.
type SchedulerOptions struct {
	// Probing bounds the work; zero fields mean the defaults.
	Probing Probing
	// Warmup sends every job once as soon as it is known (trigger warmup), so
	// that nobody waits a whole interval for a first answer.
	Warmup bool
	// Ledger keeps suspicion within its budgets; nil means one of Probing's
	// budgets that forgets with the process.
	Ledger *Ledger
	// Log tells of clock steps and spent budgets; nil discards.
	Log *slog.Logger
}

const (
	maxOverlap = 2                // probes of one job in flight, for each of schedule and suspicion
	maxLate    = 30 * time.Second // and never later than the interval
	maxMisses  = 10               // of one job told one by one when many times passed at once
	maxSleep   = time.Minute      // so that a stepped clock is noticed
	clockStep  = time.Second      // backwards; less is slewing
	mostLate   = 24 * time.Hour   // that is told; more is not taken from agents
)

// Scheduler fires jobs when they are due, within bounds per provider and in
// all. It is safe for concurrent use.
type Scheduler struct {
	sender Sender
	emit   func(bellwether.Observation)
	limits Probing
	warmup bool
	log    *slog.Logger
	wake   chan struct{} // one slot: something changed
	flying sync.WaitGroup

	mu       sync.Mutex
	run      context.Context // of Run; nil while it does not run
	entries  map[jobKey]*entry
	order    []*entry // as given
	byTarget map[string][]*entry
	cold     []*entry // not warmed up yet
	due      alarms
	waiting  []*sending // due, without a slot yet, oldest first
	slots    slots
	suspects map[string]suspect
	ledger   *Ledger
	counts   counts
	seen     time.Time // the wall clock at the last step
}

// entry is a job with what the scheduler remembers of it.
type entry struct {
	job     Job
	slow    alarm
	fast    alarm
	berth   *berth
	flying  [2]int // of the schedule and of suspicion
	sent    int    // on the schedule; every Nth is fresh
	looked  bool   // the present suspicion was told
	removed bool
}

// NewScheduler returns a scheduler of jobs. Each observation is given to emit,
// from the goroutine of its probe: emit must be safe for concurrent use, and
// may block without delaying other probes.
func NewScheduler(jobs []Job, sender Sender, emit func(bellwether.Observation), o SchedulerOptions) (*Scheduler, error) {
	if sender == nil || emit == nil {
		return nil, errors.New("scheduler: it needs a sender and somewhere to emit to")
	}
	if ps := o.Probing.problems("probing"); len(ps) > 0 {
		return nil, fmt.Errorf("scheduler: %w", ps[0])
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Ledger == nil {
		o.Ledger = NewLedger(o.Probing)
	}
	limits := o.Probing.WithDefaults()
	s := &Scheduler{
		sender: sender, emit: emit, limits: limits, warmup: o.Warmup, log: o.Log,
		wake:     make(chan struct{}, 1),
		slots:    newSlots(limits),
		suspects: map[string]suspect{},
		ledger:   o.Ledger,
		counts:   newCounts(),
	}
	if err := s.Replace(jobs); err != nil {
		return nil, err
	}
	return s, nil
}

// Replace makes jobs the whole set. A job that was there before keeps its
// place in time and its counters; probes in flight go on.
func (s *Scheduler) Replace(jobs []Job) error {
	named := map[jobKey]bool{}
	for _, j := range jobs {
		if j.when == (schedule{}) {
			return fmt.Errorf("scheduler: job %s/%s was not made by NewJob", j.Target.ID, j.Canary.Name)
		}
		if named[j.key()] {
			return fmt.Errorf("scheduler: job %s/%s stands there twice", j.Target.ID, j.Canary.Name)
		}
		named[j.key()] = true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	old := s.entries
	s.entries, s.order, s.byTarget = make(map[jobKey]*entry, len(jobs)), s.order[:0:0], map[string][]*entry{}
	for _, j := range jobs {
		e := old[j.key()]
		if e == nil {
			e = newEntry()
			s.cold = append(s.cold, e)
		}
		moved := e.job.when.every != j.when.every || e.job.when.phase != j.when.phase || e.job.Canary.Schedule != j.Canary.Schedule
		e.job = j
		if moved || e.slow.at.IsZero() {
			s.due.set(&e.slow, j.when.next(now))
		}
		s.entries[j.key()] = e
		s.order = append(s.order, e)
		s.byTarget[j.Target.ID] = append(s.byTarget[j.Target.ID], e)
	}
	for key, e := range old {
		if s.entries[key] == nil {
			s.drop(e)
		}
	}
	s.slots.know(s.order)
	s.followSuspicions(s.order, now)
	s.nudge()
	return nil
}

// Which probes of an entry are in flight.
const (
	onSchedule  = 0
	onSuspicion = 1
)

// count adds n to the probes of a trigger in flight; others are not bounded.
func (e *entry) count(trigger string, n int) {
	switch trigger {
	case bellwether.TriggerSchedule:
		e.flying[onSchedule] += n
	case bellwether.TriggerSuspicion:
		e.flying[onSuspicion] += n
	}
}

func newEntry() *entry {
	e := &entry{}
	e.slow = alarm{entry: e, index: -1}
	e.fast = alarm{entry: e, fast: true, index: -1}
	return e
}

// drop takes a job out of everything that has not begun.
func (s *Scheduler) drop(e *entry) {
	e.removed = true
	s.due.set(&e.slow, time.Time{})
	s.due.set(&e.fast, time.Time{})
}

// nudge lets Run look again.
func (s *Scheduler) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run fires what is due until ctx ends, which also cancels the probes in
// flight; it returns nil when all have been emitted. It may run once at a time.
func (s *Scheduler) Run(ctx context.Context) error {
	s.mu.Lock()
	if s.run != nil {
		s.mu.Unlock()
		return errors.New("scheduler: it runs already")
	}
	s.run = ctx
	s.seen = time.Now()
	for _, e := range s.order { // what came due before the start is nobody's fault
		s.due.set(&e.slow, e.job.when.next(s.seen))
	}
	s.mu.Unlock()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		timer.Reset(s.step(time.Now()))
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-timer.C:
		}
	}
	s.halt()
	s.flying.Wait()
	return nil
}

// halt says of everything that still waits that it was missed.
func (s *Scheduler) halt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.waiting[:0:0]
	for _, w := range s.waiting {
		if w.result != nil {
			kept = append(kept, w) // belongs to a caller of Now
			continue
		}
		s.miss(w.job, "shutting down")
	}
	s.waiting, s.run = kept, nil
}

// step does everything that is due at now, and returns how long to sleep.
func (s *Scheduler) step(now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watchClock(now)
	s.warmUp(now)
	for a := s.due.first(); a != nil && !a.at.After(now); a = s.due.first() {
		if a.fast {
			s.fireFast(a, now)
		} else {
			s.fire(a, now)
		}
	}
	s.expire(now)
	s.dispatch()
	sleep := maxSleep
	if a := s.due.first(); a != nil {
		sleep = min(sleep, a.at.Sub(now.Round(0)))
	}
	for _, w := range s.waiting {
		if !w.deadline.IsZero() {
			sleep = min(sleep, w.deadline.Sub(now.Round(0))+time.Millisecond)
		}
	}
	return max(0, sleep)
}

// watchClock computes all due times anew when the wall clock was set back;
// else jobs would wait until it has caught up.
func (s *Scheduler) watchClock(now time.Time) {
	back := s.seen.Round(0).Sub(now.Round(0))
	s.seen = now
	if back < clockStep {
		return
	}
	s.log.Warn("wall clock was set back", "by", back)
	for _, e := range s.order {
		s.due.set(&e.slow, e.job.when.next(now))
		if !e.fast.at.IsZero() {
			s.due.set(&e.fast, now)
		}
	}
}

// warmUp lets every job that is new wait for its first slot, where that is
// wanted.
func (s *Scheduler) warmUp(now time.Time) {
	if !s.warmup {
		s.cold = nil
	}
	for _, e := range s.cold {
		if !e.removed {
			s.await(e, bellwether.TriggerWarmup, now.Round(0), maxLate)
		}
	}
	s.cold = nil
}

// fire lets one scheduled probe wait for its slot, and sets the next time.
func (s *Scheduler) fire(a *alarm, now time.Time) {
	e, due := a.entry, a.at
	s.due.set(a, e.job.when.next(now))
	late := min(maxLate, e.job.when.interval(due))
	j := e.job
	j.Trigger, j.Due = bellwether.TriggerSchedule, due
	switch {
	case now.Round(0).Sub(due) > late:
		s.missAll(j, now)
	case e.flying[onSchedule] >= maxOverlap:
		s.miss(j, fmt.Sprintf("%d earlier ones are still in flight", maxOverlap))
	default:
		s.await(e, j.Trigger, due, late)
	}
}

// missAll says of every time from j's due one to now that it passed while we
// were not there: the host slept, or its clock was set forward. The first
// maxMisses are observations of their own; the last of them tells how many more
// there were, so that waking up is no flood.
func (s *Scheduler) missAll(j Job, now time.Time) {
	const why = "our own process or clock was late"
	for n := 1; ; n++ {
		next := j.when.next(j.Due)
		if next.IsZero() || next.After(now) {
			s.miss(j, why)
			return
		}
		if n == maxMisses {
			more := j.when.count(next, now)
			s.counts.missed += uint64(more)
			s.miss(j, fmt.Sprintf("%s, as it was for the %d times after this one", why, more))
			return
		}
		s.miss(j, why)
		j.Due = next
	}
}

// miss emits that a probe could not be sent, and why. s.mu is held, so it is
// done on a goroutine that Run joins.
func (s *Scheduler) miss(j Job, why string) {
	now := time.Now()
	s.counts.missed++
	o := bellwether.Observation{
		ID: id.New(j.Due), At: j.Due.UTC().Round(0), Source: bellwether.SourceProbe, Trigger: j.Trigger,
		Vantage: j.Vantage, Target: j.Target.ID, Canary: j.Canary.Name,
		Outcome: bellwether.Missed, Late: min(mostLate, max(0, now.Round(0).Sub(j.Due))).Seconds(), Error: "not sent: " + why,
	}
	s.flying.Go(func() { s.emit(o) })
}
