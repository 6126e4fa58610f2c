package router

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"

	"github.com/bellwether-llm/bellwether/llm"
)

// request returns the call as an HTTP request to up. The address is parsed
// only when it is another one than last time.
func (up *upstream) request(ctx context.Context, call llm.Call) (*http.Request, error) {
	at := up.address.Load()
	if at == nil || at.text != call.URL {
		u, err := url.Parse(call.URL)
		if err != nil {
			return nil, err
		}
		at = &address{call.URL, u}
		up.address.Store(at)
	}
	r, err := http.NewRequestWithContext(ctx, call.Method, "", bytes.NewReader(call.Body))
	if err != nil {
		return nil, err
	}
	r.URL, r.Host, r.Header = at.url, at.url.Host, call.Header
	return r, nil
}

// address is where a target was called last. Nobody changes it.
type address struct {
	text string
	url  *url.URL
}

// trusted is how much room is made for a body because it says that it is so
// long; what is longer has to come first.
const trusted = 256 << 10

// readAll is io.ReadAll for what says how long it is, below 0 for what does
// not.
func readAll(r io.Reader, says int64) ([]byte, error) {
	if says < 0 || says > trusted {
		return io.ReadAll(r)
	}
	b := make([]byte, 0, says+1) // one more, to see the end
	for {
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err == io.EOF {
			return b, nil
		}
		if err != nil {
			return b, err
		}
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
	}
}
