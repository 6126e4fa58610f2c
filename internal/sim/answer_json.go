package sim

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"

	"github.com/bellwether-llm/bellwether/llm"
)

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
	jsonKeys  = regexp.MustCompile(`(?is)\b(?:keys?|fields?|members?|properties)\b(.*)`)
	jsonKey   = regexp.MustCompile("[\"`]([^\"`]{1,60})[\"`](?:\\s*\\(\\s*(\\w+))?")
)

// byTemplate answers a prompt that shows the JSON it wants, such as
// `Reply with JSON: {"city": "..."}`, or names its keys.
func byTemplate(question string, g *gist) (string, bool) {
	if !jsonWord.MatchString(question) {
		return "", false
	}
	out := map[string]any{}
	if block := jsonBlock.FindString(question); block != "" {
		for _, f := range jsonField.FindAllStringSubmatch(block, 32) {
			out[f[1]] = fieldValue(f[1], f[2], g)
		}
	} else if m := jsonKeys.FindStringSubmatch(question); m != nil {
		for _, f := range jsonKey.FindAllStringSubmatch(m[1], 32) {
			out[f[1]] = fieldValue(f[1], f[2], g)
		}
	}
	text, err := json.Marshal(out)
	return string(text), err == nil && len(out) > 0
}

// fieldValue fills one field of a shown template in the type that it shows.
func fieldValue(name, shown string, g *gist) any {
	lower := strings.ToLower(strings.Trim(shown, `"<>`))
	switch {
	case shown == "[" || lower == "array" || lower == "list":
		return g.list(name)
	case lower == "true" || lower == "false" || strings.HasPrefix(lower, "bool"):
		return !strings.HasPrefix(strings.ToLower(g.core), "no")
	case lower == "number" || lower == "integer" || lower == "int" || lower == "float" || isNumber(shown):
		if v, ok := g.number(name); ok {
			return v
		}
		return 1
	}
	return g.word(name)
}

func isNumber(s string) bool {
	_, err := strconv.ParseFloat(s, 64)
	return err == nil
}

// arguments are those of the calls of a tool: one call, or one for each of the
// several values that the text offers for the tool's first field.
func (q question) arguments(t llm.Tool) []string {
	g := newGist(q.text, subjects[0], false)
	if q.short != "" && !q.coin {
		g.core = q.short
	}
	s := parseSchema(t.Parameters)
	if s == nil || len(s.Properties) == 0 {
		return []string{"{}"}
	}
	first := ""
	for _, name := range s.Required {
		if p := s.Properties[name]; p != nil && p.typeName() == "string" && len(p.Enum) == 0 {
			first = name
			break
		}
	}
	values := g.fitting(first)
	if first == "" || len(values) < 2 {
		return []string{bySchema(t.Parameters, g, true)}
	}
	var out []string
	for _, v := range values {
		var fields map[string]any
		if json.Unmarshal([]byte(bySchema(t.Parameters, newGist(q.text, v, false), true)), &fields) != nil || fields == nil {
			return []string{"{}"}
		}
		fields[first] = s.Properties[first].text(v)
		body, err := json.Marshal(fields)
		if err != nil {
			return []string{"{}"}
		}
		out = append(out, string(body))
	}
	return out
}
