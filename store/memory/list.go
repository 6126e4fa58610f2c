package memory

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/store"
)

// entry is something that a listing may answer.
type entry[T any] struct {
	at store.Position
	v  T
}

// page answers one page of a listing of all entries that a query's filters
// leave over.
func page[T any](epoch string, l store.Listing, all []entry[T], q bellwether.Query) (out []T, next string, err error) {
	slices.SortFunc(all, func(a, b entry[T]) int {
		if q.Oldest {
			return compare(a.at, b.at)
		}
		return compare(b.at, a.at)
	})
	if q.Cursor != "" {
		p, err := l.Parse(epoch, q.Cursor, q.Oldest)
		if err != nil {
			return nil, "", err
		}
		after := slices.IndexFunc(all, func(e entry[T]) bool {
			if q.Oldest {
				return p.Less(e.at)
			}
			return e.at.Less(p)
		})
		if after < 0 {
			return nil, "", nil
		}
		all = all[after:]
	}
	limit := store.Limit(q.Limit)
	for i, e := range all {
		if i == limit {
			return out, l.Cursor(epoch, all[i-1].at, q.Oldest), nil
		}
		out = append(out, e.v)
	}
	return out, "", nil
}

func compare(a, b store.Position) int {
	switch {
	case a.Less(b):
		return -1
	case b.Less(a):
		return 1
	}
	return 0
}

// within reports whether t is in the query's time.
func within(t time.Time, q bellwether.Query) bool {
	return (q.From.IsZero() || !t.Before(q.From)) && (q.To.IsZero() || t.Before(q.To))
}

// fits reports whether a filter, which does not restrict when it is empty,
// lets v through.
func fits[S ~string](filter S, v S) bool { return filter == "" || filter == v }

// Observation returns one observation. An unknown id is [store.ErrNotFound].
func (s *Store) Observation(ctx context.Context, id string) (bellwether.Observation, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.begin(ctx); err != nil {
		return bellwether.Observation{}, err
	}
	if o := s.ids[id]; o != nil {
		return *o, nil
	}
	return bellwether.Observation{}, fmt.Errorf("observation %q: %w", id, store.ErrNotFound)
}

// Observations lists observations by when they started. Target, Route,
// Vantage, Canary, Source, Outcome, From and To restrict.
func (s *Store) Observations(ctx context.Context, q bellwether.Query) ([]bellwether.Observation, string, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.begin(ctx); err != nil {
		return nil, "", err
	}
	var all []entry[bellwether.Observation]
	for _, r := range s.records {
		o := r.Observation
		if o != nil && within(o.At, q) && fits(q.Target, o.Target) && fits(q.Route, o.Route) && fits(q.Vantage, o.Vantage) &&
			fits(q.Canary, o.Canary) && fits(q.Source, o.Source) && fits(q.Outcome, o.Outcome) {
			all = append(all, entry[bellwether.Observation]{store.Position{At: o.At.UnixNano(), N: int64(r.Seq)}, *o})
		}
	}
	return page(s.epoch, store.ListObservations, all, q)
}

// Rollups returns the sums of a minute or an hour, by start and then by
// series. Target, Vantage, Canary, Source, From, To and Seconds restrict; From
// and To are compared with the start. There is no cursor, so that a Limit of 0
// does not restrict either: half a window would be a wrong number.
func (s *Store) Rollups(ctx context.Context, q bellwether.Query) ([]bellwether.Rollup, error) {
	seconds, err := store.Resolution(q.Seconds)
	if err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	var bins []store.Bin
	for b := range s.rollups {
		if b.Seconds == seconds && within(time.Unix(b.Start, 0), q) && fits(q.Target, b.Target) &&
			fits(q.Vantage, b.Vantage) && fits(q.Canary, b.Canary) && fits(q.Source, b.Source) {
			bins = append(bins, b)
		}
	}
	slices.SortFunc(bins, func(a, b store.Bin) int {
		time := cmp.Compare(a.Start, b.Start)
		if !q.Oldest {
			time = -time
		}
		return cmp.Or(time, a.Series.Compare(b.Series))
	})
	if q.Limit > 0 {
		bins = bins[:min(len(bins), store.Limit(q.Limit))]
	}
	var out []bellwether.Rollup
	for _, b := range bins {
		out = append(out, s.rollups[b].Rollup(b))
	}
	return out, nil
}

// AppendChanges keeps changes. One that a record brought is ignored where a
// change of the same target by the same record is known.
func (s *Store) AppendChanges(ctx context.Context, cs []bellwether.Change) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return err
	}
	for _, c := range cs {
		known := slices.ContainsFunc(s.changes, func(o change) bool { return c.Seq > 0 && o.Seq == c.Seq && o.Target == c.Target })
		if !known {
			s.count++
			c.At = utc(c.At)
			s.changes = append(s.changes, change{s.count, c})
		}
	}
	return nil
}

// Changes lists verdict changes by when they were. Target, State (the new
// one), From and To restrict.
func (s *Store) Changes(ctx context.Context, q bellwether.Query) ([]bellwether.Change, string, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.begin(ctx); err != nil {
		return nil, "", err
	}
	var all []entry[bellwether.Change]
	for _, c := range s.changes {
		if within(c.At, q) && fits(q.Target, c.Target) && fits(q.State, string(c.To)) {
			all = append(all, entry[bellwether.Change]{store.Position{At: c.At.UnixNano(), N: c.n}, c.Change})
		}
	}
	return page(s.epoch, store.ListChanges, all, q)
}

// SaveWeights keeps a published document. A revision that is known is ignored.
func (s *Store) SaveWeights(ctx context.Context, w bellwether.Weights) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return err
	}
	i, known := slices.BinarySearchFunc(s.revisions, w.Revision, func(w bellwether.Weights, r uint64) int { return cmp.Compare(w.Revision, r) })
	if !known {
		w.IssuedAt = utc(w.IssuedAt)
		s.revisions = slices.Insert(s.revisions, i, w)
	}
	return nil
}

// Revisions lists published documents by revision. From and To restrict when
// they were issued, Route and Target to documents that hold these.
func (s *Store) Revisions(ctx context.Context, q bellwether.Query) ([]bellwether.Weights, string, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.begin(ctx); err != nil {
		return nil, "", err
	}
	var all []entry[bellwether.Weights]
	for _, w := range s.revisions {
		if within(w.IssuedAt, q) && holds(w, q) {
			all = append(all, entry[bellwether.Weights]{store.Position{N: int64(w.Revision)}, w})
		}
	}
	return page(s.epoch, store.ListRevisions, all, q)
}

// holds reports whether w holds the query's route and target.
func holds(w bellwether.Weights, q bellwether.Query) bool {
	if _, ok := w.Routes[q.Route]; q.Route != "" && !ok {
		return false
	}
	if q.Target == "" {
		return true
	}
	for _, r := range w.Routes {
		if slices.ContainsFunc(r.Targets, func(t bellwether.TargetWeight) bool { return t.Target == q.Target }) {
			return true
		}
	}
	return false
}

// Overrides returns the overrides that are in force at now, oldest first: of
// each id the latest word, unless that removes it or it has expired.
func (s *Store) Overrides(ctx context.Context, now time.Time) ([]bellwether.Override, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	last := map[string]uint64{}
	for _, r := range s.records {
		if r.Override != nil {
			last[r.Override.ID] = r.Seq
		}
	}
	var out []bellwether.Override
	for _, r := range s.records {
		if o := r.Override; o != nil && last[o.ID] == r.Seq && !o.Removed && o.ExpiresAt.After(now) {
			out = append(out, *o)
		}
	}
	return out, nil
}
