package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/api"
	"github.com/bellwether-llm/bellwether/api/client"
	"github.com/bellwether-llm/bellwether/internal/conf"
)

// pipes is a listener whose connections are net.Pipes, so that servers and
// clients live in one synctest bubble. A write on them blocks until it is read.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func (p *pipes) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-p.done:
		return nil, errors.New("connection refused")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// setup is what a test wants of its world. Zero: an open server over a store
// with little in it.
type setup struct {
	config api.Config
	deps   func(*api.Deps)                 // changes what the server is given
	wrap   func(http.Handler) http.Handler // stands before the server
}

// world is a server with all that it needs, held to openapi.yaml.
type world struct {
	t       testing.TB
	board   *api.Board
	store   *shelf
	server  *api.Server
	handler http.Handler
	http    *http.Client
	token   string // sent as bearer, when set

	mu    sync.Mutex
	facts api.Facts
	pipes *pipes
	down  func() // stops the listener and the server
}

const url = "http://localhost"

func newWorld(t testing.TB, s setup) *world {
	t.Helper()
	w := &world{t: t, board: api.NewBoard(), store: &shelf{}, facts: someFacts(), pipes: newPipes()}
	deps := api.Deps{
		Board: w.board, Store: w.store, Facts: func() api.Facts { return w.facts },
		Assessments: w.store.assess, Ingest: w.store.ingest, Override: w.store.override,
		Acknowledge: w.store.acknowledge, Annotate: w.store.annotate,
		Probe:       w.store.probe,
		Attainments: w.store.attainments,
		WriteSLOs: func(o io.Writer, as []bellwether.Attainment) error {
			_, err := fmt.Fprintf(o, "slo\r\n%s\r\n", as[0].SLO)
			return err
		},
	}
	if s.deps != nil {
		s.deps(&deps)
	}
	server, err := api.New(s.config, deps)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	w.server = server
	w.handler = theContract().wrap(t, server.Handler())
	if s.wrap != nil {
		w.handler = s.wrap(w.handler)
	}
	w.up()
	transport := &http.Transport{DialContext: w.dial, DisableCompression: true}
	w.http = &http.Client{Transport: transport}
	t.Cleanup(func() {
		w.down()
		transport.CloseIdleConnections()
	})
	return w
}

// up starts to listen.
func (w *world) up() {
	p := newPipes()
	w.mu.Lock()
	w.pipes = p
	w.mu.Unlock()
	srv := &http.Server{Handler: w.handler}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = srv.Serve(p) })
	wg.Go(func() { _ = w.server.Run(ctx) })
	w.down = sync.OnceFunc(func() {
		cancel()
		_ = srv.Close()
		wg.Wait()
	})
}

func (w *world) dial(ctx context.Context, network, address string) (net.Conn, error) {
	w.mu.Lock()
	p := w.pipes
	w.mu.Unlock()
	return p.Dial(ctx, network, address)
}

func (w *world) client(c client.Config) *client.Client {
	w.t.Helper()
	c.Server, c.Dial = url, w.dial
	cl, err := client.New(c)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(cl.Close)
	return cl
}

// answer is a response that was read.
type answer struct {
	t      testing.TB
	what   string
	status int
	header http.Header
	body   []byte
}

// do sends a request; body may be nil, a string, or what JSON is made of.
func (w *world) do(method, path string, body any, headers ...string) answer {
	w.t.Helper()
	a, err := w.try(context.Background(), method, path, body, headers...)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

func (w *world) try(ctx context.Context, method, path string, body any, headers ...string) (answer, error) {
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		r = strings.NewReader(b)
	case io.Reader: // sent in chunks: its length is not said
		r = b
	default:
		text, err := json.Marshal(b)
		if err != nil {
			return answer{}, err
		}
		r = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, url+path, r)
	if err != nil {
		return answer{}, err
	}
	if w.token != "" {
		req.Header.Set("Authorization", "Bearer "+w.token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := w.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	b, err := slurp(resp.Body)
	return answer{w.t, method + " " + path, resp.StatusCode, resp.Header, b}, err
}

func (w *world) get(path string, headers ...string) answer {
	w.t.Helper()
	return w.do(http.MethodGet, path, nil, headers...)
}

// want fails unless the status is as wanted.
func (a answer) want(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s answered %d, want %d: %.1000s", a.what, a.status, status, a.body)
	}
	return a
}

// into decodes the body.
func (a answer) into(v any) answer {
	a.t.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		a.t.Fatalf("%s: %v in %.300s", a.what, err, a.body)
	}
	return a
}

