package router_test

import (
	"strings"
	"testing"

	"github.com/bellwether-llm/bellwether/internal/sim"
	"github.com/bellwether-llm/bellwether/llm"
	"github.com/bellwether-llm/bellwether/router"
)

// modes runs fn for every protocol, plain and streamed.
func modes(t *testing.T, fn func(t *testing.T, p llm.Protocol, stream bool)) {
	for _, p := range llm.Protocols() {
		for _, stream := range []bool{false, true} {
			t.Run(string(p)+map[bool]string{false: " plain", true: " streamed"}[stream], func(t *testing.T) { fn(t, p, stream) })
		}
	}
}

func TestEveryProtocolAnswersAsOpenAI(t *testing.T) {
	modes(t, func(t *testing.T, p llm.Protocol, stream bool) {
		k := newKit(t, router.Config{}, router.Route{}, place{"one", p})
		a := k.ask(question("Count from 1 to 10.", stream, fields{"max_tokens": 100, "temperature": 0.5}))
		if a.status != 200 || !strings.HasPrefix(a.text, "1, 2, 3") || a.finish != "stop" || stream != a.done || a.broken != "" {
			t.Fatalf("answer = %+v", a)
		}
		for name, want := range map[string]string{"X-Bellwether-Target": "one", "X-Bellwether-Model": "model-one",
			"X-Bellwether-Attempts": "1", "X-Bellwether-Revision": "0", "X-Should-Retry": ""} {
			if got := a.header.Get(name); got != want {
				t.Errorf("%s = %q, want %q", name, got, want)
			}
		}
		if a.header.Get("X-Request-Id") == "" || a.header.Get("X-Bellwether-Overhead-Us") == "" {
			t.Errorf("headers = %v, want a request id and the overhead", a.header)
		}
		if !stream && a.usages != 1 {
			t.Errorf("a plain answer without its usage: %s", a.body)
		}
	})
}

func TestUsageComesOnceAloneAndOnlyWhenAsked(t *testing.T) {
	for _, p := range llm.Protocols() {
		t.Run(string(p), func(t *testing.T) {
			k := newKit(t, router.Config{}, router.Route{}, place{"one", p})
			if a := k.ask(question(prose, true, nil)); a.usages != 0 || !a.done {
				t.Errorf("unasked: %d usages in %s", a.usages, a.body)
			}
			a := k.ask(question(prose, true, fields{"stream_options": fields{"include_usage": true}}))
			if a.usages != 1 || a.alone != 1 || a.tokens != 20 || !a.done {
				t.Errorf("asked: %d usages, %d alone, %d tokens in %s", a.usages, a.alone, a.tokens, a.body)
			}
			if a := k.ask(question(prose, true, fields{"stream_options": fields{"include_usage": false}})); a.usages != 0 {
				t.Errorf("asked not to: %d usages in %s", a.usages, a.body)
			}
		})
	}
}

func TestAStreamWithoutItsEndButWithAFinishIsWholeAndEndsPromptly(t *testing.T) {
	for _, p := range []llm.Protocol{llm.OpenAI, llm.Azure, llm.Anthropic} {
		k := newKit(t, router.Config{}, router.Route{}, place{"one", p})
		k.fail(sim.Fault{Kind: sim.KindNoDone})
		if a := k.ask(question(prose, true, nil)); !a.done || a.finish != "stop" || a.broken != "" || a.took.Seconds() > 1.5 {
			t.Errorf("%s: answer = %+v", p, a)
		}
	}
}

func TestAMalformedEventAmidGoodOnesIsSkipped(t *testing.T) {
	for _, p := range llm.Protocols() {
		k := newKit(t, router.Config{}, router.Route{}, place{"one", p}, place{"two", llm.OpenAI})
		k.fail(sim.Fault{Region: "one", Kind: sim.KindMalformed, Value: 5})
		if a := k.ask(question(prose, true, nil)); !a.done || a.by() != "one" || a.finish != "stop" || a.text == "" {
			t.Errorf("%s: answer = %+v", p, a)
		}
		if m := k.get("/metrics"); !strings.Contains(m, "bellwether_router_malformed_events_total 1\n") {
			t.Errorf("%s: the event was not counted:\n%s", p, m)
		}
	}
}

func TestAnAnswerWithoutATokenIsAnAnswer(t *testing.T) {
	for _, stream := range []bool{false, true} {
		k := newKit(t, router.Config{}, router.Route{}, place{"one", llm.OpenAI}, place{"two", llm.OpenAI})
		k.fail(sim.Fault{Region: "one", Kind: sim.KindEmpty})
		if a := k.ask(question(prose, stream, nil)); a.by() != "one" || a.finish != "stop" || a.text != "" || a.done != stream {
			t.Errorf("stream %v: answer = %+v", stream, a)
		}
	}
}
