package counterparts

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether/internal/sim"
	"github.com/bellwether-llm/bellwether/llm"
)

// scenario is one thing that is asked of the simulator directly and through
// the router, of which the client must hear the same.
type scenario struct {
	name  string
	ask   inquiry
	odd   func(http.Handler) http.Handler // what stands between the provider and the network; nil: nothing
	fault sim.Fault                       // zero: none
	model string                          // options for the model's name
}

const counting = "Count from 1 to 12."

var scenarios = []scenario{
	{name: "plain", ask: inquiry{prompt: counting}},
	{name: "stream", ask: inquiry{prompt: counting, stream: true}},
	{name: "two parallel calls", ask: inquiry{prompt: weather, tool: true}},
	{name: "two parallel calls streamed", ask: inquiry{prompt: weather, tool: true, stream: true}},
	{name: "results of calls", ask: inquiry{prompt: weather, tool: true, round: true}},
	{name: "results of calls streamed", ask: inquiry{prompt: weather, tool: true, round: true, stream: true}},
	{name: "image", ask: inquiry{prompt: "What color is this picture? One word.", image: true}},
	{name: "strict JSON schema", ask: inquiry{prompt: asked, schema: true}},
	{name: "n=2", ask: inquiry{prompt: counting, n: 2}},
	{name: "n=2 streamed", ask: inquiry{prompt: counting, n: 2, stream: true}},
	{name: "stop sequence", ask: inquiry{prompt: "Count from 1 to 9.", stop: []string{", 5"}}},
	{name: "400", ask: inquiry{prompt: counting}, fault: sim.Fault{Kind: sim.KindStatus, Value: 400}},
	{name: "401", ask: inquiry{prompt: counting}, fault: sim.Fault{Kind: sim.KindStatus, Value: 401}},
	{name: "404", ask: inquiry{prompt: counting}, fault: sim.Fault{Kind: sim.KindStatus, Value: 404}},
	{name: "413", ask: inquiry{prompt: counting}, fault: sim.Fault{Kind: sim.KindStatus, Value: 413}},
	{name: "422", ask: inquiry{prompt: counting}, fault: sim.Fault{Kind: sim.KindStatus, Value: 422}},
	{name: "429 with Retry-After", ask: inquiry{prompt: counting}, fault: sim.Fault{Kind: sim.KindRateLimit, Value: 600}},
	{name: "429 without", ask: inquiry{prompt: counting}, fault: sim.Fault{Kind: sim.KindStatus, Value: 429}},
	{name: "500", ask: inquiry{prompt: counting}, fault: sim.Fault{Kind: sim.KindStatus, Value: 500}},
	{name: "529", ask: inquiry{prompt: counting, stream: true}, fault: sim.Fault{Kind: sim.KindStatus, Value: 529}},
	{name: "a prompt of one megabyte", ask: inquiry{prompt: strings.Repeat("word ", 200_000) + counting}},
	{name: "emoji split across segments", ask: inquiry{prompt: "Repeat exactly, and nothing else: héllo 😀👩‍👩‍👧 日本", stream: true}, odd: crumbled},
	{name: "no end of stream", ask: inquiry{prompt: counting, stream: true}, fault: sim.Fault{Kind: sim.KindNoDone}},
	{name: "error event after content", ask: inquiry{prompt: counting, stream: true}, odd: breaking},
	{name: "keep-alive comments", ask: inquiry{prompt: counting, stream: true}, odd: commenting},
	{name: "compressed", ask: inquiry{prompt: counting}, odd: compressed},
	{name: "compressed stream", ask: inquiry{prompt: counting, stream: true}, odd: compressed},
}

func TestRouterIsHeardAsTheProviderItself(t *testing.T) {
	for _, v := range voices {
		for _, sc := range scenarios {
			direct := hear(t, simulatedBehind(sc.odd), v, sc)
			for _, p := range llm.Protocols() {
				t.Run(v.sdk+"/"+string(p)+"/"+sc.name, func(t *testing.T) {
					differ(t, v.sdk, p, sc.name, direct, hear(t, throughBehind(p, sc.odd), v, sc))
				})
			}
		}
	}
}

