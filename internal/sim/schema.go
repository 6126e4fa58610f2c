package sim

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"regexp"
	"regexp/syntax"
	"slices"
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
	Type        any                `json:"type"` // a name or a list of names
	Properties  map[string]*schema `json:"properties"`
	Required    []string           `json:"required"`
	Items       *schema            `json:"items"`
	Enum        []any              `json:"enum"`
	Const       any                `json:"const"`
	AnyOf       []*schema          `json:"anyOf"`
	OneOf       []*schema          `json:"oneOf"`
	AllOf       []*schema          `json:"allOf"`
	Ref         string             `json:"$ref"`
	Defs        map[string]*schema `json:"$defs"`
	Definitions map[string]*schema `json:"definitions"`
	Minimum     *float64           `json:"minimum"`
	Maximum     *float64           `json:"maximum"`
	Above       any                `json:"exclusiveMinimum"` // a number; in old drafts whether Minimum is one
	Below       any                `json:"exclusiveMaximum"`
	MultipleOf  float64            `json:"multipleOf"`
	MinItems    float64            `json:"minItems"`
	MaxItems    *float64           `json:"maxItems"`
	Unique      bool               `json:"uniqueItems"`
	MinLength   float64            `json:"minLength"`
	MaxLength   *float64           `json:"maxLength"`
	Pattern     string             `json:"pattern"`
	Format      string             `json:"format"`
}

// UnmarshalJSON takes true and false, which are schemas too, for one that says
// nothing.
func (s *schema) UnmarshalJSON(b []byte) error {
	if string(b) == "true" || string(b) == "false" {
		return nil
	}
	type plain schema
	return json.Unmarshal(b, (*plain)(s))
}

// writer fills schemas from a gist.
type writer struct {
	g    *gist
	root *schema
	left int  // values that may still be written
	bare bool // only what is required, and what the text offers
}

// parseSchema reads a schema; nil when it cannot be read.
func parseSchema(raw json.RawMessage) *schema {
	var wrapped struct {
		Schema *schema `json:"schema"` // OpenAI wraps it with a name
	}
	if json.Unmarshal(raw, &wrapped) == nil && wrapped.Schema != nil {
		return wrapped.Schema
	}
	var s schema
	if json.Unmarshal(raw, &s) != nil {
		return nil
	}
	return &s
}

// bySchema returns a JSON text that matches a schema, with what g offers. A
// schema that cannot be read is answered with {}.
func bySchema(raw json.RawMessage, g *gist, bare bool) string {
	s := parseSchema(raw)
	if s == nil {
		return "{}"
	}
	w := &writer{g: g, root: s, left: maxSchemaValues, bare: bare}
	out, err := json.Marshal(w.value(s, "answer", 0))
	if err != nil {
		return "{}"
	}
	return string(out)
}

// resolve follows references and takes the parts of allOf together. Parts cost
// like values, so that a schema of which it is a part ends.
func (w *writer) resolve(s *schema) *schema { return w.resolveAt(s, 0) }

func (w *writer) resolveAt(s *schema, depth int) *schema {
	for range maxSchemaDepth {
		if s == nil || s.Ref == "" {
			break
		}
		name := s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]
		switch {
		case s.Ref == "#":
			s = w.root
		case w.root.Defs[name] != nil:
			s = w.root.Defs[name]
		default:
			s = w.root.Definitions[name]
		}
	}
	if s == nil || len(s.AllOf) == 0 {
		return s
	}
	all := *s
	all.AllOf = nil
	all.Properties = maps.Clone(all.Properties)
	for _, part := range s.AllOf {
		if depth >= maxSchemaDepth || w.left <= 0 {
			break
		}
		w.left--
		if part = w.resolveAt(part, depth+1); part != nil {
			all.add(part)
		}
	}
	if len(all.Properties) == 0 {
		all.Properties = nil
	}
	return &all
}

