package router

import "github.com/bellwether-llm/bellwether/llm"

// pictures are the errand of images.
type pictures struct {
	front *dialect
	codec llm.Painter
	req   llm.ImageRequest
	body  []byte
}

func askPictures(d *dialect) func(string, []byte) (llm.Request, errand, error) {
	codec, ok := d.codec.(llm.Painter)
	if !ok {
		return nil
	}
	return func(path string, body []byte) (llm.Request, errand, error) {
		q, err := codec.DecodeImageRequest(path, body)
		if err != nil {
			return llm.Request{}, nil, err
		}
		return llm.Request{Model: q.Model, Messages: []llm.Message{{Role: llm.RoleUser, Text: q.Prompt}}},
			&pictures{front: d, codec: codec, req: q, body: body}, nil
	}
}

func (p *pictures) call(up *upstream, e llm.Endpoint) (llm.Call, error) {
	codec, ok := up.codec.(llm.Painter)
	if !ok {
		return llm.Call{}, unsupported(up, "images")
	}
	q := p.req
	q.Model = up.model()
	if p.passes(up) {
		q.Body = p.body
	}
	return codec.EncodeImage(e, q)
}

func (p *pictures) passes(up *upstream) bool {
	return p.front.speaks(up.Protocol) || up.Protocol == llm.Responses && p.front.speaks(llm.OpenAI)
}

func (p *pictures) read(up *upstream, body []byte) ([]byte, *llm.Usage, error) {
	codec := up.codec.(llm.Painter) // or nothing would have been asked
	got, err := codec.DecodeImages(body)
	if err != nil || p.passes(up) {
		return body, got.Usage, err
	}
	return p.codec.EncodeImages(p.req, got), got.Usage, nil
}

func (p *pictures) beyond(up *upstream) []string {
	if p.passes(up) {
		return nil
	}
	return p.req.Beyond
}
