package llm

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// AzureAPIVersion is the api-version sent where an endpoint names none.
const AzureAPIVersion = "2024-10-21"

// openAI speaks OpenAI's chat completions. Azure speaks the same bodies on
// paths and headers of its own, so it is a second value of the same type.
type openAI struct{ p Protocol }

var (
	reasoningModel = regexp.MustCompile(`(^|[/_-])(o[1-9]|gpt-[5-9])([._-]|$)`)
	openAIHost     = regexp.MustCompile(`^https?://([a-z0-9-]+\.)?api\.openai\.com(:[0-9]+)?(/|$)`)
)

func (c openAI) Protocol() Protocol { return c.p }

func (c openAI) Encode(e Endpoint, r Request) (Call, error) {
	body, ok := c.pass(e, r)
	if !ok {
		var err error
		if r, err = r.prepared(c.p, nil); err != nil {
			return Call{}, err
		}
		if c.p == Azure || isOpenAIs(e.BaseURL) {
			r.Messages = withoutSignatures(r.Messages)
		}
		body = c.body(e, r)
	}
	call := newCall(e, c.url(e, r.Model, "/chat/completions"), body, c.auth(e))
	if r.Stream {
		call.Header.Set("Accept", "text/event-stream")
	}
	return call.finish(e), nil
}

func (c openAI) Models(e Endpoint) Call {
	return newCall(e, c.url(e, "", "/models"), nil, c.auth(e)).finish(e)
}

func (c openAI) auth(e Endpoint) func(http.Header) {
	return func(h http.Header) {
		if c.p == Azure {
			h.Set("Api-Key", e.Key.Reveal())
			return
		}
		h.Set("Authorization", "Bearer "+e.Key.Reveal())
	}
}

// url returns where path is served. Azure keeps the deployment in the path,
// except under its newer /openai/v1, which is OpenAI's own layout.
func (c openAI) url(e Endpoint, model, path string) string {
	base := strings.TrimRight(e.BaseURL, "/")
	if c.p != Azure || strings.HasSuffix(base, "/openai/v1") {
		return base + path
	}
	base = strings.TrimSuffix(base, "/openai") + "/openai"
	if model != "" {
		base += "/deployments/" + url.PathEscape(model)
	}
	version := e.APIVersion
	if version == "" {
		version = AzureAPIVersion
	}
	return base + path + "?api-version=" + url.QueryEscape(version)
}

func (c openAI) body(e Endpoint, r Request) []byte {
	b := strField([]byte{'{'}, "model", r.Model)
	b = append(appendKey(b, "messages"), '[')
	for _, m := range r.Messages {
		b = appendOpenAIMessage(b, m)
	}
	b = append(b, ']')
	if r.MaxTokens > 0 {
		b = intField(b, maxTokensField(e, r.Model), int64(r.MaxTokens))
	}
	b = c.appendOptions(b, r)
	b = appendStreamOptions(b, r)
	for _, k := range sortedKeys(r.Extra) {
		if !openAITyped(k, r) {
			b = rawField(b, k, r.Extra[k])
		}
	}
	return append(b, '}')
}

func (c openAI) appendOptions(b []byte, r Request) []byte {
	if r.Temperature != nil {
		b = floatField(b, "temperature", *r.Temperature)
	}
	if r.TopP != nil {
		b = floatField(b, "top_p", *r.TopP)
	}
	if len(r.Stop) > 0 {
		b = stringsField(b, "stop", r.Stop)
	}
	if r.Seed != nil {
		b = intField(b, "seed", *r.Seed)
	}
	if r.Logprobs {
		b = rawField(b, "logprobs", []byte("true"))
	}
	if r.User != "" {
		b = strField(b, "user", r.User)
	}
	if _, own := r.Extra[schemaField]; r.JSONSchema != nil && !own {
		b = rawField(b, schemaField, responseFormat(r.JSONSchema))
	}
	return appendOpenAITools(b, r)
}

// appendStreamOptions appends stream and stream_options; the caller's own
// options ("stream_options.x" in Extra) stay.
func appendStreamOptions(b []byte, r Request) []byte {
	if !r.Stream {
		return b
	}
	b = rawField(b, "stream", []byte("true"))
	opts := []byte{'{'}
	if r.StreamUsage {
		opts = rawField(opts, "include_usage", []byte("true"))
	}
	opts = appendNested(opts, r.Extra, "stream_options.")
	if len(opts) > 1 {
		b = rawField(b, "stream_options", append(opts, '}'))
	}
	return b
}

// appendNested appends the members of Extra that belong to a sub-object, whose
// names begin with prefix.
func appendNested(dst []byte, extra map[string]json.RawMessage, prefix string) []byte {
	for _, k := range sortedKeys(extra) {
		if name, ok := strings.CutPrefix(k, prefix); ok {
			dst = rawField(dst, name, extra[k])
		}
	}
	return dst
}

// openAITyped reports whether r writes the field name by itself, so that Extra
// must not write it a second time.
func openAITyped(name string, r Request) bool {
	switch name {
	case "model", "messages", "stream", "stream_options":
		return true
	case "max_tokens", "max_completion_tokens":
		return r.MaxTokens > 0
	case "temperature":
		return r.Temperature != nil
	case "top_p":
		return r.TopP != nil
	case "stop":
		return len(r.Stop) > 0
	case "seed":
		return r.Seed != nil
	case "logprobs":
		return r.Logprobs
	case "user":
		return r.User != ""
	case toolsField:
		return len(r.Tools) > 0
	case choiceField:
		return r.ToolChoice.Mode != ToolDefault
	case parallelField:
		return r.OneToolCall
	}
	return strings.HasPrefix(name, "stream_options.")
}

// responseFormat wraps schema as OpenAI wants it. Strict mode, which makes the
// answer match for certain, takes only closed schemas, so it is asked for only
// where the schema's top is closed.
func responseFormat(schema json.RawMessage) []byte {
	b := strField([]byte{'{'}, "type", "json_schema")
	b = strField(append(appendKey(b, "json_schema"), '{'), "name", "answer")
	if closedSchema(schema) {
		b = rawField(b, "strict", []byte("true"))
	}
	return append(rawField(b, "schema", schema), "}}"...)
}

func closedSchema(schema json.RawMessage) bool {
	var top struct {
		Additional json.RawMessage `json:"additionalProperties"`
	}
	return json.Unmarshal(schema, &top) == nil && string(top.Additional) == "false"
}

// isOpenAIs reports whether base is of OpenAI's own hosts. Like reasons it looks
// before it matches, which costs a microsecond, for each request asks it.
func isOpenAIs(base string) bool {
	return strings.Contains(base, "api.openai.com") && openAIHost.MatchString(base)
}

// reasons reports whether model is named like one of OpenAI's that reason.
func reasons(model string) bool {
	for i := 1; i < len(model); i++ {
		if c := model[i]; c >= '1' && c <= '9' && (model[i-1] == 'o' || model[i-1] == '-') {
			return reasoningModel.MatchString(model)
		}
	}
	return false
}

func maxTokensField(e Endpoint, model string) string {
	switch {
	case e.MaxTokensField != "":
		return e.MaxTokensField
	case isOpenAIs(e.BaseURL), reasons(model):
		return "max_completion_tokens"
	}
	return "max_tokens"
}
