package router_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/sim"
	"github.com/bellwether-llm/bellwether/llm"
	"github.com/bellwether-llm/bellwether/router"
)

// quick gives up soon, and yet not because a busy machine is slow.
var quick = router.Route{FirstToken: 500 * time.Millisecond, Stall: 500 * time.Millisecond, Total: 10 * time.Second}

func TestFailuresBeforeTheFirstTokenAreInvisible(t *testing.T) {
	for name, f := range map[string]sim.Fault{
		"500":                      {Kind: sim.KindStatus, Value: 500},
		"503":                      {Kind: sim.KindStatus, Value: 503},
		"529":                      {Kind: sim.KindStatus, Value: 529},
		"401":                      {Kind: sim.KindStatus, Value: 401},
		"402":                      {Kind: sim.KindStatus, Value: 402},
		"403":                      {Kind: sim.KindStatus, Value: 403},
		"404":                      {Kind: sim.KindStatus, Value: 404},
		"408":                      {Kind: sim.KindStatus, Value: 408},
		"429":                      {Kind: sim.KindRateLimit, Value: 30},
		"reset":                    {Kind: sim.KindReset},
		"hang":                     {Kind: sim.KindHang},
		"late first token":         {Kind: sim.KindFirstToken, Value: 30},
		"garbage throughout":       {Kind: sim.KindMalformed},
		"cut before a token":       {Kind: sim.KindTruncate},
		"silent before a token":    {Kind: sim.KindStall},
		"a reset before the token": {Kind: sim.KindReset, Value: 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			limits := quick
			limits.FirstToken = 10 * time.Second // not what ends these, and a busy machine may be slow
			switch f.Kind {
			case sim.KindHang, sim.KindFirstToken, sim.KindStall:
				limits = quick
			}
			modes(t, func(t *testing.T, p llm.Protocol, stream bool) {
				k := newKit(t, router.Config{}, limits, place{"one", p}, place{"two", llm.Gemini})
				f := f
				f.Region = "one"
				k.fail(f)
				a := k.ask(question(prose, stream, fields{"max_tokens": 1}))
				attempts := 2
				if name == "500" || strings.Contains(name, "reset") {
					attempts = 3 // such a failure may be chance: the same target is asked once more
				}
				if a.status != 200 || a.by() != "two" || a.text == "" || a.broken != "" || a.attempts() != attempts || k.seen("one") != attempts-1 {
					t.Errorf("answer = %+v", a)
				}
			})
		})
	}
}

func TestAHardDownPrimaryFailsNoRequest(t *testing.T) {
	k := newKit(t, router.Config{}, quick, place{"one", llm.OpenAI}, place{"two", llm.OpenAI}, place{"three", llm.OpenAI},
		place{"four", llm.Anthropic}, place{"five", llm.Gemini})
	for _, down := range []string{"one", "two", "three", "four"} {
		k.fail(append(k.sim.Faults(), sim.Fault{Region: down, Kind: sim.KindReset})...)
	}
	for i := range 40 {
		if a := k.ask(question(prose, i%2 == 0, nil)); a.status != 200 || a.by() != "five" || a.broken != "" {
			t.Fatalf("request %d: %+v", i, a)
		}
	}
}

func TestAStreamThatBreaksAfterATokenEndsInAnErrorAndNotInDone(t *testing.T) {
	for name, tc := range map[string]struct {
		fault sim.Fault
		code  bellwether.Outcome
	}{
		"cut":   {sim.Fault{Kind: sim.KindTruncate, Value: 5}, bellwether.Truncated},
		"reset": {sim.Fault{Kind: sim.KindReset, Value: 5}, bellwether.Truncated},
		"stall": {sim.Fault{Kind: sim.KindStall, Value: 5}, bellwether.Stalled},
	} {
		for _, p := range llm.Protocols() {
			t.Run(name+" "+string(p), func(t *testing.T) {
				k := newKit(t, router.Config{}, quick, place{"one", p}, place{"two", llm.OpenAI})
				tc.fault.Region = "one"
				k.fail(tc.fault)
				a := k.ask(question(prose, true, nil))
				if a.status != 200 || a.by() != "one" || a.text == "" || a.done || a.finish != "" || a.broken != string(tc.code) {
					t.Errorf("answer = %+v, want the error %s and no end", a, tc.code)
				}
				if !strings.Contains(a.message, "one") || k.seen("two") != 0 {
					t.Errorf("message %q, second target asked %d times", a.message, k.seen("two"))
				}
			})
		}
	}
}

