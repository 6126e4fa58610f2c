package probes

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/bellwether-llm/bellwether/llm"
)

// schemas are of every kind that canaries and callers are likely to want.
var schemas = map[string]string{
	"plain object": `{"type":"object","required":["city","n"],"additionalProperties":false,"properties":{"city":{"type":"string"},"n":{"type":"integer"}}}`,
	"limits":       `{"type":"object","required":["a","b","c","d"],"properties":{"a":{"type":"integer","minimum":10,"exclusiveMaximum":12},"b":{"type":"number","exclusiveMinimum":0,"maximum":0.5},"c":{"type":"integer","multipleOf":7,"minimum":15},"d":{"type":"string","minLength":40,"maxLength":50}}}`,
	"lists":        `{"type":"object","required":["a","b"],"properties":{"a":{"type":"array","minItems":3,"maxItems":3,"uniqueItems":true,"items":{"type":"string"}},"b":{"type":"array","maxItems":1,"items":{"enum":["x","y"]}}}}`,
	"references":   `{"$ref":"#/$defs/node","$defs":{"node":{"type":"object","required":["name"],"properties":{"name":{"type":"string"},"children":{"type":"array","items":{"$ref":"#/$defs/node"}}}}}}`,
	"branches":     `{"type":"object","required":["a","b","c"],"properties":{"a":{"anyOf":[{"type":"null"},{"type":"string"}]},"b":{"oneOf":[{"type":"boolean"},{"type":"integer"}]},"c":{"allOf":[{"type":"object","required":["x"],"properties":{"x":{"const":5}}},{"properties":{"y":{"type":"string"}},"required":["y"]}]}}}`,
	"texts":        `{"type":"object","required":["d","e","f","p","q"],"properties":{"d":{"type":"string","format":"date"},"e":{"type":"string","format":"email"},"f":{"type":"string","format":"uuid"},"p":{"type":"string","pattern":"^[A-Z]{2}-\\d{3,}$"},"q":{"type":"string","pattern":"^(red|green)?[^a-z]+x*$"}}}`,
	"types":        `{"type":["object","null"],"required":["a","b"],"properties":{"a":{"type":["integer","null"]},"b":{"type":"null"}}}`,
	"a list":       `{"type":"array","minItems":2,"items":{"type":"object","required":["ok"],"properties":{"ok":{"type":"boolean"}}}}`,
}

func fits(t *testing.T, schema, text string) error {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("mem:///s", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("mem:///s")
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return err
	}
	return s.Validate(v)
}

// asked sends r and returns the whole answer.
func asked(t *testing.T, j Job, r llm.Request) llm.Response {
	t.Helper()
	codec, err := llm.For(j.Target.Protocol)
	if err != nil {
		t.Fatal(err)
	}
	call, err := codec.Encode(j.Target.Endpoint, r)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(context.Background(), call.Method, call.URL, strings.NewReader(string(call.Body)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = call.Header
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var body json.RawMessage
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	a, err := codec.Decode(body)
	if err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return a
}

func TestSimulatedAnswersAndToolCallsFitTheirSchemas(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	for _, p := range llm.Protocols() {
		j := simulated(t, p)
		for name, schema := range schemas {
			for _, prompt := range []string{"What is the capital of France?", "Anna, 31, of Oslo (anna@example.org) ordered 3 lamps on 2025-02-03. Is that so?", "List three primary colors.", "Tell me about gardens."} {
				r := llm.Request{Model: "m?first_token=0s&inter_token=0s", MaxTokens: 4000, JSONSchema: json.RawMessage(schema), Messages: []llm.Message{{Role: llm.RoleUser, Text: prompt}}}
				if a := asked(t, j, r); fits(t, schema, a.Text) != nil {
					t.Errorf("%s, %s, %q: %s does not fit: %v", p, name, prompt, a.Text, fits(t, schema, a.Text))
				}
				if name == "a list" || name == "types" || name == "references" {
					continue // a tool's arguments are an object
				}
				r.JSONSchema, r.Tools, r.ToolChoice.Mode = nil, []llm.Tool{{Name: "f", Parameters: json.RawMessage(schema)}}, llm.ToolRequired
				a := asked(t, j, r)
				if len(a.ToolCalls) == 0 {
					t.Errorf("%s, %s, %q: no call", p, name, prompt)
				}
				for _, call := range a.ToolCalls {
					if err := fits(t, schema, call.Arguments); err != nil {
						t.Errorf("%s, %s, %q: %s does not fit: %v", p, name, prompt, call.Arguments, err)
					}
				}
			}
		}
	}
}
