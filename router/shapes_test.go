package router_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/llm"
	"github.com/bellwether-llm/bellwether/router"
)

// scripted serves one target by a handler of the test's own.
func scripted(t *testing.T, id string, p llm.Protocol, h http.HandlerFunc) router.Target {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return router.Target{Target: bellwether.Target{ID: id, Provider: id, Model: "m-" + id}, Protocol: p,
		Endpoint: llm.Endpoint{BaseURL: srv.URL, Key: upstreamKey}}
}

// events serves a stream of these events, each flushed on its own.
func events(list ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for _, ev := range list {
			_, _ = fmt.Fprintf(w, "data: %s\n\n", ev)
			_ = http.NewResponseController(w).Flush()
		}
	}
}

// breaking serves hello and, when it has had time to arrive, what breaks it.
func breaking(last string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		events(role, hello)(w, r)
		<-time.After(30 * time.Millisecond)
		events(last)(w, r)
	}
}

// says serves a status and a body.
func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

const (
	role  = `{"id":"c","model":"up","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}`
	hello = `{"id":"c","model":"up","choices":[{"index":0,"delta":{"content":"hello"},"finish_reason":null}],"new_field":{"a":1}}`
	stop  = `{"id":"c","model":"up","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`
	plain = `{"id":"c","object":"chat.completion","model":"up","odd":1.50,"choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}]}`
)

func TestASameDialectAnswerPassesVerbatim(t *testing.T) {
	k := newRouter(t, router.Config{}, quick, scripted(t, "one", llm.OpenAI, says(200, plain)))
	if a := k.ask(question("hi", false, nil)); a.body != plain {
		t.Errorf("body = %s, want %s", a.body, plain)
	}
	k = newRouter(t, router.Config{}, quick, scripted(t, "one", llm.OpenAI, events(role, hello, stop, "[DONE]")))
	want := "data: " + strings.Join([]string{role, hello, stop, "[DONE]"}, "\n\ndata: ") + "\n\n"
	if a := k.ask(question("hi", true, nil)); a.body != want {
		t.Errorf("body = %s, want %s", a.body, want)
	}
}

func TestUsageBesideAPieceOfTheAnswerIsSaidOnceAtTheEnd(t *testing.T) {
	counted := func(chunk string, n int) string {
		return strings.TrimSuffix(chunk, "}") + fmt.Sprintf(`,"usage":{"prompt_tokens":3,"completion_tokens":%d,"total_tokens":%d}}`, n, 3+n)
	}
	for name, stream := range map[string][]string{
		"with the finish":   {role, hello, counted(stop, 2), "[DONE]"},
		"again and again":   {counted(role, 0), counted(hello, 1), counted(stop, 2), "[DONE]"},
		"alone":             {role, hello, stop, `{"id":"c","model":"up","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}`, "[DONE]"},
		"alone, no choices": {role, hello, stop, `{"id":"c","model":"up","usage":{"prompt_tokens":3,"completion_tokens":2}}`, "[DONE]"},
		"before the finish": {role, hello, `{"id":"c","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}`, stop, "[DONE]"},
		"twice":             {role, hello, counted(stop, 2), `{"id":"c","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}`, "[DONE]"},
	} {
		k := newRouter(t, router.Config{}, quick, scripted(t, "one", llm.OpenAI, events(stream...)))
		if a := k.ask(question("hi", true, nil)); a.usages != 0 || a.text != "hello" || a.finish != "stop" || !a.done || strings.Contains(a.body, `"usage"`) {
			t.Errorf("%s, unasked: %s", name, a.body)
		}
		a := k.ask(question("hi", true, fields{"stream_options": fields{"include_usage": true}}))
		if a.usages != 1 || a.alone != 1 || a.tokens != 2 || a.text != "hello" || a.finish != "stop" || !a.done {
			t.Errorf("%s, asked: %s", name, a.body)
		}
	}
}

