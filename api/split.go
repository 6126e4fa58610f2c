package api

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// split is what one router sent where, against what it was told.
type split struct {
	at    time.Time
	pairs map[[2]string]*tally // by route and target
}

// tally counts the requests of one target: those that were sent there, and
// those that were due there by the shares in force.
type tally struct{ sent, due float64 }

const (
	splitHalf = 5 * time.Minute // in which a request comes to weigh half
	splitMost = 1000            // pairs of one router
)

// age weighs what was sent down to now.
func (s *split) age(now time.Time) {
	if d := now.Sub(s.at); d > 0 {
		f := math.Exp2(-d.Seconds() / splitHalf.Seconds())
		for k, a := range s.pairs {
			if a.sent, a.due = a.sent*f, a.due*f; a.sent+a.due < 0.01 {
				delete(s.pairs, k)
			}
		}
		s.at = now
	}
}

// add counts what was sent, and what of it the routes said should go where.
func (s *split) add(sent map[string]map[string]int, routes map[string]bellwether.RouteWeights, now time.Time) {
	s.age(now)
	for route, by := range sent {
		rw, known := routes[route]
		if !known {
			continue
		}
		n := 0
		for target, k := range by {
			n += k
			s.of(route, target).sent += float64(k)
		}
		for _, t := range rw.Targets {
			if t.Share > 0 {
				s.of(route, t.Target).due += float64(n) * t.Share
			}
		}
	}
}

// of returns the count of a route's target; beyond the bound it leads nowhere.
func (s *split) of(route, target string) *tally {
	k := [2]string{route, target}
	a := s.pairs[k]
	if a == nil {
		a = &tally{}
		if len(s.pairs) < splitMost {
			s.pairs[k] = a
		}
	}
	return a
}

// routeSplit is how a router split one route's requests, as the API shows it.
type routeSplit struct {
	Route    string        `json:"route"`
	Requests float64       `json:"requests"` // the older, the less each counts
	Targets  []targetSplit `json:"targets"`
}

type targetSplit struct {
	Target     string  `json:"target"`
	Requests   float64 `json:"requests"`
	Applied    float64 `json:"applied_share"`
	Published  float64 `json:"published_share"`
	Difference float64 `json:"difference"`
}

// view returns the split by route and target.
func (s *split) view(now time.Time) []routeSplit {
	s.age(now)
	out := []routeSplit{}
	for _, k := range slices.SortedFunc(maps.Keys(s.pairs), func(a, b [2]string) int {
		return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1]))
	}) {
		if n := len(out); n == 0 || out[n-1].Route != k[0] {
			out = append(out, routeSplit{Route: k[0]})
		}
		r, a := &out[len(out)-1], s.pairs[k]
		r.Requests += a.sent
		r.Targets = append(r.Targets, targetSplit{Target: k[1], Requests: a.sent, Published: a.due})
	}
	for i := range out {
		r := &out[i]
		due := 0.0
		for _, t := range r.Targets {
			due += t.Published
		}
		for j := range r.Targets {
			t := &r.Targets[j]
			t.Applied, t.Published = ratio(t.Requests, r.Requests), ratio(t.Published, due)
			t.Requests, t.Difference = to4(t.Requests), to4(t.Applied-t.Published)
			t.Applied, t.Published = to4(t.Applied), to4(t.Published)
		}
		r.Requests = to4(r.Requests)
	}
	return out
}

// ratio returns a part of a whole, 0 of nothing.
func ratio(part, whole float64) float64 {
	if whole <= 0 {
		return 0
	}
	return part / whole
}

// to4 rounds to four decimals.
func to4(x float64) float64 { return math.Round(x*1e4) / 1e4 }

// soundSplit keeps of a router's word what can be counted.
func soundSplit(said map[string]map[string]int) map[string]map[string]int {
	out, n := map[string]map[string]int{}, 0
	for route, by := range said {
		for target, k := range by {
			if n == splitMost || !bellwether.ValidID(route) || !bellwether.ValidID(target) || k < 1 || k > 1e9 {
				continue
			}
			if out[route] == nil {
				out[route] = map[string]int{}
			}
			out[route][target] = k
			n++
		}
	}
	return out
}

// parseSplit reads the split of a poll: route:target:count, as often as needed.
func (p *params) parseSplit(name string) map[string]map[string]int {
	p.known = append(p.known, name)
	out := map[string]map[string]int{}
	for _, v := range p.values[name] {
		for s := range strings.SplitSeq(v, ",") {
			parts := strings.Split(s, ":")
			n := 0
			if len(parts) == 3 {
				n, _ = strconv.Atoi(parts[2]) // 0 is refused
			}
			if len(parts) != 3 || n < 1 || n > 1e9 || !bellwether.ValidID(parts[0]) || !bellwether.ValidID(parts[1]) {
				p.fault(name, "%.120q is not of the form route:target:count", s)
				return nil
			}
			if out[parts[0]] == nil {
				out[parts[0]] = map[string]int{}
			}
			out[parts[0]][parts[1]] += n
		}
	}
	return out
}
