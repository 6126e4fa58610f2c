package router

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellwether-llm/bellwether"
)

func TestAFirstTokenLimitIsLearnedAndKnowsItsBounds(t *testing.T) {
	var p pace
	if got := p.limit(1, 0, 20*time.Second); got != 20*time.Second {
		t.Errorf("knowing nothing it is %v", got)
	}
	for i := range 200 {
		p.add(int64(i)*second, time.Second)
	}
	now := 200 * second
	if got := p.limit(now, 0, 20*time.Second); got < 2900*time.Millisecond || got > 3100*time.Millisecond {
		t.Errorf("of a target that usually takes 1 s the limit is %v, want three times that", got)
	}
	if got := p.limit(now, 10_000, 20*time.Second); got < 7900*time.Millisecond || got > 8100*time.Millisecond {
		t.Errorf("with a prompt of 10,000 tokens it is %v, want 5 s more", got)
	}
	if got := p.limit(now, 1_000_000, 20*time.Second); got != 20*time.Second {
		t.Errorf("with a huge prompt it is %v, want the usual bound", got)
	}
	if got := p.limit(now+11*60*second, 0, 20*time.Second); got != 20*time.Second {
		t.Errorf("eleven minutes later it is %v: what was learned is out of date", got)
	}
}

// A window that only answers feed freezes once the limit cuts all of them off.
func TestATargetThatBecameSlowerIsLearnedAnew(t *testing.T) {
	var p pace
	now := int64(1)
	for range 500 {
		now += second
		p.add(now, 500*time.Millisecond)
	}
	const slow = 9 * time.Second // eighteen times slower from now on
	for i := 0; ; i++ {
		limit := p.limit(now, 0, 20*time.Second)
		if slow <= limit {
			if i > 60 {
				t.Errorf("learned only after %d timeouts", i)
			}
			return
		}
		if i > 500 {
			t.Fatalf("it is cut off for ever at %v", limit)
		}
		now += second
		p.add(now, limit) // as a first-token timeout does
	}
}

// probing is a server that also says what is usual.
type probing struct{ *server }

func (probing) Usual(context.Context) (map[string]bellwether.Usual, error) {
	return map[string]bellwether.Usual{"t0": {Signal: bellwether.FirstToken, P95: 1.5}, "t1": {P95: math.Inf(1)}, "gone": {P95: 1}}, nil
}

func TestAFirstTokenLimitIsLearnedFromTheServersProbesToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		setup, _ := tiers(.05, 1, 1)
		for i := range setup.Targets {
			setup.Targets[i].Protocol = "openai"
		}
		rt, err := New(Config{}, setup, Options{Follower: probing{newServer()}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- rt.Run(ctx) }()
		synctest.Wait()
		ups := rt.setup.Load().ups
		if got := ups["t0"].pace.limit(rt.now(), 0, 20*time.Second); got != 7500*time.Millisecond {
			t.Errorf("with a published 95th percentile of 1.5 s the limit is %v, want 7.5 s", got)
		}
		if got := ups["t1"].pace.limit(rt.now(), 0, 20*time.Second); got != 20*time.Second {
			t.Errorf("with nothing sensible published it is %v", got)
		}
		for range 64 {
			ups["t0"].pace.add(rt.now(), time.Second)
		}
		if got := ups["t0"].pace.limit(rt.now(), 0, 20*time.Second); got > 3100*time.Millisecond {
			t.Errorf("with traffic of its own it is %v, want what that says", got)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// teachOne lets a router learn one attempt.
func teachOne(t *testing.T, up *upstream, rt *Router, outcome bellwether.Outcome, s seen) {
	t.Helper()
	x := &exchange{rt: rt}
	a := &attempt{x: x, up: up, seen: s}
	a.seen.streamed = true
	x.pace(a, outcome, rt.now())
}

func TestErrorsNeverCountAsFastAndTimeoutsCountAsSlow(t *testing.T) {
	_, ups := tiers(0, 1)
	up := ups["t0"]
	rt := &Router{started: time.Now()}
	for range 100 {
		teachOne(t, up, rt, bellwether.OK, seen{events: 5, firstToken: time.Second})
	}
	before, _ := up.pace.known(rt.now())
	for range 10_000 {
		teachOne(t, up, rt, bellwether.ServerError, seen{total: time.Millisecond})
		teachOne(t, up, rt, bellwether.RateLimited, seen{total: time.Millisecond})
		teachOne(t, up, rt, bellwether.Overloaded, seen{total: time.Millisecond})
	}
	if after, _ := up.pace.known(rt.now()); after != before || after == 0 {
		t.Errorf("fast errors moved the usual first token from %v to %v", before, after)
	}
	for range 20 {
		teachOne(t, up, rt, bellwether.FirstTokenTimeout, seen{total: 8 * time.Second})
	}
	if p95, _ := up.pace.known(rt.now()); p95 < 7*time.Second {
		t.Errorf("with a sixth of all timed out after 8 s the 95th percentile is %v", p95)
	}
}
