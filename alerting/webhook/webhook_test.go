package webhook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether/alerting"
	"github.com/bellwether-llm/bellwether/alerting/channeltest"
	"github.com/bellwether-llm/bellwether/alerting/webhook"
	"github.com/bellwether-llm/bellwether/internal/conf"
)

const (
	secret = "hmac-secret-7d1f"
	token  = "url-token-93ab"
	bearer = "Bearer header-secret-55"
)

// receiver is a server that takes messages, with faults on demand.
type receiver struct {
	t    *testing.T
	srv  *httptest.Server
	done chan struct{}

	mu    sync.Mutex
	fault channeltest.Fault
	keys  []string
	said  bytes.Buffer
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{t: t, done: make(chan struct{})}
	r.srv = httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(func() { close(r.done); r.srv.Close() })
	return r
}

func (r *receiver) serve(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	r.mu.Lock()
	fault := r.fault
	r.mu.Unlock()
	switch fault {
	case channeltest.Limited:
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusTooManyRequests)
		return
	case channeltest.Broken:
		http.Error(w, "broken; you sent "+req.Header.Get("Authorization")+" to "+req.URL.String(), http.StatusInternalServerError)
		return
	case channeltest.Refused:
		w.WriteHeader(http.StatusUnauthorized)
		return
	case channeltest.Hanging:
		<-r.done
		return
	case channeltest.Endless:
		for {
			if _, err := w.Write(bytes.Repeat([]byte("x"), 32<<10)); err != nil {
				return
			}
		}
	}
	r.take(req, body)
	if fault == channeltest.Lost {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(http.StatusAccepted)
}

func (r *receiver) take(req *http.Request, body []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !webhook.Verify(secret, body, req.Header.Get(webhook.HeaderSignature)) {
		r.t.Errorf("signature %q does not fit the body", req.Header.Get(webhook.HeaderSignature))
	}
	if req.Header.Get("Authorization") != bearer || req.Header.Get("Content-Type") != "application/json" {
		r.t.Errorf("headers: got %v", req.Header)
	}
	var m webhook.Message
	if err := json.Unmarshal(body, &m); err != nil {
		r.t.Errorf("body: %v", err)
	}
	if m.ID != req.Header.Get(webhook.HeaderKey) || m.Kind != req.Header.Get(webhook.HeaderEvent) {
		r.t.Errorf("body is %s/%s, headers say %s/%s", m.ID, m.Kind, req.Header.Get(webhook.HeaderKey), req.Header.Get(webhook.HeaderEvent))
	}
	r.keys = append(r.keys, m.ID)
	r.said.Write(body)
}

func (r *receiver) config() alerting.WebhookConfig {
	return alerting.WebhookConfig{Name: "ops", URL: conf.Secret(r.srv.URL + "/hook/" + token + "?key=" + token), Secret: secret,
		Headers: map[string]conf.Secret{"Authorization": bearer}}
}

