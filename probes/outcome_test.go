package probes

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/bellwether-llm/bellwether"
)

// stream answers with events.
func stream(events ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for _, e := range events {
			event(w, e)
		}
	}
}

// status answers with an error.
func status(code int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		fmt.Fprint(w, body)
	}
}

// raw answers with bytes and then resets the connection.
func raw(answer string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		buf := bufio.NewWriter(conn)
		_, _ = buf.WriteString(answer)
		_ = buf.Flush()
		_ = conn.(*net.TCPConn).SetLinger(0)
		_ = conn.Close()
	}
}

func finish(reason string) string {
	return fmt.Sprintf(`{"id":"c1","choices":[{"index":0,"delta":{},"finish_reason":%q}]}`, reason)
}

func TestEveryAnswerHasItsOutcome(t *testing.T) {
	paris := token("Paris")
	plain := func(c *Canary) { off := false; c.Stream = &off }
	whole := `{"id":"c1","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Paris"},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":1}}`
	chunked := "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		edit   func(*Canary)
		want   bellwether.Outcome
	}{
		"stop":                                {stream(paris, stopEvent, "[DONE]"), nil, bellwether.OK},
		"finish without a sentinel":           {stream(paris, stopEvent), nil, bellwether.OK},
		"tool calls":                          {stream(`{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":"{}"}}]}}]}`, finish("tool_calls"), "[DONE]"), func(c *Canary) { c.Checks = nil }, bellwether.OK},
		"length where allowed":                {stream(paris, finish("length"), "[DONE]"), func(c *Canary) { c.AllowLength = true }, bellwether.OK},
		"length where not":                    {stream(paris, finish("length"), "[DONE]"), nil, bellwether.BadOutput},
		"a check fails":                       {stream(token("Lyon"), stopEvent, "[DONE]"), nil, bellwether.BadOutput},
		"an empty answer":                     {stream(roleEvent, stopEvent, "[DONE]"), func(c *Canary) { c.Checks = nil }, bellwether.BadOutput},
		"a refusal":                           {stream(`{"choices":[{"delta":{"refusal":"I cannot"}}]}`, stopEvent, "[DONE]"), nil, bellwether.Refusal},
		"a content filter":                    {stream(paris, finish("content_filter"), "[DONE]"), nil, bellwether.Refusal},
		"500":                                 {status(500, `{"error":{"message":"oops"}}`), nil, bellwether.ServerError},
		"502 with a page":                     {status(502, `<html>bad gateway</html>`), nil, bellwether.ServerError},
		"503":                                 {status(503, `{}`), nil, bellwether.Overloaded},
		"529":                                 {status(529, `{}`), nil, bellwether.Overloaded},
		"404 for the model":                   {status(404, `{"error":{"code":"model_not_found","message":"no such model"}}`), nil, bellwether.Gone},
		"410":                                 {status(410, `{}`), nil, bellwether.Gone},
		"429":                                 {status(429, `{"error":{"message":"slow down"}}`, "Retry-After", "7"), nil, bellwether.RateLimited},
		"401":                                 {status(401, `{"error":{"message":"bad key"}}`), nil, bellwether.AuthError},
		"402":                                 {status(402, `{}`), nil, bellwether.NoCredit},
		"429 for a spent quota":               {status(429, `{"error":{"code":"insufficient_quota","message":"pay"}}`), nil, bellwether.NoCredit},
		"403":                                 {status(403, `<html>blocked</html>`), nil, bellwether.Blocked},
		"405":                                 {status(405, ``), nil, bellwether.Blocked},
		"400":                                 {status(400, `{"error":{"message":"temperature"}}`), nil, bellwether.ClientError},
		"an error inside a 200":               {stream(paris, `{"error":{"message":"The server had an error","type":"server_error"}}`), nil, bellwether.ServerError},
		"a stream that just ends":             {stream(paris), nil, bellwether.Truncated},
		"an end mark without a finish":        {stream(paris, "[DONE]"), nil, bellwether.Truncated},
		"an empty stream":                     {stream(), nil, bellwether.Truncated},
		"a reset in the stream":               {raw(chunked + "9\r\ndata: {}\n\r\n"), nil, bellwether.Truncated},
		"a reset before the answer":           {raw(""), nil, bellwether.Truncated},
		"garbage for an event":                {stream(paris, `{"choices":[`, stopEvent, "[DONE]"), nil, bellwether.Malformed},
		"no HTTP":                             {raw("SSH-2.0-OpenSSH_9.2\r\n\r\n"), nil, bellwether.Malformed},
		"broken chunks":                       {raw(chunked + "zz\r\n"), nil, bellwether.Malformed},
		"a web page":                          {status(200, "<html>hello</html>", "Content-Type", "text/html; charset=utf-8"), nil, bellwether.Malformed},
		"headers without end":                 {status(200, "", "X-Long", strings.Repeat("x", 100<<10)), nil, bellwether.Malformed},
		"plain and good":                      {status(200, whole, "Content-Type", "application/json"), plain, bellwether.OK},
		"plain though a stream was asked for": {status(200, whole, "Content-Type", "application/json"), nil, bellwether.OK},
		"plain and no JSON":                   {status(200, "Paris", "Content-Type", "application/json"), plain, bellwether.Malformed},
		"plain and cut":                       {raw("HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n" + whole), plain, bellwether.Truncated},
		"plain without a finish":              {status(200, `{"choices":[{"message":{"content":"Paris"}}]}`), plain, bellwether.Truncated},
		"an endless event":                    {endless("data: ", "x"), nil, bellwether.Malformed},
		"an endless plain answer":             {endless("", "x"), plain, bellwether.Malformed},
		"a redirect":                          {status(302, "", "Location", "http://127.0.0.1:1/"), nil, bellwether.Blocked},
	} {
		t.Run(name, func(t *testing.T) {
			j := serve(t, c.answer)
			if c.edit != nil {
				c.edit(&j.Canary)
			}
			o := newProber(t, Options{}).Probe(context.Background(), j)
			if o.Outcome != c.want {
				t.Fatalf("outcome = %s (%s), want %s", o.Outcome, o.Error, c.want)
			}
			good := o.Outcome == bellwether.OK || o.Outcome == bellwether.BadOutput || o.Outcome == bellwether.Refusal
			if good != (o.Error == "") || good != (o.Timing.Total > 0) {
				t.Errorf("%s with error %q and total %v", o.Outcome, o.Error, o.Timing.Total)
			}
			if name == "429" && o.RetryAfter != 7 {
				t.Errorf("retry after %v, want 7", o.RetryAfter)
			}
		})
	}
}

