package main

import (
	"context"
	"fmt"
	"math"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/sim"
	"github.com/bellwether-llm/bellwether/probes"
)

// pipes is a network inside a bubble of virtual time.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.conns <- far:
		return near, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// exampleConfig is config.example.yaml with its providers simulated.
func exampleConfig(t *testing.T) Config {
	t.Helper()
	b, err := os.ReadFile("../../config.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	cfg, fs := ParseConfig("config.example.yaml", b, func(string) (string, bool) { return "a-key-of-the-example", true })
	if len(fs) > 0 {
		t.Fatal(fs)
	}
	for name, p := range cfg.Providers {
		if len(p.Regions) > 0 {
			t.Fatalf("provider %s has regions; simulate their base URLs too", name)
		}
		p.BaseURL = "http://sim.test" + map[string]string{"openai": "/v1", "gemini": "/v1beta"}[string(p.Protocol)]
		cfg.Providers[name] = p
	}
	return cfg
}

// spent is what one canary cost at one target.
type spent struct {
	probes int
	usd    float64
}

// dayOf runs the schedule of a config against the simulated provider for some
// hours of virtual time: real scheduler, real prober, real wire.
func dayOf(t *testing.T, cfg Config, length time.Duration) map[[2]string]spent {
	all := map[[2]string]spent{}
	synctest.Test(t, func(t *testing.T) {
		provider, err := sim.New(sim.Options{Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		l := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
		srv := &http.Server{Handler: provider}
		served := make(chan error, 1)
		go func() { served <- srv.Serve(l) }()
		prober, err := probes.New(probes.Options{Dial: l.dial})
		if err != nil {
			t.Fatal(err)
		}
		jobs, err := cfg.jobs()
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		s, err := probes.NewScheduler(jobs, prober, func(o bellwether.Observation) {
			if o.Outcome == bellwether.Canceled { // the day ended while it was in flight
				return
			}
			mu.Lock()
			defer mu.Unlock()
			key := [2]string{o.Canary, o.Target}
			x := all[key]
			all[key] = spent{x.probes + 1, x.usd + o.CostUSD}
		}, probes.SchedulerOptions{Probing: cfg.Probing})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), length)
		defer cancel()
		if err := s.Run(ctx); err != nil {
			t.Fatal(err)
		}
		prober.Close()
		_ = srv.Close()
		<-served
		synctest.Wait()
	})
	return all
}

func TestADayOfTheExampleCostsWhatCheckSays(t *testing.T) {
	t.Parallel()
	cfg := exampleConfig(t)
	length := 24 * time.Hour
	if raced {
		length = 6 * time.Hour
	}
	part := length.Hours() / 24
	day := dayOf(t, cfg, length)
	prices := map[string]bellwether.Price{}
	for _, x := range cfg.targets() {
		prices[x.ID] = x.Price
	}
	var said, cost float64
	for _, l := range probes.Plan(cfg.Config, cfg.targets()) {
		got := day[[2]string{l.Canary, l.Target}]
		l.PerDay, l.Typical, l.WorstCase = l.PerDay*part, l.Typical*part, l.WorstCase*part
		item := fmt.Sprintf("%s -> %s: %d probes cost %.5f USD, check says %.0f and %.5f, at most %.5f", l.Canary, l.Target, got.probes, got.usd, l.PerDay, l.Typical, l.WorstCase)
		t.Log(item)
		if math.Abs(float64(got.probes)-l.PerDay) > 1 {
			t.Errorf("%s: the counts differ", item)
		}
		if got.usd > l.WorstCase {
			t.Errorf("%s: it is dearer than the most", item)
		}
		token := l.PerDay * prices[l.Target].Cost(0, 1) // lengths are estimated in whole tokens
		if math.Abs(got.usd-l.Typical) > 0.1*l.Typical+token {
			t.Errorf("%s: more than 10 %% and a token off", item)
		}
		said, cost = said+l.Typical, cost+got.usd
	}
	if math.Abs(cost-said) > 0.1*said {
		t.Errorf("the day cost %.4f USD, check says %.4f: more than 10 %% off", cost, said)
	}
}
