package scoring_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/scoring"
)

var dawn = time.Date(2026, 11, 19, 0, 0, 0, 0, time.UTC)

// world is a simulated past and present of some targets: it draws what probes
// see, tells the engine, and notes what the engine says.
type world struct {
	t        testing.TB
	engine   *scoring.Engine
	config   scoring.Config
	now      time.Time
	rng      *rand.Rand
	seq      uint64
	every    time.Duration // between probes of a target when nothing is suspected
	fast     map[string]time.Duration
	next     map[string]time.Time
	probes   map[string]int              // since the last reset
	noise    func(target string) float64 // of the first token, in place of the normal distribution
	fault    func(w *world, target bellwether.Target, o *bellwether.Observation)
	vantages []string
	canaries []string
	records  []bellwether.Record
	changes  []bellwether.Change
	routes   map[string]bellwether.RouteWeights
	keep     bool
	ticks    int // negative: none
	last     scoring.Result
	observed *bellwether.Observation // in the last record
	mute     string                  // a target that suspicion cannot reach
}

// fleet is two models of each of three providers, in two regions.
func fleet() []bellwether.Target {
	var ts []bellwether.Target
	for _, p := range []string{"openai", "anthropic", "gemini"} {
		for _, r := range []string{"us", "eu"} {
			ts = append(ts, bellwether.Target{ID: p + "-" + r, Provider: p, Model: p + "-large", Region: r})
		}
	}
	return ts
}

func tier(ids ...string) (tts []bellwether.TierTarget) {
	for _, id := range ids {
		tts = append(tts, bellwether.TierTarget{Target: id})
	}
	return tts
}

func newWorld(t testing.TB, every time.Duration, change func(*scoring.Config)) *world {
	c := scoring.Config{
		Targets: fleet(),
		Routes: []bellwether.Route{
			{Name: "chat", Tiers: [][]bellwether.TierTarget{tier("openai-us"), tier("anthropic-us", "gemini-eu")}, StandbyShare: .05},
			{Name: "alone", Tiers: [][]bellwether.TierTarget{tier("openai-us")}},
		},
		Interval: map[string]time.Duration{},
	}
	for _, tgt := range c.Targets {
		c.Interval[tgt.ID] = every
	}
	if change != nil {
		change(&c)
	}
	w := &world{
		t: t, config: c, now: dawn, rng: rand.New(rand.NewPCG(7, 11)), every: every,
		fast: map[string]time.Duration{}, next: map[string]time.Time{}, probes: map[string]int{},
		vantages: []string{"home"}, canaries: []string{"capital"},
	}
	w.engine = w.fresh()
	w.routes = w.engine.Routes()
	for i, tgt := range c.Targets {
		w.next[tgt.ID] = dawn.Add(time.Duration(i) * every / time.Duration(len(c.Targets)))
	}
	return w
}

// thresholds are solved once for all tests but those of the solver.
var thresholds scoring.Thresholds

func (w *world) fresh() *scoring.Engine {
	w.t.Helper()
	e, err := scoring.New(w.config)
	if err != nil {
		w.t.Fatal(err)
	}
	if w.engine != nil {
		thresholds.Keep(w.engine)
	}
	thresholds.Lend(e)
	w.t.Cleanup(func() { thresholds.Keep(e) })
	return e
}

// healthy draws what a probe of a healthy target sees.
func (w *world) healthy(tgt bellwether.Target) *bellwether.Observation {
	w.seq++
	first := .8 * math.Exp(.3*w.rng.NormFloat64())
	if w.noise != nil {
		first = .8 * math.Exp(.3*w.noise(tgt.ID))
	}
	gap := .02 * math.Exp(.1*w.rng.NormFloat64())
	n := int(math.Round(40 * math.Exp(.1*w.rng.NormFloat64())))
	return &bellwether.Observation{
		ID: fmt.Sprintf("o%d", w.seq), At: w.now, Source: bellwether.SourceProbe, Trigger: bellwether.TriggerSchedule,
		Vantage: w.vantages[w.probes[tgt.ID]%len(w.vantages)], Target: tgt.ID, Canary: w.canaries[w.probes[tgt.ID]/len(w.vantages)%len(w.canaries)],
		Outcome: bellwether.OK, Status: 200, Reused: true,
		Timing: bellwether.Timing{FirstToken: first, InterToken: gap, Total: first + gap*float64(n-1)},
		Tokens: &bellwether.Tokens{Input: 20, Output: n},
	}
}

// slower multiplies timings as a slow target would.
func slower(o *bellwether.Observation, first, inter float64) {
	rest := (o.Timing.Total - o.Timing.FirstToken) * inter
	o.Timing.FirstToken *= first
	o.Timing.InterToken *= inter
	o.Timing.Total = o.Timing.FirstToken + rest
}

// fails makes a probe fail.
func fails(o *bellwether.Observation, outcome bellwether.Outcome, status int) {
	o.Outcome, o.Status, o.Timing, o.Tokens = outcome, status, bellwether.Timing{}, nil
}

// run lets d pass: each target is probed when its time comes, and time ticks
// every second.
func (w *world) run(d time.Duration) { w.until(w.now.Add(d), func() bool { return false }) }

