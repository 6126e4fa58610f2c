package api_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellwether-llm/bellwether/api"
	"github.com/bellwether-llm/bellwether/internal/conf"
)

func threeTokens() api.Config {
	return api.Config{Tokens: []api.Token{
		{Name: "reader", Scopes: []api.Scope{api.Read}, Token: "reader-token"},
		{Name: "router", Scopes: []api.Scope{api.Observe}, Token: "router-token"},
		{Name: "olivia", Scopes: []api.Scope{api.Operate}, Token: "operator-token"},
		{Name: "by-default", Token: "default-token"},
	}}
}

func TestEveryEndpointNeedsItsScope(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{config: threeTokens()})
		w.board.Publish(edition(1))
		w.store.incidents = someIncidents(time.Now())
		for _, tt := range []struct {
			method, path string
			scope        string // "" is everybody
		}{
			{"GET", "/v1/weights", "reader"}, {"GET", "/v1/weights/watch", "reader"}, {"GET", "/v1/routers", "reader"},
			{"GET", "/v1/decision?route=chat", "reader"}, {"GET", "/v1/routes", "reader"}, {"GET", "/v1/routes/chat/preview?down=gpt-us", "reader"},
			{"GET", "/v1/revisions", "reader"}, {"GET", "/v1/targets", "reader"}, {"GET", "/v1/targets/gpt-us", "reader"},
			{"GET", "/v1/targets/gpt-us/series", "reader"}, {"GET", "/v1/changes", "reader"}, {"GET", "/v1/observations", "reader"},
			{"GET", "/v1/canaries", "reader"}, {"GET", "/v1/incidents", "reader"}, {"GET", "/v1/incidents/i1", "reader"},
			{"GET", "/v1/overrides", "reader"}, {"GET", "/v1/slos", "reader"}, {"GET", "/metrics", "reader"}, {"GET", "/badge/gpt-us.svg", "reader"},
			{"POST", "/v1/observations", "router"},
			{"POST", "/v1/probes", "olivia"}, {"POST", "/v1/incidents/i1/ack", "olivia"}, {"POST", "/v1/incidents/i1/notes", "olivia"},
			{"POST", "/v1/overrides", "olivia"}, {"DELETE", "/v1/overrides/x", "olivia"},
			{"GET", "/v1/session", ""}, {"GET", "/v1/openapi.yaml", ""}, {"GET", "/livez", ""}, {"GET", "/readyz", ""},
		} {
			for who, token := range map[string]string{"reader": "reader-token", "router": "router-token", "olivia": "operator-token", "nobody": "", "a stranger": "a-strange-token"} {
				w.token = token
				got := w.do(tt.method, tt.path, nil).status
				refused := got == http.StatusUnauthorized || got == http.StatusForbidden
				if want := tt.scope != "" && tt.scope != who; refused != want {
					t.Errorf("%s %s by %s: %d, want refusal %v", tt.method, tt.path, who, got, want)
				}
			}
		}
		w.token = "default-token"
		w.get("/v1/weights").want(200) // no scopes: read
	})
}

func TestRefusalsSayWhatIsNeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{config: threeTokens()})
		a := w.get("/v1/weights").want(401).says("scope read")
		if a.header.Get("WWW-Authenticate") == "" {
			t.Error("the 401 has no WWW-Authenticate")
		}
		w.get("/v1/weights", "Authorization", "Bearer wrong").want(401).says("not known")
		w.get("/v1/weights", "Authorization", "Basic cmVhZGVyOnRva2Vu").want(401).says("Bearer")
		w.get("/v1/weights", "Authorization", "Bearer operator-token").want(403).says("olivia", "read")
	})
}

// cookie returns the cookie of an answer as a Cookie header has it.
func (a answer) cookie() string {
	c, _, _ := strings.Cut(a.header.Get("Set-Cookie"), ";")
	return c
}

