package api_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/api"
)

// shelf is a store in memory, and everything else that the server asks of
// others. Cursors are plain offsets.
type shelf struct {
	mu           sync.Mutex
	observed     []bellwether.Observation
	rollups      []bellwether.Rollup
	changes      []bellwether.Change
	weights      []bellwether.Weights
	overridden   []bellwether.Override
	incidents    []bellwether.Incident
	deliveries   []bellwether.Delivery
	assessments  []bellwether.Assessment
	attained     []bellwether.Attainment
	queries      []bellwether.Query // of rollups and observations
	fail         error              // of everything
	ingestFails  error
	tell         func(bellwether.Observation) // of what was taken, when set
	probeStarted chan struct{}                // when set, probes tell and wait
	probeGo      chan struct{}
}

type badCursor struct{}

func (badCursor) Error() string    { return "the cursor is not one of this listing" }
func (badCursor) BadRequest() bool { return true }

var errNone = fmt.Errorf("not found: %w", fs.ErrNotExist)

func page[T any](s *shelf, all []T, q bellwether.Query, at func(T) time.Time, keep func(T) bool) ([]T, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return nil, "", s.fail
	}
	s.queries = append(s.queries, q)
	var out []T
	for _, v := range all {
		if t := at(v); (q.From.IsZero() || !t.Before(q.From)) && (q.To.IsZero() || t.Before(q.To)) && (keep == nil || keep(v)) {
			out = append(out, v)
		}
	}
	slices.SortStableFunc(out, func(a, b T) int { return at(a).Compare(at(b)) })
	if !q.Oldest {
		slices.Reverse(out)
	}
	start := 0
	if q.Cursor != "" {
		n, err := strconv.Atoi(q.Cursor)
		if err != nil || n < 0 || n > len(out) {
			return nil, "", badCursor{}
		}
		start = n
	}
	out = out[start:]
	limit := cmp.Or(q.Limit, 100)
	if limit > 0 && len(out) > limit {
		return out[:limit], strconv.Itoa(start + limit), nil
	}
	return out, "", nil
}

func is(want, got string) bool { return want == "" || want == got }

func (s *shelf) Observations(_ context.Context, q bellwether.Query) ([]bellwether.Observation, string, error) {
	return page(s, s.observed, q, func(o bellwether.Observation) time.Time { return o.At }, func(o bellwether.Observation) bool {
		return is(q.Target, o.Target) && is(q.Vantage, o.Vantage) && is(q.Canary, o.Canary) && is(q.Source, o.Source) && is(string(q.Outcome), string(o.Outcome))
	})
}

func (s *shelf) Observation(_ context.Context, id string) (bellwether.Observation, error) {
	for _, o := range s.observed {
		if o.ID == id {
			return o, nil
		}
	}
	return bellwether.Observation{}, errNone
}

func (s *shelf) Rollups(_ context.Context, q bellwether.Query) ([]bellwether.Rollup, error) {
	rs, _, err := page(s, s.rollups, q, func(r bellwether.Rollup) time.Time { return r.Start }, func(r bellwether.Rollup) bool {
		return r.Seconds == cmp.Or(q.Seconds, 60) && is(q.Target, r.Target) && is(q.Vantage, r.Vantage) && is(q.Canary, r.Canary) && is(q.Source, r.Source)
	})
	return rs, err
}

func (s *shelf) Changes(_ context.Context, q bellwether.Query) ([]bellwether.Change, string, error) {
	return page(s, s.changes, q, func(c bellwether.Change) time.Time { return c.At }, func(c bellwether.Change) bool { return is(q.Target, c.Target) })
}

func (s *shelf) Revisions(_ context.Context, q bellwether.Query) ([]bellwether.Weights, string, error) {
	return page(s, s.weights, q, func(w bellwether.Weights) time.Time { return w.IssuedAt }, nil)
}

func (s *shelf) Overrides(_ context.Context, now time.Time) ([]bellwether.Override, error) {
	os, _, err := page(s, s.overridden, bellwether.Query{Limit: -1}, func(o bellwether.Override) time.Time { return o.CreatedAt },
		func(o bellwether.Override) bool { return now.Before(o.ExpiresAt) })
	return os, err
}

func (s *shelf) Incidents(_ context.Context, q bellwether.Query) ([]bellwether.Incident, string, error) {
	return page(s, s.incidents, q, func(i bellwether.Incident) time.Time { return i.OpenedAt }, func(i bellwether.Incident) bool {
		return is(q.State, i.State) && (q.Target == "" || slices.Contains(i.Targets, q.Target))
	})
}

