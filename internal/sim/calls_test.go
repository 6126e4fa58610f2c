package sim_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether/internal/sim"
	"github.com/bellwether-llm/bellwether/llm"
)

// reply is what a bare client saw.
type reply struct {
	status int
	header http.Header
	body   string
	err    error // of the transport or the body
	took   time.Duration
}

// do makes one call without any codec.
func (c client) do(ctx context.Context, method, path, body string) (r reply) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, c.url+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	start := time.Now()
	defer func() { r.took = time.Since(start) }()
	resp, err := c.http.Do(req)
	if err != nil {
		return reply{err: err}
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	return reply{status: resp.StatusCode, header: resp.Header, body: string(b), err: err}
}

// wordless are the calls whose answers are no chat.
var wordless = map[string]struct{ method, path, body string }{
	"embedding":              {"POST", "/v1/embeddings", `{"model":"` + fast + `","input":"gardens"}`},
	"embedding of azure":     {"POST", "/openai/deployments/m%3Ffirst_token=1ms/embeddings?api-version=1", `{"input":["gardens"]}`},
	"embedding of gemini":    {"POST", "/v1beta/models/m%3Ffirst_token=1ms:embedContent", `{"content":{"parts":[{"text":"gardens"}]}}`},
	"embeddings of gemini":   {"POST", "/v1beta/models/m%3Ffirst_token=1ms:batchEmbedContents", `{"requests":[{"content":{"parts":[{"text":"gardens"}]}}]}`},
	"image":                  {"POST", "/v1/images/generations", `{"model":"` + fast + `","prompt":"a garden"}`},
	"image of gemini":        {"POST", "/v1beta/models/m%3Ffirst_token=1ms:generateContent", `{"contents":[{"parts":[{"text":"a garden"}]}],"generationConfig":{"responseModalities":["IMAGE"]}}`},
	"image by predict":       {"POST", "/v1beta/models/imagen%3Ffirst_token=1ms:predict", `{"instances":[{"prompt":"a garden"}]}`},
	"count of anthropic":     {"POST", "/v1/messages/count_tokens", `{"model":"` + fast + `","messages":[{"role":"user","content":"gardens"}]}`},
	"count of gemini":        {"POST", "/v1beta/models/m%3Ffirst_token=1ms:countTokens", `{"contents":[{"parts":[{"text":"gardens"}]}]}`},
	"count of gemini, whole": {"POST", "/v1beta/models/m%3Ffirst_token=1ms:countTokens", `{"generateContentRequest":{"contents":[{"parts":[{"text":"gardens"}]}]}}`},
	"count of responses":     {"POST", "/v1/responses/input_tokens", `{"model":"` + fast + `","input":"gardens"}`},
}

func TestEveryFaultStrikesWhatIsNoChatToo(t *testing.T) {
	for kind, c := range map[sim.Kind]struct {
		value float64
		want  func(r, healthy reply) bool
	}{
		sim.KindStatus:     {503, func(r, _ reply) bool { return r.status == 503 && strings.Contains(r.body, `"error"`) }},
		sim.KindRateLimit:  {3, func(r, _ reply) bool { return r.status == 429 && r.header.Get("Retry-After") == "3" }},
		sim.KindVanish:     {0, func(r, _ reply) bool { return r.status == 404 && strings.Contains(r.body, "does not exist") }},
		sim.KindRefuse:     {0, func(r, _ reply) bool { return r.status == 400 && strings.Contains(r.body, "safety") }},
		sim.KindReset:      {0, func(r, _ reply) bool { return r.err != nil }},
		sim.KindHang:       {0, func(r, _ reply) bool { return errors.Is(r.err, context.DeadlineExceeded) }},
		sim.KindStall:      {0, func(r, _ reply) bool { return errors.Is(r.err, context.DeadlineExceeded) }},
		sim.KindTruncate:   {1, func(r, _ reply) bool { return errors.Is(r.err, io.ErrUnexpectedEOF) }},
		sim.KindMalformed:  {0, func(r, _ reply) bool { return r.status == 200 && !json.Valid([]byte(r.body)) }},
		sim.KindFirstToken: {0.05, func(r, _ reply) bool { return r.status == 200 && r.took >= 50*time.Millisecond }},
		sim.KindEmpty:      {0, func(r, h reply) bool { return r.status == 200 && r.body != h.body && json.Valid([]byte(r.body)) }},
	} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			s, cl := serve(t, sim.Options{})
			for name, call := range wordless {
				if err := s.SetFaults(nil); err != nil {
					t.Fatal(err)
				}
				healthy := cl.do(t.Context(), call.method, call.path, call.body)
				if healthy.status != 200 || !json.Valid([]byte(healthy.body)) {
					t.Fatalf("%s: %+v", name, healthy)
				}
				if err := s.SetFaults([]sim.Fault{{Kind: kind, Value: c.value}}); err != nil {
					t.Fatal(err)
				}
				patience := time.Minute
				if kind == sim.KindHang || kind == sim.KindStall {
					patience = 100 * time.Millisecond
				}
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				if r := cl.do(ctx, call.method, call.path, call.body); !c.want(r, healthy) {
					t.Errorf("%s: %+v", name, r)
				}
				cancel()
			}
		})
	}
}

