package router_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/bellwether-llm/bellwether/internal/conf"
	"github.com/bellwether-llm/bellwether/internal/sim"
	"github.com/bellwether-llm/bellwether/llm"
	"github.com/bellwether-llm/bellwether/router"
)

// reply is what a caller of any dialect saw.
type reply struct {
	status int
	header http.Header
	body   string
}

// send sends a request in any dialect. h is name, value, name, value ...
func (k *kit) send(method, path, body string, h ...string) reply {
	k.t.Helper()
	req, err := http.NewRequestWithContext(k.t.Context(), method, k.url+path, strings.NewReader(body))
	if err != nil {
		k.t.Fatal(err)
	}
	for i := 0; i+1 < len(h); i += 2 {
		req.Header.Set(h[i], h[i+1])
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		k.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		k.t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(b)}
}

func (k *kit) post(path, body string, h ...string) reply { return k.send("POST", path, body, h...) }

// member returns a member of a JSON object by names and places.
func member(t *testing.T, body string, path ...any) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

const asking = `"messages":[{"role":"user","content":"What is the capital of France? Answer with one word."}]`

func TestEveryDialectIsServedByEveryProtocol(t *testing.T) {
	for _, p := range llm.Protocols() {
		k := newKit(t, router.Config{}, quick, place{"one", p})
		for path, tc := range map[string]struct {
			body string
			at   []any
		}{
			"/v1/chat/completions":                {`{"model":"chat",` + asking + `}`, []any{"choices", 0, "message", "content"}},
			"/v1/completions":                     {`{"model":"chat","prompt":"What is the capital of France? Answer with one word."}`, []any{"choices", 0, "text"}},
			"/v1/responses":                       {`{"model":"chat","input":"What is the capital of France? Answer with one word."}`, []any{"output", 0, "content", 0, "text"}},
			"/v1/messages":                        {`{"model":"chat","max_tokens":50,` + asking + `}`, []any{"content", 0, "text"}},
			"/v1beta/models/chat:generateContent": {`{"contents":[{"parts":[{"text":"What is the capital of France? Answer with one word."}]}]}`, []any{"candidates", 0, "content", "parts", 0, "text"}},
			"/v1/models/chat:generateContent":     {`{"contents":[{"parts":[{"text":"What is the capital of France? Answer with one word."}]}]}`, []any{"candidates", 0, "content", "parts", 0, "text"}},
			"/openai/deployments/chat/chat/completions?api-version=2024-10-21": {`{` + asking + `}`, []any{"choices", 0, "message", "content"}},
			"/openai/v1/responses": {`{"model":"chat","input":"What is the capital of France? Answer with one word."}`, []any{"output", 0, "content", 0, "text"}},
		} {
			r := k.post(path, tc.body)
			if text, _ := member(t, r.body, tc.at...).(string); r.status != 200 || !strings.HasPrefix(text, "Paris") || r.header.Get("X-Bellwether-Target") != "one" || r.header.Get("X-Request-Id") == "" {
				t.Errorf("%s from %s: %d %s", path, p, r.status, r.body)
			}
		}
		if r := k.post("/v1/messages", `{"model":"chat","max_tokens":50,`+asking+`}`); r.header.Get("Request-Id") != r.header.Get("X-Request-Id") {
			t.Errorf("%s: request ids %v", p, r.header)
		}
	}
}

