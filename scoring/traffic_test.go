package scoring_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/scoring"
)

// calls draws how many of n calls in a second fail.
type calls func(rng *rand.Rand, n int) int

// apart fail independently of each other.
func apart(p float64) calls {
	return func(rng *rand.Rand, n int) (bad int) {
		for range n {
			if rng.Float64() < p {
				bad++
			}
		}
		return bad
	}
}

// bursts fail in clusters of several seconds, in which half of the calls fail:
// on average the fraction p of all.
func bursts(p float64, length int) calls {
	left := 0
	return func(rng *rand.Rand, n int) (bad int) {
		if left == 0 && rng.Float64() < 2*p/float64(length) {
			left = 1 + rng.IntN(2*length-1)
		}
		if left == 0 {
			return 0
		}
		left--
		return apart(.5)(rng, n)
	}
}

// traffic feeds a second's window of every target for d, at 8 calls a second,
// with the probes that fall into it.
func (w *world) traffic(d time.Duration, c map[string]calls) {
	for end := w.now.Add(d); w.now.Before(end); {
		w.run(time.Second)
		for _, tgt := range w.config.Targets {
			if draw := c[tgt.ID]; draw != nil {
				w.window("router.one", tgt.ID, 8, draw(w.rng, 8))
			}
		}
	}
}

func (w *world) everywhere(c func() calls) map[string]calls {
	m := map[string]calls{}
	for _, tgt := range w.config.Targets {
		m[tgt.ID] = c()
	}
	return m
}

// alarms counts the verdicts that something is wrong.
func (w *world) alarms() (n int) {
	for _, ch := range w.changes {
		if ch.From.Severity() == 0 && ch.To.Severity() > 0 {
			n++
		}
	}
	return n
}

// TestFourPercentOfTrafficIsNoticedByARouterThatHasJustStarted is the demo's
// case: probes have known the target for a day, the router for ten seconds.
func TestFourPercentOfTrafficIsNoticedByARouterThatHasJustStarted(t *testing.T) {
	t.Parallel()
	runs := 40
	if raced {
		runs = 20
	}
	w := warm(t, 3*time.Second, nil)
	day, begin := w.now, w.engine
	sum, late, worst := 0.0, 0, 0.0
	for range runs {
		w.rewind(begin, day)
		w.traffic(10*time.Second, map[string]calls{us: apart(.0002)})
		n := 0
		w.fault = only(us, func(o *bellwether.Observation) {
			if n++; w.rng.Float64() < .04 {
				fails(o, bellwether.ServerError, 500)
			}
		})
		since := w.now
		for w.state(us).Severity() == 0 && w.now.Sub(since) < 5*time.Minute {
			w.traffic(time.Second, map[string]calls{us: apart(.04)})
		}
		took := w.now.Sub(since).Seconds()
		sum += took
		worst = math.Max(worst, took)
		if took > 75 {
			late++
		}
	}
	t.Logf("4 %% errors at 8 calls a second, known for ten seconds: noticed after %.0f s on average, %.0f s at worst, later than 75 s in %d of %d", sum/float64(runs), worst, late, runs)
	if sum/float64(runs) > 60 || late > runs/5 {
		t.Errorf("noticed after %.0f s on average, later than 75 s in %d of %d", sum/float64(runs), late, runs)
	}
}

// TestTrafficThatFailsMoreThanProbesKeepsTheBudget runs real traffic that fails
// 0.3 % of the time beside probes that hardly ever do: independently, and in
// bursts.
func TestTrafficThatFailsMoreThanProbesKeepsTheBudget(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		month float64 // budget
		spare float64 // alarms beyond it
		draw  func() calls
	}{
		{"independent failures", 30, 0, func() calls { return apart(.003) }},
		{"bursts of up to five seconds", 30, 0, func() calls { return bursts(.003, 3) }},
		// Ten seconds in which half of all calls fail are no mere burst: of
		// three hundred of them a few are told.
		{"bursts of up to eleven seconds", 1, 6, func() calls { return bursts(.003, 6) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			hours := 12
			if raced {
				hours = 1
			}
			w := warm(t, 15*time.Second, func(c *scoring.Config) { c.Policy.FalseAlarms = tc.month })
			w.ticks = -1
			draw := w.everywhere(tc.draw)
			w.traffic(time.Hour, draw)
			cold := w.alarms()
			w.changes = nil
			w.traffic(time.Duration(hours)*time.Hour, draw)
			budget := tc.month / 720 * float64(hours*len(w.config.Targets))
			t.Logf("%d false alarms in the first hour, %d in the next %d target-hours; the budget is %.1f", cold, w.alarms(), hours*len(w.config.Targets), budget)
			if n := float64(w.alarms()); n > budget+2*math.Sqrt(budget)+tc.spare {
				t.Errorf("%v false alarms, the budget is %.1f", n, budget)
			}
		})
	}
}

