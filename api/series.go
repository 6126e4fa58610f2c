package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/bellwether-llm/bellwether"
)

const (
	longestRange = 400 * 24 * time.Hour
	rawPages     = 20   // of 1,000 observations, in steps under a minute
	changePages  = 5    // of 1,000 changes
	mostSteps    = 1000 // revisions looked at for the steps of the weight
)

// steps are the widths that a series comes in.
var steps = []time.Duration{
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	24 * time.Hour, 2 * 24 * time.Hour, 7 * 24 * time.Hour, 14 * 24 * time.Hour, 28 * 24 * time.Hour,
	longestRange,
}

// seriesQuery says which series, how wide, and how fine.
type seriesQuery struct {
	bellwether.Query // Target, Vantage, Canary, Source, From, To
	signal           bellwether.Signal
	step             time.Duration
	connection       string // warm, cold, "" for both
}

// keeps reports whether the series takes in what came over such a connection
// from such a source.
func (q *seriesQuery) keeps(source string, reused bool) bool {
	if q.Source == "" && source != bellwether.SourceProbe && source != bellwether.SourceSimulated {
		return false
	}
	return q.connection == "" || (q.connection == "warm") == reused
}

// cell returns the start of the step that t falls into, in Unix seconds.
func (q *seriesQuery) cell(t time.Time) int64 {
	step := int64(q.step / time.Second)
	return t.Unix() / step * step
}

func parseSeries(r *http.Request, now time.Time) (seriesQuery, error) {
	p := readParams(r)
	var q seriesQuery
	q.Target, q.Vantage, q.Canary = r.PathValue("id"), p.id("vantage"), p.id("canary")
	q.Source = p.oneOf("source", sources...)
	q.connection = p.oneOf("connection", "warm", "cold")
	q.signal = bellwether.Signal(orElse(p.oneOf("signal", "first_token", "inter_token", "total", "output_tokens"), "first_token"))
	points := p.number("points", 1, 2000, 300)
	asked := p.duration("step", time.Second, longestRange)
	back := p.duration("range", time.Second, longestRange)
	q.From, q.To = p.span()
	if back > 0 && !q.From.IsZero() {
		p.fault("range", "give either range or from")
	}
	if q.To.IsZero() {
		q.To = now.UTC()
	}
	if back == 0 {
		back = time.Hour
	}
	if q.From.IsZero() {
		q.From = q.To.Add(-back)
	}
	if q.To.Sub(q.From) > longestRange {
		p.fault("from", "the range is longer than %s", words(longestRange))
	}
	if err := p.err(); err != nil {
		return q, err
	}
	if !q.From.Before(q.To) {
		return q, badParameter("from", "is not before to")
	}
	if asked == 0 {
		asked = time.Minute
	}
	q.step = stepFor(q.From, q.To, asked, points)
	q.From = time.Unix(q.cell(q.From), 0).UTC()
	return q, nil
}

// stepFor returns the narrowest round step of at least asked that cuts the
// range into at most points.
func stepFor(from, to time.Time, asked time.Duration, points int) time.Duration {
	for _, step := range steps {
		first, last := from.Unix()/int64(step/time.Second), (to.UnixNano()-1)/int64(step)
		if step >= asked && last-first < int64(points) {
			return step
		}
	}
	return steps[len(steps)-1]
}

// seriesView is one target over time.
type seriesView struct {
	Target         string              `json:"target"`
	Signal         bellwether.Signal   `json:"signal"`
	From           time.Time           `json:"from"`
	To             time.Time           `json:"to"`
	Step           float64             `json:"step_seconds"`
	SimulatedUntil time.Time           `json:"simulated_until,omitzero"`
	Truncated      bool                `json:"truncated,omitempty"`
	Usual          *bellwether.Usual   `json:"usual,omitempty"`
	Points         []point             `json:"points"`
	Steps          []weightStep        `json:"steps"`
	Changes        []bellwether.Change `json:"changes"`
}

type weightStep struct {
	At     time.Time        `json:"at"`
	Weight float64          `json:"weight"`
	State  bellwether.State `json:"state"`
	Score  float64          `json:"score"`
}

func (s *Server) series(w http.ResponseWriter, r *http.Request) error {
	q, err := parseSeries(r, time.Now())
	if err != nil {
		return err
	}
	if _, ok := s.deps.Facts().target(q.Target); !ok {
		return notFound("target", q.Target)
	}
	v, err := s.readSeries(r, &q)
	if err != nil {
		return err
	}
	return writeJSON(w, v)
}

// readSeries reads what q selects. Its turn among the requests that read much
// ends with it: a caller that takes its answer slowly holds up nobody.
func (s *Server) readSeries(r *http.Request, q *seriesQuery) (seriesView, error) {
	v := seriesView{Target: q.Target, Signal: q.signal, From: q.From, To: q.To, Step: q.step.Seconds(), Steps: []weightStep{}}
	end, err := s.heavy(r)
	if err != nil {
		return v, err
	}
	defer end()
	if err := s.fillPoints(r.Context(), q, &v); err != nil {
		return v, fmt.Errorf("series of %s: %w", q.Target, err)
	}
	if err := s.fillChanges(r.Context(), q, &v); err != nil {
		return v, fmt.Errorf("changes of %s: %w", q.Target, err)
	}
	if err := s.fillSteps(r.Context(), q, &v); err != nil {
		return v, fmt.Errorf("weights of %s: %w", q.Target, err)
	}
	for _, u := range s.assessed()[q.Target].Usual {
		if u.Signal == q.signal {
			u = presentableUsual(u)
			v.Usual = &u
		}
	}
	return v, nil
}

