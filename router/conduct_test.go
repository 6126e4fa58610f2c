package router_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/conf"
	"github.com/bellwether-llm/bellwether/router"
)

// The tests of this file are the table of docs/router.md, row by row, from
// both sides: what the caller got, and what each provider received.

// both runs fn for a plain and a streamed request, with an answer of that kind.
func both(t *testing.T, fn func(t *testing.T, stream bool, good http.HandlerFunc)) {
	t.Helper()
	t.Run("plain", func(t *testing.T) { t.Parallel(); fn(t, false, goodPlain) })
	t.Run("streamed", func(t *testing.T) { t.Parallel(); fn(t, true, good) })
}

func TestAShortRetryAfterIsWaitedOut(t *testing.T) {
	both(t, func(t *testing.T, stream bool, good http.HandlerFunc) {
		one, two := newFake(t, "one", limited("Retry-After-Ms", "60"), good), newFake(t, "two", good)
		k := newFakes(t, router.Config{}, quick, one, two)
		a := k.ask(question("hi", stream, nil))
		if a.by() != "one" || a.text != "hello" || a.attempts() != 2 || one.received() != 2 || two.received() != 0 {
			t.Errorf("answer = %+v; received %d and %d", a, one.received(), two.received())
		}
		if d := one.between(0, 1); d < 60*time.Millisecond {
			t.Errorf("asked again after %v, want no less than it said", d)
		}
	})
}

func TestALongRetryAfterSendsThisAndTheNextRequestsElsewhere(t *testing.T) {
	both(t, func(t *testing.T, stream bool, good http.HandlerFunc) {
		one, two := newFake(t, "one", limited("Retry-After", "30"), good), newFake(t, "two", good)
		k := newFakes(t, router.Config{}, quick, one, two)
		a := k.ask(question("hi", stream, nil))
		if a.by() != "two" || a.attempts() != 2 || a.took > time.Second {
			t.Errorf("answer = %+v", a)
		}
		for range 5 {
			if a := k.ask(question("hi", stream, nil)); a.by() != "two" || a.attempts() != 1 {
				t.Errorf("a later answer = %+v, want the other target at once", a)
			}
		}
		if one.received() != 1 || two.received() != 6 {
			t.Errorf("received %d and %d", one.received(), two.received())
		}
	})
}

func TestALimitedKeyMakesWayForAnother(t *testing.T) {
	both(t, func(t *testing.T, stream bool, good http.HandlerFunc) {
		one := newFake(t, "one", limited("Retry-After", "30"), good).with(keyed("key-aaaa", "key-bbbb"))
		two := newFake(t, "two", good)
		k := newFakes(t, router.Config{}, quick, one, two)
		for range 4 {
			if a := k.ask(question("hi", stream, nil)); a.by() != "one" || a.text != "hello" {
				t.Errorf("answer = %+v", a)
			}
		}
		keys := strings.Fields(one.usedKeys())
		if len(keys) != 5 || strings.Count(one.usedKeys(), keys[0]) != 1 || two.received() != 0 {
			t.Errorf("came with the keys %v, want the first never again", keys)
		}
	})
}

func TestLimitHeadersOfAGoodAnswerAreHeeded(t *testing.T) {
	both(t, func(t *testing.T, stream bool, good http.HandlerFunc) {
		last := func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Ratelimit-Remaining-Requests", "0")
			w.Header().Set("X-Ratelimit-Reset-Requests", "20s")
			good(w, r)
		}
		one, two := newFake(t, "one", last), newFake(t, "two", good)
		k := newFakes(t, router.Config{}, quick, one, two)
		if a, b := k.ask(question("hi", stream, nil)), k.ask(question("hi", stream, nil)); a.by() != "one" || b.by() != "two" || b.attempts() != 1 {
			t.Errorf("answers by %s and %s after %d", a.by(), b.by(), b.attempts())
		}
	})
}

func TestA429WithoutATimeIsTriedAgainABoundedNumberOfTimes(t *testing.T) {
	both(t, func(t *testing.T, stream bool, good http.HandlerFunc) {
		one, two := newFake(t, "one", limited()), newFake(t, "two", good)
		k := newFakes(t, router.Config{}, quick, one, two)
		if a := k.ask(question("hi", stream, nil)); a.by() != "two" || a.attempts() != 4 || one.received() != 3 || two.received() != 1 {
			t.Errorf("answer = %+v; received %d and %d, want 3 and 1", a, one.received(), two.received())
		}
	})
}

