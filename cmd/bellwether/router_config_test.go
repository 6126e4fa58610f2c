package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether/internal/sim"
	"github.com/bellwether-llm/bellwether/router"
)

const routedConfig = `
providers:
  acme:
    protocol: openai
    base_url: "http://127.0.0.1:1/v1"
    api_keys: [{key: key-one, requests_per_minute: 60}, {key: "${SECOND}", name: spare}]
    regions:
      eu: {base_url: "http://127.0.0.1:2/v1", api_key: key-eu}
targets:
  - {id: a, provider: acme, model: m, region: us, capabilities: [tools, prefill], context_window: 8000, tasks: [simple], limits: {concurrency: 5}}
  - {id: b, provider: acme, model: m, region: eu}
routes:
  chat:
    tiers: [[a], [b]]
    rescue: [buffer, continue, restart]
    buffer: {tokens: 64, seconds: 2}
    hedge: {after: 2s, max_cost: 0.05}
    sticky: [header, conversation]
    policy_fallback: true
router:
  retry_budget: 0.1
  breaker: {failures: 3, cooldown: 2s}
`

func second(name string) (string, bool) { return "key-two", name == "SECOND" }

func TestTheRouterGetsWhatTheConfigSays(t *testing.T) {
	cfg, fs := ParseConfig("c.yaml", []byte(routedConfig), second)
	if len(fs) > 0 {
		t.Fatal(fs)
	}
	s := cfg.routerSetup()
	a, b, r := s.Targets[0], s.Targets[1], s.Routes[0]
	if len(a.Keys) != 2 || a.Keys[0].Key.Reveal() != "key-one" || a.Keys[0].RequestsPerMinute != 60 || a.Keys[1].Key.Reveal() != "key-two" || a.Keys[1].Name != "spare" {
		t.Errorf("keys of a = %+v", a.Keys)
	}
	if a.Endpoint.Key.Reveal() != "key-one" || len(b.Keys) != 0 || b.Endpoint.Key.Reveal() != "key-eu" {
		t.Errorf("probes of a use %v of the pool, b has %d keys", a.Endpoint.Key.Reveal(), len(b.Keys))
	}
	if a.ContextWindow != 8000 || a.Limits.Concurrency != 5 || !slices.Equal(a.Tasks, []string{"simple"}) || len(a.Capabilities) != 2 {
		t.Errorf("a = %+v", a)
	}
	if r.Buffer != (router.BufferConfig{Tokens: 64, Seconds: 2}) || r.Hedge.MaxCost != .05 || len(r.Rescue) != 3 || !r.PolicyFallback || len(r.Sticky) != 2 {
		t.Errorf("route = %+v", r.Conduct)
	}
	if *cfg.Router.RetryBudget != .1 || cfg.Router.Breaker.Failures != 3 {
		t.Errorf("router = %+v", cfg.Router)
	}
}

func TestSlipsInTheRoutersConfigAreFoundWithTheirPlace(t *testing.T) {
	for was, tc := range map[string]struct{ is, says string }{
		"rescue: [buffer, continue, restart]":  {"rescue: [buffer, retry]", "c.yaml:15:22"},
		"sticky: [header, conversation]":       {"sticky: [cookie]", `"cookie" is none of header, user, conversation`},
		"after: 2s, max_cost: 0.05":            {"after: 2s", "without it nothing is hedged"},
		"rescue: [buffer, continue, restart] ": {"rescue: [restart] ", ""},
		"capabilities: [tools, prefill]":       {"capabilities: [tool, prefill]", `did you mean "tools"?`},
		"limits: {concurrency: 5}":             {"limits: {concurrency: -5}", "limits.concurrency"},
		"regions:\n      eu: {":                {"regions:\n      eu: {api_keys: [{key: x}], ", "stands beside api_key"},
		"{key: key-one, ":                      {"{", "has no key"},
		"failures: 3, cooldown: 2s":            {"failures: -1, max_cooldown: 1s, cooldown: 2s", "breaker.failures"},
		"retry_budget: 0.1":                    {"retry_budget: -1", "write 0 to 10"},
	} {
		text := strings.Replace(routedConfig, was, tc.is, 1)
		_, fs := ParseConfig("c.yaml", []byte(text), second)
		if tc.says != "" && (len(fs) == 0 || !strings.Contains(fs.Error(), tc.says)) {
			t.Errorf("%s: %v, want %q", tc.is, fs, tc.says)
		}
	}
}

func TestARouterAloneReloadsItsConfig(t *testing.T) {
	provider, err := sim.New(sim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	upstream := httptest.NewServer(provider)
	defer upstream.Close()
	file := filepath.Join(t.TempDir(), "bellwether.yaml")
	write := func(id string) {
		t.Helper()
		text := "providers: {p: {protocol: openai, base_url: \"" + upstream.URL + "/v1\"}}\n" +
			"targets: [{id: " + id + ", provider: p, model: \"m?first_token=1ms&inter_token=0s\"}]\nroutes: {chat: {tiers: [[" + id + "]]}}\nrouter: {listen: \"127.0.0.1:0\"}\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first")
	cfg, err := LoadConfig(file)
	if err != nil {
		t.Fatal(err)
	}
	rt, err := newRouter(cfg, "", "", newLogger(t.Output(), false))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- watchRouter(t.Context(), rt, file, &cfg, newLogger(t.Output(), false)) }()
	answeredBy := func() string {
		w := httptest.NewRecorder()
		rt.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/v1/chat/completions", strings.NewReader(`{"model":"chat","messages":[{"role":"user","content":"hi"}]}`)))
		return w.Header().Get("X-Bellwether-Target")
	}
	if by := answeredBy(); by != "first" {
		t.Fatalf("answered by %q", by)
	}
	write("second")
	deadline, tick := time.After(20*time.Second), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for answeredBy() != "second" {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("the new config was never in force")
		}
	}
}

func TestCheckWarnsOfConductThatNobodyCanKeep(t *testing.T) {
	for was, tc := range map[string]struct{ is, says string }{
		"capabilities: [tools, prefill]": {"capabilities: [tools]", "route chat rescues by continue, and no target of it has the capability prefill"},
		"tiers: [[a], [b]]":              {"tiers: [[a]]", "route chat hedges, and has one target"},
	} {
		cfg, fs := ParseConfig("c.yaml", []byte(strings.Replace(routedConfig, was, tc.is, 1)), second)
		if len(fs) > 0 {
			t.Fatal(fs)
		}
		if got := strings.Join(routeWarnings(cfg), "\n"); !strings.Contains(got, tc.says) {
			t.Errorf("%s: warned of %q, want %q", tc.is, got, tc.says)
		}
	}
	cfg, _ := ParseConfig("c.yaml", []byte(strings.Replace(routedConfig, "[[a], [b]]", "[[a]]", 1)), second)
	if got := strings.Join(routeWarnings(cfg), "\n"); strings.Contains(got, "one API key") {
		t.Errorf("a pool of two keys is no single key: %q", got)
	}
}