func TestFaultsOnContentBendVectorsAndPictures(t *testing.T) {
	s, c := serve(t, sim.Options{})
	ask := func(kind sim.Kind, value float64, call string) reply {
		t.Helper()
		if err := s.SetFaults([]sim.Fault{{Kind: kind, Value: value}}); err != nil {
			t.Fatal(err)
		}
		return c.do(t.Context(), wordless[call].method, wordless[call].path, wordless[call].body)
	}
	codec, err := llm.For(llm.OpenAI)
	if err != nil {
		t.Fatal(err)
	}
	dims := func(r reply) int {
		a, err := codec.(llm.Embedder).DecodeEmbeddings([]byte(r.body))
		if err != nil {
			t.Fatalf("%+v: %v", r, err)
		}
		return len(a.Vectors[0])
	}
	healthy := c.do(t.Context(), "POST", "/v1/embeddings", wordless["embedding"].body)
	if n := dims(healthy); n != 1536 {
		t.Errorf("healthy: %d dimensions", n)
	}
	if n := dims(ask(sim.KindTerse, 0, "embedding")); n != 384 {
		t.Errorf("terse: %d dimensions", n)
	}
	if n := dims(ask(sim.KindVerbose, 2, "embedding")); n != 3072 {
		t.Errorf("verbose: %d dimensions", n)
	}
	for _, kind := range []sim.Kind{sim.KindOffTopic, sim.KindRepeat, sim.KindSwap} {
		if r := ask(kind, 0, "embedding"); r.status != 200 || r.body == healthy.body {
			t.Errorf("%s: %d, and the same vector %v", kind, r.status, r.body == healthy.body)
		}
	}
	picture := c.do(t.Context(), "POST", "/v1/images/generations", wordless["image"].body)
	for _, kind := range []sim.Kind{sim.KindOffTopic, sim.KindTerse} {
		if r := ask(kind, 0, "image"); r.status != 200 || r.body == picture.body {
			t.Errorf("%s: %d, and the same picture", kind, r.status)
		}
	}
}

func TestWhatIsWrongWithACallIsSaidInItsWords(t *testing.T) {
	_, c := serve(t, sim.Options{})
	for _, bad := range []struct{ path, body string }{
		{"/v1/embeddings", `{"model":"m","input":[]}`}, {"/v1/embeddings", `{"model":"m","input":"x","dimensions":100000}`}, {"/v1/embeddings", `{"model":"m","input":[1,2]}`},
		{"/v1/images/generations", `{"model":"m"}`}, {"/v1/images/generations", `{"model":"m","prompt":"x","n":99}`}, {"/v1/images/generations", `{"model":"m","prompt":"x","size":"huge"}`},
		{"/v1/completions", `{"model":"m"}`}, {"/v1/responses", `{"model":"m"}`}, {"/v1/chat/completions", `{"model":"m","n":0,"messages":[{"role":"user","content":"x"}]}`},
		{"/v1beta/models/m:countTokens", `{}`}, {"/v1/messages/count_tokens", `{"model":"m"}`}, {"/http/x", `{}`}, {"/http", `3`},
	} {
		if r := c.do(t.Context(), "POST", bad.path, bad.body); r.status != 400 || !strings.Contains(r.body, `"message"`) {
			t.Errorf("%s %s: %d %s", bad.path, bad.body, r.status, r.body)
		}
	}
}

