package router_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/llm"
	"github.com/bellwether-llm/bellwether/router"
)

// canned is a transport that answers everything with one body.
type canned struct {
	media string
	body  []byte
}

func (c canned) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {c.media}}, Body: io.NopCloser(bytes.NewReader(c.body))}, nil
}

// chunked is canned, one event a read, as tokens come one by one.
type chunked struct{ canned }

func (c chunked) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := c.canned.RoundTrip(r)
	resp.Body = io.NopCloser(&byEvent{rest: c.body})
	return resp, err
}

type byEvent struct{ rest []byte }

func (b *byEvent) Read(p []byte) (int, error) {
	if len(b.rest) == 0 {
		return 0, io.EOF
	}
	n := len(b.rest)
	if i := bytes.Index(b.rest, []byte("\n\n")); i >= 0 {
		n = i + 2
	}
	n = copy(p, b.rest[:n])
	b.rest = b.rest[n:]
	return n, nil
}

// over returns the handler of a router with one target behind transport.
func over(tb testing.TB, p llm.Protocol, transport http.RoundTripper) http.Handler {
	tb.Helper()
	rt, err := router.New(router.Config{}, router.Setup{Targets: []router.Target{{
		Target: bellwether.Target{ID: "one", Model: "m"}, Protocol: p, Endpoint: llm.Endpoint{BaseURL: "http://upstream"}}}}, router.Options{Transport: transport})
	if err != nil {
		tb.Fatal(err)
	}
	return rt.Handler()
}

// nowhere is a caller who counts.
type nowhere struct {
	h      http.Header
	writes int
}

func (n *nowhere) Header() http.Header         { return n.h }
func (n *nowhere) WriteHeader(int)             {}
func (n *nowhere) Write(p []byte) (int, error) { n.writes++; return len(p), nil }
func (n *nowhere) Flush()                      {}

const benchChunks = 1000

// BenchmarkRelayChunk is our own work for one streamed token, network left out:
// read, decode, pass on, one write each.
func BenchmarkRelayChunk(b *testing.B) {
	anthropic := `event: content_block_delta` + "\n" + `data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" word"}}` + "\n\n"
	openai := "data: " + strings.Replace(role, `"content":""`, `"content":" word"`, 1) + "\n\n"
	for p, stream := range map[llm.Protocol]string{
		llm.OpenAI: strings.Repeat(openai, benchChunks) + "data: " + stop + "\n\ndata: [DONE]\n\n",
		llm.Anthropic: strings.Repeat(anthropic, benchChunks) + `data: {"type":"message_delta","delta":{"stop_reason":"end_turn"}}` + "\n\n" +
			`data: {"type":"message_stop"}` + "\n\n",
	} {
		b.Run(string(p), func(b *testing.B) {
			h := over(b, p, chunked{canned{"text/event-stream", []byte(stream)}})
			b.ReportAllocs()
			for range (b.N + benchChunks - 1) / benchChunks {
				w := &nowhere{h: http.Header{}}
				h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/v1/chat/completions", strings.NewReader(`{"model":"one","stream":true,"messages":[{"role":"user","content":"hi"}]}`)))
				if w.writes < benchChunks {
					b.Fatalf("%d writes", w.writes)
				}
			}
		})
	}
}

// BenchmarkPlain is our own work for one plain answer, network left out.
func BenchmarkPlain(b *testing.B) {
	h := over(b, llm.OpenAI, canned{"application/json", []byte(plain)})
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(&nowhere{h: http.Header{}}, httptest.NewRequest(http.MethodPost, "/v1/chat/completions", strings.NewReader(`{"model":"one","messages":[{"role":"user","content":"hi"}]}`)))
	}
}

// FuzzRelay feeds a provider's stream to the relay: whatever it is, the caller
// gets well-formed events that end in [DONE] or an error, or one JSON error.
func FuzzRelay(f *testing.F) {
	for _, s := range []string{
		"data: " + role + "\n\ndata: " + hello + "\n\ndata: " + stop + "\n\ndata: [DONE]\n\n",
		"data: " + strings.TrimSuffix(hello, "}") + ",\"usage\":{\"completion_tokens\":1}}\n\ndata: " + stop + "\n\n",
		"data: " + hello + "\n\ndata: {\"error\":{\"message\":\"x\"}}\n\n", "data: {\ndata: }\n\n", plain, "\xef\xbb\xbfdata: [DONE]\r\r", `{"choices":[{"index":0,"delta":{"content":"a\u0000\ud800"},"finish_reason":"stop"}]}`,
		`data: {"type":"content_block_delta","delta":{"type":"text_delta","text":"x"}}` + "\n\n" + `data: {"candidates":[{"content":{"parts":[{"text":"x"}]},"finishReason":"STOP"}]}` + "\n\n",
	} {
		for i := range llm.Protocols() {
			f.Add([]byte(s), uint8(i), true)
		}
	}
	f.Fuzz(func(t *testing.T, stream []byte, which uint8, usage bool) {
		protocols := llm.Protocols()
		h := over(t, protocols[int(which)%len(protocols)], canned{"text/event-stream", stream})
		body := `{"model":"one","stream":true,"messages":[{"role":"user","content":"hi"}]}`
		if usage {
			body = strings.Replace(body, `"stream":true`, `"stream":true,"stream_options":{"include_usage":true}`, 1)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/v1/chat/completions", strings.NewReader(body)))
		var a answer
		switch media := w.Header().Get("Content-Type"); {
		case media == "text/event-stream":
			a.readStream(t, w.Body.Bytes())
			if a.done == (a.broken != "" || a.message != "") {
				t.Errorf("done %v, broken %q %q: %s", a.done, a.broken, a.message, w.Body)
			}
		default:
			a.readPlain(t, w.Body.Bytes())
			if a.message == "" || w.Code < 400 {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		}
	})
}
