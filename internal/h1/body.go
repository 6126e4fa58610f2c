package h1

import (
	"context"
	"io"
	"net/http"
	"sync/atomic"
)

// body is an answer's body. Close may be called while Read is under way.
type body struct {
	c     *conn
	ctx   context.Context
	in    io.Reader // net/http's, which knows where the body ends
	stop  func() bool
	reuse bool
	over  atomic.Bool
	err   error // what Read says from now on; belongs to who reads
}

// Read reads. Its io.EOF means that the body is whole: one that breaks off ends
// with another error.
func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.over.Load() {
		return 0, http.ErrBodyReadAfterClose
	}
	n, err := b.in.Read(p)
	if err == nil {
		return n, nil
	}
	b.err = err
	if err != io.EOF && b.ctx.Err() != nil {
		b.err = context.Cause(b.ctx)
	}
	if b.over.Swap(true) {
		return n, b.err
	}
	if err == io.EOF {
		b.c.finish(b.stop, b.reuse)
	} else {
		b.c.drop(b.stop)
	}
	return n, b.err
}

// Close ends the body; what of it was not read costs the connection.
func (b *body) Close() error {
	if !b.over.Swap(true) {
		b.c.drop(b.stop)
	}
	return nil
}
