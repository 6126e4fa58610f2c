package h1_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bellwether-llm/bellwether/internal/h1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newTransport returns a transport that keeps two connections to a host.
func newTransport(t *testing.T) *h1.Transport {
	t.Helper()
	next := &http.Transport{DisableCompression: true, MaxResponseHeaderBytes: 8 << 10, MaxIdleConnsPerHost: 2}
	own := h1.New(next)
	t.Cleanup(own.CloseIdleConnections)
	return own
}

// script is a raw server whose nth connection is served by the nth step, and by
// the last one from then on.
type script struct {
	address string
	conns   atomic.Int32
	asked   atomic.Int32 // requests read whole
	ended   chan struct{}
	all     sync.WaitGroup

	mu   sync.Mutex
	open []net.Conn
}

type step func(s *script, c net.Conn, in *bufio.Reader)

func serve(t *testing.T, steps ...step) *script {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &script{address: ln.Addr().String(), ended: make(chan struct{}, 100)}
	s.all.Go(func() {
		for n := 0; ; n++ {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			s.conns.Add(1)
			s.mu.Lock()
			s.open = append(s.open, c)
			s.mu.Unlock()
			s.all.Go(func() {
				defer func() { _ = c.Close(); s.ended <- struct{}{} }()
				steps[min(n, len(steps)-1)](s, c, bufio.NewReader(c))
			})
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		s.mu.Lock()
		for _, c := range s.open {
			_ = c.Close()
		}
		s.mu.Unlock()
		s.all.Wait()
	})
	return s
}

// request reads one request whole.
func (s *script) request(in *bufio.Reader) (string, bool) {
	r, err := http.ReadRequest(in)
	if err != nil {
		return "", false
	}
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return "", false
	}
	s.asked.Add(1)
	return string(b), true
}

const hello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

// answers says each of texts to one request, and waits for a next one.
func answers(texts ...string) step {
	return func(s *script, c net.Conn, in *bufio.Reader) {
		for i := 0; ; i++ {
			if _, ok := s.request(in); !ok {
				return
			}
			if _, err := io.WriteString(c, texts[min(i, len(texts)-1)]); err != nil {
				return
			}
		}
	}
}

func post(ctx context.Context, address, body string, repeatable bool) *http.Request {
	r, _ := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/v1/x?y=z", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	if repeatable {
		r.Header["X-Idempotency-Key"] = nil
	}
	return r
}

// ask returns what came as "status body", or the error.
func ask(tr http.RoundTripper, r *http.Request) (string, error) {
	resp, err := tr.RoundTrip(r)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	return fmt.Sprintf("%d %s", resp.StatusCode, b), err
}

func want(t *testing.T, tr http.RoundTripper, r *http.Request, text string) {
	t.Helper()
	if got, err := ask(tr, r); err != nil || got != text {
		t.Errorf("got %q, %v; want %q", got, err, text)
	}
}

