package scoring_test

import (
	"math"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/scoring"
)

// pair is a route of one tier of two providers.
func pair(change func(*bellwether.Route)) func(*scoring.Config) {
	return func(c *scoring.Config) {
		r := bellwether.Route{Name: "chat", Tiers: [][]bellwether.TierTarget{tier("openai-us", "anthropic-us")}}
		change(&r)
		c.Routes = []bellwether.Route{r}
		c.Tasks = map[string]string{"capital": "factual"}
		c.Targets[0].Price = bellwether.Price{Input: 1, Output: 5}
		c.Targets[2].Price = bellwether.Price{Input: .5, Output: 2.5}
	}
}

func TestTheFasterIsPreferredInProportionAndNoiseMovesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 15*time.Second, pair(func(r *bellwether.Route) { r.Prefer.Latency = 1 }))
	w.ticks = -1
	w.fault = only(us, func(o *bellwether.Observation) { slower(o, 2, 1) })
	w.run(2 * time.Hour)
	slow, fast := w.weight("chat", us), w.weight("chat", "anthropic-us")
	if r := fast.Share / slow.Share; r < 1.6 || r > 2.5 {
		t.Errorf("half as fast, the share is %v to %v", slow.Share, fast.Share)
	}
	if fast.Preference != 0 || slow.Preference < .4 || slow.Preference > .62 || slow.State != bellwether.Healthy {
		t.Errorf("entries: %+v and %+v", slow, fast)
	}
	moves := 0
	w.until(w.now.Add(24*time.Hour), func() bool {
		if w.last.Routes != nil && w.weight("chat", us).Weight == 1 && w.weight("chat", us).Share != slow.Share {
			slow = w.weight("chat", us)
			moves++
		}
		return false
	})
	t.Logf("shares moved %d times in a day", moves)
	if moves > 12 {
		t.Errorf("noise moved shares %d times in a day", moves)
	}
}

func TestTheCheaperIsPreferred(t *testing.T) {
	t.Parallel()
	for strength, want := range map[float64]float64{0: .5, 1: 2. / 3, 2: .8, 4: 16. / 17} {
		w := newWorld(t, 15*time.Second, pair(func(r *bellwether.Route) { r.Prefer.Cost = strength }))
		if got := w.weight("chat", "anthropic-us").Share; math.Abs(got-want) > .01 {
			t.Errorf("half the price at strength %v: share %v, want %.3f", strength, got, want)
		}
	}
}

func TestWhoDoesATaskBetterIsPreferredForIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 15*time.Second, pair(func(r *bellwether.Route) { r.Task, r.Prefer.Task = "factual", 1 }))
	w.ticks = -1
	w.fault = only(us, func(o *bellwether.Observation) {
		if w.rng.Float64() < .12 {
			o.Outcome = bellwether.BadOutput
		}
	})
	w.run(6 * time.Hour)
	a := w.assess(us)
	if len(a.Skills) != 1 || a.Skills[0].Task != "factual" || math.Abs(a.Skills[0].Success-.88) > .04 {
		t.Errorf("skills = %+v, want factual at .88", a.Skills)
	}
	worse, better := w.weight("chat", us), w.weight("chat", "anthropic-us")
	if worse.Preference == 0 || worse.Preference > .5 || better.Preference != 0 {
		t.Errorf("preferences %v and %v", worse.Preference, better.Preference)
	}
}

