package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// configSchema is generated from the Config type and its comments; a test
// keeps them in step. Editors read it, and so does the loader.
//
//go:embed config.schema.json
var configSchema []byte

// schemaOnce compiles the schema when it is first needed.
var schemaOnce = sync.OnceValues(compileSchema)

func compileSchema() (*jsonschema.Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(configSchema))
	if err != nil {
		return nil, fmt.Errorf("config schema: %w", err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("config.schema.json", doc); err != nil {
		return nil, fmt.Errorf("config schema: %w", err)
	}
	return c.Compile("config.schema.json")
}

// checkSchema reports every unknown key and wrong type in the document.
func (d document) checkSchema(schema *jsonschema.Schema) faults {
	if d.root == nil {
		return nil
	}
	var value any
	if err := d.root.Decode(&value); err != nil {
		return faults{d.syntaxFault(err)}
	}
	err := schema.Validate(value)
	if err == nil {
		return nil
	}
	failed, ok := err.(*jsonschema.ValidationError)
	if !ok {
		return faults{{File: d.name, Text: err.Error()}}
	}
	var fs faults
	d.collect(failed, schema, &fs)
	slices.SortStableFunc(fs, func(a, b fault) int { return (a.Line-b.Line)*10000 + a.Col - b.Col })
	return slices.Compact(fs)
}

// collect turns the leaves of a validation error into faults.
func (d document) collect(e *jsonschema.ValidationError, schema *jsonschema.Schema, fs *faults) {
	switch k := e.ErrorKind.(type) {
	case *kind.AdditionalProperties:
		for _, key := range k.Properties {
			*fs = append(*fs, d.unknownKey(e, schema, key))
		}
		return
	case *kind.OneOf, *kind.AnyOf:
		if len(e.Causes) > 0 {
			d.collect(deepest(e.Causes), schema, fs)
			return
		}
	}
	if len(e.Causes) == 0 {
		text := e.ErrorKind.LocalizedString(message.NewPrinter(language.English))
		if k, ok := e.ErrorKind.(*kind.Pattern); ok {
			text = strconv.Quote(k.Got) + " does not fit here" // people do not read patterns
		}
		*fs = append(*fs, d.faultOn(dotted(e.InstanceLocation), text, remedyFor(e.ErrorKind)))
	}
	for _, cause := range e.Causes {
		d.collect(cause, schema, fs)
	}
}

// deepest returns the alternative that came furthest before it failed, which
// is the one the writer most likely meant.
func deepest(causes []*jsonschema.ValidationError) *jsonschema.ValidationError {
	var depth func(e *jsonschema.ValidationError) int
	depth = func(e *jsonschema.ValidationError) int {
		n := len(e.InstanceLocation)
		for _, c := range e.Causes {
			n = max(n, depth(c))
		}
		if _, wrongType := e.ErrorKind.(*kind.Type); wrongType {
			n-- // any other complaint says more
		}
		return n
	}
	return slices.MaxFunc(causes, func(a, b *jsonschema.ValidationError) int { return depth(a) - depth(b) })
}

func remedyFor(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Type:
		if k.Got == "number" && slices.Contains(k.Want, "string") {
			return "write text; a duration has a unit, such as 30s or 14d"
		}
		return "write a value of type " + strings.Join(k.Want, " or ")
	case *kind.Enum:
		if got, ok := k.Got.(string); ok {
			words := make([]string, 0, len(k.Want))
			for _, w := range k.Want {
				words = append(words, fmt.Sprint(w))
			}
			return suggest(got, words)
		}
	case *kind.Pattern:
		if strings.Contains(k.Want, "(ns|us") {
			return "write a duration such as 30s, 5m, 12h or 14d"
		}
		if strings.Contains(k.Want, "%$") {
			return "write a part of the whole, such as 10% or 0.1"
		}
	}
	return ""
}

func (d document) unknownKey(e *jsonschema.ValidationError, schema *jsonschema.Schema, key string) fault {
	parent := dotted(e.InstanceLocation)
	f := d.faultOn(parent, "unknown key "+strconv.Quote(key), "")
	if n := d.locate(parent); n != nil {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key {
				f.Line, f.Col = n.Content[i].Line, n.Content[i].Column
			}
		}
	}
	f.Remedy = suggest(key, knownKeys(schema, e.SchemaURL))
	return f
}

// suggest is the remedy for a name that none of the known ones is.
func suggest(name string, known []string) string {
	switch near := nearest(name, known); {
	case near != "":
		return "did you mean " + strconv.Quote(near) + "?"
	case len(known) > 20:
		return "known here: " + strings.Join(known[:20], ", ") + " ..."
	case len(known) > 0:
		return "known here: " + strings.Join(known, ", ")
	}
	return ""
}

// knownKeys returns the properties of the subschema at url.
func knownKeys(schema *jsonschema.Schema, url string) []string {
	seen := map[*jsonschema.Schema]bool{}
	var find func(s *jsonschema.Schema) []string
	find = func(s *jsonschema.Schema) []string {
		if s == nil || seen[s] {
			return nil
		}
		seen[s] = true
		if s.Location == url {
			keys := make([]string, 0, len(s.Properties))
			for k := range s.Properties {
				keys = append(keys, k)
			}
			sort.Strings(keys)
			return keys
		}
		for _, sub := range subschemas(s) {
			if keys := find(sub); keys != nil {
				return keys
			}
		}
		return nil
	}
	return find(schema)
}

func subschemas(s *jsonschema.Schema) []*jsonschema.Schema {
	subs := []*jsonschema.Schema{s.Ref, s.Items2020}
	for _, p := range s.Properties {
		subs = append(subs, p)
	}
	if a, ok := s.AdditionalProperties.(*jsonschema.Schema); ok {
		subs = append(subs, a)
	}
	if a, ok := s.Items.(*jsonschema.Schema); ok {
		subs = append(subs, a)
	}
	subs = append(subs, s.OneOf...)
	return append(subs, s.AnyOf...)
}

// dotted writes a JSON pointer's tokens as config paths are written.
func dotted(tokens []string) string {
	var b strings.Builder
	for _, t := range tokens {
		if _, err := strconv.Atoi(t); err == nil {
			fmt.Fprintf(&b, "[%s]", t)
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(t)
	}
	return b.String()
}

// nearest returns the candidate within two edits of s, or "".
func nearest(s string, candidates []string) string {
	best, bestDistance := "", 3
	for _, c := range candidates {
		if d := editDistance(s, c); d < bestDistance && d < len(c) {
			best, bestDistance = c, d
		}
	}
	return best
}

// editDistance is Levenshtein's.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
