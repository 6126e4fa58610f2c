package router

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bellwether-llm/bellwether"
)

// tiers makes a setup with a route "r" whose tiers have so many targets each.
func tiers(standby float64, sizes ...int) (Setup, map[string]*upstream) {
	r := Route{Route: bellwether.Route{Name: "r", StandbyShare: standby}}
	s, ups := Setup{}, map[string]*upstream{}
	for _, n := range sizes {
		var tier []bellwether.TierTarget
		for range n {
			id := fmt.Sprintf("t%d", len(ups))
			ups[id] = &upstream{Target: Target{Target: bellwether.Target{ID: id, Model: "m-" + id}}, can: undeclared, state: &state{}, slots: []*slot{{cred: &credential{}}}}
			s.Targets = append(s.Targets, ups[id].Target)
			tier = append(tier, bellwether.TierTarget{Target: id})
		}
		r.Tiers = append(r.Tiers, tier)
	}
	s.Routes = []Route{r}
	return s, ups
}

// published makes weights for the route "r".
func published(shares map[string]float64) *bellwether.Weights {
	rw := bellwether.RouteWeights{}
	for _, id := range slices.Sorted(maps.Keys(shares)) {
		rw.Targets = append(rw.Targets, bellwether.TargetWeight{Target: id, Share: shares[id]})
	}
	return &bellwether.Weights{Epoch: "e", Revision: 7, TTL: 60, Hold: 900, Routes: map[string]bellwether.RouteWeights{"r": rw}}
}

// wild draws numbers as a hostile or broken server might send them.
func wild() *rapid.Generator[float64] {
	return rapid.OneOf(rapid.Float64(), rapid.Float64Range(0, 1),
		rapid.SampledFrom([]float64{0, 1, -1, math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, math.SmallestNonzeroFloat64}))
}

func TestSharesSumToOneWhateverTheServerSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.IntRange(1, 4), 1, 4).Draw(t, "tiers")
		s, ups := tiers(rapid.Float64Range(0, .5).Draw(t, "standby"), sizes...)
		w := published(nil)
		rw := bellwether.RouteWeights{}
		for i := range rapid.IntRange(0, 20).Draw(t, "entries") { // some foreign, some twice
			rw.Targets = append(rw.Targets, bellwether.TargetWeight{Target: fmt.Sprintf("t%d", rapid.IntRange(0, 20).Draw(t, "target")), Share: wild().Draw(t, fmt.Sprint("share", i))})
		}
		w.Routes["r"] = rw
		r := newTable(s, ups, w, rapid.Float64Range(0, 1).Draw(t, "drift")).routes["r"]
		sum := 0.0
		for _, e := range r.entries {
			if !(e.share >= 0 && e.share <= 1+1e-9) {
				t.Fatalf("share of %s = %v", e.up.ID, e.share)
			}
			sum += e.share
		}
		if math.Abs(sum-1) > 1e-9 {
			t.Fatalf("shares sum to %v", sum)
		}
		u := rapid.Float64Range(0, math.Nextafter(1, 0)).Draw(t, "u")
		if i := r.pick(u); i < 0 || i >= len(r.entries) || r.entries[i].share <= 0 {
			t.Fatalf("pick(%v) = %d of %d", u, i, len(r.entries))
		}
	})
}

func TestNextVisitsEveryTargetOnceAndThoseInTrafficFirst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := &routeTable{}
		for range rapid.IntRange(1, maxEntries).Draw(t, "n") {
			e := entry{}
			if rapid.Bool().Draw(t, "in traffic") {
				e.share = rapid.Float64Range(1e-9, 1).Draw(t, "share")
			}
			r.entries = append(r.entries, e)
		}
		u := func() float64 { return rapid.Float64Range(0, math.Nextafter(1, 0)).Draw(t, "u") }
		var tried uint64
		order := []int{}
		for i, ok := r.pick(u()), true; ok; i, ok = r.next(tried, u()) {
			if tried&(1<<i) != 0 {
				t.Fatalf("entry %d comes twice after %v", i, order)
			}
			tried |= 1 << i
			order = append(order, i)
		}
		if len(order) != len(r.entries) {
			t.Fatalf("visited %v of %d", order, len(r.entries))
		}
		idle := false
		for _, i := range order[min(1, len(order)):] {
			if r.entries[i].share == 0 {
				idle = true
			} else if idle {
				t.Fatalf("order %v: one without traffic before one with", order)
			}
		}
		if rest := slices.DeleteFunc(slices.Clone(order), func(i int) bool { return r.entries[i].share > 0 }); !slices.IsSorted(rest) {
			t.Fatalf("the idle come in the order %v, not by tier", rest)
		}
	})
}

