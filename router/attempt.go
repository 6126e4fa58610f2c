package router

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/llm"
)

// Bounds on what is read from a provider, in bytes.
const (
	maxAnswerBytes = 64 << 20
	maxErrorBytes  = 64 << 10
	maxDrainBytes  = 4 << 10
)

// drainTime is how long the end of a connection's answer may take to arrive
// after the answer's own end, so that the connection can be used again.
const drainTime = 100 * time.Millisecond

// The limits that cancel an attempt, as causes.
var (
	errFirstToken = errors.New("no first token in time")
	errAnswer     = errors.New("no answer in time")
	errStalled    = errors.New("the stream fell silent")
	errTotal      = errors.New("the request is out of time")
	errHedged     = errors.New("another target was faster")
)

// ErrDrained is the cause with which [Router.Serve] ends what is still under
// way when its time to drain is over.
var ErrDrained = errors.New("the router is stopping")

// failure is how an attempt ended badly.
type failure struct {
	outcome bellwether.Outcome
	status  int        // of the provider's answer, 0 when there was none
	err     *llm.Error // the provider's own words, nil when it had none
	text    string     // ours, without secrets
	skipped bool       // never sent: this target cannot express the request
	ours    bool       // not the target's doing: its time was spent elsewhere
}

func (f *failure) Error() string {
	if f.err != nil && f.err.Message != "" {
		return fmt.Sprintf("%s: %s", f.outcome, f.err.Message)
	}
	return fmt.Sprintf("%s: %s", f.outcome, f.text)
}

// final reports whether another target would answer no better, because the
// request itself is at fault: then the provider's own answer goes to the
// caller. A 404 among client errors is an address of ours that is wrong.
func (f *failure) final() bool {
	switch {
	case f.skipped:
		return false
	case f.outcome == bellwether.Canceled:
		return true
	case f.err == nil:
		return false
	}
	return f.err.Context || f.err.Policy || f.outcome == bellwether.ClientError && f.status != http.StatusNotFound
}

// gone reports whether it was the caller who ended it.
func (f *failure) gone() bool { return f.outcome == bellwether.Canceled && !f.ours }

// counted returns the outcome that f is counted as; nil is ok.
func (f *failure) counted() bellwether.Outcome {
	switch {
	case f == nil:
		return bellwether.OK
	case f.ours:
		return bellwether.Canceled
	}
	return f.outcome
}

// unsure reports whether the target may have done the work all the same: it
// was asked, and did not refuse.
func (f *failure) unsure() bool {
	switch f.outcome {
	case bellwether.ConnectError, bellwether.DNSError, bellwether.TLSError,
		bellwether.RateLimited, bellwether.AuthError, bellwether.NoCredit, bellwether.Blocked, bellwether.ClientError, bellwether.Gone:
		return false
	case bellwether.Overloaded:
		return f.status != http.StatusServiceUnavailable && f.status != 529
	}
	return !f.skipped
}

// policy reports whether a provider refused the content, which is not routed
// around.
func (f *failure) policy() bool { return f.err != nil && f.err.Policy }

// attempt is one call of one target for one request. It is opened, until there
// is something to tell the caller, and then delivered; opening touches nothing
// of the exchange that changes. It belongs to one goroutine at a time.
type attempt struct {
	x       *exchange
	up      *upstream
	cl      claim
	hedge   bool         // it was asked beside another that was silent
	lost    bool         // another one was faster
	req     *llm.Request // as this target is asked
	call    llm.Call
	dropped []string // fields that this target cannot express
	start   time.Time
	ctx     context.Context
	cancel  context.CancelCauseFunc
	resp    *http.Response
	seen    seen
	clock   clock

	resumed *resumed     // it goes on with what another has begun
	stream  *stream      // a streamed answer, being read
	answer  llm.Response // a plain one, whole
}

// seen is what an attempt measured. Times count from its start.
type seen struct {
	streamed   bool
	firstToken time.Duration
	lastToken  time.Duration
	total      time.Duration
	events     int    // content events
	bytes      int    // of content
	id         string // that the provider gave the answer
	text       string // its beginning, where the route's content is logged
	malformed  int    // events that could not be read
	usage      *llm.Usage
	finish     llm.Finish
	status     int
}

// newAttempt returns an attempt that must be closed.
func newAttempt(parent context.Context, x *exchange, up *upstream) *attempt {
	a := &attempt{x: x, up: up, start: time.Now()}
	a.seen.streamed = x.req.Stream
	a.ctx, a.cancel = context.WithCancelCause(parent)
	a.clock.cancel = a.cancel
	return a
}

// open asks, and reads until there is something to tell the caller: of a
// stream its first token, or an end without one, of a plain answer all.
func (a *attempt) open(transport http.RoundTripper) *failure {
	f := a.ask(transport)
	switch {
	case f != nil:
	case a.req.Stream && !a.unstreamed():
		a.stream = newStream(a)
		f = a.stream.open()
	default:
		f = a.read()
	}
	return f
}

