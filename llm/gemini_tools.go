package llm

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"strings"
)

// namelessCall begins the ids that are made for calls without one, as Gemini's
// mostly are; it pairs them by name and order. Such an id never goes back to
// Gemini. Ids stay under the 40 bytes that OpenAI takes.
const namelessCall = "call_nameless_"

// call returns the call that p is, the index-th of the answer.
func (p *geminiPart) call(index int, answer string) ToolCallDelta {
	var c struct {
		ID   string          `json:"id"`
		Name string          `json:"name"`
		Args json.RawMessage `json:"args"`
	}
	_ = json.Unmarshal(p.Call, &c) // a call of another shape has no name, which is for the caller to judge
	d := ToolCallDelta{Index: index, ID: c.ID, Name: c.Name, Arguments: orNoArguments(argumentText(c.Args)), Signature: p.Signature}
	if d.ID == "" {
		h := fnv.New64a()
		fmt.Fprintf(h, "%s/%d/%s/%s", answer, index, d.Name, d.Arguments)
		d.ID = fmt.Sprintf("%s%016x", namelessCall, h.Sum64())
	}
	return d
}

// appendFunctionCall appends a call as a part.
func appendFunctionCall(b []byte, c ToolCall) []byte {
	b = append(b, `{"functionCall":{`...)
	if c.ID != "" && !strings.HasPrefix(c.ID, namelessCall) {
		b = strField(b, "id", c.ID)
	}
	b = strField(b, "name", c.Name)
	b = append(appendArguments(appendKey(b, "args"), c.Arguments), '}')
	if c.Signature != "" {
		b = strField(b, "thoughtSignature", c.Signature)
	}
	return append(b, '}')
}

// appendLogprobsResult appends the member logprobsResult.
func appendLogprobsResult(b []byte, tokens []string, logprobs []float64) []byte {
	b = append(appendKey(b, "logprobsResult"), `{"chosenCandidates":[`...)
	for i, l := range logprobs {
		b = append(appendComma(b), '{')
		if i < len(tokens) {
			b = strField(b, "token", tokens[i])
		}
		b = append(floatField(b, "logProbability", l), '}')
	}
	return append(b, "]}"...)
}

// ToolCall keeps the parts of a call: the protocol's calls come whole.
func (e *geminiEncoder) ToolCall(dst []byte, d ToolCallDelta) []byte {
	if n := len(e.calls); n > 0 && d.Index > e.call {
		dst = e.flushCalls(dst)
	}
	e.call = d.Index
	e.calls = append(e.calls, d)
	return dst
}

// flushCalls appends the call that was kept.
func (e *geminiEncoder) flushCalls(dst []byte) []byte {
	if len(e.calls) == 0 {
		return dst
	}
	var c ToolCall
	for _, d := range e.calls {
		d.Index = 0
		c = AppendToolCalls([]ToolCall{c}, []ToolCallDelta{d})[0]
	}
	e.calls = e.calls[:0]
	dst = appendFunctionCall(append(dst, `data: {"candidates":[{"content":{"parts":[`...), c)
	dst = append(dst, `],"role":"model"},`...)
	return append(dst, e.tail...)
}

// Logprobs appends a chunk of their own.
func (e *geminiEncoder) Logprobs(dst []byte, tokens []string, logprobs []float64) []byte {
	if len(logprobs) == 0 {
		return dst
	}
	dst = append(append(dst, geminiHead...), `""}],"role":"model"}`...)
	dst = append(appendLogprobsResult(dst, tokens, logprobs), ',')
	return append(dst, e.tail...)
}
