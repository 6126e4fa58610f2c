package llm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
)

// The roles of messages.
const (
	RoleSystem    = "system"
	RoleUser      = "user"
	RoleAssistant = "assistant"
	RoleTool      = "tool"
)

// schemaField is how a JSONSchema is called in errors, and the one field of
// Extra that may stand beside its typed form (a name and strictness of the
// caller's own).
const schemaField = "response_format"

// Without returns r without the named fields, as an [UnsupportedError] lists
// them, for callers whose policy is to drop rather than refuse. ok is false
// when a field cannot be dropped: the beginning of an answer, a message that
// nobody else understands, or part of one that holds what is asked.
func (r Request) Without(names []string) (out Request, ok bool) {
	out = r
	out.Body = nil
	out.Extra = make(map[string]json.RawMessage, len(r.Extra))
	for k, v := range r.Extra {
		if !slices.Contains(names, k) {
			out.Extra[k] = v
		}
	}
	for _, n := range names {
		switch n {
		case "temperature":
			out.Temperature = nil
		case "top_p":
			out.TopP = nil
		case "stop":
			out.Stop = nil
		case "seed":
			out.Seed = nil
		case schemaField:
			out.JSONSchema = nil
		case "logprobs":
			out.Logprobs = false
		case "user":
			out.User = ""
		case prefillField:
			return r, false
		default:
			if strings.HasPrefix(n, "messages[") && !out.dropPart(n) {
				return r, false
			}
			out.dropTools(n)
		}
	}
	if !slices.ContainsFunc(names, func(n string) bool { return strings.HasSuffix(n, "."+reasoningName) }) {
		return out, true
	}
	out.Messages = slices.DeleteFunc(out.Messages, func(m Message) bool { // it was reasoning and nothing else
		return m.Role == RoleAssistant && m.Raw == nil && m.Parts == nil && m.Text == ""
	})
	return out, len(out.Messages) > 0
}

// dropPart drops a part of a message that the answer does not hang on; false
// when name is of another.
func (r *Request) dropPart(name string) bool {
	var i int
	if _, err := fmt.Sscanf(name, "messages[%d].", &i); err != nil || i < 0 || i >= len(r.Messages) {
		return false
	}
	_, part, _ := strings.Cut(name, "].")
	switch {
	case part == reasoningName:
		r.Messages = slices.Clone(r.Messages)
		m := &r.Messages[i]
		m.Raw = nil
		m.Parts = slices.DeleteFunc(slices.Clone(m.Parts), func(p Part) bool { return p.Kind == PartReasoning })
		if len(m.Parts) == 0 {
			m.Parts = nil
		}
		return true
	case part == errorName:
		r.Messages = slices.Clone(r.Messages)
		m := &r.Messages[i]
		m.Parts = slices.Clone(m.Parts)
		for j := range m.Parts {
			m.Parts[j].Error = false
		}
		m.Raw = nil
		return true
	case part == "name", part == "role=function", messageHint(part):
		r.Messages = slices.Clone(r.Messages)
		r.Messages[i].Raw = nil // what it held beyond text and parts was of no more
		return true
	}
	return false
}

func (r *Request) dropTools(name string) {
	switch name {
	case toolsField:
		r.Tools = nil
	case choiceField:
		r.ToolChoice = ToolChoice{}
	case parallelField:
		r.OneToolCall = false
	case strictField:
		r.Tools = slices.Clone(r.Tools)
		for i := range r.Tools {
			r.Tools[i].Strict = false
		}
	}
}

// foreign reports whether r's extra words are of another dialect than p's.
func (r Request) foreign(p Protocol) bool { return r.Dialect.dialect() != p.dialect() }

