package scoring_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// TestOnlyTheCanaryThatAccusedAcquits has all canaries ramble, and all but one
// stop: the verdict stands for as long as the first
// rambles, and ends soon after.
func TestOnlyTheCanaryThatAccusedAcquits(t *testing.T) {
	t.Parallel()
	seeds := uint64(4)
	if raced {
		seeds = 1
	}
	for seed := range seeds {
		w := newWorld(t, 5*time.Second, nil)
		w.rng = rand.New(rand.NewPCG(seed, 5))
		w.canaries, w.ticks = []string{"capital", "sum", "count", "list", "sentence"}, -1
		ill, all := false, true
		w.fault = func(w *world, tgt bellwether.Target, o *bellwether.Observation) {
			switch {
			case o.Canary == "capital":
				o.Tokens.Output = pick(w.rng, .75, 1, 2)
			case o.Canary != "sentence":
				o.Tokens.Output = pick(w.rng, .9, 30, 31)
			}
			if ill && tgt.ID == us && (all || o.Canary == "sentence") {
				o.Tokens.Output *= 6
			}
		}
		w.run(time.Hour)
		if s := w.state(us); s != bellwether.Healthy {
			t.Fatalf("seed %d: %s before the fault: %+v", seed, s, w.assess(us).Reasons)
		}
		ill = true
		if !w.until(w.now.Add(5*time.Minute), func() bool { return w.state(us) == bellwether.Degraded }) {
			t.Errorf("seed %d: six times as long is not seen: %+v", seed, w.assess(us).Evidence)
			continue
		}
		if text := reasonText(w.assess(us).Reasons, "output_longer"); !strings.Contains(text, "times as long as usual") {
			t.Errorf("seed %d: two canaries share %q", seed, text)
		}
		w.run(30 * time.Second)
		all, w.changes = false, nil
		w.run(5 * time.Minute)
		for _, c := range w.changes {
			if c.Target == us && c.From != c.To {
				t.Errorf("seed %d: during the fault %s -> %s: %+v", seed, c.From, c.To, c.Reasons)
			}
		}
		ill = false
		if !w.until(w.now.Add(10*time.Minute), func() bool { return w.state(us) == bellwether.Healthy }) {
			t.Errorf("seed %d: %s ten minutes after: %+v", seed, w.state(us), w.assess(us).Evidence)
		}
	}
}