// TestAStreamThatIsNewRaisesFewAlarms starts many routers beside probes that
// hardly ever fail, with natural rates of real traffic that nobody knows yet.
func TestAStreamThatIsNewRaisesFewAlarms(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		draw func() calls
		most int
	}{
		{"0.3 % independently", func() calls { return apart(.003) }, 2},
		{"0.8 % independently", func() calls { return apart(.008) }, 6},
		{"0.3 % in bursts of three seconds", func() calls { return bursts(.003, 3) }, 6},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := warm(t, 15*time.Second, nil)
			day, begin := w.now, w.engine
			alarms, starts, rounds := 0, 0, 20
			if raced {
				rounds = 6
			}
			for range rounds {
				w.rewind(begin, day)
				w.ticks = -1
				w.traffic(10*time.Minute, w.everywhere(c.draw))
				alarms += w.alarms()
				starts += len(w.config.Targets)
			}
			t.Logf("%d alarms in the first ten minutes of %d streams", alarms, starts)
			if alarms > c.most {
				t.Errorf("%d alarms in the first ten minutes of %d streams, want at most %d", alarms, starts, c.most)
			}
		})
	}
}

func TestAnOutageOfTrafficIsSeenWithinSeconds(t *testing.T) {
	t.Parallel()
	w := warm(t, 15*time.Second, nil)
	w.fault = only("nobody", nil)
	w.traffic(time.Minute, map[string]calls{us: apart(.003)})
	w.fault = only(us, func(o *bellwether.Observation) { fails(o, bellwether.ServerError, 500) })
	since := w.now
	for w.state(us) != bellwether.Down && w.now.Sub(since) < time.Minute {
		w.traffic(time.Second, map[string]calls{us: apart(1)})
	}
	t.Logf("an outage at 8 calls a second is down after %v", w.now.Sub(since))
	if w.now.Sub(since) > 12*time.Second {
		t.Errorf("down after %v", w.now.Sub(since))
	}
}

// TestFiveSecondsOfFailingTrafficAreABurstAndNineAnOutage asks traffic alone,
// however much of it there is.
func TestFiveSecondsOfFailingTrafficAreABurstAndNineAnOutage(t *testing.T) {
	t.Parallel()
	for _, n := range []int{8, 500} {
		w := warm(t, 15*time.Second, nil)
		w.fault = only("nobody", nil)
		w.traffic(10*time.Minute, map[string]calls{us: apart(.003)})
		w.changes = nil
		for second := 1; second <= 9; second++ {
			w.window("router.one", us, n, n)
			w.now = w.now.Add(time.Second)
			if s := w.state(us); second <= 5 && s != bellwether.Healthy || second == 9 && s != bellwether.Down {
				t.Errorf("%d calls a second fail for %d s: %s", n, second, s)
			}
		}
	}
}

// TestAStreamThatAlwaysFailedALittleIsAsItIs starts routers whose real prompts
// fail far more often than the canaries do, from their first call on.
func TestAStreamThatAlwaysFailedALittleIsAsItIs(t *testing.T) {
	t.Parallel()
	hours, rates := 2, []float64{.05, .02}
	if raced {
		hours, rates = 1, rates[:1]
	}
	for _, p := range rates {
		w := warm(t, 15*time.Second, nil)
		w.ticks = -1
		w.traffic(time.Duration(hours)*time.Hour, w.everywhere(func() calls { return apart(p) }))
		began := w.alarms()
		ill := 0
		for _, tgt := range w.config.Targets {
			if w.state(tgt.ID).Severity() > 0 {
				ill++
			}
		}
		t.Logf("%v of the calls fail from the start: %d alarms at %d streams, %d ill in the end", p, began, len(w.config.Targets), ill)
		if began > 4 || ill > 2 {
			t.Errorf("%v of the calls fail from the start: %d alarms, %d ill in the end", p, began, ill)
		}
		w.changes = nil
		w.traffic(5*time.Minute, map[string]calls{"gemini-eu": apart(.3)})
		if s := w.state("gemini-eu"); s.Severity() == 0 {
			t.Errorf("when 30 %% fail where %v did: %s", p, s)
		}
	}
}
