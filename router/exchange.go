package router

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/llm"
)

// exchange is one request of a caller and everything that became of it: every
// attempt writes its try here, and the account is made of it at the end. It
// belongs to the request's goroutine.
type exchange struct {
	rt       *Router
	front    *dialect
	w        http.ResponseWriter
	flusher  *http.ResponseController
	id       string // the request's
	caller   *caller
	held     spent     // of the caller's budget, until it is accounted for
	allowed  time.Time // when the caller was last given time to read
	req      llm.Request
	errand   errand                // what is asked for where that is no chat, else nil
	choices  int                   // how many answers were asked for
	features []string              // of its protocol, which the caller wants of a target of the same dialect
	prior    *prior                // of its input, where the request goes on from an earlier answer or may be gone on from
	enc      llm.FullStreamEncoder // what has written the stream so far; nil where it was passed on
	table    *table
	route    *routeTable
	session  session
	needs    needs
	start    time.Time

	choice                     // what may still be asked
	tries        []try         // in the order in which they ended
	upstream     time.Duration // spent on attempts that are over
	paused       time.Duration // waited between attempts
	attempts     int
	same         int     // times that the same target was asked again
	moved        bool    // it has changed its target: each further change is at the budget's cost
	refusedUsage bool    // the last attempt refused what only we had asked for
	committed    bool    // the caller has had a byte: the headers are out
	said         *said   // what the caller has of a stream, where it may be rescued
	when         soonest // one may be asked that could not

	first   *failure      // the first real one; while there is none, of what could not be expressed
	by      *upstream     // whose first was
	retryIn time.Duration // the soonest that a target wants to be asked again
}

// try is one attempt of an exchange as the account sees it.
type try struct {
	up      *upstream
	key     string // the key's name
	outcome bellwether.Outcome
	hedge   bool // asked beside another that was silent
	lost    bool // another one was faster
	gone    bool // the caller left
	seen    seen
}

// serve returns the path of every request in a dialect: read it, plan, ask
// targets until one answers, account for it.
func (rt *Router) serve(front *dialect) handler {
	return func(w http.ResponseWriter, r *http.Request, c *caller) {
		x := &exchange{rt: rt, front: front, w: w, flusher: http.NewResponseController(w), id: w.Header().Get(requestID), caller: c, start: time.Now(), table: rt.table.Load()}
		if e := x.read(r); e != nil {
			rt.refuse(w, front, c, x.routeName(), &refusal{Error: e})
			return
		}
		if r := x.admit(x.start); r != nil {
			rt.refuse(w, front, c, x.routeName(), r)
			return
		}
		rt.account(x, x.run(r.Context()))
	}
}

// read reads the request and finds its route.
func (x *exchange) read(r *http.Request) *llm.Error {
	body, err := readAll(http.MaxBytesReader(x.w, r.Body, x.rt.cfg.MaxBodyBytes), r.ContentLength)
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return badRequest(http.StatusRequestEntityTooLarge, "request_too_large",
			fmt.Sprintf("the request is longer than %d bytes, which is this router's limit", x.rt.cfg.MaxBodyBytes))
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return badRequest(http.StatusRequestTimeout, "request_timeout", "the request's body took longer than "+x.rt.cfg.BodyLimit.Std().String())
	}
	if err != nil {
		return badRequest(http.StatusBadRequest, "unreadable_body", "the request's body did not arrive whole")
	}
	x.req, x.errand, err = x.front.read(r.URL.EscapedPath(), body)
	if err != nil {
		return badRequest(http.StatusBadRequest, "invalid_request", clip(err.Error(), 500))
	}
	route, ok := x.table.routes[x.req.Model]
	if !ok {
		return badRequest(http.StatusNotFound, "model_not_found",
			fmt.Sprintf("there is no route or target %q: GET /v1/models lists them", clip(x.req.Model, 100)))
	}
	if x.front.keeps {
		if e := x.goOn(body); e != nil {
			return e
		}
	}
	x.route, x.choices = route, x.req.Choices()
	x.keepFeatures(r.Header)
	return x.plan(r.Header)
}

