package router_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether/llm"
	"github.com/bellwether-llm/bellwether/router"
)

// rescuing is a route that rescues in the ways given.
func rescuing(ways ...string) router.Route {
	r := quick
	r.Rescue = ways
	return r
}

// breaks are the ways in which a stream ends after some tokens.
var breaks = map[string]http.HandlerFunc{
	"cut":      func(http.ResponseWriter, *http.Request) {},
	"reset":    reset,
	"stall":    silence,
	"an error": events(`{"error":{"message":"the engine died","type":"server_error"}}`),
}

func TestABreakAfterTokensEndsInBandWhereNothingElseIsSaid(t *testing.T) {
	for name, br := range breaks {
		one, two := newFake(t, "one", in(tokens("The", " quick"), br)), newFake(t, "two", good)
		k := newFakes(t, router.Config{}, quick, one, two)
		if a := k.ask(question("hi", true, nil)); a.text != "The quick" || a.broken == "" || a.done || a.finish != "" || two.received() != 0 {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

func TestABreakWithinTheBufferIsInvisible(t *testing.T) {
	for name, br := range breaks {
		one, two := newFake(t, "one", in(tokens("The", " quick", " brown"), br)), newFake(t, "two", good)
		r := rescuing("buffer")
		r.Buffer = router.BufferConfig{Tokens: 8, Seconds: 5}
		k := newFakes(t, router.Config{}, r, one, two)
		if a := k.ask(question("hi", true, nil)); a.text != "hello" || a.by() != "two" || !a.done || a.broken != "" || strings.Contains(a.body, "quick") {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

func TestTheBufferEndsByTokensAndByTime(t *testing.T) {
	words := []string{"a", "b", "c", "d", "e", "f"}
	for name, tc := range map[string]struct {
		buffer router.BufferConfig
		bursts int // of events that came together
	}{
		"by tokens":  {router.BufferConfig{Tokens: 4}, 4},
		"whole":      {router.BufferConfig{Tokens: 100}, 7},
		"not at all": {router.BufferConfig{}, 1},
	} {
		r := rescuing("buffer")
		r.Buffer = tc.buffer
		slow := func(w http.ResponseWriter, req *http.Request) {
			for i, word := range words {
				tokens(word)(w, req)
				if i+1 == tc.bursts { // the reader has what it should, and leaves
					<-req.Context().Done()
					return
				}
				<-time.After(15 * time.Millisecond)
			}
			end(w, req)
		}
		k := newFakes(t, router.Config{}, r, newFake(t, "one", slow))
		if first := k.firstBurst(); first != tc.bursts {
			t.Errorf("%s: %d events in the first write, want %d", name, first, tc.bursts)
		}
	}
	// Nothing comes after the second token: time lets go of what is held.
	r := rescuing("buffer")
	r.FirstToken, r.Stall = 20*time.Second, 20*time.Second
	r.Buffer = router.BufferConfig{Tokens: 100, Seconds: .08}
	k := newFakes(t, router.Config{}, r, newFake(t, "one", in(tokens("a", "b"), func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() })))
	if first := k.firstBurst(); first != 2 {
		t.Errorf("%d events in the first write, want the two that are there", first)
	}
}

// firstBurst returns how many events came with the first read of a stream.
func (k *kit) firstBurst() int {
	k.t.Helper()
	body, _ := json.Marshal(question("hi", true, nil))
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true}}
	resp, err := client.Post(k.url+"/v1/chat/completions", "application/json", strings.NewReader(string(body)))
	if err != nil {
		k.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b := make([]byte, 64<<10)
	n, err := resp.Body.Read(b)
	if n == 0 {
		k.t.Fatal(err)
	}
	return strings.Count(string(b[:n]), "data: {")
}

func TestARestartSaysOnlyWhatTheCallerDoesNotHave(t *testing.T) {
	whole := []string{"The quick", " brown", " fox", " jumps", "."}
	for name, br := range breaks {
		for _, p := range []llm.Protocol{llm.OpenAI, llm.Anthropic} {
			one := newFake(t, "one", in(tokens("The", " quick", " bro"), br))
			two := newFake(t, "two", in(tokens(whole...), end))
			if p == llm.Anthropic {
				two = newFakeOf(t, "two", p, anthropically(whole...))
			}
			k := newFakes(t, router.Config{}, rescuing("restart"), one, two)
			a := k.ask(question("hi", true, fields{"stream_options": fields{"include_usage": true}}))
			if a.text != "The quick brown fox jumps." || !a.done || a.broken != "" || a.finish != "stop" {
				t.Errorf("%s, %s: %+v", name, p, a)
			}
			if ids := distinct(a.body, "id"); len(ids) != 1 || ids[0] != "c" {
				t.Errorf("%s, %s: the answer has the ids %q, want the one that it began with", name, p, ids)
			}
			if one.received() != 1 || two.received() != 1 {
				t.Errorf("%s: received %d and %d", name, one.received(), two.received())
			}
			k.awaitMetric(`bellwether_router_rescues_total{route="chat",way="restart",ok="true"} 1`)
		}
	}
}

// anthropically streams words as Anthropic does.
func anthropically(words ...string) http.HandlerFunc {
	list := []string{`{"type":"message_start","message":{"id":"msg_1","role":"assistant","content":[],"model":"up","usage":{"input_tokens":3,"output_tokens":1}}}`}
	for _, w := range words {
		list = append(list, `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":`+quote(w)+`}}`)
	}
	return events(append(list, `{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":5}}`, `{"type":"message_stop"}`)...)
}

// distinct returns the different values of a field over all chunks, in order.
func distinct(stream, field string) []string {
	var out []string
	seen := map[string]bool{}
	for _, ev := range strings.Split(stream, "\n\n") {
		var c map[string]any
		if json.Unmarshal([]byte(strings.TrimPrefix(ev, "data: ")), &c) != nil {
			continue
		}
		if v, ok := c[field].(string); ok && !seen[v] {
			seen[v] = true
			out = append(out, v)
		}
	}
	return out
}

func TestContradictingTextIsNeverSpliced(t *testing.T) {
	toolCall := events(`{"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":null}]}`)
	for name, second := range map[string]http.HandlerFunc{
		"another word":      in(tokens("The", " slow", " brown", " fox"), end),
		"a shorter answer":  in(tokens("The"), end),
		"another beginning": in(tokens("A quick brown"), end),
		"a call instead":    in(toolCall, events(`{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}`, "[DONE]")),
		"a refusal":         events(`{"id":"c","choices":[{"index":0,"delta":{"refusal":"no"},"finish_reason":null}]}`, stop, "[DONE]"),
		"not streamed":      says(200, strings.Replace(plain, "hello", "The slow", 1)),
	} {
		one, two := newFake(t, "one", in(tokens("The", " quick"), events())), newFake(t, "two", second)
		k := newFakes(t, router.Config{}, rescuing("restart"), one, two)
		a := k.ask(question("hi", true, nil))
		if a.text != "The quick" || a.done || a.broken != "truncated" || !strings.Contains(a.message, "one") || two.received() != 1 {
			t.Errorf("%s: %+v", name, a)
		}
	}
	k := newFakes(t, router.Config{}, rescuing("restart"), newFake(t, "one", in(tokens("The", " quick"), events())),
		newFake(t, "two", says(200, strings.Replace(plain, "hello", "The quick fox", 1))))
	if a := k.ask(question("hi", true, nil)); a.text != "The quick fox" || !a.done {
		t.Errorf("a whole answer that agrees: %+v", a)
	}
}

func TestWhatIsMoreThanTextIsNotRescued(t *testing.T) {
	call := `{"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":"{"}}]},"finish_reason":null}]}`
	cut := func(http.ResponseWriter, *http.Request) { <-time.After(20 * time.Millisecond) }
	one, two := newFake(t, "one", in(events(call), cut)), newFake(t, "two", good)
	k := newFakes(t, router.Config{}, rescuing("continue", "restart"), one, two)
	if a := k.ask(question("hi", true, nil)); a.broken == "" || a.done || two.received() != 0 {
		t.Errorf("half a tool call: %+v", a)
	}
	one = newFake(t, "one", in(tokens("a"), cut))
	k = newFakes(t, router.Config{}, rescuing("continue", "restart"), one, two)
	if a := k.ask(question("hi", true, fields{"n": 2})); a.broken == "" || two.received() != 0 {
		t.Errorf("two answers at once: %+v", a)
	}
}

func TestAnAnswerIsContinuedByATargetThatCan(t *testing.T) {
	for name, br := range breaks {
		for _, p := range []llm.Protocol{llm.OpenAI, llm.Anthropic} {
			one, two := newFake(t, "one", in(tokens("The", " quick "), br)), newFake(t, "two", good)
			three := newFake(t, "three", in(tokens("brown", " fox"), end)).with(able(0, "prefill"))
			if p == llm.Anthropic {
				three = newFakeOf(t, "three", p, anthropically(" brown", " fox")).with(able(0, "prefill"))
			}
			k := newFakes(t, router.Config{}, rescuing("buffer", "continue", "restart"), one, two, three)
			a := k.ask(question("hi", true, fields{"max_tokens": 50}))
			if a.text != "The quick brown fox" || !a.done || a.broken != "" || len(distinct(a.body, "id")) != 1 {
				t.Errorf("%s, %s: %+v", name, p, a)
			}
			if two.received() != 0 || three.received() != 1 {
				t.Errorf("%s: received %d and %d, want the one that can go on", name, two.received(), three.received())
			}
			var sent struct {
				MaxTokens int `json:"max_tokens"`
				Messages  []struct{ Role, Content string }
			}
			body := strings.ReplaceAll(three.body(0), `[{"type":"text","text":"The quick"}]`, `"The quick"`)
			if p == llm.OpenAI {
				_ = json.Unmarshal([]byte(body), &sent)
				if last := sent.Messages[len(sent.Messages)-1]; last.Role != "assistant" || last.Content != "The quick" || sent.MaxTokens != 48 {
					t.Errorf("%s: sent %s", name, three.body(0))
				}
			} else if !strings.Contains(body, `"The quick"`) || !strings.Contains(body, `"assistant"`) {
				t.Errorf("%s: sent %s", name, body)
			}
		}
	}
}

func TestRescuesGoInTheirOrderAndTheFirstFailureIsTold(t *testing.T) {
	one := newFake(t, "one", in(tokens("The", " quick"), events()))
	two := newFake(t, "two", says(503, `{}`)).with(able(0, "prefill"))
	three := newFake(t, "three", in(tokens("The quick", " fox"), end)).with(able(0, "tools"))
	k := newFakes(t, router.Config{}, rescuing("continue", "restart"), one, two, three)
	if a := k.ask(question("hi", true, nil)); a.text != "The quick fox" || !a.done || two.received() != 1 || three.received() != 1 {
		t.Errorf("continue fails, restart serves: %+v", a)
	}
	one = newFake(t, "one", in(tokens("The", " quick"), events()))
	two = newFake(t, "two", in(tokens("A slow"), end), in(tokens(" fox"), end)).with(able(0, "prefill"))
	k = newFakes(t, router.Config{}, rescuing("restart", "continue"), one, two)
	if a := k.ask(question("hi", true, nil)); a.text != "The quick fox" || !a.done || two.received() != 2 {
		t.Errorf("restart differs, the same one continues: %+v", a)
	}
	// A rescuer that breaks itself is rescued, from where it came to.
	one = newFake(t, "one", in(tokens("The", " quick"), events()))
	two = newFake(t, "two", in(tokens("The", " quick", " brown"), events()))
	three = newFake(t, "three", in(tokens("The quick brown", " fox"), end))
	k = newFakes(t, router.Config{}, rescuing("restart"), one, two, three)
	if a := k.ask(question("hi", true, nil)); a.text != "The quick brown fox" || !a.done {
		t.Errorf("two breaks: %+v", a)
	}
	dead := newFake(t, "dead", says(500, `{"error":{"message":"fallback's own trouble"}}`))
	k = newFakes(t, router.Config{}, rescuing("continue", "restart"), newFake(t, "one", in(tokens("The"), events(`{"error":{"message":"the engine died","type":"server_error"}}`))), dead)
	if a := k.ask(question("hi", true, nil)); a.done || !strings.Contains(a.message, "the engine died") || strings.Contains(a.body, "fallback's") {
		t.Errorf("no rescue: %+v, want the first failure's words", a)
	}
}

func TestACallerWhoLeavesDuringARescueEndsIt(t *testing.T) {
	one := newFake(t, "one", in(tokens("The"), events()))
	two := newFake(t, "two", in(tokens("The", " quick"), silence))
	r := rescuing("restart")
	r.Stall = 20 * time.Second
	k := newFakes(t, router.Config{}, r, one, two)
	body, _ := json.Marshal(question("hi", true, nil))
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Post(k.url+"/v1/chat/completions", "application/json", strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	k.until(func() bool { return two.received() == 1 }, func() any { return "no rescue began" })
	_ = resp.Body.Close()
	k.until(func() bool { return two.left.Load() == 1 }, func() any { return "the rescuer was not cancelled" })
}