func TestAPlainAnswerThatBreaksGoesToTheNextTarget(t *testing.T) {
	for _, f := range []sim.Fault{{Kind: sim.KindTruncate, Value: 5}, {Kind: sim.KindReset, Value: 5}, {Kind: sim.KindStall, Value: 5}, {Kind: sim.KindMalformed, Value: 3}} {
		k := newKit(t, router.Config{}, quick, place{"one", llm.OpenAI}, place{"two", llm.Anthropic})
		f.Region = "one"
		k.fail(f)
		if a := k.ask(question(prose, false, fields{"max_tokens": 1})); a.status != 200 || a.by() != "two" {
			t.Errorf("%s: %+v", f.Kind, a)
		}
	}
}

func TestAPlainAnswerWaitsForItsTokensButNotForEver(t *testing.T) {
	k := newKit(t, router.Config{}, router.Route{FirstToken: 50 * time.Millisecond, Total: 400 * time.Millisecond},
		place{"one", llm.OpenAI}, place{"two", llm.Anthropic})
	k.fail(sim.Fault{Region: "one", Kind: sim.KindHang})
	// max_tokens is not said: the half of what the request has left is the limit.
	if a := k.ask(question(prose, false, nil)); a.by() != "two" || a.took < 150*time.Millisecond {
		t.Errorf("answer = %+v, want the second after half of the time", a)
	}
}

func TestABadRequestIsPassedThroughOnce(t *testing.T) {
	for _, status := range []float64{400, 413, 422} {
		for _, stream := range []bool{false, true} {
			k := newKit(t, router.Config{}, quick, place{"one", llm.Anthropic}, place{"two", llm.OpenAI})
			k.fail(sim.Fault{Kind: sim.KindStatus, Value: status})
			a := k.ask(question(prose, stream, nil))
			if a.status != int(status) || a.header.Get("X-Should-Retry") != "false" || a.by() != "one" || a.message == "" {
				t.Errorf("%v: answer = %+v", status, a)
			}
			if k.seen("one") != 1 || k.seen("two") != 0 {
				t.Errorf("%v: asked %d and %d times, want once in all", status, k.seen("one"), k.seen("two"))
			}
		}
	}
}

func TestWhenAllAreOutTheFirstFailureIsTold(t *testing.T) {
	for _, stream := range []bool{false, true} {
		k := newKit(t, router.Config{}, quick, place{"one", llm.OpenAI}, place{"two", llm.Anthropic}, place{"three", llm.Gemini})
		k.fail(sim.Fault{Region: "one", Kind: sim.KindRateLimit, Value: 7}, sim.Fault{Region: "two", Kind: sim.KindRateLimit, Value: 3},
			sim.Fault{Region: "three", Kind: sim.KindRateLimit, Value: 9})
		a := k.ask(question(prose, stream, nil))
		if a.status != 503 || a.code != "rate_limited" || !strings.Contains(a.message, "Rate limit reached") || !strings.Contains(a.message, "3 tried") {
			t.Errorf("answer = %+v", a)
		}
		if a.header.Get("Retry-After") != "3" || a.header.Get("X-Should-Retry") != "false" || a.header.Get("X-Bellwether-Attempts") != "3" {
			t.Errorf("headers = %v, want the soonest retry, no retries and three attempts", a.header)
		}
	}
}

func TestAFallbacksBadRequestDoesNotHideTheRealFailure(t *testing.T) {
	k := newKit(t, router.Config{}, quick, place{"one", llm.OpenAI}, place{"two", llm.OpenAI}, place{"three", llm.OpenAI})
	k.fail(sim.Fault{Region: "one", Kind: sim.KindStatus, Value: 503}, sim.Fault{Region: "two", Kind: sim.KindStatus, Value: 400})
	if a := k.ask(question(prose, false, nil)); a.by() != "three" {
		t.Errorf("answer = %+v, want the third's", a)
	}
	k.fail(append(k.sim.Faults(), sim.Fault{Region: "three", Kind: sim.KindStatus, Value: 400})...)
	if a := k.ask(question(prose, false, nil)); a.status != 503 || a.code != "overloaded" {
		t.Errorf("answer = %+v, want the first failure", a)
	}
}

