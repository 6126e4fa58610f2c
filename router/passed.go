package router

import (
	"bytes"
	"encoding/json"

	"github.com/bellwether-llm/bellwether/llm"
)

// passed relays the events of OpenAI's chat completions as they came, unknown
// fields and all, except for the end and the usage: some servers say the usage
// in a chunk of its own, some beside a piece of the answer, some again and
// again. The caller gets it once, at the end, and only when asked.
type passed struct {
	asked bool   // the caller wants the usage
	usage []byte // the chunk that says it
}

func (p *passed) event(dst []byte, ev llm.Event, d llm.Delta) []byte {
	data := bytes.TrimSpace(ev.Data)
	if d.Usage != nil {
		data = p.takeUsage(data)
	}
	if d.Done || len(data) == 0 {
		return dst
	}
	return appendData(dst, data)
}

func (p *passed) end(dst []byte, _ llm.Finish, _ *llm.Usage) []byte {
	if p.asked && p.usage != nil {
		dst = append(append(append(dst, "data: "...), p.usage...), "\n\n"...)
	}
	return append(dst, "data: [DONE]\n\n"...)
}

// takeUsage keeps the usage of a chunk for the end of the stream and returns
// the chunk without it; nil when nothing else was in it.
func (p *passed) takeUsage(data []byte) []byte {
	var chunk map[string]json.RawMessage
	if json.Unmarshal(data, &chunk) != nil {
		return data // it was decoded before, so that this cannot be
	}
	var choices []json.RawMessage
	_ = json.Unmarshal(chunk["choices"], &choices) // no list: no choices
	if len(choices) == 0 {
		p.usage = bytes.ReplaceAll(data, []byte{'\n'}, []byte{' '})
		return nil
	}
	rest := chunk["choices"]
	chunk["choices"] = json.RawMessage("[]")
	p.usage, _ = json.Marshal(chunk) // of valid JSON
	chunk["choices"] = rest
	delete(chunk, "usage")
	if p.asked {
		chunk["usage"] = json.RawMessage("null")
	}
	data, _ = json.Marshal(chunk)
	return data
}

// passOpenAI relays chunks of chat completions.
func passOpenAI(x *exchange) streamWriter { return &passed{asked: x.req.StreamUsage} }

// passEvents relays events of the dialects that say the usage themselves. What
// such a stream has begun can only be gone on with by who knows all of it, so
// that where it may come to that it is written anew from the start.
func passEvents(x *exchange) streamWriter {
	if x.said != nil {
		return nil
	}
	return &events{anthropic: x.front.codec.Protocol() == llm.Anthropic}
}

// events relays events as they came, unknown ones and all.
type events struct {
	anthropic bool
	over      bool // the protocol's own end is written
	n         int  // events written
}

func (e *events) event(dst []byte, ev llm.Event, d llm.Delta) []byte {
	data := bytes.TrimSpace(ev.Data)
	if len(data) == 0 || string(data) == "[DONE]" {
		return dst
	}
	e.over = e.over || d.Done
	e.n++
	if ev.Type != "" {
		dst = append(append(append(dst, "event: "...), ev.Type...), '\n')
	}
	return appendData(dst, data)
}

// end writes the end of a stream that finished without it.
func (e *events) end(dst []byte, _ llm.Finish, _ *llm.Usage) []byte {
	if e.anthropic && !e.over {
		dst = append(dst, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"...)
	}
	return dst
}

// appendData appends an event's data as one line: in JSON a line end is a
// space.
func appendData(dst, data []byte) []byte {
	dst = append(dst, "data: "...)
	from := len(dst)
	dst = append(append(dst, data...), "\n\n"...)
	for i := from; i < len(dst)-2; i++ {
		if dst[i] == '\n' {
			dst[i] = ' '
		}
	}
	return dst
}