func (r *receiver) counterpart(t *testing.T) *channeltest.Counterpart {
	c, err := webhook.New(r.config())
	if err != nil {
		t.Fatal(err)
	}
	return &channeltest.Counterpart{Channel: c, Secrets: []string{secret, token, bearer, "header-secret"},
		Set: func(f channeltest.Fault) {
			if f == channeltest.Unreachable {
				r.srv.Listener.Close()
				r.srv.CloseClientConnections()
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			r.fault = f
		},
		Received: func() []string {
			r.mu.Lock()
			defer r.mu.Unlock()
			return append([]string{}, r.keys...)
		},
		Said: func() string {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.said.String()
		}}
}

func TestConformance(t *testing.T) {
	channeltest.Run(t, func(t *testing.T) *channeltest.Counterpart { return newReceiver(t).counterpart(t) })
}

// send posts once to a server that answers as handler says.
func send(t *testing.T, handler http.HandlerFunc) *alerting.SendError {
	t.Helper()
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	c, err := webhook.New(alerting.WebhookConfig{Name: "ops", URL: conf.Secret(srv.URL)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Send(t.Context(), channeltest.Sample(alerting.KindOpened), "key-1", nil)
	var se *alerting.SendError
	if err != nil && !errors.As(err, &se) {
		t.Fatalf("Send: got %T %v, want a *SendError", err, err)
	}
	return se
}

func TestGoneEndsItAndEveryOtherAnswerDoesNot(t *testing.T) {
	for code, want := range map[int]alerting.SendError{
		200: {}, 204: {}, 299: {},
		400: {Permanent: true, Unsent: true}, 403: {Permanent: true, Unsent: true}, 404: {Permanent: true, Unsent: true},
		408: {Unsent: true}, 425: {Unsent: true}, 429: {Unsent: true},
		410: {Gone: true, Unsent: true},
		500: {}, 502: {}, 503: {}, 504: {},
	} {
		se := send(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
		if code/100 == 2 {
			if se != nil {
				t.Errorf("an answer of %d: got %v, want success", code, se)
			}
			continue
		}
		if se == nil || se.Permanent != want.Permanent || se.Gone != want.Gone || se.Unsent != want.Unsent {
			t.Errorf("an answer of %d: got %+v, want %+v", code, se, want)
		}
	}
}

func TestRetryAfterIsReadInBothForms(t *testing.T) {
	soon := time.Now().Add(90 * time.Second).UTC().Format(http.TimeFormat)
	for value, within := range map[string][2]time.Duration{
		"12": {12 * time.Second, 12 * time.Second}, soon: {80 * time.Second, 90 * time.Second},
		"99999": {time.Hour, time.Hour}, "-3": {}, "soon": {}, "": {},
	} {
		se := send(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", value)
			w.WriteHeader(http.StatusServiceUnavailable)
		})
		if se.RetryAfter < within[0] || se.RetryAfter > within[1] {
			t.Errorf("Retry-After %q: got %s, want %s to %s", value, se.RetryAfter, within[0], within[1])
		}
	}
}

func TestNothingFollowsARedirectToAnotherHost(t *testing.T) {
	var mu sync.Mutex
	visited := 0
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { mu.Lock(); visited++; mu.Unlock() }))
	defer other.Close()
	for _, code := range []int{301, 302, 303, 307, 308} {
		se := send(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", other.URL+"/stolen")
			w.WriteHeader(code)
		})
		if se == nil || !se.Permanent || !strings.Contains(se.Error(), "redirects") {
			t.Errorf("a redirect with %d: got %v, want a permanent error that says so", code, se)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if visited != 0 {
		t.Errorf("the other host was visited %d times, want 0", visited)
	}
}

func TestARedirectOnTheSameHostKeepsTheBody(t *testing.T) {
	var got string
	se := send(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/new" {
			http.Redirect(w, r, "/new", http.StatusPermanentRedirect)
			return
		}
		body, _ := io.ReadAll(r.Body)
		got = r.Method + " " + string(body[:7])
	})
	if se != nil || got != `POST {"id":"` {
		t.Errorf("got %q, %v; want the POST with its body", got, se)
	}
}

func TestBadConfigIsRefusedWithoutRepeatingTheAddress(t *testing.T) {
	for _, raw := range []string{"", "ftp://x/" + token, "://" + token, "https://user:" + token + "@example.com/"} {
		_, err := webhook.New(alerting.WebhookConfig{Name: "ops", URL: conf.Secret(raw)})
		if err == nil || strings.Contains(err.Error(), token) {
			t.Errorf("New(%q): got %v, want an error without the token", raw, err)
		}
	}
}

func TestACertificateThatIsNotTrustedLeaksNothing(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.NotFoundHandler())
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv.Listener.Close()
	srv.Listener = l
	srv.StartTLS()
	defer srv.Close()
	c, err := webhook.New(alerting.WebhookConfig{Name: "ops", URL: conf.Secret(srv.URL + "/" + token)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Send(context.Background(), channeltest.Sample(alerting.KindOpened), "key-1", nil)
	if err == nil || strings.Contains(err.Error(), token) || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("Send: got %v, want a certificate error without the token", err)
	}
}

func ExampleVerify() {
	body := []byte(`{"id":"018f","kind":"opened"}`)
	header := webhook.Sign("shared secret", body) // what Bellwether sends in x-bellwether-signature
	fmt.Println(header[:15], webhook.Verify("shared secret", body, header), webhook.Verify("another", body, header))
	// Output: sha256=7e68c526 true false
}
