package probes

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/conf"
	"github.com/bellwether-llm/bellwether/internal/sim"
	"github.com/bellwether-llm/bellwether/llm"
)

// bases are the base URLs' ends, by protocol.
var bases = map[llm.Protocol]string{llm.OpenAI: "/r/us/v1", llm.Responses: "/r/us/v1", llm.Azure: "/r/us", llm.Anthropic: "/r/us", llm.Gemini: "/r/us/v1beta"}

// simulated starts a provider and returns a job for it.
func simulated(t testing.TB, p llm.Protocol, faults ...sim.Fault) Job {
	s, err := sim.New(sim.Options{Seed: 1, Keys: []conf.Secret{testKey}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetFaults(faults); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	j := testJob(srv.URL + bases[p])
	j.Target.Protocol, j.Target.Model = p, "m?first_token=2ms&inter_token=1ms"
	return j
}

func TestEveryProtocolIsProbedStreamedAndPlain(t *testing.T) {
	for _, p := range llm.Protocols() {
		for _, streamed := range []bool{true, false} {
			j := simulated(t, p)
			j.Canary.Stream = &streamed
			o := newProber(t, Options{}).Probe(context.Background(), j)
			if o.Outcome != bellwether.OK || o.Tokens == nil || o.Tokens.Estimated || o.Tokens.Output == 0 || o.Finish != "stop" || o.CostUSD == 0 {
				t.Errorf("%s, streamed %v: %s (%s) %+v %+v", p, streamed, o.Outcome, o.Error, o.Tokens, o.Checks)
			}
			if (o.Timing.FirstToken > 0) != streamed || o.Timing.Total < 0.002 {
				t.Errorf("%s, streamed %v: timing = %+v", p, streamed, o.Timing)
			}
		}
	}
}

func TestEveryFaultHasItsOutcomeOverEveryProtocol(t *testing.T) {
	for kind, c := range map[sim.Kind]struct {
		value float64
		want  bellwether.Outcome
	}{
		sim.KindStatus:    {500, bellwether.ServerError},
		sim.KindRateLimit: {3, bellwether.RateLimited},
		sim.KindReset:     {1, bellwether.Truncated},
		sim.KindHang:      {0, bellwether.FirstTokenTimeout},
		sim.KindStall:     {1, bellwether.Stalled},
		sim.KindTruncate:  {1, bellwether.Truncated},
		sim.KindMalformed: {1, bellwether.Malformed},
		sim.KindNoDone:    {0, bellwether.OK},
		sim.KindVerbose:   {50, bellwether.BadOutput},
		sim.KindOffTopic:  {0, bellwether.BadOutput},
		sim.KindEmpty:     {0, bellwether.BadOutput},
		sim.KindRefuse:    {0, bellwether.Refusal},
	} {
		for _, p := range llm.Protocols() {
			t.Run(string(kind)+"/"+string(p), func(t *testing.T) {
				t.Parallel()
				j := simulated(t, p, sim.Fault{Kind: kind, Value: c.value})
				j.Canary.Prompt = "What is the capital of France? Answer in a short sentence."
				j.Canary.FirstTokenLimit, j.Canary.StallLimit = conf.Duration(150*time.Millisecond), conf.Duration(100*time.Millisecond)
				o := newProber(t, Options{}).Probe(context.Background(), j)
				if o.Outcome != c.want {
					t.Errorf("outcome = %s (%s, %q), want %s", o.Outcome, o.Error, o.Excerpt, c.want)
				}
			})
		}
	}
}

func TestWrongKeyIsTheAccountsFault(t *testing.T) {
	for _, p := range llm.Protocols() {
		j := simulated(t, p)
		j.Target.Endpoint.Key = "wrong-key"
		if o := newProber(t, Options{}).Probe(context.Background(), j); o.Outcome != bellwether.AuthError {
			t.Errorf("%s: %s (%s), want auth_error", p, o.Outcome, o.Error)
		}
	}
}
