//go:build unix

package h1

import (
	"errors"
	"syscall"
)

// canPeek says whether this system can tell what it is that peeker tells.
const canPeek = true

// peeker tells without waiting whether a connection that is idle is still
// good: open, and with nothing to read. What a server says unasked, be it its
// 408 before it closes, must not be taken for the answer to a request that is
// not yet sent.
type peeker struct {
	raw  syscall.RawConn // nil: nobody can tell
	look func(fd uintptr) bool
	good bool
	one  [1]byte
}

func (c *conn) watch() {
	sc, ok := c.Conn.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return
	}
	c.raw = raw
	c.look = func(fd uintptr) bool {
		_, err := syscall.Read(int(fd), c.one[:]) // the socket does not block
		c.good = errors.Is(err, syscall.EAGAIN)
		return true
	}
}

// peeks reports whether quiet can tell.
func (p *peeker) peeks() bool { return p.raw != nil }

// quiet reports whether the connection may be used again.
func (p *peeker) quiet() bool {
	p.good = false
	return p.raw.Read(p.look) == nil && p.good
}