// unstreamed reports whether the answer is no stream.
func (a *attempt) unstreamed() bool {
	media, _, _ := mime.ParseMediaType(a.resp.Header.Get("Content-Type"))
	return media == "application/json"
}

// ask sends the call and waits for the answer's headers. A status that is no
// success is a failure in the provider's words.
func (a *attempt) ask(transport http.RoundTripper) *failure {
	call := a.call
	hr, err := a.up.request(a.ctx, call)
	if err != nil {
		return &failure{outcome: bellwether.ConnectError, text: "the target's address is not valid"}
	}
	if a.x.front.once {
		delete(hr.Header, "X-Idempotency-Key") // nobody asks again
	}
	a.clock.start()
	resp, err := transport.RoundTrip(hr)
	a.clock.stop()
	if err != nil {
		return a.transportFailure(err)
	}
	resp.Body = awaited{resp.Body, &a.clock}
	a.resp, a.seen.status = resp, resp.StatusCode
	if resp.StatusCode/100 != 2 {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBytes)) // what there is of it
		return a.said(a.up.codec.Error(resp.StatusCode, resp.Header, body))
	}
	return nil
}

// said is a failure in the provider's own words, without its key.
func (a *attempt) said(e *llm.Error) *failure {
	e.Message = llm.Redact(e.Message, a.up.Endpoint.Key)
	return &failure{outcome: e.Outcome, status: e.HTTPStatus(), err: e}
}

func (a *attempt) close() {
	if a.resp != nil {
		_ = a.resp.Body.Close()
	}
	a.cancel(nil)
	a.seen.total = time.Since(a.start)
}

// transportFailure names what went wrong below HTTP, or which limit passed.
func (a *attempt) transportFailure(err error) *failure {
	if cause := context.Cause(a.ctx); cause != nil {
		return a.limitFailure(cause)
	}
	f := &failure{status: a.seen.status}
	var dns *net.DNSError
	var op *net.OpError
	switch {
	case a.resp != nil:
		f.outcome, f.text = bellwether.Truncated, "the connection broke within the answer"
	case errors.As(err, &dns):
		f.outcome, f.text = bellwether.DNSError, "the host's name was not found"
	case isTLS(err):
		f.outcome, f.text = bellwether.TLSError, "no secure connection to the host"
	case errors.As(err, &op) && op.Op == "dial":
		f.outcome, f.text = bellwether.ConnectError, "no connection to the host"
	default:
		f.outcome, f.text = bellwether.ServerError, "the connection broke before the answer"
	}
	return f
}

// limitFailure says which limit ended the attempt.
func (a *attempt) limitFailure(cause error) *failure {
	f := &failure{status: a.seen.status, text: cause.Error()}
	switch {
	case errors.Is(cause, errFirstToken):
		f.outcome = bellwether.FirstTokenTimeout
	case errors.Is(cause, errStalled):
		f.outcome = bellwether.Stalled
	case errors.Is(cause, errAnswer), errors.Is(cause, errTotal):
		f.outcome = bellwether.Timeout
	case errors.Is(cause, errHedged), errors.Is(cause, ErrDrained):
		f.outcome, f.ours = bellwether.Canceled, true
	default:
		f.outcome, f.text = bellwether.Canceled, "the caller went away"
	}
	return f
}

// read reads a plain answer.
func (a *attempt) read() *failure {
	body, err := readAll(io.LimitReader(a.resp.Body, maxAnswerBytes+1), a.resp.ContentLength)
	if err != nil {
		return a.transportFailure(err)
	}
	if len(body) > maxAnswerBytes {
		return &failure{outcome: bellwether.Malformed, status: a.seen.status, text: "the answer is too large"}
	}
	resp, err := a.decode(body)
	if e, ok := errors.AsType[*llm.Error](err); ok {
		return a.said(e)
	}
	if err != nil {
		return &failure{outcome: bellwether.Malformed, status: a.seen.status, text: "the answer cannot be read"}
	}
	a.seen.usage, a.seen.finish = resp.Usage, resp.Finish
	if resp.Finish == llm.FinishNone {
		return &failure{outcome: bellwether.Truncated, status: a.seen.status, text: "the answer has no proper end"}
	}
	if a.req.Stream && (resp.Finish == llm.FinishToolCalls && len(resp.ToolCalls) == 0 || a.x.choices > 1) {
		return &failure{outcome: bellwether.Malformed, status: a.seen.status, text: "a stream was asked for, and the answer is none"}
	}
	a.seen.id = resp.ID
	a.seen.keepText(resp.Text, a.x.route.LogContent)
	a.answer, a.seen.bytes = resp, len(resp.Text)+len(resp.Reasoning)+len(resp.Refusal)
	for i := range resp.ToolCalls {
		a.seen.bytes += len(resp.ToolCalls[i].Arguments)
	}
	return nil
}

// drain reads what follows the answer's end, which is the end of the body as
// a rule: a body left unread costs its connection.
func (a *attempt) drain() {
	a.clock.expect(errStalled, drainTime)
	_, _ = io.CopyN(io.Discard, a.resp.Body, maxDrainBytes)
}