// plan finds out what the request needs, and who may be asked.
func (x *exchange) plan(h http.Header) (e *llm.Error) {
	if x.needs, e = needsOf(&x.req, h); e != nil {
		return e
	}
	x.session = sessionOf(x.route.Sticky, &x.req, h)
	if x.req.Stream && x.route.rescues() {
		x.said = &said{}
	}
	return x.steer()
}

func badRequest(status int, code, message string) *llm.Error {
	e := &llm.Error{Status: status, Type: "invalid_request_error", Code: code, Message: message, Outcome: bellwether.ClientError, Dialect: llm.OpenAI}
	if status == http.StatusNotFound {
		e.Outcome = bellwether.Gone
	}
	return e
}

// clip cuts s to n bytes for a message.
func clip(s string, n int) string {
	if len(s) > n {
		return strings.ToValidUTF8(s[:n], "") + "..."
	}
	return s
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

// answerID names an answer that we write ourselves.
func (x *exchange) answerID() string { return x.front.prefix + x.id }

// headers says who answers and how it came about; a is the attempt at hand.
func (x *exchange) headers(a *attempt) {
	h := x.w.Header()
	x.who(a.up)
	if x.front.codec.Protocol() == llm.Anthropic {
		h["Request-Id"] = h[requestID] // the name that its clients read
	}
	if len(a.dropped) > 0 {
		h.Set("X-Bellwether-Dropped-Fields", strings.Join(a.dropped, ", "))
	}
	own := time.Since(x.start) - x.upstream - x.paused - time.Since(a.start)
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
func (x *exchange) giveUp() *failure {
	x.allow(time.Now())
	f := x.first
	h := x.w.Header()
	h.Set("X-Should-Retry", "false")
	if f == nil {
		return x.unavailable()
	}
	x.who(x.by)
	if f.err != nil && (f.final() || f.skipped) {
		e := *f.err
		e.Status = e.HTTPStatus()
		if f.skipped {
			h.Del("X-Bellwether-Target")
			h.Del("X-Bellwether-Model")
		}
		fail(x.w, x.front, &e)
		return f
	}
	x.retryAfter(x.retryIn)
	fail(x.w, x.front, &llm.Error{Status: http.StatusServiceUnavailable, Type: "server_error", Code: string(f.outcome), Dialect: llm.OpenAI, Outcome: bellwether.Overloaded,
		Message: fmt.Sprintf("no target of %s could answer, %d tried; the first, %s: %v", x.route.title(), x.attempts, x.by.ID, f)})
	return f
}

// retryAfter tells the caller when to come again: the soonest that a target
// named or may be asked.
func (x *exchange) retryAfter(in time.Duration) {
	now := x.rt.now()
	for _, at := range []int64{x.when.free, x.when.trial} {
		if d := time.Duration(at - now); at != 0 && (in == 0 || d < in) {
			in = max(d, time.Millisecond)
		}
	}
	x.w.Header().Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(in.Seconds())))))
}

// unavailable answers when nobody could be asked at all.
func (x *exchange) unavailable() *failure {
	why := "all are left alone after failures"
	if x.when.free != 0 {
		why = "those that are not left alone after failures are at a limit"
	}
	x.retryAfter(0)
	x.w.Header().Set("X-Bellwether-Attempts", "0")
	x.w.Header().Set("X-Bellwether-Revision", strconv.FormatUint(x.table.revision, 10))
	fail(x.w, x.front, &llm.Error{Status: http.StatusServiceUnavailable, Type: "server_error", Code: "unavailable", Dialect: llm.OpenAI, Outcome: bellwether.Overloaded,
		Message: "no target of " + x.route.title() + " can be asked now: " + why})
	return &failure{outcome: bellwether.Overloaded, text: why}
}
