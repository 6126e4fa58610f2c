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
// is looked through. References outside the schema are refused; so are answers
// longer than 128 KiB or nested more than 64 levels.
func compileJSONSchema(want any) (test, error) {
	schema, err := compileSchema(want)
	if err != nil {
		return nil, err
	}
	return func(a Answer) string { return testSchema(schema, a.Text) }, nil
}

// compileSchema reads a schema as a user writes it.
func compileSchema(want any) (*jsonschema.Schema, error) {
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
	return schema, nil
}

// Limits of the JSON that a schema is tried on: beyond them, answers that were
// made to be hard take seconds.
const (
	maxJSONBytes = 128 << 10
	maxJSONDepth = 64
)

func testSchema(schema *jsonschema.Schema, text string) string {
	v, why := decodeAnswer(text)
	if why != "" {
		return why
	}
	err := schema.Validate(v)
	var invalid *jsonschema.ValidationError
	if errors.As(err, &invalid) {
		for len(invalid.Causes) > 0 {
			invalid = invalid.Causes[0]
		}
		return "the answer does not fit the schema: " + cutBytes(invalid.Error(), 200)
	}
	if err != nil {
		return "the answer does not fit the schema: " + err.Error()
	}
	return ""
}

// decodeAnswer reads an answer that is to be JSON within the limits; why says
// what is wrong with it.
func decodeAnswer(text string) (v any, why string) {
	if len(text) > maxJSONBytes {
		return nil, "the answer is too long to be read as JSON: more than 128 KiB"
	}
	dec := json.NewDecoder(strings.NewReader(unfence(text)))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return nil, "the answer is not JSON: " + err.Error()
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, "the answer goes on after its JSON"
	}
	if !checkable(v, maxJSONDepth) {
		return nil, "the answer is nested too deeply, or holds a number too large, to check"
	}
	return v, ""
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

// checkable reports whether v is nested at most depth levels and holds only
// numbers whose exact arithmetic, which limits are checked with, is quick.
func checkable(v any, depth int) bool {
	if depth < 0 {
		return false
	}
	switch v := v.(type) {
	case json.Number:
		s := string(v)
		if i := strings.IndexAny(s, "eE"); i >= 0 {
			e, err := strconv.Atoi(s[i+1:])
			if err != nil || e > 308 || e < -308 {
				return false
			}
		}
		return len(s) <= 320
	case []any:
		for _, e := range v {
			if !checkable(e, depth-1) {
				return false
			}
		}
	case map[string]any:
		for _, e := range v {
			if !checkable(e, depth-1) {
				return false
			}
		}
	}
	return true
}

// noLoader refuses to fetch: a check neither reads files nor the network.
type noLoader struct{}

func (noLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("reference to %s: only references within the schema are allowed", url)
}
