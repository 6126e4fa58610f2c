package api_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/api"
	"github.com/bellwether-llm/bellwether/api/client"
)

func someWork() api.Work {
	return api.Work{
		Vantages: []string{"here", "there"},
		Canaries: []json.RawMessage{json.RawMessage(`{"name":"capital","prompt":"?"}`)},
		Targets:  []json.RawMessage{json.RawMessage(`{"id":"gpt-us","provider":"openai","model":"gpt-4o"}`), json.RawMessage(`{"id":"gpt-eu","provider":"openai","model":"gpt-4o"}`)},
	}
}

// agentWorld is a world with a planner.
func agentWorld(t *testing.T, s setup) (*world, *api.Planner) {
	t.Helper()
	plans := api.NewPlanner("e1")
	more := s.deps
	s.deps = func(d *api.Deps) {
		d.Plans = plans
		if more != nil {
			more(d)
		}
	}
	w := newWorld(t, s)
	w.facts.Vantages = []string{"here", "there"}
	return w, plans
}

func replace(t *testing.T, p *api.Planner, w api.Work) {
	t.Helper()
	if err := p.Replace(w); err != nil {
		t.Fatal(err)
	}
}

func TestAPlanIsHeldUntilItChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, plans := agentWorld(t, setup{})
		w.get("/v1/agents/frankfurt/plan").want(503)
		replace(t, plans, someWork())
		a := w.get("/v1/agents/frankfurt/plan").want(200).says(`"revision":1`, `"prompt":"?"`, `"vantages":["here","there"]`, `"suspicions":[]`)
		if tag := a.header.Get("ETag"); tag != `"plan-e1-1"` {
			t.Errorf("ETag is %s", tag)
		}
		w.get("/v1/agents/frankfurt/plan", "If-None-Match", `"plan-e1-1"`).want(304)
		w.get("/v1/agents/frankfurt/plan?after=1&epoch=e0").want(200) // another lifetime's revision
		start := time.Now()
		w.get("/v1/agents/frankfurt/plan?after=1&epoch=e1&wait=90s").want(304)
		if held := time.Since(start); held != 55*time.Second {
			t.Errorf("a plan without news was held for %v, want 55 s", held)
		}
		go func() {
			time.Sleep(10 * time.Second)
			replace(t, plans, someWork()) // the same: no news
			time.Sleep(10 * time.Second)
			plans.Suspect(bellwether.Suspicion{Target: "gpt-us", Since: time.Now(), Interval: 5})
		}()
		start = time.Now()
		w.get("/v1/agents/frankfurt/plan?after=1&epoch=e1&wait=50").want(200).says(`"revision":2`, `"interval_seconds":5`)
		if held := time.Since(start); held != 20*time.Second {
			t.Errorf("news of a suspicion came after %v, want 20 s", held)
		}
	})
}

func TestSuspicionsStandInThePlanUntilTheyEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, plans := agentWorld(t, setup{})
		replace(t, plans, someWork())
		revision := func() uint64 {
			t.Helper()
			var p client.Plan
			w.get("/v1/agents/a/plan").want(200).into(&p)
			return p.Revision
		}
		x := bellwether.Suspicion{Target: "gpt-us", Since: time.Now(), Interval: 5}
		plans.Suspect(bellwether.Suspicion{Target: "gpt-us"}) // ends nothing
		plans.Suspect(x)
		plans.Suspect(x) // said again
		if got := revision(); got != 2 {
			t.Errorf("after one suspicion the revision is %d, want 2", got)
		}
		x.Interval = math.NaN()
		plans.Suspect(x) // as good as none
		w.get("/v1/agents/a/plan").want(200).says(`"revision":3`, `"suspicions":[]`)
		x.Interval = 1
		plans.Suspect(x)
		less := someWork()
		less.Targets = less.Targets[1:]
		replace(t, plans, less)
		w.get("/v1/agents/a/plan").want(200).says(`"revision":5`, `"suspicions":[]`)
		if plans.Replace(api.Work{Targets: []json.RawMessage{json.RawMessage("x")}}) == nil ||
			plans.Replace(api.Work{Canaries: []json.RawMessage{json.RawMessage("x")}}) == nil {
			t.Error("a plan of what is not JSON is taken")
		}
		if got := revision(); got != 5 {
			t.Errorf("a plan that was refused made revision %d", got)
		}
	})
}