func TestErrorsInsideAStreamBeforeATokenAreInvisible(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"an error object":                    events(role, `{"error":{"message":"overloaded","type":"server_error"}}`),
		"an empty stream":                    events(),
		"a role and no more":                 events(role),
		"done without a finish":              events(role, "[DONE]"),
		"no events at all":                   says(200, ""),
		"a page":                             func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>busy</html>")) },
		"too much before a token":            func(w http.ResponseWriter, _ *http.Request) { endless(w) },
		"a line without end":                 func(w http.ResponseWriter, _ *http.Request) { oneLine(w) },
		"a redirect":                         func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
		"calls without a call, in no stream": says(200, `{"model":"up","choices":[{"index":0,"message":{"role":"assistant","content":"x"},"finish_reason":"tool_calls"}]}`),
	} {
		k := newRouter(t, router.Config{}, router.Route{}, scripted(t, "one", llm.OpenAI, h), scripted(t, "two", llm.OpenAI, events(hello, stop, "[DONE]")))
		if a := k.ask(question("hi", true, nil)); a.by() != "two" || a.text != "hello" || !a.done || a.took > 10*time.Second {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

// endless says roles until nobody listens.
func endless(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/event-stream")
	for {
		if _, err := w.Write([]byte("data: " + role + "\n\n")); err != nil {
			return
		}
	}
}

// oneLine says one line until nobody listens.
func oneLine(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/event-stream")
	_, err := w.Write([]byte("data: "))
	for text := []byte(strings.Repeat("x", 64<<10)); err == nil; {
		_, err = w.Write(text)
	}
}

func TestAnErrorInsideAStreamAfterATokenIsTold(t *testing.T) {
	k := newRouter(t, router.Config{}, quick, scripted(t, "one", llm.OpenAI, breaking(`{"error":{"message":"the engine died","type":"server_error"}}`)))
	if a := k.ask(question("hi", true, nil)); a.broken != "server_error" || !strings.Contains(a.message, "the engine died") || a.done {
		t.Errorf("answer = %+v", a)
	}
}

func TestAWholeAnswerInPlaceOfAStreamIsStreamed(t *testing.T) {
	k := newRouter(t, router.Config{}, quick, scripted(t, "one", llm.OpenAI, says(200, plain)))
	if a := k.ask(question("hi", true, nil)); a.text != "hello" || a.finish != "stop" || !a.done || a.model != "up" {
		t.Errorf("answer = %+v", a)
	}
}

func TestToolCallsAreTranslated(t *testing.T) {
	stream := `{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"toolu_1","name":"weather","input":{}}}
{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"city\":"}}
{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":" \"Oslo\"}"}}
{"type":"message_delta","delta":{"stop_reason":"tool_use"}}
{"type":"message_stop"}`
	whole := `{"id":"c","model":"up","choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[
		{"id":"toolu_1","type":"function","function":{"name":"weather","arguments":"{\"city\": \"Oslo\"}"}}]},"finish_reason":"tool_calls"}]}`
	for name, target := range map[string]router.Target{
		"a stream of anthropic's":        scripted(t, "one", llm.Anthropic, events(strings.Split(stream, "\n")...)),
		"a whole answer, streamed by us": scripted(t, "one", llm.OpenAI, says(200, whole)),
	} {
		k := newRouter(t, router.Config{}, quick, target)
		a := k.ask(question("hi", true, nil))
		calls := ""
		for _, ev := range strings.Split(a.body, "\n\n") {
			var c struct {
				Choices []struct {
					Delta struct {
						ToolCalls []struct {
							ID       string
							Function struct{ Name, Arguments string }
						} `json:"tool_calls"`
					}
				}
			}
			_ = json.Unmarshal([]byte(strings.TrimPrefix(ev, "data: ")), &c) // the end is no JSON
			for _, ch := range c.Choices {
				for _, call := range ch.Delta.ToolCalls {
					calls += call.ID + call.Function.Name + call.Function.Arguments
				}
			}
		}
		if calls != `toolu_1weather{"city": "Oslo"}` || a.finish != "tool_calls" || !a.done {
			t.Errorf("%s: calls %q in %s", name, calls, a.body)
		}
	}
}

func TestWordsOfTheProviderReachTheCaller(t *testing.T) {
	for name, tc := range map[string]struct {
		protocol     llm.Protocol
		status       int
		body         string
		code, phrase string
	}{
		"context, openai": {llm.OpenAI, 400, `{"error":{"message":"This model's maximum context length is 8192 tokens.","type":"invalid_request_error","code":"context_length_exceeded"}}`,
			"context_length_exceeded", "8192"},
		"context, anthropic": {llm.Anthropic, 400, `{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}}`,
			"context_length_exceeded", "210000"},
		"policy, azure": {llm.Azure, 400, `{"error":{"message":"The response was filtered due to the content management policy.","code":"content_filter"}}`,
			"content_filter", "filtered"},
		"in a 200": {llm.OpenAI, 200, `{"error":{"message":"bad parameter","type":"invalid_request_error"}}`, "", "bad parameter"},
	} {
		for _, stream := range []bool{false, true} {
			second := atomic.Int32{}
			k := newRouter(t, router.Config{}, quick, scripted(t, "one", tc.protocol, says(tc.status, tc.body)),
				scripted(t, "two", llm.OpenAI, func(http.ResponseWriter, *http.Request) { second.Add(1) }))
			a := k.ask(question("hi", stream, nil))
			if a.status != 400 || a.code != tc.code || !strings.Contains(a.message, tc.phrase) || second.Load() != 0 {
				t.Errorf("%s, stream %v: %+v; second asked %d times", name, stream, a, second.Load())
			}
		}
	}
}

func TestAPolicyRefusalByAFallbackIsNotRoutedAround(t *testing.T) {
	k := newRouter(t, router.Config{}, quick, scripted(t, "one", llm.OpenAI, says(503, `{}`)),
		scripted(t, "two", llm.Azure, says(400, `{"error":{"message":"filtered","code":"content_filter"}}`)),
		scripted(t, "three", llm.OpenAI, says(200, plain)))
	if a := k.ask(question("hi", false, nil)); a.status != 400 || a.code != "content_filter" || a.by() != "two" {
		t.Errorf("answer = %+v", a)
	}
}

func TestAWrongAddressOfOursIsNotTheCallersFault(t *testing.T) {
	notFound := scripted(t, "one", llm.OpenAI, says(404, `{"error":{"message":"Invalid URL (POST /v9/chat/completions)","type":"invalid_request_error"}}`))
	invalid := scripted(t, "zero", llm.OpenAI, nil)
	invalid.Endpoint.BaseURL = "http://[::1"
	k := newRouter(t, router.Config{}, quick, invalid, notFound, scripted(t, "two", llm.OpenAI, says(200, plain)))
	if a := k.ask(question("hi", false, nil)); a.by() != "two" || a.header.Get("X-Bellwether-Attempts") != "3" {
		t.Errorf("answer = %+v", a)
	}
}

func TestAServerThatDoesNotKnowUsageOptionsIsAskedWithoutThem(t *testing.T) {
	asked := atomic.Int32{}
	h := func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		b := make([]byte, 4096)
		n, _ := r.Body.Read(b)
		if strings.Contains(string(b[:n]), "stream_options") {
			says(422, `{"detail":[{"type":"extra_forbidden","loc":["body","stream_options"],"msg":"Extra inputs are not permitted"}]}`)(w, r)
			return
		}
		events(hello, stop, "[DONE]")(w, r)
	}
	k := newRouter(t, router.Config{}, quick, scripted(t, "one", llm.OpenAI, h))
	for range 2 {
		if a := k.ask(question("hi", true, nil)); a.text != "hello" || !a.done {
			t.Errorf("answer = %+v", a)
		}
	}
	if asked.Load() != 3 {
		t.Errorf("asked %d times, want 3: it is remembered", asked.Load())
	}
	if a := k.ask(question("hi", true, fields{"stream_options": fields{"include_usage": true}})); a.status != 422 {
		t.Errorf("answer = %+v, want the refusal of what the caller asked for", a)
	}
}

func TestCharactersSplitAcrossPacketsArriveWhole(t *testing.T) {
	text := "h\u00e9llo \U0001F469\u200D\U0001F680 \u4e16\u754c"
	for p, stream := range map[llm.Protocol]string{
		llm.OpenAI: "data: " + strings.Replace(hello, "hello", text, 1) + "\n\ndata: " + stop + "\n\ndata: [DONE]\n\n",
		llm.Anthropic: "event: content_block_delta\r\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"" + text + "\"}}\r\n\r\n" +
			"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":3}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
	} {
		bytewise := func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			for i := range len(stream) {
				_, _ = w.Write([]byte{stream[i]})
				_ = http.NewResponseController(w).Flush()
			}
		}
		k := newRouter(t, router.Config{}, router.Route{}, scripted(t, "one", p, bytewise))
		if a := k.ask(question("hi", true, nil)); a.text != text || !a.done {
			t.Errorf("%s: text %q, want %q: %s", p, a.text, text, a.body)
		}
	}
}

