package router

import (
	"bytes"
	"encoding/json"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/llm"
)

// takeUsage keeps the usage of a chunk for the end of the stream and returns
// the chunk without it; nil when nothing else was in it. The caller gets the
// usage once, in a chunk of its own with empty choices, and only when asked.
func (o *relayed) takeUsage(data []byte) []byte {
	var chunk map[string]json.RawMessage
	if json.Unmarshal(data, &chunk) != nil {
		return data // it was decoded before, so that this cannot be
	}
	var choices []json.RawMessage
	_ = json.Unmarshal(chunk["choices"], &choices) // no list: no choices
	if len(choices) == 0 {
		o.usage = bytes.ReplaceAll(data, []byte{'\n'}, []byte{' '})
		return nil
	}
	rest := chunk["choices"]
	chunk["choices"] = json.RawMessage("[]")
	o.usage, _ = json.Marshal(chunk) // of valid JSON
	chunk["choices"] = rest
	delete(chunk, "usage")
	if o.x.req.StreamUsage {
		chunk["usage"] = json.RawMessage("null")
	}
	data, _ = json.Marshal(chunk)
	return data
}

// unstreamed relays the whole answer of a server that was asked for a stream
// and does not stream.
func (o *relayed) unstreamed() *failure {
	resp, f := o.a.whole()
	if f != nil {
		return f
	}
	if resp.Finish == llm.FinishToolCalls && len(resp.ToolCalls) == 0 || o.x.choices > 1 {
		return &failure{outcome: bellwether.Malformed, status: o.a.seen.status, text: "a stream was asked for, and the answer is none"}
	}
	model := resp.Model
	if model == "" {
		model = o.a.up.Model
	}
	o.encode(model)
	d := llm.Delta{Text: resp.Text, Reasoning: resp.Reasoning, Refusal: resp.Refusal, Logprobs: resp.Logprobs, Tokens: resp.Tokens}
	for i, call := range resp.ToolCalls {
		d.ToolCalls = append(d.ToolCalls, llm.ToolCallDelta{Index: i, ID: call.ID, Name: call.Name, Arguments: call.Arguments, Signature: call.Signature})
	}
	o.say(d)
	o.commit()
	o.finish()
	return nil
}
