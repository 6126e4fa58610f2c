package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strconv"
	"time"
)

// The roles that this program plays in processes of their own.
const (
	roleUpstream = "upstream"
	roleReverse  = "reverseproxy"
	roleSplice   = "splice"
)

// play serves a role on address until the process is ended.
func play(role, address, upstream string) error {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	return playOn(ln, role, upstream)
}

func playOn(ln net.Listener, role, upstream string) error {
	switch role {
	case roleUpstream:
		return serve(ln, http.HandlerFunc(answer))
	case roleReverse:
		return serve(ln, reverse(upstream))
	case roleSplice:
		return splice(ln, upstream)
	}
	return fmt.Errorf("no role %q", role)
}

func serve(ln net.Listener, h http.Handler) error {
	return (&http.Server{Handler: h, ReadHeaderTimeout: time.Minute}).Serve(ln)
}

// reverse is the standard library's proxy as anybody would write it, with
// enough idle connections to keep them.
func reverse(upstream string) http.Handler {
	p := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: upstream})
	p.Transport = &http.Transport{MaxIdleConns: 0, MaxIdleConnsPerHost: 20_000, DisableCompression: true}
	return p
}

// splice copies bytes between sockets: what Go's io.Copy does in the kernel.
func splice(ln net.Listener, upstream string) error {
	for {
		c, err := ln.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer func() { _ = c.Close() }()
			u, err := net.Dial("tcp", upstream)
			if err != nil {
				return
			}
			defer func() { _ = u.Close() }()
			go func() {
				_, _ = io.Copy(u, c)
				_ = u.(*net.TCPConn).CloseWrite()
			}()
			_, _ = io.Copy(c, u)
		}()
	}
}

// script finds in a prompt how an answer is to be streamed.
var script = regexp.MustCompile(`chunks=(\d+) gap=(\d+)us`)

const plainAnswer = `{"id":"chatcmpl-bench","object":"chat.completion","created":1760000000,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"The capital of France is Paris."},"finish_reason":"stop"}],"usage":{"prompt_tokens":14,"completion_tokens":7,"total_tokens":21}}`

const (
	chunk     = `data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1760000000,"model":"m","choices":[{"index":0,"delta":{"content":" tok"},"finish_reason":null}]}` + "\n\n"
	lastChunk = `data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1760000000,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":14,"completion_tokens":7,"total_tokens":21}}` + "\n\n"
	done      = "data: [DONE]\n\n"
)

// answer is the provider: as little work as an HTTP server can do.
func answer(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return
	}
	if !bytes.Contains(body, []byte(`"stream":true`)) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(plainAnswer)))
		_, _ = io.WriteString(w, plainAnswer)
		return
	}
	chunks, gap := 5, time.Duration(0)
	if m := script.FindSubmatch(body); m != nil {
		chunks, _ = strconv.Atoi(string(m[1]))
		us, _ := strconv.Atoi(string(m[2]))
		gap = time.Duration(us) * time.Microsecond
	}
	w.Header().Set("Content-Type", "text/event-stream")
	flush := http.NewResponseController(w).Flush
	for range chunks {
		if _, err := io.WriteString(w, chunk); err != nil {
			return
		}
		if err := flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-time.After(gap):
		}
	}
	_, _ = io.WriteString(w, lastChunk+done)
}
