package router

import (
	"testing"
	"time"
)

func TestALimitIsLearnedFromRefusalsAndForgottenWhenItDoesNotBind(t *testing.T) {
	const real = 300 // requests a minute that the provider takes, and says nothing about
	s := &slot{cred: &credential{}}
	var provider rate
	provider.set(real)
	passed, refused := 0, 0
	run := func(from, seconds int64, every time.Duration) {
		passed, refused = 0, 0
		for now := from; now < from+seconds*second; now += int64(every) {
			if s.free(now, 1) != 0 || !s.take(now, 1) {
				continue
			}
			if provider.take(now, 1) {
				passed++
				s.used(now)
			} else {
				refused++
				s.refused(now, 0)
			}
			s.cred.gauge.inFlight.Add(-1)
		}
	}
	run(second, 600, 100*time.Millisecond) // twice the limit, ten minutes
	if passed < real*10*6/10 || refused > 120 {
		t.Errorf("of 6,000 offered %d passed and %d were refused; want most of 3,000 and few refusals", passed, refused)
	}
	if s.limit == 0 || s.limit > 1.3*real {
		t.Errorf("learned a limit of %v a minute, of %d", s.limit, real)
	}
	provider.set(0) // a larger plan
	run(601*second, 300, 100*time.Millisecond)
	if s.limit != 0 && s.limit < 1000 || refused != 0 {
		t.Errorf("five minutes without a refusal leave a limit of %v", s.limit)
	}
}

func TestARefusalWithATimeRestsTheKeyJustSoLong(t *testing.T) {
	s := &slot{cred: &credential{}}
	s.refused(second, 5*time.Second)
	if at := s.free(2*second, 1); at != 6*second {
		t.Errorf("free at %d s, want 6", at/second)
	}
	s.refused(2*second, time.Second) // an answer that was on its way says less
	if at := s.free(3*second, 1); at != 6*second {
		t.Errorf("free at %d s, want still 6", at/second)
	}
	if s.free(6*second, 1) != 0 {
		t.Error("not free when the time is over")
	}
}

func TestARefusedKeyIsTriedAgainLaterAndLater(t *testing.T) {
	c := &credential{}
	now := second
	last := time.Duration(0)
	for i := range 8 {
		d := c.refuse(now)
		if d < keyOut || d > mostKeyOut*5/4 || d < last && last < mostKeyOut {
			t.Errorf("refusal %d: out for %v after %v", i, d, last)
		}
		if c.refuse(now+1) != 0 {
			t.Error("what others have said is said again")
		}
		last = d
		now += int64(d)
	}
	if last < mostKeyOut {
		t.Errorf("after eight refusals it is out for %v, want an hour", last)
	}
	c.served()
	if c.out.Load() != 0 || c.refuse(now) > 2*keyOut {
		t.Error("a key that serves again has a past")
	}
}

func TestKeysAndWhatWasLearnedOutliveAReload(t *testing.T) {
	target := func(id, base string, keys ...Key) Target {
		tg := Target{Protocol: "openai", Keys: keys}
		tg.ID, tg.Provider, tg.Endpoint.BaseURL = id, "p", base
		return tg
	}
	one, two, three := Key{Key: "key-1"}, Key{Key: "key-2"}, Key{Key: "key-3"}
	a, b := target("a", "http://x", one, two), target("b", "http://x", one, two)
	old, err := ready(Setup{Targets: []Target{a, b}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if old.ups["a"].slots[0].cred != old.ups["b"].slots[0].cred || old.ups["a"].slots[0] == old.ups["b"].slots[0] {
		t.Error("a key is one for all targets, its limits are each target's own")
	}
	a, b = target("a", "http://x", two, three), target("b", "http://elsewhere", one, two)
	now, err := ready(Setup{Targets: []Target{a, b}}, old)
	if err != nil {
		t.Fatal(err)
	}
	if now.ups["a"].state != old.ups["a"].state || now.ups["a"].slots[0] != old.ups["a"].slots[1] {
		t.Error("a reload forgot a target that stayed")
	}
	if now.ups["b"].state == old.ups["b"].state || now.ups["b"].slots[0].cred == old.ups["b"].slots[0].cred {
		t.Error("a target elsewhere has another's past")
	}
}
