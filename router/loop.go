package router

import (
	"context"
	"math/bits"
	"math/rand/v2"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// run asks targets until one answers, the caller has had a byte, or nothing is
// left to try. It returns what the caller was told in place of an answer.
func (x *exchange) run(ctx context.Context) *failure {
	ctx, cancel := context.WithTimeoutCause(ctx, x.route.Total, errTotal)
	defer cancel()
	x.rt.budget.deposit()
	cl, ok := x.next(ctx)
	for ok {
		var f *failure
		cl, f = x.attempt(ctx, cl)
		if f == nil || x.committed {
			return f
		}
		x.remember(f, cl.up)
		cl, ok = x.after(ctx, cl, f)
	}
	f := x.giveUp()
	if x.first == nil && ctx.Err() != nil { // it left while it waited for its turn
		f.outcome = bellwether.Canceled
	}
	return f
}

// next takes a place at the target to ask next. Where all that may be asked
// are at a limit that is soon over, it waits.
func (x *exchange) next(ctx context.Context) (claim, bool) {
	for {
		now := x.rt.now()
		cl, when, ok := x.route.choose(&x.rt.cfg.Breaker, &x.choice, x.session, x.needs.tokens(), now)
		if ok {
			return cl, true
		}
		x.when = when
		wait := time.Duration(when.free - now)
		if when.free == 0 || x.paused+wait > x.route.FirstToken || !x.pause(ctx, max(wait, time.Millisecond)) {
			return claim{}, false
		}
	}
}

// pause waits, and a little longer by chance, so that those who wait for the
// same moment do not all come in it. It does not begin what the request's time
// does not allow.
func (x *exchange) pause(ctx context.Context, d time.Duration) bool {
	d += time.Duration(rand.Int64N(int64(d/10) + 1))
	if deadline, ok := ctx.Deadline(); ok && d > time.Until(deadline)/2 {
		return false
	}
	x.paused += d
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// attempt asks one target. A failure before the caller's first byte leaves the
// way open for another; one after it is rescued, or told to the caller in-band.
func (x *exchange) attempt(ctx context.Context, cl claim) (claim, *failure) {
	a, f := x.prepare(ctx, cl, &x.req)
	if f != nil {
		return cl, f
	}
	a, f = x.open(ctx, a)
	if f == nil {
		f = x.deliver(a)
	}
	x.settle(ctx, a, f)
	if f != nil && x.committed && !f.gone() {
		f = x.rescue(ctx, a, f)
	}
	return a.cl, f
}

// Asking the same target again, which is worth it after what may be a chance
// failure: delays are drawn from 0 to a bound that doubles (full jitter).
const (
	againError   = 1 // times, after a server's error or a reset
	againLimited = 2 // times, after a 429 that names no time
	errorJitter  = 50 * time.Millisecond
	limitJitter  = 100 * time.Millisecond
)

// after decides how to go on when a target has failed: with the same one
// again, another one, or not at all.
func (x *exchange) after(ctx context.Context, cl claim, f *failure) (claim, bool) {
	bit := uint64(1) << cl.i
	if f.skipped {
		x.out |= bit
		return x.next(ctx)
	}
	if ctx.Err() != nil || x.attempts >= x.rt.cfg.Attempts || x.final(f) {
		return claim{}, false
	}
	if f.err != nil && f.err.Context {
		x.larger(cl.up)
	}
	if wait, again := x.again(cl, f); again && x.spare(bit) && (wait < 0 || x.rt.budget.spend(x.rt.now())) && x.pause(ctx, max(wait, 0)) {
		if cl, ok := x.route.reclaim(&x.rt.cfg.Breaker, cl, x.needs.tokens(), x.rt.now()); ok {
			return cl, true
		}
	}
	if !x.mayServe(cl, f) {
		x.out |= bit
	}
	x.same = 0
	if x.moved && !x.rt.budget.spend(x.rt.now()) {
		x.rt.metrics.overBudget.Inc()
		return claim{}, false
	}
	x.moved = true
	return x.next(ctx)
}

// final reports whether nobody else is to be asked after f: what only a
// fallback finds wrong with the request, the next may not.
func (x *exchange) final(f *failure) bool {
	switch {
	case x.front.once && f.unsure():
		return true
	case x.first != f || !f.final() || f.err == nil:
		return f.outcome == bellwether.Canceled
	case f.err.Context:
		return false
	case f.err.Policy:
		return !x.route.PolicyFallback
	}
	return !x.refusedUsage
}

// larger leaves only targets whose window is known to be larger than that of
// one that found the prompt too long.
func (x *exchange) larger(than *upstream) {
	for i := range x.route.entries {
		if x.route.entries[i].up.ContextWindow <= than.ContextWindow {
			x.out |= 1 << i
		}
	}
}

// again reports whether the target that failed is to be asked again, and after
// how long; below 0 is at once, and not at the budget's cost.
func (x *exchange) again(cl claim, f *failure) (wait time.Duration, again bool) {
	n := x.same
	x.same++
	switch {
	case x.refusedUsage:
		x.refusedUsage = false
		return -1, true
	case f.outcome == bellwether.ServerError && n < againError:
		return jitter(errorJitter), true
	case f.outcome != bellwether.RateLimited:
		return 0, false
	case f.err != nil && f.err.RetryAfter > 0:
		return f.err.RetryAfter, n < againLimited && f.err.RetryAfter <= x.rt.cfg.RetryWait.Std() && !x.otherKey(cl)
	}
	return jitter(limitJitter << n), n < againLimited && !x.otherKey(cl)
}

// spare reports whether more attempts are left than other targets, each of
// which comes before asking one twice.
func (x *exchange) spare(but uint64) bool {
	return x.rt.cfg.Attempts-x.attempts > bits.OnesCount64(x.left()&^but)
}

// jitter draws from 0 to d.
func jitter(d time.Duration) time.Duration { return time.Duration(rand.Int64N(int64(d) + 1)) }

// otherKey reports whether the target has another key that may be used now.
func (x *exchange) otherKey(cl claim) bool {
	s, _ := cl.up.freeSlot(x.rt.now(), x.needs.tokens(), 0)
	return s != nil && s != cl.slot
}

// mayServe reports whether the target itself may still serve this request: it
// was the key that failed, or the limit, which is over in a known time.
func (x *exchange) mayServe(cl claim, f *failure) bool {
	switch f.outcome {
	case bellwether.RateLimited:
		return x.otherKey(cl) || f.err != nil && f.err.RetryAfter > 0
	case bellwether.AuthError, bellwether.NoCredit, bellwether.Blocked:
		return x.otherKey(cl)
	}
	return false
}