func TestPlansAreAskedForProperly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, plans := agentWorld(t, setup{})
		replace(t, plans, someWork())
		for _, bad := range []string{"/v1/agents/A/plan", "/v1/agents/a/plan?after=x", "/v1/agents/a/plan?wait=soon", "/v1/agents/a/plan?who=me"} {
			w.get(bad).want(400)
		}
		newWorld(t, setup{}).get("/v1/agents/a/plan").want(501)
	})
}

func hello() api.Hello {
	offset := 0.25
	return api.Hello{Vantage: "there", Version: "v1", Started: time.Now().UTC(), ClockOffset: &offset, ClockError: 0.01, Spooled: 12, SpooledBytes: 800,
		Dropped: 3, Refused: 1, Plan: api.PlanInForce{Source: "server", Epoch: "e1", Revision: 1}, Troubles: []string{"no provider x here"},
		Probing: &api.Probing{Jobs: 2, Sent: map[string]uint64{"schedule": 7}, Missed: 1, MaxInFlight: 256, Providers: []api.ProviderProbing{{Provider: "openai", InFlight: 1, MaxInFlight: 16}}, Lookups: map[string]uint64{"status_page": 3},
			Health:  &api.ProberHealth{Scheduling: &api.Delays{P50: 1e-5, P99: 1e-3, Max: 0.02}, Pauses: &api.Delays{}},
			Today:   api.Spent{Probes: 4, Tokens: 99, USD: 0.5, Unprobed: 2},
			Targets: []api.TargetProbing{{Target: "gpt-us", Interval: 5, Today: api.Spent{Unprobed: 2}}, {Target: "gpt-us"}, {Target: "stranger", Today: api.Spent{Unprobed: 2}}}}}
}

func TestAgentsAreListedFromWhatTheySay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, plans := agentWorld(t, setup{})
		replace(t, plans, someWork())
		w.get("/v1/agents").want(200).says(`"agents":[]`)
		w.do("POST", "/v1/agents/frankfurt/hello", hello()).want(200).says(`"received_at":"2000-01-01T00:00:00Z"`, `"sent_at"`, `"revision":1`)
		w.get("/v1/agents").want(200).says(`"name":"frankfurt"`, `"vantage":"there"`, `"version":"v1"`, `"clock":"ok"`, `"clock_offset_seconds":0.25`,
			`"spooled":12`, `"dropped":3`, `"away":false`, `"listed":true`, `"behind":false`, `"no provider x here"`)

		off, far := hello(), -7.5
		off.ClockOffset, off.Vantage, off.Plan.Revision = &far, "elsewhere", 0
		w.do("POST", "/v1/agents/oslo/hello", off).want(200)
		w.get("/v1/agents").want(200).says(`"clock":"corrected"`, `"listed":false`, `"behind":true`)

		time.Sleep(50 * time.Second)
		w.get("/v1/agents/oslo/plan").want(200) // is a sign of life too
		time.Sleep(30 * time.Second)
		var got struct {
			Agents []struct {
				Name string
				Away bool
			}
		}
		w.get("/v1/agents").want(200).into(&got)
		if len(got.Agents) != 2 || !got.Agents[0].Away || got.Agents[1].Away {
			t.Errorf("after 80 s of silence: %+v, want frankfurt away and oslo not", got.Agents)
		}
		time.Sleep(25 * time.Hour)
		w.get("/v1/agents").want(200).says(`"agents":[]`)
	})
}

