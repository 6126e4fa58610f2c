package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/sim"
)

// asProgram makes the test binary behave as the program itself, so that tests
// can start it, signal it and kill it.
const asProgram = "BELLWETHER_TEST_AS_PROGRAM"

// patience bounds waiting for something that should happen; it is never waited
// out when it does.
const patience = 2 * time.Minute

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
	// Tests that start processes wait more than they work.
	flag.Parse()
	chosen := false
	flag.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == "test.parallel" })
	if !chosen {
		_ = flag.Set("test.parallel", "4")
	}
	goleak.VerifyTestMain(quietEnd{m})
}

// quietEnd lets go of connections that tests keep for later before leaks are
// looked for.
type quietEnd struct{ m *testing.M }

func (q quietEnd) Run() int {
	defer http.DefaultClient.CloseIdleConnections()
	return q.m.Run()
}

// simulator serves simulated providers for the length of a test.
func simulator(t *testing.T) (*sim.Server, string) {
	t.Helper()
	s, err := sim.New(sim.Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s)
	t.Cleanup(func() { srv.CloseClientConnections(); srv.Close() })
	return s, srv.URL
}

// ports counts the addresses that were given away.
var ports atomic.Uint32

// freePort returns an address on which nobody listens just now. It is given
// away once, and below the ports that the kernel gives to connections, so that
// tests beside this one do not take it first.
func freePort(t *testing.T) string {
	t.Helper()
	for range 12_000 {
		n := 20_000 + (uint32(os.Getpid())*97+ports.Add(1))%12_000
		ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", n))
		if err == nil {
			defer func() { _ = ln.Close() }()
			return ln.Addr().String()
		}
	}
	t.Fatal("no port is free")
	return ""
}

// testConfig writes a config of two targets of the simulated provider at url.
func testConfig(t *testing.T, dir, url string) (file, api, router string) {
	t.Helper()
	api, router = freePort(t), freePort(t)
	file = filepath.Join(dir, "bellwether.yaml")
	writeFile(t, file, fmt.Sprintf(`
server: {listen: %q}
store: {dsn: "sqlite:%s"}
vantage: test
providers:
  one: {protocol: openai, base_url: "%s/r/us-east/v1", api_key: key-of-one-12345}
  two: {protocol: anthropic, base_url: "%s/r/eu-west", api_key: key-of-two-12345}
targets:
  - {id: first, provider: one, model: "m?first_token=5ms&inter_token=0ms&tokens=5", region: us-east}
  - {id: second, provider: two, model: "m?first_token=5ms&inter_token=0ms&tokens=5", region: eu-west}
canaries:
  - {name: hello, schedule: "@every 1s", prompt: "Say hello.", cold_every: -1, timeout: 5s}
routes:
  chat: {tiers: [[first], [second]]}
slos:
  - {name: up, route: chat, indicator: availability, objective: 99, window: 1d}
scoring: {suspicion_interval: 200ms}
probing: {fast_interval: 200ms}
router: {listen: %q}
`, api, filepath.Join(dir, "test.db"), url, url, router))
	return file, "http://" + api, "http://" + router
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// program is the program running as a process of its own.
type program struct {
	cmd *exec.Cmd
	out *syncBuffer
}

// start runs the program and kills it when the test ends.
func start(t *testing.T, args ...string) *program {
	t.Helper()
	p := &program{cmd: exec.Command(os.Args[0], args...), out: &syncBuffer{}}
	p.cmd.Env = append(os.Environ(), asProgram+"=1", "GORACE=atexit_sleep_ms=0") // the race detector's second of rest, at each end
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		if t.Failed() {
			t.Logf("output of %v:\n%s", args, p.out.String())
		}
	})
	return p
}

// get asks until the answer has the status wanted, and decodes it.
func get(t *testing.T, url string, into any) {
	t.Helper()
	eventually(t, url, func() error {
		resp, err := http.Get(url)
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			return fmt.Errorf("status %d: %s %v", resp.StatusCode, body, err)
		}
		return json.Unmarshal(body, into)
	})
}

// eventually repeats try until it succeeds, within patience.
func eventually(t *testing.T, what string, try func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		sleep(context.Background(), 50*time.Millisecond)
	}
}

func weightsOf(t *testing.T, api string) bellwether.Weights {
	t.Helper()
	var w bellwether.Weights
	get(t, api+"/v1/weights", &w)
	return w
}

// share returns a target's share of the route chat.
func share(w bellwether.Weights, target string) float64 {
	for _, tw := range w.Routes["chat"].Targets {
		if tw.Target == target {
			return tw.Share
		}
	}
	return -1
}

// post sends observations and returns how many were taken.
func post(t *testing.T, api string, obs []bellwether.Observation) {
	t.Helper()
	b, err := json.Marshal(obs)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(api+"/v1/observations", "application/json", bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode/100 != 2 {
		t.Fatalf("POST /v1/observations: %d: %s", resp.StatusCode, body)
	}
}

// ask sends one chat completion through a router.
func ask(router string, stream bool) (target string, err error) {
	return newTraffic(router, nil, 1).ask(context.Background(), "chat", stream)
}

// runHere runs a command line in this process and returns what it printed.
func runHere(args ...string) (code int, out, errOut string) {
	var o, e bytes.Buffer
	code = run(args, &o, &e)
	return code, o.String(), e.String()
}

func mustContain(t *testing.T, got string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(got, want) {
			t.Errorf("got %q, which does not say %q", got, want)
		}
	}
}
