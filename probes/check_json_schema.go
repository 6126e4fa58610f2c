package probes

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// compileJSONSchema wants the whole answer to be JSON that a schema accepts
// (draft 2020-12 unless it says otherwise). One Markdown fence around the JSON
// is looked through. References outside the schema are refused.
func compileJSONSchema(want any) (test, error) {
	raw, err := schemaJSON(want)
	if err != nil {
		return nil, err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("is not JSON: %w", err)
	}
	c := jsonschema.NewCompiler()
	c.UseLoader(noLoader{})
	const name = "urn:bellwether:check"
	if err := c.AddResource(name, doc); err != nil {
		return nil, fmt.Errorf("is no schema: %w", err)
	}
	schema, err := c.Compile(name)
	if err != nil {
		return nil, fmt.Errorf("is no schema: %w", err)
	}
	return func(a Answer) string { return testSchema(schema, a.Text) }, nil
}

func testSchema(schema *jsonschema.Schema, text string) string {
	dec := json.NewDecoder(strings.NewReader(unfence(text)))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return "the answer is not JSON: " + err.Error()
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return "the answer goes on after its JSON"
	}
	if hasHugeNumber(v) {
		return "the answer holds a number too large to check"
	}
	err := schema.Validate(v)
	var invalid *jsonschema.ValidationError
	if errors.As(err, &invalid) {
		for len(invalid.Causes) > 0 {
			invalid = invalid.Causes[0]
		}
		_, why, _ := strings.Cut(invalid.Error(), "\n")
		return "the answer does not fit the schema: " + strings.TrimLeft(why, "- ")
	}
	if err != nil {
		return "the answer does not fit the schema: " + err.Error()
	}
	return ""
}

// schemaJSON writes a schema that stands in YAML, or in a string, as JSON.
func schemaJSON(want any) ([]byte, error) {
	switch w := want.(type) {
	case string:
		return []byte(w), nil
	case map[string]any, bool:
		raw, err := json.Marshal(w)
		if err != nil {
			return nil, fmt.Errorf("cannot be written as JSON: %w", err)
		}
		return raw, nil
	}
	return nil, errors.New("wants a schema")
}

// unfence takes one Markdown code fence off the text.
func unfence(s string) string {
	s = strings.TrimSpace(s)
	inner, ok := strings.CutPrefix(s, "```")
	if !ok {
		return s
	}
	inner, ok = strings.CutSuffix(inner, "```")
	head, body, lines := strings.Cut(inner, "\n")
	if !ok || !lines || strings.ContainsAny(head, "{[\"") {
		return s
	}
	return body
}

// hasHugeNumber finds numbers whose exact arithmetic could take seconds, which
// a schema's limits are checked with. Nesting is bounded by the decoder.
func hasHugeNumber(v any) bool {
	switch v := v.(type) {
	case json.Number:
		s := string(v)
		if i := strings.IndexAny(s, "eE"); i >= 0 {
			e, err := strconv.Atoi(s[i+1:])
			if err != nil || e > 400 || e < -400 {
				return true
			}
		}
		return len(s) > 400
	case []any:
		for _, e := range v {
			if hasHugeNumber(e) {
				return true
			}
		}
	case map[string]any:
		for _, e := range v {
			if hasHugeNumber(e) {
				return true
			}
		}
	}
	return false
}

// noLoader refuses to fetch: a check neither reads files nor the network.
type noLoader struct{}

func (noLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("reference to %s: only references within the schema are allowed", url)
}
