package router

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/llm"
)

// Bounds on what is read from a provider.
const (
	maxAnswerBytes = 64 << 20
	maxErrorBytes  = 64 << 10
)

// The limits that cancel an attempt, as causes.
var (
	errFirstToken = errors.New("no first token in time")
	errStalled    = errors.New("the stream fell silent")
	errTotal      = errors.New("out of time")
)

// failure is how an attempt ended badly.
type failure struct {
	outcome bellwether.Outcome
	status  int        // of the provider's answer, 0 when there was none
	err     *llm.Error // the provider's own words, nil when it had none
	text    string     // ours, without secrets
	skipped bool       // never sent: this target cannot express the request
}

func (f *failure) Error() string {
	if f.err != nil && f.err.Message != "" {
		return fmt.Sprintf("%s: %s", f.outcome, f.err.Message)
	}
	return fmt.Sprintf("%s: %s", f.outcome, f.text)
}

// final reports whether another target would answer no better, so that the
// provider's own answer goes to the caller.
func (f *failure) final() bool {
	if f.skipped {
		return false
	}
	return f.outcome == bellwether.ClientError || f.outcome == bellwether.Canceled ||
		(f.err != nil && (f.err.Context || f.err.Policy))
}

// attempt is one call of one target for one request.
type attempt struct {
	up     *upstream
	start  time.Time
	ctx    context.Context
	cancel context.CancelCauseFunc
	resp   *http.Response
	seen   seen

	limit      *time.Timer // cancels with limitCause when the first token, or the next, is late
	limitCause error
}

// seen is what an attempt measured.
type seen struct {
	firstToken time.Duration
	lastToken  time.Duration
	total      time.Duration
	events     int // content events
	usage      *llm.Usage
	finish     llm.Finish
	status     int
}

// begin sends the request and waits for the answer's headers. On success the
// caller must close the attempt.
func (rt *Router) begin(parent context.Context, up *upstream, req llm.Request, r *routeTable) (*attempt, *failure) {
	req.Model = up.model()
	req.StreamUsage = req.Stream // for accounting; not passed on unasked
	call, err := up.codec.Encode(up.Endpoint, req)
	if err != nil {
		return nil, &failure{outcome: bellwether.ClientError, status: http.StatusBadRequest, err: unsupported(err), skipped: true}
	}
	a := &attempt{up: up, start: time.Now()}
	a.ctx, a.cancel = context.WithCancelCause(parent)
	if req.Stream {
		a.limitCause = errFirstToken
		a.limit = time.AfterFunc(r.FirstToken, func() { a.cancel(errFirstToken) })
	}
	hr, err := http.NewRequestWithContext(a.ctx, call.Method, call.URL, bytes.NewReader(call.Body))
	if err != nil {
		a.close()
		return nil, &failure{outcome: bellwether.ClientError, text: "the target's address is not valid"}
	}
	hr.Header = call.Header
	a.resp, err = rt.transport.RoundTrip(hr)
	if err != nil {
		f := a.transportFailure(err)
		a.close()
		return nil, f
	}
	a.seen.status = a.resp.StatusCode
	if a.resp.StatusCode/100 != 2 {
		body, _ := io.ReadAll(io.LimitReader(a.resp.Body, maxErrorBytes))
		e := up.codec.Error(a.resp.StatusCode, a.resp.Header, body)
		a.close()
		return nil, &failure{outcome: e.Outcome, status: e.Status, err: e}
	}
	return a, nil
}

// unsupported turns a codec's refusal into an error for the caller.
func unsupported(err error) *llm.Error {
	return &llm.Error{Status: http.StatusBadRequest, Outcome: bellwether.ClientError, Type: "invalid_request_error",
		Code: "unsupported_field", Message: err.Error()}
}

func (a *attempt) close() {
	if a.limit != nil {
		a.limit.Stop()
	}
	if a.resp != nil {
		_ = a.resp.Body.Close()
	}
	a.cancel(nil)
}

// transportFailure names what went wrong below HTTP, or which limit passed.
func (a *attempt) transportFailure(err error) *failure {
	f := &failure{status: a.seen.status}
	var dns *net.DNSError
	var op *net.OpError
	cause := context.Cause(a.ctx)
	switch {
	case errors.Is(cause, errFirstToken):
		f.outcome, f.text = bellwether.FirstTokenTimeout, errFirstToken.Error()
	case errors.Is(cause, errStalled):
		f.outcome, f.text = bellwether.Stalled, errStalled.Error()
	case errors.Is(cause, errTotal), errors.Is(cause, context.DeadlineExceeded):
		f.outcome, f.text = bellwether.Timeout, errTotal.Error()
	case errors.Is(cause, context.Canceled):
		f.outcome, f.text = bellwether.Canceled, "the caller went away"
	case errors.As(err, &dns):
		f.outcome, f.text = bellwether.DNSError, "the host's name was not found"
	case errors.As(err, &op) && op.Op == "dial":
		f.outcome, f.text = bellwether.ConnectError, "no connection to the host"
	case a.resp != nil:
		f.outcome, f.text = bellwether.Truncated, "the connection broke within the answer"
	case isTLS(err):
		f.outcome, f.text = bellwether.TLSError, "no secure connection to the host"
	default:
		f.outcome, f.text = bellwether.ServerError, "the connection broke before the answer"
	}
	return f
}

// whole reads a plain answer.
func (a *attempt) whole() (llm.Response, *failure) {
	body, err := io.ReadAll(io.LimitReader(a.resp.Body, maxAnswerBytes+1))
	a.seen.total = time.Since(a.start)
	if err != nil {
		return llm.Response{}, a.transportFailure(err)
	}
	if len(body) > maxAnswerBytes {
		return llm.Response{}, &failure{outcome: bellwether.Malformed, status: a.seen.status, text: "the answer is too large"}
	}
	resp, err := a.up.codec.Decode(body)
	if e, ok := errors.AsType[*llm.Error](err); ok {
		return resp, &failure{outcome: e.Outcome, status: a.seen.status, err: e}
	}
	if err != nil {
		return resp, &failure{outcome: bellwether.Malformed, status: a.seen.status, text: "the answer cannot be read"}
	}
	a.seen.usage, a.seen.finish = resp.Usage, resp.Finish
	if resp.Finish == llm.FinishNone {
		return resp, &failure{outcome: bellwether.Truncated, status: a.seen.status, text: "the answer has no proper end"}
	}
	return resp, nil
}
