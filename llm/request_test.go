package llm

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func mustFor(t testing.TB, p Protocol) Codec {
	t.Helper()
	c, err := For(p)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestForKnowsEveryProtocolAndListsThemToWhoAsksForAnother(t *testing.T) {
	for _, p := range chats() {
		if c := mustFor(t, p); c.Protocol() != p {
			t.Errorf("For(%q).Protocol() = %q", p, c.Protocol())
		}
	}
	_, err := For("smoke")
	if err == nil || !strings.Contains(err.Error(), `"smoke"`) || !strings.Contains(err.Error(), "anthropic") {
		t.Errorf("For(smoke) = %v, want an error naming it and the known ones", err)
	}
}

func TestEveryProtocolIsCalledOnItsOwnPathWithItsOwnKeyHeader(t *testing.T) {
	say := []Message{{Role: RoleUser, Text: "hi"}}
	cases := []struct {
		p              Protocol
		base, version  string
		model          string
		stream         bool
		url, models    string
		header, secret string
	}{
		{OpenAI, "https://api.openai.com/v1", "", "gpt-4o", true, "https://api.openai.com/v1/chat/completions", "https://api.openai.com/v1/models", "Authorization", "Bearer k"},
		{OpenAI, "http://127.0.0.1:8000/v1/", "", "m", false, "http://127.0.0.1:8000/v1/chat/completions", "http://127.0.0.1:8000/v1/models", "Authorization", "Bearer k"},
		{Azure, "https://a.openai.azure.com", "", "my dep/1", false, "https://a.openai.azure.com/openai/deployments/my%20dep%2F1/chat/completions?api-version=2024-10-21", "https://a.openai.azure.com/openai/models?api-version=2024-10-21", "Api-Key", "k"},
		{Azure, "https://a.openai.azure.com/openai/", "2025-01-01-preview", "d", false, "https://a.openai.azure.com/openai/deployments/d/chat/completions?api-version=2025-01-01-preview", "https://a.openai.azure.com/openai/models?api-version=2025-01-01-preview", "Api-Key", "k"},
		{Azure, "https://a.openai.azure.com/openai/v1", "", "d", false, "https://a.openai.azure.com/openai/v1/chat/completions", "https://a.openai.azure.com/openai/v1/models", "Api-Key", "k"},
		{Anthropic, "https://api.anthropic.com", "", "claude", true, "https://api.anthropic.com/v1/messages", "https://api.anthropic.com/v1/models", "X-Api-Key", "k"},
		{Anthropic, "https://api.anthropic.com/v1", "", "claude", true, "https://api.anthropic.com/v1/messages", "https://api.anthropic.com/v1/models", "X-Api-Key", "k"},
		{Gemini, "https://generativelanguage.googleapis.com", "", "gemini-2.5-flash", true, "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse", "https://generativelanguage.googleapis.com/v1beta/models", "X-Goog-Api-Key", "k"},
		{Gemini, "https://generativelanguage.googleapis.com/v1", "", "tunedModels/x y", false, "https://generativelanguage.googleapis.com/v1/tunedModels/x%20y:generateContent", "https://generativelanguage.googleapis.com/v1/models", "X-Goog-Api-Key", "k"},
	}
	for _, c := range cases {
		e := Endpoint{BaseURL: c.base, APIVersion: c.version, Key: "k", Header: http.Header{"x-own": {"1"}, "Accept": {"own"}}}
		call, err := mustFor(t, c.p).Encode(e, Request{Model: c.model, Messages: say, Stream: c.stream})
		if err != nil {
			t.Fatal(err)
		}
		if call.Method != "POST" || call.URL != c.url || call.Header.Get(c.header) != c.secret ||
			call.Header.Get("Content-Type") != "application/json" || call.Header.Get("X-Own") != "1" || call.Header.Get("Accept") != "own" {
			t.Errorf("%s call = %s %s %v, want %s with %s", c.p, call.Method, call.URL, call.Header, c.url, c.header)
		}
		if !json.Valid(call.Body) {
			t.Errorf("%s body is no JSON: %s", c.p, call.Body)
		}
		list := mustFor(t, c.p).Models(e)
		if list.Method != "GET" || list.URL != c.models || list.Body != nil || list.Header.Get(c.header) != c.secret {
			t.Errorf("%s models = %+v, want GET %s", c.p, list, c.models)
		}
		call, _ = mustFor(t, c.p).Encode(Endpoint{BaseURL: c.base}, Request{Model: c.model, Messages: say})
		if len(call.Header[c.header]) != 0 {
			t.Errorf("%s sends %s without a key: %v", c.p, c.header, call.Header)
		}
	}
}

func TestMaxTokensGoesByTheNameThatTheServerKnows(t *testing.T) {
	cases := []struct{ base, model, field, want string }{
		{"https://api.openai.com/v1", "gpt-4o", "", "max_completion_tokens"},
		{"https://eu.api.openai.com/v1", "gpt-4o", "", "max_completion_tokens"},
		{"https://notapi.openai.com.evil.example/v1", "gpt-4o", "", "max_tokens"},
		{"http://localhost:11434/v1", "llama3", "", "max_tokens"},
		{"https://api.mistral.ai/v1", "mistral-large", "", "max_tokens"},
		{"https://gateway.example/v1", "o3-mini", "", "max_completion_tokens"},
		{"https://gateway.example/v1", "openai/gpt-5.1", "", "max_completion_tokens"},
		{"https://gateway.example/v1", "gpt-4o", "", "max_tokens"},
		{"https://gateway.example/v1", "gpt-4o", "max_completion_tokens", "max_completion_tokens"},
		{"https://api.openai.com/v1", "gpt-4o", "max_tokens", "max_tokens"},
	}
	for _, c := range cases {
		call, err := openAI{OpenAI}.Encode(Endpoint{BaseURL: c.base, MaxTokensField: c.field},
			Request{Model: c.model, MaxTokens: 5, Messages: []Message{{Role: RoleUser}}})
		var f fields
		if err := errors.Join(err, json.Unmarshal(call.Body, &f)); err != nil {
			t.Fatal(err)
		}
		if string(f[c.want]) != "5" || len(f) != 3 {
			t.Errorf("body to %s for %s = %s, want %s: 5", c.base, c.model, call.Body, c.want)
		}
	}
}

// translate reads an OpenAI request and encodes it for another protocol.
func translate(t *testing.T, to Protocol, body string) (string, error) {
	t.Helper()
	r, err := openAI{OpenAI}.DecodeRequest("/v1/chat/completions", []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	call, err := mustFor(t, to).Encode(Endpoint{BaseURL: "http://x"}, r)
	return string(call.Body), err
}

func TestOpenAIRequestsAreTranslated(t *testing.T) {
	const in = `{"model":"m","temperature":0.5,"stop":"END","user":null,"n":1,"presence_penalty":0,"tools":[],"response_format":{"type":"text"},
		"messages":[{"role":"developer","content":"Be brief."},{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},
		{"role":"system","content":"Be kind."},{"role":"user","content":"c"},{"role":"assistant","content":"d","refusal":null,"tool_calls":null,"annotations":[]},{"role":"user","content":"e"}]}`
	want := map[Protocol]string{
		Anthropic: `{"model":"m","max_tokens":4096,"system":[{"type":"text","text":"Be brief."},{"type":"text","text":"Be kind."}],` +
			`"messages":[{"role":"user","content":[{"type":"text","text":"a\nb"},{"type":"text","text":"c"}]},{"role":"assistant","content":"d"},{"role":"user","content":"e"}],"temperature":0.5,"stop_sequences":["END"]}`,
		Gemini: `{"contents":[{"role":"user","parts":[{"text":"a\nb"},{"text":"c"}]},{"role":"model","parts":[{"text":"d"}]},{"role":"user","parts":[{"text":"e"}]}],` +
			`"systemInstruction":{"parts":[{"text":"Be brief."},{"text":"Be kind."}]},"generationConfig":{"temperature":0.5,"stopSequences":["END"]}}`,
	}
	for p, w := range want {
		if got, err := translate(t, p, in); err != nil || got != w {
			t.Errorf("to %s =\n%s, %v, want\n%s", p, got, err, w)
		}
	}
}

func TestASchemaIsTranslatedToEveryProtocol(t *testing.T) {
	const in = `{"model":"m","messages":[{"role":"user","content":"a"}],"response_format":{"type":"json_schema","json_schema":{"name":"weather","strict":true,"schema":{"type":"object"}}}}`
	want := map[Protocol]string{
		OpenAI:    `"response_format":{"type":"json_schema","json_schema":{"name":"weather","strict":true,"schema":{"type":"object"}}}`,
		Anthropic: `"output_config":{"format":{"type":"json_schema","schema":{"type":"object"}}}`,
		Gemini:    `"generationConfig":{"responseMimeType":"application/json","responseJsonSchema":{"type":"object"}}`,
	}
	for p, w := range want {
		if got, err := translate(t, p, in); err != nil || !strings.Contains(got, w) {
			t.Errorf("to %s = %s, %v, want %s in it", p, got, err, w)
		}
	}
}

func TestWhatAProtocolCannotSayIsRefusedByName(t *testing.T) {
	const head = `{"model":"m","messages":[{"role":"user","content":"a"}],`
	cases := []struct {
		to   Protocol
		body string
		want []string
	}{
		{Anthropic, head + `"temperature":1.5}`, []string{"temperature"}},
		{Anthropic, head + `"seed":1,"logprobs":true,"reasoning_effort":"low","tools":[{"type":"function"}]}`, []string{"logprobs", "reasoning_effort", "seed", "tools"}},
		{Gemini, head + `"user":"u","n":2,"stream":true}`, []string{"n", "user"}},
		{Anthropic, head + `"response_format":{"type":"json_object"},"stream_options":{"include_obfuscation":false}}`, []string{"response_format", "stream_options.include_obfuscation"}},
		{Anthropic, `{"messages":[{"role":"user","content":[{"type":"text","text":"see"},{"type":"image_url","image_url":{"url":"x"}}]}]}`, []string{"messages[0].content.image_url"}},
		{Gemini, `{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":null,"tool_calls":[{"id":"c"}]},{"role":"tool","tool_call_id":"c","content":"r"}]}`,
			[]string{"messages[1].tool_calls", "messages[2].tool_call_id"}},
		{Anthropic, `{"messages":[{"role":"user","name":"bob","content":"a"}]}`, []string{"messages[0].name"}},
	}
	for _, c := range cases {
		_, err := translate(t, c.to, c.body)
		e, ok := errors.AsType[*UnsupportedError](err)
		if !ok || !slices.Equal(e.Fields, c.want) || e.Protocol != c.to || !strings.Contains(err.Error(), c.want[0]) {
			t.Errorf("%s to %s: %v, want it to refuse %q", c.body, c.to, err, c.want)
			continue
		}
		r, _ := openAI{OpenAI}.DecodeRequest("", []byte(c.body))
		less, ok := r.Without(e.Fields)
		if wantOK := !strings.HasPrefix(c.want[0], "messages[") || strings.HasSuffix(c.want[0], ".name"); ok != wantOK {
			t.Errorf("Without(%q) = %v, want %v", e.Fields, ok, wantOK)
		}
		if _, err := mustFor(t, c.to).Encode(Endpoint{}, less); ok && err != nil {
			t.Errorf("without %q: %v, want it expressible", e.Fields, err)
		}
	}
	if _, err := (anthropic{}).Encode(Endpoint{}, Request{Messages: []Message{{Role: RoleTool, Text: "x"}}}); err == nil {
		t.Error("a tool's result without its call was encoded")
	}
}

func TestTheSameDialectGetsWhatIsUnknownVerbatim(t *testing.T) {
	cases := []struct {
		p    Protocol
		path string
		body string
		want []string
	}{
		{OpenAI, "/v1/chat/completions", `{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]},{"role":"tool","tool_call_id":"c","content":"r"}],"reasoning_effort":"low","top_logprobs":2,"stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false}}`,
			[]string{`{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}`, `{"role":"tool","tool_call_id":"c","content":"r"}`, `"reasoning_effort":"low"`, `"stream_options":{"include_usage":true,"include_obfuscation":false}`}},
		{Azure, "/openai/deployments/dep/chat/completions", `{"messages":[{"role":"user","content":"a"}],"data_sources":[{"type":"x"}]}`, []string{`"data_sources":[{"type":"x"}]`, `"model":"dep"`}},
		{Anthropic, "/v1/messages", `{"model":"m","max_tokens":5,"system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral"}}],"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"r"}]},{"role":"user","content":"more"}],"tools":[{"name":"f"}],"thinking":{"type":"adaptive"}}`,
			[]string{`"system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral"}}]`, `"content":[{"type":"tool_result","tool_use_id":"t","content":"r"},{"type":"text","text":"more"}]`, `"tools":[{"name":"f"}]`, `"thinking":{"type":"adaptive"}`}},
		{Gemini, "/v1beta/models/m:generateContent", `{"system_instruction":{"parts":[{"text":"s"}]},"contents":[{"parts":[{"text":"a"},{"inlineData":{"mimeType":"image/png","data":"AA=="}}],"role":"user"}],"safetySettings":[],"generation_config":{"topK":3,"maxOutputTokens":7,"thinkingConfig":{"thinkingBudget":0}}}`,
			[]string{`"systemInstruction":{"parts":[{"text":"s"}]}`, `{"inlineData":{"mimeType":"image/png","data":"AA=="}}`, `"safetySettings":[]`, `"maxOutputTokens":7,"thinkingConfig":{"thinkingBudget":0},"topK":3`}},
	}
	for _, c := range cases {
		codec := mustFor(t, c.p)
		r, err := codec.DecodeRequest(c.path, []byte(c.body))
		if err != nil {
			t.Fatal(err)
		}
		call, err := codec.Encode(Endpoint{BaseURL: "http://x"}, r)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range c.want {
			if !strings.Contains(string(call.Body), w) {
				t.Errorf("%s body =\n%s\nwant in it %s", c.p, call.Body, w)
			}
		}
		again, err := codec.DecodeRequest(c.path, call.Body)
		if c.p != Anthropic && (err != nil || !reflect.DeepEqual(again, r)) {
			t.Errorf("%s read again = %+v, %v, want %+v", c.p, again, err, r)
		}
	}
}

func TestUsageIsAskedForWithoutLosingTheCallersStreamOptions(t *testing.T) {
	r, err := openAI{OpenAI}.DecodeRequest("", []byte(`{"messages":[{"role":"user","content":"a"}],"stream":true,"stream_options":{"x":1}}`))
	if err != nil {
		t.Fatal(err)
	}
	r.StreamUsage = true
	call, err := openAI{OpenAI}.Encode(Endpoint{}, r)
	if err != nil || !strings.Contains(string(call.Body), `"stream_options":{"include_usage":true,"x":1}`) {
		t.Errorf("body = %s, %v", call.Body, err)
	}
}

func TestRequestsThatMakeNoSenseAreRefusedNamingTheField(t *testing.T) {
	cases := []struct {
		p          Protocol
		path, body string
		want       string
	}{
		{OpenAI, "", `{`, "JSON"}, {OpenAI, "", `null`, "null"}, {OpenAI, "", `[]`, "[] in place of an object"},
		{OpenAI, "", `{}`, "messages"}, {OpenAI, "", `{"messages":[]}`, "messages"},
		{OpenAI, "", `{"messages":[{"role":"user","content":"a"}],"temperature":"hot"}`, "temperature"},
		{OpenAI, "", `{"messages":[{"role":"user","content":"a"}],"max_tokens":-1}`, "max_tokens"},
		{OpenAI, "", `{"messages":[{"role":"wizard","content":"a"}]}`, "wizard"},
		{OpenAI, "", `{"messages":[{"role":"user","content":5}]}`, "messages[0]: content"},
		{OpenAI, "", `{"messages":[{"role":"user","content":"a"}],"stop":5}`, "stop"},
		{OpenAI, "", `{"messages":[{"role":"user","content":"a"}],"response_format":5}`, "response_format"},
		{Anthropic, "", `{"messages":[{"role":"tool","content":"a"}]}`, "tool"},
		{Anthropic, "", `{"system":5,"messages":[{"role":"user","content":"a"}]}`, "system"},
		{Anthropic, "", `{"messages":[{"role":"user"}]}`, "content"},
		{Gemini, "/v1beta/models/m:generateContent", `{}`, "contents"},
		{Gemini, "/v1beta/models/m:countTokens", `{}`, "countTokens"},
		{Gemini, "/v1beta/models/:generateContent", `{}`, "no model"},
		{Gemini, "/v1beta/models/m:generateContent", `{"contents":[{"role":"wizard","parts":[]}]}`, "wizard"},
	}
	for _, c := range cases {
		_, err := mustFor(t, c.p).DecodeRequest(c.path, []byte(c.body))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), fmt.Sprintf("read %s request: ", c.p)) {
			t.Errorf("%s %s: %v, want an error naming %s", c.p, c.body, err, c.want)
		}
	}
	for name, r := range map[string]Request{
		"messages": {}, "role": {Messages: []Message{{Role: "wizard"}}},
		"temperature": {Messages: []Message{{Role: RoleUser}}, Temperature: ptr(math.NaN())},
		"json schema": {Messages: []Message{{Role: RoleUser}}, JSONSchema: json.RawMessage(`{`)},
		"raw":         {Messages: []Message{{Role: RoleUser, Raw: json.RawMessage(`"x"`)}}},
		"x":           {Messages: []Message{{Role: RoleUser}}, Extra: map[string]json.RawMessage{"x": json.RawMessage(`{`)}},
	} {
		for _, p := range chats() {
			if _, err := mustFor(t, p).Encode(Endpoint{}, r); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s Encode = %v, want an error naming %s", p, err, name)
			}
		}
	}
}

