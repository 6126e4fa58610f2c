package api

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/shares"
)

// How near a target is to a caller: in its region, in its part of the world,
// or elsewhere. A route that prefers locality multiplies each target's
// preference by nearness to the power that it asks for, and no product falls
// below leastTaste, so that nobody is starved by taste alone.
const (
	sameRegion = 1.0
	sameArea   = 0.5
	elsewhere  = 0.2
	leastTaste = 0.05
)

// areas are the parts of the world that names of regions speak of: by their
// first segment, or by a word within, as the large clouds name them.
var areas = []struct {
	name     string
	segments []string
	words    []string
}{
	{"na", []string{"us", "ca", "na", "mx", "northamerica"}, []string{"usgov", "canada", "mexico"}},
	{"sa", []string{"sa", "br", "southamerica"}, []string{"brazil", "chile"}},
	{"eu", []string{"eu", "uk", "gb", "de", "fr", "ch", "se", "europe"}, []string{"europe", "sweden", "france", "germany", "norway",
		"switzerland", "uksouth", "ukwest", "italy", "poland", "spain", "austria", "belgium", "denmark", "finland", "ireland"}},
	{"ap", []string{"ap", "asia", "jp", "kr", "in", "sg", "au", "australia"}, []string{"asia", "japan", "korea", "india", "australia",
		"singapore", "indonesia", "malaysia", "newzealand", "taiwan"}},
	{"me", []string{"me", "il", "ae"}, []string{"uae", "qatar", "israel", "saudi"}},
	{"af", []string{"af", "za", "africa"}, []string{"africa"}},
	{"cn", []string{"cn"}, []string{"china"}},
}

// areaOf guesses the part of the world that a region's name speaks of; "" when
// it says nothing. It is a guess: a target's label `area` overrides it.
func areaOf(region string) string {
	region = strings.ToLower(region)
	first, _, _ := strings.Cut(strings.NewReplacer("_", "-", ".", "-").Replace(region), "-")
	for _, a := range areas {
		if a.name == first || slices.Contains(a.segments, first) {
			return a.name
		}
	}
	for _, a := range areas {
		if slices.ContainsFunc(a.words, func(w string) bool { return strings.Contains(region, w) }) {
			return a.name
		}
	}
	if strings.HasSuffix(strings.TrimRight(first, "0123456789"), "us") { // eastus2
		return "na"
	}
	return ""
}

func areaOfTarget(t *bellwether.Target) string {
	return orElse(strings.ToLower(t.Labels["area"]), areaOf(t.Region))
}

// nearby is how near the targets of those routes are that prefer locality, to
// the power that each asks for: by route, then target. The tag names it.
type nearby struct {
	factors map[string]map[string]float64
	tag     string
}

// nearby returns what a caller's region changes about a route, or about all;
// nil where it changes nothing.
func (f *Facts) nearby(region, route string) *nearby {
	if region == "" {
		return nil
	}
	targets := map[string]*bellwether.Target{}
	area := areaOf(region)
	for i := range f.Targets {
		t := &f.Targets[i]
		targets[t.ID] = t
		if t.Region == region && t.Labels["area"] != "" {
			area = areaOfTarget(t)
		}
	}
	n := &nearby{factors: map[string]map[string]float64{}}
	var said []string
	for _, r := range f.Routes {
		if r.Prefer.Locality <= 0 || (route != "" && route != r.Name) {
			continue
		}
		by := map[string]float64{}
		for _, tier := range r.Tiers {
			for _, m := range tier {
				if t := targets[m.Target]; t != nil {
					by[t.ID] = math.Pow(nearness(region, area, t), r.Prefer.Locality)
				}
			}
		}
		if even(by) {
			continue
		}
		n.factors[r.Name] = by
		for _, id := range slices.Sorted(maps.Keys(by)) {
			said = append(said, r.Name, id, strconv.FormatFloat(by[id], 'g', -1, 64))
		}
	}
	if len(said) == 0 {
		return nil
	}
	n.tag = digest(said...)[:8]
	return n
}

func nearness(region, area string, t *bellwether.Target) float64 {
	switch {
	case t.Region == region:
		return sameRegion
	case area != "" && areaOfTarget(t) == area:
		return sameArea
	}
	return elsewhere
}

// even reports whether all are equally near, which moves no share.
func even(by map[string]float64) bool {
	first, some := 0.0, false
	for _, v := range by {
		if some && v != first {
			return false
		}
		first, some = v, true
	}
	return true
}

// apply returns the routes as they are for the caller: shares follow the
// nearness of the targets. Of a route that is followed in part, only that part
// moves: share + rollout * (what it would be there - what it would be).
func (n *nearby) apply(routes map[string]bellwether.RouteWeights, facts *Facts) map[string]bellwether.RouteWeights {
	out := make(map[string]bellwether.RouteWeights, len(routes))
	for name, rw := range routes {
		if by, ok := n.factors[name]; ok {
			route, _ := facts.route(name)
			rw = localise(rw, by, shares.Policy{StandbyShare: route.StandbyShare, Overprovision: route.Overprovision})
		}
		out[name] = rw
	}
	return out
}

func localise(rw bellwether.RouteWeights, by map[string]float64, p shares.Policy) bellwether.RouteWeights {
	if len(rw.Targets) == 0 {
		return rw
	}
	targets := slices.Clone(rw.Targets)
	ts := make([]shares.Target, len(targets))
	for i := range targets {
		t := &targets[i]
		factor, known := by[t.Target]
		if !known { // it has just left the config
			factor = 1
		}
		t.Preference = to4(max(leastTaste, preference(t.Preference)*factor))
		ts[i] = shares.Target{Tier: t.Tier, Base: t.BaseWeight, Weight: t.Weight, Preference: t.Preference, Dead: t.Weight == 0}
	}
	there, _ := shares.Compute(ts, p)
	shares.Round(there)
	final := slices.Clone(there)
	if rw.Rollout != nil {
		for i := range targets {
			t := &targets[i]
			would := t.Share
			if t.WouldShare != nil {
				would = *t.WouldShare
			}
			final[i] = max(0, t.Share+*rw.Rollout*(there[i]-would))
			t.WouldShare = &there[i]
		}
		shares.Round(final)
	}
	for i := range targets {
		targets[i].Share = final[i]
	}
	rw.Targets = targets
	return rw
}

// preference returns what a published preference means.
func preference(p float64) float64 {
	if p == 0 {
		return 1
	}
	return p
}
