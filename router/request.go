package router

import (
	"bytes"
	"context"
	"io"
	"net/http"

	"github.com/bellwether-llm/bellwether/llm"
)

// request returns the call as an HTTP request to up. The address is parsed
// only when it is another one than last time.
func (up *upstream) request(ctx context.Context, call llm.Call) (*http.Request, error) {
	at := up.address.Load()
	if at == nil || at.text != call.URL {
		plain, err := http.NewRequest(call.Method, call.URL, nil)
		if err != nil {
			return nil, err
		}
		at = &address{call.URL, plain}
		up.address.Store(at)
	}
	r := at.plain.WithContext(ctx) // a copy
	r.Method, r.Header = call.Method, call.Header
	// A kept connection that the provider has closed meanwhile is no failure of
	// the target: with this key it is asked again on another one. A key without
	// a value is not sent.
	r.Header["X-Idempotency-Key"] = nil
	if len(call.Body) > 0 {
		r.ContentLength, r.Body = int64(len(call.Body)), io.NopCloser(bytes.NewReader(call.Body))
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(call.Body)), nil }
	}
	return r, nil
}

// address is where a target was called last, and a request there that says
// nothing yet. Nobody changes it.
type address struct {
	text  string
	plain *http.Request
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