func TestAttemptsAreBounded(t *testing.T) {
	k := newKit(t, router.Config{Attempts: 2}, quick, place{"one", llm.OpenAI}, place{"two", llm.OpenAI}, place{"three", llm.OpenAI})
	k.fail(sim.Fault{Kind: sim.KindStatus, Value: 500})
	if a := k.ask(question(prose, false, nil)); a.status != 503 || k.seen("one")+k.seen("two")+k.seen("three") != 2 {
		t.Errorf("answer = %+v after more than two attempts", a)
	}
}

func TestTheWholeRequestIsBounded(t *testing.T) {
	k := newKit(t, router.Config{}, router.Route{Total: 200 * time.Millisecond}, place{"one", llm.OpenAI}, place{"two", llm.OpenAI})
	k.fail(sim.Fault{Kind: sim.KindHang})
	for _, stream := range []bool{false, true} {
		if a := k.ask(question(prose, stream, nil)); a.status != 503 || a.took > 2*time.Second {
			t.Errorf("answer = %+v", a)
		}
	}
}

func TestWhatNoTargetCanExpressIsNamed(t *testing.T) {
	k := newKit(t, router.Config{}, quick, place{"one", llm.Anthropic}, place{"two", llm.Gemini})
	a := k.ask(question(prose, false, fields{"logit_bias": fields{"50256": -100}}))
	if a.status != 400 || a.code != "unsupported_field" || !strings.Contains(a.message, "logit_bias") ||
		!strings.Contains(a.message, "anthropic") || !strings.Contains(a.message, "gemini") {
		t.Errorf("answer = %+v", a)
	}
	if k.seen("one")+k.seen("two") != 0 || a.by() != "" {
		t.Errorf("a target was asked, or named: %v", a.header)
	}
}

func TestATargetThatCanExpressTheRequestServesIt(t *testing.T) {
	for _, stream := range []bool{false, true} {
		k := newKit(t, router.Config{}, quick, place{"one", llm.Anthropic}, place{"two", llm.Gemini}, place{"three", llm.OpenAI})
		a := k.ask(question(prose, stream, fields{"logit_bias": fields{"50256": -100}}))
		if a.status != 200 || a.by() != "three" || a.header.Get("X-Bellwether-Attempts") != "1" {
			t.Errorf("answer = %+v", a)
		}
		k.fail(sim.Fault{Kind: sim.KindStatus, Value: 500})
		if a := k.ask(question(prose, stream, fields{"logit_bias": fields{"50256": -100}})); a.status != 503 || a.code != "server_error" {
			t.Errorf("answer = %+v, want the failure of the one that was asked", a)
		}
	}
}

func TestACallerWhoLeavesEndsTheUpstreamCallAndBlamesNobody(t *testing.T) {
	for _, p := range llm.Protocols() {
		for _, stream := range []bool{false, true} {
			k := newKit(t, router.Config{}, router.Route{}, place{"one", p}, place{"two", llm.OpenAI})
			k.fail(sim.Fault{Kind: sim.KindStall, Value: 5})
			ctx, leave := context.WithCancel(t.Context())
			left := make(chan error, 1)
			go func() { left <- k.leaveAtEnd(ctx, stream) }()
			k.await(func(c sim.Counts) bool { return c.Received == 1 })
			leave()
			<-left
			k.await(func(c sim.Counts) bool { return c.Cancelled == 1 })
			k.awaitMetric(`bellwether_router_attempts_total{target="one",route="chat",outcome="canceled"} 1`)
			if k.seen("two") != 0 {
				t.Errorf("%s: another target was asked for a caller who left", p)
			}
		}
	}
}

// leaveAtEnd asks and reads until the context ends.
func (k *kit) leaveAtEnd(ctx context.Context, stream bool) error {
	body := `{"model":"chat","stream":` + map[bool]string{true: "true", false: "false"}[stream] + `,"messages":[{"role":"user","content":"` + prose + `"}]}`
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, k.url+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	<-ctx.Done()
	return ctx.Err()
}

// await polls until the simulator's counts are as wanted.
func (k *kit) await(ok func(sim.Counts) bool) {
	k.t.Helper()
	k.until(func() bool { return ok(k.sim.Requests()["gpt-4o"]) }, func() any { return k.sim.Requests() })
}

func (k *kit) awaitMetric(line string) {
	k.t.Helper()
	k.until(func() bool { return strings.Contains(k.get("/metrics"), line+"\n") }, func() any { return k.get("/metrics") })
}

// until waits for an event that another process brings about and nothing
// announces.
func (k *kit) until(ok func() bool, state func() any) {
	k.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			k.t.Fatalf("it never happened: %v", state())
		}
	}
}
