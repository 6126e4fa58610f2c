package router_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/llm"
	"github.com/bellwether-llm/bellwether/router"
)

// provider is the other side of the accounts: it draws what becomes of each
// call, and writes down what it did. It knows nothing of the router.
type provider struct {
	mu    sync.Mutex
	rng   *rand.Rand
	calls []*called // of the present request
	open  int       // calls under way
}

// called is one call as the provider saw it.
type called struct {
	target       string
	stream       bool
	beside       bool // another one was under way when it came
	in, out      int  // what it will bill
	says         bool // and says so
	saidIn       bool // the caller of the API knows in, and that out is at least one
	saidAll      bool // it knows both
	events, size int  // content that it handed out
	outcome      string
	finished     bool  // the end was handed out
	left         error // why it was left before its end
}

func (p *provider) draw(n int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rng.IntN(n)
}

// pause waits like a network does, never twice for the same time.
func (p *provider) pause(ctx context.Context, most time.Duration) error {
	return wait(ctx, time.Duration(p.draw(int(most)))+1)
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// The fates of a call.
const (
	fateGood = iota
	fateSilentUsage
	fate503
	fate429
	fate500
	fate400
	fateReset
	fateHang
	fateCut
	fateStall
	fateSaysError
	fateGarbage
	fates
)

var weighted = []int{fateGood, fateGood, fateGood, fateGood, fateGood, fateSilentUsage, fateSilentUsage}

func (p *provider) RoundTrip(r *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(r.Body)
	c := &called{target: r.URL.Host, in: 1 + p.draw(5000), out: 1 + p.draw(3000), stream: bytes.Contains(body, []byte(`"stream":true`))}
	fate := p.draw(fates + len(weighted))
	if fate >= fates {
		fate = weighted[fate-fates]
	}
	c.says = fate != fateSilentUsage
	p.mu.Lock()
	c.beside = p.open > 0
	p.open++
	p.calls = append(p.calls, c)
	p.mu.Unlock()
	resp, err := p.answer(r, c, fate)
	if err != nil || resp.StatusCode != 200 {
		p.over()
	}
	return resp, err
}

func (p *provider) over() {
	p.mu.Lock()
	p.open--
	p.mu.Unlock()
}

func (p *provider) answer(r *http.Request, c *called, fate int) (*http.Response, error) {
	ctx := r.Context()
	if c.left = p.pause(ctx, time.Second); c.left != nil {
		return nil, c.left
	}
	status := map[int]int{fate503: 503, fate429: 429, fate500: 500, fate400: 400}[fate]
	if status != 0 {
		c.outcome = map[int]string{503: "overloaded", 429: "rate_limited", 500: "server_error", 400: "client_error"}[status]
		return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(`{"error":{"message":"no","code":"bad_thing"}}`))}, nil
	}
	switch fate {
	case fateHang:
		if c.left = wait(ctx, 10*time.Minute); c.left != nil {
			return nil, c.left
		}
		fallthrough
	case fateReset:
		c.outcome = "server_error"
		return nil, errors.New("connection reset")
	}
	h := http.Header{"Content-Type": {"application/json"}}
	if c.stream {
		h.Set("Content-Type", "text/event-stream")
	}
	return &http.Response{StatusCode: 200, Header: h, Body: &telling{p: p, c: c, ctx: ctx, fate: fate, steps: script(c, fate, p.draw(8))}}, nil
}

// step is one piece of an answer, and what is true once it was handed out.
type step struct {
	text string
	then func(c *called)
}