// add makes s what it and part are together.
func (s *schema) add(part *schema) {
	if s.Properties == nil && len(part.Properties) > 0 {
		s.Properties = map[string]*schema{}
	}
	maps.Copy(s.Properties, part.Properties)
	s.Required = append(slices.Clone(s.Required), part.Required...)
	if s.Type == nil {
		s.Type = part.Type
	}
	if s.Enum == nil {
		s.Enum = part.Enum
	}
}

// value returns what fits s.
func (w *writer) value(s *schema, name string, depth int) any {
	s = w.resolve(s)
	if s == nil || depth > maxSchemaDepth || w.left <= 0 {
		return nil
	}
	w.left--
	switch {
	case s.Const != nil:
		return s.Const
	case len(s.Enum) > 0:
		return choose(s.Enum, w.g, name)
	case len(s.AnyOf) > 0:
		return w.value(branch(s.AnyOf, depth), name, depth+1)
	case len(s.OneOf) > 0:
		return w.value(branch(s.OneOf, depth), name, depth+1)
	}
	switch s.typeName() {
	case "object":
		return w.object(s, depth)
	case "array":
		return w.array(s, name, depth)
	case "number", "integer":
		v, _ := w.g.number(name)
		return s.number(v)
	case "boolean":
		core := strings.ToLower(w.g.core)
		return !strings.HasPrefix(core, "no") && core != "false"
	case "null":
		return nil
	}
	return s.text(w.g.word(name))
}

// branch is the first of several schemas; deep down one that ends, if any.
func branch(of []*schema, depth int) *schema {
	for _, s := range of {
		if depth > maxSchemaDepth/2 && s != nil && s.typeName() == "null" {
			return s
		}
	}
	return of[0]
}

func (w *writer) object(s *schema, depth int) any {
	out := map[string]any{}
	for _, k := range slices.Sorted(maps.Keys(s.Properties)) {
		required := slices.Contains(s.Required, k)
		switch {
		case !required && len(s.Required) > 0 && depth > maxSchemaDepth/2:
		case !required && w.bare && len(s.Required) > 0 && len(w.g.fitting(k)) == 0:
		default:
			out[k] = w.value(s.Properties[k], k, depth+1)
		}
	}
	return out
}

func (w *writer) array(s *schema, name string, depth int) any {
	n := int(max(1, min(s.MinItems, 100)))
	offered := w.g.list(name)
	if item := w.resolve(s.Items); item != nil && item.typeName() == "string" && len(item.Enum) == 0 {
		n = max(n, min(len(offered), 100))
	}
	if s.MaxItems != nil {
		n = min(n, int(max(0, *s.MaxItems)))
	}
	out := make([]any, 0, n)
	for i := range n {
		core := w.g.core
		if i < len(offered) {
			w.g.core = offered[i]
		}
		v := w.value(s.Items, name, depth+1)
		if _, ok := v.(string); ok && i < len(offered) && s.Items != nil && len(s.Items.Enum) == 0 && s.Items.Pattern == "" && s.Items.Format == "" {
			v = s.Items.text(offered[i])
		}
		w.g.core = core
		if s.Unique {
			v = distinct(out, v)
		}
		out = append(out, v)
	}
	return out
}

// distinct makes v differ from what is there.
func distinct(there []any, v any) any {
	for i := 2; i < 200 && slices.ContainsFunc(there, func(o any) bool { return fmt.Sprint(o) == fmt.Sprint(v) }); i++ {
		switch x := v.(type) {
		case string:
			v = strings.TrimRight(x, "0123456789") + fmt.Sprint(i)
		case float64:
			v = x + 1
		default:
			return v
		}
	}
	return v
}

// typeName is the schema's type, inferred where it is not said.
func (s *schema) typeName() string {
	name := ""
	switch t := s.Type.(type) {
	case string:
		name = t
	case []any:
		if len(t) > 0 {
			name, _ = t[0].(string)
		}
	}
	switch {
	case name != "":
		return strings.ToLower(name) // Google writes STRING
	case s.Properties != nil:
		return "object"
	case s.Items != nil:
		return "array"
	}
	return "string"
}