func TestBackoffsAreSpreadByChance(t *testing.T) {
	seen := map[time.Duration]bool{}
	for range 12 {
		one := newFake(t, "one", limited(), goodPlain)
		k := newFakes(t, router.Config{}, quick, one)
		if a := k.ask(question("hi", false, nil)); a.text != "hello" || one.received() != 2 {
			t.Fatalf("answer = %+v", a)
		}
		d := one.between(0, 1)
		if d > 5*time.Second {
			t.Errorf("asked again after %v, want at most 100ms and what a busy machine adds", d)
		}
		seen[d.Round(5*time.Millisecond)] = true
	}
	if len(seen) < 4 {
		t.Errorf("the delays of 12 retries were %v", seen)
	}
}

func TestOneErrorOrResetIsTriedOnceMoreAtTheSameTarget(t *testing.T) {
	for name, bad := range map[string]http.HandlerFunc{"500": says(500, `{"error":{"message":"oops"}}`), "502": says(502, ``), "reset": reset} {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, stream bool, good http.HandlerFunc) {
				one, two := newFake(t, "one", bad, good), newFake(t, "two", good)
				k := newFakes(t, router.Config{}, quick, one, two)
				if a := k.ask(question("hi", stream, nil)); a.by() != "one" || a.attempts() != 2 || one.received() != 2 || two.received() != 0 {
					t.Errorf("once: %+v; received %d and %d", a, one.received(), two.received())
				}
				one, two = newFake(t, "one", bad), newFake(t, "two", good)
				k = newFakes(t, router.Config{}, quick, one, two)
				if a := k.ask(question("hi", stream, nil)); a.by() != "two" || a.attempts() != 3 || one.received() != 2 || two.received() != 1 {
					t.Errorf("twice: %+v; received %d and %d", a, one.received(), two.received())
				}
			})
		})
	}
}

func TestAPersistentlyOverloadedTargetIsSoonNotAskedAnyMore(t *testing.T) {
	for _, status := range []int{503, 529} {
		both(t, func(t *testing.T, stream bool, good http.HandlerFunc) {
			one, two := newFake(t, "one", says(status, `{"error":{"message":"overloaded"}}`)), newFake(t, "two", good)
			k := newFakes(t, router.Config{}, quick, one, two)
			for i := range 20 {
				a := k.ask(question("hi", stream, nil))
				if a.by() != "two" || a.text != "hello" || a.attempts() > 2 || i >= 5 && a.attempts() != 1 {
					t.Errorf("request %d: %+v", i, a)
				}
			}
			if one.received() != 5 || two.received() != 20 {
				t.Errorf("received %d and %d, want 5 and 20", one.received(), two.received())
			}
		})
	}
}

func TestASilentTargetIsCancelledAndNotAskedAgain(t *testing.T) {
	flushed := func(w http.ResponseWriter, r *http.Request) { // headers at once, as some do before they read the prompt
		w.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).Flush()
		silence(w, r)
	}
	for name, h := range map[string]http.HandlerFunc{"nothing at all": silence, "headers only": flushed, "a role only": in(events(role), silence)} {
		one, two := newFake(t, "one", h), newFake(t, "two", good)
		k := newFakes(t, router.Config{}, quick, one, two)
		a := k.ask(question("hi", true, nil))
		if a.by() != "two" || a.text != "hello" || !a.done || a.attempts() != 2 || a.took < 100*time.Millisecond || a.took > 2*time.Second {
			t.Errorf("%s: %+v", name, a)
		}
		k.until(func() bool { return one.left.Load() == 1 }, func() any { return "the silent call was not cancelled" })
		if one.received() != 1 {
			t.Errorf("%s: asked %d times", name, one.received())
		}
	}
}

