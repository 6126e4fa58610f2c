package router_test

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/api/client"
	"github.com/bellwether-llm/bellwether/llm"
	"github.com/bellwether-llm/bellwether/router"
)

// control is as much of a Bellwether server as a router needs.
type control struct {
	noSocket bool

	mu       sync.Mutex
	weights  bellwether.Weights
	changed  chan struct{} // closed and replaced with every new revision
	observed []bellwether.Observation
}

func (c *control) publish(revision uint64, shares ...float64) {
	w := bellwether.Weights{Epoch: "e1", Revision: revision, TTL: 60, Hold: 900, Routes: map[string]bellwether.RouteWeights{}}
	targets := []bellwether.TargetWeight{}
	for i, share := range shares {
		targets = append(targets, bellwether.TargetWeight{Target: []string{"one", "two"}[i], Tier: i, Share: share, Weight: share})
	}
	w.Routes["chat"] = bellwether.RouteWeights{Mode: bellwether.ModeNormal, Targets: targets}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.weights = w
	if c.changed != nil {
		close(c.changed)
	}
	c.changed = make(chan struct{})
}

func (c *control) current() (bellwether.Weights, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.weights, c.changed
}

func (c *control) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/v1/weights/watch":
		if c.noSocket {
			http.NotFound(w, r) // as behind a proxy that knows no WebSocket
			return
		}
		c.watch(w, r)
	case "/v1/weights":
		c.poll(w, r)
	case "/v1/observations":
		var obs []bellwether.Observation
		if err := json.NewDecoder(r.Body).Decode(&obs); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		c.mu.Lock()
		c.observed = append(c.observed, obs...)
		c.mu.Unlock()
		_, _ = w.Write([]byte(`{"accepted":` + strconv.Itoa(len(obs)) + `}`))
	}
}

func (c *control) poll(w http.ResponseWriter, r *http.Request) {
	now, changed := c.current()
	if r.URL.Query().Get("after") == strconv.FormatUint(now.Revision, 10) {
		select {
		case <-changed:
			now, _ = c.current()
		case <-r.Context().Done():
			return
		}
	}
	_ = json.NewEncoder(w).Encode(now)
}

// watch speaks just enough of RFC 6455 to send text messages.
func (c *control) watch(w http.ResponseWriter, r *http.Request) {
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	_, _ = conn.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: bellwether.weights.v1\r\nSec-WebSocket-Accept: " +
		base64.StdEncoding.EncodeToString(sum[:]) + "\r\n\r\n"))
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for b := make([]byte, 512); ; {
			if _, err := conn.Read(b); err != nil {
				return
			}
		}
	}()
	for {
		now, changed := c.current()
		msg, _ := json.Marshal(map[string]any{"type": "weights", "weights": now})
		_, _ = conn.Write(append(binary.BigEndian.AppendUint16([]byte{0x81, 126}, uint16(len(msg))), msg...))
		select {
		case <-changed:
		case <-gone:
			return
		}
	}
}

// followed is a kit whose router follows a server at base.
func followed(t *testing.T, base string, cfg router.Config, log *slog.Logger) (k *kit, stop func()) {
	t.Helper()
	follower, err := client.New(client.Config{Server: base, Name: "r1"})
	if err != nil {
		t.Fatal(err)
	}
	route := router.Route{}
	route.Name = "chat"
	var targets []router.Target
	for _, id := range []string{"one", "two"} {
		targets = append(targets, scripted(t, id, llm.OpenAI, says(200, plain)))
		route.Tiers = append(route.Tiers, []bellwether.TierTarget{{Target: id}})
	}
	rt, err := router.New(cfg, router.Setup{Targets: targets, Routes: []router.Route{route}}, router.Options{Follower: follower, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(rt.Handler())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- rt.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		srv.Close()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
		follower.Close()
	})
	t.Cleanup(stop)
	return &kit{t: t, rt: rt, url: srv.URL}, stop
}

func TestTheRouterFollowsAServerBySocketAndByPolling(t *testing.T) {
	for name, noSocket := range map[string]bool{"socket": false, "polling": true} {
		t.Run(name, func(t *testing.T) {
			c := &control{noSocket: noSocket}
			c.publish(1, 1, 0)
			srv := httptest.NewServer(c)
			defer srv.Close()
			k, stop := followed(t, srv.URL, router.Config{ReportEvery: 50_000_000}, nil)
			k.awaitMetric("bellwether_router_weights_revision 1")
			if a := k.ask(question("hi", false, nil)); a.by() != "one" || a.header.Get("X-Bellwether-Revision") != "1" {
				t.Errorf("answer = %+v", a)
			}
			c.publish(2, 0, 1)
			k.awaitMetric("bellwether_router_weights_revision 2")
			if a := k.ask(question("hi", false, nil)); a.by() != "two" || a.header.Get("X-Bellwether-Revision") != "2" {
				t.Errorf("answer = %+v", a)
			}
			stop()
			got := map[string]int{}
			for _, o := range c.observed {
				got[o.Target+" "+o.Route] += o.Counts[bellwether.OK]
			}
			if got["one chat"] != 1 || got["two chat"] != 1 || len(got) != 2 {
				t.Errorf("observed %v, want one of each", got)
			}
		})
	}
}

func TestTheLastWeightsSurviveARestartWithoutTheServer(t *testing.T) {
	file := filepath.Join(t.TempDir(), "weights.json")
	c := &control{}
	c.publish(5, 0, 1)
	srv := httptest.NewServer(c)
	k, stop := followed(t, srv.URL, router.Config{StateFile: file}, nil)
	k.awaitMetric("bellwether_router_weights_revision 5")
	k.until(func() bool { _, err := os.Stat(file); return err == nil }, func() any { return "no state file" })
	stop()
	srv.Close()
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("state file: %v, %v", info, err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(file), ".*")); len(left) != 0 {
		t.Errorf("files beside the state file: %v", left)
	}
	k, _ = followed(t, srv.URL, router.Config{StateFile: file}, nil) // nobody listens there any more
	k.awaitMetric("bellwether_router_weights_revision 5")
	if a := k.ask(question("hi", false, nil)); a.by() != "two" {
		t.Errorf("answer = %+v, want the target of the weights kept", a)
	}
}

func TestAStateFileThatCannotBeReadIsSaidAndBaseWeightsStand(t *testing.T) {
	for name, content := range map[string]string{"empty": "", "cut": `{"epoch":"e","routes":{"chat":{"targets":[{"target":"tw`, "another shape": `[1,2]`} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "weights.json")
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			logged := &syncBuffer{}
			srv := httptest.NewServer(nil)
			srv.Close()
			k, stop := followed(t, srv.URL, router.Config{StateFile: file}, slog.New(slog.NewTextHandler(logged, nil)))
			k.until(func() bool { return strings.Contains(logged.String(), "state file cannot be read") }, func() any { return logged.String() })
			if a := k.ask(question("hi", false, nil)); a.by() != "one" {
				t.Errorf("answer = %+v", a)
			}
			stop()
		})
	}
}

func TestWithoutAFollowerBaseWeightsStand(t *testing.T) {
	k := newRouter(t, router.Config{}, quick, scripted(t, "one", llm.OpenAI, says(200, plain)))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := k.rt.Run(ctx); err != nil {
		t.Errorf("Run = %v", err)
	}
	if a := k.ask(question("hi", false, nil)); a.by() != "one" || a.header.Get("X-Bellwether-Revision") != "0" {
		t.Errorf("answer = %+v", a)
	}
}

// syncBuffer is a buffer for several goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
