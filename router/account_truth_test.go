package router_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/llm"
	"github.com/bellwether-llm/bellwether/router"
)

// leaver is a caller who leaves after so many writes, where that is above 0.
type leaver struct {
	*httptest.ResponseRecorder
	after int
	leave context.CancelFunc
}

func (l *leaver) Write(b []byte) (int, error) {
	if l.after--; l.after == 0 {
		l.leave()
	}
	return l.ResponseRecorder.Write(b)
}

// truthKey is a row of the truth's books.
type truthKey struct{ caller, target, outcome, part string }

type truthRow struct {
	Requests, Attempts, Input, Output, Estimated int64
	Cost                                         int64 // picodollars
}

var prices = map[string]bellwether.Price{"o1": {Input: 0.15, Output: 0.6}, "a1": {Input: 3, Output: 15}, "o2": {Input: 0.000001, Output: 0.075}}

// reckon says what one call cost, by what the API told and what came over it.
func (c *called) reckon(prompt int) truthRow {
	came := int64(max(c.events, c.size/4))
	r := truthRow{Attempts: 1}
	switch {
	case c.saidAll:
		r.Input, r.Output = int64(c.in), int64(c.out)
	case c.saidIn:
		if r.Input, r.Output = int64(c.in), max(1, came); came > 1 && !c.finished {
			r.Estimated = 1
		} else if c.finished {
			r.Output = 1
		}
	case (c.outcome == "overloaded" || c.outcome == "?") && c.events == 0, c.outcome == "rate_limited", c.outcome == "server_error" && c.events == 0, c.outcome == "client_error":
	default:
		r.Input, r.Output, r.Estimated = int64(prompt), came, 1
	}
	p := prices[c.target]
	r.Cost = int64(float64(r.Input)*p.Input*1e6+.5) + int64(float64(r.Output)*p.Output*1e6+.5)
	return r
}

// judge names how a call ended, as an honest bookkeeper would who sees both sides.
func (c *called) judge() (outcome, part string) {
	switch {
	case c.finished:
		return "ok", "answer"
	case c.left == nil && c.outcome == "?":
		outcome = "overloaded"
	case c.left == nil:
		outcome = c.outcome
	case errors.Is(c.left, context.Canceled):
		outcome, part = "canceled", "canceled"
	default:
		outcome = map[string]string{"another target was faster": "canceled", "no first token in time": "first_token_timeout", "no answer in time": "timeout", "the stream fell silent": "stalled"}[c.left.Error()]
		if outcome == "canceled" {
			return outcome, "hedge"
		}
	}
	switch {
	case c.beside:
		part = "hedge"
	case part == "":
		part = "failure"
	}
	return outcome, part
}

// seenBy says what a caller had, as it saw it.
func seenBy(w *httptest.ResponseRecorder, left bool) string {
	body := w.Body.String()
	if w.Code == 200 && (strings.HasSuffix(body, "data: [DONE]\n\n") || strings.HasPrefix(body, "{")) {
		return "ok"
	}
	if w.Code == 400 {
		return "client_error"
	}
	i := strings.LastIndex(body, `"code":"`)
	if i < 0 {
		return "canceled"
	}
	code := body[i+len(`"code":"`):]
	code = code[:strings.IndexByte(code, '"')]
	switch {
	case code == "unavailable" && left:
		return "canceled"
	case code == "unavailable":
		return "overloaded"
	}
	return code
}

const truthCases = 10_000

func TestAccountsAreExactWhateverHappens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &provider{rng: rand.New(rand.NewPCG(7, 11))}
		rng := rand.New(rand.NewPCG(1, 2))
		file := filepath.Join(t.TempDir(), "accounts")
		rt := truthful(t, p, file)
		truth := map[truthKey]truthRow{}
		for i := range truthCases {
			if i == truthCases/2 { // a restart in between loses nothing
				settle(t, rt)
				rt = truthful(t, p, file)
			}
			truthCase(t, rt, p, rng, truth)
			if t.Failed() {
				t.Fatalf("in case %d", i)
			}
		}
		settle(t, rt)
		rt = truthful(t, p, file)
		compare(t, rt, truth)
		settle(t, rt)
	})
}

// truthful is a router over p's targets whose books are in file.
func truthful(t *testing.T, p *provider, file string) *router.Router {
	t.Helper()
	budget, ten := router.BudgetConfig{Day: router.Allowance{Requests: 1e12, Tokens: 1e12, USD: 1e6}}, 10.0
	cfg := router.Config{AccountsFile: file, RetryBudget: &ten, Breaker: router.BreakerConfig{Failures: 1000}, Callers: map[string]router.CallerConfig{}}
	for _, name := range []string{"ann", "bob", "cyd"} {
		cfg.Callers[name] = router.CallerConfig{Tokens: tokensOf(name + "-token-1"), Budget: budget, Scopes: []string{"chat", "accounts"}}
	}
	var s router.Setup
	tier := []bellwether.TierTarget{}
	for id, price := range prices {
		protocol := map[byte]llm.Protocol{'o': llm.OpenAI, 'a': llm.Anthropic}[id[0]]
		s.Targets = append(s.Targets, router.Target{Target: bellwether.Target{ID: id, Provider: id, Model: "model-" + id, Price: price}, Protocol: protocol,
			Endpoint: llm.Endpoint{BaseURL: "http://" + id, Key: "k"}, Capabilities: []string{"prefill"}})
		tier = append(tier, bellwether.TierTarget{Target: id})
	}
	for name, conduct := range map[string]router.Conduct{
		"simple": {}, "hedged": {Hedge: router.HedgeConfig{After: 300_000_000, MaxCost: 1}}, "continued": {Rescue: []string{"buffer", "continue"}},
		"restarted": {Rescue: []string{"restart"}}, "buffered": {Buffer: router.BufferConfig{Tokens: 4}},
	} {
		s.Routes = append(s.Routes, router.Route{Route: bellwether.Route{Name: name, Tiers: [][]bellwether.TierTarget{tier}}, Total: time.Hour, Conduct: conduct})
	}
	rt, err := router.New(cfg, s, router.Options{Transport: p})
	if err != nil {
		t.Fatal(err)
	}
	over, end := context.WithCancel(t.Context())
	end()
	if err := rt.Serve(over, nobody{}); err != nil && !errors.Is(err, net.ErrClosed) {
		t.Fatal(err)
	}
	return rt
}

