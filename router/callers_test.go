package router_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/conf"
	"github.com/bellwether-llm/bellwether/router"
)

// as is the header of a caller with a token.
func as(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

// getAs returns the status and body of a GET by a caller.
func (k *kit) getAs(token, path string) (int, string) {
	k.t.Helper()
	req, err := http.NewRequestWithContext(k.t.Context(), http.MethodGet, k.url+path, nil)
	if err != nil {
		k.t.Fatal(err)
	}
	req.Header = as(token)
	return k.do(req)
}

func tokensOf(tokens ...string) (out []conf.Secret) {
	for _, t := range tokens {
		out = append(out, conf.Secret(t))
	}
	return out
}

func TestCallersMayDoWhatTheirScopesAndRoutesSay(t *testing.T) {
	cfg := router.Config{Keys: map[string]conf.Secret{"app": "app-token-1"}, Callers: map[string]router.CallerConfig{
		"narrow": {Tokens: tokensOf("narrow-token-1"), Routes: []string{"one"}},
		"ops":    {Tokens: tokensOf("ops-token-1"), Scopes: []string{"accounts", "debug"}},
	}}
	one := newFake(t, "one", goodPlain)
	k := newFakes(t, cfg, router.Route{}, one)
	for _, c := range []struct {
		token, model string
		status       int
		code         string
	}{
		{"app-token-1", "chat", 200, ""},
		{"app-token-1", "one", 200, ""},
		{"narrow-token-1", "one", 200, ""},
		{"narrow-token-1", "chat", 403, "model_not_allowed"},
		{"ops-token-1", "chat", 403, "scope_missing"},
		{"wrong-token-1", "chat", 401, "invalid_api_key"},
		{"", "chat", 401, "invalid_api_key"},
	} {
		if a := k.askAs(question("hi", false, fields{"model": c.model}), as(c.token)); a.status != c.status || a.code != c.code {
			t.Errorf("%q asks for %s: %d %s, want %d %s", c.token, c.model, a.status, a.code, c.status, c.code)
		}
	}
	if one.received() != 3 {
		t.Errorf("the provider got %d requests, want 3", one.received())
	}
	if _, body := k.getAs("narrow-token-1", "/v1/models"); strings.Contains(body, `"chat"`) || !strings.Contains(body, `"one"`) {
		t.Errorf("narrow sees the models %s", body)
	}
	for token, want := range map[string]int{"app-token-1": 403, "ops-token-1": 200} {
		if status, body := k.getAs(token, "/v1/usage?caller=narrow"); status != want {
			t.Errorf("%s reads another's usage: %d %s", token, status, body)
		}
	}
}

func TestTokensOverlapWhileOneReplacesAnother(t *testing.T) {
	with := func(tokens ...string) router.Config {
		return router.Config{Callers: map[string]router.CallerConfig{"app": {Tokens: tokensOf(tokens...), Budget: router.BudgetConfig{Month: router.Allowance{Requests: 4}}}}}
	}
	k := newFakes(t, with("old-token-1"), router.Route{}, newFake(t, "one", goodPlain))
	try := func(token string, want int) {
		t.Helper()
		if a := k.askAs(question("hi", false, nil), as(token)); a.status != want {
			t.Errorf("%s: %d %s, want %d", token, a.status, a.code, want)
		}
	}
	put := func(tokens ...string) {
		t.Helper()
		if err := k.rt.Admit(with(tokens...).Admission()); err != nil {
			t.Fatal(err)
		}
	}
	try("old-token-1", 200)
	put("new-token-1", "old-token-1")
	try("old-token-1", 200)
	try("new-token-1", 200)
	put("new-token-1")
	try("old-token-1", 401)
	try("new-token-1", 200)
	try("new-token-1", 429) // the budget is the caller's, whatever its tokens
	if err := k.rt.Admit(router.Admission{Callers: map[string]router.CallerConfig{"app": {}}}); err == nil {
		t.Error("callers without any token were admitted")
	}
}

func TestACallerBeyondItsLimitsIsToldWhenToComeAgain(t *testing.T) {
	began := make(chan struct{}, 1)
	one := newFake(t, "one", goodPlain, func(w http.ResponseWriter, r *http.Request) { began <- struct{}{}; silence(w, r) })
	k := newFakes(t, router.Config{Callers: map[string]router.CallerConfig{
		"slow":  {Tokens: tokensOf("slow-token-1"), Limits: router.Limits{RequestsPerMinute: 1}},
		"small": {Tokens: tokensOf("small-token-1"), Limits: router.Limits{Concurrency: 1}},
		"terse": {Tokens: tokensOf("terse-token-1"), Limits: router.Limits{TokensPerMinute: 100}},
	}}, router.Route{}, one)
	refused := func(a answer, what string) {
		t.Helper()
		if a.status != 429 || a.code != "rate_limit_exceeded" || a.header.Get("Retry-After") == "" || a.header.Get("X-Should-Retry") != "" || !strings.Contains(a.message, what) {
			t.Errorf("%d %s %q %v, want 429 for %s", a.status, a.code, a.message, a.header, what)
		}
	}
	if a := k.askAs(question("hi", false, nil), as("slow-token-1")); a.status != 200 {
		t.Fatal(a.body)
	}
	refused(k.askAs(question("hi", false, nil), as("slow-token-1")), "requests a minute")

	var wg sync.WaitGroup
	ctx, leave := cancelable(t)
	wg.Go(func() { k.leaveAs(ctx, question("hi", false, nil), as("small-token-1")) })
	<-began
	refused(k.askAs(question("hi", false, nil), as("small-token-1")), "concurrent requests")
	leave()
	wg.Wait()

	one.steps = []http.HandlerFunc{goodPlain}
	if a := k.askAs(question("hi", false, fields{"max_tokens": 4000}), as("terse-token-1")); a.status != 200 {
		t.Fatal(a.body) // more than a minute's tokens pass when nothing else was used
	}
	refused(k.askAs(question("hi", false, fields{"max_tokens": 4000}), as("terse-token-1")), "tokens")
}

func TestABudgetUsedUpIsRefusedUntilItsPeriodEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "accounts")
		cfg := router.Config{AccountsFile: file, Callers: map[string]router.CallerConfig{
			"day":   {Tokens: tokensOf("day-token-1"), Budget: router.BudgetConfig{Day: router.Allowance{Requests: 2}}},
			"month": {Tokens: tokensOf("month-token-1"), Budget: router.BudgetConfig{Month: router.Allowance{Tokens: 25}}},
			"usd":   {Tokens: tokensOf("usd-token-1"), Budget: router.BudgetConfig{Day: router.Allowance{USD: 0.00002}}},
		}}
		body := strings.Replace(plain, `"choices"`, `"usage":{"prompt_tokens":9,"completion_tokens":1},"choices"`, 1)
		start := func() (*router.Router, func()) {
			return running(t, cfg, canned{"application/json", []byte(body)}, bellwether.Price{Input: 1, Output: 1})
		}
		rt, stop := start()
		try := func(token string, want string) {
			t.Helper()
			w := ask(rt, token, `{"model":"one","messages":[{"role":"user","content":"hi"}]}`)
			got := fmt.Sprint(w.Code)
			var e struct {
				Error struct{ Code, Type, Message string }
			}
			if _ = json.Unmarshal(w.Body.Bytes(), &e); w.Code != 200 {
				got += " " + e.Error.Code
			}
			if got != want || w.Code == 429 && (w.Header().Get("X-Should-Retry") != "false" || w.Header().Get("Retry-After") != "") {
				t.Errorf("%s: %s %v, want %s", token, w.Body, w.Header(), want)
			}
		}
		for token, n := range map[string]int{"day-token-1": 2, "month-token-1": 3, "usd-token-1": 2} {
			for range n {
				try(token, "200")
			}
			try(token, "429 insufficient_quota")
		}
		stop()
		rt, stop = start() // what was used is known after a restart
		for _, token := range []string{"day-token-1", "month-token-1", "usd-token-1"} {
			try(token, "429 insufficient_quota")
		}
		time.Sleep(24 * time.Hour) // 2000-01-02 in the bubble
		try("day-token-1", "200")
		try("usd-token-1", "200")
		try("month-token-1", "429 insufficient_quota")
		stop()
		rt, stop = start()
		defer func() { stop() }()
		try("day-token-1", "200")
		try("day-token-1", "429 insufficient_quota")
		time.Sleep(30 * 24 * time.Hour)
		try("month-token-1", "200")
	})
}

