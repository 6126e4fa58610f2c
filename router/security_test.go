package router_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether/internal/conf"
	"github.com/bellwether-llm/bellwether/router"
)

// listening serves the kit's router by its own server, on a real socket.
func (k *kit) listening() string {
	k.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		k.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- k.rt.Serve(ctx, ln) }()
	k.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			k.t.Error(err)
		}
	})
	return ln.Addr().String()
}

// raw sends bytes on a connection of their own, and returns all answers.
func raw(t *testing.T, address, text string) (codes []int) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	// What is not refused, which closes the connection, ends with the last request.
	_, _ = io.WriteString(conn, text+"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	for r := bufio.NewReader(conn); ; {
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			return codes
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		codes = append(codes, resp.StatusCode)
	}
}

func TestNoKeyLeavesForTheWrongHostAndNothingElsePasses(t *testing.T) {
	elsewhere := newFake(t, "elsewhere", goodPlain)
	one := newFake(t, "one", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.target.Endpoint.BaseURL+"/chat/completions", http.StatusTemporaryRedirect)
	}).with(func(t *router.Target) { t.Endpoint.Key = "key-of-one" })
	var got http.Header
	two := newFake(t, "two", func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Clone()
		for name, v := range map[string]string{"Set-Cookie": "a=b", "X-Bellwether-Target": "forged", "X-Request-Id": "forged", "Keep-Alive": "timeout=1", "Server": "leaky", "Location": "http://x", "Access-Control-Allow-Origin": "*"} {
			w.Header().Set(name, v)
		}
		goodPlain(w, r)
	}).with(func(t *router.Target) { t.Endpoint.Key = "key-of-two" })
	k := newFakes(t, router.Config{Keys: map[string]conf.Secret{"app": "app-token-1"}}, router.Route{}, one, two)
	h := as("app-token-1")
	for name, v := range map[string]string{"Cookie": "session=1", "X-Bellwether-Session": "s", "X-Bellwether-Task": "t", "X-Forwarded-For": "10.0.0.1", "Forwarded": "for=x", "Proxy-Authorization": "Basic eA==",
		"Te": "trailers", "X-Secret": "1", "Upgrade": "h2c", "X-Api-Key": "other", "Openai-Organization": "org", "Via": "1.1 x", "Referer": "http://intern"} {
		h.Set(name, v)
	}
	a := k.askAs(question("hi", false, nil), h)
	if a.status != 200 || a.by() != "two" || elsewhere.received() != 0 {
		t.Fatalf("%d by %s, elsewhere got %d requests: %s", a.status, a.by(), elsewhere.received(), a.body)
	}
	if one.usedKeys() != "key-of-one" || two.usedKeys() != "key-of-two" {
		t.Errorf("keys %q and %q", one.usedKeys(), two.usedKeys())
	}
	for name := range got {
		switch name {
		case "Authorization", "Content-Type", "Content-Length", "User-Agent", "Accept", "Accept-Encoding":
		default:
			t.Errorf("the provider was sent %s: %s", name, got.Get(name))
		}
	}
	for _, name := range []string{"Set-Cookie", "Server", "Location", "Access-Control-Allow-Origin", "Keep-Alive"} {
		if v := a.header.Get(name); v != "" {
			t.Errorf("the caller was sent %s: %s", name, v)
		}
	}
	if a.header.Get("X-Request-Id") == "forged" || strings.Contains(fmt.Sprint(a.header), "forged") {
		t.Errorf("forged headers came through: %v", a.header)
	}
}

