package router

import (
	"math/bits"
)

// claim is a place taken at an entry for one attempt. It is given back by
// settling the attempt.
type claim struct {
	i     int
	up    *upstream
	slot  *slot
	turn  uint32 // of the breaker when the attempt began
	trial bool   // it is the half-open breaker's trial
}

// choice is what a request may still be given to: sets of entries, a bit each.
type choice struct {
	fit   uint64 // can do what it needs
	roomy uint64 // of those, with a window that surely holds it
	apt   uint64 // of those, for its task
	out   uint64 // not to be asked, or asked again
}

// rank returns the nth set of entries to choose from, the better ones first;
// ok is false when there is no such set.
func (c *choice) rank(n int) (set uint64, ok bool) {
	switch n {
	case 0:
		return c.apt & c.roomy, true
	case 1:
		return c.roomy, true
	case 2:
		return c.fit, true
	}
	return 0, false
}

// left returns the entries that may still be asked.
func (c *choice) left() uint64 { return c.fit &^ c.out }

// soonest is when entries that cannot be asked now may be; 0 is not known.
type soonest struct {
	free  int64 // one that is at a limit
	trial int64 // one that a breaker keeps away
}

func (w *soonest) note(barred bool, at int64) {
	when := &w.free
	if barred {
		when = &w.trial
	}
	if at > 0 && (*when == 0 || at < *when) {
		*when = at
	}
}

// choose takes a place at the entry that is to be asked next, if there is one
// at now.
func (r *routeTable) choose(c *BreakerConfig, ch *choice, s session, tokens, now int64) (cl claim, when soonest, ok bool) {
	var before uint64
	for n := 0; ; n++ {
		set, more := ch.rank(n)
		if !more {
			break
		}
		if set == before {
			continue
		}
		before = set
		out := ch.out | ^set
		for {
			i, any := r.draw(s, out, now)
			if !any {
				break
			}
			cl, barred, at, ok := r.claim(c, i, s, tokens, now, false)
			if ok {
				return cl, soonest{}, true
			}
			when.note(barred, at)
			out |= 1 << i
		}
	}
	// Panic: of those that a breaker keeps away, what is not certainly dead is
	// better than nothing.
	for out := ch.out | ^ch.fit; ; {
		i, any := r.draw(s, out, now)
		if !any {
			return claim{}, when, false
		}
		if !r.entries[i].up.breaker.lost(c) {
			if cl, _, _, ok := r.claim(c, i, s, tokens, now, true); ok {
				return cl, soonest{}, true
			}
		}
		out |= 1 << i
	}
}

// draw returns one of the entries not out: the session's, or one by share. It
// neither locks nor allocates.
func (r *routeTable) draw(s session, out uint64, now int64) (i int, ok bool) {
	if s != 0 {
		return r.stick(s, out)
	}
	if mask := uint64(1)<<len(r.entries) - 1; out&mask == 0 {
		i, ok = r.pick(uniform()), true
	} else if i, ok = r.next(out, uniform()); !ok {
		return 0, false
	}
	if equals := r.entries[i].equals &^ out; equals&(equals-1) != 0 {
		i = r.idlest(i, equals, now)
	}
	return i, ok
}

// idlest returns the entry with the least in flight among i and its equals.
// What has failed just now is no better for having little in flight.
func (r *routeTable) idlest(i int, equals uint64, now int64) int {
	best, least := i, r.entries[i].up.gauge.inFlight.Load()
	if r.entries[i].up.breaker.fresh(now) {
		least++ // rather one that has not
	}
	for ; equals != 0; equals &= equals - 1 {
		j := bits.TrailingZeros64(equals)
		up := r.entries[j].up
		if n := up.gauge.inFlight.Load(); n < least && !up.breaker.fresh(now) {
			best, least = j, n
		}
	}
	return best
}

// claim takes a place at entry i, or says when one may be free, and whether it
// is the breaker that bars. With force a breaker that bars does not.
func (r *routeTable) claim(c *BreakerConfig, i int, s session, tokens, now int64, force bool) (cl claim, barring bool, at int64, ok bool) {
	up := r.entries[i].up
	u := 0.0
	if up.breaker.gate.Load() < 0 && s != 0 {
		u = s.at("ramp") // a session goes over once
	} else if up.breaker.gate.Load() < 0 {
		u = uniform()
	}
	pass := up.breaker.asks(c, now, u)
	if pass == barred && !force {
		return claim{}, true, up.breaker.until(), false
	}
	if at := up.gauge.free(now, tokens); at != 0 {
		return claim{}, false, at, false
	}
	from := 0
	if len(up.slots) > 1 {
		from = int(uniform() * float64(len(up.slots)))
	}
	slot, at := up.freeSlot(now, tokens, from)
	if slot == nil {
		return claim{}, false, at, false
	}
	cl = claim{i: i, up: up, slot: slot, turn: up.breaker.turn.Load()}
	if pass == trialDue {
		if cl.trial = up.breaker.trial.CompareAndSwap(false, true); !cl.trial && !force {
			return claim{}, true, up.breaker.until(), false
		}
	}
	if !cl.take(now, tokens) {
		cl.endTrial()
		return claim{}, false, now + int64(concurrencyPause), false
	}
	return cl, false, 0, true
}

// endTrial lets another request take the trial that this one has not made.
func (cl *claim) endTrial() {
	if cl.trial {
		cl.up.breaker.trial.Store(false)
	}
}

// giveBack gives back a place that was not used.
func (cl *claim) giveBack(tokens int64) {
	cl.endTrial()
	cl.up.gauge.requests.give(1)
	cl.slot.cred.gauge.requests.give(1)
	cl.slot.learned.give(1)
	cl.release(tokens, 0)
}

// reclaim takes the place of a claim that was released once more, for asking
// the same target again, whose rest has been waited out.
func (r *routeTable) reclaim(c *BreakerConfig, cl claim, tokens, now int64) (claim, bool) {
	if cl.up.breaker.asks(c, now, 0) != passing {
		return claim{}, false
	}
	cl.turn, cl.trial = cl.up.breaker.turn.Load(), false
	return cl, cl.take(now, tokens)
}

// take takes a place at target and key.
func (cl *claim) take(now, tokens int64) bool {
	if !cl.up.gauge.take(now, tokens) {
		return false
	}
	if !cl.slot.take(now, tokens) {
		cl.up.gauge.requests.give(1)
		cl.up.gauge.tokens.give(tokens)
		cl.up.gauge.inFlight.Add(-1)
		return false
	}
	return true
}

// release gives the place back, unless it was; used is what the attempt really
// used of the tokens that were taken.
func (cl *claim) release(taken, used int64) {
	cl.up.gauge.inFlight.Add(-1)
	cl.slot.cred.gauge.inFlight.Add(-1)
	if taken != used {
		cl.up.gauge.tokens.give(taken - used)
		cl.slot.cred.gauge.tokens.give(taken - used)
	}
}