func TestPicturesHaveTheSizeThatWasAskedFor(t *testing.T) {
	_, c := serve(t, sim.Options{})
	r := c.do(t.Context(), "POST", "/v1/images/generations", `{"model":"`+fast+`","prompt":"x","size":"1024x512","n":2}`)
	codec, _ := llm.For(llm.OpenAI)
	a, err := codec.(llm.Painter).DecodeImages([]byte(r.body))
	if err != nil || len(a.Images) != 2 || a.Images[0].Data == a.Images[1].Data || len(a.Images[0].Data) > 8<<10 {
		t.Fatalf("%v: %.300s", err, r.body)
	}
}

// asHTTP asks by a template and reads what comes.
func (c client) asHTTP(t *testing.T, base string, tpl llm.Template, r llm.Request) (llm.Response, error) {
	t.Helper()
	e := llm.Endpoint{BaseURL: c.url + base, HTTP: &tpl}
	codec, err := llm.For(llm.HTTP)
	if err != nil {
		t.Fatal(err)
	}
	if codec, err = llm.Bind(codec, e); err != nil {
		t.Fatal(err)
	}
	call, err := codec.Encode(e, r)
	if err != nil {
		t.Fatal(err)
	}
	got := c.do(t.Context(), call.Method, strings.TrimPrefix(call.URL, c.url), string(call.Body))
	if got.status != 200 {
		t.Fatalf("%+v", got)
	}
	return codec.Decode([]byte(got.body))
}

