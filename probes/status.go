package probes

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// counts are the scheduler's counters since it was made.
type counts struct {
	sent    map[string]uint64
	missed  uint64
	skipped uint64
}

func newCounts() counts { return counts{sent: map[string]uint64{}} }

// Status is a snapshot of what a scheduler does. Counters count since it was
// made.
type Status struct {
	Jobs     int `json:"jobs"`
	InFlight int `json:"in_flight"`
	Waiting  int `json:"waiting"` // due, without a slot yet
	// MaxInFlight bounds InFlight; Providers are the bounds of each.
	MaxInFlight int               `json:"max_in_flight"`
	Providers   []ProviderStatus  `json:"providers"` // by name
	Sent        map[string]uint64 `json:"sent"`      // by trigger
	Missed      uint64            `json:"missed"`    // scheduled probes that could not be sent in time
	Skipped     uint64            `json:"skipped"`   // probes of suspicion left out because earlier ones were in flight
	// Today is what suspicion used of its budgets today (UTC).
	Today Spent `json:"suspicion_today"`
	// Bounds are what suspicion may spend here today; Granted is what others may
	// spend of the same budgets.
	Bounds  Allowance      `json:"bounds"`
	Granted Allowance      `json:"granted"`
	Targets []TargetStatus `json:"targets"` // by id
}

// ProviderStatus is what is in flight to one provider, and how much may be.
type ProviderStatus struct {
	Provider string `json:"provider"`
	InFlight int    `json:"in_flight"`
	Max      int    `json:"max_in_flight"`
}

// TargetStatus is the part of one target.
type TargetStatus struct {
	Target   string    `json:"target"`
	InFlight int       `json:"in_flight"`
	Next     time.Time `json:"next,omitzero"`              // the next scheduled probe
	Interval float64   `json:"suspicion_interval_seconds"` // 0: not suspected
	Today    Spent     `json:"suspicion_today"`
}

// Status returns a snapshot. O(jobs).
func (s *Scheduler) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	today := s.ledger.Accounts(time.Now())
	st := Status{
		Jobs: len(s.order), InFlight: s.slots.all.flying, Waiting: len(s.waiting),
		Sent: maps.Clone(s.counts.sent), Missed: s.counts.missed, Skipped: s.counts.skipped,
		Today: today.All, Bounds: s.ledger.Bounds(time.Now()), Granted: today.Granted,
	}
	st.MaxInFlight, st.Providers = s.slots.total, s.slots.providers()
	targets := map[string]*TargetStatus{}
	for _, e := range s.order {
		name := e.job.Target.ID
		t := targets[name]
		if t == nil {
			t = &TargetStatus{Target: name, InFlight: e.berth.own.flying, Interval: s.suspects[name].interval.Seconds()}
			t.Today = today.Targets[name]
			targets[name] = t
		}
		if next := e.slow.at; !next.IsZero() && (t.Next.IsZero() || next.Before(t.Next)) {
			t.Next = next
		}
	}
	for _, t := range targets {
		st.Targets = append(st.Targets, *t)
	}
	slices.SortFunc(st.Targets, func(a, b TargetStatus) int { return strings.Compare(a.Target, b.Target) })
	return st
}
