//go:build linux && (amd64 || arm64)

package arrival

import (
	"encoding/binary"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// soTimestampNS asks for the time of arrival of what is read, in nanoseconds,
// as a control message of the same number (asm-generic/socket.h). Of several
// packets that one read takes together it is the last one's.
const soTimestampNS = 35

// Shape of the control message on 64-bit systems: a header of length, level
// and type, then seconds and nanoseconds.
const (
	headerSize = 16
	stampSize  = 16
)

// conn reads with recvmsg, which tells the time of arrival.
type conn struct {
	*net.TCPConn
	raw  syscall.RawConn
	made time.Time
	last atomic.Int64 // nanoseconds from made to the last arrival; 0 is none

	mu    sync.Mutex // of a read; what is below belongs to it
	begun time.Time  // when the read before took its bytes
	p     []byte
	n     int
	oobn  int
	err   error
	oob   [64]byte
	take  func(fd uintptr) bool
}

// wrap returns tcp itself when the system will not stamp.
func wrap(tcp *net.TCPConn) net.Conn {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return tcp
	}
	if cerr := raw.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, soTimestampNS, 1)
	}); cerr != nil || err != nil {
		return tcp
	}
	now := time.Now()
	c := &conn{TCPConn: tcp, raw: raw, made: now, begun: now}
	c.take = c.receive
	return c
}

// receive takes what is there; false waits for more.
func (c *conn) receive(fd uintptr) bool {
	for {
		c.n, c.oobn, _, _, c.err = syscall.Recvmsg(int(fd), c.p, c.oob[:], 0)
		if c.err != syscall.EINTR {
			if racing && c.n > 0 {
				_, _ = syscall.Read(int(fd), nil) // of nothing: tells the race detector of the order
			}
			return c.err != syscall.EAGAIN
		}
	}
}

func (c *conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.p = p
	err := c.raw.Read(c.take)
	c.p = nil
	switch {
	case err != nil:
		return 0, err
	case c.err != nil:
		return 0, &net.OpError{Op: "read", Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: os.NewSyscallError("recvmsg", c.err)}
	case c.n == 0:
		return 0, io.EOF
	}
	c.stamp()
	return c.n, nil
}

// stamp notes when the bytes of this read arrived. The kernel's stamp is wall
// time: its age is taken off the present, within what can be true.
func (c *conn) stamp() {
	now := time.Now()
	at := now
	if wall, ok := kernelStamp(c.oob[:c.oobn]); ok {
		if age := time.Duration(now.UnixNano() - wall); age > 0 {
			at = now.Add(-age)
		}
		if at.Before(c.begun) {
			at = c.begun
		}
	}
	c.begun = now
	c.last.Store(max(1, int64(at.Sub(c.made))))
}

// kernelStamp finds the time in a control message, in nanoseconds since 1970.
func kernelStamp(oob []byte) (int64, bool) {
	if len(oob) < headerSize+stampSize {
		return 0, false
	}
	e := binary.NativeEndian
	if e.Uint32(oob[8:]) != syscall.SOL_SOCKET || e.Uint32(oob[12:]) != soTimestampNS {
		return 0, false
	}
	return int64(e.Uint64(oob[16:]))*1e9 + int64(e.Uint64(oob[24:])), true
}

// Arrived implements [Conn].
func (c *conn) Arrived() time.Time {
	n := c.last.Load()
	if n == 0 {
		return time.Time{}
	}
	return c.made.Add(time.Duration(n))
}