func TestRequestsUnderWayHoldTheirPartOfABudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		cfg := router.Config{Callers: map[string]router.CallerConfig{"app": {Tokens: tokensOf("app-token-1"), Budget: router.BudgetConfig{Day: router.Allowance{Requests: 5}}}}}
		rt, stop := running(t, cfg, held{canned{"application/json", []byte(plain)}, release}, bellwether.Price{})
		defer stop()
		var wg sync.WaitGroup
		statuses := make(chan string, 20)
		for range 20 {
			wg.Go(func() {
				w := ask(rt, "app-token-1", `{"model":"one","messages":[{"role":"user","content":"hi"}]}`)
				statuses <- fmt.Sprint(w.Code, w.Header().Get("Retry-After"))
			})
		}
		synctest.Wait()
		close(release)
		wg.Wait()
		close(statuses)
		n := map[string]int{}
		for s := range statuses {
			n[s]++
		}
		if n["200"] != 5 || n["4291"] != 15 {
			t.Errorf("of 20 requests at once with a budget for 5: %v", n)
		}
		if w := ask(rt, "app-token-1", `{"model":"one","messages":[{"role":"user","content":"hi"}]}`); w.Code != 429 || w.Header().Get("X-Should-Retry") != "false" {
			t.Errorf("a sixth: %d %v", w.Code, w.Header())
		}
	})
}

