package llm

import (
	"net/http"
	"net/url"
	"slices"
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
	if r.OneToolCall {
		no = append(no, parallelField)
	}
	if slices.ContainsFunc(r.Tools, func(t Tool) bool { return t.Strict }) {
		no = append(no, strictField)
	}
	body, ok := r.passed(Gemini, nil)
	if !ok {
		var err error
		if r, err = r.prepared(Gemini, no); err != nil {
			return Call{}, err
		}
		body = c.body(r)
	}
	path := "/" + modelPath(r.Model)
	if r.Stream {
		path += ":streamGenerateContent?alt=sse"
	} else {
		path += ":generateContent"
	}
	call := newCall(e, c.url(e, path), body, c.auth(e))
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
	ranks := callRanks(r.Messages)
	for _, t := range turnsOf(r.Messages) {
		b = appendContent(appendComma(b), t, ranks, r.Model)
	}
	b = append(b, ']')
	b = appendInstruction(b, r.Messages)
	if conf := c.config(r); len(conf) > 1 {
		b = rawField(b, "generationConfig", append(conf, '}'))
	}
	b = appendGeminiTools(b, r)
	for _, k := range sortedKeys(r.Extra) {
		if k == toolsField && len(r.Tools) > 0 || k == "toolConfig" && r.ToolChoice.Mode != ToolDefault {
			continue
		}
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
