package llm

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/conf"
)

func bindHTTP(t testing.TB, tm Template) (Codec, Endpoint) {
	t.Helper()
	e := Endpoint{BaseURL: "https://models.example/", Key: "k", HTTP: &tm, Header: http.Header{"X-Own": {"1"}}}
	c, err := Bind(mustFor(t, HTTP), e)
	if err != nil {
		t.Fatal(err)
	}
	return c, e
}

func TestATemplateAsksAndItsPathsReadTheAnswer(t *testing.T) {
	c, e := bindHTTP(t, Template{
		Path: "/models/{{model}}/predict?q={{prompt}}", Headers: map[string]conf.Secret{"X-Model": "{{model}}"},
		Body: `{"inputs": [{"text": "{{prompt}}"}], "limit": {{max_tokens}}}`,
		Text: "outputs[0].label", Confidence: "$.outputs[0].score", Finish: "done", InputTokens: "usage.in", OutputTokens: `usage["out.total"]`,
	})
	call, err := c.Encode(e, Request{Model: "a/b", Messages: []Message{{Role: RoleUser, Text: "say \"{{model}}\"\n& more"}}, MaxTokens: 5, Stream: true, Logprobs: true})
	if err != nil {
		t.Fatal(err)
	}
	if call.Method != "POST" || call.URL != "https://models.example/models/a%2Fb/predict?q=say+%22%7B%7Bmodel%7D%7D%22%0A%26+more" ||
		string(call.Body) != `{"inputs": [{"text": "say \"{{model}}\"\n& more"}], "limit": 5}` ||
		call.Header.Get("X-Model") != "a/b" || call.Header.Get("X-Own") != "1" || call.Header.Get("Authorization") != "Bearer k" {
		t.Errorf("call = %s %s %v %s", call.Method, call.URL, call.Header, call.Body)
	}
	r, err := c.Decode([]byte(`{"outputs":[{"label":"positive","score":0.5}],"done":true,"usage":{"in":7,"out.total":2}}`))
	if err != nil || r.Text != "positive" || math.Abs(*r.MeanLogprob-math.Log(0.5)) > 1e-12 || r.Finish != FinishStop || *r.Usage != (Usage{Input: 7, Output: 2}) {
		t.Errorf("Decode = %+v, %v", r, err)
	}
	if r, err = c.Decode([]byte(`{"outputs":[{"label":["a"],"score":7}]}`)); err != nil || r.Text != `["a"]` || r.MeanLogprob != nil || r.Finish != FinishNone || r.Usage != nil {
		t.Errorf("Decode without the rest = %+v, %v", r, err)
	}
	for body, want := range map[string]string{`{"outputs":[]}`: "nothing at outputs[0].label", `<html>`: "no JSON"} {
		if _, err := c.Decode([]byte(body)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Decode(%s) = %v, want %s", body, err, want)
		}
	}
	_, err = c.Decode([]byte(`{"error":{"message":"currently overloaded"}}`))
	if in, ok := errors.AsType[*Error](err); !ok || in.Outcome != bellwether.Overloaded {
		t.Errorf("an error inside a 200 = %v", err)
	}
	if got := c.Error(503, nil, nil); got.Outcome != bellwether.Overloaded {
		t.Errorf("a 503 is %+v", got)
	}
}

func TestAPlainGetIsTheCheapestCanary(t *testing.T) {
	c, e := bindHTTP(t, Template{Path: "/health"})
	call, err := c.Encode(e, Request{Messages: []Message{{Role: RoleUser, Text: "unused"}}})
	if err != nil || call.Method != "GET" || call.URL != "https://models.example/health" || call.Body != nil {
		t.Errorf("call = %+v, %v", call, err)
	}
	if r, err := c.Decode([]byte("OK\n")); err != nil || r.Text != "OK\n" || r.Finish != FinishStop {
		t.Errorf("Decode = %+v, %v", r, err)
	}
}

func TestWhatATemplateHasNoPlaceForIsRefused(t *testing.T) {
	c, e := bindHTTP(t, Template{Body: `"{{prompt}}"`})
	_, err := c.Encode(e, Request{Messages: []Message{{Role: RoleSystem, Text: "s"}, {Role: RoleUser, Text: "a"}, {Role: RoleAssistant, Text: "b"}, {Role: RoleUser, Text: "c"}},
		Temperature: ptr(0.5), JSONSchema: json.RawMessage(`{}`), Logprobs: true})
	want := []string{"logprobs", "messages[0]", "messages[2]", "messages[3]", "response_format", "temperature"}
	if u, ok := errors.AsType[*UnsupportedError](err); !ok || !slices.Equal(u.Fields, want) {
		t.Errorf("Encode = %v, want it to refuse %q", err, want)
	}
	if _, err := c.Encode(e, Request{Messages: []Message{{Role: RoleUser, Text: "a"}}, Temperature: ptr(0.0)}); err != nil {
		t.Errorf("temperature 0, as exact as it gets, is refused: %v", err)
	}
}

