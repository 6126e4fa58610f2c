package router

import (
	"math"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
)

const second = int64(time.Second)

// usual is a breaker's policy by default.
func usual() *BreakerConfig {
	c := BreakerConfig{}.withDefaults()
	return &c
}

// fail makes b learn n failures at now.
func (b *breaker) fail(c *BreakerConfig, now int64, n int) {
	for range n {
		b.learn(c, now, b.turn.Load(), false, ill)
	}
}

func TestABreakerOpensAfterFailuresInARowOrHalfOfAll(t *testing.T) {
	c := usual()
	b := &breaker{}
	b.fail(c, second, 4)
	for range 10 {
		b.learn(c, second, 0, false, well)
	}
	b.fail(c, second, 4)
	if b.asks(c, second, 0) != passing {
		t.Error("open after four failures in a row, want five")
	}
	b = &breaker{}
	b.fail(c, second, 5)
	if b.asks(c, second, 0) != barred {
		t.Error("closed after five failures in a row")
	}
	b = &breaker{}
	for i := range 200 {
		if b.asks(c, second, 0) == barred {
			break
		}
		b.learn(c, second+int64(i), 0, false, []lesson{ill, well, ill, well, ill}[i%5])
	}
	if b.asks(c, second, 0) != barred {
		t.Error("closed although three of five calls failed")
	}
	b = &breaker{}
	for i := range 1000 {
		b.learn(c, second+int64(i), 0, false, []lesson{well, well, ill}[i%3])
	}
	if b.asks(c, second, 0) != passing {
		t.Error("open although two of three calls went well")
	}
}

func TestAnOutageIsNotForgottenAtTheTurnOfAMinute(t *testing.T) {
	c := usual()
	for offset := range 60 { // wherever in the minute it begins
		b, now := &breaker{}, int64(offset)*second
		for i := 0; b.asks(c, now, 0) == passing; i++ {
			if i > 12 {
				t.Fatalf("begun at second %d: %d failures, one a second among as many successes, did not open it", offset, i)
			}
			now += second / 2
			b.learn(c, now, 0, false, well)
			now += second / 2
			b.learn(c, now, 0, false, ill)
			b.learn(c, now, 0, false, ill)
		}
	}
}

func TestOneTrialAtATimeWhateverTheRate(t *testing.T) {
	c := usual()
	b := &breaker{}
	b.fail(c, second, 5)
	trials, now, open := 0, second, b.until()
	for range 200 * 60 { // 200 requests a second for a minute; a trial takes 50 ms and fails
		now += second / 200
		switch b.asks(c, now, 0) {
		case passing:
			t.Fatal("a request passed a dead target's breaker")
		case trialDue:
			if now < open {
				t.Fatal("a trial before its time")
			}
			if !b.trial.CompareAndSwap(false, true) {
				t.Fatal("a trial is due while another is under way")
			}
			trials++
			for range 9 {
				if now += second / 200; b.asks(c, now, 0) != barred {
					t.Fatal("a second request passes while the trial is under way")
				}
			}
			b.learn(c, now, b.turn.Load(), true, ill)
			open = b.until()
		}
	}
	if trials < 4 || trials > 9 { // after 1, 2, 4, 8, 10, 10 s ..., and up to half more
		t.Errorf("%d trials in a minute, want a few: the cooldown doubles", trials)
	}
}

func TestATrialThatSaysNothingLeavesTheWayToTheNext(t *testing.T) {
	c := usual()
	b := &breaker{}
	b.fail(c, second, 5)
	now := b.until()
	b.trial.Store(true)
	b.learn(c, now, b.turn.Load(), true, nothing) // its caller went away
	if b.asks(c, now, 0) != trialDue {
		t.Error("no further trial")
	}
}

func TestRecoveryRampsAndASecondFailureOpensAtOnce(t *testing.T) {
	c := usual()
	recovered := func() (*breaker, int64) {
		b := &breaker{}
		b.fail(c, second, 5)
		now := b.until()
		b.trial.Store(true)
		if !b.learn(c, now, b.turn.Load(), true, well) {
			t.Fatal("the trial's success changed nothing")
		}
		return b, now
	}
	b, start := recovered()
	last := 0.0
	for s := range 25 {
		passed := 0
		for u := range 1000 {
			if b.asks(c, start+int64(s)*second, float64(u)/1000) == passing {
				passed++
			}
		}
		part := float64(passed) / 1000
		if want := min(1, .1+.9*float64(s)/20); math.Abs(part-want) > .002 || part < last {
			t.Errorf("after %d s %v of the requests pass, want %v", s, part, want)
		}
		last = part
	}
	b, start = recovered()
	b.fail(c, start+second, 2)
	if b.asks(c, start+second, 0) != barred {
		t.Error("two failures during the ramp left it open for traffic")
	}
	if again := b.until() - start - second; again < 2*second {
		t.Errorf("the second time it is left alone for %v, want longer than the first", time.Duration(again))
	}
	b, start = recovered()
	b.learn(c, start+21*second, b.turn.Load(), false, well)
	b.fail(c, start+22*second, 4)
	if b.asks(c, start+22*second, 0) != passing {
		t.Error("when the ramp is over, four failures opened it")
	}
}

func TestTargetsThatFailTogetherDoNotComeBackTogether(t *testing.T) {
	c := usual()
	seen := map[int64]bool{}
	for range 20 {
		b := &breaker{}
		b.fail(c, second, 5)
		d := b.until() - second
		if d < second || d > second*3/2 {
			t.Errorf("left alone for %v, want 1 s and up to half of it more", time.Duration(d))
		}
		seen[d/1e6] = true
	}
	if len(seen) < 10 {
		t.Errorf("20 breakers that opened together are due in %d different milliseconds", len(seen))
	}
}

func TestWhatBeganBeforeTheBreakerTurnedSaysNothing(t *testing.T) {
	c := usual()
	b := &breaker{}
	old := b.turn.Load()
	b.fail(c, second, 5)
	now := b.until()
	b.trial.Store(true)
	b.learn(c, now, b.turn.Load(), true, well)
	for range 100 { // streams of the time before the outage stall one by one
		b.learn(c, now+second, old, false, ill)
	}
	if b.asks(c, now+20*second, .99) != passing {
		t.Error("late failures of calls from before opened it again")
	}
	b = &breaker{}
	b.fail(c, second, 5)
	b.learn(c, second+1, old, false, well)
	if b.asks(c, second+2, 0) != barred {
		t.Error("a late success of a call from before closed it")
	}
}

func TestWhatOutcomesTeach(t *testing.T) {
	for o, want := range map[bellwether.Outcome]lesson{
		bellwether.OK: well, bellwether.ClientError: well, bellwether.Canceled: nothing, bellwether.RateLimited: nothing, bellwether.AuthError: nothing,
		bellwether.ServerError: ill, bellwether.Overloaded: ill, bellwether.FirstTokenTimeout: ill, bellwether.Stalled: ill, bellwether.Truncated: ill,
		bellwether.Gone: ill, bellwether.ConnectError: ill, bellwether.Malformed: ill,
	} {
		if got := lessonOf(o); got != want {
			t.Errorf("lessonOf(%s) = %v, want %v", o, got, want)
		}
	}
}