func TestABrowserExchangesATokenForACookie(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{config: threeTokens()})
		w.board.Publish(edition(1))
		w.get("/v1/session").want(200).says(`"authenticated":false`, `"open":false`)
		w.do("POST", "/v1/session", map[string]string{"token": "wrong-token"}).want(401)
		w.do("POST", "/v1/session", "{").want(400)
		a := w.do("POST", "/v1/session", map[string]string{"token": "reader-token"}).want(200).says(`"reader"`)
		for _, attr := range []string{"HttpOnly", "SameSite=Strict", "Path=/"} {
			if !strings.Contains(a.header.Get("Set-Cookie"), attr) {
				t.Errorf("the cookie %q lacks %s", a.header.Get("Set-Cookie"), attr)
			}
		}
		if strings.Contains(a.header.Get("Set-Cookie"), "reader-token") {
			t.Error("the cookie holds the token")
		}
		w.get("/v1/weights", "Cookie", a.cookie()).want(200)
		w.get("/v1/session", "Cookie", a.cookie()).want(200).says(`"authenticated":true`, `"reader"`, `"1.2.3"`)
		w.do("POST", "/v1/probes", nil, "Cookie", a.cookie()).want(403)
		w.get("/v1/weights", "Cookie", a.cookie()+"x").want(401)
		w.get("/v1/weights", "Cookie", strings.Replace(a.cookie(), ".", ".9", 1)).want(401)

		again := newWorld(t, setup{config: threeTokens()}) // a restart
		again.board.Publish(edition(1))
		again.get("/v1/weights", "Cookie", a.cookie()).want(200)
		changed := threeTokens()
		changed.Tokens[0].Token = "another-token"
		other := newWorld(t, setup{config: changed})
		other.get("/v1/weights", "Cookie", a.cookie()).want(401)

		time.Sleep(12*time.Hour + time.Second)
		w.get("/v1/weights", "Cookie", a.cookie()).want(401).says("log in again")
		if out := w.do("DELETE", "/v1/session", nil).want(204); !strings.Contains(out.header.Get("Set-Cookie"), "Max-Age=0") {
			t.Errorf("logging out sets %q, want the cookie gone", out.header.Get("Set-Cookie"))
		}
	})
}

func TestGuessingTokensIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{config: threeTokens()})
		var got []int
		for range 12 {
			got = append(got, w.do("POST", "/v1/session", map[string]string{"token": "guess"}).status)
		}
		if !slices.Contains(got, http.StatusTooManyRequests) {
			t.Errorf("12 guesses at once were answered %v, want some 429", got)
		}
		time.Sleep(time.Minute)
		w.do("POST", "/v1/session", map[string]string{"token": "reader-token"}).want(200)
	})
}

func TestPagesOfOtherSitesMayNotWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		body := map[string]any{"target": "gpt-us", "weight": 0, "reason": "test", "for": "1h"}
		w.do("POST", "/v1/overrides", body, "Sec-Fetch-Site", "cross-site").want(403).says("another site")
		w.do("POST", "/v1/overrides", body, "Origin", "https://evil.example").want(403)
		w.do("POST", "/v1/overrides", body, "Sec-Fetch-Site", "same-origin").want(201)
		w.do("POST", "/v1/overrides", body).want(201)
		public := newWorld(t, setup{config: api.Config{PublicURL: "https://status.example.com"}})
		public.do("POST", "/v1/overrides", body, "Origin", "https://status.example.com", "Sec-Fetch-Site", "cross-site").want(201)
	})
}