// What the router itself refuses is told as the caller's client reads it.
func TestRefusalsAreToldInTheCallersDialect(t *testing.T) {
	k := newKit(t, router.Config{Keys: map[string]conf.Secret{"app": "app-secret"}, MaxBodyBytes: 2000}, quick, place{"one", llm.OpenAI})
	claude, google, openai := []any{"error", "type"}, []any{"error", "status"}, []any{"error", "code"}
	long := strings.Repeat("x", 3000)
	for _, tc := range []struct {
		path, body, key string
		status          int
		at              []any
		want            string
	}{
		{"/v1/responses", `{"model":"chat","input":"a"}`, "", 401, openai, "invalid_api_key"},
		{"/v1/messages", `{"model":"chat","max_tokens":5,` + asking + `}`, "", 401, claude, "authentication_error"},
		{"/v1beta/models/chat:generateContent", `{}`, "", 401, google, "UNAUTHENTICATED"},
		{"/v1/messages", `{"model":"nobody","max_tokens":5,` + asking + `}`, "app-secret", 404, claude, "not_found_error"},
		{"/v1beta/models/nobody:generateContent", `{"contents":[{"parts":[{"text":"a"}]}]}`, "app-secret", 404, google, "NOT_FOUND"},
		{"/v1/embeddings", `{"model":"nobody","input":"a"}`, "app-secret", 404, openai, "model_not_found"},
		{"/v1/messages", `{"model":"chat"}`, "app-secret", 400, claude, "invalid_request_error"},
		{"/v1beta/models/chat:generateContent", `{}`, "app-secret", 400, google, "INVALID_ARGUMENT"},
		{"/v1beta/models/chat:streamGenerateContent", `{"contents":[{"parts":[{"text":"a"}]}]}`, "app-secret", 400, google, "INVALID_ARGUMENT"},
		{"/v1beta/models/chat:dance", `{}`, "app-secret", 404, google, "NOT_FOUND"},
		{"/v1/messages", `{"model":"` + long + `"}`, "app-secret", 413, claude, "request_too_large"},
		{"/v1/messages/batches", `{}`, "app-secret", 404, claude, "not_found_error"},
		{"/v1/responses", `{"model":"chat","input":"a","background":true}`, "app-secret", 400, openai, "unsupported_field"},
		{"/v1/images/generations", `{"model":"chat"}`, "app-secret", 400, openai, "invalid_request"},
	} {
		r := k.post(tc.path, tc.body, "X-Api-Key", tc.key)
		if got := member(t, r.body, tc.at...); r.status != tc.status || got != tc.want || r.header.Get("X-Request-Id") == "" {
			t.Errorf("%s: %d %s, want %d %s", tc.path, r.status, r.body, tc.status, tc.want)
		}
	}
	if k.seen("one") != 0 {
		t.Error("a target was asked")
	}
}

func TestTokensAreTakenWhereEveryClientPutsThem(t *testing.T) {
	k := newKit(t, router.Config{Keys: map[string]conf.Secret{"app": "app-secret"}}, quick, place{"one", llm.Gemini})
	body := `{"contents":[{"parts":[{"text":"hi"}]}]}`
	for _, h := range [][]string{{"Authorization", "Bearer app-secret"}, {"X-Api-Key", "app-secret"}, {"Api-Key", "app-secret"}, {"X-Goog-Api-Key", "app-secret"}} {
		if r := k.post("/v1beta/models/chat:generateContent", body, h...); r.status != 200 {
			t.Errorf("%s: %d %s", h[0], r.status, r.body)
		}
	}
	if r := k.post("/v1beta/models/chat:generateContent?key=app-secret", body); r.status != 200 {
		t.Errorf("in the query: %d %s", r.status, r.body)
	}
	if r := k.post("/v1beta/models/chat:generateContent?key=other", body); r.status != 401 {
		t.Errorf("a wrong one in the query: %d %s", r.status, r.body)
	}
}

func TestWhatATargetCannotExpressIsDroppedOrRefusedByPolicy(t *testing.T) {
	const hint, seed = `{"model":"chat","reasoning_effort":"low","user":"u",` + asking + `}`, `{"model":"chat","seed":7,"reasoning_effort":"low",` + asking + `}`
	for _, tc := range []struct {
		policy, body string
		status       int
		dropped      string // or what the refusal names
	}{
		{"", hint, 200, "reasoning_effort"}, {"hints", hint, 200, "reasoning_effort"}, {"drop", hint, 200, "reasoning_effort"}, {"refuse", hint, 400, "reasoning_effort"},
		{"", seed, 400, "seed"}, {"drop", seed, 200, "reasoning_effort, seed"}, {"refuse", seed, 400, "seed"},
		{"drop", `{"model":"chat","messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}`, 400, "prefill"},
		{"drop", `{"model":"chat","messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{}}]}]}`, 400, "input_audio"},
	} {
		route := quick
		route.DroppedFields = tc.policy
		k := newKit(t, router.Config{}, route, place{"one", llm.Anthropic})
		r := k.post("/v1/chat/completions", tc.body)
		if got := r.header.Get("X-Bellwether-Dropped-Fields"); r.status != tc.status || tc.status == 200 && got != tc.dropped || tc.status == 400 && !strings.Contains(r.body, tc.dropped) {
			t.Errorf("%s, %s: %d, dropped %q, %s", tc.policy, tc.body, r.status, got, r.body)
		}
	}
	k := newKit(t, router.Config{}, quick, place{"one", llm.Anthropic}, place{"two", llm.OpenAI})
	if r := k.post("/v1/chat/completions", seed); r.status != 200 || r.header.Get("X-Bellwether-Target") != "two" || r.header.Get("X-Bellwether-Dropped-Fields") != "" {
		t.Errorf("where another target can: %d %v", r.status, r.header)
	}
	if ps := (router.Conduct{DroppedFields: "some"}).Validate(""); len(ps) != 1 || ps[0].Path != "dropped_fields" {
		t.Errorf("problems = %v", ps)
	}
}

