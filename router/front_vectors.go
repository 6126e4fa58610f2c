package router

import (
	"strings"

	"github.com/bellwether-llm/bellwether/llm"
)

// vectors are the errand of embeddings.
type vectors struct {
	front *dialect
	codec llm.Embedder
	req   llm.EmbeddingRequest
	body  []byte
}

func askVectors(d *dialect) func(string, []byte) (llm.Request, errand, error) {
	codec, ok := d.codec.(llm.Embedder)
	if !ok {
		return nil
	}
	return func(path string, body []byte) (llm.Request, errand, error) {
		q, err := codec.DecodeEmbeddingRequest(path, body)
		if err != nil {
			return llm.Request{}, nil, err
		}
		return llm.Request{Model: q.Model, MaxTokens: 1, Messages: []llm.Message{{Role: llm.RoleUser, Text: strings.Join(q.Input, "\n")}}},
			&vectors{front: d, codec: codec, req: q, body: body}, nil
	}
}

func (v *vectors) call(up *upstream, e llm.Endpoint) (llm.Call, error) {
	codec, ok := up.codec.(llm.Embedder)
	if !ok {
		return llm.Call{}, unsupported(up, "embeddings")
	}
	q := v.req
	q.Model = up.model()
	if v.passes(up) {
		q.Body = v.body
	}
	return codec.EncodeEmbedding(e, q)
}

// passes reports whether up takes the request as it came: embeddings beside
// Responses are those of OpenAI.
func (v *vectors) passes(up *upstream) bool {
	return v.front.speaks(up.Protocol) || up.Protocol == llm.Responses && v.front.speaks(llm.OpenAI)
}

func (v *vectors) read(up *upstream, body []byte) ([]byte, *llm.Usage, error) {
	codec := up.codec.(llm.Embedder) // or nothing would have been asked
	got, err := codec.DecodeEmbeddings(body)
	if err != nil {
		return nil, nil, err
	}
	if v.passes(up) {
		return body, got.Usage, nil
	}
	if got.Model == "" {
		got.Model = up.Model
	}
	q := v.req
	if got.Usage == nil && v.front.speaks(llm.OpenAI) {
		got.Usage = &llm.Usage{} // its clients need one
	}
	return v.codec.EncodeEmbeddings(q, got), got.Usage, nil
}

func (v *vectors) beyond(up *upstream) []string {
	if v.passes(up) {
		return nil
	}
	return v.req.Beyond
}
