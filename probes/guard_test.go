package probes_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/probes"
)

// saying is a sender that always sees the same.
type saying bellwether.Observation

func (s saying) Probe(context.Context, probes.Job) bellwether.Observation {
	return bellwether.Observation(s)
}

// cable is a network that can be pulled out.
type cable struct {
	out   atomic.Bool
	dials atomic.Int64
}

func (c *cable) dial(_ context.Context, network, addr string) (net.Conn, error) {
	c.dials.Add(1)
	if c.out.Load() {
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ENETUNREACH}
	}
	near, far := net.Pipe()
	return near, far.Close()
}

func TestAFailureAsksTheControlsBeforeItIsBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cable{}
		g, err := probes.NewGuard(saying{Outcome: bellwether.ConnectError},
			probes.GuardOptions{Controls: []string{"192.0.2.1:443", "192.0.2.2:443"}, Dial: c.dial})
		if err != nil {
			t.Fatal(err)
		}
		if o := g.Probe(t.Context(), probes.Job{}); o.Doubtful != "" {
			t.Errorf("while the controls answer, a failure is doubted: %q", o.Doubtful)
		} else if o.Signals["controls.answered"] != 2 || o.Signals["controls.failed"] != 0 {
			t.Errorf("two controls answered beside it, said: %v", o.Signals)
		}
		c.out.Store(true)
		time.Sleep(2 * time.Second)
		if o := g.Probe(t.Context(), probes.Job{}); o.Doubtful != probes.DoubtControls {
			t.Errorf("with the cable pulled, doubtful = %q", o.Doubtful)
		}
		before := c.dials.Load()
		for range 100 {
			g.Probe(t.Context(), probes.Job{})
		}
		if n := c.dials.Load() - before; n != 0 {
			t.Errorf("a hundred failures at once asked the controls %d times more", n)
		}
		h := g.Health()
		if !slices.Equal(h.Unwell, []string{"controls"}) || h.Doubted != 101 || h.Controls[1].Failures != 1 || h.Controls[1].LastOK.IsZero() || h.Controls[0].Error == "" {
			t.Errorf("health = %+v", h)
		}
		c.out.Store(false)
		time.Sleep(2 * time.Second)
		if o := g.Probe(t.Context(), probes.Job{}); o.Doubtful != "" || len(g.Health().Unwell) > 0 {
			t.Errorf("after the cable is back: %q, %+v", o.Doubtful, g.Health())
		}
	})
}

func TestOneControlThatAnswersIsEnough(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }))
	defer server.Close()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead := ln.Addr().String()
	ln.Close()
	g, err := probes.NewGuard(saying{Outcome: bellwether.TLSError}, probes.GuardOptions{Controls: []string{dead, server.URL}})
	if err != nil {
		t.Fatal(err)
	}
	o := g.Probe(t.Context(), probes.Job{})
	if h := g.Health(); o.Doubtful != "" || h.Controls[0].OK || !h.Controls[1].OK || h.Controls[0].Error == "" {
		t.Errorf("doubtful %q, controls %+v", o.Doubtful, h.Controls)
	}
	if o.Signals[bellwether.ControlsAnswered] != 1 || o.Signals[bellwether.ControlsFailed] != 0 {
		t.Errorf("one of two controls answered, the other never did: %v", o.Signals)
	}
}

func TestAControlThatIsCutOffWithUsCountsForAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, cut := &cable{}, false
		g, err := probes.NewGuard(saying{Outcome: bellwether.ConnectError}, probes.GuardOptions{
			Controls: []string{"192.0.2.1:443", "192.0.2.2:443"},
			Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
				if cut && addr == "192.0.2.1:443" {
					return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ENETUNREACH}
				}
				return c.dial(ctx, network, addr)
			}})
		if err != nil {
			t.Fatal(err)
		}
		g.Probe(t.Context(), probes.Job{})
		cut = true
		for minute := range 70 {
			time.Sleep(time.Minute)
			o := g.Probe(t.Context(), probes.Job{})
			if failed := o.Signals[bellwether.ControlsFailed]; o.Signals[bellwether.ControlsAnswered] != 1 || failed != 1 && minute < 59 || failed != 0 && minute > 61 {
				t.Fatalf("%d minutes after one of two controls was cut off: %v", minute+1, o.Signals)
			}
		}
	})
}