// until lets time pass until the end, or until done says so; false when it
// never did.
func (w *world) until(end time.Time, done func() bool) bool {
	for {
		at, which := end, -1
		for i, tgt := range w.config.Targets {
			if n := w.next[tgt.ID]; n.Before(at) {
				at, which = n, i
			}
		}
		if tick := w.now.Truncate(time.Second).Add(time.Second); w.every < time.Minute && tick.Before(at) && w.ticking() {
			w.now = tick
			w.fold(bellwether.Record{At: tick})
		} else {
			w.now = at
			if which < 0 {
				return done()
			}
			w.probe(w.config.Targets[which])
		}
		if done() {
			return true
		}
	}
}

// ticking keeps days of warm-up cheap: seconds matter once something happens.
func (w *world) ticking() bool { return w.ticks >= 0 && (w.fault != nil || len(w.fast) > 0) }

func (w *world) probe(tgt bellwether.Target) {
	o := w.healthy(tgt)
	if w.fault != nil {
		w.fault(w, tgt, o)
	}
	w.probes[tgt.ID]++
	gap := w.every
	if f := w.fast[tgt.ID]; f > 0 {
		gap = min(gap, f)
	}
	w.next[tgt.ID] = w.now.Add(gap)
	w.fold(bellwether.Record{At: w.now, Observation: o})
}

func (w *world) fold(r bellwether.Record) {
	r.Seq = uint64(len(w.records)) + 1
	if w.keep {
		w.records = append(w.records, r)
	}
	res := w.engine.Fold(r)
	w.last, w.observed = res, r.Observation
	w.changes = append(w.changes, res.Changes...)
	if res.Routes != nil {
		w.routes = res.Routes
		checkRoutes(w.t, w.routes)
	}
	for _, s := range res.Suspicions {
		if s.Target == w.mute {
			continue
		}
		delete(w.fast, s.Target)
		if s.Interval > 0 {
			w.fast[s.Target] = time.Duration(s.Interval * float64(time.Second))
			if soon := w.now.Add(w.fast[s.Target]); soon.Before(w.next[s.Target]) {
				w.next[s.Target] = soon
			}
		}
	}
}

// window folds one second of real traffic, n calls of which so many failed, as
// a router reports it at its end.
func (w *world) window(router, id string, n, bad int) {
	w.seq++
	w.fold(bellwether.Record{At: w.now, Observation: &bellwether.Observation{
		ID: fmt.Sprintf("w%d", w.seq), At: w.now.Add(-time.Second), Source: bellwether.SourceRouter, Vantage: router, Target: id, Route: "chat",
		Window: 1, Counts: map[bellwether.Outcome]int{bellwether.OK: n - bad, bellwether.ServerError: bad},
	}})
}

func (w *world) assess(id string) bellwether.Assessment {
	a, ok := w.engine.Assess(id)
	if !ok {
		w.t.Fatalf("no target %s", id)
	}
	return a
}

func (w *world) state(id string) bellwether.State { return w.assess(id).State }

// weight returns what the route publishes of the target.
func (w *world) weight(route, id string) bellwether.TargetWeight {
	for _, tw := range w.routes[route].Targets {
		if tw.Target == id {
			return tw
		}
	}
	w.t.Fatalf("no %s in %s", id, route)
	return bellwether.TargetWeight{}
}

// healthyDay is a checkpoint after a healthy day at 15 s.
var healthyDay = sync.OnceValues(func() ([]byte, error) {
	w := newWorld(&testing.T{}, 15*time.Second, nil)
	w.run(24 * time.Hour)
	for _, tgt := range w.config.Targets {
		if a := w.assess(tgt.ID); a.State != bellwether.Healthy {
			return nil, fmt.Errorf("after a healthy day %s is %s: %+v", tgt.ID, a.State, a.Reasons)
		}
	}
	return w.engine.Checkpoint()
})

// warm starts after a healthy day at 15 s, as the demo does, and goes on at the
// given interval.
func warm(t testing.TB, every time.Duration, change func(*scoring.Config)) *world {
	t.Helper()
	day, err := healthyDay()
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, 15*time.Second, change)
	if err := w.engine.Restore(day); err != nil {
		t.Fatal(err)
	}
	w.now, w.every, w.routes = dawn.Add(24*time.Hour), every, w.engine.Routes()
	w.seq = 1 << 20
	for i, tgt := range w.config.Targets {
		w.next[tgt.ID] = w.now.Add(time.Duration(i+1) * every / time.Duration(len(w.config.Targets)))
	}
	return w
}

// rewind brings a warm world back to the end of its healthy day.
func (w *world) rewind(e *scoring.Engine, day time.Time) {
	cp, err := healthyDay()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := e.Restore(cp); err != nil {
		w.t.Fatal(err)
	}
	w.engine, w.now, w.routes, w.fault, w.changes = e, day, e.Routes(), nil, nil
	clear(w.fast)
	for _, tgt := range w.config.Targets {
		w.next[tgt.ID] = day.Add(w.every)
	}
}

// checkRoutes holds the laws of every published document.
func checkRoutes(t testing.TB, routes map[string]bellwether.RouteWeights) {
	for name, r := range routes {
		sum, best := 0.0, 0.0
		for _, tw := range r.Targets {
			if !(tw.Weight >= 0 && tw.Weight <= 1 && tw.Share >= 0 && tw.Share <= 1) {
				t.Fatalf("%s: %s has weight %v, share %v", name, tw.Target, tw.Weight, tw.Share)
			}
			sum += tw.Share
			best = max(best, tw.Share)
		}
		if math.Abs(sum-1) > 1e-9 || best <= 0 {
			t.Fatalf("%s: shares sum to %v: %+v", name, sum, r)
		}
	}
}
