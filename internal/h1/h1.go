// Package h1 is an HTTP/1.1 client for the one thing that a router does all
// day: short requests over plain TCP to few hosts, each answered once. It has
// no goroutine of its own beside a request's, writes a request in one write and
// holds as few buffers as it can; net/http's own transport has two goroutines a
// connection and hands every request and answer between them.
//
// Answers are read by net/http's parser. Whatever is unusual (TLS and with it
// HTTP/2, proxies, long or unbounded bodies, other methods, upgrades, anything
// that net/http might refuse) goes to the http.Transport that it stands before,
// so that nothing is served here that is not surely meant to be. Why, with
// figures: docs/decisions/0005-upstream-client.md.
package h1

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// maxBody is the longest body that is sent from here, in bytes. It fits into
	// the sockets' buffers: writing it cannot wait for a server that answers
	// before it reads.
	maxBody = 32 << 10
	// readSize is the size of a connection's read buffer; longer lines are read
	// in parts, longer bodies past it.
	readSize = 2 << 10
	// maxKept bounds the buffers that are kept for the next request.
	maxKept = maxBody + 8<<10

	defaultIdleHost    = 256
	defaultIdleTimeout = 90 * time.Second
	defaultHeaderLimit = 10 << 20 // as net/http has it
)

// Transport is an http.RoundTripper. It is safe for concurrent use.
type Transport struct {
	next  *http.Transport
	idle  idle
	limit int64 // of an answer's headers, in bytes
	dial  func(ctx context.Context, network, address string) (net.Conn, error)
}

// New returns a transport that takes its limits, its dialer and its proxies
// from next, and gives it whatever is unusual. It starts nothing. next must not
// be changed afterwards.
func New(next *http.Transport) *Transport {
	t := &Transport{next: next, limit: next.MaxResponseHeaderBytes, dial: next.DialContext}
	if t.limit <= 0 {
		t.limit = defaultHeaderLimit
	}
	if t.dial == nil {
		t.dial = (&net.Dialer{}).DialContext
	}
	t.idle.timeout, t.idle.perHost, t.idle.most = next.IdleConnTimeout, next.MaxIdleConnsPerHost, next.MaxIdleConns
	if t.idle.timeout <= 0 {
		t.idle.timeout = defaultIdleTimeout
	}
	if t.idle.perHost <= 0 {
		t.idle.perHost = defaultIdleHost
	}
	return t
}

// CloseIdleConnections closes the connections that wait for a next request.
func (t *Transport) CloseIdleConnections() {
	t.idle.close()
	t.next.CloseIdleConnections()
}

// RoundTrip sends a request and returns its answer as soon as the headers are
// there. Cancelling the request's context closes its connection, also while
// the body is read. A connection whose body was read to its end is used again.
//
// A request is sent a second time, on a new connection, only when the first
// was a used one that ended before any byte of an answer came, and when either
// nothing was written or the request says that it may be repeated, as net/http
// defines it: by its method, or by a header X-Idempotency-Key.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if !t.usual(req) {
		return t.next.RoundTrip(req)
	}
	ctx := req.Context()
	buf := buffers.Get().(*[]byte)
	defer keep(buf)
	var err error
	*buf, err = appendRequest((*buf)[:0], req)
	if req.Body != nil {
		_ = req.Body.Close() // it is in buf, or of no use
	}
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if c := t.idle.get(req.URL.Host, time.Now()); c != nil {
		resp, err := c.exchange(ctx, req, *buf)
		if err == nil || ctx.Err() != nil || c.came > 0 || c.wrote > 0 && !repeatable(req) {
			return resp, err
		}
	}
	c, err := t.connect(ctx, req.URL.Host)
	if err != nil {
		return nil, err
	}
	return c.exchange(ctx, req, *buf)
}

// buffers hold requests while they are written: *[]byte.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

// readers are the read buffers of connections that are in use.
var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, readSize) }}

func keep(buf *[]byte) {
	if cap(*buf) <= maxKept {
		buffers.Put(buf)
	}
}

func (t *Transport) connect(ctx context.Context, host string) (*conn, error) {
	address := host
	if _, _, err := net.SplitHostPort(host); err != nil {
		address = net.JoinHostPort(trimBrackets(host), "80")
	}
	nc, err := t.dial(ctx, "tcp", address)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, err
	}
	c := &conn{Conn: nc, t: t, host: host}
	c.abort = func() { _ = c.Conn.Close() }
	c.watch()
	return c, nil
}

// conn is one connection. It belongs to one request at a time, or to idle.
type conn struct {
	net.Conn
	t     *Transport
	host  string
	br    *bufio.Reader // nil while it is idle
	since time.Time     // when it became idle
	abort func()        // closes it

	peeker // tells whether it is still good

	wrote int   // bytes of the present request
	came  int64 // bytes since the present request
	left  int64 // that may still come before the headers are whole
}

// Read reads, and holds what comes to a limit while there are no headers yet.
func (c *conn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, fmt.Errorf("http: the answer's headers are longer than %d bytes", c.t.limit)
	}
	if int64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.Conn.Read(p)
	c.came += int64(n)
	c.left -= int64(n)
	return n, err
}

// noLimit is for what comes after the headers.
const noLimit = 1<<63 - 1

// exchange writes a request and reads its answer's headers. The connection is
// over with an error.
func (c *conn) exchange(ctx context.Context, req *http.Request, b []byte) (*http.Response, error) {
	stop := context.AfterFunc(ctx, c.abort)
	c.br = readers.Get().(*bufio.Reader)
	c.br.Reset(c)
	c.came, c.left = 0, c.t.limit
	var wrong error
	if c.wrote, wrong = c.Write(b); wrong != nil && c.wrote == 0 {
		c.drop(stop)
		return nil, because(ctx, wrong)
	}
	// A server may answer and close before it has read everything.
	resp, err := c.head(req)
	if err != nil {
		if wrong != nil {
			err = wrong
		}
		c.drop(stop)
		return nil, because(ctx, err)
	}
	c.left = noLimit
	reuse := wrong == nil && !resp.Close && !req.Close && resp.StatusCode > 199
	if resp.Body == http.NoBody {
		c.finish(stop, reuse)
		return resp, nil
	}
	resp.Body = &body{c: c, ctx: ctx, in: resp.Body, stop: stop, reuse: reuse}
	return resp, nil
}

// head reads the headers of the answer, and leaves out what comes before it:
// 1xx answers, whose headers count against the same limit.
func (c *conn) head(req *http.Request) (*http.Response, error) {
	for {
		resp, err := http.ReadResponse(c.br, req)
		if err != nil {
			return nil, err
		}
		switch code := resp.StatusCode; {
		case code == http.StatusSwitchingProtocols:
			return nil, errors.New("http: the server switched to a protocol that nobody asked for")
		case code < 100 || code > 199:
			return resp, nil
		}
	}
}

// because returns why ctx ended, where that is the reason of err.
func because(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// drop ends the connection. Its buffer is not used again, for somebody may
// still be reading.
func (c *conn) drop(stop func() bool) {
	stop()
	_ = c.Conn.Close()
}

// finish ends a request whose answer was read to its end; the connection is
// used again if that is right for both sides. Bytes that nobody asked for are
// not taken for the next answer.
func (c *conn) finish(stop func() bool, reuse bool) {
	left := stop() && reuse && c.br.Buffered() == 0
	c.br.Reset(nil)
	readers.Put(c.br)
	c.br = nil
	if !left || !c.t.idle.put(c, time.Now()) {
		_ = c.Conn.Close()
	}
}
