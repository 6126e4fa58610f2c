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

// lost fails o before HTTP, with what the prober's controls said at that moment.
func lost(o *bellwether.Observation, answered, failed float64) {
	fails(o, bellwether.ConnectError, 0)
	o.Signals = map[bellwether.Signal]float64{"controls.answered": answered, "controls.failed": failed}
}

func TestControlsThatAnswerLeaveAnOutageOfAllProvidersToThem(t *testing.T) {
	t.Parallel()
	w := warm(t, 5*time.Second, nil)
	w.fault = func(_ *world, _ bellwether.Target, o *bellwether.Observation) { lost(o, 2, 0) }
	w.run(90 * time.Second)
	for _, tgt := range w.config.Targets {
		if a := w.assess(tgt.ID); a.State != bellwether.Down || a.Cause == bellwether.CauseVantage {
			t.Errorf("%s, though controls answer: %s, cause %s", tgt.ID, a.State, a.Cause)
		}
	}
	if m := w.routes["chat"].Mode; m == bellwether.ModeFrozen {
		t.Error("weights are frozen though controls answer")
	}
}

func TestControlsThatAnswerInPartVouchForNothing(t *testing.T) {
	t.Parallel()
	w := warm(t, 5*time.Second, nil)
	n := 0
	w.fault = func(_ *world, _ bellwether.Target, o *bellwether.Observation) {
		if n++; n%2 == 0 {
			lost(o, 1, 1)
		} else {
			lost(o, 2, 0)
		}
	}
	w.run(5 * time.Minute)
	for _, tgt := range w.config.Targets {
		if a := w.assess(tgt.ID); a.State.Severity() > 0 || a.Cause != bellwether.CauseVantage {
			t.Errorf("%s, though half of the controls fail: %s, cause %s", tgt.ID, a.State, a.Cause)
		}
	}
}
