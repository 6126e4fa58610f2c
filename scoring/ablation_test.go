package scoring_test

import (
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/scoring"
)

// TestEveryAblationLeavesSomethingOut holds that each part, left out, changes
// when a mild slowdown becomes a verdict, and that without the need of a witness
// it does not come later.
func TestEveryAblationLeavesSomethingOut(t *testing.T) {
	told := func(a scoring.Ablation, first, inter float64) time.Duration {
		w := newWorld(t, 30*time.Second, func(c *scoring.Config) { c.Ablation, c.Targets, c.Routes = a, fleet()[:1], nil })
		mood := 0.0
		w.noise = func(string) float64 {
			mood = .6*mood + .8*w.rng.NormFloat64()
			return mood
		}
		w.run(26 * time.Hour)
		w.fault = func(_ *world, _ bellwether.Target, o *bellwether.Observation) { slower(o, first, inter) }
		w.changes = nil
		begin := w.now
		w.run(12 * time.Hour)
		for _, c := range w.changes {
			if c.To.Severity() > 0 {
				return c.At.Sub(begin)
			}
		}
		return w.now.Sub(begin)
	}
	for _, c := range []struct {
		name         string
		part         scoring.Ablation
		first, inter float64
	}{{"whitening", scoring.NoWhitening, 1.5, 1}, {"quarantine", scoring.NoQuarantine, 1.4, 1}, {"a witness", scoring.NoWitness, 1.5, 1}, {"the joint hypothesis", scoring.NoJoint, 1.25, 1.12}} {
		whole, less := told(0, c.first, c.inter), told(c.part, c.first, c.inter)
		t.Logf("with %s after %v, without after %v", c.name, whole, less)
		if whole == less {
			t.Errorf("%s makes no difference", c.name)
		}
		if c.part == scoring.NoWitness && less > whole+5*time.Minute { // the two see other noise
			t.Errorf("a verdict without a witness comes %v later", less-whole)
		}
	}
}
