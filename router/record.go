package router

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/id"
	"github.com/bellwether-llm/bellwether/internal/sketch"
)

// maxUnsent bounds the summaries that wait for a server that is away; beyond
// it the oldest go, and are counted.
const (
	maxUnsent = 10_000
	maxBatch  = 1000 // observations in one request
)

// recorder sums up what requests saw, by target and route, until the next
// report. Safe for concurrent use.
type recorder struct {
	name string

	mu    sync.Mutex
	since time.Time
	sums  map[sumKey]*sum
}

type sumKey struct{ target, route string }

// sum is what one target did for one route since the last report.
type sum struct {
	counts                 map[bellwether.Outcome]int
	firstToken, interToken *sketch.Sketch
	total, outputTokens    *sketch.Sketch
	input, output          int
	cost                   float64
}

func newRecorder(name string) *recorder {
	return &recorder{name: name, since: time.Now(), sums: map[sumKey]*sum{}}
}

// observe keeps what one attempt saw. a is nil when no answer began.
func (rt *Router) observe(up *upstream, route string, a *attempt, f *failure, took time.Duration) {
	outcome := bellwether.OK
	var s seen
	if a != nil {
		s = a.seen
	}
	if f != nil {
		outcome = f.outcome
	}
	rt.metrics.attempt(up.ID, route, outcome, s, took)
	if outcome == bellwether.Canceled {
		return // the caller's doing: it says nothing about the target
	}
	rt.recorder.add(sumKey{up.ID, route}, up.Price, outcome, s)
}

func (r *recorder) add(k sumKey, price bellwether.Price, outcome bellwether.Outcome, s seen) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.sums[k]
	if t == nil {
		t = &sum{counts: map[bellwether.Outcome]int{}, firstToken: sketch.New(), interToken: sketch.New(),
			total: sketch.New(), outputTokens: sketch.New()}
		r.sums[k] = t
	}
	t.counts[outcome]++
	if s.usage != nil {
		t.input += s.usage.Input
		t.output += s.usage.Output
		t.cost += price.Cost(s.usage.Input, s.usage.Output)
	}
	if outcome != bellwether.OK {
		return // fast failures are no latencies
	}
	if s.events > 0 {
		t.firstToken.Add(s.firstToken.Seconds())
	}
	if s.events > 1 {
		t.interToken.Add((s.lastToken - s.firstToken).Seconds() / float64(s.events-1))
	}
	t.total.Add(s.total.Seconds())
	if s.usage != nil {
		t.outputTokens.Add(float64(s.usage.Output))
	}
}

// take returns what was summed since the last take, as observations.
func (r *recorder) take(now time.Time) []bellwether.Observation {
	r.mu.Lock()
	sums, since := r.sums, r.since
	r.sums, r.since = map[sumKey]*sum{}, now
	r.mu.Unlock()
	out := make([]bellwether.Observation, 0, len(sums))
	for k, s := range sums {
		o := bellwether.Observation{
			ID: id.New(now), At: since.UTC(), Source: bellwether.SourceRouter, Vantage: r.vantage(),
			Target: k.target, Route: k.route, Window: max(0.001, now.Sub(since).Seconds()), SampleRate: 1,
			Counts: s.counts, Sketches: map[bellwether.Signal][]byte{}, CostUSD: s.cost,
			Tokens: &bellwether.Tokens{Input: s.input, Output: s.output},
		}
		for signal, sk := range map[bellwether.Signal]*sketch.Sketch{bellwether.FirstToken: s.firstToken,
			bellwether.InterToken: s.interToken, bellwether.Total: s.total, bellwether.OutputTokens: s.outputTokens} {
			if sk.Count() > 0 {
				o.Sketches[signal] = sk.Bytes()
			}
		}
		out = append(out, o)
	}
	return out
}

// vantage names the router as an observation's vantage: a slug, whatever the
// host is called.
func (r *recorder) vantage() string {
	slug := strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '.' || c == '-' || c == '_' {
			return c
		}
		return '-'
	}, strings.ToLower(r.name))
	return "router." + clip(slug, 80)
}

// report hands what was seen to the server, every so often, until ctx ends;
// then once more. What the server does not take waits, bounded.
func (rt *Router) report(ctx context.Context) error {
	tick := time.NewTicker(rt.cfg.ReportEvery.Std())
	defer tick.Stop()
	var unsent []bellwether.Observation
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			rt.send(last, append(unsent, rt.recorder.take(time.Now())...))
			return nil
		case now := <-tick.C:
			unsent = rt.send(ctx, append(unsent, rt.recorder.take(now)...))
		}
	}
}

// send returns what is still to be sent.
func (rt *Router) send(ctx context.Context, obs []bellwether.Observation) []bellwether.Observation {
	if over := len(obs) - maxUnsent; over > 0 {
		rt.metrics.unreported.Add(over)
		obs = obs[over:]
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for len(obs) > 0 {
		n := min(len(obs), maxBatch)
		if _, _, err := rt.follower.Observe(ctx, obs[:n]); err != nil {
			rt.log.Debug("server takes no observations; they wait", "waiting", len(obs), "err", err)
			return obs
		}
		obs = obs[n:]
	}
	return nil
}
