package memory

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/conf"
	"github.com/bellwether-llm/bellwether/store"
)

// SaveIncident keeps an incident in place of what was known of it, and with it
// the deliveries that are owed because of it. A delivery whose id is known is
// ignored.
func (s *Store) SaveIncident(ctx context.Context, in bellwether.Incident, owed []bellwether.Delivery) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return err
	}
	s.incidents[in.ID] = in
	for _, d := range owed {
		if s.delivery(d.ID) < 0 {
			s.deliveries = append(s.deliveries, d)
		}
	}
	return nil
}

// delivery returns the place of a delivery, -1 when its id is unknown.
func (s *Store) delivery(id string) int {
	return slices.IndexFunc(s.deliveries, func(d bellwether.Delivery) bool { return d.ID == id })
}

// Incidents lists incidents by when they opened. State and Target restrict;
// From and To restrict to those that were open at some time between.
func (s *Store) Incidents(ctx context.Context, q bellwether.Query) ([]bellwether.Incident, string, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.begin(ctx); err != nil {
		return nil, "", err
	}
	var all []entry[bellwether.Incident]
	for _, in := range s.incidents {
		if fits(q.State, in.State) && (q.Target == "" || slices.Contains(in.Targets, q.Target)) &&
			(q.To.IsZero() || in.OpenedAt.Before(q.To)) &&
			(q.From.IsZero() || in.ResolvedAt.IsZero() || !in.ResolvedAt.Before(q.From)) {
			all = append(all, entry[bellwether.Incident]{store.Position{At: in.OpenedAt.UnixNano(), ID: in.ID}, in})
		}
	}
	return page(s.epoch, store.ListIncidents, all, q)
}

// Incident returns one incident. An unknown id is [store.ErrNotFound].
func (s *Store) Incident(ctx context.Context, id string) (bellwether.Incident, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.begin(ctx); err != nil {
		return bellwether.Incident{}, err
	}
	if in, ok := s.incidents[id]; ok {
		return in, nil
	}
	return bellwether.Incident{}, fmt.Errorf("incident %q: %w", id, store.ErrNotFound)
}

// done reports whether nothing is owed of d any more.
func done(d bellwether.Delivery) bool { return d.GivenUp || !d.SentAt.IsZero() }

// Owed returns deliveries that are due at now and not done, in the order in
// which they were owed: of each channel and incident only the first that is
// not done, so that a channel hears of an incident in order. A limit below 1 is
// none.
func (s *Store) Owed(ctx context.Context, now time.Time, limit int) ([]bellwether.Delivery, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	type line struct{ channel, incident string }
	waiting := map[line]bool{}
	var out []bellwether.Delivery
	for _, d := range s.deliveries {
		l := line{d.Channel, d.Incident}
		if done(d) || waiting[l] {
			continue
		}
		waiting[l] = true
		if !d.NextAt.After(now) && (limit < 1 || len(out) < limit) {
			out = append(out, d)
		}
	}
	return out, nil
}

// Deliveries returns all deliveries of an incident in the order in which they
// were owed.
func (s *Store) Deliveries(ctx context.Context, incident string) ([]bellwether.Delivery, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	var out []bellwether.Delivery
	for _, d := range s.deliveries {
		if d.Incident == incident {
			out = append(out, d)
		}
	}
	return out, nil
}

// SettleDelivery keeps d in place of what was known of the delivery of its id,
// except for channel, incident and place in the order. An unknown id is
// [store.ErrNotFound].
func (s *Store) SettleDelivery(ctx context.Context, d bellwether.Delivery) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return err
	}
	i := s.delivery(d.ID)
	if i < 0 {
		return fmt.Errorf("delivery %q: %w", d.ID, store.ErrNotFound)
	}
	d.Channel, d.Incident = s.deliveries[i].Channel, s.deliveries[i].Incident
	s.deliveries[i] = d
	return nil
}

// Prune removes what is past its retention at now and returns how many things
// that were. The newest revision, open incidents and overrides in force are
// kept however old.
func (s *Store) Prune(ctx context.Context, now time.Time) (removed int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	before := func(keep conf.Duration) time.Time { return now.Add(-keep.Std()) }
	raw, long := before(s.retention.Observations), before(s.retention.Hours)
	old := s.size()
	s.records = slices.DeleteFunc(s.records, func(r bellwether.Record) bool {
		switch {
		case r.Observation != nil:
			gone := r.Observation.At.Before(raw)
			if gone {
				delete(s.ids, r.Observation.ID)
			}
			return gone
		case r.Override != nil:
			return r.At.Before(long) && r.Override.ExpiresAt.Before(long)
		}
		return r.At.Before(raw)
	})
	for b := range s.rollups {
		keep := s.retention.Minutes
		if b.Seconds == store.Hour {
			keep = s.retention.Hours
		}
		if b.Start < before(keep).Unix() {
			delete(s.rollups, b)
		}
	}
	s.pruneVerdicts(raw, long)
	return old - s.size(), nil
}

func (s *Store) pruneVerdicts(raw, long time.Time) {
	s.changes = slices.DeleteFunc(s.changes, func(c change) bool { return c.At.Before(long) })
	if n := len(s.revisions) - 1; n > 0 {
		newest := s.revisions[n]
		s.revisions = append(slices.DeleteFunc(s.revisions[:n], func(w bellwether.Weights) bool { return w.IssuedAt.Before(raw) }), newest)
	}
	for id, in := range s.incidents {
		if !in.ResolvedAt.IsZero() && in.ResolvedAt.Before(long) {
			delete(s.incidents, id)
		}
	}
	s.deliveries = slices.DeleteFunc(s.deliveries, func(d bellwether.Delivery) bool {
		_, known := s.incidents[d.Incident]
		return !known && d.CreatedAt.Before(long)
	})
}

// size counts everything that pruning may remove.
func (s *Store) size() int {
	return len(s.records) + len(s.rollups) + len(s.changes) + len(s.revisions) + len(s.incidents) + len(s.deliveries)
}
