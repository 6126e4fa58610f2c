package router

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
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

// exchange is one request of a caller and what became of it. It belongs to the
// request's goroutine.
type exchange struct {
	rt        *Router
	w         http.ResponseWriter
	id        string // the request's
	req       llm.Request
	choices   int // how many answers were asked for
	table     *table
	route     *routeTable
	start     time.Time
	upstream  time.Duration // spent on attempts that are over
	attempts  int
	committed bool // the caller has had a byte: no other target may answer

	first   *failure      // the first real one; while there is none, of what could not be expressed
	by      *upstream     // whose first was
	retryIn time.Duration // the soonest that a target wants to be asked again
}

// chat answers POST /v1/chat/completions.
func (rt *Router) chat(w http.ResponseWriter, r *http.Request) {
	x := &exchange{rt: rt, w: w, id: w.Header().Get(requestID), start: time.Now(), table: rt.table.Load()}
	if e := x.read(r); e != nil {
		rt.metrics.refused(e.Code)
		rt.fail(w, e)
		return
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), x.route.Total, errTotal)
	defer cancel()
	x.run(ctx)
}

// read reads the request and finds its route.
func (x *exchange) read(r *http.Request) *llm.Error {
	body, err := io.ReadAll(http.MaxBytesReader(x.w, r.Body, x.rt.cfg.MaxBodyBytes))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return badRequest(http.StatusRequestEntityTooLarge, "request_too_large",
			fmt.Sprintf("the request is longer than %d bytes, which is this router's limit", x.rt.cfg.MaxBodyBytes))
	}
	if err != nil {
		return badRequest(http.StatusBadRequest, "unreadable_body", "the request's body did not arrive whole")
	}
	x.req, err = x.rt.front.DecodeRequest(r.URL.Path, body)
	if err != nil {
		return badRequest(http.StatusBadRequest, "invalid_request", clip(err.Error(), 500))
	}
	route, ok := x.table.routes[x.req.Model]
	if !ok {
		return badRequest(http.StatusNotFound, "model_not_found",
			fmt.Sprintf("there is no route or target %q: GET /v1/models lists them", clip(x.req.Model, 100)))
	}
	x.route, x.choices = route, 1
	_ = json.Unmarshal(x.req.Extra["n"], &x.choices) // what is no number is the provider's to refuse
	return nil
}

func badRequest(status int, code, message string) *llm.Error {
	return &llm.Error{Status: status, Type: "invalid_request_error", Code: code, Message: message, Outcome: bellwether.ClientError}
}

// clip cuts s to n bytes for a message.
func clip(s string, n int) string {
	if len(s) > n {
		return strings.ToValidUTF8(s[:n], "") + "..."
	}
	return s
}

// run tries targets until one answers, the caller has had a byte, or nothing
// is left to try.
func (x *exchange) run(ctx context.Context) {
	var tried uint64
	for i, ok := x.route.pick(uniform()), true; ok; i, ok = x.route.next(tried, uniform()) {
		tried |= 1 << i
		up := x.route.entries[i].up
		_, more := x.route.next(tried, 0)
		f := x.try(ctx, up, more && x.attempts+1 < x.rt.cfg.Attempts)
		if f == nil || x.committed {
			x.rt.metrics.answered(x.route.Name, f)
			return
		}
		x.remember(f, up)
		if x.first == f && f.final() || ctx.Err() != nil || x.attempts >= x.rt.cfg.Attempts {
			break // what only a fallback finds wrong with the request, the next may not
		}
	}
	x.giveUp()
}

// remember keeps what the caller is told when no target answers: the first
// failure, since what the fallbacks say is often its consequence; but a
// refusal by content policy is said as it is. Of targets that cannot express
// the request, what each cannot.
func (x *exchange) remember(f *failure, up *upstream) {
	switch {
	case x.first == nil, x.first.skipped && !f.skipped, f.outcome == bellwether.Canceled, f.policy():
		x.first, x.by = f, up
	case x.first.skipped && f.skipped && !strings.Contains(x.first.err.Message, f.err.Message):
		x.first.err.Message += "; " + f.err.Message
	}
	if f.skipped {
		return
	}
	in := time.Second
	if f.err != nil && f.err.RetryAfter > 0 {
		in = f.err.RetryAfter
	}
	if x.retryIn == 0 || in < x.retryIn {
		x.retryIn = in
	}
}

