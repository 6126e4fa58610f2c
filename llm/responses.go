package llm

import (
	"encoding/json"
	"net/http"
	"strings"
)

// responses speaks OpenAI's Responses: typed items in, typed items and events
// out. Its errors, models and keys are those of chat completions.
type responses struct{}

// logprobsInclude asks for log-probabilities.
const logprobsInclude = `["message.output_text.logprobs"]`

func (responses) Protocol() Protocol { return Responses }

// Encode writes the first system message as instructions and all else as
// items. What came in another dialect is not stored by the provider; a caller
// of this one says so itself.
func (c responses) Encode(e Endpoint, r Request) (Call, error) {
	var no []string
	if len(r.Stop) > 0 {
		no = append(no, "stop")
	}
	if r.Seed != nil {
		no = append(no, "seed")
	}
	body, ok := modelPass(Responses, r)
	if !ok {
		foreign := r.foreign(Responses)
		var err error
		if r, err = r.prepared(Responses, no); err != nil {
			return Call{}, err
		}
		body = c.body(r, foreign)
	}
	call := newCall(e, strings.TrimRight(e.BaseURL, "/")+"/responses", body, openAI{OpenAI}.auth(e))
	if r.Stream {
		call.Header.Set("Accept", "text/event-stream")
	}
	return call.finish(e), nil
}

func (responses) Models(e Endpoint) Call { return openAI{OpenAI}.Models(e) }

func (responses) Error(status int, h http.Header, body []byte) *Error {
	return classify(OpenAI, status, h, body)
}

func (responses) EncodeError(e *Error) []byte { return openAI{OpenAI}.EncodeError(e) }

func (c responses) body(r Request, foreign bool) []byte {
	b := strField([]byte{'{'}, "model", r.Model)
	ms := r.Messages
	if ms[0].Role == RoleSystem && ms[0].Raw == nil {
		b = strField(b, "instructions", ms[0].Text)
		ms = ms[1:]
	}
	b = append(appendKey(b, "input"), '[')
	for _, m := range ms {
		b = appendItems(b, m)
	}
	b = append(b, ']')
	if r.MaxTokens > 0 {
		b = intField(b, "max_output_tokens", int64(r.MaxTokens))
	}
	if r.Temperature != nil {
		b = floatField(b, "temperature", *r.Temperature)
	}
	if r.TopP != nil {
		b = floatField(b, "top_p", *r.TopP)
	}
	if r.User != "" {
		b = strField(b, "user", r.User)
	}
	if r.Stream {
		b = rawField(b, "stream", []byte("true"))
	}
	if _, own := r.Extra["include"]; r.Logprobs && !own {
		b = rawField(b, "include", []byte(logprobsInclude))
	}
	b = appendTextConfig(appendResponsesTools(b, r), r)
	if foreign {
		b = rawField(b, "store", []byte("false"))
	}
	for _, k := range sortedKeys(r.Extra) {
		if !responsesTyped(k, r) {
			b = rawField(b, k, r.Extra[k])
		}
	}
	return append(b, '}')
}

// responsesTyped reports whether r writes the field name by itself.
func responsesTyped(name string, r Request) bool {
	switch name {
	case "model", "input", "instructions", "stream":
		return true
	case "max_output_tokens":
		return r.MaxTokens > 0
	case "temperature":
		return r.Temperature != nil
	case "top_p":
		return r.TopP != nil
	case "user":
		return r.User != ""
	case toolsField:
		return len(r.Tools) > 0
	case choiceField:
		return r.ToolChoice.Mode != ToolDefault
	case parallelField:
		return r.OneToolCall
	}
	return strings.HasPrefix(name, "text.")
}

// appendTextConfig appends text, which holds the schema beside members of the
// caller's own ("text.x" in Extra).
func appendTextConfig(b []byte, r Request) []byte {
	text := []byte{'{'}
	if _, own := r.Extra["text.format"]; r.JSONSchema != nil && !own {
		text = rawField(text, "format", responsesFormat(r.JSONSchema))
	}
	if text = appendNested(text, r.Extra, "text."); len(text) > 1 {
		b = rawField(b, "text", append(text, '}'))
	}
	return b
}