// says fails unless the body holds every one of words.
func (a answer) says(words ...string) answer {
	a.t.Helper()
	for _, w := range words {
		if !strings.Contains(string(a.body), w) {
			a.t.Errorf("%s answered %.600s\nwant it to say %q", a.what, a.body, w)
		}
	}
	return a
}

func someFacts() api.Facts {
	target := func(id, provider, model, region string) bellwether.Target {
		return bellwether.Target{ID: id, Provider: provider, Model: model, Region: region, Price: bellwether.Price{Input: 2.5, Output: 10}}
	}
	return api.Facts{
		Version: "1.2.3", Vantage: "here",
		Targets: []bellwether.Target{
			target("gpt-us", "openai", "gpt-4o", "us-east"), target("gpt-eu", "openai", "gpt-4o", "eu-west"),
			target("claude-us", "anthropic", "claude-sonnet-4-5", "us-east"),
		},
		Routes: []bellwether.Route{{
			Name: "chat", StandbyShare: 0.05, Overprovision: 1,
			Tiers: [][]bellwether.TierTarget{{{Target: "gpt-us"}, {Target: "gpt-eu"}}, {{Target: "claude-us", BaseWeight: 1}}},
		}, {Name: "batch", Tiers: [][]bellwether.TierTarget{{{Target: "claude-us"}}}}},
		Canaries: []api.Canary{{Name: "capital", Schedule: "@every 30s", Prompt: "What is the capital of France?", Stream: true, ProbesPerDay: 8640, CostPerDay: 0.2}},
	}
}

// edition returns weights of a revision in epoch e1.
func edition(revision uint64) bellwether.Weights {
	return bellwether.Weights{
		Epoch: "e1", Revision: revision, IssuedAt: time.Now().UTC(), TTL: 60, Hold: 900,
		Routes: map[string]bellwether.RouteWeights{
			"chat": {Mode: bellwether.ModeNormal, Targets: []bellwether.TargetWeight{
				{Target: "gpt-us", Tier: 0, Weight: 0.4, Share: 0.2, BaseWeight: 1, State: bellwether.Degraded, Cause: bellwether.CauseRegion, Score: 55,
					Reasons: []bellwether.Reason{{Signal: bellwether.FirstToken, Code: "first_token_slow", Text: "first token p95 4.1 s, usually 1.3 s", Evidence: 17.2}}},
				{Target: "gpt-eu", Tier: 0, Weight: 1, Share: 0.5, BaseWeight: 1, State: bellwether.Healthy, Score: 98},
				{Target: "claude-us", Tier: 1, Weight: 1, Share: 0.3, BaseWeight: 1, State: bellwether.Healthy, Score: 99},
			}},
			"batch": {Mode: bellwether.ModeNormal, Targets: []bellwether.TargetWeight{
				{Target: "claude-us", Weight: 1, Share: 1, BaseWeight: 1, State: bellwether.Healthy, Score: 99},
			}},
		},
	}
}

func tokens(name, secret string, scopes ...api.Scope) api.Config {
	return api.Config{Tokens: []api.Token{{Name: name, Scopes: scopes, Token: conf.Secret(secret)}}}
}

// ask asks h without a network.
func ask(h http.Handler, method, path string, body []byte) (status int) {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest(method, url+path, bytes.NewReader(body)))
	return rec.Code
}