// try asks one target; more says that another is left. A failure before the
// caller's first byte leaves the way open for another; one after it has been
// told to the caller in-band.
func (x *exchange) try(ctx context.Context, up *upstream, more bool) *failure {
	req := x.req
	req.Model = up.model()
	req.StreamUsage = req.Stream && (req.StreamUsage || !up.noUsage.Load()) // for accounting; not passed on unasked
	call, err := up.codec.Encode(up.Endpoint, req)
	if err != nil {
		e := badRequest(http.StatusBadRequest, "unsupported_field", clip(err.Error(), 500))
		return &failure{outcome: bellwether.ClientError, status: e.Status, err: e, skipped: true}
	}
	x.attempts++
	a := newAttempt(ctx, up)
	a.seen.streamed = req.Stream
	x.limit(ctx, a, more)
	f := a.ask(x.rt.transportTo(up.Endpoint), call)
	switch {
	case f != nil:
	case req.Stream:
		f = x.relay(a)
	default:
		f = x.answer(a)
	}
	a.close()
	x.upstream += a.seen.total
	if f != nil && f.outcome == bellwether.Timeout && a.clock.waited < x.route.Total/2 && errors.Is(context.Cause(ctx), errTotal) {
		f.ours = true // others, or the caller, used up its time
	}
	x.rt.observe(x.route, a, f)
	if refusesUsage(f) && req.StreamUsage && !x.req.StreamUsage && !up.noUsage.Swap(true) {
		return x.try(ctx, up, more)
	}
	return f
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

// answer relays a plain answer.
func (x *exchange) answer(a *attempt) *failure {
	resp, f := a.whole()
	if f != nil {
		return f
	}
	body := resp.Raw
	if !sameDialect(a.up) || len(body) == 0 {
		resp.ID = x.answerID()
		if resp.Model == "" {
			resp.Model = a.up.Model
		}
		body = x.rt.front.EncodeResponse(resp)
	}
	x.headers(a)
	h := x.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	x.committed = true
	x.w.WriteHeader(http.StatusOK)
	_, _ = x.w.Write(body) // a caller that is gone has no use for an error
	return nil
}

// answerID names an answer that we write ourselves.
func (x *exchange) answerID() string { return "chatcmpl-" + x.id }

// sameDialect reports whether the target's bodies are OpenAI's own.
func sameDialect(up *upstream) bool {
	return up.Protocol == llm.OpenAI || up.Protocol == llm.Azure
}

// headers says who answers and how it came about; a is the attempt at hand.
func (x *exchange) headers(a *attempt) {
	h := x.w.Header()
	x.who(a.up)
	own := time.Since(x.start) - x.upstream - time.Since(a.start)
	h.Set("X-Bellwether-Overhead-Us", strconv.FormatInt(max(0, own.Microseconds()), 10))
}

// who says which target the answer is of, and after how many attempts.
func (x *exchange) who(up *upstream) {
	h := x.w.Header()
	h.Set("X-Bellwether-Target", up.ID)
	h.Set("X-Bellwether-Model", up.Model)
	h.Set("X-Bellwether-Attempts", strconv.Itoa(x.attempts))
	h.Set("X-Bellwether-Revision", strconv.FormatUint(x.table.revision, 10))
}

// giveUp answers with the first failure, which is the real one: what the
// fallbacks said is its consequence. Official clients are told not to retry,
// for the tries were made here.
func (x *exchange) giveUp() {
	f := x.first
	x.rt.metrics.answered(x.route.Name, f)
	x.who(x.by)
	h := x.w.Header()
	h.Set("X-Should-Retry", "false")
	if f.err != nil && (f.final() || f.skipped) {
		e := *f.err
		e.Status = e.HTTPStatus()
		if f.skipped {
			h.Del("X-Bellwether-Target")
			h.Del("X-Bellwether-Model")
		}
		x.rt.fail(x.w, &e)
		return
	}
	h.Set("Retry-After", strconv.Itoa(max(1, int(x.retryIn.Seconds()+0.5))))
	x.rt.fail(x.w, &llm.Error{Status: http.StatusServiceUnavailable, Type: "server_error", Code: string(f.outcome),
		Message: fmt.Sprintf("no target of %s could answer, %d tried; the first, %s: %v", x.route.Name, x.attempts, x.by.ID, f)})
}