func TestAHedgeAnswersForASilentTargetWithinItsCost(t *testing.T) {
	both(t, func(t *testing.T, stream bool, good http.HandlerFunc) {
		one, two := newFake(t, "one", silence), newFake(t, "two", good)
		r := router.Route{FirstToken: 10 * time.Second, Total: 30 * time.Second}
		r.Hedge = router.HedgeConfig{After: conf.Duration(30 * time.Millisecond), MaxCost: 1}
		k := newFakes(t, router.Config{}, r, one, two)
		a := k.ask(question("hi", stream, nil))
		if a.by() != "two" || a.text != "hello" || a.attempts() != 2 || a.took < 30*time.Millisecond || a.took > 5*time.Second {
			t.Errorf("answer = %+v", a)
		}
		k.until(func() bool { return one.left.Load() == 1 }, func() any { return "the slower one was not cancelled" })
		k.awaitMetric(`bellwether_router_hedges_total{route="chat"} 1`)
		k.awaitMetric(`bellwether_router_attempts_total{target="one",route="chat",outcome="canceled"} 1`)
	})
	// With a tenth of the cost one in ten is hedged; what is faster is not.
	slow := func(w http.ResponseWriter, r *http.Request) { <-time.After(60 * time.Millisecond); goodPlain(w, r) }
	one, two := newFake(t, "one", slow), newFake(t, "two", slow)
	r := router.Route{}
	r.Hedge = router.HedgeConfig{After: conf.Duration(10 * time.Millisecond), MaxCost: .1}
	k := newFakes(t, router.Config{}, r, one, two)
	for range 30 {
		if a := k.ask(question("hi", false, nil)); a.text != "hello" {
			t.Fatalf("answer = %+v", a)
		}
	}
	if n := one.received() + two.received() - 30; n < 2 || n > 3 {
		t.Errorf("%d hedges for 30 requests at a tenth of the cost, want 3", n)
	}
}

func TestAHedgeThatFailsLeavesTheFirstItsTime(t *testing.T) {
	late := func(w http.ResponseWriter, r *http.Request) { <-time.After(120 * time.Millisecond); good(w, r) }
	one, two := newFake(t, "one", late), newFake(t, "two", says(500, `{}`))
	r := router.Route{}
	r.Hedge = router.HedgeConfig{After: conf.Duration(20 * time.Millisecond), MaxCost: 1}
	k := newFakes(t, router.Config{}, r, one, two)
	if a := k.ask(question("hi", true, nil)); a.by() != "one" || a.text != "hello" || two.received() != 1 {
		t.Errorf("answer = %+v; second received %d", a, two.received())
	}
}

func TestAPromptThatIsTooLongGoesToALargerWindowOnly(t *testing.T) {
	tooLong := says(400, `{"error":{"message":"maximum context length is 8192 tokens","type":"invalid_request_error","code":"context_length_exceeded"}}`)
	both(t, func(t *testing.T, stream bool, good http.HandlerFunc) {
		one := newFake(t, "one", tooLong).with(able(8192))
		same, unknown := newFake(t, "same", good).with(able(8192)), newFake(t, "unknown", good)
		large := newFake(t, "large", good).with(able(200_000))
		k := newFakes(t, router.Config{}, quick, one, same, unknown, large)
		if a := k.ask(question("hi", stream, nil)); a.by() != "large" || a.text != "hello" || a.attempts() != 2 {
			t.Errorf("answer = %+v", a)
		}
		if one.received() != 1 || same.received()+unknown.received() != 0 || large.received() != 1 {
			t.Errorf("received %d, %d, %d, %d", one.received(), same.received(), unknown.received(), large.received())
		}
		k = newFakes(t, router.Config{}, quick, newFake(t, "one", tooLong).with(able(8192)), same)
		if a := k.ask(question("hi", stream, nil)); a.status != 400 || a.code != "context_length_exceeded" || a.header.Get("X-Should-Retry") != "false" || same.received() != 0 {
			t.Errorf("nobody larger: %+v", a)
		}
	})
}