func TestConnectionsAreUsedAgain(t *testing.T) {
	tr := newTransport(t)
	s := serve(t, answers(hello, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n", hello))
	for _, text := range []string{"200 hello", "200 hello", "204 ", "200 hello"} {
		want(t, tr, post(t.Context(), s.address, "{}", false), text)
	}
	if n := s.conns.Load(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

func TestOnlySoManyStayIdle(t *testing.T) {
	tr := newTransport(t) // two
	s := serve(t, answers(hello))
	var open []*http.Response
	for range 4 {
		resp, err := tr.RoundTrip(post(t.Context(), s.address, "{}", false))
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, resp)
	}
	for _, resp := range open {
		_, _ = io.ReadAll(resp.Body)
	}
	<-s.ended
	<-s.ended
	tr.CloseIdleConnections()
	<-s.ended
	<-s.ended
}

func TestWhatIsNotKeptOpenIsNotUsedAgain(t *testing.T) {
	for name, text := range map[string]string{
		"the server says so":     "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
		"an older server":        "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"more than was asked":    hello + hello,
		"more than was asked, 2": hello + "x",
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTransport(t)
			s := serve(t, answers(text))
			want(t, tr, post(t.Context(), s.address, "{}", false), "200 hello")
			<-s.ended
			want(t, tr, post(t.Context(), s.address, "{}", false), "200 hello")
			if n := s.conns.Load(); n != 2 {
				t.Errorf("%d connections, want 2", n)
			}
		})
	}
}

// What a server says on an idle connection must not be the next one's answer.
func TestUnaskedAnswersAreNobodys(t *testing.T) {
	tr := newTransport(t)
	say, said := make(chan struct{}), make(chan struct{})
	s := serve(t, func(s *script, c net.Conn, in *bufio.Reader) {
		s.request(in)
		_, _ = io.WriteString(c, hello)
		<-say
		_, _ = io.WriteString(c, "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
		close(said)
		_, _ = in.ReadByte()
	}, answers("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nown"))
	want(t, tr, post(t.Context(), s.address, "{}", false), "200 hello")
	close(say)
	<-said
	want(t, tr, post(t.Context(), s.address, "{}", false), "200 own")
}

func TestAStaleConnectionIsNoFailure(t *testing.T) {
	tr := newTransport(t)
	s := serve(t, func(s *script, c net.Conn, in *bufio.Reader) {
		s.request(in)
		_, _ = io.WriteString(c, hello)
	}, answers(hello))
	want(t, tr, post(t.Context(), s.address, "{}", false), "200 hello")
	<-s.ended
	want(t, tr, post(t.Context(), s.address, "{}", false), "200 hello")
}

// hangsUp answers one request, and reads another that it does not answer.
func hangsUp(s *script, c net.Conn, in *bufio.Reader) {
	s.request(in)
	_, _ = io.WriteString(c, hello)
	s.request(in)
}

func TestARequestIsRepeatedOnceOnlyWhereThatIsAllowed(t *testing.T) {
	for _, c := range []struct {
		name       string
		repeatable bool
		second     step
		text       string
		asked      int32
	}{
		{"with a key", true, answers(hello), "200 hello", 3},
		{"with a key, and again nothing", true, func(s *script, _ net.Conn, in *bufio.Reader) { s.request(in) }, "", 3},
		{"without", false, answers(hello), "", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			tr := newTransport(t)
			s := serve(t, hangsUp, c.second)
			want(t, tr, post(t.Context(), s.address, "{}", false), "200 hello")
			got, err := ask(tr, post(t.Context(), s.address, "{}", c.repeatable))
			if got != c.text || (err == nil) != (c.text != "") {
				t.Errorf("got %q, %v; want %q", got, err, c.text)
			}
			if n := s.asked.Load(); n != c.asked {
				t.Errorf("the server was asked %d times, want %d", n, c.asked)
			}
		})
	}
}

func TestABrokenAnswerIsNotAskedForAgain(t *testing.T) {
	tr := newTransport(t)
	s := serve(t, func(s *script, c net.Conn, in *bufio.Reader) {
		s.request(in)
		_, _ = io.WriteString(c, hello)
		s.request(in)
		_, _ = io.WriteString(c, "HTTP/1.1 2")
	}, answers(hello))
	want(t, tr, post(t.Context(), s.address, "{}", true), "200 hello")
	if got, err := ask(tr, post(t.Context(), s.address, "{}", true)); err == nil {
		t.Errorf("got %q from a broken answer", got)
	}
	if n := s.asked.Load(); n != 2 {
		t.Errorf("asked %d times, want 2", n)
	}
}

func TestAnEarlyAnswerArrives(t *testing.T) {
	tr := newTransport(t)
	s := serve(t, func(_ *script, c net.Conn, in *bufio.Reader) {
		_, _ = http.ReadRequest(in)
		_, _ = io.WriteString(c, "HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno")
		_ = c.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, in)
	})
	want(t, tr, post(t.Context(), s.address, strings.Repeat("x", 30<<10), false), "413 no")
}

func TestHeadersAreBounded(t *testing.T) {
	long := "X-A: " + strings.Repeat("a", 1000) + "\r\n"
	for name, text := range map[string]string{
		"one answer":  "HTTP/1.1 200 OK\r\n" + strings.Repeat(long, 20) + "\r\n",
		"one line":    "HTTP/1.1 200 " + strings.Repeat("a", 20000) + "\r\n\r\n",
		"1xx answers": strings.Repeat("HTTP/1.1 103 Early Hints\r\n"+long+"\r\n", 20) + hello,
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTransport(t)
			s := serve(t, answers(text))
			if got, err := ask(tr, post(t.Context(), s.address, "{}", false)); err == nil || !strings.Contains(err.Error(), "headers are longer than 8192") {
				t.Errorf("got %.40q, %v", got, err)
			}
		})
	}
	tr := newTransport(t)
	s := serve(t, answers("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"+hello))
	want(t, tr, post(t.Context(), s.address, "{}", false), "200 hello")
}

