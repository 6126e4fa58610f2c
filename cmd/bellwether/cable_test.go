package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/llm"
	"github.com/bellwether-llm/bellwether/probes"
	"github.com/bellwether-llm/bellwether/scoring"
)

// wire is a network that can be cut, for everything or for one address.
type wire struct {
	mu    sync.Mutex
	cut   func(addr string) bool
	conns map[net.Conn]string
}

func (w *wire) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut(addr) {
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ENETUNREACH}
	}
	c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err == nil {
		w.conns[c] = addr
	}
	return c, err
}

// pull cuts what is open and what is to come.
func (w *wire) pull(cut func(addr string) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
	for c, addr := range w.conns {
		if cut(addr) {
			_ = c.Close()
			delete(w.conns, c)
		}
	}
}

func nothing(string) bool    { return false }
func everything(string) bool { return true }

// station is a prober with its guard that an engine listens to, in a time that
// passes by as many seconds as probes are sent.
type station struct {
	wire   *wire
	engine *scoring.Engine
	jobs   []probes.Job
	guard  *probes.Guard
	seq    uint64
	now    time.Time
}

func newStation(t *testing.T, providers int, controls func(addr string) []string) *station {
	t.Helper()
	st := &station{wire: &wire{cut: nothing, conns: map[net.Conn]string{}}, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	cfg := scoring.Config{Interval: map[string]time.Duration{}, Vantages: []string{"home"}}
	plain := false
	for i := range providers {
		name := string(rune('a' + i))
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"model":"m","choices":[{"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":2}}`)
		}))
		t.Cleanup(server.Close)
		tgt := probes.Target{Target: bellwether.Target{ID: name, Provider: name, Model: "m"},
			Endpoint: llm.Endpoint{BaseURL: server.URL + "/v1"}, Protocol: llm.OpenAI}
		job, err := probes.NewJob(probes.Canary{Name: "c", Prompt: "Say hello.", Stream: &plain}, tgt, probes.Place{Vantage: "home"})
		if err != nil {
			t.Fatal(err)
		}
		st.jobs = append(st.jobs, job)
		cfg.Targets, cfg.Interval[name] = append(cfg.Targets, tgt.Target), 5*time.Second
	}
	prober, err := probes.New(probes.Options{Dial: st.wire.dial})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(prober.Close)
	outside := httptest.NewServer(nil)
	t.Cleanup(outside.Close)
	if st.guard, err = probes.NewGuard(prober, probes.GuardOptions{Controls: controls(outside.Listener.Addr().String()), Dial: st.wire.dial}); err != nil {
		t.Fatal(err)
	}
	if st.engine, err = scoring.New(cfg); err != nil {
		t.Fatal(err)
	}
	return st
}

// run sends n probes to every target, 5 s apart, and folds what came back. The
// timings of this machine are left out: they are not what is tested.
func (st *station) run(t *testing.T, n int) {
	t.Helper()
	for range n {
		st.now = st.now.Add(5 * time.Second)
		for _, j := range st.jobs {
			o := st.guard.Probe(t.Context(), j)
			o.At, o.Timing = st.now, bellwether.Timing{}
			st.seq++
			st.engine.Fold(bellwether.Record{Seq: st.seq, At: st.now, Observation: &o})
		}
		st.seq++
		st.engine.Fold(bellwether.Record{Seq: st.seq, At: st.now})
	}
}

func (st *station) state(t *testing.T, target string) bellwether.Assessment {
	t.Helper()
	a, ok := st.engine.Assess(target)
	if !ok {
		t.Fatalf("no target %s", target)
	}
	return a
}

func outsideOnly(addr string) []string { return []string{addr, "http://" + addr + "/"} }

func TestPullingTheNetworkCableBlamesTheVantageAndNoTarget(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		providers int
		controls  func(string) []string
	}{
		"three providers, controls":    {3, outsideOnly},
		"three providers, no controls": {3, func(string) []string { return nil }},
		"one provider, controls":       {1, outsideOnly},
	} {
		t.Run(name, func(t *testing.T) {
			st := newStation(t, c.providers, c.controls)
			st.run(t, 60)
			if a := st.state(t, "a"); a.State != bellwether.Healthy {
				t.Fatalf("before: %+v", a)
			}
			st.wire.pull(everything)
			st.run(t, 120)
			for _, j := range st.jobs {
				if a := st.state(t, j.Target.ID); a.State != bellwether.Unknown || a.Cause != bellwether.CauseVantage || a.Weight != 1 {
					t.Errorf("%s with the cable pulled for ten minutes: %s (%s), weight %v", j.Target.ID, a.State, a.Cause, a.Weight)
				}
			}
			st.wire.pull(nothing)
			st.run(t, 10)
			for _, j := range st.jobs {
				if a := st.state(t, j.Target.ID); a.State != bellwether.Healthy || a.Cause != "" {
					t.Errorf("%s with the cable back: %s (%s)", j.Target.ID, a.State, a.Cause)
				}
			}
		})
	}
}

func TestATargetThatAloneCannotBeReachedIsDown(t *testing.T) {
	t.Parallel()
	for _, providers := range []int{1, 3} {
		st := newStation(t, providers, outsideOnly)
		st.run(t, 60)
		url := st.jobs[0].Target.Endpoint.BaseURL
		dead := url[len("http://") : len(url)-len("/v1")]
		st.wire.pull(func(addr string) bool { return addr == dead })
		st.run(t, 60)
		if a := st.state(t, "a"); a.State != bellwether.Down || a.Cause == bellwether.CauseVantage {
			t.Errorf("one of %d providers cannot be reached, the controls can: %s (%s)", providers, a.State, a.Cause)
		}
	}
}
