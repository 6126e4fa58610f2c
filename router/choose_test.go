package router

import (
	"fmt"
	"math"
	"testing"

	"github.com/bellwether-llm/bellwether"
)

// routed is a route "r" with the tiers and shares given, by target.
func routed(want map[string]float64, sizes ...int) (*routeTable, map[string]*upstream) {
	s, ups := tiers(0, sizes...)
	return newTable(s, ups, published(want), 0).routes["r"], ups
}

// everything is the choice of a request that anybody may serve.
func everything() *choice { return &choice{fit: math.MaxUint64, roomy: math.MaxUint64} }

// asks chooses n times, giving each place back at once, and counts by target.
func (r *routeTable) asks(c *BreakerConfig, ch choice, s session, n int, now int64) map[string]int {
	got := map[string]int{}
	for range n {
		cl, _, ok := r.choose(c, &ch, s, 1, now)
		if !ok {
			got[""]++
			continue
		}
		got[cl.up.ID]++
		cl.giveBack(1)
	}
	return got
}

func TestABarredTargetsTrafficGoesToTheOthersAndATrialToOne(t *testing.T) {
	c := usual()
	r, ups := routed(map[string]float64{"t0": .9, "t1": .1}, 1, 1)
	ups["t0"].breaker.fail(c, second, 5)
	if got := r.asks(c, *everything(), 0, 1000, second+1); got["t1"] != 1000 {
		t.Errorf("while it is left alone: %v", got)
	}
	due := ups["t0"].breaker.until()
	cl, _, ok := r.choose(c, everything(), 0, 1, due)
	for range 100 {
		if ok && cl.trial {
			break
		}
		cl, _, ok = r.choose(c, everything(), 0, 1, due)
	}
	if !cl.trial || cl.up != ups["t0"] {
		t.Fatal("no trial when it is due")
	}
	if got := r.asks(c, *everything(), 0, 1000, due); got["t1"] != 1000 {
		t.Errorf("while the trial is under way: %v", got)
	}
	ups["t0"].breaker.learn(c, due, cl.turn, true, well)
	if got := r.asks(c, *everything(), 0, 10_000, due); got["t0"] < 600 || got["t0"] > 1400 { // a tenth of .9, and some
		t.Errorf("just recovered: %v, want a tenth of its share", got)
	}
	if got := r.asks(c, *everything(), 0, 10_000, due+20*second); got["t0"] < 8500 {
		t.Errorf("after the ramp: %v", got)
	}
}

func TestWhatIsNotCertainlyDeadServesWhenNothingElseIsLeft(t *testing.T) {
	c := usual()
	r, ups := routed(map[string]float64{"t0": .5, "t1": .5}, 2)
	for _, up := range ups {
		for i := range 40 { // three of four fail
			up.breaker.learn(c, second, up.breaker.turn.Load(), false, []lesson{ill, ill, ill, well}[i%4])
		}
	}
	if got := r.asks(c, *everything(), 0, 100, second); got[""] != 0 {
		t.Errorf("two that answer now and then: %v", got)
	}
	ups["t0"].breaker.fail(c, second, 10)
	if got := r.asks(c, *everything(), 0, 100, second); got["t1"] != 100 {
		t.Errorf("one of them dead: %v", got)
	}
	ups["t1"].breaker.fail(c, second, 10)
	if _, when, ok := r.choose(c, everything(), 0, 1, second); ok || when.trial == 0 || when.free != 0 {
		t.Errorf("all dead: asked %v, next trial %v", ok, when)
	}
}

func TestLimitsKeepATargetFreeAndSayWhenItIs(t *testing.T) {
	c := usual()
	r, ups := routed(map[string]float64{"t0": 1, "t1": 0}, 1, 1)
	ups["t0"].gauge.set(Limits{Concurrency: 2})
	var claims []claim
	for range 4 {
		cl, _, _ := r.choose(c, everything(), 0, 1, second)
		claims = append(claims, cl)
	}
	if claims[0].up != ups["t0"] || claims[1].up != ups["t0"] || claims[2].up != ups["t1"] {
		t.Error("a third request in flight went to a target that takes two")
	}
	claims[0].release(1, 1)
	if cl, _, _ := r.choose(c, everything(), 0, 1, second); cl.up != ups["t0"] {
		t.Error("a place that was given back is not used")
	}
	r, ups = routed(map[string]float64{"t0": 1}, 1)
	ups["t0"].gauge.set(Limits{RequestsPerMinute: 6})
	if got := r.asks(c, *everything(), 0, 1, second); got["t0"] != 1 {
		t.Fatal("the first request does not pass")
	}
	cl, _, ok := r.choose(c, everything(), 0, 1, second)
	_, when, again := r.choose(c, everything(), 0, 1, second)
	if !ok || again || when.free != 11*second {
		t.Errorf("six a minute: first %v, second %v, which may pass at %d s", ok, again, when.free/second)
	}
	cl.release(1, 1)
	ups["t0"].gauge.set(Limits{TokensPerMinute: 600})
	ch := everything()
	big, _, _ := r.choose(c, ch, 0, 100, 60*second)
	if _, when, ok := r.choose(c, ch, 0, 100, 60*second); ok || when.free <= 60*second {
		t.Error("600 tokens a minute: 200 pass at once")
	}
	big.release(100, 5) // it used five
	if _, _, ok := r.choose(c, ch, 0, 90, 60*second); !ok {
		t.Error("what was not used is not free")
	}
}

