// Command timing is the truth harness of the prober's clock. It probes the
// simulated provider with delays that are known, over HTTP/1.1 and HTTP/2,
// while the process is idle and while it serves a dashboard and CSV exports,
// and prints by how much the prober's first token, gaps and total differ from
// what the server wrote to its sockets, beside the same for the simplest Go
// client, whose requests alternate with the prober's.
//
// Everything runs in this one process: the simulator's load is part of ours,
// which makes the figures worse than a prober's own would be.
//
// Usage: timing [-for 48s] [-lanes 16] [-processors 0]
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/bench"
	"github.com/bellwether-llm/bellwether/internal/sim"
	"github.com/bellwether-llm/bellwether/llm"
	"github.com/bellwether-llm/bellwether/probes"
)

func main() {
	length := flag.Duration("for", 48*time.Second, "how long to measure in all, without preparations")
	lanes := flag.Int("lanes", 16, "how many pairs of clients measure at once")
	processors := flag.Int("processors", 0, "GOMAXPROCS; 0: as Go sets it")
	flag.Parse()
	if *processors > 0 {
		runtime.GOMAXPROCS(*processors)
	}
	if err := run(os.Stdout, *length, *lanes); err != nil {
		fmt.Fprintln(os.Stderr, "timing:", err)
		os.Exit(1)
	}
}

func run(w io.Writer, length time.Duration, lanes int) error {
	if length < time.Second || lanes < 1 || lanes > 1000 {
		return errors.New("write -for 1s or more and -lanes 1 to 1000")
	}
	busy, err := newLoad()
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	defer busy.close()
	fmt.Fprintf(w, "%s\n%d lanes, GOMAXPROCS %d; error in ms: measured minus true, absolute\n\n", bench.Machine(), lanes, runtime.GOMAXPROCS(0))
	fmt.Fprintf(w, "%-22s %-12s %6s  %8s %8s %8s %8s  %s\n", "", "", "n", "p50", "p95", "p99", "max", "p99 to the ruler's")
	for _, loaded := range []bool{false, true} {
		for _, http2 := range []bool{false, true} {
			c := cell{http2: http2, lanes: lanes}
			name := "HTTP/1.1, idle"
			if http2 {
				name = "HTTP/2, idle"
			}
			stop := func() string { return "" }
			if loaded {
				name = strings.Replace(name, "idle", "under load", 1)
				stop = busy.start()
			}
			err := c.measure(length / 4)
			served := stop()
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			c.print(w, name)
			if served != "" {
				fmt.Fprintln(w, "  meanwhile served: "+served)
			}
		}
	}
	return nil
}

// errorsOf are the errors of one client.
type errorsOf struct{ firstToken, gap, longest, total bench.Figures }

func (e *errorsOf) add(got, want bench.Seen) {
	e.firstToken.Add((got.FirstToken - want.FirstToken).Abs())
	e.gap.Add((got.Gap - want.Gap).Abs())
	e.longest.Add((got.LongestGap - want.LongestGap).Abs())
	e.total.Add((got.Total - want.Total).Abs())
}

// cell is one protocol in one state of the process.
type cell struct {
	http2 bool
	lanes int

	prober, ruler errorsOf
	trusted       errorsOf     // the prober's, without what it flagged itself
	bunched       atomic.Int64 // answers left out: the simulator sent several tokens at once
}

// delays are the known delays that lanes go through.
var delays = [...]struct {
	first, gap time.Duration
	tokens     int
}{{20 * time.Millisecond, 5 * time.Millisecond, 8}, {50 * time.Millisecond, 10 * time.Millisecond, 6}, {35 * time.Millisecond, 20 * time.Millisecond, 4}}

