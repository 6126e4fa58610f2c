package sim_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bellwether-llm/bellwether/internal/conf"
	"github.com/bellwether-llm/bellwether/internal/sim"
	"github.com/bellwether-llm/bellwether/llm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fast is a model that answers at once, exactly.
const fast = "m?first_token=1ms&inter_token=0ms"

const capital = "What is the capital of France? Answer with one word."

// bases are how each protocol's base URL names a region, and none.
var bases = map[llm.Protocol][2]string{
	llm.OpenAI: {"/v1", "/r/eu/v1"}, llm.Azure: {"", "/r/eu"}, llm.Anthropic: {"", "/r/eu"}, llm.Gemini: {"/v1beta", "/r/eu/v1beta"}, llm.Responses: {"/v1", "/r/eu/v1"},
}

// answer is what a client saw.
type answer struct {
	status  int
	header  http.Header
	body    []byte
	text    string
	refusal string
	calls   []llm.ToolCall

	reasoning, signature string

	tokens  int
	model   string
	finish  llm.Finish
	usage   *llm.Usage
	done    bool
	broken  int        // events that did not parse
	refused *llm.Error // an error in the provider's shape
	err     error      // of the transport, or of the body's parser
	at      []time.Duration
	total   time.Duration
}

// client asks a simulator as a program would.
type client struct {
	t    *testing.T
	http *http.Client
	url  string
	key  conf.Secret
}

func serve(t *testing.T, o sim.Options) (*sim.Server, client) {
	t.Helper()
	s, err := sim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	return s, client{t: t, http: srv.Client(), url: srv.URL}
}

// pipeListener serves connections of memory, for synctest bubbles.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}
func (l *pipeListener) Close() error   { return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

func (l *pipeListener) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// bubble serves over memory; call it, and stop, inside a synctest bubble.
func bubble(t *testing.T, o sim.Options) (s *sim.Server, c client, stop func()) {
	t.Helper()
	s, err := sim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	l := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
	srv := &http.Server{Handler: s}
	stopped := make(chan struct{})
	go func() { defer close(stopped); _ = srv.Serve(l) }()
	tr := &http.Transport{DialContext: l.dial}
	stop = func() {
		close(l.done)
		_ = srv.Close()
		tr.CloseIdleConnections()
		<-stopped
	}
	return s, client{t: t, http: &http.Client{Transport: tr}, url: "http://sim"}, stop
}

func question(model, prompt string, stream bool) llm.Request {
	return llm.Request{Model: model, MaxTokens: 4000, Stream: stream, StreamUsage: stream,
		Messages: []llm.Message{{Role: "user", Text: prompt}}}
}

// ask sends r by protocol p; in says whether to name the region "eu".
func (c client) ask(ctx context.Context, p llm.Protocol, in bool, r llm.Request) (a answer) {
	c.t.Helper()
	codec, err := llm.For(p)
	if err != nil {
		c.t.Fatal(err)
	}
	base := c.url + bases[p][0]
	if in {
		base = c.url + bases[p][1]
	}
	call, err := codec.Encode(llm.Endpoint{BaseURL: base, Key: c.key}, r)
	if err != nil {
		c.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(ctx, call.Method, call.URL, bytes.NewReader(call.Body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header = call.Header
	start := time.Now()
	defer func() { a.total = time.Since(start) }()
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer func() { _ = resp.Body.Close() }()
	a.status, a.header = resp.StatusCode, resp.Header
	if resp.StatusCode != http.StatusOK || !r.Stream {
		a.whole(codec, resp)
		return a
	}
	a.stream(codec, resp.Body, start)
	return a
}

func (a *answer) whole(codec llm.Codec, resp *http.Response) {
	if a.body, a.err = io.ReadAll(resp.Body); a.err != nil {
		return
	}
	if resp.StatusCode != http.StatusOK {
		a.refused = codec.Error(resp.StatusCode, resp.Header, a.body)
		return
	}
	r, err := codec.Decode(a.body)
	a.calls, a.reasoning, a.signature = r.ToolCalls, r.Reasoning, r.Signature
	a.err, a.text, a.refusal, a.model, a.finish, a.usage = err, r.Text, r.Refusal, r.Model, r.Finish, r.Usage
}

func (a *answer) stream(codec llm.Codec, body io.Reader, start time.Time) {
	events, dec := llm.NewScanner(body, 0), codec.Decoder()
	for {
		ev, err := events.Next()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				a.err = err
			}
			return
		}
		d, err := dec.Decode(ev)
		if err != nil {
			a.broken++
			continue
		}
		a.text, a.refusal, a.done = a.text+d.Text, a.refusal+d.Refusal, a.done || d.Done
		a.calls = llm.AppendToolCalls(a.calls, d.ToolCalls)
		a.reasoning, a.signature = a.reasoning+d.Reasoning, a.signature+d.Signature
		if d.Content() {
			a.tokens++
			a.at = append(a.at, time.Since(start))
		}
		if d.Model != "" {
			a.model = d.Model
		}
		if d.Finish != llm.FinishNone {
			a.finish = d.Finish
		}
		if d.Usage != nil {
			a.usage = d.Usage
		}
		if d.Err != nil {
			a.refused = d.Err
		}
	}
}

// each runs fn for every protocol, plain and streamed.
func each(t *testing.T, fn func(t *testing.T, p llm.Protocol, stream bool)) {
	for _, p := range llm.Protocols() {
		for _, stream := range []bool{false, true} {
			name := string(p) + " plain"
			if stream {
				name = string(p) + " streamed"
			}
			t.Run(name, func(t *testing.T) { fn(t, p, stream) })
		}
	}
}
