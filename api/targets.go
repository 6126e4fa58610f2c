package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// targetView is a target at a glance.
type targetView struct {
	bellwether.Target
	State      bellwether.State    `json:"state"`
	Suspected  bool                `json:"suspected"`
	Cause      bellwether.Cause    `json:"cause,omitempty"`
	Score      float64             `json:"score"`
	Weight     float64             `json:"weight"`
	Since      time.Time           `json:"since,omitzero"`
	LastSeen   time.Time           `json:"last_seen,omitzero"`
	Reasons    []bellwether.Reason `json:"reasons"`
	Routes     []string            `json:"routes"`
	FirstToken *percentiles        `json:"first_token,omitempty"`
	Errors     *proportion         `json:"errors,omitempty"`
	Sparkline  sparkline           `json:"sparkline"`
	Notes      []Note              `json:"notes"`
	Usual      []bellwether.Usual  `json:"usual"` // of the sparkline's first token
}

// targetDetail is a target with the evidence for its verdict.
type targetDetail struct {
	targetView
	Evidence  []bellwether.Evidence `json:"evidence"`
	Usual     []bellwether.Usual    `json:"usual"`
	Factors   []bellwether.Factor   `json:"factors"` // why the score is below 100
	Skills    []bellwether.Skill    `json:"skills"`
	Overrides []bellwether.Override `json:"overrides"`
}

// assessed returns what the engine thinks, by target.
func (s *Server) assessed() map[string]bellwether.Assessment {
	out := map[string]bellwether.Assessment{}
	for _, a := range s.deps.Assessments() {
		out[a.Target] = a
	}
	return out
}

// view shows t as the engine assesses it; an empty state in a is unknown.
func (s *Server) view(t bellwether.Target, a bellwether.Assessment, f Facts, now time.Time) targetView {
	g := s.hour.glance(t.ID, now)
	v := targetView{
		Target: t, State: bellwether.State(orElse(string(a.State), string(bellwether.Unknown))), Suspected: a.Suspected, Cause: a.Cause,
		Score: finite(a.Score), Weight: finite(a.Weight), Since: a.Since, LastSeen: a.LastSeen,
		Reasons: reasons(a.Reasons), Routes: []string{},
		FirstToken: g.firstToken, Errors: g.errors, Sparkline: g.line, Notes: s.notes.of(t.ID), Usual: []bellwether.Usual{},
	}
	for _, u := range a.Usual {
		if u.Signal == bellwether.FirstToken {
			v.Usual = append(v.Usual, presentableUsual(u))
		}
	}
	for _, r := range f.Routes {
		if slices.ContainsFunc(r.Tiers, func(tier []bellwether.TierTarget) bool {
			return slices.ContainsFunc(tier, func(m bellwether.TierTarget) bool { return m.Target == t.ID })
		}) {
			v.Routes = append(v.Routes, r.Name)
		}
	}
	return v
}

// recall makes sure that the hour before the start is known; a store that
// cannot say does not keep anybody from seeing the present.
func (s *Server) recall(ctx context.Context) {
	if err := s.hour.seed(ctx, s.deps.Store); err != nil && ctx.Err() == nil {
		s.log.Warn("the last hour is shown without what was before the start", "error", err)
	}
}

func (s *Server) targets(w http.ResponseWriter, r *http.Request) error {
	s.recall(r.Context())
	f, as, now := s.deps.Facts(), s.assessed(), time.Now()
	s.hour.keep(f.Targets)
	views := make([]targetView, 0, len(f.Targets))
	for _, t := range f.Targets {
		views = append(views, s.view(t, as[t.ID], f, now))
	}
	answer := map[string]any{"at": now.UTC(), "version": f.Version, "simulated": f.Simulated, "targets": views}
	if f.Vantage != "" {
		answer["vantage"] = f.Vantage
	}
	return writeJSON(w, answer)
}

func (s *Server) target(w http.ResponseWriter, r *http.Request) error {
	f := s.deps.Facts()
	t, ok := f.target(r.PathValue("id"))
	if !ok {
		return notFound("target", r.PathValue("id"))
	}
	s.recall(r.Context())
	now := time.Now()
	os, err := s.deps.Store.Overrides(r.Context(), now)
	if err != nil {
		return fmt.Errorf("list overrides: %w", err)
	}
	a := s.assessed()[t.ID]
	d := targetDetail{
		targetView: s.view(t, a, f, now),
		Evidence:   []bellwether.Evidence{}, Usual: []bellwether.Usual{}, Overrides: []bellwether.Override{},
		Factors: []bellwether.Factor{}, Skills: []bellwether.Skill{},
	}
	for _, x := range a.Factors {
		x.Probability, x.Health, x.Points = finite(x.Probability), finite(x.Health), finite(x.Points)
		d.Factors = append(d.Factors, x)
	}
	for _, x := range a.Skills {
		x.Success, x.Samples = finite(x.Success), finite(x.Samples)
		d.Skills = append(d.Skills, x)
	}
	for _, e := range a.Evidence {
		e.Nats, e.Threshold = finite(e.Nats), finite(e.Threshold)
		e.Effect, e.EffectLow, e.EffectHigh = finite(e.Effect), finite(e.EffectLow), finite(e.EffectHigh)
		d.Evidence = append(d.Evidence, e)
	}
	for _, u := range a.Usual {
		d.Usual = append(d.Usual, presentableUsual(u))
	}
	for _, o := range os {
		if o.Target == t.ID {
			d.Overrides = append(d.Overrides, o)
		}
	}
	return writeJSON(w, d)
}

func presentableUsual(u bellwether.Usual) bellwether.Usual {
	u.P05, u.Median, u.P95, u.Samples = finite(u.P05), finite(u.Median), finite(u.P95), finite(u.Samples)
	return u
}