func hear(t *testing.T, where func(t testing.TB) place, v voice, sc scenario) heard {
	at := where(t)
	if sc.fault.Kind != "" {
		fail(t, at.sim, sc.fault)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	return v.ask(ctx, t, at, v.model, sc.ask)
}

// differ checks that what was heard agrees, but for what the table says.
func differ(t *testing.T, sdk string, p llm.Protocol, name string, direct, routed heard) {
	t.Helper()
	a, b := reflect.ValueOf(direct), reflect.ValueOf(routed)
	whole := slices.ContainsFunc(differences, func(d difference) bool { return d.of(sdk, p, name) })
	same := true
	for i := range a.NumField() {
		field := strings.ToLower(a.Type().Field(i).Name)
		x, y := fmt.Sprintf("%#v", a.Field(i).Interface()), fmt.Sprintf("%#v", b.Field(i).Interface())
		part := slices.ContainsFunc(differences, func(d difference) bool { return d.of(sdk, p, name+": "+field) })
		same = same && x == y
		switch {
		case x != y && !whole && !part:
			t.Errorf("%s\n  directly    %.300s\n  by a router %.300s", field, x, y)
		case x == y && part:
			t.Errorf("%s: the table of differences has a row for it, and it does not differ", field)
		}
	}
	if whole && same {
		t.Error("the table of differences has a row for it, and it does not differ")
	}
}

func simulatedBehind(odd func(http.Handler) http.Handler) func(t testing.TB) place {
	return func(t testing.TB) place {
		s, base := serveBehind(t, odd)
		return place{openai: base + "/v1", azure: base, anthropic: base, gemini: base, key: key, sim: s}
	}
}

// odd is a writer that does something to what is written.
type odd struct {
	http.ResponseWriter
	write func(w http.ResponseWriter, b []byte)
}

func (o *odd) Write(b []byte) (int, error) { o.write(o.ResponseWriter, b); return len(b), nil }
func (o *odd) Unwrap() http.ResponseWriter { return o.ResponseWriter }
func (o *odd) Flush()                      { _ = http.NewResponseController(o.ResponseWriter).Flush() }

func oddly(write func(r *http.Request) func(w http.ResponseWriter, b []byte)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(&odd{w, write(r)}, r)
		})
	}
}

// crumbled sends every two bytes on their own.
var crumbled = oddly(func(*http.Request) func(http.ResponseWriter, []byte) {
	return func(w http.ResponseWriter, b []byte) {
		for len(b) > 0 {
			n := min(2, len(b))
			_, _ = w.Write(b[:n])
			_ = http.NewResponseController(w).Flush()
			b = b[n:]
		}
	}
})

// commenting puts comments between events.
var commenting = oddly(func(*http.Request) func(http.ResponseWriter, []byte) {
	return func(w http.ResponseWriter, b []byte) {
		_, _ = w.Write(append([]byte(": keep-alive\n\n"), b...))
	}
})

// breaking says an error, in the dialect's own form, after the third write.
var breaking = oddly(func(r *http.Request) func(http.ResponseWriter, []byte) {
	n := 0
	text := "data: {\"error\":{\"message\":\"no more\",\"type\":\"server_error\",\"code\":null,\"param\":null}}\n\n"
	switch path := r.URL.Path; {
	case strings.HasSuffix(path, "/messages"):
		text = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"no more\"}}\n\n"
	case strings.HasSuffix(path, "/responses"):
		text = "event: error\ndata: {\"type\":\"error\",\"sequence_number\":9,\"code\":\"server_error\",\"message\":\"no more\",\"param\":null}\n\n"
	case strings.Contains(path, "GenerateContent"):
		text = "{\"error\":{\"code\":500,\"message\":\"no more\",\"status\":\"INTERNAL\"}}\n\n"
	}
	return func(w http.ResponseWriter, b []byte) {
		switch n++; {
		case n < 12:
			_, _ = w.Write(b)
		case n == 12:
			_, _ = w.Write([]byte(text))
		}
	}
})

// compressed compresses for who takes it.
func compressed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			next.ServeHTTP(w, r)
			return
		}
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, r)
		for k, v := range rec.Header() {
			w.Header()[k] = v
		}
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Del("Content-Length")
		w.WriteHeader(rec.Code)
		z := gzip.NewWriter(w)
		_, _ = z.Write(rec.Body.Bytes())
		_ = z.Close()
	})
}

// A caller that goes away takes the provider's call with it, before the first
// byte and in the middle of a stream.
func TestTheProviderSeesThatTheCallerLeft(t *testing.T) {
	for _, v := range voices {
		for _, p := range llm.Protocols() {
			for _, f := range []sim.Fault{{Kind: sim.KindHang}, {Kind: sim.KindStall, Value: 3}} {
				t.Run(v.sdk+"/"+string(p)+"/"+string(f.Kind), func(t *testing.T) {
					var began, ended atomic.Int32
					at := throughBehind(p, func(next http.Handler) http.Handler {
						return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
							began.Add(1)
							next.ServeHTTP(w, r)
							ended.Add(1)
						})
					})(t)
					fail(t, at.sim, f)
					ctx, leave := context.WithCancel(t.Context())
					done := make(chan heard, 1)
					go func() { done <- v.ask(ctx, t, at, v.model, inquiry{prompt: counting, stream: true}) }()
					wait(t, "the provider is asked", func() bool { return began.Load() == 1 })
					if f.Kind == sim.KindStall {
						wait(t, "the stream has begun", func() bool { return at.sim.Requests()[strings.Split(v.model, "?")[0]].Received == 1 })
					}
					leave()
					if h := <-done; h.Error == "" {
						t.Errorf("heard %+v, want an error", h)
					}
					wait(t, "the provider sees the close", func() bool { return ended.Load() == 1 })
				})
			}
		}
	}
}

