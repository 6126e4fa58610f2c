package router_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/llm"
	"github.com/bellwether-llm/bellwether/router"
)

// do sends a request on a connection of its own.
func (k *kit) do(req *http.Request) (status int, body string) {
	k.t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		k.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		k.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// postAs is a POST of a JSON body by a caller.
func (k *kit) postAs(token, path, body string) (int, string) {
	k.t.Helper()
	req, err := http.NewRequestWithContext(k.t.Context(), http.MethodPost, k.url+path, strings.NewReader(body))
	if err != nil {
		k.t.Fatal(err)
	}
	req.Header = as(token)
	return k.do(req)
}

func cancelable(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	return ctx, cancel
}

// leaveAs asks and has no use for the answer: ctx ends before it comes.
func (k *kit) leaveAs(ctx context.Context, q fields, h http.Header) {
	body, _ := json.Marshal(q)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, k.url+"/v1/chat/completions", bytes.NewReader(body))
	if err != nil {
		k.t.Error(err)
		return
	}
	req.Header = h
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	if resp, err := client.Do(req); err == nil {
		_ = resp.Body.Close()
	}
}

// running is a router with one target, whose Run runs until stop is called.
func running(t *testing.T, cfg router.Config, transport http.RoundTripper, price bellwether.Price) (rt *router.Router, stop func()) {
	t.Helper()
	rt, err := router.New(cfg, router.Setup{Targets: []router.Target{{
		Target: bellwether.Target{ID: "one", Model: "m", Price: price}, Protocol: llm.OpenAI, Endpoint: llm.Endpoint{BaseURL: "http://upstream"}}}}, router.Options{Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	return rt, run(t, rt)
}

// run runs rt until stop is called. What was kept on disk is known when it
// returns.
func run(t *testing.T, rt *router.Router) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	listening, end := context.WithCancel(context.Background())
	end()
	if err := rt.Serve(listening, nobody{}); err != nil && !errors.Is(err, net.ErrClosed) { // it begins with what was kept
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- rt.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// ask sends a chat request by a caller, without a network.
func ask(rt *router.Router, token, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "/v1/chat/completions", strings.NewReader(body))
	r.Header = as(token)
	rt.Handler().ServeHTTP(w, r)
	return w
}

// held answers when it is released.
type held struct {
	canned
	release chan struct{}
}

func (h held) RoundTrip(r *http.Request) (*http.Response, error) {
	<-h.release
	return h.canned.RoundTrip(r)
}

// nobody is a listener that nobody comes to.
type nobody struct{}

func (nobody) Accept() (net.Conn, error) { return nil, net.ErrClosed }
func (nobody) Close() error              { return nil }
func (nobody) Addr() net.Addr            { return &net.TCPAddr{} }

func newPost(path, body string) *http.Request {
	return httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
}

func newGet(path string) *http.Request { return httptest.NewRequest(http.MethodGet, path, nil) }

// recorded is what rt answers.
func recorded(rt *router.Router, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	rt.Handler().ServeHTTP(w, r)
	return w
}