func TestNamesThatCannotBeResolvedExcuseOnlyFailuresOfNames(t *testing.T) {
	for out, want := range map[bellwether.Outcome]string{bellwether.DNSError: "dns", bellwether.ConnectError: ""} {
		c := &cable{}
		g, err := probes.NewGuard(saying{Outcome: out}, probes.GuardOptions{
			Controls: []string{"https://control.example/", "192.0.2.1:443"}, Dial: c.dial,
			Resolve: func(context.Context, string) ([]string, error) {
				return nil, &net.DNSError{Err: "no such host", Name: "control.example"}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		if o := g.Probe(t.Context(), probes.Job{}); o.Doubtful != want {
			t.Errorf("%s while names cannot be resolved: doubtful = %q, want %q", out, o.Doubtful, want)
		}
	}
}

func TestOurOwnPauseIsMarkedAndAnAnswerAsksNoControl(t *testing.T) {
	c := &cable{}
	c.out.Store(true)
	for o, want := range map[*bellwether.Observation]string{
		{Outcome: bellwether.OK, Status: 200}:                                        "",
		{Outcome: bellwether.OK, Status: 200, Doubtful: "gc"}:                        "gc",
		{Outcome: bellwether.Timeout, Status: 200, SelfLag: 1.5, Doubtful: "lag"}:    "pause",
		{Outcome: bellwether.ServerError, Status: 503, SelfLag: .5, Doubtful: "lag"}: "lag",
	} {
		g, err := probes.NewGuard(saying(*o), probes.GuardOptions{Controls: []string{"192.0.2.1:443"}, Dial: c.dial})
		if err != nil {
			t.Fatal(err)
		}
		if got := g.Probe(t.Context(), probes.Job{}).Doubtful; got != want {
			t.Errorf("%+v: doubtful = %q, want %q", o, got, want)
		}
	}
	if n := c.dials.Load(); n != 0 {
		t.Errorf("%d controls were asked though something came back", n)
	}
}

func TestRunAsksEveryHalfMinuteAndLooksAtItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cable{}
		g, err := probes.NewGuard(saying{}, probes.GuardOptions{Controls: []string{"192.0.2.1:443"}, Dial: c.dial})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- g.Run(ctx) }()
		time.Sleep(95 * time.Second)
		synctest.Wait()
		if n := c.dials.Load(); n != 4 {
			t.Errorf("asked %d times in 95 s, want 4", n)
		}
		c.out.Store(true)
		time.Sleep(31 * time.Second)
		synctest.Wait()
		if h := g.Health(); !slices.Equal(h.Unwell, []string{"controls"}) || h.At.IsZero() || h.Lag != 0 || h.Step != 0 {
			t.Errorf("health = %+v", h)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestAControlThatHangsHoldsAProbeForItsLimitOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, err := probes.NewGuard(saying{Outcome: bellwether.Timeout}, probes.GuardOptions{
			Controls: []string{"192.0.2.1:443"},
			Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		o := g.Probe(t.Context(), probes.Job{})
		if took := time.Since(start); o.Doubtful != "controls" || took != 3*time.Second {
			t.Errorf("doubtful %q after %v", o.Doubtful, took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		time.Sleep(2 * time.Second)
		if g.Probe(ctx, probes.Job{}); time.Since(start) > 6*time.Second {
			t.Error("a caller that left is held")
		}
	})
}

func FuzzControlsAreReadOrRefused(f *testing.F) {
	for _, s := range []string{"https://example.com/", "[::1]:443", "192.0.2.1:443", "host", "http://", "https://u:p@h/", ":80", "a:b:c", "://"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ps := probes.Config{Probing: probes.Probing{Controls: []string{s}}}.Validate()
		_, err := probes.NewGuard(saying{}, probes.GuardOptions{Controls: []string{s}})
		if (len(ps) > 0) != (err != nil) {
			t.Errorf("%q: problems %v, error %v", s, ps, err)
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: an error of two lines", s)
		}
	})
}

// turns is a sender that sees one thing after another.
type turns []bellwether.Observation

func (s *turns) Probe(context.Context, probes.Job) bellwether.Observation {
	o := (*s)[0]
	*s = append((*s)[1:], o)
	return o
}

func TestControlsThatAnswersGiveTheLieAreNotBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cable{}
		c.out.Store(true)
		g, err := probes.NewGuard(&turns{{Outcome: bellwether.ConnectError}, {Outcome: bellwether.OK, Status: 200}},
			probes.GuardOptions{Controls: []string{"192.0.2.1:443"}, Dial: c.dial})
		if err != nil {
			t.Fatal(err)
		}
		var said []string
		for range 5 {
			said = append(said, g.Probe(t.Context(), probes.Job{}).Doubtful)
			time.Sleep(5 * time.Second)
			g.Probe(t.Context(), probes.Job{})
			time.Sleep(5 * time.Second)
		}
		if want := []string{"controls", "controls", "controls", "", ""}; !slices.Equal(said, want) || !g.Health().Disbelieved {
			t.Errorf("doubted for %q, want %q; %+v", said, want, g.Health())
		}
		c.out.Store(false)
		g.Probe(t.Context(), probes.Job{})
		if g.Health().Disbelieved {
			t.Error("a control that answers is still not believed")
		}
	})
}

func TestAGuardNeedsASender(t *testing.T) {
	if _, err := probes.NewGuard(nil, probes.GuardOptions{}); err == nil {
		t.Error("a guard around nothing")
	}
	if _, err := probes.NewGuard(saying{}, probes.GuardOptions{Controls: []string{"nonsense"}}); err == nil || errors.Is(err, net.ErrClosed) {
		t.Errorf("a control that is no address: %v", err)
	}
}