// endless answers until the client goes.
func endless(head, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, head)
		lump := strings.Repeat(body, 1<<20)
		for {
			if _, err := fmt.Fprint(w, lump); err != nil {
				return
			}
		}
	}
}

func TestFailureToConnectHasItsOutcome(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	fails := func(err error) func(context.Context, string, string) (net.Conn, error) {
		return func(context.Context, string, string) (net.Conn, error) { return nil, err }
	}
	for name, c := range map[string]struct {
		base string
		o    Options
		want bellwether.Outcome
	}{
		"nobody listens":          {"http://" + closed.Addr().String(), Options{}, bellwether.ConnectError},
		"no such host":            {"http://x.test", Options{Dial: fails(&net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "x.test", IsNotFound: true}})}, bellwether.DNSError},
		"a certificate of nobody": {secure.URL, Options{TLS: &tls.Config{RootCAs: x509.NewCertPool()}}, bellwether.TLSError},
		"no TLS there":            {strings.Replace(plain.URL, "http:", "https:", 1), Options{}, bellwether.TLSError},
		"out of files":            {"http://x.test", Options{Dial: fails(os.NewSyscallError("socket", syscall.EMFILE))}, bellwether.Missed},
		"no scheme":               {"x.test/v1", Options{}, bellwether.ClientError},
		"no URL":                  {"http://a b\x7f", Options{}, bellwether.ClientError},
	} {
		t.Run(name, func(t *testing.T) {
			o := newProber(t, c.o).Probe(context.Background(), testJob(c.base))
			if o.Outcome != c.want || o.Error == "" || o.Status != 0 {
				t.Errorf("outcome = %s (%s), want %s", o.Outcome, o.Error, c.want)
			}
		})
	}
}

