package router_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether/internal/conf"
	"github.com/bellwether-llm/bellwether/router"
)

// gate is a network between a router and its server that can be cut. Cut, it
// ends what is open and refuses what comes; or, frozen, lets nothing through.
type gate struct {
	t      *testing.T
	to     string
	addr   string
	mu     sync.Mutex
	ln     net.Listener
	conns  map[net.Conn]bool
	frozen chan struct{} // closed: flows
	wg     sync.WaitGroup
}

func newGate(t *testing.T, to string) *gate {
	t.Helper()
	g := &gate{t: t, to: strings.TrimPrefix(to, "http://"), addr: "127.0.0.1:0", conns: map[net.Conn]bool{}, frozen: make(chan struct{})}
	close(g.frozen)
	g.heal()
	t.Cleanup(func() { g.cut(); g.wg.Wait() })
	return g
}

func (g *gate) heal() {
	ln, err := net.Listen("tcp", g.addr)
	if err != nil {
		g.t.Fatal(err)
	}
	g.mu.Lock()
	g.ln, g.addr = ln, ln.Addr().String()
	g.mu.Unlock()
	g.wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			up, err := net.Dial("tcp", g.to)
			if err != nil {
				_ = c.Close()
				continue
			}
			g.pipe(c, up)
		}
	})
}

func (g *gate) pipe(a, b net.Conn) {
	g.mu.Lock()
	g.conns[a], g.conns[b] = true, true
	g.mu.Unlock()
	for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
		g.wg.Go(func() {
			defer way[1].Close()
			buf := make([]byte, 4096)
			for {
				n, err := way[0].Read(buf)
				g.mu.Lock()
				open := g.frozen
				g.mu.Unlock()
				<-open
				if _, werr := way[1].Write(buf[:n]); werr != nil || err != nil {
					return
				}
			}
		})
	}
}

func (g *gate) cut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	_ = g.ln.Close()
	for c := range g.conns {
		_ = c.Close()
	}
}

func (g *gate) freeze() (thaw func()) {
	open := make(chan struct{})
	g.mu.Lock()
	g.frozen = open
	g.mu.Unlock()
	return func() { close(open) }
}

func TestAPartitionedRouterServesAndConvergesWithinASecondOfHealing(t *testing.T) {
	for name, noSocket := range map[string]bool{"socket": false, "polling": true} {
		for _, how := range []string{"cut", "frozen"} {
			t.Run(name+" "+how, func(t *testing.T) {
				t.Parallel()
				c := &control{noSocket: noSocket}
				c.publish(1, 1, 0)
				g := newGate(t, serving(t, c))
				k, stop := followed(t, "http://"+g.addr, router.Config{}, nil)
				defer stop()
				k.awaitMetric("bellwether_router_weights_revision 1")
				heal := g.heal
				if how == "cut" {
					g.cut()
				} else {
					heal = g.freeze()
				}
				c.publish(2, 0, 1)
				for until := time.Now().Add(1500 * time.Millisecond); time.Now().Before(until); <-time.After(20 * time.Millisecond) {
					if a := k.ask(question("hi", false, nil)); a.by() != "one" || a.text != "hello" {
						t.Fatalf("during the partition: %+v", a)
					}
				}
				heal()
				healed := time.Now()
				k.awaitMetric("bellwether_router_weights_revision 2")
				if took := time.Since(healed); took > time.Second {
					t.Errorf("it took %v after the network was back", took)
				}
				if a := k.ask(question("hi", false, nil)); a.by() != "two" {
					t.Errorf("answer = %+v", a)
				}
			})
		}
	}
}

func TestTheServersDeathCostsNoRequest(t *testing.T) {
	c := &control{}
	c.publish(1, 0, 1)
	g := newGate(t, serving(t, c))
	k, stop := followed(t, "http://"+g.addr, router.Config{ReportEvery: conf.Duration(50 * time.Millisecond)}, nil)
	defer stop()
	k.awaitMetric("bellwether_router_weights_revision 1")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 50 {
				if a := k.ask(question("hi", false, nil)); a.by() != "two" || a.text != "hello" || a.header.Get("X-Bellwether-Revision") != "1" {
					t.Errorf("request %d: %+v", i, a)
				}
				if i == 10 {
					g.cut()
				}
			}
		})
	}
	wg.Wait()
}

func TestARouterWithoutAServerIsAWholeOne(t *testing.T) {
	one, two := newFake(t, "one", says(503, `{}`), says(503, `{}`), goodPlain), newFake(t, "two", goodPlain)
	cfg := router.Config{Breaker: router.BreakerConfig{Failures: 2, Cooldown: conf.Duration(100 * time.Millisecond), Ramp: conf.Duration(200 * time.Millisecond)}}
	k := newFakes(t, cfg, quick, one, two)
	start := time.Now()
	var by []string
	for time.Since(start) < 2*time.Second {
		a := k.ask(question("hi", false, nil))
		if a.text != "hello" {
			t.Fatalf("answer = %+v", a)
		}
		if by = append(by, a.by()); len(by) > 10 && strings.Count(strings.Join(by[len(by)-10:], " "), "one") == 10 {
			break // it is back, with all of its share
		}
		<-time.After(5 * time.Millisecond)
	}
	if by[len(by)-1] != "one" || by[2] != "two" {
		t.Errorf("served by %v: want the first again, and the second meanwhile", by)
	}
	for _, line := range []string{`bellwether_router_breaker_total{target="one",turn="open"} 1`, `bellwether_router_breaker_total{target="one",turn="close"} 1`} {
		k.awaitMetric(line)
	}
}

