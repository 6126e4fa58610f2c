package llm

import (
	"encoding/json"
	"strings"
)

// openAICall is a tool call of an answer, or part of one in a stream.
type openAICall struct {
	Index    *int   `json:"index"` // some compatible servers leave it out
	ID       string `json:"id"`
	Type     string `json:"type"`
	Function *struct {
		Name string `json:"name"`
		// Arguments is a string; some compatible servers write an object.
		Arguments json.RawMessage `json:"arguments"`
	} `json:"function"`
	Extra struct {
		Google struct {
			Signature string `json:"thought_signature"`
		} `json:"google"`
	} `json:"extra_content"`
}

func (c *openAICall) delta(index int) ToolCallDelta {
	return ToolCallDelta{Index: index, ID: c.ID, Name: c.Function.Name, Arguments: argumentText(c.Function.Arguments),
		Signature: c.Extra.Google.Signature}
}

// argumentText returns arguments as text, whether they came as a string or as
// an object. Null is "".
func argumentText(raw []byte) string {
	if s, ok := unquote(raw); ok {
		return s
	}
	if isNull(raw) {
		return ""
	}
	return string(raw)
}

// toolCalls returns the calls of functions in m; others (custom tools) are
// left to who reads the raw answer. next numbers the calls that have no index:
// one with an id or a name begins a new call, any other goes on with the last.
func (m *openAIMessage) toolCalls(next int) []ToolCallDelta {
	var out []ToolCallDelta
	if !isEmpty(m.ToolCalls) {
		var calls []openAICall
		if json.Unmarshal(m.ToolCalls, &calls) != nil {
			return nil // the model's or server's slip: the answer's text still counts
		}
		for i := range calls {
			c := &calls[i]
			if c.Function == nil {
				continue
			}
			index := next
			switch {
			case c.Index != nil:
				index = *c.Index
			case c.ID == "" && c.Function.Name == "" && next > 0:
				index = next - 1
			}
			next = max(next, index+1)
			out = append(out, c.delta(index))
		}
		return out
	}
	if !isEmpty(m.FunctionCall) { // the older form, one call without an id
		var f openAICall
		if json.Unmarshal(append(append([]byte(`{"function":`), m.FunctionCall...), '}'), &f) == nil && f.Function != nil {
			out = append(out, f.delta(0))
		}
	}
	return out
}

// wholeCalls returns the calls of a whole answer.
func wholeCalls(deltas []ToolCallDelta) []ToolCall {
	var calls []ToolCall
	for _, d := range deltas {
		d.Index = len(calls)
		calls = AppendToolCalls(calls, []ToolCallDelta{d})
	}
	for i := range calls {
		calls[i].Arguments = orNoArguments(calls[i].Arguments)
	}
	return calls
}

func orNoArguments(s string) string {
	if strings.TrimSpace(s) == "" {
		return "{}"
	}
	return s
}

// appendOpenAICalls appends tool_calls as messages hold them.
func appendOpenAICalls(b []byte, calls []ToolCall) []byte {
	b = append(appendKey(b, "tool_calls"), '[')
	for _, c := range calls {
		b = appendOpenAICall(append(appendComma(b), '{'), c)
	}
	return append(b, ']')
}

// appendOpenAICall appends a call to the object that b ends with, and closes it.
func appendOpenAICall(b []byte, c ToolCall) []byte {
	b = strField(b, "id", c.ID)
	b = append(appendComma(b), `"type":"function","function":{`...)
	b = strField(b, "name", c.Name)
	b = append(strField(b, "arguments", c.Arguments), '}')
	b = appendSignature(b, c.Signature)
	return append(b, '}')
}

// appendSignature appends a signature where Google's own compatible servers
// have it; clients that echo calls whole bring it back.
func appendSignature(b []byte, s string) []byte {
	if s == "" {
		return b
	}
	b = append(appendKey(b, "extra_content"), `{"google":{`...)
	return append(strField(b, "thought_signature", s), "}}"...)
}

// appendOpenAILogprobs appends a logprobs object. Tokens may be fewer than
// logprobs where they are not known.
func appendOpenAILogprobs(b []byte, tokens []string, logprobs []float64) []byte {
	b = append(b, `{"content":[`...)
	for i, l := range logprobs {
		token := ""
		if i < len(tokens) {
			token = tokens[i]
		}
		b = strField(append(appendComma(b), '{'), "token", token)
		b = floatField(b, "logprob", l)
		b = append(appendKey(b, "bytes"), '[')
		for j := range len(token) {
			b = appendInt(appendComma(b), int64(token[j]))
		}
		b = append(b, `],"top_logprobs":[]}`...)
	}
	return append(b, `],"refusal":null}`...)
}

// ToolCall appends part of a call: the first with id, type and name, the others
// with arguments only.
func (e *openAIEncoder) ToolCall(dst []byte, d ToolCallDelta) []byte {
	dst = append(append(dst, e.open...), `"tool_calls":[{`...)
	dst = intField(dst, "index", int64(d.Index))
	if d.ID != "" || d.Name != "" {
		dst = appendOpenAICall(dst, ToolCall{ID: d.ID, Name: d.Name, Arguments: d.Arguments, Signature: d.Signature})
	} else {
		dst = strField(append(dst, `,"function":{`...), "arguments", d.Arguments)
		dst = append(appendSignature(append(dst, '}'), d.Signature), '}')
	}
	dst = append(dst, `]},"finish_reason":null}]`...)
	return append(dst, e.tail...)
}

// Logprobs appends a chunk of their own, without content.
func (e *openAIEncoder) Logprobs(dst []byte, tokens []string, logprobs []float64) []byte {
	if len(logprobs) == 0 {
		return dst
	}
	dst = append(append(dst, e.open...), `},"logprobs":`...)
	dst = append(appendOpenAILogprobs(dst, tokens, logprobs), `,"finish_reason":null}]`...)
	return append(dst, e.tail...)
}