// Cancelling shows at once on both sides, wherever a request is.
func TestCancellingClosesTheConnection(t *testing.T) {
	why := errors.New("enough")
	for name, text := range map[string]string{"before the answer": "", "within the headers": "HTTP/1.1 200", "within the body": "HTTP/1.1 200 OK\r\n\r\nhel"} {
		t.Run(name, func(t *testing.T) {
			tr := newTransport(t)
			said := make(chan struct{})
			s := serve(t, func(s *script, c net.Conn, in *bufio.Reader) {
				s.request(in)
				_, _ = io.WriteString(c, text)
				close(said)
				_, _ = in.ReadByte() // until the other side is gone
			})
			ctx, cancel := context.WithCancelCause(t.Context())
			go func() { <-said; cancel(why) }()
			if got, err := ask(tr, post(ctx, s.address, "{}", true)); !errors.Is(err, why) {
				t.Errorf("got %q, %v; want %v", got, err, why)
			}
			<-s.ended
			if n := s.conns.Load(); n != 1 {
				t.Errorf("%d connections", n)
			}
		})
	}
	tr := newTransport(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ask(tr, post(ctx, "127.0.0.1:1", "{}", true)); !errors.Is(err, context.Canceled) {
		t.Errorf("a request whose context has ended: %v", err)
	}
}

func TestClosingABodyEarlyClosesTheConnection(t *testing.T) {
	tr := newTransport(t)
	s := serve(t, func(s *script, c net.Conn, in *bufio.Reader) {
		s.request(in)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")
		_, _ = in.ReadByte()
	})
	resp, err := tr.RoundTrip(post(t.Context(), s.address, "{}", false))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	<-s.ended
	if _, err := resp.Body.Read(make([]byte, 1)); !errors.Is(err, http.ErrBodyReadAfterClose) {
		t.Errorf("a read after the close: %v", err)
	}
}

func TestACutBodyIsNoWholeOne(t *testing.T) {
	for name, text := range map[string]string{
		"by length": "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello",
		"chunked":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTransport(t)
			s := serve(t, func(s *script, c net.Conn, in *bufio.Reader) {
				s.request(in)
				_, _ = io.WriteString(c, text)
			})
			if got, err := ask(tr, post(t.Context(), s.address, "{}", false)); err == nil || errors.Is(err, io.EOF) {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

// What is unusual is net/http's, which serves it as ever.
func TestTheUnusualIsServedByNetHTTP(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s %d %s", r.Method, len(b), r.Header.Get("User-Agent"))
	})
	secure, plain := httptest.NewTLSServer(h), httptest.NewServer(h)
	defer secure.Close()
	defer plain.Close()
	next := &http.Transport{DisableCompression: true, TLSClientConfig: secure.Client().Transport.(*http.Transport).TLSClientConfig}
	tr := h1.New(next)
	defer tr.CloseIdleConnections()
	address := strings.TrimPrefix(plain.URL, "http://")
	r := post(t.Context(), address, "{}", false)
	r.URL.Scheme, r.URL.Host = "https", strings.TrimPrefix(secure.URL, "https://")
	r.Host = r.URL.Host
	want(t, tr, r, "200 POST 2 Go-http-client/1.1")
	want(t, tr, post(t.Context(), address, strings.Repeat("x", 1<<20), false), "200 POST 1048576 Go-http-client/1.1")
	r = post(t.Context(), address, "{}", false)
	r.Method = http.MethodPut
	want(t, tr, r, "200 PUT 2 Go-http-client/1.1")
	r = post(t.Context(), address, "{}", false)
	r.Body, r.GetBody, r.ContentLength = io.NopCloser(strings.NewReader("abc")), nil, -1
	want(t, tr, r, "200 POST 3 Go-http-client/1.1")
	r = post(t.Context(), address, "{}", false)
	r.Header.Set("X", "a\r\nY: b")
	if got, err := ask(tr, r); err == nil {
		t.Errorf("a header with a line end was sent: %q", got)
	}
	r = post(t.Context(), address, "{}", false)
	r.ContentLength = 1
	if got, err := ask(tr, r); err == nil {
		t.Errorf("a body longer than its length was sent: %q", got)
	}
}

func TestTheServerReadsWhatWasMeant(t *testing.T) {
	tr := newTransport(t)
	var got string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got = fmt.Sprint(r.Method, " ", r.RequestURI, " ", r.Host, " ", r.ContentLength, " ", r.TransferEncoding, " ", r.Header["Authorization"], r.Header["X-Idempotency-Key"], " ", string(b))
		w.WriteHeader(204)
	}))
	defer srv.Close()
	address := strings.TrimPrefix(srv.URL, "http://")
	r := post(t.Context(), address, `{"a":1}`, true)
	r.Header.Set("Authorization", "Bearer x")
	want(t, tr, r, "204 ")
	if w := "POST /v1/x?y=z " + address + ` 7 [] [Bearer x] [] {"a":1}`; got != w {
		t.Errorf("the server read %q, want %q", got, w)
	}
	r, _ = http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL, nil)
	want(t, tr, r, "204 ")
	if w := "GET / " + address + " 0 [] [] [] "; got != w {
		t.Errorf("the server read %q, want %q", got, w)
	}
}