func (c *cell) measure(length time.Duration) error {
	provider, err := sim.New(sim.Options{Seed: 1})
	if err != nil {
		return err
	}
	srv, truths := serve(provider, c.http2)
	defer srv.Close()
	runtime.GC() // what was before is nobody's fault here
	end := time.Now().Add(length)
	errs := make([]error, c.lanes)
	var all sync.WaitGroup
	for i := range c.lanes {
		all.Go(func() { errs[i] = c.lane(i, srv, truths, end) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// lane measures pair by pair until end. Each of its two clients has a host name
// and so a connection of its own.
func (c *cell) lane(i int, srv *httptest.Server, truths *witness, end time.Time) error {
	_, port, _ := net.SplitHostPort(srv.Listener.Addr().String())
	scheme, dial := "http", func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, srv.Listener.Addr().String())
	}
	trust := &tls.Config{InsecureSkipVerify: true} // our own server, on the loopback
	if c.http2 {
		scheme = "https"
	}
	prober, err := probes.New(probes.Options{Dial: dial, TLS: trust})
	if err != nil {
		return err
	}
	defer prober.Close()
	transport := &http.Transport{DialContext: dial, TLSClientConfig: trust, ForceAttemptHTTP2: true, DisableCompression: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	ours, theirs := fmt.Sprintf("prober-%d.test", i), fmt.Sprintf("ruler-%d.test", i)

	for round := 0; time.Now().Before(end); round++ {
		d := delays[(round+i)%len(delays)]
		model := fmt.Sprintf("m?first_token=%s&inter_token=%s&tokens=%d", d.first, d.gap, d.tokens)
		probe := func() error {
			return c.probe(prober, fmt.Sprintf("%s://%s:%s/v1", scheme, ours, port), model, truths.of(ours), round > 0)
		}
		ask := func() error {
			got, err := bench.Ask(client, fmt.Sprintf("%s://%s:%s/v1/chat/completions", scheme, theirs, port), bench.ChatBody(model))
			if err != nil {
				return err
			}
			if want, ok := (<-truths.of(theirs)).seen(); !ok {
				c.bunched.Add(1)
			} else if round > 0 { // the first opens the connection
				c.ruler.add(got, want)
			}
			return nil
		}
		if round%2 == 1 {
			probe, ask = ask, probe
		}
		if err := errors.Join(probe(), ask()); err != nil {
			return err
		}
	}
	return nil
}

func (c *cell) probe(p *probes.Prober, base, model string, truths <-chan truth, count bool) error {
	job, err := probes.NewJob(probes.Canary{Name: "capital", Prompt: "What is the capital of France?", Checks: []probes.CheckSpec{{"min_tokens": 1}}}, probes.Target{
		Target: bellwether.Target{ID: "t", Provider: "p", Model: model}, Protocol: llm.OpenAI, Endpoint: llm.Endpoint{BaseURL: base},
	}, probes.Place{Vantage: "bench"})
	if err != nil {
		return err
	}
	o := p.Probe(context.Background(), job)
	if o.Outcome != bellwether.OK || (o.HTTP == "2") != c.http2 {
		return fmt.Errorf("probe: %s over HTTP/%s: %s", o.Outcome, o.HTTP, o.Error)
	}
	want, ok := (<-truths).seen()
	if !ok {
		c.bunched.Add(1)
	}
	if !ok || !count {
		return nil
	}
	s := func(v float64) time.Duration { return time.Duration(v * float64(time.Second)) }
	got := bench.Seen{FirstToken: s(o.Timing.FirstToken), Gap: s(o.Timing.InterToken), LongestGap: s(o.Timing.InterTokenMax), Total: s(o.Timing.Total)}
	c.prober.add(got, want)
	if o.Doubtful == "" {
		c.trusted.add(got, want)
	}
	return nil
}

func (c *cell) print(w io.Writer, name string) {
	for _, k := range []struct {
		what                 string
		ours, trusted, ruler *bench.Figures
	}{
		{"first token", &c.prober.firstToken, &c.trusted.firstToken, &c.ruler.firstToken}, {"gap, median", &c.prober.gap, &c.trusted.gap, &c.ruler.gap},
		{"gap, longest", &c.prober.longest, &c.trusted.longest, &c.ruler.longest}, {"total", &c.prober.total, &c.trusted.total, &c.ruler.total},
	} {
		fmt.Fprintf(w, "%-22s %-12s %6d %s  %s\n", name, k.what, k.ours.Len(), k.ours.Row(), bench.Ratio(float64(k.ours.Quantile(0.99)), float64(k.ruler.Quantile(0.99))))
		if k.trusted.Len() < k.ours.Len() {
			fmt.Fprintf(w, "%-22s %-12s %6d %s\n", "  without flagged", "", k.trusted.Len(), k.trusted.Row())
		}
		fmt.Fprintf(w, "%-22s %-12s %6d %s\n", "  simplest client", "", k.ruler.Len(), k.ruler.Row())
		name = ""
	}
	fmt.Fprintf(w, "  flagged doubtful by the prober itself: %d of %d; answers left out because the simulator fell behind and sent tokens together: %d\n", c.prober.total.Len()-c.trusted.total.Len(), c.prober.total.Len(), c.bunched.Load())
}