func TestFeaturesOfAnthropicsReachAnthropicOnly(t *testing.T) {
	k := newKit(t, router.Config{}, quick, place{"one", llm.Anthropic}, place{"two", llm.OpenAI})
	body := `{"model":"MODEL","max_tokens":5,` + asking + `}`
	for model, want := range map[string]string{"one": "feature-1", "two": ""} {
		if r := k.post("/v1/messages", strings.Replace(body, "MODEL", model, 1), "Anthropic-Beta", "feature-1"); r.status != 200 {
			t.Fatalf("%d %s", r.status, r.body)
		}
		k.mu.Lock()
		got := k.sent[model].Get("Anthropic-Beta")
		k.mu.Unlock()
		if got != want {
			t.Errorf("%s was sent %q", model, got)
		}
	}
}

// An answer of any target is gone on with by any other.
func TestAResponseIsGoneOnFromWhicheverTargetAnswers(t *testing.T) {
	for _, stream := range []bool{false, true} {
		for _, first := range llm.Protocols() {
			for _, second := range llm.Protocols() {
				k := newKit(t, router.Config{}, quick, place{"one", first}, place{"two", second})
				r := k.post("/v1/responses", fmt.Sprintf(`{"model":"one","instructions":"Be brief.","stream":%v,"input":"My name is Zelda. What is the capital of France? Answer with one word."}`, stream))
				id := responseID(r.body)
				if r.status != 200 || id == "" {
					t.Fatalf("%s: %d %s", first, r.status, r.body)
				}
				r = k.post("/v1/responses", `{"model":"two","previous_response_id":"`+id+`","input":"What is the capital of Japan? Answer with one word."}`)
				if r.status != 200 || !strings.Contains(r.body, "Tokyo") {
					t.Fatalf("%s after %s: %d %s", second, first, r.status, r.body)
				}
				r = k.send("GET", "/v1/responses/"+responseID(r.body)+"/input_items?order=asc", "")
				list, _ := member(t, r.body, "data").([]any)
				if r.status != 200 || len(list) != 3 || !strings.Contains(r.body, "Zelda") || !strings.Contains(r.body, "Paris") {
					t.Errorf("input of %s after %s: %s", second, first, r.body)
				}
			}
		}
	}
}

// responseID returns the first id of a response in a body.
func responseID(body string) string {
	i := strings.Index(body, `"resp_`)
	if i < 0 {
		return ""
	}
	id, _, _ := strings.Cut(body[i+1:], `"`)
	return id
}

func TestStoredResponsesBelongToTheirCallerAndAreForgottenOnDemand(t *testing.T) {
	k := newKit(t, router.Config{Keys: map[string]conf.Secret{"app": "app-secret", "other": "other-secret"}, StoredResponses: 8000}, quick, place{"one", llm.Gemini})
	ask := func(more string) string {
		r := k.post("/v1/responses", `{"model":"chat","input":"hi"`+more+`}`, "Api-Key", "app-secret")
		if r.status != 200 {
			t.Fatalf("%d %s", r.status, r.body)
		}
		return responseID(r.body)
	}
	get := func(id, key string) int { return k.send("GET", "/v1/responses/"+id, "", "Api-Key", key).status }
	id := ask("")
	if a, b := get(id, "app-secret"), get(id, "other-secret"); a != 200 || b != 404 {
		t.Errorf("its caller sees %d, another %d", a, b)
	}
	if r := k.send("DELETE", "/v1/responses/"+id, "", "Api-Key", "other-secret"); r.status != 404 {
		t.Errorf("another may delete it: %d", r.status)
	}
	if r := k.post("/v1/responses", `{"model":"chat","input":"hi","previous_response_id":"`+id+`"}`, "Api-Key", "other-secret"); r.status != 400 || !strings.Contains(r.body, "previous_response_id") {
		t.Errorf("another may go on from it: %d %s", r.status, r.body)
	}
	if r := k.send("DELETE", "/v1/responses/"+id, "", "Api-Key", "app-secret"); r.status != 200 || member(t, r.body, "deleted") != true || get(id, "app-secret") != 404 {
		t.Errorf("delete: %d %s", r.status, r.body)
	}
	if id := ask(`,"store":false`); get(id, "app-secret") != 404 {
		t.Error("an answer was kept against the caller's wish")
	}
	oldest := ask("")
	for range 20 {
		id = ask("")
	}
	if a, b := get(oldest, "app-secret"), get(id, "app-secret"); a != 404 || b != 200 {
		t.Errorf("beyond the bound the oldest is %d, the latest %d", a, b)
	}
}

