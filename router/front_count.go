package router

import "github.com/bellwether-llm/bellwether/llm"

// count is the errand of counting what a request would be asked with.
type count struct {
	front *dialect
	codec llm.Counter
	req   llm.Request
	body  []byte
}

func askCount(d *dialect) func(string, []byte) (llm.Request, errand, error) {
	codec, ok := d.codec.(llm.Counter)
	if !ok {
		return nil
	}
	return func(path string, body []byte) (llm.Request, errand, error) {
		q, err := codec.DecodeCountRequest(path, body)
		if err != nil {
			return q, nil, err
		}
		c := &count{front: d, codec: codec, req: q, body: body}
		q.Stream, q.StreamUsage, q.MaxTokens = false, false, 1
		return q, c, nil
	}
}

func (c *count) call(up *upstream, e llm.Endpoint) (llm.Call, error) {
	codec, ok := up.codec.(llm.Counter)
	if !ok {
		return llm.Call{}, unsupported(up, "counting of tokens")
	}
	q := c.req
	q.Model = up.model()
	if c.front.speaks(up.Protocol) {
		q.Body = c.body
	}
	return codec.EncodeCount(e, q)
}

func (c *count) read(up *upstream, body []byte) ([]byte, *llm.Usage, error) {
	n, err := up.codec.(llm.Counter).DecodeCount(body) // or nothing would have been asked
	if err != nil || c.front.speaks(up.Protocol) {
		return body, nil, err
	}
	return c.codec.EncodeCounted(n), nil, nil
}

// beyond: what cannot be counted cannot be asked, and is refused by the codec.
func (c *count) beyond(*upstream) []string { return nil }