func TestARefusalByPolicyIsRoutedAroundOnlyWhereTheRouteSaysSo(t *testing.T) {
	refuses := says(400, `{"error":{"message":"filtered by the content management policy","code":"content_filter"}}`)
	both(t, func(t *testing.T, stream bool, good http.HandlerFunc) {
		one, two := newFake(t, "one", refuses), newFake(t, "two", good)
		k := newFakes(t, router.Config{}, quick, one, two)
		if a := k.ask(question("hi", stream, nil)); a.status != 400 || a.code != "content_filter" || !strings.Contains(a.message, "filtered") || one.received() != 1 || two.received() != 0 {
			t.Errorf("answer = %+v", a)
		}
		r := quick
		r.PolicyFallback = true
		k = newFakes(t, router.Config{}, r, newFake(t, "one", refuses), two)
		if a := k.ask(question("hi", stream, nil)); a.by() != "two" || a.text != "hello" {
			t.Errorf("with policy_fallback: %+v", a)
		}
		k = newFakes(t, router.Config{}, r, newFake(t, "one", refuses), newFake(t, "two", says(503, `{}`)))
		if a := k.ask(question("hi", stream, nil)); a.status != 400 || a.code != "content_filter" || a.by() != "one" {
			t.Errorf("nobody else could: %+v", a)
		}
	})
}

// lines keeps what is logged.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestARefusedKeyLeavesThePoolLoudly(t *testing.T) {
	for _, status := range []int{401, 403} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			bad := func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") == "Bearer key-bad-1" {
					says(status, `{"error":{"message":"no"}}`)(w, r)
					return
				}
				goodPlain(w, r)
			}
			one := newFake(t, "one", bad).with(keyed("key-bad-1", "key-good")).with(func(t *router.Target) { t.Provider = "acme" })
			other := router.Target{Target: bellwether.Target{ID: "other", Provider: "acme"}, Protocol: one.target.Protocol, Endpoint: one.target.Endpoint, Keys: one.target.Keys}
			log := &lines{}
			rt, err := router.New(router.Config{}, router.Setup{Targets: []router.Target{one.target, other}, Routes: []router.Route{oneTier("one", "other")}},
				router.Options{Transport: &http.Transport{DisableKeepAlives: true}, Logger: slog.New(slog.NewTextHandler(log, nil))})
			if err != nil {
				t.Fatal(err)
			}
			k := &kit{t: t, rt: rt, url: serving(t, rt.Handler())}
			for range 20 { // both targets use the key; who finds out tells the other
				if a := k.ask(question("hi", false, nil)); a.status != 200 || a.text != "hello" {
					t.Errorf("answer = %+v", a)
				}
			}
			if n := strings.Count(one.usedKeys(), "key-bad-1"); n != 1 {
				t.Errorf("the refused key was used %d times, want once", n)
			}
			if s := log.String(); strings.Count(s, "refuses a key") != 1 || !strings.Contains(s, "level=ERROR") || strings.Contains(s, "key-bad-1") {
				t.Errorf("logged %q", s)
			}
			k.awaitMetric(`bellwether_router_keys_refused_total{provider="acme",key="1"} 1`)
		})
	}
}

func TestWhenAllAreDownCallersAreToldAtOnceAndNobodyIsHammered(t *testing.T) {
	both(t, func(t *testing.T, stream bool, _ http.HandlerFunc) {
		dead := says(503, `{"error":{"message":"down"}}`)
		one, two := newFake(t, "one", dead), newFake(t, "two", dead)
		k := newFakes(t, router.Config{}, quick, one, two)
		tried := 0
		for i := range 60 {
			a := k.ask(question("hi", stream, nil))
			if a.status != 503 || a.header.Get("X-Should-Retry") != "false" || a.header.Get("Retry-After") == "" || a.message == "" {
				t.Fatalf("request %d: %+v", i, a)
			}
			tried += a.attempts()
		}
		if n := one.received() + two.received(); n > 24 || n != tried {
			t.Errorf("%d calls for 60 requests, and %d were said", n, tried)
		}
		if a := k.ask(question("hi", stream, nil)); a.attempts() == 0 && (a.code != "unavailable" || !strings.Contains(a.message, "chat")) {
			t.Errorf("answer = %+v", a)
		}
	})
}

