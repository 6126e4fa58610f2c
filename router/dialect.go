package router

import (
	"fmt"

	"github.com/bellwether-llm/bellwether/llm"
)

// dialect is what callers speak. It is the only thing in which endpoints
// differ: choice, attempts, relaying and accounts are the same for all.
type dialect struct {
	codec wording
	// pass returns what relays a stream in the dialect itself, unknown fields
	// and all. nil, or where it returns nil: such streams are decoded and
	// written anew like any other.
	pass func(x *exchange) streamWriter
	// prefix stands before the ids of answers that we write.
	prefix string
	// asks reads what is no chat. nil: a chat.
	asks func(path string, body []byte) (llm.Request, errand, error)
	// once: what was asked may have cost, and had effects, however it ended. Only
	// a target that surely did not begin is followed by another.
	once bool
	// alone: nobody is asked in it, so that all is translated.
	alone bool
	// keeps answers for later requests to go on from.
	keeps bool
}

// wording is the answering half of a codec.
type wording interface {
	Protocol() llm.Protocol
	DecodeRequest(path string, body []byte) (llm.Request, error)
	EncodeResponse(r llm.Response) []byte
	Encoder(r llm.Request, id, model string) llm.StreamEncoder
	EncodeError(e *llm.Error) []byte
}

// fronts are the dialects that are served.
type fronts struct {
	chat, azure, completions, responses, messages, gemini *dialect
	vectors, azureVectors, geminiVectors                  *dialect
	pictures, azurePictures, geminiPictures               *dialect
	counts, responsesCounts, geminiCounts                 *dialect
}

func newFronts() (*fronts, error) {
	codecs := map[llm.Protocol]llm.Codec{}
	for _, p := range llm.Protocols() {
		c, err := llm.For(p)
		if err != nil {
			return nil, fmt.Errorf("router: %w", err)
		}
		codecs[p] = c
	}
	f := &fronts{
		chat:        &dialect{codec: codecs[llm.OpenAI], prefix: "chatcmpl-", pass: passOpenAI},
		azure:       &dialect{codec: codecs[llm.Azure], prefix: "chatcmpl-", pass: passOpenAI},
		completions: &dialect{codec: llm.Completions{}, prefix: "cmpl-", alone: true},
		responses:   &dialect{codec: codecs[llm.Responses], prefix: "resp_", pass: passEvents, keeps: true},
		messages:    &dialect{codec: codecs[llm.Anthropic], prefix: "msg_", pass: passEvents},
		gemini:      &dialect{codec: codecs[llm.Gemini], pass: passEvents},
	}
	for _, d := range []*dialect{f.chat, f.azure, f.completions, f.responses, f.messages, f.gemini} {
		if _, ok := d.codec.Encoder(llm.Request{}, "", "").(llm.FullStreamEncoder); !ok {
			return nil, fmt.Errorf("router: the encoder of %s cannot say all that a stream may hold", d.codec.Protocol())
		}
	}
	return f, f.errands(codecs)
}

// speaks reports whether p's bodies are written in d's own words.
func (d *dialect) speaks(p llm.Protocol) bool {
	return !d.alone && dialectOf(p) == dialectOf(d.codec.Protocol())
}

// dialectOf returns the protocol whose words p's bodies are written in.
func dialectOf(p llm.Protocol) llm.Protocol {
	if p == llm.Azure {
		return llm.OpenAI
	}
	return p
}

// read reads a request of the dialect.
func (d *dialect) read(path string, body []byte) (llm.Request, errand, error) {
	if d.asks != nil {
		return d.asks(path, body)
	}
	r, err := d.codec.DecodeRequest(path, body)
	if err == nil && !d.alone {
		r.Body = body
	}
	return r, nil, err
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

// encoded writes anew what a target said, as a rule in another dialect.
type encoded struct {
	enc   llm.FullStreamEncoder
	own   bool // it was said in the same dialect, whose signatures it may be told
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
	if signer, ok := e.enc.(llm.Signer); ok && e.own && d.Signature != "" {
		dst = signer.Signature(dst, d.Signature)
	}
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