func TestATemplateThatMakesNoSenseIsAProblemAtItsPlace(t *testing.T) {
	for path, tm := range map[string]Template{
		"method": {Method: "post it"}, "body": {Body: `{"a": {{prompt}}}`}, "path": {Path: "predict"}, "text": {Text: "a..b"},
		"headers.X": {Headers: map[string]conf.Secret{"X": "{{key}}"}}, "finish": {Finish: "a[x]"},
	} {
		ps := tm.Validate()
		if len(ps) != 1 || ps[0].Path != path || ps[0].Remedy == "" {
			t.Errorf("%+v: %+v, want one problem at %s", tm, ps, path)
		}
		if _, err := Bind(mustFor(t, HTTP), Endpoint{HTTP: &tm}); err == nil {
			t.Errorf("%+v was bound", tm)
		}
	}
	if ps := (Template{Method: "GET", Body: `{}`}).Validate(); len(ps) != 1 || ps[0].Path != "body" {
		t.Errorf("a GET with a body: %+v", ps)
	}
	if ps := DefaultTemplate().Validate(); ps != nil {
		t.Errorf("the default template: %+v", ps)
	}
}

func TestTheDefaultTemplateIsSpokenByBothSides(t *testing.T) {
	c := mustFor(t, HTTP)
	rapid.Check(t, func(t *rapid.T) {
		want := asked{rapid.String().Draw(t, "prompt"), sayable(t, "system"), rapid.String().Draw(t, "model"), rapid.IntRange(0, 99).Draw(t, "max")}
		call, err := c.Encode(Endpoint{BaseURL: "http://x"}, Request{Model: want.model, MaxTokens: want.maxTokens,
			Messages: []Message{{Role: RoleSystem, Text: want.system}, {Role: RoleUser, Text: want.prompt}}})
		if err != nil {
			t.Fatal(err)
		}
		r, err := c.DecodeRequest("/", call.Body)
		if err != nil || r.Model != want.model || r.MaxTokens != want.maxTokens || r.Messages[0].Text != want.system || r.Messages[1].Text != want.prompt {
			t.Fatalf("DecodeRequest(%s) = %+v, %v", call.Body, r, err)
		}
		a := Response{Text: want.prompt, Finish: FinishLength, Usage: &Usage{Input: 3, Output: want.maxTokens}}
		got, err := c.Decode(c.EncodeResponse(a))
		if err != nil || got.Text != a.Text || got.Finish != a.Finish || *got.Usage != *a.Usage {
			t.Fatalf("Decode = %+v, %v, want %+v", got, err, a)
		}
		enc := c.Encoder(Request{}, "", "").(FullStreamEncoder)
		s, _ := tell(c, &dripReader{t, enc.End(enc.Text(nil, a.Text), a.Finish, a.Usage)})
		if s.Text != a.Text || s.Finish != a.Finish || !s.Done {
			t.Fatalf("a stream says %+v, want %+v", s, a)
		}
	})
}

func TestPathsFindWhatTheySay(t *testing.T) {
	const data = ` {"a":{"b":[{"c":1},{"c":"two"}],"":null,"x.y":[true]},"a\u0062":5}`
	for path, want := range map[string]string{
		"": strings.TrimSpace(data), "$": strings.TrimSpace(data), "a.b[0].c": "1", "$.a.b[1].c": `"two"`, "a.b[-1].c": `"two"`, `$["a"]["x.y"][0]`: "true",
		"ab": "5", "a.c": "", "a.b[2]": "", "a.b[-3]": "", "a[0]": "", "a.b.c": "", `a[""]`: "null",
	} {
		p, err := ParsePath(path)
		if got := p.find([]byte(data)); err != nil || string(got) != want {
			t.Errorf("%s = %s, %v, want %s", path, got, err, want)
		}
	}
	for _, bad := range []string{".a", "a.", "a b", "a[", "a[]", "a[1", `a["x`, "a]", "$a", "a[1]b", strings.Repeat("a.", 40) + "a", "a[99999999]", "*"} {
		if _, err := ParsePath(bad); err == nil {
			t.Errorf("ParsePath(%s) took it", bad)
		}
	}
}

// FuzzPath: a path that is taken finds, in any JSON, a value of that JSON.
func FuzzPath(f *testing.F) {
	f.Add(`$.a["b.c"][-1]`, []byte(`{"a":{"b.c":[1,2]}}`))
	f.Add(`a[0][0]`, []byte(`{"a":[[{}]]`))
	f.Fuzz(func(t *testing.T, path string, data []byte) {
		p, err := ParsePath(path)
		if err != nil {
			return
		}
		if got := p.find(data); json.Valid(data) && got != nil && !json.Valid(got) {
			t.Fatalf("%q in %q is %q", path, data, got)
		}
	})
}

// FuzzTemplate: a template that is valid asks with valid JSON, whatever the
// prompt, and reads any answer without harm.
func FuzzTemplate(f *testing.F) {
	f.Add(`{"a":"{{prompt}}","m":"{{model}}","n":{{max_tokens}}}`, "a.b", "\"}\n{{model}}", []byte(`{"a":{"b":1}}`))
	f.Fuzz(func(t *testing.T, body, path, prompt string, answer []byte) {
		tm := Template{Method: "POST", Body: body, Text: path, Finish: path, Confidence: path, InputTokens: path}
		if tm.Validate() != nil {
			return
		}
		c, e := bindHTTP(t, tm)
		call, err := c.Encode(e, Request{Model: prompt, Messages: []Message{{Role: RoleUser, Text: prompt}}})
		if err != nil {
			t.Fatal(err)
		}
		if body != "" && !json.Valid(call.Body) {
			t.Fatalf("%q filled with %q is no JSON: %q", body, prompt, call.Body)
		}
		_, _ = c.Decode(answer)
	})
}