func TestUsageIsShownAsJSONAndAsSafeCSV(t *testing.T) {
	k := newFakes(t, router.Config{Keys: map[string]conf.Secret{"=cmd|' /C calc'!A0": "evil-token-1"}}, router.Route{}, newFake(t, "one", says(503, `{}`)), newFake(t, "two", goodPlain))
	if a := k.askAs(question("hi", false, nil), as("evil-token-1")); a.status != 200 {
		t.Fatal(a.body)
	}
	status, body := k.getAs("evil-token-1", "/v1/usage.csv?by=caller,target,outcome,part")
	rows, err := csv.NewReader(strings.NewReader(body)).ReadAll()
	if err != nil || status != 200 || len(rows) != 3 {
		t.Fatalf("%d %v %q", status, err, body)
	}
	if got := strings.Join(rows[1][:6], " "); got != "'=cmd|' /C calc'!A0 one overloaded failure 0 1" {
		t.Errorf("the failure's row is %q", got)
	}
	if got := strings.Join(rows[2][:6], " "); got != "'=cmd|' /C calc'!A0 two ok answer 1 1" {
		t.Errorf("the answer's row is %q", got)
	}
	status, body = k.getAs("evil-token-1", "/v1/usage?by=part")
	var u struct {
		Totals struct{ Requests, Answers, Attempts int }
		Rows   []struct{ Part string }
	}
	if err := json.Unmarshal([]byte(body), &u); err != nil || status != 200 || u.Totals.Requests != 1 || u.Totals.Answers != 1 || u.Totals.Attempts != 2 || len(u.Rows) != 2 {
		t.Errorf("%d %s", status, body)
	}
	for _, bad := range []string{"?by=nonsense", "?by=day,day", "?from=yesterday"} {
		if status, body := k.getAs("evil-token-1", "/v1/usage"+bad); status != 400 {
			t.Errorf("%s: %d %s", bad, status, body)
		}
	}
}