func TestBetweenEqualsTheIdlestServesButNotTheOneThatFails(t *testing.T) {
	c := usual()
	r, ups := routed(map[string]float64{"t0": .25, "t1": .25, "t2": .5}, 3)
	for range 10 {
		ups["t0"].gauge.inFlight.Add(1)
	}
	if got := r.asks(c, *everything(), 0, 2000, second); got["t0"] != 0 || got["t1"] < 800 || got["t2"] < 800 {
		t.Errorf("ten in flight at t0: %v, want its quarter at its equal", got)
	}
	// t1 fails every call in a millisecond: nothing is ever in flight there.
	ups["t1"].breaker.fail(c, second, 1)
	got := r.asks(c, *everything(), 0, 2000, second+1)
	if got["t1"] > 620 || got["t0"] < 380 {
		t.Errorf("a target that fails fast attracts traffic: %v", got)
	}
}

func TestAllocationsAndLocksOfAChoice(t *testing.T) {
	c := usual()
	r, ups := routed(map[string]float64{"t0": .25, "t1": .25, "t2": .25, "t3": .25}, 2, 2)
	for _, up := range ups { // a pick that locked would hang here
		up.breaker.mu.Lock()
		up.pace.mu.Lock()
		up.slots[0].mu.Lock()
		up.slots[0].cred.mu.Lock()
	}
	ch := everything()
	for _, s := range []session{0, 77} {
		if n := testing.AllocsPerRun(1000, func() {
			cl, _, _ := r.choose(c, ch, s, 10, second)
			cl.giveBack(10)
		}); n != 0 {
			t.Errorf("%v allocations a choice, want 0", n)
		}
	}
}

func TestSessionsStayAndMoveOnlyAsSharesDo(t *testing.T) {
	const n = 40_000
	place := func(shares map[string]float64) []string {
		r, _ := routed(shares, 3)
		out := make([]string, n)
		for i := range out {
			j, _ := r.stick(session(fnvStart).add(fmt.Sprint("session ", i)), 0)
			out[i] = r.entries[j].up.ID
		}
		return out
	}
	moved := func(a, b []string) (part float64) {
		for i := range a {
			if a[i] != b[i] {
				part += 1. / n
			}
		}
		return part
	}
	before := place(map[string]float64{"t0": .5, "t1": .3, "t2": .2})
	got := map[string]float64{}
	for _, id := range before {
		got[id] += 1. / n
	}
	for id, want := range map[string]float64{"t0": .5, "t1": .3, "t2": .2} {
		if math.Abs(got[id]-want) > .012 {
			t.Errorf("%s has %.3f of the sessions, want %v", id, got[id], want)
		}
	}
	if m := moved(before, place(map[string]float64{"t0": .5, "t1": .3, "t2": .2})); m != 0 {
		t.Errorf("%v moved although nothing changed", m)
	}
	if m := moved(before, place(map[string]float64{"t0": .49, "t1": .306, "t2": .204})); m < .005 || m > .015 {
		t.Errorf("a share fell by 1 %%: %.2f %% of sessions moved", m*100)
	}
	gone := place(map[string]float64{"t0": .625, "t1": .375, "t2": 0})
	for i := range before {
		if before[i] != "t2" && gone[i] != before[i] {
			t.Fatalf("session %d moved from %s, although t2 went", i, before[i])
		}
	}
}

func TestSessionsAreWhereTheServerSaysTheyAre(t *testing.T) {
	// The hash of /v1/decision: FNV-1a of session, a zero byte and target, mixed.
	for _, tc := range []struct {
		session, target string
		want            float64
	}{{"42", "gpt-us", unit("42", "gpt-us")}, {"", "x", unit("", "x")}, {"Ünïcode", "claude-us", unit("Ünïcode", "claude-us")}} {
		if got := session(fnvStart).add(tc.session).at(tc.target); got != tc.want {
			t.Errorf("%q at %s = %v, want %v", tc.session, tc.target, got, tc.want)
		}
	}
}

func TestTheWaysToTellASession(t *testing.T) {
	first := request(t, `{"model":"r","user":"u1","messages":[{"role":"system","content":"be brief"},{"role":"user","content":"hello"}]}`)
	later := request(t, `{"model":"r","user":"u2","messages":[{"role":"system","content":"be brief"},{"role":"user","content":"hello"},{"role":"assistant","content":"hi"},{"role":"user","content":"more"}]}`)
	other := request(t, `{"model":"r","user":"u1","messages":[{"role":"system","content":"be brief"},{"role":"user","content":"goodbye"}]}`)
	at := func(r incoming, way ...string) session { return sessionOf(way, &r.req, r.header) }
	if at(first, byHeader) != 0 || at(first) != 0 {
		t.Error("a session out of nothing")
	}
	if at(first, byConversation) != at(later, byConversation) || at(first, byConversation) == at(other, byConversation) {
		t.Error("a conversation that goes on must stay, another one is another")
	}
	if at(first, byUser) != at(other, byUser) || at(first, byUser) == at(later, byUser) {
		t.Error("by user")
	}
	later.header.Set(sessionHeader, "s")
	if at(later, byHeader, byUser) == at(later, byUser) || at(first, byHeader, byUser) != at(first, byUser) {
		t.Error("the first way that finds one counts")
	}
}