// responsesFormat wraps schema as [responseFormat] does for chats.
func responsesFormat(schema json.RawMessage) []byte {
	b := strField([]byte{'{'}, "type", "json_schema")
	b = strField(b, "name", "answer")
	if closedSchema(schema) {
		b = rawField(b, "strict", []byte("true"))
	}
	return append(rawField(b, "schema", schema), '}')
}

// appendResponsesTools appends what r says of tools. Here a tool is strict
// unless it says that it is not.
func appendResponsesTools(b []byte, r Request) []byte {
	if len(r.Tools) > 0 {
		b = append(appendKey(b, toolsField), '[')
		for _, t := range r.Tools {
			t.Parameters = t.parameters()
			b = appendFunction(append(appendComma(b), `{"type":"function"`...), t, "parameters")
			if !t.Strict {
				b = rawField(b, "strict", []byte("false"))
			}
			b = append(b, '}')
		}
		b = append(b, ']')
	}
	switch choice := r.ToolChoice; choice.Mode {
	case ToolDefault:
	case ToolNamed:
		b = append(appendKey(b, choiceField), `{"type":"function"`...)
		b = append(strField(b, "name", choice.Name), '}')
	default:
		b = strField(b, choiceField, string(choice.Mode))
	}
	if r.OneToolCall {
		b = rawField(b, parallelField, []byte("false"))
	}
	return b
}

// appendItems appends m as items: one for its text and images, one for each
// call and result.
func appendItems(b []byte, m Message) []byte {
	switch {
	case m.Raw != nil:
		return append(appendComma(b), m.Raw...)
	case m.Parts == nil:
		return appendTextItem(b, m.Role, m.Text)
	}
	done, rest := results(m.Parts)
	for _, p := range done {
		b = strField(append(appendComma(b), `{"type":"function_call_output"`...), "call_id", p.Call.ID)
		b = append(strField(b, "output", p.Text), '}')
	}
	var content []byte
	for _, p := range rest {
		switch p.Kind {
		case PartText:
			if m.Role == RoleAssistant {
				b = appendTextItem(b, m.Role, p.Text)
				continue
			}
			content = append(listed(content), `{"type":"input_text"`...)
			content = append(strField(content, "text", p.Text), '}')
		case PartImage:
			content = append(listed(content), `{"type":"input_image","detail":"auto"`...)
			content = append(strField(content, "image_url", p.Image.url()), '}')
		case PartDocument:
			content = strField(append(listed(content), `{"type":"input_file"`...), "filename", documentName)
			content = append(strField(content, "file_data", p.Image.url()), '}')
		case PartToolCall:
			b = appendFunctionItem(appendComma(b), "", *p.Call)
		case PartReasoning:
			b = append(appendComma(b), `{"type":"reasoning","summary":[{"type":"summary_text"`...)
			b = append(strField(b, "text", p.Text), `}]}`...)
		}
	}
	if content == nil {
		return b
	}
	b = strField(append(appendComma(b), '{'), "role", m.Role)
	return append(rawField(b, "content", append(content, ']')), '}')
}

// listed begins a list or goes on with it.
func listed(b []byte) []byte {
	if b == nil {
		return []byte{'['}
	}
	return append(b, ',')
}

func appendTextItem(b []byte, role, text string) []byte {
	b = strField(append(appendComma(b), '{'), "role", role)
	return append(strField(b, "content", text), '}')
}

// appendFunctionItem appends a call as an item; an id is its item's own.
func appendFunctionItem(b []byte, id string, c ToolCall) []byte {
	b = append(b, `{"type":"function_call"`...)
	if id != "" {
		b = append(strField(b, "id", id), `,"status":"completed"`...)
	}
	b = strField(b, "call_id", c.ID)
	b = strField(b, "name", c.Name)
	return append(strField(b, "arguments", c.Arguments), '}')
}
