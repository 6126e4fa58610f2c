package router

import (
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/shares"
)

// table is what requests are routed by: immutable, swapped atomically.
type table struct {
	epoch    string
	revision uint64
	routes   map[string]*routeTable // by route name, target id, and unambiguous model name
	names    []string               // of the routes, then the targets: what /v1/models lists
}

// routeTable is one route's part of a table.
type routeTable struct {
	Route           // Name is "" where a target was asked for directly
	entries []entry // in tier order
}

// entry is a target in a route.
type entry struct {
	up     *upstream
	tier   int
	base   float64
	weight float64 // 1 where the weights do not know it
	share  float64
	equals uint64 // the entries of its tier with the same share, itself among them
}

// title names the route in messages: a target asked for directly is one of its
// own.
func (r *routeTable) title() string {
	if r.Name == "" {
		return r.entries[0].up.ID
	}
	return r.Name
}

// routeName returns the name of the route that was asked for; "" is none.
func (x *exchange) routeName() string {
	if x.route == nil {
		return ""
	}
	return x.route.Name
}

// pick returns the index of an entry, drawn by share; u is uniform in [0, 1).
// It neither locks nor allocates. O(entries).
func (r *routeTable) pick(u float64) int {
	last := 0 // where no share is positive; setShares sees to it that one is
	for i := range r.entries {
		if r.entries[i].share <= 0 {
			continue
		}
		last = i
		if u < r.entries[i].share {
			return i
		}
		u -= r.entries[i].share
	}
	return last // rounding left a crumb
}

// next returns the entry to try after those in tried (a bit each) have failed:
// first by share among the untried in traffic, then the untried without a
// share in tier order. ok is false when all were tried.
func (r *routeTable) next(tried uint64, u float64) (i int, ok bool) {
	sum := 0.0
	for i := range r.entries {
		if tried&(1<<i) == 0 {
			sum += r.entries[i].share
		}
	}
	best := -1
	for i, left := 0, u*sum; i < len(r.entries); i++ {
		if tried&(1<<i) != 0 {
			continue
		}
		if s := r.entries[i].share; s > 0 {
			best = i
			if left < s {
				return i, true
			}
			left -= s
		} else if best < 0 && sum == 0 {
			return i, true
		}
	}
	return best, best >= 0
}

// maxEntries is how many targets a route may have: one bit each in tried.
const maxEntries = 64

// newTable returns the table of a setup under the weights w, which may know
// fewer or other targets: a route that w does not know gets its base shares.
// drift in [0, 1] is how far the shares have moved to the base ones.
func newTable(s Setup, ups map[string]*upstream, w *bellwether.Weights, drift float64) *table {
	t := &table{routes: map[string]*routeTable{}}
	if w != nil {
		t.epoch, t.revision = w.Epoch, w.Revision
	}
	for _, r := range s.Routes {
		rt := &routeTable{Route: r.withDefaults()}
		for tier, members := range r.Tiers {
			for _, m := range members {
				rt.entries = append(rt.entries, entry{up: ups[m.Target], tier: tier, base: m.Base()})
			}
		}
		rt.setShares(w, drift)
		t.routes[r.Name] = rt
		t.names = append(t.names, r.Name)
	}
	t.addDirect(ups)
	return t
}

// setShares gives the entries the shares of w, moved by drift to base shares.
// What w says of targets that the route does not have is ignored, what it says
// is bounded, and the shares sum to 1 whatever it says.
func (r *routeTable) setShares(w *bellwether.Weights, drift float64) {
	ts := make([]shares.Target, len(r.entries))
	for i, e := range r.entries {
		ts[i] = shares.Target{Tier: e.tier, Base: e.base, Weight: 1}
	}
	base, _ := shares.Compute(ts, shares.Policy{StandbyShare: r.StandbyShare, Overprovision: r.Overprovision})
	said, weights := map[string]float64{}, map[string]float64{}
	if w != nil {
		for _, t := range w.Routes[r.Name].Targets {
			said[t.Target] = within(t.Share, 0, 1)
			weights[t.Target] = within(t.Weight, 0, 1)
		}
	}
	sum := 0.0
	for _, e := range r.entries {
		sum += said[e.up.ID]
	}
	for i := range r.entries {
		e := &r.entries[i]
		e.share = base[i]
		if sum > 1e-9 {
			e.share = (1-drift)*said[e.up.ID]/sum + drift*base[i]
		}
		if weight, ok := weights[e.up.ID]; ok {
			e.weight = max(weight, drift)
		} else {
			e.weight = 1
		}
	}
	r.findEquals()
}

// findEquals notes which entries are as good as each other.
func (r *routeTable) findEquals() {
	for i := range r.entries {
		for j := range r.entries {
			if a, b := &r.entries[i], &r.entries[j]; a.tier == b.tier && a.share > 0 && math.Abs(a.share-b.share) < 1e-6 {
				a.equals |= 1 << j
			}
		}
	}
}

// within bounds v; NaN becomes low.
func within(v, low, high float64) float64 {
	if !(v > low) {
		return low
	}
	return min(v, high)
}

// addDirect lets a target be asked for by its id, and by its model's name
// where only one target has it.
func (t *table) addDirect(ups map[string]*upstream) {
	byModel := map[string][]*upstream{}
	for _, id := range slices.Sorted(maps.Keys(ups)) {
		byModel[ups[id].Model] = append(byModel[ups[id].Model], ups[id])
		t.addSingle(id, ups[id])
	}
	for _, model := range slices.Sorted(maps.Keys(byModel)) {
		if list := byModel[model]; len(list) == 1 {
			t.addSingle(model, list[0])
		}
	}
}

func (t *table) addSingle(name string, up *upstream) {
	if _, taken := t.routes[name]; taken {
		return
	}
	t.routes[name] = &routeTable{Route: Route{}.withDefaults(), entries: []entry{{up: up, base: 1, weight: 1, share: 1, equals: 1}}}
	t.names = append(t.names, name)
}

// uniform draws from [0, 1) without a lock shared between processors.
func uniform() float64 { return rand.Float64() }

// driftAt returns how far shares have moved to the base ones when the last
// news is age old: 0 until ttl+hold, then linearly to 1 over another hold.
func driftAt(age, ttl, hold time.Duration) float64 {
	if age <= ttl+hold {
		return 0
	}
	if hold <= 0 {
		return 1
	}
	return min(1, float64(age-ttl-hold)/float64(hold))
}
