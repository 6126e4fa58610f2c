package router_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/conf"
	"github.com/bellwether-llm/bellwether/internal/h1"
	"github.com/bellwether-llm/bellwether/internal/sim"
	"github.com/bellwether-llm/bellwether/llm"
	"github.com/bellwether-llm/bellwether/router"
)

const (
	upstreamKey = "upstream-key"
	capital     = "What is the capital of France? Answer with one word."
	prose       = "Tell me about gardens."
)

// kit is a router in front of a simulated provider. A target's id is the
// region in which it lives there, so that faults can be put on one of them.
type kit struct {
	t   *testing.T
	sim *sim.Server
	rt  *router.Router
	url string // the router's

	mu   sync.Mutex
	hits map[string]int         // requests by region
	sent map[string]http.Header // headers of the latest by region
}

// bases are the base URLs of the protocols at a simulated provider.
var bases = map[llm.Protocol]string{llm.OpenAI: "/v1", llm.Azure: "", llm.Anthropic: "", llm.Gemini: "/v1beta", llm.Responses: "/v1"}

// place is one target of a kit.
type place struct {
	id       string
	protocol llm.Protocol
}

// newKit serves a route "chat" that goes through places in order, one a tier,
// with limits that suit a test.
func newKit(t *testing.T, cfg router.Config, limits router.Route, places ...place) *kit {
	t.Helper()
	s, err := sim.New(sim.Options{Keys: []conf.Secret{upstreamKey}})
	if err != nil {
		t.Fatal(err)
	}
	k := &kit{t: t, sim: s, hits: map[string]int{}, sent: map[string]http.Header{}}
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		region := strings.Split(r.URL.Path, "/")[2]
		k.mu.Lock()
		k.hits[region]++
		k.sent[region] = r.Header.Clone()
		k.mu.Unlock()
		s.ServeHTTP(w, r)
	}))
	t.Cleanup(upstream.Close)
	var targets []router.Target
	for _, p := range places {
		targets = append(targets, router.Target{
			Target:   bellwether.Target{ID: p.id, Provider: string(p.protocol), Model: "model-" + p.id, Price: bellwether.Price{Input: 1, Output: 10}},
			Protocol: p.protocol, ModelName: "gpt-4o?first_token=1ms&inter_token=0ms&tokens=20",
			Endpoint: llm.Endpoint{BaseURL: upstream.URL + "/r/" + p.id + bases[p.protocol], Key: upstreamKey},
		})
	}
	k.start(cfg, limits, targets)
	return k
}

// newRouter serves a route "chat" over targets, one a tier.
func newRouter(t *testing.T, cfg router.Config, limits router.Route, targets ...router.Target) *kit {
	t.Helper()
	k := &kit{t: t}
	k.start(cfg, limits, targets)
	return k
}

func (k *kit) start(cfg router.Config, limits router.Route, targets []router.Target) {
	k.t.Helper()
	limits.Name = "chat"
	for _, t := range targets {
		limits.Tiers = append(limits.Tiers, []bellwether.TierTarget{{Target: t.ID}})
	}
	transport := h1.New(&http.Transport{DisableCompression: true}) // as a router's own
	rt, err := router.New(cfg, router.Setup{Targets: targets, Routes: []router.Route{limits}}, router.Options{Transport: transport})
	if err != nil {
		k.t.Fatal(err)
	}
	srv := httptest.NewServer(rt.Handler())
	k.t.Cleanup(func() { srv.Close(); transport.CloseIdleConnections() })
	k.rt, k.url = rt, srv.URL
}

// fail puts faults in place.
func (k *kit) fail(faults ...sim.Fault) {
	k.t.Helper()
	if err := k.sim.SetFaults(faults); err != nil {
		k.t.Fatal(err)
	}
}

// seen returns how many requests came to a region.
func (k *kit) seen(region string) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.hits[region]
}

// answer is what a caller saw.
type answer struct {
	status  int
	header  http.Header
	body    string
	text    string
	finish  string
	model   string
	tokens  int      // completion tokens, where the usage was said
	usages  int      // chunks with a usage that is not null
	alone   int      // of those, with empty choices
	done    bool     // [DONE] came
	broken  string   // code of the error in the stream
	after   []string // events after the error or the [DONE]
	message string   // of an error
	code    string
	took    time.Duration
}