func TestManyAtOnceGetTheirOwnAnswers(t *testing.T) {
	tr := newTransport(t)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
	defer srv.Close()
	address := strings.TrimPrefix(srv.URL, "http://")
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			for j := range 50 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				text := fmt.Sprint("request ", i, " ", j)
				want(t, tr, post(ctx, address, text, true), "200 "+text)
				cancel()
			}
		})
	}
	all.Wait()
}

// overPipe returns a dialer to a server that reads a request, says text and
// hangs up.
func overPipe(text []byte, all *sync.WaitGroup) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		all.Go(func() {
			defer func() { _ = there.Close() }()
			r, err := http.ReadRequest(bufio.NewReader(there))
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = there.Write(text)
		})
		return here, nil
	}
}

// FuzzAnswersAreReadAsNetHTTPReadsThem feeds the same bytes to this client and
// to net/http's: both must hear the same.
func FuzzAnswersAreReadAsNetHTTPReadsThem(f *testing.F) {
	for _, s := range []string{hello, hello + "x", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
		"HTTP/1.1 100 Continue\r\n\r\n" + hello, "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.0 200 OK\r\n\r\nhello", "HTTP/1.1 304 Not Modified\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nabc", "HTTP/1.1 200 OK\r\nX : y\r\n\r\n", "HTTP/1.1 200\nContent-Length: 1\n\na", "", "HTTP/1.1", "\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var all sync.WaitGroup
		defer all.Wait()
		usual := &http.Transport{DisableCompression: true, DialContext: overPipe(text, &all)}
		defer usual.CloseIdleConnections()
		own := h1.New(&http.Transport{DisableCompression: true, DialContext: overPipe(text, &all)})
		defer own.CloseIdleConnections()
		heard := func(tr http.RoundTripper) (said string, code int) {
			resp, err := tr.RoundTrip(post(t.Context(), "host", "{}", false))
			if err != nil {
				return "an error", 0
			}
			defer func() { _ = resp.Body.Close() }()
			if resp.StatusCode == http.StatusSwitchingProtocols {
				return "an error", 101 // here it is one
			}
			var b bytes.Buffer
			_, err = b.ReadFrom(io.LimitReader(resp.Body, 1<<20))
			return fmt.Sprint(resp.Proto, resp.Status, resp.StatusCode, resp.Header, resp.ContentLength, resp.TransferEncoding, resp.Close, b.String(), resp.Trailer, err == nil), resp.StatusCode
		}
		a, _ := heard(usual)
		b, _ := heard(own)
		if a != b {
			t.Errorf("of %q\nnet/http hears %q\nhere is heard %q", text, a, b)
		}
	})
}

func BenchmarkRoundTrip(b *testing.B) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "hello")
	}))
	defer srv.Close()
	address := strings.TrimPrefix(srv.URL, "http://")
	next := &http.Transport{DisableCompression: true}
	for name, tr := range map[string]http.RoundTripper{"own": h1.New(next), "net-http": next} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ask(tr, post(b.Context(), address, `{"a":1}`, true)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	next.CloseIdleConnections()
}
