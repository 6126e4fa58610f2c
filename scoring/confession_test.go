package scoring_test

import (
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// doubted fails o as seen from a place that doubts itself.
func doubted(o *bellwether.Observation, out bellwether.Outcome, status int, why string) {
	fails(o, out, status)
	o.Doubtful = why
}

func TestWhatAProberThatIsOfflineSeesFreezesInsteadOfCounting(t *testing.T) {
	t.Parallel()
	for _, why := range []string{"controls", "dns", "fds"} {
		// One target alone fails: without its word, the prober would be believed.
		w := warm(t, 3*time.Second, nil)
		w.fault = only(us, func(o *bellwether.Observation) { doubted(o, bellwether.Timeout, 0, why) })
		w.run(2 * time.Minute)
		if a := w.assess(us); a.State.Severity() > 0 || a.Weight != 1 {
			t.Errorf("%s: a target is blamed for its vantage: %+v", why, a)
		}
		w.fault = func(_ *world, _ bellwether.Target, o *bellwether.Observation) {
			doubted(o, bellwether.ConnectError, 0, why)
		}
		w.run(10 * time.Minute)
		for _, tgt := range w.config.Targets {
			if a := w.assess(tgt.ID); a.Cause != bellwether.CauseVantage || a.State.Severity() > 0 || a.Weight != 1 {
				t.Errorf("%s: %s while the prober is offline: %+v", why, tgt.ID, a)
			}
		}
		if m := w.routes["chat"].Mode; m != bellwether.ModeFrozen {
			t.Errorf("%s: mode = %s, want frozen", why, m)
		}
		w.fault = only("nobody", nil)
		w.run(20 * time.Second)
		if m := w.routes["chat"].Mode; m != bellwether.ModeNormal {
			t.Errorf("%s: mode after it = %s, want normal", why, m)
		}
	}
}

func TestAnErrorSeenThroughADoubtedClockOrPauseDoesNotCount(t *testing.T) {
	t.Parallel()
	for _, why := range []string{"clock", "pause", "controls"} {
		w := warm(t, 3*time.Second, nil)
		w.fault = only(us, func(o *bellwether.Observation) { doubted(o, bellwether.ServerError, 503, why) })
		w.run(5 * time.Minute)
		if a := w.assess(us); a.State.Severity() > 0 || w.routes["chat"].Mode != bellwether.ModeNormal {
			t.Errorf("%s: %+v, mode %s", why, a, w.routes["chat"].Mode)
		}
	}
}

func TestTimingDoubtsLeaveErrorsCounting(t *testing.T) {
	t.Parallel()
	for _, why := range []string{"gc", "lag", ""} {
		w := warm(t, 3*time.Second, nil)
		w.fault = only(us, func(o *bellwether.Observation) { doubted(o, bellwether.ServerError, 503, why) })
		w.run(2 * time.Minute)
		if a := w.assess(us); a.State != bellwether.Down {
			t.Errorf("%q hides an outage: %+v", why, a)
		}
	}
}