// Reasoning goes back to the provider whose it is, and to no other.
func TestReasoningIsNeverToldToAnotherProvider(t *testing.T) {
	answer := says(200, `{"id":"resp_1","object":"response","status":"completed","model":"m","output":[{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"SECRET"},{"type":"message","id":"msg_1","role":"assistant","status":"completed","content":[{"type":"output_text","text":"hello","annotations":[]}]}],"usage":{"input_tokens":1,"output_tokens":1}}`)
	one, two := newFakeOf(t, "one", llm.Responses, answer), newFakeOf(t, "two", llm.Responses, answer)
	one.target.Provider, two.target.Provider = "a", "b"
	k := newFakes(t, router.Config{}, quick, one, two)
	if r := k.post("/v1/responses", `{"model":"one","input":"hi"}`); r.status != 200 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	for _, f := range []*fake{one, two} {
		if r := k.post("/v1/responses", `{"model":"`+f.target.ID+`","input":"more","previous_response_id":"resp_1","store":false}`); r.status != 200 {
			t.Fatalf("%d %s", r.status, r.body)
		}
		sent := f.body(f.received() - 1)
		if own := f == one; strings.Contains(sent, "SECRET") != own || strings.Contains(sent, "rs_1") != own || strings.Contains(sent, "msg_1") != own || !strings.Contains(sent, "hello") || strings.Contains(sent, "previous_response_id") {
			t.Errorf("%s was sent %s", f.target.ID, sent)
		}
	}
}

// A stream that another target goes on with is one stream to every client.
func TestARescuedStreamIsOneStreamInEveryDialect(t *testing.T) {
	for path, tc := range map[string]struct{ body, text, once, last string }{
		"/v1/messages":  {`{"model":"chat","max_tokens":50,"stream":true,` + asking + `}`, `"text":"`, "event: content_block_start", "event: message_stop"},
		"/v1/responses": {`{"model":"chat","stream":true,"input":"a"}`, `"delta":"`, "event: response.output_item.added", "event: response.completed"},
		"/v1beta/models/chat:streamGenerateContent?alt=sse": {`{"contents":[{"parts":[{"text":"a"}]}]}`, `"text":"`, `"finishReason"`, `"STOP"`},
		"/v1/completions": {`{"model":"chat","stream":true,"prompt":"a"}`, `"text":"`, "data: [DONE]", "data: [DONE]"},
	} {
		one, two := newFake(t, "one", in(tokens("The", " quick"), reset)), newFake(t, "two", in(tokens("The", " quick", " brown", " fox"), end))
		k := newFakes(t, router.Config{}, rescuing("restart"), one, two)
		r := k.post(path, tc.body)
		text := ""
		for _, line := range strings.Split(r.body, "\n") {
			if strings.Contains(line, ".done") || strings.Contains(line, "completed") || strings.Contains(line, "content_block_start") {
				continue
			}
			if _, rest, ok := strings.Cut(line, tc.text); ok {
				piece, _, _ := strings.Cut(rest, `"`)
				text += piece
			}
		}
		if text != "The quick brown fox" || strings.Count(r.body, tc.once) != 1 || !strings.Contains(r.body, tc.last) || strings.Contains(r.body, "error\"") && !strings.Contains(r.body, `"error":null`) {
			t.Errorf("%s: %q of\n%s", path, text, r.body)
		}
		if path == "/v1/responses" {
			for i := range strings.Count(r.body, "event: ") {
				if !strings.Contains(r.body, fmt.Sprintf(`"sequence_number":%d,`, i)) {
					t.Errorf("no event has number %d:\n%s", i, r.body)
				}
			}
		}
	}
}

func TestABrokenStreamEndsWithAnErrorInItsDialectsOwnForm(t *testing.T) {
	for _, p := range llm.Protocols() {
		k := newKit(t, router.Config{}, quick, place{"one", p})
		k.fail(sim.Fault{Kind: sim.KindTruncate, Value: 3})
		for path, tc := range map[string]struct{ body, want, never string }{
			"/v1/chat/completions": {`{"model":"chat","stream":true,` + asking + `}`, "data: {\"error\":{", "[DONE]"},
			"/v1/completions":      {`{"model":"chat","stream":true,"prompt":"Tell me about gardens."}`, "data: {\"error\":{", "[DONE]"},
			"/v1/messages":         {`{"model":"chat","max_tokens":50,"stream":true,"messages":[{"role":"user","content":"Tell me about gardens."}]}`, "event: error\ndata: {\"type\":\"error\",\"error\":{", "message_stop"},
			"/v1/responses":        {`{"model":"chat","stream":true,"input":"Tell me about gardens."}`, "event: error\ndata: {\"type\":\"error\",", "response.completed"},
			"/v1beta/models/chat:streamGenerateContent?alt=sse": {`{"contents":[{"parts":[{"text":"Tell me about gardens."}]}]}`, "\n\n{\"error\":{\"code\":502,", "\"STOP\""},
		} {
			r := k.post(path, strings.ReplaceAll(tc.body, "What is the capital of France? Answer with one word.", prose))
			if !strings.Contains(r.body, tc.want) || strings.Contains(r.body, tc.never) || !strings.Contains(r.body, "broke off") {
				t.Errorf("%s from %s:\n%s", path, p, r.body)
			}
		}
	}
}

