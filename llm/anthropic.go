package llm

import (
	"net/http"
	"strings"
)

const (
	// AnthropicVersion is the anthropic-version header where an endpoint names none.
	AnthropicVersion = "2023-06-01"
	// AnthropicMaxTokens is sent where a request sets no limit, which Anthropic
	// requires. Every model of theirs can write that much.
	AnthropicMaxTokens = 4096
)

// anthropic speaks Anthropic's Messages.
type anthropic struct{}

func (anthropic) Protocol() Protocol { return Anthropic }

// Encode moves system messages to the top-level system, each as a block of its
// own, and joins consecutive turns of one role into one, as the API wants it.
// Temperature beyond 1 is refused, not clamped.
func (c anthropic) Encode(e Endpoint, r Request) (Call, error) {
	var no []string
	if r.Temperature != nil && *r.Temperature > 1 {
		no = append(no, "temperature")
	}
	if r.Seed != nil {
		no = append(no, "seed")
	}
	if r.Logprobs {
		no = append(no, "logprobs")
	}
	body, ok := modelPass(Anthropic, r)
	if !ok || unsigned.Match(body) {
		var err error
		if r, err = r.prepared(Anthropic, no); err != nil {
			return Call{}, err
		}
		r.Messages = withoutUnsigned(r.Messages)
		body = c.body(r)
	}
	call := newCall(e, c.url(e, "/messages"), body, c.auth(e))
	c.version(e, call.Header)
	if r.Stream {
		call.Header.Set("Accept", "text/event-stream")
	}
	return call.finish(e), nil
}

func (c anthropic) Models(e Endpoint) Call {
	call := newCall(e, c.url(e, "/models"), nil, c.auth(e))
	c.version(e, call.Header)
	return call.finish(e)
}

func (anthropic) auth(e Endpoint) func(http.Header) {
	return func(h http.Header) { h.Set("X-Api-Key", e.Key.Reveal()) }
}

func (anthropic) version(e Endpoint, h http.Header) {
	v := e.APIVersion
	if v == "" {
		v = AnthropicVersion
	}
	h.Set("Anthropic-Version", v)
}

// url returns where path is served; a base with or without /v1 is meant alike.
func (anthropic) url(e Endpoint, path string) string {
	return strings.TrimSuffix(strings.TrimRight(e.BaseURL, "/"), "/v1") + "/v1" + path
}

func (anthropic) body(r Request) []byte {
	b := strField([]byte{'{'}, "model", r.Model)
	limit := r.MaxTokens
	if limit == 0 {
		limit = AnthropicMaxTokens
	}
	b = intField(b, "max_tokens", int64(limit))
	b = appendSystem(b, r.Messages)
	b = append(appendKey(b, "messages"), '[')
	b = append(appendTurns(b, turnsOf(r.Messages)), ']')
	if r.Temperature != nil {
		b = floatField(b, "temperature", *r.Temperature)
	}
	if r.TopP != nil {
		b = floatField(b, "top_p", *r.TopP)
	}
	if len(r.Stop) > 0 {
		b = stringsField(b, "stop_sequences", r.Stop)
	}
	if r.Stream {
		b = rawField(b, "stream", []byte("true"))
	}
	b = appendAnthropicTools(appendMetadata(b, r), r)
	for _, k := range sortedKeys(r.Extra) {
		if !anthropicTyped(k, r) {
			b = rawField(b, k, r.Extra[k])
		}
	}
	return append(b, '}')
}

// appendMetadata appends the sub-objects that hold typed fields beside the
// caller's own.
func appendMetadata(b []byte, r Request) []byte {
	meta := []byte{'{'}
	if r.User != "" {
		meta = strField(meta, "user_id", r.User)
	}
	if meta = appendNested(meta, r.Extra, "metadata."); len(meta) > 1 {
		b = rawField(b, "metadata", append(meta, '}'))
	}
	out := []byte{'{'}
	if r.JSONSchema != nil {
		format := strField([]byte{'{'}, "type", "json_schema")
		out = rawField(out, "format", append(rawField(format, "schema", r.JSONSchema), '}'))
	}
	if out = appendNested(out, r.Extra, "output_config."); len(out) > 1 {
		b = rawField(b, "output_config", append(out, '}'))
	}
	return b
}

func anthropicTyped(name string, r Request) bool {
	switch name {
	case toolsField:
		return len(r.Tools) > 0
	case choiceField:
		return r.ToolChoice.Mode != ToolDefault || r.OneToolCall
	case "model", "max_tokens", "system", "messages", "temperature", "top_p", "stop_sequences", "stream", "metadata", "output_config":
		return true
	}
	return strings.HasPrefix(name, "metadata.") || strings.HasPrefix(name, "output_config.")
}

// appendSystem appends the system messages: one as a string, several, or one
// with more than text (cache marks), as blocks.
func appendSystem(b []byte, ms []Message) []byte {
	var blocks []byte
	n, only := 0, ""
	for _, m := range ms {
		if m.Role != RoleSystem {
			continue
		}
		n++
		only = m.Text
		if n > 1 {
			blocks = append(blocks, ',')
		}
		if m.Raw != nil {
			n++ // never the short form
			blocks = append(blocks, m.Raw...)
			continue
		}
		blocks = appendTextBlock(blocks, m.Text)
	}
	switch n {
	case 0:
		return b
	case 1:
		return strField(b, "system", only)
	}
	return append(append(append(appendKey(b, "system"), '['), blocks...), ']')
}

func appendTextBlock(dst []byte, text string) []byte {
	return append(strField(append(dst, `{"type":"text"`...), "text", text), '}')
}

// turn is consecutive messages of one role, system ones left out.
type turn struct {
	role string
	ms   []Message
}

// turnsOf joins consecutive messages of one role. Raw ones join too: their
// content becomes part of the turn's, as with parallel tool results.
func turnsOf(ms []Message) []turn {
	var ts []turn
	for _, m := range ms {
		if m.Role == RoleSystem {
			continue
		}
		role := m.Role
		if role == RoleTool {
			role = RoleUser
		}
		if n := len(ts); n > 0 && ts[n-1].role == role {
			ts[n-1].ms = append(ts[n-1].ms, m)
			continue
		}
		ts = append(ts, turn{role, []Message{m}})
	}
	return ts
}

func appendTurns(b []byte, ts []turn) []byte {
	for _, t := range ts {
		b = appendTurn(appendComma(b), t)
	}
	return b
}