func TestTheRetryBudgetBoundsAllRequestsTogether(t *testing.T) {
	none := 0.0
	bad := says(500, `{}`)
	fakes := []*fake{newFake(t, "one", bad), newFake(t, "two", bad), newFake(t, "three", goodPlain)}
	// Breakers that never open: what bounds attempts here is the budget.
	k := newFakes(t, router.Config{RetryBudget: &none, Breaker: router.BreakerConfig{Failures: 1000}}, quick, fakes...)
	const n = 150
	for range n {
		k.ask(question("hi", false, nil))
	}
	extra := fakes[0].received() + fakes[1].received() + fakes[2].received() - 2*n // each request's first change of target is its own
	if extra > 100+10*5 {
		t.Errorf("%d attempts beyond two for each request, want the hundred saved up and ten a second", extra)
	}
	if m := k.get("/metrics"); strings.Contains(m, "bellwether_router_over_budget_total 0\n") {
		t.Error("the budget refused nothing")
	}
}

func TestALimitThatIsSoonOverIsWaitedForWhereNobodyElseIsLeft(t *testing.T) {
	one := newFake(t, "one", limited("Retry-After-Ms", "80"), limited("Retry-After-Ms", "80"), limited("Retry-After-Ms", "80"), goodPlain)
	k := newFakes(t, router.Config{RetryWait: conf.Duration(time.Millisecond)}, router.Route{FirstToken: 5 * time.Second}, one)
	if a := k.ask(question("hi", false, nil)); a.text != "hello" || one.received() != 4 || a.took < 240*time.Millisecond {
		t.Errorf("answer = %+v after %d", a, one.received())
	}
}

func TestConcurrencyIsBoundedAndTheOthersWait(t *testing.T) {
	var mu sync.Mutex
	in, most := 0, 0
	slow := func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		in++
		most = max(most, in)
		mu.Unlock()
		<-time.After(30 * time.Millisecond)
		mu.Lock()
		in--
		mu.Unlock()
		goodPlain(w, r)
	}
	one := newFake(t, "one", slow).with(func(t *router.Target) { t.Limits = router.Limits{Concurrency: 2} })
	k := newFakes(t, router.Config{}, router.Route{}, one)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if a := k.ask(question("hi", false, nil)); a.text != "hello" || a.attempts() != 1 {
				t.Errorf("answer = %+v", a)
			}
		})
	}
	wg.Wait()
	if most > 2 {
		t.Errorf("%d were in flight, want at most 2", most)
	}
}

func TestSessionsStickThroughTheFront(t *testing.T) {
	var ids []string
	var setup router.Setup
	for i := range 4 {
		f := newFake(t, fmt.Sprint("t", i), goodPlain)
		ids = append(ids, f.target.ID)
		setup.Targets = append(setup.Targets, f.target)
	}
	setup.Routes = []router.Route{oneTier(ids...)}
	rt, err := router.New(router.Config{}, setup, router.Options{Transport: &http.Transport{DisableKeepAlives: true}})
	if err != nil {
		t.Fatal(err)
	}
	k := &kit{t: t, rt: rt, url: serving(t, rt.Handler())}
	homes := map[string]bool{}
	for s := range 12 {
		h := http.Header{"X-Bellwether-Session": {fmt.Sprint("session ", s)}}
		home := k.askAs(question("hi", false, nil), h).by()
		homes[home] = true
		for range 5 {
			if a := k.askAs(question("hi", false, nil), h); a.by() != home {
				t.Errorf("session %d went from %s to %s", s, home, a.by())
			}
		}
	}
	if len(homes) < 3 {
		t.Errorf("12 sessions live at %v only", homes)
	}
}

func TestTheRouterSaysThatItCannotDoWhatNobodyCan(t *testing.T) {
	one := newFake(t, "one", goodPlain).with(able(0, "tools"))
	k := newFakes(t, router.Config{}, quick, one)
	a := k.ask(fields{"model": "chat", "messages": []fields{{"role": "user", "content": []fields{{"type": "image_url", "image_url": fields{"url": "https://example.com/a.png"}}}}}})
	if a.status != 400 || a.code != "unsupported_capability" || !strings.Contains(a.message, "vision") || one.received() != 0 {
		t.Errorf("answer = %+v", a)
	}
	if a := k.askAs(question("hi", false, nil), http.Header{"X-Bellwether-Max-Cost": {"free"}}); a.status != 400 || a.code != "invalid_header" {
		t.Errorf("answer = %+v", a)
	}
}