func TestWhatTheProtocolCannotSayIsAClientError(t *testing.T) {
	j := testJob("http://127.0.0.1:1")
	j.Target.Protocol = "gopher"
	if o := newProber(t, Options{}).Probe(context.Background(), j); o.Outcome != bellwether.ClientError || !strings.Contains(o.Error, "gopher") || o.At.IsZero() {
		t.Errorf("Probe = %+v", o)
	}
}

func TestCanceledProbeSaysSo(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	j := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		event(w, token("Par"))
		cancel()
		<-r.Context().Done()
	})
	if o := newProber(t, Options{}).Probe(ctx, j); o.Outcome != bellwether.Canceled {
		t.Errorf("outcome = %s (%s), want canceled", o.Outcome, o.Error)
	}
	if o := newProber(t, Options{}).Probe(ctx, j); o.Outcome != bellwether.Canceled {
		t.Errorf("outcome with a context that is over = %s, want canceled", o.Outcome)
	}
}

func TestNoTextHoldsTheKey(t *testing.T) {
	leak := fmt.Sprintf(`{"error":{"message":"Incorrect API key provided: %s \u001b[31m"}}`, testKey)
	for name, answer := range map[string]http.HandlerFunc{
		"in an error":   status(401, leak),
		"in an answer":  stream(token("your key is "+testKey), stopEvent),
		"in garbage":    stream(`{"` + testKey),
		"in a model":    stream(strings.ReplaceAll(strings.ReplaceAll(token("Paris"), "gpt-4o-2024", testKey), "fp_1", testKey), stopEvent, "[DONE]"),
		"in a redirect": status(302, "", "Location", "http://x/?key="+testKey),
	} {
		o := newProber(t, Options{}).Probe(context.Background(), serve(t, answer))
		if s := fmt.Sprintf("%+v", o); strings.Contains(s, testKey) || strings.Contains(s, "\x1b") {
			t.Errorf("%s: %s", name, s)
		}
	}
	j := testJob("http://127.0.0.1:1/secret-in-path?key=" + testKey)
	j.Target.Endpoint.Header = http.Header{"X-Own": {"Bearer own-secret-value"}}
	if o := newProber(t, Options{}).Probe(context.Background(), j); strings.Contains(o.Error, "secret") || strings.Contains(o.Error, testKey) {
		t.Errorf("error = %s", o.Error)
	}
}

func TestHTTP2IsSpokenAndReused(t *testing.T) {
	srv := httptest.NewUnstartedServer(stream(token("Paris"), stopEvent, "[DONE]"))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	p := newProber(t, Options{TLS: &tls.Config{RootCAs: roots}})
	j := testJob(srv.URL)
	for i, fresh := range []bool{false, false, true, false} {
		j.Fresh = fresh
		o := p.Probe(context.Background(), j)
		if wantReused := i == 1 || i == 3; o.Outcome != bellwether.OK || o.HTTP != "2" || o.Reused != wantReused {
			t.Errorf("probe %d = %s %s reused %v, want ok 2 %v (%s)", i, o.Outcome, o.HTTP, o.Reused, wantReused, o.Error)
		}
		if (o.Timing.TLS > 0) == o.Reused {
			t.Errorf("probe %d: reused %v with tls %v", i, o.Reused, o.Timing.TLS)
		}
	}
}

func TestTokensAreEstimatedFromTheSeriesOwnRatioWhenUnsaid(t *testing.T) {
	say := true
	text := strings.Repeat("Paris ", 10) // 60 characters
	j := serve(t, func(w http.ResponseWriter, r *http.Request) {
		events := []string{token(text), stopEvent}
		if say {
			events = append(events, `{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":30}}`)
		}
		stream(append(events, "[DONE]")...)(w, r)
	})
	p := newProber(t, Options{})
	say = false
	if o := p.Probe(context.Background(), j); o.Tokens.Output != 15 || !o.Tokens.Estimated {
		t.Errorf("before anything is known: %+v, want 15 estimated", o.Tokens)
	}
	say = true
	if o := p.Probe(context.Background(), j); o.Tokens.Output != 30 || o.Tokens.Estimated {
		t.Errorf("said: %+v, want 30", o.Tokens)
	}
	say = false
	if o := p.Probe(context.Background(), j); o.Tokens.Output != 30 || !o.Tokens.Estimated {
		t.Errorf("by the series' own ratio: %+v, want 30 estimated", o.Tokens)
	}
}