// wait waits for a real event that only polling can see.
func wait(t *testing.T, what string, is func() bool) {
	t.Helper()
	limit := time.NewTimer(10 * time.Second)
	defer limit.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-limit.C:
			t.Fatal("not within ten seconds: ", what)
		}
	}
}

// Fields that nobody here knows pass to a provider of the same dialect and
// back, plain and streamed.
func TestUnknownFieldsPassBothWays(t *testing.T) {
	for _, c := range []struct {
		path, body string
		p          llm.Protocol
	}{
		{"/v1/chat/completions", `{"model":"MODEL","messages":[{"role":"user","content":"Count from 1 to 3.","x_in":{"a":1.50}}],"stream":STREAM,"x_top":[1e2]}`, llm.OpenAI},
		{"/v1/responses", `{"model":"MODEL","input":[{"role":"user","content":"Count from 1 to 3.","x_in":{"a":1.50}}],"stream":STREAM,"x_top":[1e2]}`, llm.Responses},
		{"/v1/messages", `{"model":"MODEL","max_tokens":50,"messages":[{"role":"user","content":"Count from 1 to 3.","x_in":{"a":1.50}}],"stream":STREAM,"x_top":[1e2]}`, llm.Anthropic},
		{"/v1beta/models/MODEL:generateContent", `{"contents":[{"parts":[{"text":"Count from 1 to 3.","x_in":{"a":1.50}}]}],"x_top":[1e2]}`, llm.Gemini},
		{"/v1beta/models/MODEL:streamGenerateContent?alt=sse", `{"contents":[{"parts":[{"text":"Count from 1 to 3.","x_in":{"a":1.50}}]}],"x_top":[1e2]}`, llm.Gemini},
	} {
		for _, stream := range []string{"false", "true"} {
			var sent []byte
			at := throughBehind(c.p, func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					var b bytes.Buffer
					_, _ = b.ReadFrom(r.Body)
					sent = b.Bytes()
					next = oddly(func(*http.Request) func(http.ResponseWriter, []byte) {
						return func(w http.ResponseWriter, b []byte) {
							w.Header().Del("Content-Length")
							b = bytes.Replace(b, []byte("data: {"), []byte(`data: {"x_back":{"b":2.50},`), 1)
							if len(b) > 0 && b[0] == '{' {
								b = append([]byte(`{"x_back":{"b":2.50},`), b[1:]...)
							}
							_, _ = w.Write(b)
						}
					})(unsized(next))
					r.Body = readCloser{bytes.NewReader(known(sent))}
					next.ServeHTTP(w, r)
				})
			})(t)
			name := at.model(fast)
			r, err := http.NewRequestWithContext(t.Context(), "POST", at.anthropic+strings.ReplaceAll(c.path, "MODEL", name),
				strings.NewReader(strings.NewReplacer("MODEL", name, "STREAM", stream).Replace(c.body)))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+callersKey)
			resp, err := web().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			_, _ = got.ReadFrom(resp.Body)
			_ = resp.Body.Close()
			if !bytes.Contains(sent, []byte(`"x_in":{"a":1.50}`)) || !bytes.Contains(sent, []byte(`"x_top":[1e2]`)) {
				t.Errorf("%s: the provider got %s", c.path, sent)
			}
			if !strings.Contains(got.String(), `"x_back":{"b":2.50}`) || resp.Header.Get("X-Bellwether-Dropped-Fields") != "" {
				t.Errorf("%s, stream %s: the caller got %d %.400s", c.path, stream, resp.StatusCode, got.String())
			}
		}
	}
}

// known takes the fields away that the simulator would refuse.
func known(b []byte) []byte {
	b = bytes.ReplaceAll(b, []byte(`,"x_in":{"a":1.50}`), nil)
	return bytes.ReplaceAll(b, []byte(`,"x_top":[1e2]`), nil)
}

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }

// unsized serves without a declared length.
func unsized(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(noLength{w}, r) })
}

type noLength struct{ http.ResponseWriter }

func (n noLength) WriteHeader(status int) {
	n.Header().Del("Content-Length")
	n.ResponseWriter.WriteHeader(status)
}
func (n noLength) Unwrap() http.ResponseWriter { return n.ResponseWriter }