func TestATargetOverTheUsersLimitYieldsAndReturns(t *testing.T) {
	t.Parallel()
	two := map[bellwether.Signal]float64{bellwether.FirstToken: 2}
	for _, c := range []struct {
		name   string
		tiers  [][]bellwether.TierTarget
		weight float64 // published of who yields
	}{
		{"to its own tier", [][]bellwether.TierTarget{tier(us, "anthropic-us")}, 1},
		{"to the next tier", [][]bellwether.TierTarget{tier(us), tier("anthropic-us")}, .05},
	} {
		w := warm(t, 5*time.Second, pair(func(r *bellwether.Route) { r.ShiftWhen, r.Tiers = two, c.tiers }))
		w.config.Policy.Signals = map[bellwether.Signal]scoring.Act{bellwether.FirstToken: "inform", bellwether.InterToken: "inform"}
		w.rewind(w.fresh(), w.now)
		before := w.weight("chat", us).Share
		w.fault = only(us, func(o *bellwether.Observation) { slower(o, 4, 1) })
		w.run(time.Minute)
		tw := w.weight("chat", us)
		if tw.Share > .06 || tw.Weight != c.weight || !hasReason(tw.Reasons, "over_limit") || w.routes["chat"].Mode != bellwether.ModeNormal {
			t.Errorf("%s: %+v", c.name, tw)
		}
		w.fault = func(_ *world, _ bellwether.Target, o *bellwether.Observation) { slower(o, 4, 1) }
		w.run(time.Minute)
		if got := w.weight("chat", us); math.Abs(got.Share-before) > .06 || hasReason(got.Reasons, "over_limit") {
			t.Errorf("%s: nobody keeps the limit, and the share is %v, not %v", c.name, got.Share, before)
		}
		w.fault = only("nobody", nil)
		w.run(3 * time.Minute)
		if got := w.weight("chat", us); math.Abs(got.Share-before) > .06 {
			t.Errorf("%s: all keep the limit again, and the share is %v", c.name, got.Share)
		}
	}
}

func TestARouteFollowsInPartOrOnlyShows(t *testing.T) {
	t.Parallel()
	for _, part := range []float64{0, .25, 1} {
		w := warm(t, 2*time.Second, func(c *scoring.Config) { c.Routes[0].Rollout, c.Routes[1].Rollout = &part, &part })
		base := w.weight("chat", us).Share
		w.fault = only(us, func(o *bellwether.Observation) { fails(o, bellwether.ServerError, 500) })
		w.run(time.Minute)
		tw, r := w.weight("chat", us), w.routes["chat"]
		if tw.State != bellwether.Down || math.Abs(tw.Share-(1-part)*base) > 1e-3 {
			t.Errorf("rollout %v: down, with a share of %v of %v", part, tw.Share, base)
		}
		if part == 1 && (r.Rollout != nil || tw.WouldShare != nil) || part < 1 && (*r.Rollout != part || *tw.WouldShare != 0) {
			t.Errorf("rollout %v: %+v would be %v", part, r.Rollout, tw.WouldShare)
		}
		w.fold(bellwether.Record{At: w.now, Override: &bellwether.Override{ID: "x", Target: "anthropic-us", By: "ann", ExpiresAt: w.now.Add(time.Minute)}})
		if s := w.weight("chat", "anthropic-us").Share; s != 0 {
			t.Errorf("rollout %v: drained by hand, with a share of %v", part, s)
		}
	}
}

func TestAbsurdRoutePoliciesAreRefused(t *testing.T) {
	t.Parallel()
	more := 1.5
	c := scoring.Config{Targets: fleet(), Routes: []bellwether.Route{{Name: "r", Tiers: [][]bellwether.TierTarget{tier(us)}, Rollout: &more,
		Prefer:    bellwether.Preferences{Latency: -1, Cost: math.NaN(), Task: 5},
		ShiftWhen: map[bellwether.Signal]float64{bellwether.Sanity: 1, bellwether.FirstToken: 0}}}}
	want := []string{"routes[0].prefer.latency", "routes[0].prefer.cost", "routes[0].prefer.task", "routes[0].shift_when.first_token", "routes[0].shift_when.sanity", "routes[0].rollout"}
	ps := c.Validate()
	for i, p := range ps {
		if i >= len(want) || p.Path != want[i] {
			t.Errorf("problem %d: %v", i, p)
		}
	}
	if len(ps) != len(want) {
		t.Errorf("%d problems, want %d: %v", len(ps), len(want), ps)
	}
}
