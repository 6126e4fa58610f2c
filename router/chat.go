package router

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/id"
	"github.com/bellwether-llm/bellwether/llm"
)

// exchange is one request of a caller and what became of it.
type exchange struct {
	rt        *Router
	w         http.ResponseWriter
	req       llm.Request
	table     *table
	route     *routeTable
	start     time.Time
	upstream  time.Duration // spent waiting for providers
	attempts  int
	committed bool // the caller has had a byte: no other target may answer
}

// chat answers POST /v1/chat/completions.
func (rt *Router) chat(w http.ResponseWriter, r *http.Request) {
	x := &exchange{rt: rt, w: w, start: time.Now(), table: rt.table.Load()}
	w.Header().Set("X-Request-Id", id.New(x.start))
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
	if e, ok := errors.AsType[*llm.Error](err); ok {
		return e
	}
	if err != nil {
		return badRequest(http.StatusBadRequest, "invalid_request", err.Error())
	}
	route, ok := x.table.routes[x.req.Model]
	if !ok {
		return badRequest(http.StatusNotFound, "model_not_found",
			fmt.Sprintf("there is no route or target %q: GET /v1/models lists them", clip(x.req.Model, 100)))
	}
	x.route = route
	return nil
}

func badRequest(status int, code, message string) *llm.Error {
	return &llm.Error{Status: status, Type: "invalid_request_error", Code: code, Message: message, Outcome: bellwether.ClientError}
}

func clip(s string, n int) string {
	if len(s) > n {
		return s[:n] + "..."
	}
	return s
}

// run tries targets until one answers, the caller has had a byte, or nothing
// is left to try.
func (x *exchange) run(ctx context.Context) {
	var first *failure
	var tried uint64
	for i, ok := x.route.pick(uniform()), true; ok; i, ok = x.route.next(tried, uniform()) {
		tried |= 1 << i
		f := x.try(ctx, x.route.entries[i].up)
		if f == nil || x.committed {
			return
		}
		if first == nil || first.skipped {
			first = f
		}
		if f.final() || ctx.Err() != nil || x.attempts >= x.rt.cfg.Attempts {
			break
		}
	}
	x.giveUp(first)
}

// try asks one target. A failure before the caller's first byte leaves the
// way open for another; one after it has been told to the caller in-band.
func (x *exchange) try(ctx context.Context, up *upstream) *failure {
	began := time.Now()
	a, f := x.rt.begin(ctx, up, x.req, x.route)
	if f != nil && f.skipped {
		return f
	}
	x.attempts++
	if f == nil {
		defer a.close()
		if x.req.Stream {
			f = x.relay(a)
		} else {
			f = x.answer(a)
		}
	}
	x.rt.observe(up, x.route.Name, a, f, time.Since(began))
	return f
}

// answer relays a plain answer.
func (x *exchange) answer(a *attempt) *failure {
	resp, f := a.whole()
	x.upstream += time.Since(a.start)
	if f != nil {
		return f
	}
	x.headers(a.up)
	h := x.w.Header()
	h.Set("Content-Type", "application/json")
	body := resp.Raw
	if !sameDialect(a.up) || len(body) == 0 {
		body = x.rt.front.EncodeResponse(resp)
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	x.committed = true
	x.w.WriteHeader(http.StatusOK)
	_, _ = x.w.Write(body) // a caller that is gone is found by its context
	return nil
}

// sameDialect reports whether the target's bodies are OpenAI's own.
func sameDialect(up *upstream) bool {
	return up.Protocol == llm.OpenAI || up.Protocol == llm.Azure
}

// headers says who answers and how it came about.
func (x *exchange) headers(up *upstream) {
	h := x.w.Header()
	h.Set("X-Bellwether-Target", up.ID)
	h.Set("X-Bellwether-Model", up.Model)
	h.Set("X-Bellwether-Attempts", strconv.Itoa(x.attempts))
	h.Set("X-Bellwether-Revision", strconv.FormatUint(x.table.revision, 10))
	own := time.Since(x.start) - x.upstream
	h.Set("X-Bellwether-Overhead-Us", strconv.FormatInt(max(0, own.Microseconds()), 10))
}

// giveUp answers with the first failure, which is the real one: what the
// fallbacks said is its consequence. Official clients are told not to retry,
// for the tries were made here.
func (x *exchange) giveUp(f *failure) {
	if f.outcome == bellwether.Canceled {
		return // nobody is listening
	}
	h := x.w.Header()
	h.Set("X-Bellwether-Attempts", strconv.Itoa(x.attempts))
	h.Set("X-Bellwether-Revision", strconv.FormatUint(x.table.revision, 10))
	h.Set("X-Should-Retry", "false")
	e := &llm.Error{Status: http.StatusServiceUnavailable, Type: "server_error", Code: string(f.outcome),
		Message: fmt.Sprintf("no target of %s could answer, %d tried; the first: %v", x.route.Name, x.attempts, f)}
	if f.err != nil && (f.final() || f.skipped) {
		e = f.err
		if e.Status < 400 {
			e.Status = http.StatusBadGateway
		}
	} else {
		retry := time.Second
		if f.err != nil && f.err.RetryAfter > 0 {
			retry = f.err.RetryAfter
		}
		h.Set("Retry-After", strconv.Itoa(max(1, int(retry.Seconds()+0.5))))
	}
	x.rt.metrics.refused("exhausted")
	x.rt.fail(x.w, e)
}
