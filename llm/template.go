package llm

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"

	"github.com/bellwether-llm/bellwether/internal/conf"
)

// Template is how a model behind no LLM protocol is asked, and where in its
// answer is what. Placeholders in path, headers and body are {{prompt}},
// {{system}}, {{model}} and {{max_tokens}}. The zero value is a plain GET of
// the base URL whose whole answer is the text.
type Template struct {
	// Method is the HTTP method. Default: POST with a body, GET without.
	Method string `yaml:"method"`
	// Path is what follows the base URL, its query included: /predict?model={{model}}. Placeholders are escaped as URLs want it. Default: nothing.
	Path string `yaml:"path"`
	// Headers are sent with each request; placeholders are filled in. The provider's own headers and key come on top.
	Headers map[string]conf.Secret `yaml:"headers"`
	// Body is JSON with placeholders: {{prompt}}, {{system}} and {{model}} within strings, {{max_tokens}} as a number (null where there is no limit). Default: none, so that the request is a GET.
	Body string `yaml:"body"`
	// Text is the JSON path to the answer's text: names and list places as in output.items[0].text. Default: the whole answer as it is, which then need not be JSON.
	Text string `yaml:"text"`
	// Confidence is the JSON path to how sure the model is, a fraction above 0 and up to 1. It counts as a mean log-probability, its logarithm. Default: none.
	Confidence string `yaml:"confidence"`
	// Finish is the JSON path to why the answer ended (stop, length, content_filter ...); true counts as stop. An answer without it is truncated. Default: every answer is whole.
	Finish string `yaml:"finish"`
	// InputTokens is the JSON path to the number of prompt tokens. Default: usage is not known.
	InputTokens string `yaml:"input_tokens"`
	// OutputTokens is the JSON path to the number of answer tokens. Default: 0 where input_tokens is known.
	OutputTokens string `yaml:"output_tokens"`
}

// DefaultTemplate is what the codec of HTTP speaks where an endpoint has no
// template: the shape that its server side reads and writes.
func DefaultTemplate() Template {
	return Template{
		Body: `{"model":"{{model}}","system":"{{system}}","prompt":"{{prompt}}","max_tokens":{{max_tokens}}}`,
		Text: "text", Confidence: "confidence", Finish: "finish", InputTokens: "usage.input", OutputTokens: "usage.output",
	}
}

// IsZero reports whether t says nothing.
func (t Template) IsZero() bool { return len(t.Headers) == 0 && reflect.ValueOf(t).IsZero() }

// Validate returns everything that is wrong with t.
func (t Template) Validate() []conf.Problem {
	var ps []conf.Problem
	if t.Method != "" && !isMethod(t.Method) {
		ps = append(ps, conf.Problem{Path: "method", Text: fmt.Sprintf("%q is no HTTP method", t.Method), Remedy: "write POST, GET or PUT"})
	}
	if t.method() == http.MethodGet && t.Body != "" {
		ps = append(ps, conf.Problem{Path: "body", Text: "a GET has none", Remedy: "write method: POST, or leave the body out"})
	}
	if t.Path != "" && !strings.HasPrefix(t.Path, "/") && !strings.HasPrefix(t.Path, "?") {
		ps = append(ps, conf.Problem{Path: "path", Text: "begins neither with / nor with ?", Remedy: "write what follows base_url: /predict"})
	}
	for _, f := range []struct{ name, text string }{{"path", t.Path}, {"body", t.Body}} {
		if err := checkPlaceholders(f.text); err != nil {
			ps = append(ps, conf.Problem{Path: f.name, Text: err.Error(), Remedy: "the placeholders are " + strings.Join(placeholders(), ", ")})
		}
	}
	for k, v := range t.Headers {
		if err := checkPlaceholders(v.Reveal()); err != nil {
			ps = append(ps, conf.Problem{Path: "headers." + k, Text: err.Error(), Remedy: "the placeholders are " + strings.Join(placeholders(), ", ")})
		}
	}
	limited, unlimited := sample(), sample()
	unlimited.maxTokens = 0
	if t.Body != "" && !(json.Valid(fill(t.Body, limited, jsonEscape)) && json.Valid(fill(t.Body, unlimited, jsonEscape))) {
		ps = append(ps, conf.Problem{Path: "body", Text: "is no JSON once its placeholders are filled in", Remedy: `write {"input": "{{prompt}}", "max": {{max_tokens}}}`})
	}
	for _, f := range t.paths() {
		if _, err := ParsePath(f.text); err != nil {
			ps = append(ps, conf.Problem{Path: f.name, Text: err.Error(), Remedy: "write names and places: output.items[0].text"})
		}
	}
	return ps
}

func (t Template) paths() []struct{ name, text string } {
	return []struct{ name, text string }{{"text", t.Text}, {"confidence", t.Confidence}, {"finish", t.Finish},
		{"input_tokens", t.InputTokens}, {"output_tokens", t.OutputTokens}}
}

func (t Template) method() string {
	switch {
	case t.Method != "":
		return t.Method
	case t.Body != "":
		return http.MethodPost
	}
	return http.MethodGet
}

func isMethod(s string) bool {
	for _, c := range s {
		if c < 'A' || c > 'Z' {
			return false
		}
	}
	return true
}

// asked is what placeholders stand for.
type asked struct {
	prompt, system, model string
	maxTokens             int
}

// sample fills a template to see whether it is JSON. Its words are none on
// their own, nor what may follow a backslash.
func sample() asked { return asked{prompt: "p", system: "s", model: "m", maxTokens: 1} }

func placeholders() []string {
	return []string{"{{prompt}}", "{{system}}", "{{model}}", "{{max_tokens}}"}
}

// checkPlaceholders reports a pair of braces that is none of the placeholders.
func checkPlaceholders(s string) error {
	for rest := s; ; {
		_, after, ok := strings.Cut(rest, "{{")
		if !ok {
			return nil
		}
		known := false
		for _, p := range placeholders() {
			known = known || strings.HasPrefix(after, p[2:])
		}
		// Two braces of JSON's own close together only, so that they open one
		// after another nowhere in valid JSON.
		if !known {
			return fmt.Errorf("{{%s is no placeholder", cut(after, 20))
		}
		rest = after
	}
}

// fill puts a into the placeholders of s, each escaped, in one pass: what is
// put in is not looked at again.
func fill(s string, a asked, escape func(string) string) []byte {
	limit := "null"
	if a.maxTokens > 0 {
		limit = strconv.Itoa(a.maxTokens)
	}
	return []byte(strings.NewReplacer("{{prompt}}", escape(a.prompt), "{{system}}", escape(a.system), "{{model}}", escape(a.model),
		"{{max_tokens}}", limit).Replace(s))
}

// jsonEscape returns s as it stands within a JSON string.
func jsonEscape(s string) string {
	b := appendString(nil, s)
	return string(b[1 : len(b)-1])
}

// headerEscape returns s as it may stand in a header.
func headerEscape(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

// address returns the URL that t asks, below base.
func (t Template) address(base string, a asked) string {
	path, query, has := strings.Cut(t.Path, "?")
	u := base + string(fill(path, a, url.PathEscape))
	if has {
		u += "?" + string(fill(query, a, url.QueryEscape))
	}
	return u
}