func TestPlainJSONIsAnsweredInTheShapeOfAnyTemplate(t *testing.T) {
	_, c := serve(t, sim.Options{})
	for name, tpl := range map[string]llm.Template{
		"default": llm.DefaultTemplate(),
		"shaped": {Path: "/v1/predict?text=outputs[0].label&confidence=outputs[0].score&finish=done&input_tokens=usage.in&output_tokens=usage.out",
			Body: `{"inputs":["{{prompt}}"],"model":"{{model}}"}`, Text: "outputs[0].label", Confidence: "outputs[0].score", Finish: "done", InputTokens: "usage.in", OutputTokens: "usage.out"},
		"get": {Path: "/ask?model={{model}}&prompt={{prompt}}", Text: "text", Confidence: "confidence", Finish: "finish", InputTokens: "usage.input"},
	} {
		r, err := c.asHTTP(t, "/r/eu/http", tpl, llm.Request{Model: fast, Messages: []llm.Message{{Role: "user", Text: capital}}})
		if err != nil || !strings.HasPrefix(r.Text, "Paris") || r.Finish != llm.FinishStop || r.Usage == nil || r.Usage.Input < 5 || r.MeanLogprob == nil || *r.MeanLogprob >= 0 {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	if r, err := c.asHTTP(t, "/http", llm.Template{Path: "/health?model=" + "m%3Ffirst_token=1ms"}, llm.Request{Messages: []llm.Message{{Role: "user", Text: "-"}}}); err != nil || r.Text != "ok\n" {
		t.Errorf("a plain GET: %+v, %v", r, err)
	}
}

func TestAModelThatVanishesIsNeitherListedNorServedWhereAndWhileItIsGone(t *testing.T) {
	_, c := serve(t, sim.Options{})
	listed := func(path, model string) bool {
		t.Helper()
		r := c.do(t.Context(), "GET", path, "")
		if r.status != 200 {
			t.Fatalf("%s: %+v", path, r)
		}
		return strings.Contains(r.body, `"`+model+`"`)
	}
	ask := `{"model":"mine?first_token=1ms&inter_token=0ms","messages":[{"role":"user","content":"x"}]}`
	if listed("/v1/models", "mine") {
		t.Error("listed before anybody asked for it")
	}
	if r := c.do(t.Context(), "POST", "/v1/chat/completions", ask); r.status != 200 || !listed("/v1/models", "mine") {
		t.Errorf("%+v: not listed after it was asked for", r)
	}
	put := c.do(t.Context(), "PUT", "/_faults", `[{"kind":"vanish","model":"mine","region":"eu"},{"kind":"vanish","model":"gpt-4o","from":3600}]`)
	if put.status != 200 || listed("/r/eu/v1/models", "mine") || !listed("/v1/models", "mine") || !listed("/v1/models", "gpt-4o") {
		t.Errorf("PUT: %+v; listed in eu %v, elsewhere %v", put, listed("/r/eu/v1/models", "mine"), listed("/v1/models", "mine"))
	}
	if r := c.do(t.Context(), "POST", "/r/eu/v1/chat/completions", ask); r.status != 404 || !strings.Contains(r.body, "model_not_found") {
		t.Errorf("asked in eu: %+v", r)
	}
	if r := c.do(t.Context(), "GET", "/r/eu/v1/models/mine", ""); r.status != 404 {
		t.Errorf("looked up in eu: %+v", r)
	}
	if r := c.do(t.Context(), "DELETE", "/_faults", ""); r.status != 200 || !listed("/r/eu/v1/models", "mine") {
		t.Errorf("DELETE: %+v", r)
	}
	c.do(t.Context(), "PUT", "/_faults", `[{"kind":"status","value":500,"model":"/models"}]`)
	if r := c.do(t.Context(), "GET", "/v1/models", ""); r.status != 500 {
		t.Errorf("a listing that fails alone: %+v", r)
	}
	if r := c.do(t.Context(), "POST", "/v1/chat/completions", ask); r.status != 200 {
		t.Errorf("a chat while the listing fails: %+v", r)
	}
}

// FuzzCalls sends anything anywhere: the simulator answers, in JSON or events.
func FuzzCalls(f *testing.F) {
	paths := []string{"/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/embeddings", "/v1/images/generations", "/v1/messages", "/v1/messages/count_tokens",
		"/v1beta/models/m:generateContent", "/v1beta/models/m:embedContent", "/v1beta/models/gemini-3:countTokens", "/http/x?text=a[3].b&finish=a[0]", "/_faults"}
	for i := range paths {
		f.Add(uint8(i), []byte(`{"model":"m?first_token=0s&inter_token=0s","stream":true,"messages":[{"role":"user","content":"x"}],"prompt":"x","input":"x"}`))
	}
	f.Add(uint8(0), []byte(`{"model":"m","n":3,"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","required":["a"],"properties":{"a":{"$ref":"#"}}}}}],"messages":[{"role":"user","content":"use the tool in Paris and Rome"}]}`))
	f.Add(uint8(0), []byte(`{"model":"m","tools":[{"type":"function","function":{"name":"f","parameters":{"type":"null","required":["city"],"properties":{"city":{"type":"string"}}}}}],"messages":[{"role":"user","content":"use the tool in Paris and in Rome"}]}`))
	f.Add(uint8(5), []byte(`{"model":"m","max_tokens":9,"thinking":{"type":"enabled"},"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"x","signature":"y"}]}]}`))
	s, err := sim.New(sim.Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "POST", paths[int(which)%len(paths)], strings.NewReader(string(body))))
		if got := w.Body.Bytes(); ctx.Err() == nil && len(got) > 0 && got[0] != '[' && !json.Valid(got) && !strings.Contains(w.Header().Get("Content-Type"), "event-stream") {
			t.Errorf("%d %s", w.Code, got)
		}
	})
}
