package router

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestNoSixtySecondsHoldMoreThanTheLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 300).Draw(t, "limit")
		var r rate
		r.set(float64(limit))
		var passed []int64
		now := int64(1)
		for range rapid.IntRange(1, 400).Draw(t, "requests") {
			now += int64(rapid.IntRange(0, 2000).Draw(t, "pause")) * int64(time.Millisecond)
			at := r.free(now, 1)
			if ok := r.take(now, 1); ok != (at == 0) {
				t.Fatalf("take = %v, but free = %v", ok, at)
			} else if ok {
				passed = append(passed, now)
			}
		}
		from := 0
		for i := range passed {
			for passed[i]-passed[from] >= int64(time.Minute) {
				from++
			}
			if i-from+1 > limit {
				t.Fatalf("%d passed within a minute, want at most %d", i-from+1, limit)
			}
		}
	})
}

func TestALimitIsUsedUp(t *testing.T) {
	for _, limit := range []int{1, 5, 60, 600} {
		var r rate
		r.set(float64(limit))
		n := 0
		for now := int64(1); now < 10*int64(time.Minute); now += int64(5 * time.Millisecond) {
			if r.take(now, 1) {
				n++
			}
		}
		if least := 10*limit - 2*limit - 1; n < least || n > 10*limit+limit/rateBurst+1 {
			t.Errorf("a limit of %d let %d pass in ten minutes", limit, n)
		}
	}
}

func TestTokensThatWereNotUsedComeBack(t *testing.T) {
	var r rate
	r.set(6000) // 1000 at once
	if !r.take(1, 1000) || r.take(2, 100) {
		t.Fatal("the burst is not a sixth of the limit")
	}
	r.give(900)
	if !r.take(3, 800) {
		t.Error("what was given back cannot be taken")
	}
	r = rate{}
	r.set(6000)
	if !r.take(1, 5000) { // larger than any burst, and the first
		t.Error("a large request never passes")
	}
	if at := r.free(2, 1000); at < int64(40*time.Second) {
		t.Errorf("after it the next may pass at %v", time.Duration(at))
	}
}

func TestTheRetryBudgetIsAShareOfAllRequests(t *testing.T) {
	b := newBudget(.2)
	spent := 0
	for i := range 100_000 { // 1,000 requests a second, each wants two more attempts
		now := int64(i) * int64(time.Millisecond)
		b.deposit()
		for range 2 {
			if b.spend(now) {
				spent++
			}
		}
	}
	if want := 100_000 / 5; spent < want-100 || spent > want+10*100+100 {
		t.Errorf("%d extra attempts for 100,000 requests, want a fifth", spent)
	}
	b = newBudget(.2)
	for range 1000 {
		b.deposit()
		b.spend(1)
	}
	if got := b.tokens.Load(); got >= 1000 {
		t.Errorf("%d left", got)
	}
	if !b.spend(int64(time.Second)) {
		t.Error("a second later nothing is allowed: ten a second are, whatever the traffic")
	}
}
