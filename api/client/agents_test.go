package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// clockServer answers hellos as a server whose clock is ahead by so much.
func clockServer(ahead time.Duration) *httptest.Server {
	return httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		now := time.Now().Add(ahead)
		_, _ = fmt.Fprintf(w, `{"received_at":%q,"sent_at":%q}`, now.Format(time.RFC3339Nano), now.Add(time.Millisecond).Format(time.RFC3339Nano))
	}))
}

func TestHelloMeasuresAServerThatIsAheadOverTLSOfItsOwnAuthority(t *testing.T) {
	srv := clockServer(90 * time.Second)
	defer srv.Close()
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	c, err := New(Config{Server: srv.URL, TLS: &tls.Config{RootCAs: roots}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	clock, err := c.Hello(t.Context(), "frankfurt", struct{}{})
	if err != nil || math.Abs(clock.Offset+90) > clock.Error+0.01 {
		t.Errorf("Hello = %+v, %v, want an offset of -90 s within its error", clock, err)
	}
	stranger, err := New(Config{Server: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	if _, err := stranger.Hello(t.Context(), "frankfurt", struct{}{}); err == nil {
		t.Error("a certificate of nobody we know is believed")
	}
}

func TestAnAnswerWithoutATimeIsAnError(t *testing.T) {
	for _, answer := range []string{"{}", "", "<html>", `{"received_at":"2026-11-20T16:20:01Z","sent_at":"2026-11-20T16:20:00Z"}`} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, answer) }))
		c, err := New(Config{Server: srv.URL})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Hello(t.Context(), "a", struct{}{}); err == nil {
			t.Errorf("Hello answered by %q = nil, want an error", answer)
		}
		c.Close()
		srv.Close()
	}
}

// An agent follows its plan.
func ExampleClient_WatchPlan() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, `{"epoch":"0197a1","revision":3,"vantages":["us-east","eu-central"],"canaries":[{"name":"capital"}],"targets":[{"id":"gpt-us"}],"suspicions":[]}`)
	}))
	defer server.Close()
	c, err := New(Config{Server: server.URL, Gzip: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	ctx, stop := context.WithCancel(context.Background())
	err = c.WatchPlan(ctx, "frankfurt", func(p Plan) {
		fmt.Println("revision", p.Revision, "canaries", len(p.Canaries))
		stop()
	})
	fmt.Println(err)
	// Output:
	// revision 3 canaries 1
	// context canceled
}