func (s *shelf) Incident(_ context.Context, id string) (bellwether.Incident, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, i := range s.incidents {
		if i.ID == id {
			return i, nil
		}
	}
	return bellwether.Incident{}, errNone
}

func (s *shelf) Deliveries(_ context.Context, incident string) ([]bellwether.Delivery, error) {
	ds, _, err := page(s, s.deliveries, bellwether.Query{Oldest: true}, func(d bellwether.Delivery) time.Time { return d.CreatedAt },
		func(d bellwether.Delivery) bool { return d.Incident == incident })
	return ds, err
}

func (s *shelf) assess() []bellwether.Assessment {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.assessments)
}

func (s *shelf) ingest(_ context.Context, obs []bellwether.Observation) (accepted, duplicates int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ingestFails != nil {
		return 0, 0, s.ingestFails
	}
	for _, o := range obs {
		if slices.ContainsFunc(s.observed, func(k bellwether.Observation) bool { return k.ID == o.ID }) {
			duplicates++
			continue
		}
		s.observed = append(s.observed, o)
		if s.tell != nil {
			s.tell(o)
		}
		accepted++
	}
	return accepted, duplicates, nil
}

func (s *shelf) override(_ context.Context, o bellwether.Override) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.overridden = slices.DeleteFunc(s.overridden, func(k bellwether.Override) bool { return k.ID == o.ID })
	if !o.Removed {
		s.overridden = append(s.overridden, o)
	}
	return s.fail
}

func (s *shelf) amend(id string, change func(*bellwether.Incident)) (bellwether.Incident, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.incidents {
		if s.incidents[i].ID == id {
			change(&s.incidents[i])
			return s.incidents[i], nil
		}
	}
	return bellwether.Incident{}, errNone
}

func (s *shelf) acknowledge(_ context.Context, id, by string) (bellwether.Incident, error) {
	return s.amend(id, func(i *bellwether.Incident) { i.AckedBy, i.AckedAt = by, time.Now().UTC() })
}

func (s *shelf) annotate(_ context.Context, id, by, text string) (bellwether.Incident, error) {
	return s.amend(id, func(i *bellwether.Incident) {
		i.Timeline = append(i.Timeline, bellwether.IncidentEvent{At: time.Now().UTC(), Kind: "note", Text: text, By: by})
	})
}

func (s *shelf) probe(ctx context.Context, f api.ProbeFilter) ([]bellwether.Observation, error) {
	if s.probeStarted != nil {
		s.probeStarted <- struct{}{}
		select {
		case <-s.probeGo:
		case <-ctx.Done():
		}
	}
	var out []bellwether.Observation
	for i, t := range f.Targets {
		out = append(out, seen(fmt.Sprint("p", i), t, time.Now(), 0.5))
	}
	return out, nil
}

func (s *shelf) attainments(context.Context, time.Time, time.Time) ([]bellwether.Attainment, error) {
	return s.attained, s.fail
}

// seen returns a good probe of a target whose first token took so many seconds.
func seen(id, target string, at time.Time, firstToken float64) bellwether.Observation {
	return bellwether.Observation{
		ID: id, At: at.UTC(), Source: bellwether.SourceProbe, Trigger: bellwether.TriggerSchedule, Vantage: "here", Target: target, Canary: "capital",
		Outcome: bellwether.OK, Status: 200, Reused: true, Timing: bellwether.Timing{FirstToken: firstToken, InterToken: 0.02, Total: firstToken + 0.2},
		Tokens: &bellwether.Tokens{Input: 20, Output: 8}, CostUSD: 0.0001, Checks: []bellwether.CheckResult{{Name: "contains", OK: true}},
	}
}

// failed returns a probe that did not work.
func failed(id, target string, at time.Time, outcome bellwether.Outcome) bellwether.Observation {
	o := seen(id, target, at, 0)
	o.Outcome, o.Status, o.Timing, o.Tokens, o.Checks, o.CostUSD = outcome, 500, bellwether.Timing{Total: 0.1}, nil, nil, 0
	return o
}

var nan = math.NaN()

// readiness says that the store's disk is full when down is set.
func readiness(down *bool) func(context.Context) []api.Check {
	return func(context.Context) []api.Check {
		if *down {
			return []api.Check{{Name: "store", Err: errors.New("the disk is full")}}
		}
		return []api.Check{{Name: "store"}}
	}
}