// script is what the provider says, in its dialect: an OpenAI target's name
// begins with o, an Anthropic one's with a.
func script(c *called, fate, words int) (steps []step) {
	word := "word "
	said := func(c *called) { c.events++; c.size += len(word) }
	all := func(c *called) { c.saidAll = c.says }
	finish := func(c *called) { c.finished = true }
	openai := c.target[0] == 'o'
	usage := ""
	switch text := strings.Repeat(word, words+1); {
	case fate == fateGarbage && !c.stream:
		return []step{{"<html>", func(*called) {}}}
	case !c.stream && (fate == fateCut || fate == fateStall):
		return []step{{`{"id":`, func(*called) {}}}
	case !c.stream && openai:
		if c.says {
			usage = fmt.Sprintf(`"usage":{"prompt_tokens":%d,"completion_tokens":%d},`, c.in, c.out)
		}
		return []step{{strings.Replace(strings.Replace(plain, `"choices"`, usage+`"choices"`, 1), "hello", text, 1), func(c *called) { all(c); finish(c); c.size = len(text) }}}
	case !c.stream:
		if c.says {
			usage = fmt.Sprintf(`,"usage":{"input_tokens":%d,"output_tokens":%d}`, c.in, c.out)
		}
		return []step{{`{"id":"m","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"` + text + `"}],"stop_reason":"end_turn"` + usage + `}`, func(c *called) { all(c); finish(c); c.size = len(text) }}}
	}
	put := func(event, data string, then func(*called)) {
		if then == nil {
			then = func(*called) {}
		}
		if event != "" {
			event = "event: " + event + "\n"
		}
		steps = append(steps, step{event + "data: " + data + "\n\n", then})
	}
	switch {
	case fate == fateGarbage:
		put("", "{", nil)
		return steps
	case openai:
		put("", role, nil)
	case c.says:
		put("message_start", fmt.Sprintf(`{"type":"message_start","message":{"id":"m","model":"m","usage":{"input_tokens":%d,"output_tokens":1}}}`, c.in), func(c *called) { c.saidIn = true })
	default:
		put("message_start", `{"type":"message_start","message":{"id":"m","model":"m"}}`, nil)
	}
	for range words {
		if openai {
			put("", strings.Replace(hello, "hello", word, 1), said)
		} else {
			put("content_block_delta", `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"`+word+`"}}`, said)
		}
	}
	switch {
	case fate == fateSaysError && openai:
		put("", `{"error":{"message":"overloaded","code":503,"type":"overloaded_error"}}`, func(c *called) { c.outcome = "?" })
	case fate == fateSaysError:
		put("error", `{"type":"error","error":{"type":"overloaded_error","message":"no"}}`, func(c *called) { c.outcome = "?" })
	case fate == fateCut, fate == fateStall:
	case openai:
		put("", strings.Replace(hello, "hello", word, 1), said)
		put("", stop, finish)
		if c.says {
			put("", fmt.Sprintf(`{"id":"c","choices":[],"usage":{"prompt_tokens":%d,"completion_tokens":%d}}`, c.in, c.out), all)
		}
		put("", "[DONE]", nil)
	default:
		put("content_block_delta", `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"`+word+`"}}`, said)
		usage := ""
		if c.says {
			usage = fmt.Sprintf(`,"usage":{"output_tokens":%d}`, c.out)
		}
		put("message_delta", `{"type":"message_delta","delta":{"stop_reason":"end_turn"}`+usage+`}`, func(c *called) { finish(c); all(c) })
		put("message_stop", `{"type":"message_stop"}`, nil)
	}
	return steps
}

// telling is a body that comes step by step.
type telling struct {
	p     *provider
	c     *called
	ctx   context.Context
	fate  int
	steps []step
	rest  string
	ended bool
}

func (b *telling) Read(to []byte) (int, error) {
	if b.rest == "" {
		if len(b.steps) == 0 {
			return b.end()
		}
		if err := b.p.pause(b.ctx, 100*time.Millisecond); err != nil {
			b.c.left = err
			return 0, err
		}
		b.rest = b.steps[0].text
		b.steps[0].then(b.c)
		b.steps = b.steps[1:]
	}
	n := copy(to, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

func (b *telling) end() (int, error) {
	if err := context.Cause(b.ctx); err != nil {
		b.c.left = err
		return 0, err
	}
	switch {
	case b.fate == fateStall:
		err := wait(b.ctx, 10*time.Minute)
		b.c.left, b.c.outcome = err, "truncated"
		return 0, errors.Join(err, io.ErrUnexpectedEOF)
	case b.fate == fateCut:
		b.c.outcome = "truncated"
		return 0, io.ErrUnexpectedEOF
	case b.fate == fateGarbage:
		b.c.outcome = "malformed"
	}
	return 0, io.EOF
}

func (b *telling) Close() error {
	if !b.ended {
		b.ended = true
		b.p.over()
	}
	return nil
}

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
