package main

import (
	"net"
	"testing"
	"time"
)

// listen serves a role on a free port and returns its address.
func listen(t *testing.T, role, upstream string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() { _ = playOn(ln, role, upstream) }()
	return ln.Addr().String()
}

func TestEveryRoleAnswersPlainAndStreamed(t *testing.T) {
	up := listen(t, roleUpstream, "")
	for name, address := range map[string]string{"upstream": up, "reverse": listen(t, roleReverse, up), "splice": listen(t, roleSplice, up)} {
		plain := closed(t.Context(), address, request(address, "k", false, 0, 0), 2, 50*time.Millisecond)
		if plain.failed.Load() > 0 || plain.requests.Load() == 0 {
			t.Errorf("%s, plain: %d whole, %v", name, plain.requests.Load(), plain.why)
		}
		streamed := paced(t.Context(), address, request(address, "k", true, 7, time.Millisecond), 2, 100, 50*time.Millisecond)
		if n := streamed.requests.Load(); streamed.why != nil || n == 0 || streamed.chunks.Load() != 7*n {
			t.Errorf("%s, streamed: %d whole with %d chunks, %v", name, n, streamed.chunks.Load(), streamed.why)
		}
	}
}

func TestAborterLeavesOneInTen(t *testing.T) {
	up := listen(t, roleUpstream, "")
	got := counted(t.Context(), up, request(up, "k", false, 0, 0), request(up, "k", true, 50, time.Millisecond), 4, 200)
	if got.failed.Load() > 0 || got.requests.Load() != 180 {
		t.Errorf("of 200, 180 are to be answered: %d were, %v", got.requests.Load(), got.why)
	}
}

func TestAShortAnswerIsNoAnswer(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"))
			_ = c.Close()
		}
	}()
	got := closed(t.Context(), ln.Addr().String(), request("h", "k", false, 0, 0), 1, 20*time.Millisecond)
	if got.failed.Load() == 0 {
		t.Error("an answer without an end counted as whole")
	}
}
