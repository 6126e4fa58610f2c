package router

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/llm"
)

// A plain answer shows nothing until it is whole. It may take as long as a
// first token and then perToken for each token that it may have, assumedTokens
// where the request does not say.
const (
	perToken      = 100 * time.Millisecond
	assumedTokens = 4096
)

// prepare returns an attempt of req by a claim. It must be settled; a target
// that cannot express the request gives its place back here.
func (x *exchange) prepare(ctx context.Context, cl claim, from *llm.Request) (*attempt, *failure) {
	up, req := cl.up, new(llm.Request)
	*req = *from
	req.Model = up.model()
	req.StreamUsage = req.Stream && (req.StreamUsage || !up.noUsage.Load()) // for accounting; not passed on unasked
	endpoint := up.Endpoint
	endpoint.Key = cl.slot.cred.key
	call, dropped, err := x.encode(up, endpoint, req)
	if err != nil {
		cl.giveBack(x.needs.tokens())
		e := badRequest(400, "unsupported_field", clip(err.Error(), 500))
		return nil, &failure{outcome: bellwether.ClientError, status: e.Status, err: e, skipped: true}
	}
	x.attempts++
	a := newAttempt(ctx, x, up)
	a.cl, a.req, a.call, a.dropped = cl, req, call, dropped
	x.limit(ctx, a)
	return a, nil
}

// limit bounds how long the attempt may take to show something. While another
// target is left, it gets at most half of the time that the request still has.
func (x *exchange) limit(ctx context.Context, a *attempt) {
	more := x.others(a.cl.i) && x.attempts < x.rt.cfg.Attempts && !x.front.once
	cause, d := errFirstToken, x.route.FirstToken
	if x.req.Stream && x.route.learn && more {
		d = a.up.pace.limit(x.rt.now(), x.needs.prompt, d)
	}
	if !x.req.Stream {
		tokens := x.req.MaxTokens
		if tokens == 0 {
			tokens = assumedTokens
		}
		cause, d = errAnswer, d+min(time.Duration(tokens), 1<<20)*perToken
	}
	if deadline, ok := ctx.Deadline(); ok && more {
		d = min(d, time.Until(deadline)/2)
	} else if !x.req.Stream {
		return // nobody is left who could do better with the time
	}
	a.clock.expect(cause, d)
}

// others reports whether a target other than entry i could serve: one that its
// breaker does not bar.
func (x *exchange) others(i int) bool {
	left, now := x.left()&^(1<<i), x.rt.now()
	for j := range x.route.entries {
		if left&(1<<j) != 0 && x.route.entries[j].up.breaker.asks(&x.rt.cfg.Breaker, now, 0) != barred {
			return true
		}
	}
	return false
}

// settle closes an attempt, learns from it, and writes it down.
func (x *exchange) settle(ctx context.Context, a *attempt, f *failure) {
	a.close()
	x.upstream += a.seen.total
	if f != nil && f.outcome == bellwether.Timeout && a.clock.waited < x.route.Total/2 && errors.Is(context.Cause(ctx), errTotal) {
		f.ours = true // others, or the caller, used up its time
	}
	outcome := f.counted()
	x.teach(a, f, outcome)
	if refusesUsage(f) && a.req.StreamUsage && !x.req.StreamUsage && !a.up.noUsage.Swap(true) {
		x.refusedUsage = true
	}
	x.tries = append(x.tries, try{up: a.up, key: a.cl.slot.cred.name, outcome: outcome, hedge: a.hedge, lost: a.lost, gone: f != nil && f.gone(), seen: a.seen})
	x.rt.observe(x.route, a, f)
}

// teach tells limits, keys, breaker and pace of the target what became of an
// attempt.
func (x *exchange) teach(a *attempt, f *failure, outcome bellwether.Outcome) {
	now, up, s := x.rt.now(), a.up, a.cl.slot
	used, taken := int64(0), x.needs.tokens()
	switch {
	case a.seen.usage != nil:
		used = int64(tokens(a.seen.usage.Input)) + int64(tokens(a.seen.usage.Output))
	case f == nil || a.seen.events > 0:
		used = taken
	}
	a.cl.release(taken, used)
	switch outcome {
	case bellwether.RateLimited:
		s.refused(now, f.err.RetryAfter)
	case bellwether.AuthError, bellwether.NoCredit, bellwether.Blocked:
		if d := s.cred.refuse(now); d > 0 {
			x.rt.metrics.keyOut(up.Provider, s.cred.name)
			x.rt.log.Error("provider refuses a key; it is left out", "provider", up.Provider, "target", up.ID, "key", s.cred.name, "for", d.Round(time.Second), "why", f)
		}
	case bellwether.OK:
		s.cred.served()
		s.used(now)
	}
	if a.resp != nil {
		if d := llm.LimitsSpent(a.resp.Header); d > 0 {
			s.rest(now + int64(min(d, mostLearnedRest)))
		}
	}
	x.pace(a, outcome, now)
	if up.breaker.learn(&x.rt.cfg.Breaker, now, a.cl.turn, a.cl.trial, lessonOf(outcome)) {
		x.rt.turned(up)
	}
}

// mostLearnedRest bounds what limit headers may keep a key away for.
const mostLearnedRest = 2 * time.Minute

// pace takes the time to the first token, or the time that was waited for it
// in vain, which is a part of it at least.
func (x *exchange) pace(a *attempt, outcome bellwether.Outcome, now int64) {
	if !a.seen.streamed || a.resumed != nil {
		return
	}
	p := &a.up.pace
	switch {
	case a.seen.events > 0:
		p.add(now, a.seen.firstToken)
	case outcome == bellwether.FirstTokenTimeout:
		p.add(now, a.seen.total)
	case outcome == bellwether.Canceled:
		if _, late := p.known(now); late > 0 && a.clock.waited > late {
			p.add(now, a.clock.waited)
		}
	}
}

// turned says that a target's breaker opened or closed.
func (rt *Router) turned(up *upstream) {
	if until := up.breaker.until(); until > 0 {
		rt.metrics.breaker(up.ID, "open")
		rt.log.Warn("target is left alone after failures", "target", up.ID, "for", (time.Duration(until - rt.now())).Round(time.Millisecond))
		return
	}
	rt.metrics.breaker(up.ID, "close")
	rt.log.Info("target answers again; its traffic grows back", "target", up.ID, "over", rt.cfg.Breaker.Ramp.Std())
}

// refusesUsage reports whether a target refused what only we asked for: some
// compatible servers do not know stream_options.
func refusesUsage(f *failure) bool {
	return f != nil && f.err != nil && f.outcome == bellwether.ClientError &&
		(strings.Contains(f.err.Message, "stream_options") || strings.Contains(f.err.Message, "include_usage"))
}
