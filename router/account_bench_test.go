package router

import (
	"net/http"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/conf"
	"github.com/bellwether-llm/bellwether/llm"
)

// answeredExchange is a request that one target answered at once.
func answeredExchange(tb testing.TB) *exchange {
	tb.Helper()
	rt, err := New(Config{Keys: map[string]conf.Secret{"app": "app-token-1"}}, Setup{Targets: []Target{{Target: bellwether.Target{ID: "one", Model: "m", Price: bellwether.Price{Input: 1, Output: 2}},
		Protocol: llm.OpenAI, Endpoint: llm.Endpoint{BaseURL: "http://one"}}}, Routes: []Route{{Route: bellwether.Route{Name: "chat", Tiers: [][]bellwether.TierTarget{{{Target: "one"}}}}}}}, Options{})
	if err != nil {
		tb.Fatal(err)
	}
	t := rt.table.Load()
	x := &exchange{rt: rt, id: "01a1fb51-7673-7937-820d-bdadd0913bca", caller: rt.callers.Load().find("app-token-1"), table: t, route: t.routes["chat"], start: time.Now(), needs: needs{prompt: 10, answer: 20}}
	x.tries = []try{{up: x.route.entries[0].up, key: "1", outcome: bellwether.OK, seen: seen{id: "chatcmpl-1", events: 20, usage: &llm.Usage{Input: 9, Output: 20}, finish: llm.FinishStop}}}
	return x
}

// BenchmarkAccount is what accounts, feedback's memory and metrics cost a
// request.
func BenchmarkAccount(b *testing.B) {
	x := answeredExchange(b)
	b.ReportAllocs()
	for b.Loop() {
		x.rt.account(x, nil)
	}
}

// BenchmarkAdmit is what it costs to know a caller among a thousand, and its
// limits.
func BenchmarkAdmit(b *testing.B) {
	x := answeredExchange(b)
	a := Admission{Keys: map[string]conf.Secret{}}
	for i := range 1000 {
		a.Keys["app"+string(rune('a'+i%26))+time.Duration(i).String()] = conf.Secret("some-long-token-" + time.Duration(i).String())
	}
	if err := x.rt.Admit(a); err != nil {
		b.Fatal(err)
	}
	h := http.Header{"Authorization": {"Bearer some-long-token-500ns"}}
	b.ReportAllocs()
	for b.Loop() {
		c := x.rt.callers.Load().find(tokenOf(h))
		if c == nil || c.enter(x.rt.now()) != nil {
			b.Fatal("nobody")
		}
		c.leave()
	}
}
