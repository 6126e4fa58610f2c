package probes

import (
	"crypto/tls"
	"net/http/httptrace"
	"sync"
	"time"

	"github.com/bellwether-llm/bellwether/internal/arrival"
)

// stage is how far a request came before its answer.
type stage int

const (
	stageStart stage = iota
	stageDNS
	stageConnect
	stageTLS
	stageConnected
	stageAnswered
)

// phases are the stamps of one request, as offsets from its start; 0 is unknown.
type phases struct {
	dns, connect, tls time.Duration // how long each took
	firstByte         time.Duration // when
	wrote             time.Duration // when the request's head was written, just before it went to the socket
	reused            bool
	stage             stage
}

// tracer collects phases from httptrace, whose hooks run on the transport's
// goroutines, also after the request is over (a dial that lost its race).
type tracer struct {
	start time.Time

	mu                            sync.Mutex
	p                             phases
	dnsFrom, connectFrom, tlsFrom time.Duration
	sealed                        bool
	conn                          arrival.Conn // what the answer comes on; nil when it cannot tell
}

// set runs fn under the lock with the time since the start (never 0), unless
// the phases were taken already or, for phases of dialing, a connection is there.
func (t *tracer) set(dialing bool, fn func(now time.Duration)) {
	now := max(1, time.Since(t.start))
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sealed || dialing && t.p.stage >= stageConnected {
		return
	}
	fn(now)
}

// enter notes the first start of a phase of dialing.
func (t *tracer) enter(s stage, from *time.Duration) {
	t.set(true, func(now time.Duration) {
		if *from == 0 {
			*from = now
		}
		t.p.stage = max(t.p.stage, s)
	})
}

func (t *tracer) hooks() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		DNSStart: func(httptrace.DNSStartInfo) { t.enter(stageDNS, &t.dnsFrom) },
		DNSDone: func(httptrace.DNSDoneInfo) {
			t.set(true, func(now time.Duration) { t.p.dns = now - t.dnsFrom })
		},
		ConnectStart: func(_, _ string) { t.enter(stageConnect, &t.connectFrom) },
		ConnectDone: func(_, _ string, err error) {
			if err == nil {
				t.set(true, func(now time.Duration) { t.p.connect = now - t.connectFrom })
			}
		},
		TLSHandshakeStart: func() { t.enter(stageTLS, &t.tlsFrom) },
		TLSHandshakeDone: func(_ tls.ConnectionState, err error) {
			if err == nil {
				t.set(true, func(now time.Duration) { t.p.tls = now - t.tlsFrom })
			}
		},
		GotConn: func(i httptrace.GotConnInfo) {
			t.set(false, func(time.Duration) {
				t.p.stage, t.p.reused = stageConnected, i.Reused
				t.conn = arrival.Of(i.Conn)
				if i.Reused { // a dial of our own may have begun and lost
					t.p.dns, t.p.connect, t.p.tls = 0, 0, 0
				}
			})
		},
		WroteHeaders: func() {
			t.set(false, func(now time.Duration) { t.p.wrote = now })
		},
		GotFirstResponseByte: func() {
			t.set(false, func(now time.Duration) {
				t.p.firstByte, t.p.stage = arrived(t.conn, t.start, now), stageAnswered
			})
		},
	}
}

// answered returns the connection that the answer comes on, nil when it cannot
// tell when its bytes arrived, and moves the start of everything to where it
// belongs, which it returns. Over a warm connection that is when the request
// went to the socket: what passed before, between two goroutines of our own, is
// our time and not the provider's. The head is written before the rest of the
// request, so nothing is ever measured as shorter than it was.
func (t *tracer) answered() (arrival.Conn, time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.p.reused && t.p.wrote > 0 {
		t.start = t.start.Add(t.p.wrote)
		t.p.firstByte -= t.p.wrote
		t.p.wrote = 0
	}
	return t.conn, t.start
}

// arrived is when what was just read had arrived, as an offset from start: what
// the connection says where it can tell, else now, when the read returned. On a
// connection that several answers share (HTTP/2) it may be a little after the
// bytes' own arrival, never after now.
func arrived(c arrival.Conn, start time.Time, now time.Duration) time.Duration {
	if c == nil {
		return now
	}
	if at := c.Arrived().Sub(start); at > 0 && at < now {
		return at
	}
	return now
}

// take returns the phases and ends the collection.
func (t *tracer) take() phases {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sealed = true
	return t.p
}
