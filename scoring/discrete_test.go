package scoring_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/scoring"
)

// fewValued are answers whose lengths take a few values only, as those to
// "answer with one word" do.
var fewValued = []struct {
	name   string
	length func(rng *rand.Rand) int
}{
	{"one or two tokens", func(rng *rand.Rand) int { return pick(rng, .75, 1, 2) }},
	{"two or one tokens", func(rng *rand.Rand) int { return pick(rng, .25, 1, 2) }},
	{"always one token", func(*rand.Rand) int { return 1 }},
	{"always eight tokens", func(*rand.Rand) int { return 8 }},
	{"one, two or six tokens", func(rng *rand.Rand) int { return pick(rng, .6, 1, pick(rng, .5, 2, 6)) }},
	{"a word or a sentence", func(rng *rand.Rand) int { return pick(rng, .6, 2, 30) }},
	{"seldom twice as long", func(rng *rand.Rand) int { return pick(rng, .97, 12, 24) }},
	{"none or some", func(rng *rand.Rand) int { return pick(rng, .5, 0, 3) }},
}

func pick(rng *rand.Rand, p float64, a, b int) int {
	if rng.Float64() < p {
		return a
	}
	return b
}

// TestAnswersOfAFewLengthsAreCalmFromTheirFirstProbe: whatever few values a
// length takes, as long as it goes on taking them, nothing is said and traffic
// stays, from a cold start on, at the fastest probing and at an usual one.
func TestAnswersOfAFewLengthsAreCalmFromTheirFirstProbe(t *testing.T) {
	t.Parallel()
	for i, c := range fewValued {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			seeds, life := 4, time.Hour
			if raced {
				seeds = 1
			}
			probes, held, alarms, lowest, said := 0, 0, 0, 1.0, ""
			for seed := range seeds {
				w := newWorld(t, 5*time.Second, nil)
				w.rng = rand.New(rand.NewPCG(uint64(seed), uint64(i)))
				w.fault = func(w *world, _ bellwether.Target, o *bellwether.Observation) {
					o.Tokens.Output = c.length(w.rng)
					o.Timing.Total = o.Timing.FirstToken + o.Timing.InterToken*math.Max(0, float64(o.Tokens.Output-1))
				}
				w.ticks = -1
				w.until(w.now.Add(life), func() bool {
					if probes++; probes%7 != 0 {
						return false
					}
					for _, tgt := range w.config.Targets {
						tw, _ := w.engine.Assess(tgt.ID)
						if tw.Weight < .95 && len(tw.Reasons) == 0 {
							t.Errorf("%s at weight %v without a reason", tw.Target, tw.Weight)
						}
						if tw.Weight < .95 {
							held++
							lowest = min(lowest, tw.Weight)
						}
					}
					return false
				})
				alarms += w.alarms()
				for _, ch := range w.changes {
					if ch.To.Severity() > 0 {
						said += fmt.Sprintf("\n%s seed %d %s %+v", ch.At.Format("15:04:05"), seed, ch.Target, ch.Reasons)
					}
				}
			}
			all := float64(probes / 7 * 6)
			t.Logf("%.0f target-hours: %d alarms; weight below .95 for %.3f %% of the time, at least %.2f", float64(seeds*6)*life.Hours(), alarms, 100*float64(held)/all, lowest)
			if alarms > 0 {
				t.Errorf("%d alarms: %s", alarms, said)
			}
			if float64(held) > .005*all {
				t.Errorf("weight below .95 for %.2f %% of the time", 100*float64(held)/all)
			}
		})
	}
}

// TestLengthsThatChangeAreStillSeen: few values do not make the engine blind to
// answers that really become longer.
func TestLengthsThatChangeAreStillSeen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5*time.Second, func(c *scoring.Config) {})
	long := false
	w.fault = func(w *world, tgt bellwether.Target, o *bellwether.Observation) {
		o.Tokens.Output = pick(w.rng, .75, 1, 2)
		if long && tgt.ID == us {
			o.Tokens.Output *= 6
		}
	}
	w.ticks = -1
	w.run(20 * time.Minute)
	long = true
	clear(w.probes)
	if !w.until(w.now.Add(5*time.Minute), func() bool { return w.state(us) == bellwether.Degraded }) {
		t.Fatalf("answers six times as long: %+v", w.assess(us))
	}
	t.Logf("degraded after %d probes: %s", w.probes[us], w.assess(us).Reasons[0].Text)
}