func TestAHugeEventAndDataOfSeveralLinesArrive(t *testing.T) {
	huge := strings.Repeat("word ", 600_000)
	k := newRouter(t, router.Config{}, router.Route{}, scripted(t, "one", llm.OpenAI, events(strings.Replace(hello, "hello", huge, 1), stop, "[DONE]")))
	if a := k.ask(question("hi", true, nil)); a.text != huge || !a.done {
		t.Errorf("text of %d bytes, want %d", len(a.text), len(huge))
	}
	lines := strings.ReplaceAll(hello, `,"`, ",\ndata: \"")
	k = newRouter(t, router.Config{}, router.Route{}, scripted(t, "one", llm.OpenAI, events(lines, stop, "[DONE]")))
	if a := k.ask(question("hi", true, nil)); a.text != "hello" || !a.done {
		t.Errorf("answer = %+v", a)
	}
}

func TestSeveralChoicesEndWhenAllHave(t *testing.T) {
	second := strings.Replace(strings.Replace(hello, `"index":0`, `"index":1`, 1), "hello", "second", 1)
	k := newRouter(t, router.Config{}, router.Route{}, scripted(t, "one", llm.OpenAI, events(hello, stop, second)))
	if a := k.ask(question("hi", true, fields{"n": 2})); a.broken != "truncated" || a.done {
		t.Errorf("answer = %s, want an error: the second choice has no end", a.body)
	}
	k = newRouter(t, router.Config{}, router.Route{}, scripted(t, "one", llm.OpenAI, events(hello, stop, second, "[DONE]")))
	if a := k.ask(question("hi", true, fields{"n": 2})); !a.done || !strings.Contains(a.body, "second") {
		t.Errorf("answer = %s", a.body)
	}
}

