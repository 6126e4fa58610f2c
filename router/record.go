package router

import (
	"strings"
	"sync"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/id"
	"github.com/bellwether-llm/bellwether/internal/sketch"
)

// maxWindow is how much time one summary may cover: the minute that rollups
// tell apart.
const maxWindow = time.Minute

// recorder sums up what requests saw, by target and route, until the next
// report. Safe for concurrent use.
type recorder struct {
	vantage string

	mu     sync.Mutex
	since  time.Time // start of the window that sums is of
	sums   map[sumKey]*sum
	closed []bellwether.Observation // windows that were full before anybody took them
	lost   int                      // of those, dropped since the last take
}

type sumKey struct{ target, route string }

// sum is what one target did for one route in a window.
type sum struct {
	counts   map[bellwether.Outcome]int
	sketches map[bellwether.Signal]*sketch.Sketch
	tokens   bellwether.Tokens
	cost     float64
}

func newRecorder(name string) *recorder {
	return &recorder{vantage: vantage(name), sums: map[sumKey]*sum{}}
}

// vantage names a router as an observation's vantage: a slug, whatever the
// host is called.
func vantage(name string) string {
	slug := strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '.' || c == '-' || c == '_' {
			return c
		}
		return '-'
	}, strings.ToLower(name))
	if slug == "" {
		return "router"
	}
	return "router." + slug[:min(len(slug), 80)]
}

// observe keeps what one attempt saw.
func (rt *Router) observe(r *routeTable, a *attempt, f *failure) {
	outcome := f.counted()
	rt.metrics.attempt(a.up.ID, a.cl.slot.cred.name, r.Name, outcome, &a.seen)
	if rt.follower != nil {
		rt.recorder.add(time.Now(), sumKey{a.up.ID, r.Name}, a.up.Price, outcome, a.seen)
	}
}

func (r *recorder) add(now time.Time, k sumKey, price bellwether.Price, outcome bellwether.Outcome, s seen) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.sums) == 0 {
		r.since = now
	} else if now.Sub(r.since) >= maxWindow {
		r.close(r.since.Add(maxWindow))
		r.since = now
	}
	t := r.sums[k]
	if t == nil {
		t = &sum{counts: map[bellwether.Outcome]int{}, sketches: map[bellwether.Signal]*sketch.Sketch{}}
		r.sums[k] = t
	}
	t.add(price, outcome, s)
}

// add counts one attempt. A call that the caller or our own limits ended early
// is counted as canceled, which speaks for nobody, and its tokens with it.
func (t *sum) add(price bellwether.Price, outcome bellwether.Outcome, s seen) {
	t.counts[outcome]++
	if u := s.usage; u != nil {
		in, out := tokens(u.Input), tokens(u.Output)
		t.tokens.Input += in
		t.tokens.Output += out
		t.tokens.Cached += tokens(u.Cached)
		t.tokens.Reasoning += tokens(u.Reasoning)
		t.cost += price.Cost(in, out)
		if outcome == bellwether.OK {
			t.measure(bellwether.OutputTokens, float64(out))
		}
	}
	first, gap, total := s.firstToken, time.Duration(0), time.Duration(0)
	if s.events > 1 {
		gap = (s.lastToken - s.firstToken) / time.Duration(s.events-1)
	}
	if !s.streamed { // the total of a stream is its answer's length, not its speed
		total = s.total
	}
	switch outcome { // timeouts count as at least their limit; other errors are fast as often as not
	case bellwether.OK, bellwether.Timeout:
	case bellwether.FirstTokenTimeout:
		first = s.total
	case bellwether.Stalled:
		gap = max(gap, s.total-s.lastToken)
	default:
		return
	}
	t.measure(bellwether.FirstToken, first.Seconds())
	t.measure(bellwether.InterToken, gap.Seconds())
	t.measure(bellwether.Total, total.Seconds())
}

// tokens bounds what a provider says that it used.
func tokens(n int) int { return min(max(n, 0), 1e7) }

func (t *sum) measure(signal bellwether.Signal, v float64) {
	if v <= 0 {
		return
	}
	s := t.sketches[signal]
	if s == nil {
		s = sketch.New()
		t.sketches[signal] = s
	}
	s.Add(v)
}

// take returns what was summed since the last take, as observations, and how
// many were dropped meanwhile because nobody took them.
func (r *recorder) take(now time.Time) (obs []bellwether.Observation, lost int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.close(now)
	obs, lost = r.closed, r.lost
	r.closed, r.lost = nil, 0
	return obs, lost
}

// close ends the present window at the time given. It is called with mu held.
func (r *recorder) close(end time.Time) {
	window := min(max(end.Sub(r.since), time.Millisecond), maxWindow)
	for k, s := range r.sums {
		tokens := s.tokens
		o := bellwether.Observation{
			ID: id.New(end), At: r.since.UTC(), Source: bellwether.SourceRouter, Vantage: r.vantage,
			Target: k.target, Route: k.route, Window: window.Seconds(), SampleRate: 1,
			Counts: s.counts, Sketches: map[bellwether.Signal][]byte{}, CostUSD: s.cost, Tokens: &tokens,
		}
		for signal, sk := range s.sketches {
			o.Sketches[signal] = sk.Bytes()
		}
		r.closed = append(r.closed, o)
	}
	if over := len(r.closed) - maxUnsent; over > 0 {
		r.closed, r.lost = r.closed[over:], r.lost+over
	}
	r.sums = map[sumKey]*sum{}
}