// number is v as the schema's limits have it.
func (s *schema) number(v float64) float64 {
	step := s.MultipleOf
	if s.typeName() == "integer" && step < 1 {
		step = 1
	}
	if step <= 0 {
		step = 0.5 // beyond a limit that is not to be reached
	} else {
		v = math.Round(v/step) * step
	}
	raise := func(low float64, itself bool) {
		if v < low || v == low && !itself {
			v = math.Ceil(low/step) * step
			if v == low && !itself {
				v += step
			}
		}
	}
	lower := func(high float64, itself bool) {
		if v > high || v == high && !itself {
			v = math.Floor(high/step) * step
			if v == high && !itself {
				v -= step
			}
		}
	}
	if s.Minimum != nil {
		raise(*s.Minimum, s.Above != true)
	}
	if s.Maximum != nil {
		lower(*s.Maximum, s.Below != true)
	}
	if low, ok := s.Above.(float64); ok {
		raise(low, false)
	}
	if high, ok := s.Below.(float64); ok {
		lower(high, false)
	}
	return v
}

// formats are texts of the formats that have a name.
var formats = map[string]string{"date": "2025-01-31", "date-time": "2025-01-31T12:00:00Z", "time": "12:00:00Z", "email": "someone@example.com",
	"uri": "https://example.com/", "uuid": "00000000-0000-4000-8000-000000000000", "ipv4": "192.0.2.1", "ipv6": "2001:db8::1", "hostname": "example.com", "duration": "PT1H"}

// text is v as the schema's pattern, format and limits have it.
func (s *schema) text(v string) string {
	if s == nil {
		return v
	}
	if f, ok := formats[s.Format]; ok {
		fits := map[string]*regexp.Regexp{"date": dateIn, "email": emailIn, "uri": urlIn}[s.Format]
		if fits == nil || fits.FindString(v) != v || v == "" {
			v = f
		}
	}
	if s.Pattern != "" {
		if re, err := regexp.Compile(s.Pattern); err == nil && !re.MatchString(v) {
			if made, err := syntax.Parse(s.Pattern, syntax.Perl); err == nil {
				v = example(made, 0)
			}
		}
	}
	for float64(len(v)) < min(s.MinLength, 1000) {
		v += "."
	}
	if r := []rune(v); s.MaxLength != nil && *s.MaxLength >= 0 && float64(len(r)) > *s.MaxLength {
		v = string(r[:int(*s.MaxLength)])
	}
	return v
}

// example is a short text that an expression fits. Assertions within it are
// not looked at.
func example(re *syntax.Regexp, depth int) string {
	if depth > 64 {
		return ""
	}
	switch re.Op {
	case syntax.OpLiteral:
		return string(re.Rune)
	case syntax.OpCharClass:
		for i := 0; i+1 < len(re.Rune); i += 2 {
			if hi := re.Rune[i+1]; hi >= 'a' { // a letter rather than a control character
				return string(max(re.Rune[i], 'a'))
			}
		}
		if len(re.Rune) > 1 {
			return string(re.Rune[1])
		}
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return "a"
	case syntax.OpCapture, syntax.OpPlus:
		return example(re.Sub[0], depth+1)
	case syntax.OpRepeat:
		return strings.Repeat(example(re.Sub[0], depth+1), re.Min)
	case syntax.OpConcat:
		var b strings.Builder
		for _, sub := range re.Sub {
			b.WriteString(example(sub, depth+1))
		}
		return b.String()
	case syntax.OpAlternate:
		return example(re.Sub[0], depth+1)
	}
	return ""
}

// choose returns the enum's value that the answer is or that the text speaks
// of, else the first.
func choose(values []any, g *gist, name string) any {
	word := g.word(name)
	for _, v := range values {
		if s, ok := v.(string); ok && (strings.EqualFold(s, g.core) || strings.EqualFold(s, word)) {
			return v
		}
	}
	lower := strings.ToLower(g.text)
	if !g.answered {
		for _, v := range values {
			if s, ok := v.(string); ok && s != "" && strings.Contains(lower, strings.ToLower(s)) {
				return v
			}
		}
	}
	return values[0]
}
