package llm

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

// gemini speaks Google's generateContent and, streamed, streamGenerateContent
// with alt=sse.
type gemini struct{}

func (gemini) Protocol() Protocol { return Gemini }

// Encode moves system messages to systemInstruction, each as a part of its
// own, and joins consecutive turns of one role. Gemini has no field for a user.
func (c gemini) Encode(e Endpoint, r Request) (Call, error) {
	var no []string
	if r.User != "" {
		no = append(no, "user")
	}
	if err := r.check(Gemini, no); err != nil {
		return Call{}, err
	}
	r.Extra = r.own(Gemini)
	path := "/" + modelPath(r.Model)
	if r.Stream {
		path += ":streamGenerateContent?alt=sse"
	} else {
		path += ":generateContent"
	}
	call := newCall(e, c.url(e, path), c.body(r), c.auth(e))
	if r.Stream {
		call.Header.Set("Accept", "text/event-stream")
	}
	return call.finish(e), nil
}

func (c gemini) Models(e Endpoint) Call {
	return newCall(e, c.url(e, "/models"), nil, c.auth(e)).finish(e)
}

func (gemini) auth(e Endpoint) func(http.Header) {
	return func(h http.Header) { h.Set("X-Goog-Api-Key", e.Key.Reveal()) }
}

// url returns where path is served: under the version that the base or the
// endpoint names, else v1beta, which knows all fields used here.
func (gemini) url(e Endpoint, path string) string {
	base := strings.TrimRight(e.BaseURL, "/")
	last := base[strings.LastIndexByte(base, '/')+1:]
	if !strings.HasPrefix(last, "v1") {
		version := e.APIVersion
		if version == "" {
			version = "v1beta"
		}
		base += "/" + version
	}
	return base + path
}

// modelPath returns the resource name of a model; one that names its
// collection ("tunedModels/x") keeps it.
func modelPath(model string) string {
	if !strings.Contains(model, "/") {
		model = "models/" + model
	}
	parts := strings.Split(model, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return strings.Join(parts, "/")
}

func (c gemini) body(r Request) []byte {
	b := append(appendKey([]byte{'{'}, "contents"), '[')
	for _, t := range turnsOf(r.Messages) {
		b = appendContent(appendComma(b), t)
	}
	b = append(b, ']')
	b = appendInstruction(b, r.Messages)
	if conf := c.config(r); len(conf) > 1 {
		b = rawField(b, "generationConfig", append(conf, '}'))
	}
	for _, k := range sortedKeys(r.Extra) {
		if k != "contents" && k != "systemInstruction" && !strings.HasPrefix(k, "generationConfig") {
			b = rawField(b, k, r.Extra[k])
		}
	}
	return append(b, '}')
}

// config returns the generation config without its closing brace.
func (gemini) config(r Request) []byte {
	b := []byte{'{'}
	if r.MaxTokens > 0 {
		b = intField(b, "maxOutputTokens", int64(r.MaxTokens))
	}
	if r.Temperature != nil {
		b = floatField(b, "temperature", *r.Temperature)
	}
	if r.TopP != nil {
		b = floatField(b, "topP", *r.TopP)
	}
	if len(r.Stop) > 0 {
		b = stringsField(b, "stopSequences", r.Stop)
	}
	if r.Seed != nil {
		b = intField(b, "seed", *r.Seed)
	}
	if r.Logprobs {
		b = rawField(b, "responseLogprobs", []byte("true"))
	}
	if r.JSONSchema != nil {
		b = strField(b, "responseMimeType", "application/json")
		b = rawField(b, "responseJsonSchema", r.JSONSchema)
	}
	return appendNested(b, r.Extra, "generationConfig.")
}

func appendContent(b []byte, t turn) []byte {
	if len(t.ms) == 1 && t.ms[0].Raw != nil {
		return append(b, t.ms[0].Raw...)
	}
	role := t.role
	if role == RoleAssistant {
		role = "model"
	}
	b = append(appendKey(strField(append(b, '{'), "role", role), "parts"), '[')
	for _, m := range t.ms {
		b = appendParts(b, m)
	}
	return append(b, "]}"...)
}

func appendParts(b []byte, m Message) []byte {
	if m.Raw == nil {
		return append(strField(append(appendComma(b), '{'), "text", m.Text), '}')
	}
	var raw struct {
		Parts []json.RawMessage `json:"parts"`
	}
	if json.Unmarshal(m.Raw, &raw) != nil {
		return b
	}
	for _, p := range raw.Parts {
		b = append(appendComma(b), p...)
	}
	return b
}

func appendInstruction(b []byte, ms []Message) []byte {
	parts := []byte{'['}
	for _, m := range ms {
		switch {
		case m.Role != RoleSystem:
		case m.Raw != nil:
			parts = append(appendComma(parts), m.Raw...)
		default:
			parts = append(strField(append(appendComma(parts), '{'), "text", m.Text), '}')
		}
	}
	if len(parts) == 1 {
		return b
	}
	b = append(appendKey(b, "systemInstruction"), `{"parts":`...)
	return append(append(b, parts...), "]}"...)
}