type fields map[string]any

// question is a request's body for the route "chat".
func question(prompt string, stream bool, more fields) fields {
	q := fields{"model": "chat", "stream": stream, "messages": []fields{{"role": "user", "content": prompt}}}
	for k, v := range more {
		q[k] = v
	}
	return q
}

func (k *kit) ask(q fields) answer { return k.askAs(q, nil) }

func (k *kit) askAs(q fields, h http.Header) (a answer) {
	k.t.Helper()
	body, err := json.Marshal(q)
	if err != nil {
		k.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(k.t.Context(), http.MethodPost, k.url+"/v1/chat/completions", bytes.NewReader(body))
	if err != nil {
		k.t.Fatal(err)
	}
	for name, v := range h {
		req.Header[name] = v
	}
	start := time.Now()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		k.t.Fatalf("ask: %v", err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		k.t.Fatalf("read the answer: %v", err)
	}
	a = answer{status: resp.StatusCode, header: resp.Header, body: string(raw), took: time.Since(start)}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		a.readStream(k.t, raw)
	} else {
		a.readPlain(k.t, raw)
	}
	return a
}

// chunk is a chunk or an answer of OpenAI's.
type chunk struct {
	Model   string
	Choices []struct {
		Delta, Message struct{ Content, Refusal string }
		Finish         string `json:"finish_reason"`
	}
	Usage *struct {
		Completion int `json:"completion_tokens"`
	}
	Error *struct{ Message, Code string }
}

func (a *answer) readPlain(t *testing.T, raw []byte) {
	t.Helper()
	var c chunk
	if err := json.Unmarshal(raw, &c); err != nil {
		t.Fatalf("the answer %q: %v", raw, err)
	}
	if c.Error != nil {
		a.message, a.code = c.Error.Message, c.Error.Code
		return
	}
	a.model, a.text, a.finish = c.Model, c.Choices[0].Message.Content, c.Choices[0].Finish
	if c.Usage != nil {
		a.tokens, a.usages = c.Usage.Completion, 1
	}
}

func (a *answer) readStream(t *testing.T, raw []byte) {
	t.Helper()
	if !bytes.HasSuffix(raw, []byte("\n\n")) {
		t.Errorf("the stream ends with %q, not an event's end", raw[max(0, len(raw)-20):])
	}
	for _, ev := range strings.Split(strings.TrimSuffix(string(raw), "\n\n"), "\n\n") {
		data, ok := strings.CutPrefix(ev, "data: ")
		switch {
		case strings.HasPrefix(ev, ":"):
			continue
		case !ok || strings.Contains(data, "\n"):
			t.Fatalf("the event %q is not one line of data", ev)
		case a.done || a.broken != "":
			a.after = append(a.after, data)
			continue
		case data == "[DONE]":
			a.done = true
			continue
		}
		var c chunk
		if err := json.Unmarshal([]byte(data), &c); err != nil {
			t.Fatalf("the chunk %q: %v", data, err)
		}
		a.chunk(c)
	}
	if len(a.after) > 0 {
		t.Errorf("after the end came %q", a.after)
	}
}

func (a *answer) chunk(c chunk) {
	if c.Error != nil {
		a.broken, a.message = c.Error.Code, c.Error.Message
		return
	}
	if c.Usage != nil {
		a.usages++
		a.tokens = c.Usage.Completion
		if len(c.Choices) == 0 {
			a.alone++
		}
	}
	if len(c.Choices) > 0 {
		a.model, a.text = c.Model, a.text+c.Choices[0].Delta.Content+c.Choices[0].Delta.Refusal
		if f := c.Choices[0].Finish; f != "" {
			a.finish = f
		}
	}
}

// by returns who answered, as the headers say.
func (a answer) by() string { return a.header.Get("X-Bellwether-Target") }

// attempts returns how many there were, as the headers say.
func (a answer) attempts() int {
	n, _ := strconv.Atoi(a.header.Get("X-Bellwether-Attempts"))
	return n
}

// get returns what the router says to a GET of path.
func (k *kit) get(path string) string {
	k.t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(k.url + path)
	if err != nil {
		k.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		k.t.Fatal(err)
	}
	return string(b)
}
