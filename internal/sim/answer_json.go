package sim

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// What a schema can make us write is bounded in depth and in values.
const (
	maxSchemaDepth  = 8
	maxSchemaValues = 5000
)

// schema is the part of JSON Schema that answers are shaped by. Others of its
// words are ignored: the answer then may not match, as a real model's may not.
type schema struct {
	Type       any                `json:"type"` // a name or a list of names
	Properties map[string]*schema `json:"properties"`
	Items      *schema            `json:"items"`
	Enum       []any              `json:"enum"`
	Const      any                `json:"const"`
	AnyOf      []*schema          `json:"anyOf"`
	OneOf      []*schema          `json:"oneOf"`
	Minimum    *float64           `json:"minimum"`
	Maximum    *float64           `json:"maximum"`
	MinItems   int                `json:"minItems"`
	MinLength  int                `json:"minLength"`
	MaxLength  *int               `json:"maxLength"`
}

// bySchema returns a JSON text that matches a schema, with core where a string
// or number is wanted. A schema that cannot be read is answered with {}.
func bySchema(raw json.RawMessage, core string) string {
	var outer struct {
		Schema *schema `json:"schema"` // OpenAI wraps it with a name
		schema
	}
	if json.Unmarshal(raw, &outer) != nil {
		return "{}"
	}
	s := &outer.schema
	if outer.Schema != nil {
		s = outer.Schema
	}
	left := maxSchemaValues
	out, err := json.Marshal(s.value("answer", core, 0, &left))
	if err != nil {
		return "{}"
	}
	return string(out)
}

// value returns what fits s; left is how many values may still be written.
func (s *schema) value(name, core string, depth int, left *int) any {
	if s == nil || depth > maxSchemaDepth || *left <= 0 {
		return nil
	}
	*left--
	switch {
	case s.Const != nil:
		return s.Const
	case len(s.Enum) > 0:
		return choose(s.Enum, core)
	case len(s.AnyOf) > 0:
		return s.AnyOf[0].value(name, core, depth+1, left)
	case len(s.OneOf) > 0:
		return s.OneOf[0].value(name, core, depth+1, left)
	}
	switch s.typeName() {
	case "object":
		out := map[string]any{}
		for _, k := range slices.Sorted(maps.Keys(s.Properties)) {
			out[k] = s.Properties[k].value(k, core, depth+1, left)
		}
		return out
	case "array":
		out := make([]any, max(1, min(s.MinItems, 100)))
		for i := range out {
			out[i] = s.Items.value(name, core, depth+1, left)
		}
		return out
	case "number", "integer":
		return s.number(core)
	case "boolean":
		return !strings.HasPrefix(strings.ToLower(core), "no") && !strings.EqualFold(core, "false")
	case "null":
		return nil
	}
	return s.text(guess(name, core))
}

// typeName is the schema's type, inferred where it is not said.
func (s *schema) typeName() string {
	switch t := s.Type.(type) {
	case string:
		return t
	case []any:
		if len(t) > 0 {
			name, _ := t[0].(string)
			return name
		}
	}
	switch {
	case s.Properties != nil:
		return "object"
	case s.Items != nil:
		return "array"
	}
	return "string"
}

func (s *schema) number(core string) float64 {
	v, err := strconv.ParseFloat(core, 64)
	if err != nil {
		v = 1
	}
	if s.Minimum != nil {
		v = max(v, *s.Minimum)
	}
	if s.Maximum != nil {
		v = min(v, *s.Maximum)
	}
	return v
}

func (s *schema) text(v string) string {
	for len(v) < min(s.MinLength, 1000) {
		v += "."
	}
	if r := []rune(v); s.MaxLength != nil && *s.MaxLength >= 0 && len(r) > *s.MaxLength {
		v = string(r[:*s.MaxLength])
	}
	return v
}

// choose returns the enum's value that the answer is, else the first.
func choose(values []any, core string) any {
	for _, v := range values {
		if s, ok := v.(string); ok && strings.EqualFold(s, core) {
			return v
		}
	}
	return values[0]
}

// guess is what a field of a name most likely wants to hold.
func guess(name, core string) string {
	if strings.EqualFold(name, "country") {
		for _, country := range slices.Sorted(maps.Keys(capitals)) {
			if capitals[country] == core && !strings.HasPrefix(country, "the ") {
				return titled(country)
			}
		}
	}
	return core
}

func titled(s string) string {
	words := strings.Fields(s)
	for i, w := range words {
		words[i] = strings.ToUpper(w[:1]) + w[1:]
	}
	return strings.Join(words, " ")
}

var (
	jsonBlock = regexp.MustCompile(`(?s)\{\s*"[^{}]*\}`)
	jsonField = regexp.MustCompile(`"([^"\\]{1,100})"\s*:\s*("[^"]*"|\[|[^,}\s]*)`)
	jsonWord  = regexp.MustCompile(`(?i)\bjson\b`)
)

// byTemplate answers a prompt that shows the JSON it wants, such as
// `Reply with JSON: {"city": "..."}`.
func byTemplate(question, core string) (string, bool) {
	block := jsonBlock.FindString(question)
	if block == "" || !jsonWord.MatchString(question) {
		return "", false
	}
	out := map[string]any{}
	for _, f := range jsonField.FindAllStringSubmatch(block, 32) {
		out[f[1]] = fieldValue(f[1], f[2], core)
	}
	text, err := json.Marshal(out)
	return string(text), err == nil && len(out) > 0
}

// fieldValue fills one field of a shown template in the type that it shows.
func fieldValue(name, shown, core string) any {
	lower := strings.ToLower(strings.Trim(shown, `"<>`))
	switch {
	case shown == "[":
		return []string{core}
	case lower == "true" || lower == "false" || strings.HasPrefix(lower, "bool"):
		return !strings.HasPrefix(strings.ToLower(core), "no")
	case lower == "number" || lower == "integer" || lower == "int" || lower == "float" || isNumber(shown):
		if v, err := strconv.ParseFloat(core, 64); err == nil {
			return v
		}
		return 1
	}
	return guess(name, core)
}

func isNumber(s string) bool {
	_, err := strconv.ParseFloat(s, 64)
	return err == nil
}
