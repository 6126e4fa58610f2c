package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bellwether-llm/bellwether"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestNewRefusesWhatCannotBeFollowed(t *testing.T) {
	for _, c := range []Config{
		{}, {Server: "127.0.0.1:8780"}, {Server: "ftp://x"}, {Server: "http://"}, {Server: "http://a b"},
		{Server: "http://x", Route: "No Route"}, {Server: "http://x", Region: "-"}, {Server: "http://x", Name: string(make([]byte, 101))},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("New(%+v) = nil, want an error", c)
		}
	}
	c, err := New(Config{Server: "https://status.example.com/bellwether/"})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.address("/v1/weights", nil).String(), "https://status.example.com/bellwether/v1/weights"; got != want {
		t.Errorf("address is %s, want %s", got, want)
	}
}

func TestRetriesBackOffWithFullJitter(t *testing.T) {
	f := &follower{}
	for n := range 20 {
		ceiling := min(firstRetry<<n, longestRetry)
		if got := f.backoff(errors.New("x")); got < 0 || got > ceiling {
			t.Errorf("retry %d waits %v, want at most %v", n, got, ceiling)
		}
	}
	if got := f.backoff(fmt.Errorf("x: %w", &Error{RetryAfter: time.Minute})); got < time.Minute {
		t.Errorf("where the server asks for a minute the wait is %v", got)
	}
}

func TestWhereOnlyAPersonCanHelpRetriesAreRare(t *testing.T) {
	f := &follower{}
	shortest, longest := time.Hour, time.Duration(0)
	for range 1000 {
		got := f.backoff(fmt.Errorf("x: %w", &Error{Status: 401}))
		shortest, longest = min(shortest, got), max(longest, got)
	}
	if shortest < 10*time.Second || longest > time.Minute || longest-shortest < 30*time.Second {
		t.Errorf("waits are from %v to %v, want them spread over 10 s to 60 s", shortest, longest)
	}
}

func TestOnlyTheServersOwnWordIsARefusal(t *testing.T) {
	for want, es := range map[bool][]*Error{
		true:  {{Status: 401}, {Status: 403, ours: true}, {Status: 403, polled: true}},
		false: {{Status: 403}, {Status: 404, ours: true}, {Status: 503, ours: true}, {Status: 502}},
	} {
		for _, e := range es {
			if got := isDenied(fmt.Errorf("x: %w", e)); got != want {
				t.Errorf("isDenied(%+v) = %v, want %v", e, got, want)
			}
		}
	}
	if isDenied(errors.New("connection refused")) {
		t.Error("a connection that is refused is no refusal of the token")
	}
}

func TestAnswersOfStrangersAreErrors(t *testing.T) {
	answer := ""
	status := http.StatusOK
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = fmt.Fprint(w, answer)
	}))
	defer srv.Close()
	c, err := New(Config{Server: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, answer = range []string{"", "<html>", `{"revision":"x"}`} {
		if _, err := c.Weights(t.Context()); err == nil {
			t.Errorf("Weights of an answer %q = nil, want an error", answer)
		}
	}
	answer, status = "<html>bad gateway</html>", http.StatusBadGateway
	_, err = c.Weights(t.Context())
	if e, ok := errors.AsType[*Error](err); !ok || e.Status != 502 {
		t.Errorf("Weights through a broken proxy = %v, want its 502", err)
	}
}

func FuzzMessage(f *testing.F) {
	f.Add([]byte(`{"type":"weights","weights":{"epoch":"e","revision":3,"routes":{}}}`))
	f.Add([]byte(`{"type":"bookmark","epoch":"e","revision":3}`))
	f.Add([]byte(`{"type":"later"}`))
	f.Add([]byte(`{`))
	f.Fuzz(func(t *testing.T, msg []byte) {
		delivered := 0
		fo := &follower{client: &Client{}, deliver: func(bellwether.Weights) { delivered++ }}
		first := fo.message(msg)
		_ = fo.message(msg)
		if delivered > 1 {
			t.Errorf("%q twice was delivered %d times", msg, delivered)
		}
		if first == nil && delivered == 0 && fo.have {
			t.Errorf("%q: has what was never delivered", msg)
		}
	})
}

// A router follows the weights, and says which revision it has in force.
func ExampleClient_Watch() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/weights" { // no WebSocket here: the client polls
			http.NotFound(w, r)
			return
		}
		_, _ = fmt.Fprint(w, `{"epoch":"f3a9c2","revision":1842,"ttl_seconds":60,"hold_seconds":900,"routes":{}}`)
	}))
	defer server.Close()

	c, err := New(Config{Server: server.URL, Name: "router-1"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	ctx, stop := context.WithCancel(context.Background())
	err = c.Watch(ctx, func(w bellwether.Weights) {
		fmt.Println("revision", w.Revision, "with news:", time.Since(c.News()) < time.Minute)
		c.Applied(w.Revision)
		stop()
	})
	fmt.Println(err)
	// Output:
	// revision 1842 with news: true
	// context canceled
}
