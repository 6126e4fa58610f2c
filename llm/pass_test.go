package llm

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// A request to a provider of its own dialect is the caller's to the last
// byte, but for what routing changes.
func TestARequestOfTheSameDialectIsSentAsItCame(t *testing.T) {
	cases := []struct {
		name, path, body, want string
		p                      Protocol
		e                      Endpoint
		stream                 bool
	}{
		{"chat", "", `{ "x_new": {"a": [1.50, 1e2]}, "model":"route", "messages":[{"role":"user","content":"hi","x":null}], "temperature": 1.0 }`,
			`{"x_new":{"a": [1.50, 1e2]},"model":"m","messages":[{"role":"user","content":"hi","x":null}],"temperature":1.0}`, OpenAI, Endpoint{}, false},
		{"usage asked for", "", `{"model":"route","messages":[{"role":"user","content":"hi"}],"stream":true,"stream_options":{"x":1}}`,
			`{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true,"stream_options":{"x":1,"include_usage":true}}`, OpenAI, Endpoint{}, true},
		{"the other name of the limit", "", `{"model":"route","messages":[{"role":"user","content":"hi"}],"max_tokens":5,"x":1}`,
			`{"model":"m","messages":[{"role":"user","content":"hi"}],"max_completion_tokens":5,"x":1}`, OpenAI, Endpoint{MaxTokensField: "max_completion_tokens"}, false},
		{"messages", "", `{"model":"route","max_tokens":5,"messages":[{"role":"user","content":"hi"}],"x":{"y":"\u00e9"}}`,
			`{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"hi"}],"x":{"y":"\u00e9"}}`, Anthropic, Endpoint{}, false},
		{"responses", "", `{"input":"hi","model":"route","x":[]}`, `{"input":"hi","model":"m","x":[]}`, Responses, Endpoint{}, false},
		{"gemini", "/v1beta/models/route:generateContent", `{"contents":[{"parts":[{"text":"hi"}]}], "generation_config":{"x":1}}`,
			`{"contents":[{"parts":[{"text":"hi"}]}],"generation_config":{"x":1}}`, Gemini, Endpoint{}, false},
		{"a model told twice", "", `{"model":"a","model":"b","messages":[{"role":"user","content":"hi"}]}`,
			`{"model":"m","messages":[{"role":"user","content":"hi"}]}`, OpenAI, Endpoint{}, false},
		{"thoughts that nobody signed", "", `{"model":"a","max_tokens":1,"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":""},{"type":"text","text":"b"}]},{"role":"user","content":"c"}]}`,
			`{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"text","text":"b"}]},{"role":"user","content":"c"}]}`, Anthropic, Endpoint{}, false},
	}
	for _, c := range cases {
		codec := mustFor(t, c.p)
		r, err := codec.DecodeRequest(c.path, []byte(c.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Body, r.Model, r.StreamUsage = []byte(c.body), "m", c.stream
		c.e.BaseURL = "http://127.0.0.1:1/v1"
		call, err := codec.Encode(c.e, r)
		if err != nil || string(call.Body) != c.want {
			t.Errorf("%s: %s, %v, want %s", c.name, call.Body, err, c.want)
		}
	}
}

func TestSchemasOfGooglesOwnFormBecomeJSONSchemas(t *testing.T) {
	for in, want := range map[string]string{
		`{"type":"OBJECT","properties":{"a":{"type":"STRING","nullable":true,"enum":["x"],"format":"enum"},"b":{"type":"ARRAY","items":{"type":"INTEGER"},"minItems":"1"}},"required":["a"],"propertyOrdering":["a","b"]}`: `{"properties":{"a":{"enum":["x",null],"type":["string","null"]},"b":{"items":{"type":"integer"},"minItems":1,"type":"array"}},"required":["a"],"type":"object"}`,
		`{"anyOf":[{"type":"NUMBER"},{"type":"BOOLEAN"}],"description":"d","example":1}`: `{"anyOf":[{"type":"number"},{"type":"boolean"}],"description":"d","examples":[1]}`,
		`{"type":"string"}`: `{"type":"string"}`,
		`{"type":"BLOB"}`:   "", `{"type":"OBJECT","x":1}`: "", `{"items":7}`: "", `{"minItems":"many"}`: "",
	} {
		got, ok := jsonSchema([]byte(in))
		if ok != (want != "") || ok && string(got) != want {
			t.Errorf("jsonSchema(%s) = %s, %v, want %s", in, got, ok, want)
		}
	}
	r, err := gemini{}.DecodeRequest("/v1beta/models/m:generateContent", []byte(`{"contents":[{"parts":[{"text":"a"}]}],"tools":[{"functionDeclarations":[{"name":"f","parameters":{"type":"OBJECT","properties":{"x":{"type":"STRING"}}}}]}],"generationConfig":{"responseMimeType":"application/json","responseSchema":{"type":"OBJECT"}}}`))
	if err != nil || len(r.Tools) != 1 || string(r.Tools[0].Parameters) != `{"properties":{"x":{"type":"string"}},"type":"object"}` || string(r.JSONSchema) != `{"type":"object"}` || len(r.Extra) != 0 {
		t.Errorf("request = %+v, %v", r, err)
	}
}

// What two dialects have under different names is told, both ways.
func TestKindredFieldsAreTranslated(t *testing.T) {
	const chat, items, google, claude = `{"messages":[{"role":"user","content":"a"}],`, `{"input":"a",`, `{"contents":[{"parts":[{"text":"a"}]}],`, `{"max_tokens":9000,"messages":[{"role":"user","content":"a"}],`
	for _, c := range []struct {
		from, to Protocol
		in, want string
	}{
		{OpenAI, Gemini, chat + `"n":2,"presence_penalty":0.5,"frequency_penalty":1,"response_format":{"type":"json_object"}}`,
			`"generationConfig":{"candidateCount":2,"frequencyPenalty":1,"presencePenalty":0.5,"responseMimeType":"application/json"}`},
		{Gemini, OpenAI, google + `"generationConfig":{"candidateCount":2}}`, `"n":2`},
		{Gemini, OpenAI, google + `"generationConfig":{"responseMimeType":"application/json"}}`, `"response_format":{"type":"json_object"}`},
		{OpenAI, Responses, chat + `"reasoning_effort":"low","verbosity":"high","metadata":{"a":"b"}}`, `"text":{"verbosity":"high"},"store":false,"metadata":{"a":"b"},"reasoning":{"effort":"low"}`},
		{Responses, OpenAI, items + `"reasoning":{"effort":"low"}}`, `"reasoning_effort":"low"`},
		{Responses, OpenAI, items + `"text":{"format":{"type":"json_schema","name":"n","strict":true,"schema":{"type":"object"}}}}`, `"response_format":{"type":"json_schema"`},
		{Anthropic, Gemini, claude + `"top_k":3,"thinking":{"type":"enabled","budget_tokens":2000}}`, `"thinkingConfig":{"thinkingBudget":2000,"includeThoughts":true},"topK":3`},
		{Gemini, Anthropic, google + `"generationConfig":{"thinkingConfig":{"thinkingBudget":2000}}}`, `"thinking":{"type":"enabled","budget_tokens":2000}`},
		{Gemini, Anthropic, google + `"generationConfig":{"thinkingConfig":{"thinkingBudget":0}}}`, `"thinking":{"type":"disabled"}`},
	} {
		r, err := mustFor(t, c.from).DecodeRequest("/v1beta/models/m:generateContent", []byte(c.in))
		if err != nil {
			t.Fatal(err)
		}
		call, err := mustFor(t, c.to).Encode(Endpoint{BaseURL: "http://127.0.0.1:1"}, r)
		if err != nil || !strings.Contains(string(call.Body), c.want) {
			t.Errorf("%s to %s: %s, %v, want %s in it", c.from, c.to, call.Body, err, c.want)
		}
	}
}

func TestHintsCanBeLeftOutAndQuestionsCannot(t *testing.T) {
	for name, want := range map[string]bool{"user": true, "metadata.x": true, "reasoning_effort": true, "messages[3].reasoning": true, "messages[3].tool_result.is_error": true, "messages[0].content.cache_control": true,
		"output_config.effort": true, "output_config.format": false, "n": false, "seed": false, "tools": false, "messages[0].content.document": false, "previous_response_id": false, "prefill": false} {
		if Hint(name) != want {
			t.Errorf("Hint(%q) = %v", name, !want)
		}
	}
	const in = `{"max_tokens":5,"metadata":{"user_id":"u"},"messages":[{"role":"user","content":[{"type":"text","text":"q","cache_control":{"type":"ephemeral"}}]},
		{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"s"}]},{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"text","text":"b"}]},{"role":"user","content":"c"}]}`
	r, err := anthropic{}.DecodeRequest("", []byte(in))
	if err != nil {
		t.Fatal(err)
	}
	_, err = gemini{}.Encode(Endpoint{BaseURL: "http://127.0.0.1:1"}, r)
	no, ok := errors.AsType[*UnsupportedError](err)
	if !ok || slices.ContainsFunc(no.Fields, func(n string) bool { return !Hint(n) }) || len(no.Fields) < 4 {
		t.Fatalf("gemini: %v", err)
	}
	less, ok := r.Without(no.Fields)
	if !ok {
		t.Fatal("hints cannot be left out")
	}
	call, err := gemini{}.Encode(Endpoint{BaseURL: "http://127.0.0.1:1"}, less)
	if want := `{"contents":[{"role":"user","parts":[{"text":"q"}]},{"role":"model","parts":[{"text":"b"}]},{"role":"user","parts":[{"text":"c"}]}],"generationConfig":{"maxOutputTokens":5}}`; err != nil || string(call.Body) != want {
		t.Errorf("without hints: %s, %v, want %s", call.Body, err, want)
	}
}

func TestTokensAreCountedBothWays(t *testing.T) {
	for _, p := range []Protocol{Anthropic, Gemini, Responses} {
		c := mustFor(t, p).(Counter)
		call, err := c.EncodeCount(Endpoint{BaseURL: "http://127.0.0.1:1"}, Request{Model: "m", MaxTokens: 7, Temperature: ptr(0.5), User: "u", Stream: true,
			Messages: []Message{{Role: RoleSystem, Text: "s"}, {Role: RoleUser, Text: "a"}}, Tools: []Tool{{Name: "f"}}})
		if err != nil || strings.Contains(string(call.Body), "max") || strings.Contains(string(call.Body), "0.5") {
			t.Fatalf("%s: %s, %v", p, call.Body, err)
		}
		r, err := c.DecodeCountRequest(pathOf(t, call), call.Body)
		if err != nil || len(r.Messages) != 2 || len(r.Tools) != 1 || r.Stream {
			t.Errorf("%s reads %s as %+v, %v", p, call.Body, r, err)
		}
		if n, err := c.DecodeCount(c.EncodeCounted(42)); n != 42 || err != nil {
			t.Errorf("%s: %d, %v", p, n, err)
		}
		for _, bad := range []string{`{}`, `[`, `{"input_tokens":"x"}`, `{"error":{"message":"no"}}`} {
			if _, err := c.DecodeCount([]byte(bad)); err == nil {
				t.Errorf("%s: %s is a count", p, bad)
			}
		}
	}
}

func TestAllChoicesOfAnAnswerAreRead(t *testing.T) {
	for _, p := range []Protocol{OpenAI, Gemini} {
		c := mustFor(t, p)
		want := Response{ID: "i", Model: "m", Text: "a", Finish: FinishStop, More: []Response{{Text: "b", Finish: FinishLength}, {ToolCalls: []ToolCall{{ID: "c", Name: "f", Arguments: "{}"}}, Finish: FinishToolCalls}}}
		got, err := c.Decode(c.EncodeResponse(want))
		got.Raw = nil
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v, want %+v", p, got, err, want)
		}
	}
}

// Whatever a body is, patching it gives JSON with the new members and all the
// others.
func FuzzPatched(f *testing.F) {
	f.Add([]byte(`{"model":"a","x":[1,{"model":2}],"model":"b"}`), "m")
	f.Add([]byte(`{}`), "")
	f.Fuzz(func(t *testing.T, in []byte, model string) {
		var before map[string]json.RawMessage
		if !json.Valid(in) || json.Unmarshal(in, &before) != nil || before == nil {
			patched(in, map[string][]byte{"model": []byte(`1`)})
			return
		}
		out, ok := patched(in, map[string][]byte{"model": appendString(nil, model), "stream": nil})
		var after map[string]json.RawMessage
		if err := json.Unmarshal(out, &after); !ok || err != nil {
			t.Fatalf("patched(%s) = %s, %v, %v", in, out, ok, err)
		}
		delete(before, "stream")
		before["model"] = appendString(nil, model)
		if len(before) != len(after) || string(after["model"]) != string(before["model"]) {
			t.Errorf("patched(%s) = %s", in, out)
		}
	})
}

func FuzzJSONSchema(f *testing.F) {
	f.Add([]byte(`{"type":"OBJECT","properties":{"a":{"anyOf":[{"type":"STRING","nullable":true}]}},"minItems":"2"}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		if !json.Valid(in) {
			return
		}
		if out, ok := jsonSchema(in); ok && !json.Valid(out) {
			t.Errorf("jsonSchema(%s) = %s", in, out)
		}
	})
}

// Google's clients leave the ids of calls out of results, also of calls that
// another provider gave ids.
func TestResultsWithoutIdsArePairedByNameAndOrder(t *testing.T) {
	r, err := gemini{}.DecodeRequest("/v1beta/models/m:generateContent", []byte(`{"contents":[{"parts":[{"text":"a"}]},
		{"role":"model","parts":[{"functionCall":{"id":"c1","name":"f","args":{}}},{"functionCall":{"id":"c2","name":"f","args":{}}},{"functionCall":{"id":"c3","name":"f","args":{}}}]},
		{"role":"user","parts":[{"functionResponse":{"id":"c2","name":"f","response":{"output":"two"}}},{"functionResponse":{"name":"f","response":{"output":"one"}}},{"functionResponse":{"name":"f","response":{"output":"three"}}}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	call, err := openAI{OpenAI}.Encode(Endpoint{BaseURL: "http://127.0.0.1:1"}, r)
	for id, text := range map[string]string{"c1": "one", "c2": "two", "c3": "three"} {
		if want := `"tool_call_id":"` + id + `","content":"` + text + `"`; err != nil || !strings.Contains(string(call.Body), want) {
			t.Errorf("%s, %v, want %s in it", call.Body, err, want)
		}
	}
}
