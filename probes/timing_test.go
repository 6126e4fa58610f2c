package probes

import (
	"context"
	"io"
	"math"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/arrival"
	"github.com/bellwether-llm/bellwether/internal/conf"
)

// pipes is a network of its own inside a synctest bubble, where time stands
// still while anything can run: what is measured there is exact.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
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
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// inBubble probes h once where time is virtual.
func inBubble(t *testing.T, h http.HandlerFunc, edit func(*Job)) (o bellwether.Observation) {
	synctest.Test(t, func(t *testing.T) {
		l := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // or the server does not see the client go
			h(w, r)
		})}
		go func() { _ = srv.Serve(l) }()
		p, err := New(Options{Dial: l.dial})
		if err != nil {
			t.Fatal(err)
		}
		j := testJob("http://sim.test")
		if edit != nil {
			edit(&j)
		}
		o = p.Probe(context.Background(), j)
		p.Close()
		_ = srv.Close()
		time.Sleep(time.Minute) // virtual: lets every handler see that the client is gone
		synctest.Wait()
	})
	return o
}

func near(a, b float64) bool { return math.Abs(a-b) < 1e-6 }

func TestEveryPhaseIsMeasuredExactly(t *testing.T) {
	o := inBubble(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		time.Sleep(100 * time.Millisecond)
		event(w, roleEvent) // headers and a role are no token
		time.Sleep(200 * time.Millisecond)
		event(w, token("The"))
		for _, gap := range []time.Duration{10, 20, 10, 90} {
			time.Sleep(gap * time.Millisecond)
			event(w, token(" Paris"))
		}
		time.Sleep(30 * time.Millisecond)
		event(w, stopEvent)
		time.Sleep(40 * time.Millisecond)
		event(w, "[DONE]")
	}, func(j *Job) { j.Due = time.Now().Add(-250 * time.Millisecond) })
	tm := o.Timing
	if o.Outcome != bellwether.OK || !near(tm.FirstByte, 0.1) || !near(tm.FirstToken, 0.3) || !near(tm.InterToken, 0.015) ||
		!near(tm.InterTokenP95, 0.09) || !near(tm.InterTokenMax, 0.09) || !near(tm.Total, 0.5) {
		t.Errorf("%s, timing = %+v, want first byte .1, first token .3, gaps .015/.09/.09, total .5", o.Outcome, tm)
	}
	if !near(o.Late, 0.25) {
		t.Errorf("late = %v, want 0.25", o.Late)
	}
	if o.SelfLag != 0 || o.Doubtful != "" {
		t.Errorf("self lag %v, doubtful %q where time is virtual", o.SelfLag, o.Doubtful)
	}
}

func TestPassedLimitsCountAsAtLeastTheirLength(t *testing.T) {
	limit := func(total, first, stall time.Duration) func(*Job) {
		return func(j *Job) {
			j.Canary.Timeout, j.Canary.FirstTokenLimit, j.Canary.StallLimit = conf.Duration(total), conf.Duration(first), conf.Duration(stall)
		}
	}
	hang := func(events ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			for _, e := range events {
				event(w, e)
				time.Sleep(time.Second)
			}
			<-r.Context().Done()
		}
	}
	drip := func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			event(w, token("x"))
			time.Sleep(time.Second)
		}
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		edit   func(*Job)
		want   bellwether.Outcome
		timing bellwether.Timing
	}{
		"nothing at all":           {hang(), limit(60*time.Second, 8*time.Second, 5*time.Second), bellwether.FirstTokenTimeout, bellwether.Timing{FirstToken: 8, Total: 8}},
		"a role and then nothing":  {hang(roleEvent), limit(60*time.Second, 8*time.Second, 5*time.Second), bellwether.FirstTokenTimeout, bellwether.Timing{FirstToken: 8, Total: 8}},
		"silence after two tokens": {hang(token("a"), token("b")), limit(60*time.Second, 8*time.Second, 5*time.Second), bellwether.Stalled, bellwether.Timing{InterToken: 1, InterTokenP95: 1, InterTokenMax: 5, Total: 6}},
		"a drip without end":       {drip, limit(10500*time.Millisecond, 8*time.Second, 5*time.Second), bellwether.Timeout, bellwether.Timing{InterToken: 1, InterTokenP95: 1, InterTokenMax: 1, Total: 10.5}},
		"nothing, one limit only":  {hang(), limit(9*time.Second, 9*time.Second, 9*time.Second), bellwether.Timeout, bellwether.Timing{FirstToken: 9, Total: 9}},
		"plain":                    {hang(), func(j *Job) { off := false; j.Canary.Stream, j.Canary.Timeout = &off, conf.Duration(7*time.Second) }, bellwether.Timeout, bellwether.Timing{Total: 7}},
		"silence after the finish": {hang(token("Paris"), stopEvent), limit(60*time.Second, 8*time.Second, 5*time.Second), bellwether.OK, bellwether.Timing{Total: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			o := inBubble(t, c.answer, c.edit)
			got, want := o.Timing, c.timing
			if o.Outcome != c.want || !near(got.Total, want.Total) || !near(got.InterToken, want.InterToken) || !near(got.InterTokenMax, want.InterTokenMax) || want.FirstToken > 0 && !near(got.FirstToken, want.FirstToken) {
				t.Errorf("%s %+v (%s), want %s %+v", o.Outcome, got, o.Error, c.want, want)
			}
		})
	}
}

