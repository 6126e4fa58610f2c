package probes

import (
	"context"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/llm"
)

func TestHealthySimulatedModelPassesTheWholeLibraryAndEveryChallenge(t *testing.T) {
	canaries := map[string]Canary{}
	for _, e := range library() {
		canaries["library "+e.name] = Canary{Name: e.name, Use: e.name}.WithDefaults()
	}
	for _, c := range challenges() {
		canaries["challenge "+c.kind] = Canary{Name: c.kind, Challenge: c.kind}.WithDefaults()
	}
	for _, p := range llm.Protocols() {
		base := simulated(t, p)
		prober := newProber(t, Options{})
		for name, c := range canaries {
			rounds := 4
			if c.Challenge != "" {
				rounds = 12 // questions, each another one
			}
			for i := range rounds {
				j := base
				j.Canary, j.Target.Model = c, "m?first_token=0s&inter_token=0s"
				j.Canary.Nonce = i%2 == 1
				j.Due = time.Unix(int64(i), 0)
				if o := prober.Probe(context.Background(), j); o.Outcome != bellwether.OK {
					t.Errorf("%s over %s: %s (%s) %+v: %q", name, p, o.Outcome, o.Error, o.Checks, o.Excerpt)
				}
			}
		}
	}
}