func TestRequestsAreSteeredBeforeAnybodyIsAsked(t *testing.T) {
	able := func(price float64, window int, tasks []string, can ...string) Target {
		return Target{Target: bellwether.Target{Price: bellwether.Price{Input: price, Output: price}}, Capabilities: can, ContextWindow: window, Traits: Traits{Tasks: tasks}}
	}
	vision := `{"model":"r","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://example.com/a.png"}}]}]}`
	plain := `{"model":"r","max_tokens":1000,"messages":[{"role":"user","content":"hello"}]}`
	long := fmt.Sprintf(`{"model":"r","messages":[{"role":"user","content":"%04000d"}]}`, 0)
	targets := []Target{
		able(1, 500, []string{"simple"}, "tools"),
		able(10, 0, nil, "vision", "tools", "json_schema", "prefill"),
		able(100, 100_000, nil),
	}
	for name, tc := range map[string]struct {
		body, header, value string
		order               []string // what serves, and what if that is out, and so on
		code                string
	}{
		"anything":                  {plain, "", "", []string{"t0", "t1", "t2"}, ""},
		"a picture":                 {vision, "", "", []string{"t1", "t2"}, ""},
		"a long prompt":             {long, "", "", []string{"t1", "t2", "t0"}, ""}, // the estimate may be wrong: better a try than none
		"tools":                     {`{"model":"r","messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"f"}}]}`, "", "", []string{"t0", "t1", "t2"}, ""},
		"a schema":                  {`{"model":"r","messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_schema","json_schema":{"name":"a","schema":{"type":"object"}}}}`, "", "", []string{"t1", "t2"}, ""},
		"reasoning":                 {`{"model":"r","reasoning_effort":"high","messages":[{"role":"user","content":"x"}]}`, "", "", []string{"t2"}, ""},
		"prefill":                   {`{"model":"r","messages":[{"role":"user","content":"x"},{"role":"assistant","content":"y"}]}`, "", "", []string{"t1", "t2"}, ""},
		"no more than a cent":       {plain, costHeader, "0.011", []string{"t0", "t1"}, ""},
		"no more than a cent's 100": {plain, costHeader, "0.0001", nil, "too_expensive"},
		"a cost that is none":       {plain, costHeader, "cheap", nil, "invalid_header"},
		"a task":                    {plain, taskHeader, "simple", []string{"t0", "t1", "t2"}, ""},
		"a task of nobody's":        {plain, taskHeader, "poetry", []string{"t0", "t1", "t2"}, ""},
	} {
		s, ups := tiers(0, 1, 1, 1)
		for i, tg := range targets {
			up := ups[fmt.Sprint("t", i)]
			tg.ID, tg.Model = up.ID, up.Model
			up.Target, up.can = tg, abilityOf(tg.Capabilities)
		}
		shares := map[string]float64{"t0": 1}
		if tc.header == taskHeader {
			shares = map[string]float64{"t1": 1, "t0": 0, "t2": 0} // the apt one is the fallback
		}
		w := published(shares)
		for i := range w.Routes["r"].Targets {
			w.Routes["r"].Targets[i].Weight = 1
		}
		r := request(t, tc.body)
		if tc.header != "" {
			r.header.Set(tc.header, tc.value)
		}
		x := &exchange{rt: &Router{}, req: r.req, route: newTable(s, ups, w, 0).routes["r"]}
		if e := x.plan(r.header); e != nil || tc.code != "" {
			if e == nil || e.Code != tc.code || e.Status != 400 {
				t.Errorf("%s: %v, want a 400 with code %q", name, e, tc.code)
			}
			continue
		}
		var order []string
		for range ups {
			if cl, _, ok := x.route.choose(usual(), &x.choice, 0, 1, second); ok {
				order = append(order, cl.up.ID)
				x.out |= 1 << cl.i
			}
		}
		if tc.value == "poetry" {
			tc.order = []string{"t1", "t0", "t2"}
		}
		if fmt.Sprint(order) != fmt.Sprint(tc.order) {
			t.Errorf("%s: asked %v, want %v", name, order, tc.order)
		}
	}
	s, ups := tiers(0, 1)
	ups["t0"].can = abilityOf([]string{"tools"})
	x := &exchange{rt: &Router{}, req: request(t, vision).req, route: newTable(s, ups, nil, 0).routes["r"]}
	if e := x.plan(nil); e == nil || e.Code != "unsupported_capability" || e.Message != "no target of r is declared to have vision" {
		t.Errorf("a picture where nobody sees: %v", e)
	}
}
