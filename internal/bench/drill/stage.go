package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/bellwether-llm/bellwether/internal/sim"
)

// The route's limits, and the model that both targets serve: an answer takes
// about a third of a second.
const (
	firstLimit = time.Second
	stallLimit = time.Second
	model      = "m?first_token=100ms&inter_token=10ms&tokens=20"
)

// provider is one simulated provider that counts what it is asked, by second.
type provider struct {
	*sim.Server
	http    *http.Server
	address string

	mu    sync.Mutex
	start time.Time
	asked []int
}

func newProvider(seed uint64) (*provider, error) {
	s, err := sim.New(sim.Options{Seed: seed})
	if err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &provider{Server: s, address: ln.Addr().String()}
	p.http = &http.Server{Handler: p, ReadHeaderTimeout: time.Minute}
	go func() { _ = p.http.Serve(ln) }()
	return p, nil
}

// ServeHTTP counts, and lets the simulator answer.
func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	if i := int(time.Since(p.start) / time.Second); r.Method == http.MethodPost && i >= 0 && i < len(p.asked) {
		p.asked[i]++
	}
	p.mu.Unlock()
	p.Server.ServeHTTP(w, r)
}

func (p *provider) count(start time.Time, seconds int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.start, p.asked = start, make([]int, seconds)
}

func (p *provider) counted() []int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

// stage is a router over two providers.
type stage struct {
	dir             string
	first, fallback *provider
	programs        []*exec.Cmd
	router          string
	client          *http.Client
}

func open(ctx context.Context, o options) (s *stage, err error) {
	s = &stage{client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1000}}}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.dir, err = os.MkdirTemp("", "bellwether-drill-"); err != nil {
		return s, err
	}
	if s.first, err = newProvider(1); err != nil {
		return s, err
	}
	if s.fallback, err = newProvider(2); err != nil {
		return s, err
	}
	if o.program == "" {
		o.program = filepath.Join(s.dir, "bellwether")
		if out, err := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", o.program, "./cmd/bellwether").CombinedOutput(); err != nil {
			return s, fmt.Errorf("build: %w\n%s", err, out)
		}
	}
	return s, s.start(ctx, o)
}

func (s *stage) start(ctx context.Context, o options) error {
	addresses := [2]string{}
	for i := range addresses {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		addresses[i] = ln.Addr().String()
		_ = ln.Close()
	}
	s.router = addresses[0]
	common := fmt.Sprintf(`
server: {listen: %q}
store: {dsn: "sqlite:%s/drill.db"}
vantage: drill
providers:
  first: {protocol: openai, base_url: "http://%s/v1"}
  fallback: {protocol: openai, base_url: "http://%s/v1"}
targets:
  - {id: first, provider: first, model: %q, region: r1}
  - {id: fallback, provider: fallback, model: %q, region: r2}
canaries:
  - {name: capital, schedule: "@every 5s", prompt: "What is the capital of France? Answer with one word.", max_tokens: 16, stream: true}
routes:
  chat: {tiers: [[first], [fallback]], standby_share: 0.05, first_token_limit: %s, stall_limit: %s}
`, addresses[1], s.dir, s.first.address, s.fallback.address, model, model, firstLimit, stallLimit)
	own := fmt.Sprintf("router: {listen: %q}\n", s.router)
	if o.server {
		own = fmt.Sprintf("router: {listen: %q, server: \"http://%s\"}\n", s.router, addresses[1])
		if err := s.run(ctx, o.program, "serve", common, addresses[1]); err != nil {
			return err
		}
	}
	return s.run(ctx, o.program, "router", common+own, s.router)
}

// run starts a command of the program and waits until its address answers.
func (s *stage) run(ctx context.Context, program, command, config, address string) error {
	file, name := filepath.Join(s.dir, command+".yaml"), filepath.Join(s.dir, command+".log")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return err
	}
	log, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(program, command, "--config", file)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	s.programs = append(s.programs, cmd)
	for range 400 {
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			return c.Close()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	text, _ := os.ReadFile(name)
	return fmt.Errorf("bellwether %s does not answer within 20s\n%s", command, text)
}

func (s *stage) close() {
	for _, p := range s.programs {
		_ = p.Process.Signal(syscall.SIGTERM)
		hard := time.AfterFunc(15*time.Second, func() { _ = p.Process.Kill() })
		_ = p.Wait()
		hard.Stop()
	}
	for _, p := range []*provider{s.first, s.fallback} {
		if p != nil {
			_ = p.http.Close()
		}
	}
	_ = os.RemoveAll(s.dir)
}
