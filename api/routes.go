package api

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/shares"
)

// routeView is a route with its weights now and an hour ago.
type routeView struct {
	bellwether.Route
	Now     *bellwether.RouteWeights `json:"now,omitempty"`
	HourAgo *bellwether.RouteWeights `json:"hour_ago,omitempty"`
}

func (s *Server) routes(w http.ResponseWriter, r *http.Request) error {
	now := s.deps.Board.Current()
	past, _, err := s.deps.Store.Revisions(r.Context(), bellwether.Query{To: time.Now().Add(-time.Hour), Limit: 1})
	if err != nil {
		return fmt.Errorf("weights of an hour ago: %w", err)
	}
	views := []routeView{}
	for _, route := range s.deps.Facts().Routes {
		v := routeView{Route: presentableRoute(route)}
		if rw, ok := now.Routes[route.Name]; ok {
			v.Now = &rw
		}
		if len(past) > 0 {
			if rw, ok := presentable(past[0].Routes)[route.Name]; ok {
				v.HourAgo = &rw
			}
		}
		views = append(views, v)
	}
	return writeJSON(w, map[string]any{"epoch": now.Epoch, "revision": now.Revision, "routes": views})
}

// presentableRoute copies r with its defaults in place.
func presentableRoute(r bellwether.Route) bellwether.Route {
	tiers := [][]bellwether.TierTarget{}
	for _, tier := range r.Tiers {
		ts := []bellwether.TierTarget{}
		for _, t := range tier {
			ts = append(ts, bellwether.TierTarget{Target: t.Target, BaseWeight: t.Base()})
		}
		tiers = append(tiers, ts)
	}
	r.Tiers, r.Overprovision = tiers, max(r.Overprovision, 1)
	return r
}

// preview is what a route's shares would be.
type preview struct {
	Route   string          `json:"route"`
	Down    []string        `json:"down"`
	Panic   bool            `json:"panic"`
	Targets []previewTarget `json:"targets"`
}

type previewTarget struct {
	Target string  `json:"target"`
	Tier   int     `json:"tier"`
	Weight float64 `json:"weight"`
	Now    float64 `json:"share_now"`
	Then   float64 `json:"share_then"`
}

func (s *Server) preview(w http.ResponseWriter, r *http.Request) error {
	p := readParams(r)
	down := p.ids("down")
	if len(down) == 0 {
		p.fault("down", "name at least one target")
	}
	if err := p.err(); err != nil {
		return err
	}
	route, ok := s.deps.Facts().route(r.PathValue("name"))
	if !ok {
		return notFound("route", r.PathValue("name"))
	}
	v, err := imagine(route, s.deps.Board.Current().Routes[route.Name], down)
	if err != nil {
		return err
	}
	return writeJSON(w, v)
}

// imagine computes the shares of route if the targets in down went down now.
// Before the first weights, all others are taken to be well.
func imagine(route bellwether.Route, now bellwether.RouteWeights, down []string) (preview, error) {
	current := map[string]bellwether.TargetWeight{}
	for _, t := range now.Targets {
		current[t.Target] = t
	}
	v := preview{Route: route.Name, Down: down, Targets: []previewTarget{}}
	var ts []shares.Target
	for tier, members := range route.Tiers {
		for _, m := range members {
			c, published := current[m.Target]
			t := shares.Target{Tier: tier, Base: m.Base(), Weight: 1}
			if published {
				t.Weight, t.Preference, t.Dead = c.Weight, c.Preference, c.Weight == 0
			}
			if slices.Contains(down, m.Target) {
				t.Weight, t.Dead = 0, true
			}
			ts = append(ts, t)
			v.Targets = append(v.Targets, previewTarget{Target: m.Target, Tier: tier, Weight: t.Weight, Now: c.Share})
		}
	}
	for _, d := range down {
		if !slices.ContainsFunc(v.Targets, func(t previewTarget) bool { return t.Target == d }) {
			return v, badParameter("down", "%q is not in route %s", d, route.Name)
		}
	}
	then, panicked := shares.Compute(ts, shares.Policy{StandbyShare: route.StandbyShare, Overprovision: route.Overprovision})
	shares.Round(then)
	if now.Rollout != nil { // the rest of the traffic does not follow
		for i, t := range v.Targets {
			c := current[t.Target]
			would := c.Share
			if c.WouldShare != nil {
				would = *c.WouldShare
			}
			then[i] = max(0, c.Share+*now.Rollout*(then[i]-would))
		}
		shares.Round(then)
	}
	v.Panic = panicked
	for i := range v.Targets {
		v.Targets[i].Then = then[i]
	}
	return v, nil
}