// settle ends a router: what it has is kept.
func settle(t *testing.T, rt *router.Router) {
	t.Helper()
	over, end := context.WithCancel(t.Context())
	end()
	if err := rt.Run(over); err != nil {
		t.Fatal(err)
	}
}

func truthCase(t *testing.T, rt *router.Router, p *provider, rng *rand.Rand, truth map[truthKey]truthRow) {
	t.Helper()
	caller := []string{"ann", "bob", "cyd"}[rng.IntN(3)]
	route := []string{"simple", "hedged", "continued", "restarted", "buffered"}[rng.IntN(5)]
	prompt := strings.Repeat("p", rng.IntN(2000))
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	w := &leaver{ResponseRecorder: httptest.NewRecorder(), leave: leave}
	switch rng.IntN(5) {
	case 0:
		w.after = 1 + rng.IntN(6)
	case 1:
		timer := time.AfterFunc(time.Duration(rng.IntN(int(3*time.Second))), leave)
		defer timer.Stop()
	}
	body, _ := json.Marshal(fields{"model": route, "stream": rng.IntN(2) == 0, "max_tokens": 500, "messages": []fields{{"role": "user", "content": prompt}}})
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/v1/chat/completions", bytes.NewReader(body))
	r.Header = as(caller + "-token-1")
	p.calls = nil
	rt.Handler().ServeHTTP(w, r)
	got := seenBy(w.ResponseRecorder, ctx.Err() != nil)
	answer := -1
	for i, c := range p.calls {
		if c.finished && got == "ok" {
			answer = i
		}
	}
	for i, c := range p.calls {
		outcome, part := c.judge()
		if outcome == "ok" && i != answer {
			if outcome, part = "canceled", "failure"; route != "restarted" { // where it says something else than the caller has
				t.Errorf("%s: a call ended well, and the caller saw %s: %s", route, got, w.Body)
			}
		}
		row := c.reckon(len(prompt) / 4)
		if i == answer {
			row.Requests = 1
		}
		add(truth, truthKey{caller, route + "/" + c.target, outcome, part}, row)
	}
	answered := answer >= 0
	if got == "ok" && !answered {
		t.Errorf("an answer from nowhere: %s", w.Body)
	}
	if !answered {
		add(truth, truthKey{caller, route + "/", got, "unanswered"}, truthRow{Requests: 1})
	}
}

func add(truth map[truthKey]truthRow, k truthKey, r truthRow) {
	sum := truth[k]
	sum.Requests += r.Requests
	sum.Attempts += r.Attempts
	sum.Input += r.Input
	sum.Output += r.Output
	sum.Estimated += r.Estimated
	sum.Cost += r.Cost
	truth[k] = sum
}

// compare holds the router's books against the truth.
func compare(t *testing.T, rt *router.Router, truth map[truthKey]truthRow) {
	t.Helper()
	r := newGet("/v1/usage?by=caller,route,target,outcome,part&from=2000-01-01")
	r.Header = as("ann-token-1")
	var u struct {
		Totals struct{ Requests, Attempts int }
		Rows   []struct {
			Caller, Route, Target, Outcome, Part string
			Requests, Attempts                   int64
			Input                                int64       `json:"input_tokens"`
			Output                               int64       `json:"output_tokens"`
			Estimated                            int64       `json:"estimated_attempts"`
			Cost                                 json.Number `json:"cost_usd"`
		}
	}
	if err := json.Unmarshal(recorded(rt, r).Body.Bytes(), &u); err != nil {
		t.Fatal(err)
	}
	books, attempts := map[truthKey]truthRow{}, int64(0)
	for _, row := range u.Rows {
		cost, _ := row.Cost.Float64()
		books[truthKey{row.Caller, row.Route + "/" + row.Target, row.Outcome, row.Part}] = truthRow{row.Requests, row.Attempts, row.Input, row.Output, row.Estimated, int64(cost*1e12 + .5)}
		attempts += row.Attempts
	}
	keys := maps.Clone(books)
	maps.Copy(keys, truth)
	parts := map[string]int64{}
	for k := range keys {
		if books[k] != truth[k] {
			t.Errorf("%v:\n books %+v\n truth %+v", k, books[k], truth[k])
		}
		parts[k.part] += truth[k].Attempts + truth[k].Requests
	}
	if u.Totals.Requests != truthCases {
		t.Errorf("%d requests, want %d", u.Totals.Requests, truthCases)
	}
	for _, part := range []string{"answer", "failure", "hedge", "canceled", "unanswered"} {
		if parts[part] < 50 {
			t.Errorf("the cases hold only %d of %s", parts[part], part)
		}
	}
	t.Logf("%d requests, %d attempts in %d rows; by part %v", u.Totals.Requests, attempts, len(u.Rows), slices.Sorted(maps.Keys(parts)))
}