func TestSmuggledRequestsNeverReachAProvider(t *testing.T) {
	one := newFake(t, "one", goodPlain)
	k := newFakes(t, router.Config{Keys: map[string]conf.Secret{"app": "app-token-1"}}, router.Route{}, one)
	address := k.listening()
	body := `{"model":"chat","messages":[{"role":"user","content":"hi"}]}`
	head := "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer app-token-1\r\nContent-Type: application/json\r\n"
	smuggled := fmt.Sprintf("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	chunk := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)
	for name, c := range map[string]struct {
		text string
		most int // requests that a provider may see
	}{
		"one whole request":             {head + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body), 1},
		"two lengths":                   {head + fmt.Sprintf("Content-Length: %d\r\nContent-Length: 0\r\n\r\n%s", len(body), body), 0},
		"a length and chunks":           {head + fmt.Sprintf("Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n", len(chunk+smuggled)) + chunk + smuggled, 1},
		"chunks hidden behind a space":  {head + "Transfer-Encoding : chunked\r\nContent-Length: 4\r\n\r\n" + chunk + smuggled, 0},
		"chunks under another name":     {head + "Transfer-Encoding: xchunked\r\n\r\n" + chunk + smuggled, 0},
		"chunks twice":                  {head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" + chunk + smuggled, 0},
		"a signed length":               {head + "Content-Length: +5\r\n\r\nhello" + smuggled, 0},
		"a length in hex":               {head + "Content-Length: 0x10\r\n\r\n" + smuggled, 0},
		"a broken chunk size":           {head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n" + body + "\r\n0\r\n\r\n" + smuggled, 0},
		"a chunk size that overflows":   {head + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\n" + body, 0},
		"a header folded over lines":    {head + "X-A: b\r\n Content-Length: 3\r\n\r\n" + smuggled, 0},
		"a null in a header":            {head + "X-A: b\x00c\r\nContent-Length: 0\r\n\r\n", 0},
		"a line feed within the target": {"POST /v1/chat/completions\nX: y HTTP/1.1\r\nHost: x\r\n\r\n", 0},
		"more headers than fit":         {head + "X-A: " + strings.Repeat("a", 128<<10) + "\r\n\r\n", 0},
		"no host":                       {"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 0},
		"a request in another's name":   {head + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body) + smuggled, 1},
	} {
		before := one.received()
		codes := raw(t, address, c.text)
		if n := one.received() - before; n > c.most || c.most > 0 && n != c.most {
			t.Errorf("%s: the provider saw %d requests, want %d; answers %v", name, n, c.most, codes)
		}
		for i, code := range codes {
			if code < 400 && i >= c.most {
				t.Errorf("%s: answers %v", name, codes)
			}
		}
	}
	for n := range one.received() {
		if one.body(n) != strings.Replace(body, `"chat"`, `"m"`, 1) && !strings.Contains(one.body(n), `"content":"hi"`) {
			t.Errorf("the provider read %q", one.body(n))
		}
	}
}

func TestWhoSendsSlowlyIsEndedInTime(t *testing.T) {
	one := newFake(t, "one", goodPlain)
	k := newFakes(t, router.Config{BodyLimit: conf.Duration(150 * time.Millisecond)}, router.Route{}, one)
	conn, err := net.Dial("tcp", k.listening())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = io.WriteString(conn, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{\"model\":")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if resp.StatusCode != 408 || !resp.Close || one.received() != 0 {
		t.Errorf("%d %s, close %v, the provider got %d", resp.StatusCode, b, resp.Close, one.received())
	}
	k.awaitMetric("bellwether_router_in_flight 0")
}

func TestWhoReadsNothingIsEndedInTime(t *testing.T) {
	left := make(chan struct{})
	word := strings.Replace(hello, "hello", strings.Repeat("x", 64<<10), 1)
	one := newFake(t, "one", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			events(word)(w, r)
		}
		close(left)
	})
	k := newFakes(t, router.Config{WriteLimit: conf.Duration(200 * time.Millisecond)}, router.Route{}, one)
	conn, err := net.Dial("tcp", k.listening())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	body := `{"model":"chat","stream":true,"messages":[{"role":"user","content":"hi"}]}`
	_, _ = fmt.Fprintf(conn, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	select {
	case <-left:
	case <-time.After(20 * time.Second):
		t.Fatal("the provider is still asked for what nobody reads")
	}
	k.awaitMetric(`bellwether_router_requests_total{route="chat",outcome="canceled"} 1`)
	k.awaitMetric("bellwether_router_in_flight 0")
}

func TestPicturesAreNotAskedForTwice(t *testing.T) {
	picture := says(200, `{"created":1,"data":[{"b64_json":"aGk="}]}`)
	for name, c := range map[string]struct {
		first         http.HandlerFunc
		status, calls int
	}{
		"it refused":               {says(503, `{}`), 200, 1},
		"it was at its limit":      {limited("Retry-After", "60"), 200, 1},
		"it failed within":         {says(500, `{}`), 503, 0},
		"the connection broke":     {reset, 503, 0},
		"the answer was not whole": {says(200, `{"data":`), 503, 0},
	} {
		one, two := newFake(t, "one", c.first), newFake(t, "two", picture)
		k := newFakes(t, router.Config{}, router.Route{Conduct: router.Conduct{Hedge: router.HedgeConfig{After: 1, MaxCost: 1}}}, one, two)
		status, body := k.postAs("", "/v1/images/generations", `{"model":"chat","prompt":"a house"}`)
		if status != c.status || one.received() != 1 || two.received() != c.calls {
			t.Errorf("%s: %d %s; asked %d and %d", name, status, body, one.received(), two.received())
		}
	}
}
