package router_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/conf"
	"github.com/bellwether-llm/bellwether/internal/sim"
	"github.com/bellwether-llm/bellwether/llm"
	"github.com/bellwether-llm/bellwether/router"
)

func TestRequestsThatNoTargetSees(t *testing.T) {
	k := newKit(t, router.Config{MaxBodyBytes: 1000}, quick, place{"one", llm.OpenAI})
	for name, tc := range map[string]struct {
		q      fields
		status int
		code   string
		phrase string
	}{
		"an unknown model":      {fields{"model": "gpt-9", "messages": []fields{{"role": "user", "content": "hi"}}}, 404, "model_not_found", "/v1/models"},
		"no model":              {fields{"messages": []fields{{"role": "user", "content": "hi"}}}, 404, "model_not_found", ""},
		"a body too large":      {question(strings.Repeat("x", 2000), false, nil), 413, "request_too_large", "1000 bytes"},
		"no messages":           {fields{"model": "chat"}, 400, "invalid_request", "messages"},
		"a field of no sense":   {question("hi", false, fields{"temperature": "hot"}), 400, "invalid_request", "temperature"},
		"an unknown role":       {fields{"model": "chat", "messages": []fields{{"role": "oracle", "content": "hi"}}}, 400, "invalid_request", "oracle"},
		"a model without sense": {fields{"model": 7, "messages": []fields{{"role": "user", "content": "hi"}}}, 400, "invalid_request", "model"},
	} {
		a := k.ask(tc.q)
		if a.status != tc.status || a.code != tc.code || !strings.Contains(a.message, tc.phrase) || a.header.Get("X-Request-Id") == "" {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	if k.seen("one") != 0 {
		t.Error("a target was asked")
	}
	resp, err := http.Post(k.url+"/v1/chat/completions", "application/json", strings.NewReader("{"))
	if err != nil || resp.StatusCode != 400 {
		t.Fatalf("half an object: %v, %v", resp, err)
	}
	_ = resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if got := k.get("/v1/embeddings"); !strings.Contains(got, "unknown_url") {
		t.Errorf("an unknown path: %s", got)
	}
}

func TestOnlyCallersWithAKeyAreServed(t *testing.T) {
	k := newKit(t, router.Config{Keys: map[string]conf.Secret{"app": "app-secret-1", "batch": "batch-secret"}}, quick, place{"one", llm.OpenAI})
	for auth, want := range map[string]int{
		"": 401, "Bearer": 401, "Bearer ": 401, "Bearer app-secret-2": 401, "app-secret-1": 401, "Basic app-secret-1": 401,
		"Bearer app-secret-1 ": 200, // spaces around a header's value are none of it
		"Bearer app-secret-1":  200, "bearer batch-secret": 200,
	} {
		a := k.askAs(question(capital, false, nil), http.Header{"Authorization": {auth}})
		if a.status != want || want == 401 && a.code != "invalid_api_key" || a.header.Get("X-Request-Id") == "" {
			t.Errorf("%q: %d %s, want %d", auth, a.status, a.body, want)
		}
	}
	if got := k.get("/v1/models"); !strings.Contains(got, "invalid_api_key") {
		t.Errorf("models without a key: %s", got)
	}
	if _, err := router.New(router.Config{Keys: map[string]conf.Secret{"app": ""}}, router.Setup{}, router.Options{}); err == nil {
		t.Error("an empty key was taken: it would admit everybody")
	}
}

func TestNothingOfTheCallersReachesAProviderButTheRequest(t *testing.T) {
	for _, p := range llm.Protocols() {
		k := newKit(t, router.Config{Keys: map[string]conf.Secret{"app": "caller-secret"}}, quick, place{"one", p})
		a := k.askAs(question(capital, false, nil), http.Header{"Authorization": {"Bearer caller-secret"}, "Cookie": {"session=abc"},
			"X-Forwarded-For": {"10.1.2.3"}, "X-Api-Key": {"caller-secret"}, "Api-Key": {"caller-secret"}, "Openai-Organization": {"org"}})
		if a.status != 200 {
			t.Fatalf("%s: %+v", p, a)
		}
		k.mu.Lock()
		sent := k.sent["one"]
		k.mu.Unlock()
		all, _ := json.Marshal(sent)
		for _, secret := range []string{"caller-secret", "session=abc", "10.1.2.3", "org", "Idempotency"} {
			if strings.Contains(string(all), secret) {
				t.Errorf("%s: %q reached the provider: %s", p, secret, all)
			}
		}
		if strings.Contains(a.body, upstreamKey) {
			t.Errorf("%s: the provider's key reached the caller", p)
		}
	}
}

func TestTooManyInFlightAreTurnedAway(t *testing.T) {
	k := newKit(t, router.Config{MaxInFlight: 1}, router.Route{}, place{"one", llm.OpenAI})
	k.fail(sim.Fault{Kind: sim.KindHang})
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() { left <- k.leaveAtEnd(ctx, false) }()
	defer func() { leave(); <-left }()
	k.await(func(c sim.Counts) bool { return c.Received == 1 })
	a := k.ask(question(capital, false, nil))
	if a.status != 503 || a.code != "too_many_in_flight" || a.header.Get("Retry-After") != "1" {
		t.Errorf("answer = %+v", a)
	}
	if got := k.get("/livez"); got != "ok\n" {
		t.Errorf("livez = %q while busy", got)
	}
}

func TestModelsListsRoutesThenTargetsThenModels(t *testing.T) {
	k := newKit(t, router.Config{}, quick, place{"zeta", llm.OpenAI}, place{"alpha", llm.Anthropic})
	var list struct {
		Object string
		Data   []struct{ ID, Object, OwnedBy string }
	}
	if err := json.Unmarshal([]byte(k.get("/v1/models")), &list); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, m := range list.Data {
		ids = append(ids, m.ID)
	}
	if want := []string{"chat", "alpha", "zeta", "model-alpha", "model-zeta"}; !slices.Equal(ids, want) || list.Object != "list" {
		t.Errorf("models = %v, want %v", ids, want)
	}
	for _, name := range ids {
		if a := k.ask(question(capital, false, fields{"model": name})); a.status != 200 || name == "alpha" && a.by() != "alpha" {
			t.Errorf("model %s: %+v", name, a)
		}
	}
}

func TestMetricsTellWhatCallersAndTargetsSaw(t *testing.T) {
	k := newKit(t, router.Config{}, quick, place{"one", llm.OpenAI}, place{"two", llm.Anthropic})
	k.fail(sim.Fault{Region: "one", Kind: sim.KindStatus, Value: 500})
	k.ask(question(capital, true, nil))
	k.ask(question(capital, false, fields{"model": "two"}))
	k.ask(question(capital, false, fields{"model": "nobody"}))
	for _, line := range []string{
		`bellwether_router_attempts_total{target="one",route="chat",outcome="server_error"} 2`,
		`bellwether_router_attempts_total{target="two",route="chat",outcome="ok"} 1`,
		`bellwether_router_attempts_total{target="two",route="",outcome="ok"} 1`,
		`bellwether_router_requests_total{route="chat",outcome="ok"} 1`,
		`bellwether_router_refused_total{code="model_not_found"} 1`,
		`bellwether_router_time_to_first_token_seconds_count{target="two"} 1`,
		`bellwether_router_in_flight 0`, `bellwether_router_weights_stale 0`, `bellwether_router_drift_ratio 0`,
	} {
		k.awaitMetric(line)
	}
}

func TestReplaceServesTheNewSetupAndRefusesABrokenOne(t *testing.T) {
	k := newRouter(t, router.Config{}, quick, scripted(t, "one", llm.OpenAI, says(200, plain)))
	two := scripted(t, "two", llm.OpenAI, says(200, plain))
	route := func(targets ...string) router.Route {
		r := router.Route{}
		r.Name = "chat"
		for _, id := range targets {
			r.Tiers = append(r.Tiers, []bellwether.TierTarget{{Target: id}})
		}
		return r
	}
	many := make([]string, 65)
	for i := range many {
		many[i] = "two"
	}
	for name, s := range map[string]router.Setup{
		"an unknown target":   {Targets: []router.Target{two}, Routes: []router.Route{route("three")}},
		"no target":           {Targets: []router.Target{two}, Routes: []router.Route{route()}},
		"too many":            {Targets: []router.Target{two}, Routes: []router.Route{route(many...)}},
		"an unknown protocol": {Targets: []router.Target{{Target: bellwether.Target{ID: "x"}, Protocol: "smoke"}}},
	} {
		if err := k.rt.Replace(s); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if a := k.ask(question("hi", false, nil)); a.by() != "one" {
		t.Errorf("after broken setups: %+v", a)
	}
	if err := k.rt.Replace(router.Setup{Targets: []router.Target{two}, Routes: []router.Route{route("two")}}); err != nil {
		t.Fatal(err)
	}
	if a := k.ask(question("hi", false, nil)); a.by() != "two" {
		t.Errorf("after the new setup: %+v", a)
	}
}

func TestConfigProblemsAreSaidAllAtOnce(t *testing.T) {
	bad := router.Config{Listen: "0.0.0.0:8781", Server: "ftp://x", Keys: map[string]conf.Secret{}, Region: "EU West", Name: strings.Repeat("n", 101), MaxBodyBytes: -1, MaxInFlight: -1, Attempts: 99, ReportEvery: 1}
	var paths []string
	for _, p := range bad.Validate() {
		paths = append(paths, p.Path)
	}
	if want := []string{"listen", "server", "region", "name", "max_body_bytes", "max_in_flight", "attempts", "report_every"}; !slices.Equal(paths, want) {
		t.Errorf("problems at %v, want %v", paths, want)
	}
	for _, good := range []router.Config{{}, {Listen: "127.0.0.1:0"}, {Listen: "[::1]:1"}, {Listen: ":8781", AllowOpen: true},
		{Listen: "0.0.0.0:1", Keys: map[string]conf.Secret{"app": "long-enough"}}} {
		if ps := good.Validate(); len(ps) > 0 {
			t.Errorf("%+v: %v", good, ps)
		}
	}
}

func TestTheProvidersKeyIsNeverTold(t *testing.T) {
	for _, status := range []int{400, 401, 500} {
		k := newRouter(t, router.Config{}, quick, scripted(t, "one", llm.OpenAI, says(status, `{"error":{"message":"you sent `+upstreamKey+` here"}}`)))
		if a := k.ask(question("hi", false, nil)); strings.Contains(a.body, upstreamKey) || a.message == "" {
			t.Errorf("%d: %s", status, a.body)
		}
	}
	k := newRouter(t, router.Config{}, quick, scripted(t, "one", llm.OpenAI, breaking(`{"error":{"message":"you sent `+upstreamKey+` here"}}`)))
	if a := k.ask(question("hi", true, nil)); strings.Contains(a.body, upstreamKey) || a.broken == "" {
		t.Errorf("in the stream: %s", a.body)
	}
}