// fillPoints adds up rollups, or raw observations where steps are finer.
func (s *Server) fillPoints(ctx context.Context, q *seriesQuery, v *seriesView) error {
	cells := map[int64]*cell{}
	if q.step < time.Minute {
		truncated, err := s.addRaw(ctx, q, cells)
		if err != nil {
			return err
		}
		v.Truncated = truncated
	} else if err := s.addRollups(ctx, q, cells); err != nil {
		return err
	}
	v.Points = []point{}
	for at, c := range cells {
		if c.simulatedUntil.After(v.SimulatedUntil) {
			v.SimulatedUntil = c.simulatedUntil
		}
		v.Points = append(v.Points, c.point(at))
	}
	slices.SortFunc(v.Points, func(a, b point) int { return a.At.Compare(b.At) })
	return nil
}

// addRollups takes hours where steps are hours, and where no minutes are kept
// any more.
func (s *Server) addRollups(ctx context.Context, q *seriesQuery, cells map[int64]*cell) error {
	query := q.Query
	query.Limit, query.Oldest, query.Seconds = -1, true, 60
	if q.step >= time.Hour {
		query.Seconds = 3600
	}
	rs, err := s.deps.Store.Rollups(ctx, query)
	if err == nil && len(rs) == 0 && query.Seconds == 60 {
		query.Seconds = 3600
		rs, err = s.deps.Store.Rollups(ctx, query)
	}
	if err != nil {
		return err
	}
	for i := range rs {
		if r := &rs[i]; q.keeps(r.Source, r.Reused) {
			cellAt(cells, q.cell(r.Start)).addRollup(r, q.signal)
		}
	}
	return nil
}

func (s *Server) addRaw(ctx context.Context, q *seriesQuery, cells map[int64]*cell) (truncated bool, err error) {
	query := q.Query
	query.Limit, query.Oldest = 1000, true
	for range rawPages {
		page, next, err := s.deps.Store.Observations(ctx, query)
		if err != nil {
			return false, err
		}
		for i := range page {
			if o := &page[i]; q.keeps(o.Source, o.Reused) {
				cellAt(cells, q.cell(o.At)).addObservation(o, q.signal)
			}
		}
		if next == "" {
			return false, nil
		}
		query.Cursor = next
	}
	return true, nil
}

func cellAt(cells map[int64]*cell, start int64) *cell {
	c := cells[start]
	if c == nil {
		c = newCell()
		cells[start] = c
	}
	return c
}

func (s *Server) fillChanges(ctx context.Context, q *seriesQuery, v *seriesView) error {
	v.Changes = []bellwether.Change{}
	query := bellwether.Query{Target: q.Target, From: q.From, To: q.To, Oldest: true, Limit: 1000}
	for range changePages {
		page, next, err := s.deps.Store.Changes(ctx, query)
		if err != nil {
			return err
		}
		v.Changes = append(v.Changes, page...)
		if next == "" {
			return nil
		}
		query.Cursor = next
	}
	v.Truncated = true
	return nil
}

// fillSteps takes the weight's steps from the published revisions. Where the
// range holds too many to read, the changes of the verdict stand in: they lack
// the steps of a ramp.
func (s *Server) fillSteps(ctx context.Context, q *seriesQuery, v *seriesView) error {
	before, _, err := s.deps.Store.Revisions(ctx, bellwether.Query{To: q.From, Limit: 1})
	if err != nil {
		return err
	}
	for i := range before {
		if st, ok := stepOf(&before[i], q.Target); ok {
			st.At = q.From
			v.Steps = append(v.Steps, st)
		}
	}
	steps, whole, err := s.stepsWithin(ctx, q)
	if err != nil {
		return err
	}
	if !whole {
		steps = nil
		for _, c := range v.Changes {
			steps = append(steps, weightStep{At: c.At, Weight: finite(c.Weight), State: c.To, Score: finite(c.Score)})
		}
	}
	for _, st := range steps {
		v.Steps = addStep(v.Steps, st)
	}
	return nil
}

// stepsWithin reads the steps of the range, a page of revisions at a time;
// whole is false where there are too many to read.
func (s *Server) stepsWithin(ctx context.Context, q *seriesQuery) (steps []weightStep, whole bool, err error) {
	query := bellwether.Query{From: q.From, To: q.To, Oldest: true}
	for left := mostSteps; left > 0; left -= query.Limit {
		query.Limit = s.revisionsAtOnce(left)
		page, next, err := s.deps.Store.Revisions(ctx, query)
		if err != nil {
			return nil, false, err
		}
		for i := range page {
			if st, ok := stepOf(&page[i], q.Target); ok {
				steps = append(steps, st)
			}
		}
		if next == "" {
			return steps, true, nil
		}
		query.Cursor = next
	}
	return nil, false, nil
}

// addStep appends st unless nothing that shows as a step differs.
func addStep(steps []weightStep, st weightStep) []weightStep {
	if n := len(steps); n > 0 && steps[n-1].Weight == st.Weight && steps[n-1].State == st.State {
		return steps
	}
	return append(steps, st)
}

// stepOf finds target in w; its weight is the same in every route.
func stepOf(w *bellwether.Weights, target string) (weightStep, bool) {
	for _, r := range w.Routes {
		for _, t := range r.Targets {
			if t.Target == target {
				return weightStep{At: w.IssuedAt, Weight: finite(t.Weight), State: t.State, Score: finite(t.Score)}, true
			}
		}
	}
	return weightStep{}, false
}
