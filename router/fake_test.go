package router_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/conf"
	"github.com/bellwether-llm/bellwether/llm"
	"github.com/bellwether-llm/bellwether/router"
)

// fake is a provider whose nth request is answered by the nth step, and by the
// last one from then on. It knows what it received.
type fake struct {
	target router.Target
	steps  []http.HandlerFunc
	left   atomic.Int32 // requests that the router closed before their answer was whole

	mu     sync.Mutex
	times  []time.Time
	bodies []string
	keys   []string
}

func newFake(t *testing.T, id string, steps ...http.HandlerFunc) *fake {
	t.Helper()
	return newFakeOf(t, id, llm.OpenAI, steps...)
}

func newFakeOf(t *testing.T, id string, p llm.Protocol, steps ...http.HandlerFunc) *fake {
	t.Helper()
	f := &fake{steps: steps}
	f.target = scripted(t, id, p, f.serve)
	return f
}

func (f *fake) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	f.mu.Lock()
	n := len(f.times)
	f.times = append(f.times, time.Now())
	f.bodies = append(f.bodies, string(body))
	f.keys = append(f.keys, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	f.mu.Unlock()
	f.steps[min(n, len(f.steps)-1)](w, r)
	if r.Context().Err() != nil {
		f.left.Add(1)
	}
}

// received returns how many requests came.
func (f *fake) received() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.times)
}

func (f *fake) body(n int) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.bodies[n]
}

// usedKeys returns the keys that requests came with, in order.
func (f *fake) usedKeys() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.keys, " ")
}

// between returns the time between two requests.
func (f *fake) between(a, b int) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.times[b].Sub(f.times[a])
}

// with changes the fake's target.
func (f *fake) with(change func(*router.Target)) *fake {
	change(&f.target)
	return f
}

// newFakes serves a route "chat" over fakes, one a tier.
func newFakes(t *testing.T, cfg router.Config, limits router.Route, fakes ...*fake) *kit {
	t.Helper()
	var targets []router.Target
	for _, f := range fakes {
		targets = append(targets, f.target)
	}
	return newRouter(t, cfg, limits, targets...)
}

// silence says nothing until the caller goes away.
func silence(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // so that the server notices
	<-r.Context().Done()
}

// limited is a 429, with headers by name and value.
func limited(headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		says(429, `{"error":{"message":"slow down","type":"rate_limit_error"}}`)(w, r)
	}
}

// reset closes the connection without a word.
func reset(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		_ = conn.Close()
	}
}

// tokens streams words as OpenAI does, each in an event, with a little time
// between, so that they arrive one by one.
func tokens(words ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for _, word := range words {
			events(strings.Replace(hello, `"hello"`, quote(word), 1))(w, r)
			select {
			case <-time.After(3 * time.Millisecond):
			case <-r.Context().Done():
				return
			}
		}
	}
}

func quote(s string) string {
	return `"` + strings.NewReplacer("\n", `\n`, `"`, `\"`).Replace(s) + `"`
}

// in returns what serves all of hs one after the other.
func in(hs ...http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for _, h := range hs {
			h(w, r)
		}
	}
}

// end is the proper end of a stream.
var end = events(stop, "[DONE]")

// good answers plainly or as a stream, as it was asked.
func good(w http.ResponseWriter, r *http.Request) {
	events(hello, stop, "[DONE]")(w, r)
}

// goodPlain is a whole plain answer.
var goodPlain = says(200, plain)

// keyed gives a target a pool of keys.
func keyed(keys ...string) func(*router.Target) {
	return func(t *router.Target) {
		for _, k := range keys {
			t.Keys = append(t.Keys, router.Key{Key: conf.Secret(k)})
		}
	}
}

// able declares what a target can do.
func able(window int, can ...string) func(*router.Target) {
	return func(t *router.Target) { t.ContextWindow, t.Capabilities = window, can }
}

// serving is a router's real server, to be stopped.
func serving(t *testing.T, h http.Handler) string {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.URL
}

// oneTier is a route "chat" whose targets all stand in one tier.
func oneTier(ids ...string) router.Route {
	r := router.Route{Route: bellwether.Route{Name: "chat"}}
	var tier []bellwether.TierTarget
	for _, id := range ids {
		tier = append(tier, bellwether.TierTarget{Target: id})
	}
	r.Tiers = [][]bellwether.TierTarget{tier}
	return r
}