func TestAnOpenServerAnswersToLocalNamesOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		public := api.Config{PublicURL: "https://status.example.com"}
		for _, tt := range []struct {
			config api.Config
			host   string
			want   int
		}{
			{api.Config{}, "localhost:8780", 200},
			{api.Config{}, "127.0.0.1:8780", 200},
			{api.Config{}, "[::1]:8780", 200},
			{api.Config{}, "LOCALHOST", 200},
			{api.Config{}, "evil.example", 403},
			{api.Config{}, "localhost.evil.example", 403},
			{public, "status.example.com", 200},
			{public, "evil.example", 403},
			{api.Config{AllowOpen: true}, "bellwether:8780", 200},
			{threeTokens(), "bellwether:8780", 401},
		} {
			w := newWorld(t, setup{config: tt.config})
			w.board.Publish(edition(1))
			if got := w.get("/v1/weights", "Host", tt.host).status; got != tt.want {
				t.Errorf("GET with host %s: %d, want %d", tt.host, got, tt.want)
			}
		}
	})
}

func TestEveryAnswerHasTheSecurityHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		for _, path := range []string{"/", "/v1/targets", "/v1/nothing", "/livez"} {
			h := w.get(path).header
			if csp := h.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'self'") || !strings.Contains(csp, "frame-ancestors 'none'") {
				t.Errorf("GET %s: Content-Security-Policy is %q", path, csp)
			}
			if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") == "" {
				t.Errorf("GET %s: headers are %v", path, h)
			}
		}
	})
}

func TestBadConfigsAreExplained(t *testing.T) {
	ok := api.Token{Name: "a", Token: "long-enough"}
	for name, tt := range map[string]struct {
		config api.Config
		want   []string // paths of the problems
	}{
		"the zero config":               {api.Config{}, nil},
		"open to others":                {api.Config{Listen: "0.0.0.0:8780"}, []string{"listen"}},
		"open to all interfaces":        {api.Config{Listen: ":8780"}, []string{"listen"}},
		"open to others on purpose":     {api.Config{Listen: ":8780", AllowOpen: true}, nil},
		"with a token":                  {api.Config{Listen: ":8780", Tokens: []api.Token{ok}}, nil},
		"on the local host":             {api.Config{Listen: "localhost:0"}, nil},
		"on another loopback":           {api.Config{Listen: "[::1]:80"}, nil},
		"no port":                       {api.Config{Listen: "localhost"}, []string{"listen"}},
		"a public url without scheme":   {api.Config{PublicURL: "status.example.com"}, []string{"public_url"}},
		"a ttl below a second":          {api.Config{TTL: conf.Duration(time.Millisecond)}, []string{"ttl"}},
		"a negative hold":               {api.Config{Hold: -1}, []string{"hold"}},
		"a token without name":          {api.Config{Tokens: []api.Token{{Token: "long-enough"}}}, []string{"tokens[0].name"}},
		"an empty token":                {api.Config{Tokens: []api.Token{{Name: "a"}}}, []string{"tokens[0].token"}},
		"a name twice, a token twice":   {api.Config{Tokens: []api.Token{ok, ok}}, []string{"tokens[1].name", "tokens[1].token"}},
		"a scope that there is not":     {api.Config{Tokens: []api.Token{{Name: "a", Token: "long-enough", Scopes: []api.Scope{"read", "write"}}}}, []string{"tokens[0].scopes[1]"}},
		"everything wrong, all at once": {api.Config{Listen: "x", PublicURL: "x", TTL: -1, Tokens: []api.Token{{}}}, []string{"listen", "public_url", "ttl", "tokens[0].name", "tokens[0].token"}},
	} {
		var got []string
		for _, p := range tt.config.Validate() {
			got = append(got, p.Path)
			if p.Remedy == "" || strings.Contains(p.Error(), "long-enough") {
				t.Errorf("%s: problem %q has no remedy, or shows a token", name, p)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: problems at %v, want %v", name, got, tt.want)
		}
	}
	if _, err := api.New(api.Config{Listen: ":1"}, api.Deps{}); err == nil || !strings.Contains(err.Error(), "server.tokens") {
		t.Errorf("New of a bad config = %v, want the remedy", err)
	}
	if _, err := api.New(api.Config{}, api.Deps{}); err == nil {
		t.Error("New without deps = nil, want an error")
	}
}
