package arrival

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// pair returns both ends of a TCP connection, the first one wrapped.
func pair(t testing.TB) (net.Conn, net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(); _ = far.Close() })
	return Wrap(c), far
}

func known(t *testing.T, c net.Conn) Conn {
	t.Helper()
	k := Of(c)
	if k == nil {
		t.Skip("this system does not stamp what arrives")
	}
	return k
}

// The reader comes after the bytes; the stamp does not. The kernel begins to
// stamp a little after the first socket asks for it, so the first may miss.
func TestStampIsOfTheArrivalNotOfTheRead(t *testing.T) {
	c, far := pair(t)
	k := known(t, c)
	if !k.Arrived().IsZero() {
		t.Error("arrived before anything came")
	}
	p := make([]byte, 16)
	for range 1000 {
		before := time.Now()
		if _, err := far.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		for until := time.Now().Add(time.Millisecond); time.Now().Before(until); { // what keeps a reader busy
		}
		reading := time.Now()
		n, err := k.Read(p)
		if err != nil || string(p[:n]) != "hello" {
			t.Fatalf("Read = %q, %v", p[:n], err)
		}
		at := k.Arrived()
		if at.Before(before) {
			t.Fatalf("arrived %v before it was written", before.Sub(at))
		}
		if at.Before(reading) {
			return
		}
	}
	t.Error("in 1000 reads no stamp was before its read")
}

func TestStampsNeverGoBack(t *testing.T) {
	c, far := pair(t)
	k := known(t, c)
	last := time.Time{}
	for range 200 {
		if _, err := far.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, err := k.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		at := k.Arrived()
		if at.Before(last) || at.After(time.Now()) {
			t.Fatalf("stamp %v after one before it, %v from now", at.Sub(last), time.Until(at))
		}
		last = at
	}
}

func TestReadsEndAsOthersDo(t *testing.T) {
	c, far := pair(t)
	if n, err := c.Read(nil); n != 0 || err != nil {
		t.Errorf("Read of nothing = %d, %v", n, err)
	}
	_ = c.SetReadDeadline(time.Now().Add(-time.Second))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after the deadline: %v", err)
	}
	_ = c.SetReadDeadline(time.Time{})
	if _, err := far.Write([]byte("bye")); err != nil {
		t.Fatal(err)
	}
	_ = far.Close()
	if all, err := io.ReadAll(c); err != nil || string(all) != "bye" {
		t.Errorf("ReadAll = %q, %v", all, err)
	}
	_ = c.Close()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestResetIsTold(t *testing.T) {
	c, far := pair(t)
	_ = far.(*net.TCPConn).SetLinger(0)
	_ = far.Close()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("Read = %v, want a reset", err)
	}
}

func TestCloseEndsAReadThatWaits(t *testing.T) {
	c, _ := pair(t)
	done := make(chan error)
	go func() {
		_, err := c.Read(make([]byte, 1))
		done <- err
	}()
	_ = c.Close()
	if err := <-done; err == nil {
		t.Error("Read = nil after Close")
	}
}

func TestOfLooksThroughTLSAndKnowsStrangers(t *testing.T) {
	c, _ := pair(t)
	k := known(t, c)
	if Of(tls.Client(c, &tls.Config{ServerName: "x"})) != k {
		t.Error("not found below TLS")
	}
	a, b := net.Pipe()
	defer func() { _ = a.Close(); _ = b.Close() }()
	if Wrap(a) != a || Of(a) != nil || Of(nil) != nil {
		t.Error("a pipe is not a TCP connection")
	}
}

func BenchmarkRead(b *testing.B) {
	c, far := pair(b)
	p := bytes.Repeat([]byte("x"), 200)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := far.Write(p); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c, p); err != nil {
			b.Fatal(err)
		}
	}
}

// Under the race detector: what was done before a write is seen after its read.
func TestWhatWasWrittenBeforeIsKnownAfterTheRead(t *testing.T) {
	c, far := pair(t)
	said := ""
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = c.Read(make([]byte, 1))
		if said != "hello" {
			t.Errorf("said = %q", said)
		}
	}()
	said = "hello"
	if _, err := far.Write([]byte("x")); err != nil {
		t.Error(err)
	}
	<-done
}