// counting serves h and counts the connections that were opened for it; h
// learns how many requests came over its own.
func counting(t *testing.T, h func(w http.ResponseWriter, r *http.Request, nth int32)) (base string, opened *atomic.Int32) {
	type key struct{}
	opened = new(atomic.Int32)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h(w, r, r.Context().Value(key{}).(*atomic.Int32).Add(1))
	}))
	srv.Config.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
		opened.Add(1)
		return context.WithValue(ctx, key{}, new(atomic.Int32))
	}
	srv.Start()
	t.Cleanup(srv.Close)
	return srv.URL, opened
}

func TestConnectionsAreUsedAgain(t *testing.T) {
	base, opened := counting(t, func(w http.ResponseWriter, r *http.Request, nth int32) {
		if nth%2 == 0 {
			says(200, plain)(w, r)
			return
		}
		events(hello, stop, "[DONE]")(w, r)
		<-time.After(20 * time.Millisecond) // the end of the body comes after the end of the stream
	})
	k := newRouter(t, router.Config{}, quick, router.Target{Target: bellwether.Target{ID: "one"}, Protocol: llm.OpenAI, Endpoint: llm.Endpoint{BaseURL: base}})
	for i := range 6 {
		if a := k.ask(question("hi", i%2 == 0, nil)); a.status != 200 {
			t.Fatalf("answer = %+v", a)
		}
	}
	if n := opened.Load(); n != 1 {
		t.Errorf("%d connections for six answers, want 1", n)
	}
}

func TestAKeptConnectionThatIsClosedIsNoFailure(t *testing.T) {
	base, opened := counting(t, func(w http.ResponseWriter, r *http.Request, nth int32) {
		if nth == 1 {
			says(200, plain)(w, r)
			return
		}
		conn, _, err := http.NewResponseController(w).Hijack() // as a provider that is tired of idle connections
		if err == nil {
			_ = conn.Close()
		}
	})
	k := newRouter(t, router.Config{}, quick, router.Target{Target: bellwether.Target{ID: "one"}, Protocol: llm.OpenAI, Endpoint: llm.Endpoint{BaseURL: base}})
	for range 5 {
		if a := k.ask(question("hi", false, nil)); a.status != 200 || a.header.Get("X-Bellwether-Attempts") != "1" {
			t.Fatalf("answer = %+v", a)
		}
	}
	if n := opened.Load(); n != 5 {
		t.Errorf("%d connections, want 5: the others were closed", n)
	}
}

func TestASlowCallerIsNoStalledTarget(t *testing.T) {
	big := strings.Replace(hello, "hello", strings.Repeat("x", 1<<20), 1)
	k := newRouter(t, router.Config{}, router.Route{Stall: 300 * time.Millisecond}, scripted(t, "one", llm.OpenAI, events(append(slices.Repeat([]string{big}, 12), stop, "[DONE]")...)))
	conn, err := net.Dial("tcp", strings.TrimPrefix(k.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	body := `{"model":"chat","stream":true,"messages":[{"role":"user","content":"hi"}]}`
	if _, err := fmt.Fprintf(conn, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(body), body); err != nil {
		t.Fatal(err)
	}
	<-time.After(700 * time.Millisecond) // the caller is busy with something else, for longer than the stall limit
	var tail []byte
	b := make([]byte, 64<<10)
	for {
		n, err := conn.Read(b)
		tail = append(tail, b[:n]...)
		tail = tail[max(0, len(tail)-200):]
		if err != nil {
			break
		}
	}
	if !strings.Contains(string(tail), "[DONE]") {
		t.Errorf("the stream ends with %q, want [DONE]", tail)
	}
}
