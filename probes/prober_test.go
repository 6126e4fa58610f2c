package probes

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/conf"
	"github.com/bellwether-llm/bellwether/llm"
)

const testKey = "sk-test-0123456789"

// serve starts a server on loopback and returns a job for it.
func serve(t testing.TB, h http.HandlerFunc) Job {
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return testJob(srv.URL)
}

func testJob(base string) Job {
	zero := 0.0
	return Job{
		Target: Target{
			Target:   bellwether.Target{ID: "gpt-us", Provider: "openai", Model: "gpt-4o", Price: bellwether.Price{Input: 2.5, Output: 10}},
			Protocol: llm.OpenAI,
			Endpoint: llm.Endpoint{BaseURL: base, Key: testKey},
		},
		Canary: Canary{
			Name: "capital", Prompt: "What is the capital of France?", MaxTokens: 16, Temperature: &zero,
			Checks:  []CheckSpec{{"contains": "Paris"}},
			Timeout: conf.Duration(10 * time.Second),
		},
		Vantage: "lab",
	}
}

func newProber(t testing.TB, o Options) *Prober {
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// event writes one server-sent event and flushes it.
func event(w http.ResponseWriter, data string) {
	fmt.Fprintf(w, "data: %s\n\n", data)
	w.(http.Flusher).Flush()
}

func token(s string) string {
	return fmt.Sprintf(`{"id":"c1","model":"gpt-4o-2024","system_fingerprint":"fp_1","choices":[{"index":0,"delta":{"content":%q}}]}`, s)
}

const (
	roleEvent  = `{"id":"c1","model":"gpt-4o-2024","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}`
	stopEvent  = `{"id":"c1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`
	usageEvent = `{"id":"c1","choices":[],"usage":{"prompt_tokens":21,"completion_tokens":8,"total_tokens":29}}`
)

func TestGoodAnswerIsReadWhole(t *testing.T) {
	var body string
	j := serve(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		body = string(b)
		w.Header().Set("Content-Type", "text/event-stream")
		for _, e := range []string{roleEvent, token("The capital"), token(" is Paris."), stopEvent, usageEvent, "[DONE]"} {
			event(w, e)
		}
	})
	p := newProber(t, Options{})
	o := p.Probe(context.Background(), j)
	if o.Outcome != bellwether.OK || o.Status != 200 || o.HTTP != "1.1" || o.Finish != "stop" || o.Excerpt != "The capital is Paris." {
		t.Fatalf("Probe = %+v", o)
	}
	if o.Tokens == nil || o.Tokens.Input != 21 || o.Tokens.Output != 8 || o.Tokens.Estimated {
		t.Errorf("tokens = %+v, want 21 in, 8 out, not estimated", o.Tokens)
	}
	if want := (21*2.5 + 8*10) / 1e6; o.CostUSD != want {
		t.Errorf("cost = %v, want %v", o.CostUSD, want)
	}
	if o.Model != "gpt-4o-2024" || o.Fingerprint != "fp_1" || o.Source != "probe" || o.Trigger != "manual" || o.Vantage != "lab" || o.Canary != "capital" || o.ID == "" {
		t.Errorf("names = %+v", o)
	}
	tm := o.Timing
	if !(0 < tm.FirstByte && tm.FirstByte <= tm.FirstToken && tm.FirstToken <= tm.Total && tm.Connect > 0) {
		t.Errorf("timing out of order: %+v", tm)
	}
	if !strings.Contains(body, `"stream":true`) || !strings.Contains(body, `"temperature":0`) {
		t.Errorf("request = %s", body)
	}
	if o := p.Probe(context.Background(), j); !o.Reused || o.Timing.Connect != 0 || o.Outcome != bellwether.OK {
		t.Errorf("second probe = %+v, want a warm connection", o)
	}
	j.Fresh = true
	if o := p.Probe(context.Background(), j); o.Reused || o.Timing.Connect == 0 || o.Outcome != bellwether.OK {
		t.Errorf("fresh probe = %+v, want a cold connection", o)
	}
}
