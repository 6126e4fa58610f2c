package router

import (
	"errors"

	"github.com/bellwether-llm/bellwether/llm"
)

// dialect is what callers speak. It is the only thing in which endpoints
// differ: choice, attempts, relaying and accounts are the same for all.
type dialect struct {
	codec llm.Codec
	// pass returns what relays a stream in the dialect itself, unknown fields
	// and all. nil: such streams are decoded and written anew like any other.
	pass func(x *exchange) streamWriter
	// prefix stands before the ids of answers that we write.
	prefix string
}

// openAIChat is the dialect of OpenAI's chat completions.
func openAIChat() (*dialect, error) {
	codec, err := llm.For(llm.OpenAI)
	if err != nil {
		return nil, err
	}
	if _, ok := codec.Encoder(llm.Request{}, "", "").(llm.FullStreamEncoder); !ok {
		return nil, errors.New("router: the encoder of the front cannot say all that a stream may hold")
	}
	return &dialect{codec: codec, prefix: "chatcmpl-", pass: func(x *exchange) streamWriter { return &passed{asked: x.req.StreamUsage} }}, nil
}

// speaks reports whether p's bodies are written in d's own words.
func (d *dialect) speaks(p llm.Protocol) bool { return dialectOf(p) == dialectOf(d.codec.Protocol()) }

// dialectOf returns the protocol whose words p's bodies are written in.
func dialectOf(p llm.Protocol) llm.Protocol {
	if p == llm.Azure {
		return llm.OpenAI
	}
	return p
}

// encoder returns what writes a streamed answer to r.
func (d *dialect) encoder(r llm.Request, id, model string) llm.FullStreamEncoder {
	return d.codec.Encoder(r, id, model).(llm.FullStreamEncoder) // the constructor has seen that it is one
}

// streamWriter writes one streamed answer in the caller's dialect, appending
// to dst. It belongs to one attempt.
type streamWriter interface {
	// event writes what one event of the target carried.
	event(dst []byte, ev llm.Event, d llm.Delta) []byte
	// end writes the proper end.
	end(dst []byte, f llm.Finish, u *llm.Usage) []byte
}

// encoded writes anew what a target said in another dialect.
type encoded struct {
	enc   llm.FullStreamEncoder
	began bool // a token is written
}

func (e *encoded) event(dst []byte, ev llm.Event, d llm.Delta) []byte {
	dst = e.say(dst, d)
	e.began = e.began || d.Content()
	if ev.Type == "ping" && e.began {
		dst = append(dst, ": ping\n\n"...)
	}
	return dst
}

// say writes what an event carries.
func (e *encoded) say(dst []byte, d llm.Delta) []byte {
	dst = e.enc.Reasoning(dst, d.Reasoning)
	dst = e.enc.Refusal(dst, d.Refusal)
	dst = e.enc.Text(dst, d.Text)
	for _, call := range d.ToolCalls {
		dst = e.enc.ToolCall(dst, call)
	}
	if len(d.Logprobs) > 0 && len(d.Tokens) == len(d.Logprobs) {
		dst = e.enc.Logprobs(dst, d.Tokens, d.Logprobs)
	}
	return dst
}

func (e *encoded) end(dst []byte, f llm.Finish, u *llm.Usage) []byte { return e.enc.End(dst, f, u) }
