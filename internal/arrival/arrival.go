// Package arrival makes TCP connections that know when their bytes arrived at
// this host. Where the operating system stamps packets (Linux), that is the
// time at which the kernel got them, however long our own process then took to
// wake up, collect garbage or serve others; elsewhere it is the time at which
// the read returned.
//
// It is for measuring, not for trusting a clock: a stamp is never after the
// read that it belongs to, and never before the read that went before.
// The package starts no goroutine.
package arrival

import (
	"net"
	"time"
)

// Conn is a connection that knows when its bytes arrived.
type Conn interface {
	net.Conn
	// Arrived returns when the last bytes that a Read returned had arrived;
	// the zero time when none has returned any. It has a monotonic reading and
	// is safe for concurrent use.
	Arrived() time.Time
}

// Wrap returns c as a [Conn] where that can be had: c is a *net.TCPConn and
// the system stamps what arrives. Else it returns c itself.
func Wrap(c net.Conn) net.Conn {
	if tcp, ok := c.(*net.TCPConn); ok {
		return wrap(tcp)
	}
	return c
}

// Of returns the [Conn] at the bottom of c: c itself or, through TLS, what it
// was made on. Nil when there is none.
func Of(c net.Conn) Conn {
	for c != nil {
		if known, ok := c.(Conn); ok {
			return known
		}
		outer, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return nil
		}
		c = outer.NetConn()
	}
	return nil
}