func TestTheTimeOfCreationIsReadFromTimeOrderedIDs(t *testing.T) {
	if got := createdOf("chatcmpl-01933b1a-7c00-7abc-8def-0123456789ab"); got != 0x01933b1a7c00/1000 {
		t.Errorf("createdOf = %d, want %d", got, 0x01933b1a7c00/1000)
	}
	for _, id := range []string{"", "chatcmpl-9abc", "01933b1a-7c00-4abc-8def-0123456789ab", strings.Repeat("7", 36)[:14] + "7zzzzzzzzzzzzzzzzzzzzzz"} {
		if got := createdOf(id); id != "" && got < 0 {
			t.Errorf("createdOf(%q) = %d", id, got)
		}
	}
}

func TestTheRefusalOfAModelIsToldApartFromAnAnswer(t *testing.T) {
	c := openAI{OpenAI}
	got, err := c.Decode(c.EncodeResponse(Response{Refusal: "No.", Finish: FinishRefusal}))
	if err != nil || got.Refusal != "No." || got.Finish != FinishRefusal || got.Text != "" {
		t.Errorf("a refusal is read back as %+v, %v", got, err)
	}
	enc := c.Encoder(Request{}, "i", "m").(FullStreamEncoder)
	s, _ := tell(c, strings.NewReader(string(enc.End(enc.Refusal(nil, "No."), FinishRefusal, nil))))
	if s.Refusal != "No." || s.Finish != FinishRefusal || !s.Done {
		t.Errorf("a streamed refusal is read back as %+v", s)
	}
}

func TestOpenAISendsExactlyOneUsageChunkAndOnlyWhenAsked(t *testing.T) {
	for _, asked := range []bool{true, false} {
		enc := openAI{OpenAI}.Encoder(Request{Stream: true, StreamUsage: asked}, "i", "m")
		b := string(enc.End(enc.Text(enc.Start(nil, nil), "x"), FinishStop, &Usage{Input: 1, Output: 2}))
		want := 0
		if asked {
			want = 1
		}
		if got := strings.Count(b, `"prompt_tokens"`); got != want || strings.Count(b, `"choices":[],"usage":{`) != want {
			t.Errorf("asked %v: %d usage chunks, want %d, in\n%s", asked, got, want, b)
		}
	}
}