// slowStream streams a word whenever more is received from, until it is closed.
func slowStream(more <-chan string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for word := range more {
			events(strings.Replace(hello, `"hello"`, quote(word), 1))(w, r)
		}
		end(w, r)
	}
}

// open asks for a stream and returns it when its first token is there.
func (k *kit) open() (*http.Response, *bufio.Reader) {
	k.t.Helper()
	body, _ := json.Marshal(question("hi", true, nil))
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Post(k.url+"/v1/chat/completions", "application/json", strings.NewReader(string(body)))
	if err != nil {
		k.t.Fatal(err)
	}
	r := bufio.NewReader(resp.Body)
	if _, err := r.Peek(1); err != nil {
		k.t.Fatal(err)
	}
	return resp, r
}

func TestAReloadDropsNoStreamAndForgetsNoBreaker(t *testing.T) {
	words := make(chan string)
	one, two := newFake(t, "one", slowStream(words)), newFake(t, "two", goodPlain)
	dead := newFake(t, "dead", says(503, `{}`))
	k := newFakes(t, router.Config{}, router.Route{}, one, two)
	go func() { words <- "a" }()
	resp, r := k.open()
	defer func() { _ = resp.Body.Close() }()
	route := oneTier("dead", "two")
	route.Tiers = append(route.Tiers[:0], route.Tiers[0][:1], route.Tiers[0][1:])
	setup := router.Setup{Targets: []router.Target{two.target, dead.target}, Routes: []router.Route{route}}
	if err := k.rt.Replace(setup); err != nil { // the target of the stream is gone
		t.Fatal(err)
	}
	for range 8 {
		if a := k.ask(question("hi", false, nil)); a.by() != "two" {
			t.Errorf("answer = %+v", a)
		}
	}
	if err := k.rt.Replace(setup); err != nil {
		t.Fatal(err)
	}
	for range 8 {
		k.ask(question("hi", false, nil))
	}
	if n := dead.received(); n != 5 {
		t.Errorf("a dead target was asked %d times: a reload is no recovery", n)
	}
	for _, w := range []string{"b", "c"} {
		words <- w
	}
	close(words)
	var a answer
	raw, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if a.readStream(t, raw); a.text != "abc" || !a.done {
		t.Errorf("the stream = %q", raw)
	}
}

// served is a router that serves by itself, and what stops it.
func served(t *testing.T, cfg router.Config, fakes ...*fake) (k *kit, stop func() <-chan error) {
	t.Helper()
	k = newFakes(t, cfg, router.Route{}, fakes...)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	done := make(chan error, 1)
	go func() { done <- k.rt.Serve(ctx, ln) }()
	k.url = "http://" + ln.Addr().String()
	return k, func() <-chan error { cancel(); return done }
}

func TestADrainingRouterFinishesWhatIsUnderWay(t *testing.T) {
	words := make(chan string)
	k, stop := served(t, router.Config{}, newFake(t, "one", slowStream(words)))
	go func() { words <- "a" }()
	resp, r := k.open()
	defer func() { _ = resp.Body.Close() }()
	done := stop()
	k.until(func() bool {
		c, err := net.Dial("tcp", strings.TrimPrefix(k.url, "http://"))
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	}, func() any { return "it still takes connections" })
	select {
	case err := <-done:
		t.Fatalf("Serve returned %v while an answer was under way", err)
	case words <- "b":
	}
	close(words)
	raw, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	var a answer
	if a.readStream(t, raw); a.text != "ab" || !a.done {
		t.Errorf("the stream = %q", raw)
	}
	if err := <-done; err != nil {
		t.Errorf("Serve = %v", err)
	}
}

func TestWhatDoesNotDrainInTimeEndsWithAnError(t *testing.T) {
	words := make(chan string)
	defer close(words)
	k, stop := served(t, router.Config{Drain: conf.Duration(50 * time.Millisecond)}, newFake(t, "one", slowStream(words)), newFake(t, "two", good))
	go func() { words <- "a" }()
	resp, r := k.open()
	defer func() { _ = resp.Body.Close() }()
	done := stop()
	raw, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	var a answer
	if a.readStream(t, raw); a.text != "a" || a.done || a.broken != "canceled" || !strings.Contains(a.message, "stopping") {
		t.Errorf("the stream = %q", raw)
	}
	if err := <-done; err != nil {
		t.Errorf("Serve = %v", err)
	}
}
