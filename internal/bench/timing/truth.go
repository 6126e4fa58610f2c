package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"github.com/bellwether-llm/bellwether/internal/arrival"
	"github.com/bellwether-llm/bellwether/internal/bench"
)

// truth is what the server knows of one answer: when the request had arrived at
// its socket, and when it handed each flushed piece to its socket. How late its
// own timers and goroutines were is in the truth, and so in nobody's error.
type truth struct {
	request time.Time
	pieces  []piece
}

type piece struct {
	at     time.Time
	tokens int
}

// seen says what a client without any error would have seen; false when the
// simulator fell behind itself and sent several tokens at once, so that the
// answer has no known gaps.
func (t truth) seen() (bench.Seen, bool) {
	var at []time.Duration
	s := bench.Seen{Start: t.request}
	for _, p := range t.pieces {
		s.Total = p.at.Sub(t.request)
		switch p.tokens {
		case 0:
		case 1:
			at = append(at, s.Total)
		default:
			return s, false
		}
	}
	if len(at) < 2 {
		return s, false
	}
	s.FirstToken = at[0]
	s.Gap, s.LongestGap = bench.Gaps(at)
	return s, true
}

// witness serves a handler and remembers the truth of the last answer to each
// host name that it was called by.
type witness struct {
	next http.Handler

	mu   sync.Mutex
	last map[string]chan truth
}

// of returns where the truths of a host's answers come, in order.
func (w *witness) of(host string) chan truth {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.last == nil {
		w.last = map[string]chan truth{}
	}
	c := w.last[host]
	if c == nil {
		c = make(chan truth, 1)
		w.last[host] = c
	}
	return c
}

type connKey struct{}

func (w *witness) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	conn, _ := r.Context().Value(connKey{}).(*stampedConn)
	rec := &recorder{ResponseWriter: rw, conn: conn}
	if known := arrival.Of(conn); known != nil {
		rec.truth.request = known.Arrived()
	} else {
		rec.truth.request = time.Now()
	}
	w.next.ServeHTTP(rec, r)
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	w.of(host) <- rec.truth
}

// recorder notes when the pieces of an answer went to the socket.
type recorder struct {
	http.ResponseWriter
	conn   *stampedConn
	truth  truth
	tokens int // written and not flushed
}

func (r *recorder) Write(p []byte) (int, error) {
	r.tokens += bytes.Count(p, []byte(`"content":"`)) - bytes.Count(p, []byte(`"content":""`))
	return r.ResponseWriter.Write(p)
}

// FlushError implements what http.ResponseController looks for. Over HTTP/2 a
// flush returns before the frame is at the socket, so it is waited for.
func (r *recorder) FlushError() error {
	before := r.conn.count()
	if err := http.NewResponseController(r.ResponseWriter).Flush(); err != nil {
		return err
	}
	r.truth.pieces = append(r.truth.pieces, piece{r.conn.writtenAfter(before), r.tokens})
	r.tokens = 0
	return nil
}

// stampedConn knows when the last write to it began.
type stampedConn struct {
	net.Conn

	mu     sync.Mutex
	wrote  sync.Cond
	n      int
	last   time.Time
	closed bool
}

func stamped(c net.Conn) *stampedConn {
	s := &stampedConn{Conn: c}
	s.wrote.L = &s.mu
	return s
}

func (c *stampedConn) Write(p []byte) (int, error) {
	at := time.Now()
	n, err := c.Conn.Write(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	c.last = at
	c.wrote.Broadcast()
	return n, err
}

func (c *stampedConn) Close() error {
	c.mu.Lock()
	c.closed = true
	c.wrote.Broadcast()
	c.mu.Unlock()
	return c.Conn.Close()
}

// count is how many writes there were.
func (c *stampedConn) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

// writtenAfter is when the last write began, waiting for one after the first n.
func (c *stampedConn) writtenAfter(n int) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.n <= n && !c.closed {
		c.wrote.Wait()
	}
	return c.last
}

// NetConn lets arrival.Of look through.
func (c *stampedConn) NetConn() net.Conn { return c.Conn }

// listener makes its connections stamped.
type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return stamped(arrival.Wrap(c)), nil
}

// serve starts the simulator behind a witness, over HTTP/1.1 or, with TLS, 2.
func serve(h http.Handler, http2 bool) (*httptest.Server, *witness) {
	w := &witness{next: h}
	srv := httptest.NewUnstartedServer(w)
	srv.Listener = listener{srv.Listener}
	srv.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		if t, ok := c.(*tls.Conn); ok {
			c = t.NetConn()
		}
		return context.WithValue(ctx, connKey{}, c)
	}
	if http2 {
		srv.EnableHTTP2 = true
		srv.StartTLS()
	} else {
		srv.Start()
	}
	return srv, w
}
