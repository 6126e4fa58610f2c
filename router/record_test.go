package router

import (
	"math"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/sketch"
	"github.com/bellwether-llm/bellwether/llm"
)

// quantile reads a signal of a summary: how many values, and their median.
func quantile(t *testing.T, o bellwether.Observation, s bellwether.Signal) (n, median float64) {
	t.Helper()
	b, ok := o.Sketches[s]
	if !ok {
		return 0, 0
	}
	sk, err := sketch.Parse(b)
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return sk.Count(), sk.Quantile(.5)
}

func TestASummaryHoldsWhatItsCallsSaw(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	stream := seen{streamed: true, firstToken: time.Second, lastToken: 3 * time.Second, events: 11, total: 4 * time.Second, usage: &llm.Usage{Input: 100, Output: 50, Cached: 10, Reasoning: 5}}
	answer := seen{total: 8 * time.Second, usage: &llm.Usage{Input: 10, Output: 200}}
	price := bellwether.Price{Input: 1e6, Output: 2e6} // a dollar a token
	r := newRecorder("Host.Example")
	k := sumKey{"gpt", "chat"}
	for range 3 {
		r.add(at, k, price, bellwether.OK, stream)
	}
	r.add(at, k, price, bellwether.OK, answer)
	r.add(at, k, price, bellwether.ServerError, seen{total: time.Millisecond})
	r.add(at, k, price, bellwether.RateLimited, seen{streamed: true, total: time.Millisecond})
	r.add(at, k, price, bellwether.Canceled, seen{streamed: true, firstToken: 9 * time.Second, events: 1, total: 10 * time.Second, usage: &llm.Usage{Input: 7}})
	r.add(at, sumKey{"gpt", "other"}, price, bellwether.OK, answer)
	obs, lost := r.take(at.Add(30 * time.Second))
	if len(obs) != 2 || lost != 0 {
		t.Fatalf("%d summaries, %d lost, want one a route", len(obs), lost)
	}
	o := obs[0]
	if o.Route != "chat" {
		o = obs[1]
	}
	for outcome, n := range map[bellwether.Outcome]int{bellwether.OK: 4, bellwether.ServerError: 1, bellwether.RateLimited: 1, bellwether.Canceled: 1} {
		if o.Counts[outcome] != n {
			t.Errorf("%s = %d, want %d", outcome, o.Counts[outcome], n)
		}
	}
	for signal, want := range map[bellwether.Signal][2]float64{
		bellwether.FirstToken: {3, 1}, bellwether.InterToken: {3, .2}, bellwether.Total: {1, 8}, bellwether.OutputTokens: {4, 50},
	} {
		if n, median := quantile(t, o, signal); n != want[0] || math.Abs(median-want[1]) > .01*want[1] {
			t.Errorf("%s: %v values, median %v, want %v", signal, n, median, want)
		}
	}
	if *o.Tokens != (bellwether.Tokens{Input: 317, Output: 350, Cached: 30, Reasoning: 15}) || o.CostUSD != 317+2*350 {
		t.Errorf("tokens %+v, cost %v", *o.Tokens, o.CostUSD)
	}
	if o.Window != 30 || !o.At.Equal(at) || o.Vantage != "router.host.example" || o.SampleRate != 1 {
		t.Errorf("summary = %+v", o)
	}
	if obs, _ := r.take(at.Add(time.Minute)); len(obs) != 0 {
		t.Errorf("taken twice: %+v", obs)
	}
}

func TestTimeoutsCountAsAtLeastTheirLimit(t *testing.T) {
	at := time.Now()
	for outcome, tc := range map[bellwether.Outcome]struct {
		s      seen
		signal bellwether.Signal
		want   float64
	}{
		bellwether.FirstTokenTimeout: {seen{streamed: true, total: 20 * time.Second}, bellwether.FirstToken, 20},
		bellwether.Stalled:           {seen{streamed: true, firstToken: time.Second, lastToken: 2 * time.Second, events: 2, total: 17 * time.Second}, bellwether.InterToken, 15},
		bellwether.Timeout:           {seen{total: 30 * time.Second}, bellwether.Total, 30},
	} {
		r := newRecorder("")
		r.add(at, sumKey{"gpt", ""}, bellwether.Price{}, outcome, tc.s)
		obs, _ := r.take(at)
		if n, v := quantile(t, obs[0], tc.signal); n != 1 || math.Abs(v-tc.want) > .01*tc.want {
			t.Errorf("%s: %s has %v values, median %v, want %v", outcome, tc.signal, n, v, tc.want)
		}
		if n, _ := quantile(t, obs[0], bellwether.Total); tc.s.streamed && n != 0 {
			t.Errorf("%s: a stream has a total", outcome)
		}
	}
}

func TestNoSummaryCoversMoreThanAMinute(t *testing.T) {
	at := time.Now()
	r := newRecorder("x")
	for i := range 10 * 60 {
		r.add(at.Add(time.Duration(i)*time.Second), sumKey{"gpt", "chat"}, bellwether.Price{}, bellwether.OK, seen{total: time.Second})
	}
	obs, lost := r.take(at.Add(24 * time.Hour))
	n := 0
	for _, o := range obs {
		n += o.Counts[bellwether.OK]
		if o.Window > maxWindow.Seconds() {
			t.Errorf("a window of %v s", o.Window)
		}
	}
	if len(obs) != 10 || n != 600 || lost != 0 {
		t.Errorf("%d summaries of %d calls, want 10 of 600", len(obs), n)
	}
	for i := range maxUnsent + 7 {
		r.add(at.Add(time.Duration(i)*time.Minute), sumKey{"gpt", "chat"}, bellwether.Price{}, bellwether.OK, seen{})
	}
	if obs, lost := r.take(at); len(obs) != maxUnsent || lost != 7 {
		t.Errorf("nobody took them: %d kept, %d lost, want %d and 7", len(obs), lost, maxUnsent)
	}
}

func TestWhatAProviderSaysThatItUsedIsBounded(t *testing.T) {
	r := newRecorder("x")
	r.add(time.Now(), sumKey{"gpt", ""}, bellwether.Price{Output: 1}, bellwether.OK, seen{usage: &llm.Usage{Input: -5, Output: math.MaxInt}})
	obs, _ := r.take(time.Now())
	if got := *obs[0].Tokens; got.Input != 0 || got.Output != 1e7 {
		t.Errorf("tokens = %+v", got)
	}
}

func TestAVantageIsASlugWhateverTheHostIsCalled(t *testing.T) {
	long := make([]byte, 300)
	for i := range long {
		long[i] = 'A'
	}
	for _, name := range []string{"", "host", "Émile's Mac \u4e16.local", string(long), "\xff"} {
		if v := vantage(name); !bellwether.ValidID(v) {
			t.Errorf("vantage(%q) = %q", name, v)
		}
	}
}
