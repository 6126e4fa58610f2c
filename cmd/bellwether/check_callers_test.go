package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bellwether-llm/bellwether/internal/conf"
	"github.com/bellwether-llm/bellwether/router"
)

func TestCheckWarnsOfCallersThatAreMostLikelyNotMeant(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.yaml")
	text := `
providers: {p: {protocol: openai, base_url: "http://127.0.0.1:1/v1", api_key: k}}
targets: [{id: a, provider: p, model: m}]
routes: {chat: {tiers: [[{target: a}]]}}
router:
  listen: 127.0.0.1:8781
  callers:
    team: {tokens: [team-token-1], routes: [chat, a, m, chats], budget: {month: {usd: 5}}}
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := LoadConfig(file)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(warnings(cfg), "\n")
	for _, want := range []string{`team may ask for "chats"`, "team has a budget in USD", "forgotten when `bellwether router` restarts"} {
		if !strings.Contains(got, want) {
			t.Errorf("no warning %q in\n%s", want, got)
		}
	}
	if n := strings.Count(got, "may ask for"); n != 1 {
		t.Errorf("%d warnings of routes in\n%s", n, got)
	}
}

func TestAReloadChangesWhoMayCallButNeverOpensTheRouter(t *testing.T) {
	with := func(listen string, keys map[string]conf.Secret, callers map[string]router.CallerConfig) *Config {
		return &Config{Router: router.Config{Listen: listen, Keys: keys, Callers: callers}}
	}
	team := map[string]router.CallerConfig{"team": {Tokens: []conf.Secret{"team-token-1"}}}
	old := with("0.0.0.0:1", map[string]conf.Secret{"app": "app-token-1"}, nil)
	next := with("0.0.0.0:1", nil, team)
	if kept := keepSettledButCallers(next, old, "router"); len(kept) != 0 || len(next.Router.Callers) != 1 || len(next.Router.Keys) != 0 {
		t.Errorf("callers for keys: kept %v, %+v", kept, next.Router)
	}
	next = with("127.0.0.1:1", nil, nil)
	if kept := keepSettledButCallers(next, old, "router"); strings.Join(kept, " ") != "router router.keys" || next.Router.Keys["app"] == "" || next.Router.Listen != "0.0.0.0:1" {
		t.Errorf("no tokens any more: kept %v, %+v", kept, next.Router)
	}
}
