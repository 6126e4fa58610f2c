package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bellwether-llm/bellwether/internal/bench"
)

// request returns the bytes of a chat request.
func request(host, token string, stream bool, chunks int, gap time.Duration) []byte {
	prompt, streamed := "What is the capital of France?", "false"
	if stream {
		prompt, streamed = fmt.Sprintf("chunks=%d gap=%dus", chunks, gap.Microseconds()), "true"
	}
	body := fmt.Sprintf(`{"model":"chat","messages":[{"role":"user","content":"%s"}],"max_tokens":4096,"stream":%s}`, prompt, streamed)
	return fmt.Appendf(nil, "POST /v1/chat/completions HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		host, token, len(body), body)
}

// caller is one connection that asks one request after another.
type caller struct {
	conn net.Conn
	in   *bufio.Reader
	buf  []byte
}

func dial(address string) (*caller, error) {
	conn, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return nil, err
	}
	return &caller{conn: conn, in: bufio.NewReaderSize(conn, 8<<10), buf: make([]byte, 8<<10)}, nil
}

func (c *caller) close() { _ = c.conn.Close() }

// ask sends a request and reads the whole answer. First is when the first
// byte of the body came.
func (c *caller) ask(req []byte) (first time.Time, chunks int, err error) {
	if err := c.conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return first, 0, err
	}
	if _, err := c.conn.Write(req); err != nil {
		return first, 0, err
	}
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return first, 0, err
	}
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 300))
		return first, 0, fmt.Errorf("status %d: %s", resp.StatusCode, text)
	}
	whole := false
	for {
		n, err := resp.Body.Read(c.buf)
		if n > 0 && first.IsZero() {
			first = time.Now()
		}
		chunks += bytes.Count(c.buf[:n], []byte(`" tok"`))
		whole = whole || bytes.Contains(c.buf[:n], []byte(`"stop"`))
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return first, chunks, err
		}
	}
	if !whole {
		return first, chunks, errors.New("the answer was cut short")
	}
	return first, chunks, nil
}

// tally is what a segment of load saw.
type tally struct {
	requests, chunks, failed atomic.Int64
	total, first             bench.Figures
	mu                       sync.Mutex
	why                      error // the first failure
}

func (t *tally) fail(err error) {
	t.failed.Add(1)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.why == nil {
		t.why = err
	}
}

func (t *tally) note(due, first time.Time, chunks int) {
	now := time.Now()
	t.requests.Add(1)
	t.chunks.Add(int64(chunks))
	t.total.Add(now.Sub(due))
	t.first.Add(first.Sub(due))
}

// closed keeps callers connections busy for a while, each asking again as
// soon as it was answered.
func closed(ctx context.Context, address string, req []byte, callers int, length time.Duration) *tally {
	ctx, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	t := &tally{}
	var all sync.WaitGroup
	for range callers {
		if callers > 1000 { // no listener has a queue for all at once
			time.Sleep(time.Millisecond)
		}
		all.Go(func() {
			loop(address, t, func(c *caller) bool {
				if ctx.Err() != nil {
					return false
				}
				due := time.Now()
				first, chunks, err := c.ask(req)
				if err != nil {
					t.fail(err)
					return false
				}
				t.note(due, first, chunks)
				return true
			})
		})
	}
	all.Wait()
	return t
}

// paced asks at a fixed rate, whatever the answers take: a request that had to
// wait for a connection counts from when it was due.
func paced(ctx context.Context, address string, req []byte, callers int, rate float64, length time.Duration) *tally {
	t := &tally{}
	due := make(chan time.Time, int(rate*length.Seconds())+1)
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			loop(address, t, func(c *caller) bool {
				at, more := <-due
				if !more {
					return false
				}
				first, chunks, err := c.ask(req)
				if err != nil {
					t.fail(err)
					return false
				}
				t.note(at, first, chunks)
				return true
			})
		})
	}
	start := time.Now()
	gap := time.Duration(float64(time.Second) / rate)
	for at := start; at.Sub(start) < length && ctx.Err() == nil; at = at.Add(gap) {
		time.Sleep(time.Until(at))
		due <- at
	}
	close(due)
	all.Wait()
	return t
}

// loop calls ask with one connection until it says that it is done.
func loop(address string, t *tally, ask func(*caller) bool) {
	c, err := dial(address)
	if err != nil {
		t.fail(err)
		return
	}
	defer c.close()
	for ask(c) {
	}
}

// counted sends n requests over callers connections; one in ten is a stream
// that is left after its first bytes, with its connection.
func counted(ctx context.Context, address string, plain, stream []byte, callers, n int) *tally {
	t := &tally{}
	var next atomic.Int64
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for ctx.Err() == nil && next.Load() < int64(n) {
				loop(address, t, func(c *caller) bool {
					i := next.Add(1)
					if i > int64(n) || ctx.Err() != nil {
						return false
					}
					if i%10 == 0 {
						if err := c.leave(stream); err != nil {
							t.fail(err)
						}
						return false
					}
					if _, _, err := c.ask(plain); err != nil {
						t.fail(err)
						return false
					}
					t.requests.Add(1)
					return true
				})
			}
		})
	}
	all.Wait()
	return t
}

// leave asks for a stream and reads no more than its beginning.
func (c *caller) leave(req []byte) error {
	if err := c.conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return err
	}
	if _, err := c.conn.Write(req); err != nil {
		return err
	}
	_, err := c.in.ReadByte()
	return err
}