func TestNonceStandsBeforeEverythingAndHasOneLength(t *testing.T) {
	j := testJob("")
	j.Canary.Nonce, j.Canary.System = true, "Be brief."
	a, b := request(j).Messages, request(j).Messages
	if a[0].Role != "system" || a[0].Text == b[0].Text || len(a[0].Text) != len(b[0].Text) || !strings.HasSuffix(a[0].Text, "] Be brief.") {
		t.Errorf("first messages = %q and %q", a[0].Text, b[0].Text)
	}
	if a[1].Role != "user" || a[1].Text != j.Canary.Prompt {
		t.Errorf("second message = %+v", a[1])
	}
}

func TestConfidenceIsTheMeanOfTheLogProbabilities(t *testing.T) {
	lp := func(s string, v float64) string {
		return fmt.Sprintf(`{"choices":[{"delta":{"content":%q},"logprobs":{"content":[{"token":%q,"logprob":%v}]}}]}`, s, s, v)
	}
	j := serve(t, stream(lp("Pa", -0.1), lp("ris", -0.3), stopEvent, "[DONE]"))
	j.Canary.Logprobs = true
	o := newProber(t, Options{}).Probe(context.Background(), j)
	if o.Confidence == nil || *o.Confidence != -0.2 {
		t.Errorf("confidence = %v (%s), want -0.2", o.Confidence, o.Error)
	}
}

func TestFiguresThatNoAnswerCanHaveCountAsUnsaid(t *testing.T) {
	for name, usage := range map[string]string{
		"sums that overflow": `{"prompt_tokens":9223372036854775807,"completion_tokens":9223372036854775807}`,
		"below none":         `{"prompt_tokens":-9,"completion_tokens":1}`,
		"reasoning alone":    `{"prompt_tokens":9,"completion_tokens":1,"completion_tokens_details":{"reasoning_tokens":1000000000}}`,
	} {
		j := serve(t, stream(token("Paris"), stopEvent, `{"choices":[],"usage":`+usage+`}`, "[DONE]"))
		o := newProber(t, Options{}).Probe(context.Background(), j)
		if o.Outcome != bellwether.OK || !o.Tokens.Estimated || o.Tokens.Input < 5 || o.Tokens.Input > 20 || o.Tokens.Output != 2 {
			t.Errorf("%s: %s, %+v, want an estimate", name, o.Outcome, o.Tokens)
		}
		held := spend{tokens: 100, usd: 1}
		if u := used(o, held); u.tokens <= 0 || u.tokens > held.tokens {
			t.Errorf("%s: a budget counts %d tokens", name, u.tokens)
		}
	}
}

func TestAConfidenceThatIsNoNumberLosesNoObservation(t *testing.T) {
	endless := `{"choices":[{"delta":{"content":"Paris"},"logprobs":{"content":[{"token":"Pa","logprob":-1.7e308},{"token":"ris","logprob":-1.7e308}]}}]}`
	j := serve(t, stream(endless, stopEvent, "[DONE]"))
	j.Canary.Logprobs = true
	o := newProber(t, Options{}).Probe(context.Background(), j)
	if _, err := json.Marshal(o); err != nil || o.Outcome != bellwether.OK || o.Confidence != nil {
		t.Errorf("%s, confidence %v: %v", o.Outcome, o.Confidence, err)
	}
}

func TestAnEstimateOfTheInputHasThePictureAndTheTools(t *testing.T) {
	j := serve(t, stream(token("411"), stopEvent, "[DONE]"))
	j.Canary.Challenge, j.Canary.Checks = "vision", nil
	if o := newProber(t, Options{}).Probe(context.Background(), j); !o.Tokens.Estimated || o.Tokens.Input < usualPicture {
		t.Errorf("tokens = %+v, want an input of %d at least", o.Tokens, usualPicture)
	}
}