func TestPicksFollowShares(t *testing.T) {
	s, ups := tiers(0, 2, 3)
	want := map[string]float64{"t0": .5, "t1": .25, "t2": 0, "t3": .2, "t4": .05}
	r := newTable(s, ups, published(want), 0).routes["r"]
	const n = 200_000
	got := map[string]float64{}
	rng := rand.New(rand.NewPCG(1, 2))
	for range n {
		got[r.entries[r.pick(rng.Float64())].up.ID] += 1. / n
	}
	for id, w := range want {
		if sigma := math.Sqrt(w * (1 - w) / n); math.Abs(got[id]-w) > 5*sigma {
			t.Errorf("%s was picked %v of the time, want %v", id, got[id], w)
		}
	}
}

func TestSharesComeFromTheWeightsThatNameTheRoute(t *testing.T) {
	s, ups := tiers(.05, 1, 1)
	for name, tc := range map[string]struct {
		w     *bellwether.Weights
		drift float64
		want  []float64
	}{
		"no weights: base shares":               {nil, 0, []float64{.95, .05}},
		"another route's: base shares":          {&bellwether.Weights{Routes: map[string]bellwether.RouteWeights{"other": {}}}, 0, []float64{.95, .05}},
		"the route's":                           {published(map[string]float64{"t0": .38, "t1": .62}), 0, []float64{.38, .62}},
		"a foreign target's share is spread":    {published(map[string]float64{"t0": .2, "t1": .3, "gone": .5}), 0, []float64{.4, .6}},
		"only foreign targets: base shares":     {published(map[string]float64{"gone": 1}), 0, []float64{.95, .05}},
		"nothing above zero: base shares":       {published(map[string]float64{"t0": 0, "t1": 0}), 0, []float64{.95, .05}},
		"half drifted":                          {published(map[string]float64{"t0": 0, "t1": 1}), .5, []float64{.475, .525}},
		"drifted: base shares, and never zero":  {published(map[string]float64{"t0": 0, "t1": 1}), 1, []float64{.95, .05}},
		"one that the weights do not know: 0":   {published(map[string]float64{"t1": 1}), 0, []float64{0, 1}},
		"not a number, and more than there is":  {published(map[string]float64{"t0": math.NaN(), "t1": math.Inf(1)}), 0, []float64{0, 1}},
		"below zero, and one that is very much": {published(map[string]float64{"t0": -3, "t1": 1e300}), 0, []float64{0, 1}},
	} {
		r := newTable(s, ups, tc.w, tc.drift).routes["r"]
		for i, want := range tc.want {
			if got := r.entries[i].share; math.Abs(got-want) > 1e-9 {
				t.Errorf("%s: share %d = %v, want %v", name, i, got, want)
			}
		}
	}
}

func TestAModelsNameWorksWhereOnlyOneTargetHasIt(t *testing.T) {
	s, ups := tiers(0, 3)
	ups["t0"].Model, ups["t1"].Model, ups["t2"].Model = "same", "same", "r"
	table := newTable(s, ups, nil, 0)
	if _, ok := table.routes["same"]; ok {
		t.Error("a model of two targets was taken for one")
	}
	if got := table.routes["r"]; len(got.entries) != 3 {
		t.Error("a model took the name of a route")
	}
	if got := table.routes["t1"]; len(got.entries) != 1 || got.entries[0].up != ups["t1"] || got.Name != "" {
		t.Errorf("t1 = %+v", got)
	}
}

func TestDriftIsATimeline(t *testing.T) {
	const ttl, hold = time.Minute, 15 * time.Minute
	for _, c := range []struct {
		age  time.Duration
		want float64
	}{
		{0, 0}, {ttl, 0}, {ttl + hold, 0}, {ttl + hold + hold/4, .25}, {ttl + hold + hold/2, .5}, {ttl + 2*hold, 1}, {24 * time.Hour, 1}, {-time.Hour, 0},
	} {
		if got := driftAt(c.age, ttl, hold); got != c.want {
			t.Errorf("driftAt(%v, %v, %v) = %v, want %v", c.age, ttl, hold, got, c.want)
		}
	}
	if got := driftAt(ttl+1, ttl, 0); got != 1 {
		t.Errorf("without a hold, past the ttl: %v, want 1", got)
	}
}