func TestConnectionKeptOpenAfterTheEndIsNotWaitedFor(t *testing.T) {
	o := inBubble(t, func(w http.ResponseWriter, r *http.Request) {
		for _, e := range []string{token("Paris"), stopEvent, "[DONE]"} {
			event(w, e)
		}
		<-r.Context().Done()
	}, nil)
	if o.Outcome != bellwether.OK || o.Timing.Total != 0 && o.Timing.Total > 0.01 {
		t.Errorf("%s total %v, want ok at once", o.Outcome, o.Timing.Total)
	}
}

func TestMeasuredTimeIsNeverShorterThanTheTruth(t *testing.T) {
	const before, between = 60 * time.Millisecond, 20 * time.Millisecond
	j := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		event(w, roleEvent)
		<-time.After(before)
		event(w, token("Par"))
		<-time.After(between)
		event(w, token("is"))
		event(w, stopEvent)
	})
	o := newProber(t, Options{}).Probe(context.Background(), j)
	tm := o.Timing
	if o.Outcome != bellwether.OK || tm.FirstToken < before.Seconds() || tm.Total < (before+between).Seconds() {
		t.Errorf("%s %+v, want a first token after at least %v and a gap of about %v", o.Outcome, tm, before, between)
	}
	if tm.FirstByte > tm.FirstToken || tm.FirstToken+tm.InterTokenMax > tm.Total+1e-9 {
		t.Errorf("timing out of order: %+v", tm)
	}
}

func TestEventsOfOneReadShareTheTimeBeforeIt(t *testing.T) {
	ms := time.Millisecond
	var p pace
	for _, e := range []struct {
		at   time.Duration
		read int
	}{{100 * ms, 1}, {100 * ms, 1}, {130 * ms, 2}, {130 * ms, 2}, {130 * ms, 2}, {150 * ms, 3}} {
		p.add(e.at, e.read)
	}
	median, p95, longest := p.stats() // gaps 10, 10, 10, 20
	if !near(median, 0.01) || !near(p95, 0.02) || !near(longest, 0.03) {
		t.Errorf("stats = %v %v %v, want .01 .02 .03", median, p95, longest)
	}
	var one pace
	one.add(100*ms, 1)
	if a, b, c := one.stats(); a != 0 || b != 0 || c != 0 {
		t.Errorf("stats of one token = %v %v %v, want zeros", a, b, c)
	}
}

func TestOnlyALateReadMakesAKnownArrivalDoubtful(t *testing.T) {
	known := &struct{ arrival.Conn }{}
	for name, c := range map[string]struct {
		r    reply
		lag  float64
		why  string
		want string
	}{
		"sampled, arrivals unknown":        {reply{}, 0.04, "lag", "lag"},
		"sampled, but no read was late":    {reply{conn: known, late: time.Millisecond}, 0.04, "lag", ""},
		"a read was late":                  {reply{conn: known, late: 9 * time.Millisecond}, 0, "", "lag"},
		"a read was late for a collection": {reply{conn: known, late: 9 * time.Millisecond}, 0.009, "gc", "gc"},
	} {
		lag, why := c.r.ownLag(c.lag, c.why)
		want := c.r.late.Seconds()
		if c.r.conn == nil {
			want = c.lag
		}
		if why != c.want || lag != want {
			t.Errorf("%s: ownLag = %v %q, want %v %q", name, lag, why, want, c.want)
		}
	}
}

func TestOwnLatenessIsMeasuredAndFlagged(t *testing.T) {
	var m lagMeter
	a, b := m.begin(), m.begin()
	m.mu.Lock()
	m.slept = m.slept.Add(-40 * time.Millisecond) // as if the sampler had slept so long
	m.mu.Unlock()
	lag, why := m.end(a)
	if lag < 0.03 || why != "lag" && why != "gc" {
		t.Errorf("end = %v %q, want at least 0.03 and lag", lag, why)
	}
	m.end(b)
	if m.stop != nil {
		t.Error("the sampler runs on after the last probe")
	}
	c := m.begin()
	if c.worst != 0 {
		t.Errorf("a new probe starts with a lag of %v", c.worst)
	}
	m.end(c)
}

// Over a warm connection the time counts from when the request went to the
// socket, and what came before it is nobody's.
func TestWarmStartMovesToTheSocketAndColdStaysAtTheTransport(t *testing.T) {
	begin := time.Now()
	for _, reused := range []bool{true, false} {
		tr := &tracer{start: begin}
		tr.p = phases{reused: reused, wrote: 3 * time.Millisecond, firstByte: 10 * time.Millisecond}
		_, start := tr.answered()
		_, again := tr.answered()
		moved, first := time.Duration(0), 10*time.Millisecond
		if reused {
			moved, first = 3*time.Millisecond, 7*time.Millisecond
		}
		if start.Sub(begin) != moved || !again.Equal(start) || tr.take().firstByte != first {
			t.Errorf("reused %v: start moved by %v, then %v, first byte %v; want %v and %v", reused, start.Sub(begin), again.Sub(begin), tr.p.firstByte, moved, first)
		}
	}
}
