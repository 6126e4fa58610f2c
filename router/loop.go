package router

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// A plain answer shows nothing until it is whole. It may take as long as a
// first token and then perToken for each token that it may have, assumedTokens
// where the request does not say.
const (
	perToken      = 100 * time.Millisecond
	assumedTokens = 4096
)

// run tries targets until one answers, the caller has had a byte, or nothing
// is left to try. It returns what the caller was told in place of an answer.
func (x *exchange) run(ctx context.Context) *failure {
	ctx, cancel := context.WithTimeoutCause(ctx, x.route.Total, errTotal)
	defer cancel()
	var tried uint64
	for i, ok := x.route.pick(uniform()), true; ok; i, ok = x.route.next(tried, uniform()) {
		tried |= 1 << i
		up := x.route.entries[i].up
		_, more := x.route.next(tried, 0)
		f := x.try(ctx, up, more && x.attempts+1 < x.rt.cfg.Attempts)
		if f == nil || x.committed {
			return f
		}
		x.remember(f, up)
		if x.first == f && f.final() || ctx.Err() != nil || x.attempts >= x.rt.cfg.Attempts {
			break // what only a fallback finds wrong with the request, the next may not
		}
	}
	return x.giveUp()
}

// try asks one target; more says that another is left. A failure before the
// caller's first byte leaves the way open for another; one after it has been
// told to the caller in-band.
func (x *exchange) try(ctx context.Context, up *upstream, more bool) *failure {
	a, f := x.prepare(ctx, up)
	if f != nil {
		return f
	}
	x.attempts++
	x.limit(ctx, a, more)
	if f = a.open(x.rt.transportTo(up.Endpoint)); f == nil {
		f = x.deliver(a)
	}
	x.settle(ctx, a, f)
	if refusesUsage(f) && a.req.StreamUsage && !x.req.StreamUsage && !up.noUsage.Swap(true) {
		return x.try(ctx, up, more)
	}
	return f
}

// prepare returns an attempt of up for the request. It must be settled.
func (x *exchange) prepare(ctx context.Context, up *upstream) (*attempt, *failure) {
	req := x.req
	req.Model = up.model()
	req.StreamUsage = req.Stream && (req.StreamUsage || !up.noUsage.Load()) // for accounting; not passed on unasked
	call, err := up.codec.Encode(up.Endpoint, req)
	if err != nil {
		e := badRequest(http.StatusBadRequest, "unsupported_field", clip(err.Error(), 500))
		return nil, &failure{outcome: bellwether.ClientError, status: e.Status, err: e, skipped: true}
	}
	a := newAttempt(ctx, x, up)
	a.req, a.call = req, call
	return a, nil
}

// settle closes an attempt and writes it down.
func (x *exchange) settle(ctx context.Context, a *attempt, f *failure) {
	a.close()
	x.upstream += a.seen.total
	if f != nil && f.outcome == bellwether.Timeout && a.clock.waited < x.route.Total/2 && errors.Is(context.Cause(ctx), errTotal) {
		f.ours = true // others, or the caller, used up its time
	}
	x.tries = append(x.tries, try{up: a.up, outcome: f.counted(), seen: a.seen})
	x.rt.observe(x.route, a, f)
}

// refusesUsage reports whether a target refused what only we asked for: some
// compatible servers do not know stream_options.
func refusesUsage(f *failure) bool {
	return f != nil && f.err != nil && f.outcome == bellwether.ClientError &&
		(strings.Contains(f.err.Message, "stream_options") || strings.Contains(f.err.Message, "include_usage"))
}

// limit bounds how long the attempt may take to show something. While another
// target is left, it gets at most half of the time that the request still has.
func (x *exchange) limit(ctx context.Context, a *attempt, more bool) {
	cause, d := errFirstToken, x.route.FirstToken
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