func TestModelsAreListedAsEachClientReadsThem(t *testing.T) {
	k := newKit(t, router.Config{}, quick, place{"one", llm.OpenAI})
	for _, tc := range []struct {
		path, header string
		at           []any
		want         string
	}{
		{"/v1/models", "", []any{"data", 0, "id"}, "chat"}, {"/v1/models", "Anthropic-Version", []any{"data", 0, "display_name"}, "chat"},
		{"/v1beta/models", "", []any{"models", 0, "name"}, "models/chat"}, {"/v1/models?key=x", "", []any{"models", 1, "name"}, "models/one"},
		{"/v1/models/one", "", []any{"owned_by"}, "openai"}, {"/v1/models/one", "Anthropic-Version", []any{"type"}, "model"}, {"/v1beta/models/one", "", []any{"name"}, "models/one"},
		{"/openai/v1/models", "", []any{"data", 1, "id"}, "one"}, {"/v1/models/none", "Anthropic-Version", []any{"error", "type"}, "not_found_error"}, {"/v1beta/models/none", "", []any{"error", "status"}, "NOT_FOUND"},
	} {
		var h []string
		if tc.header != "" {
			h = []string{tc.header, "2023-06-01"}
		}
		if r := k.send("GET", tc.path, "", h...); member(t, r.body, tc.at...) != tc.want {
			t.Errorf("%s %s: %s", tc.path, tc.header, r.body)
		}
	}
}

func TestVectorsPicturesAndCountsGoThroughTheSamePath(t *testing.T) {
	k := newKit(t, router.Config{}, quick, place{"one", llm.OpenAI}, place{"two", llm.Gemini})
	k.fail(sim.Fault{Kind: sim.KindStatus, Value: 503, Region: "one"})
	for path, body := range map[string]string{
		"/v1/embeddings":                            `{"model":"chat","input":["a","b"]}`,
		"/v1beta/models/chat:batchEmbedContents":    `{"requests":[{"model":"models/chat","content":{"parts":[{"text":"a"}]}}]}`,
		"/v1/images/generations":                    `{"model":"chat","prompt":"a red house"}`,
		"/v1/messages/count_tokens":                 `{"model":"chat",` + asking + `}`,
		"/v1/responses/input_tokens":                `{"model":"chat","input":"hi"}`,
		"/v1beta/models/chat:countTokens":           `{"contents":[{"parts":[{"text":"hi"}]}]}`,
		"/openai/deployments/chat/embeddings?x=y":   `{"input":"a"}`,
		"/v1beta/models/chat:embedContent?alt=json": `{"content":{"parts":[{"text":"a"}]}}`,
	} {
		r := k.post(path, body)
		if r.status != 200 || r.header.Get("X-Bellwether-Target") != "two" {
			t.Errorf("%s: %d %.300s, %v", path, r.status, r.body, r.header)
		}
	}
	k = newKit(t, router.Config{}, quick, place{"one", llm.Anthropic})
	if r := k.post("/v1/embeddings", `{"model":"chat","input":"a"}`); r.status != 400 || !strings.Contains(r.body, "embeddings") {
		t.Errorf("of who has none: %d %s", r.status, r.body)
	}
	k = newKit(t, router.Config{}, quick, place{"one", llm.Gemini})
	if r := k.post("/v1/embeddings", `{"model":"chat","input":[1,2,3]}`); r.status != 400 || !strings.Contains(r.body, "input") {
		t.Errorf("tokens for another's model: %d %s", r.status, r.body)
	}
	if r := k.post("/v1/embeddings", `{"model":"chat","input":"a","x_new":1}`); r.status != 400 || !strings.Contains(r.body, "x_new") {
		t.Errorf("an unknown field for another dialect: %d %s", r.status, r.body)
	}
	if !slices.Contains(router.Scopes(), "embeddings") {
		t.Error("embeddings need a scope")
	}
}