func TestHellosAreBoundedAndNewerOnesUnderstood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := agentWorld(t, setup{})
		w.do("POST", "/v1/agents/a/hello", `{"vantage":"v","plan":{"source":"none"},"novelty":1}`).want(200)
		w.get("/v1/agents").want(200).says(`"clock":"unknown"`, `"troubles":[]`)
		for name, body := range map[string]string{
			"/vantage":              `{"vantage":"No","plan":{"source":"none"}}`,
			"/plan/source":          `{"vantage":"v"}`,
			"/clock_offset_seconds": `{"vantage":"v","plan":{"source":"none"},"clock_offset_seconds":1e300}`,
			"/spooled":              `{"vantage":"v","plan":{"source":"none"},"spooled":-1}`,
			"/probing":              `{"vantage":"v","plan":{"source":"none"},"probing":{"sent":{"<x>":1}}}`,
		} {
			w.do("POST", "/v1/agents/a/hello", body).want(422).says(`"` + name + `"`)
		}
		w.do("POST", "/v1/agents/a/hello", `{`).want(400)
		w.do("POST", "/v1/agents/A/hello", `{}`).want(400)
		w.do("POST", "/v1/agents/a/hello", strings.Repeat(" ", 4<<20+1)).want(413)
		for i := range 600 {
			w.do("POST", fmt.Sprintf("/v1/agents/a%d/hello", i), `{"vantage":"v","plan":{"source":"none"}}`).want(200)
		}
		var got struct{ Agents []struct{ Name string } }
		w.get("/v1/agents").want(200).into(&got)
		if len(got.Agents) != 500 {
			t.Errorf("%d agents are remembered, want 500", len(got.Agents))
		}
		time.Sleep(time.Second) // the server lingers on the connection that it cut
	})
}

func TestProbingIsShownOfEveryVantageAndAsMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		most, usd := 100, 2.5
		w, _ := agentWorld(t, setup{deps: func(d *api.Deps) {
			d.Grant = func(agent string, spent api.Probing) api.Grant {
				return api.Grant{Day: 20777, Total: api.Budget{Probes: &spent.Today.Probes, USD: &usd}}
			}
			d.Probing = func() api.Probing {
				return api.Probing{Jobs: 6, Granted: &api.Grant{Day: 20777, Total: api.Budget{Probes: &most}}, Health: &api.ProberHealth{Unwell: []string{"controls"}, Controls: []api.ControlState{{Control: "192.0.2.1:443", Error: "unreachable", Failures: 2}}, Files: 9, MaxFiles: 1024, Doubted: 3}, Sent: map[string]uint64{"suspicion": 9}, TotalBudget: api.Budget{Probes: &most, USD: &usd}, Today: api.Spent{Probes: 9, Unprobed: 5}}
			}
		}})
		w.do("POST", "/v1/agents/frankfurt/hello", hello()).want(200).says(`"suspicion_budget":{"day":20777,"target":{},"total":{"probes":4,"usd":2.5}}`)
		w.get("/v1/probing").want(200).says(`"max_in_flight":256,"providers":[{"provider":"openai","in_flight":1,"max_in_flight":16}]`, `"scheduling":{"p50_seconds":0.00001,"p99_seconds":0.001,"max_seconds":0.02}`, `"granted":{"day":20777,"target":{},"total":{"probes":100}}`)
		w.get("/v1/probing").want(200).says(`{"vantage":"here","at":`, `"total_budget":{"probes":100,"usd":2.5}`, `"health":{"unwell":["controls"]`, `"max_files":1024`, `"vantage":"there","agent":"frankfurt"`, `"unprobed":2`)
		w.get("/metrics").want(200).says(
			`bellwether_suspicion_unprobed_today{agent="",vantage="here"} 5`, `bellwether_suspicion_spent_today{agent="frankfurt",unit="usd",vantage="there"} 0.5`,
			`bellwether_suspicion_budget_today{agent="",unit="probes",vantage="here"} 100`, `bellwether_scheduler_probes_sent_total{agent="",trigger="suspicion",vantage="here"} 9`,
			`bellwether_suspicion_target_unprobed_today{agent="frankfurt",target="gpt-us",vantage="there"} 2`,
			`bellwether_agent_spooled_observations{agent="frankfurt",vantage="there"} 12`, `bellwether_agent_lost_observations_total{agent="frankfurt",vantage="there"} 3`,
			`bellwether_agent_clock_offset_seconds{agent="frankfurt",vantage="there"} 0.25`)
	})
}

func TestTheLastResultOfEveryCanaryIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		now := time.Now()
		old := seen("before", "gpt-eu", now.Add(-time.Hour), 0.7)
		w.store.observed = append(w.store.observed, old)
		w.server.Observe(seen("a", "gpt-us", now, 0.4))
		w.server.Observe(failed("b", "gpt-us", now.Add(time.Second), bellwether.ServerError))
		w.server.Observe(seen("c", "gpt-us", now.Add(-time.Minute), 0.4)) // late
		w.server.Observe(seen("d", "nobody", now, 0.4))
		there := seen("e", "gpt-us", now, 0.9)
		there.Vantage = "there"
		w.server.Observe(there)
		var got struct {
			Results []struct{ Target, Vantage, Outcome, Observation string }
		}
		w.get("/v1/probes").want(200).into(&got)
		var ids []string
		for _, r := range got.Results {
			ids = append(ids, r.Observation)
		}
		if !slices.Equal(ids, []string{"before", "b", "e"}) {
			t.Errorf("the last results are %+v, want before, b, e", got.Results)
		}
	})
}

func zipped(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(text))
	_ = z.Close()
	return b.String()
}

func TestCompressedBatchesAreTakenAndBoundedWhenOpened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		text, _ := json.Marshal([]bellwether.Observation{seen("a", "gpt-us", time.Now(), 0.4)})
		w.do("POST", "/v1/observations", zipped(string(text)), "Content-Encoding", "gzip").want(200).says(`"accepted":1`)
		bomb := zipped(strings.Repeat(" ", 9<<20) + "[]") // more than the 8 MiB that may come out
		if len(bomb) > 1<<20 {
			t.Fatalf("the bomb has %d bytes", len(bomb))
		}
		w.do("POST", "/v1/observations", bomb, "Content-Encoding", "gzip").want(413)
		w.do("POST", "/v1/observations", zipped(strings.Repeat("{}\n", 5001)), "Content-Encoding", "gzip").want(400)
		w.do("POST", "/v1/observations", string(text), "Content-Encoding", "gzip").want(400)
		whole := zipped(string(text))
		w.do("POST", "/v1/observations", whole[:len(whole)-6], "Content-Encoding", "gzip").want(400)
		w.do("POST", "/v1/observations", string(text), "Content-Encoding", "br").want(415)
		time.Sleep(time.Second) // the server lingers on connections that it cut
	})
}

func TestAgentsFollowTheirPlanThroughRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, plans := agentWorld(t, setup{config: tokens("agents", "agent-token-1", api.Read, api.Observe)})
		replace(t, plans, someWork())
		c := w.client(client.Config{Token: "agent-token-1", Gzip: true})
		got := make(chan client.Plan, 10)
		ended := make(chan error, 1)
		go func() { ended <- c.WatchPlan(t.Context(), "frankfurt", func(p client.Plan) { got <- p }) }()
		if p := <-got; p.Revision != 1 || len(p.Targets) != 2 || len(p.Canaries) != 1 {
			t.Errorf("the first plan is %+v", p)
		}
		time.Sleep(2 * time.Minute) // polls end without news
		plans.Suspect(bellwether.Suspicion{Target: "gpt-us", Since: time.Now(), Interval: 5})
		if p := <-got; p.Revision != 2 || len(p.Suspicions) != 1 {
			t.Errorf("the second plan is %+v", p)
		}
		w.down()
		time.Sleep(time.Minute)
		if len(got) != 0 {
			t.Error("a plan came from nobody")
		}
		if accepted, _, err := c.Observe(t.Context(), []bellwether.Observation{seen("a", "gpt-us", time.Now(), 0.4)}); err == nil {
			t.Errorf("nobody accepted %d", accepted)
		}
		again, plans := agentWorld(t, setup{})
		replace(t, plans, someWork())
		plans.Suspect(bellwether.Suspicion{Target: "gpt-eu", Since: time.Now(), Interval: 5}) // revision 2 of e1, as before
		w.mu.Lock()
		w.pipes = again.pipes
		w.mu.Unlock()
		time.Sleep(time.Minute)
		plans.Suspect(bellwether.Suspicion{Target: "gpt-eu"})
		if p := <-got; p.Revision != 3 {
			t.Errorf("after the restart the plan is %+v", p)
		}
		if accepted, _, err := c.Observe(t.Context(), []bellwether.Observation{seen("a", "gpt-us", time.Now(), 0.4)}); err != nil || accepted != 1 {
			t.Errorf("Observe, compressed = %d, %v", accepted, err)
		}
	})
}

func TestHelloMeasuresTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := agentWorld(t, setup{config: tokens("agents", "agent-token-1", api.Observe)})
		clock, err := w.client(client.Config{Token: "agent-token-1"}).Hello(t.Context(), "a", hello())
		if err != nil || clock.Offset != 0 || clock.Error != 0 {
			t.Errorf("Hello = %+v, %v, want a clock that is right", clock, err)
		}
		_, err = w.client(client.Config{Token: "wrong-token"}).Hello(t.Context(), "a", hello())
		if e, ok := errors.AsType[*client.Error](err); !ok || e.Status != 401 {
			t.Errorf("Hello of a stranger = %v, want a 401", err)
		}
	})
}

func FuzzHello(f *testing.F) {
	f.Add([]byte(`{"vantage":"v","plan":{"source":"none"}}`))
	good, _ := json.Marshal(hello())
	f.Add(good)
	f.Add([]byte(`{"vantage":"v","troubles":["\u0000"],"probing":{"targets":null}}`))
	server, err := api.New(api.Config{}, api.Deps{Board: api.NewBoard(), Store: &shelf{}, Facts: someFacts, Plans: api.NewPlanner("e")})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		h := theContract().wrap(t, server.Handler())
		ask(h, "POST", "/v1/agents/a/hello", body)
		for _, path := range []string{"/v1/agents", "/v1/probing", "/metrics"} {
			if status := ask(h, "GET", path, nil); status != 200 {
				t.Errorf("after a hello of %q GET %s answers %d", body, path, status)
			}
		}
	})
}

func TestMissedProbesAreCountedByReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{deps: func(d *api.Deps) { d.Probing = func() api.Probing { return api.Probing{Missed: 8} } }})
		for i, why := range []string{"no free slot to its provider in time", "3 earlier ones are still in flight", "our own process or clock was late",
			"our own process or clock was late, as it was for the 4 times after this one", "our own process or clock was late, as it was for the many times after", ""} {
			o := seen(fmt.Sprint(i), "gpt-us", time.Now(), 0)
			o.Outcome, o.Error = bellwether.Missed, "not sent: "+why
			w.server.Observe(o)
		}
		w.get("/v1/probing").want(200).says(`"missed":8`,
			`"missed_by_reason":{"earlier ones are still in flight":1,"no free slot to its provider in time":1,"no reason given":1,"our own process or clock was late":7}`)
		for i := range 50 {
			o := seen(fmt.Sprint("x", i), "gpt-us", time.Now(), 0)
			o.Outcome, o.Error = bellwether.Missed, fmt.Sprint("invented ", i)
			w.server.Observe(o)
		}
		w.get("/v1/probing").want(200).says(`"other":34`)
	})
}
