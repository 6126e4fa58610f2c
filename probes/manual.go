package probes

import (
	"context"
	"slices"

	"github.com/bellwether-llm/bellwether"
)

// Filter chooses jobs. Empty fields choose all.
type Filter struct {
	Targets  []string
	Canaries []string
	// Trigger is what the observations say; "" means manual.
	Trigger string
}

func (f Filter) matches(j Job) bool {
	return (len(f.Targets) == 0 || slices.Contains(f.Targets, j.Target.ID)) &&
		(len(f.Canaries) == 0 || slices.Contains(f.Canaries, j.Canary.Name))
}

// Now sends the chosen jobs once, within the same bounds as the schedule, and
// waits for them. It works whether or not Run runs. The observations are also
// emitted, and come in the order of the jobs; when ctx ends, those that were
// not sent yet are left out and those in flight are canceled.
func (s *Scheduler) Now(ctx context.Context, f Filter) []bellwether.Observation {
	ctx, cancel := context.WithCancel(ctx) // a context of our own names what waits for this caller
	defer cancel()
	results := make([]chan bellwether.Observation, 0, 8)
	s.mu.Lock()
	for _, e := range s.order {
		if !f.matches(e.job) {
			continue
		}
		j := e.job
		j.Trigger = or(f.Trigger, bellwether.TriggerManual)
		result := make(chan bellwether.Observation, 1)
		results = append(results, result)
		s.waiting = append(s.waiting, &sending{entry: e, job: j, ctx: ctx, result: result})
	}
	s.dispatch()
	s.mu.Unlock()

	stop := context.AfterFunc(ctx, func() { s.abandon(ctx) })
	defer stop()
	var all []bellwether.Observation
	for _, r := range results {
		if o, ok := <-r; ok {
			all = append(all, o)
		}
	}
	return all
}

// abandon takes what waits for a caller that is gone out of the queue.
func (s *Scheduler) abandon(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = slices.DeleteFunc(s.waiting, func(w *sending) bool {
		if w.ctx != ctx {
			return false
		}
		close(w.result)
		return true
	})
}