func (r Request) validate() error {
	if len(r.Messages) == 0 {
		return errors.New("messages: none")
	}
	for i, m := range r.Messages {
		switch m.Role {
		case RoleSystem, RoleUser, RoleAssistant, RoleTool:
		default:
			if m.Raw == nil {
				return fmt.Errorf("messages[%d]: role %q is none of system, user, assistant, tool", i, m.Role)
			}
		}
		if m.Raw != nil && !isObject(m.Raw) {
			return fmt.Errorf("messages[%d]: raw is no JSON object", i)
		}
		for j, p := range m.Parts {
			if err := p.validate(m.Role); err != nil {
				return fmt.Errorf("messages[%d]: parts[%d]: %w", i, j, err)
			}
		}
	}
	for name, v := range map[string]*float64{"temperature": r.Temperature, "top_p": r.TopP} {
		if v != nil && (math.IsNaN(*v) || math.IsInf(*v, 0)) {
			return fmt.Errorf("%s: %v is no number that JSON has", name, *v)
		}
	}
	if r.JSONSchema != nil && !isObject(r.JSONSchema) {
		return errors.New("json schema: no JSON object")
	}
	for k, v := range r.Extra {
		if !json.Valid(v) {
			return fmt.Errorf("%s: no JSON", k)
		}
	}
	return r.validateTools()
}

func isObject(raw []byte) bool {
	raw = bytes.TrimSpace(raw)
	return len(raw) > 0 && raw[0] == '{' && json.Valid(raw)
}

// saysNothing reports whether leaving OpenAI's field name out means the same
// as value. Clients send such defaults unasked.
func saysNothing(name string, value []byte) bool {
	if isEmpty(value) {
		return true
	}
	v := string(value)
	switch name {
	case "n", "generationConfig.candidateCount":
		return v == "1"
	case "generationConfig.responseMimeType":
		return v == `"text/plain"`
	case "generationConfig.responseModalities":
		return v == `["TEXT"]`
	case "presence_penalty", "frequency_penalty":
		return v == "0" || v == "0.0"
	case parallelField:
		return v == "true"
	case "top_logprobs":
		return v == "0"
	case "store":
		return v == "false"
	case "service_tier":
		return v == `"auto"` || v == `"default"`
	}
	return false
}

// partKind names what part is beside plain text; "" for plain text.
func partKind(part fields) string {
	if t, ok := unquote(part["type"]); ok && t != "text" {
		return t
	}
	for k := range part {
		if k != "type" && k != "text" {
			return k
		}
	}
	return ""
}

// plainParts returns the texts of content parts, and whether text is all that
// they are.
func plainParts(raw []byte) (texts []string, plain bool, err error) {
	var parts []json.RawMessage
	if !takeScalar(&parts, raw) {
		return nil, false, errors.New("neither a string nor a list of parts")
	}
	plain = true
	for _, part := range parts {
		p, err := knownFields(part)
		if err != nil {
			return nil, false, err
		}
		t, ok := unquote(p["text"])
		if ok && partKind(p) == "" {
			texts = append(texts, t)
			continue
		}
		plain = false
		if ok {
			texts = append(texts, t)
		}
	}
	return texts, plain, nil
}

// newCall returns a POST of body as JSON, with the headers that all protocols
// share and the endpoint's own last.
func newCall(e Endpoint, url string, body []byte, auth func(http.Header)) Call {
	c := Call{Method: http.MethodGet, URL: url, Header: make(http.Header, 4), Body: body}
	if body != nil {
		c.Method = http.MethodPost
		c.Header.Set("Content-Type", "application/json")
	}
	if e.Key != "" {
		auth(c.Header)
	}
	return c
}

// finish adds the endpoint's own headers, which may override.
func (c Call) finish(e Endpoint) Call {
	for k, vs := range e.Header {
		c.Header[http.CanonicalHeaderKey(k)] = slices.Clone(vs)
	}
	return c
}

// decodeError says that a server was sent a request that it cannot read.
func decodeError(p Protocol, err error) error { return fmt.Errorf("read %s request: %w", p, err) }

// answerError says that a provider's answer could not be read.
func answerError(p Protocol, err error) error { return fmt.Errorf("read %s answer: %w", p, err) }

// sortedKeys returns m's keys in order, so that encoding is deterministic.
func sortedKeys(m map[string]json.RawMessage) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
