package router

import (
	"fmt"

	"github.com/bellwether-llm/bellwether/llm"
)

// errand is what a request asks for where that is no chat: vectors, pictures,
// a count of tokens. It is one plain answer.
type errand interface {
	// call returns the call that asks up; what up's protocol has not is an
	// *llm.UnsupportedError.
	call(up *upstream, e llm.Endpoint) (llm.Call, error)
	// beyond names what the call leaves out, because up's protocol has no place
	// for it.
	beyond(up *upstream) []string
	// read reads up's answer and returns it in the caller's dialect. An error
	// that the provider put into it is an *llm.Error.
	read(up *upstream, body []byte) (answer []byte, u *llm.Usage, err error)
}

// decode reads a whole answer.
func (a *attempt) decode(body []byte) (llm.Response, error) {
	if a.x.errand == nil {
		return a.up.codec.Decode(body)
	}
	answer, u, err := a.x.errand.read(a.up, body)
	return llm.Response{Raw: answer, Usage: u, Finish: llm.FinishStop}, err
}

// unsupported says that up's protocol has no such thing as what.
func unsupported(up *upstream, what string) error {
	return &llm.UnsupportedError{Protocol: up.Protocol, Fields: []string{what}}
}

// errands adds the dialects of what is no chat.
func (f *fronts) errands(codecs map[llm.Protocol]llm.Codec) error {
	for _, d := range []struct {
		to   **dialect
		p    llm.Protocol
		asks func(*dialect) func(string, []byte) (llm.Request, errand, error)
	}{
		{&f.vectors, llm.OpenAI, askVectors}, {&f.azureVectors, llm.Azure, askVectors}, {&f.geminiVectors, llm.Gemini, askVectors},
		{&f.pictures, llm.OpenAI, askPictures}, {&f.azurePictures, llm.Azure, askPictures}, {&f.geminiPictures, llm.Gemini, askPictures},
		{&f.counts, llm.Anthropic, askCount}, {&f.responsesCounts, llm.Responses, askCount}, {&f.geminiCounts, llm.Gemini, askCount},
	} {
		out := &dialect{codec: codecs[d.p]}
		if out.asks = d.asks(out); out.asks == nil {
			return fmt.Errorf("router: the codec of %s does not have what its front serves", d.p)
		}
		*d.to = out
	}
	f.pictures.once, f.azurePictures.once, f.geminiPictures.once = true, true, true
	return nil
}
