package router

import (
	"errors"
	"net/http"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/llm"
)

// afterFinish is how long a stream may take to send its usage and its end
// once it has said why it finished; then it counts as whole.
const afterFinish = 2 * time.Second

// relayed is the writing side of one streamed answer.
type relayed struct {
	x       *exchange
	a       *attempt
	flusher *http.ResponseController
	enc     llm.FullStreamEncoder // nil: the target speaks the caller's dialect
	buf     []byte                // what has arrived and is not yet written
	started bool                  // enc.Start was called
}

// relay passes a streamed answer on as it arrives: what is there goes out in
// one write, nothing waits for more. Until the first token nothing goes out,
// so that another target may still answer.
func (x *exchange) relay(a *attempt) *failure {
	out := &relayed{x: x, a: a, flusher: http.NewResponseController(x.w)}
	if !sameDialect(a.up) {
		out.enc, _ = x.rt.front.Encoder(x.req, "chatcmpl-"+x.w.Header().Get("X-Request-Id"), a.up.Model).(llm.FullStreamEncoder)
	}
	f := x.follow(a, out)
	a.seen.total = time.Since(a.start)
	x.upstream += a.seen.total
	switch {
	case f == nil:
		out.finish()
	case x.committed && f.outcome != bellwether.Canceled:
		out.fail(f)
	}
	return f
}

// follow reads the stream to its end. nil means that it was whole.
func (x *exchange) follow(a *attempt, out *relayed) *failure {
	dec, scan := a.up.codec.Decoder(), llm.NewScanner(a.resp.Body, 0)
	for {
		ev, err := scan.Next()
		if err != nil {
			return a.streamEnd(err)
		}
		d, err := dec.Decode(ev)
		if err != nil { // one bad event among good ones
			x.rt.metrics.malformed.Inc()
			continue
		}
		if d.Err != nil {
			return &failure{outcome: d.Err.Outcome, status: a.seen.status, err: d.Err}
		}
		a.note(d, x.route.Stall)
		out.add(ev, d)
		if (d.Content() || d.Finish != llm.FinishNone) && !x.committed {
			x.commit(a)
		}
		if x.committed && !scan.Ready() {
			out.flush()
		}
		if d.Done {
			return a.streamEnd(nil)
		}
	}
}

// streamEnd judges an end of stream: whole only after a proper finish.
func (a *attempt) streamEnd(err error) *failure {
	if a.seen.finish != llm.FinishNone {
		return nil
	}
	if err == nil || a.ctx.Err() == nil && !errors.Is(err, llm.ErrEventTooLong) {
		return &failure{outcome: bellwether.Truncated, status: a.seen.status, text: "the stream ended without its end"}
	}
	if errors.Is(err, llm.ErrEventTooLong) {
		return &failure{outcome: bellwether.Malformed, status: a.seen.status, text: "the stream holds an event that is too long"}
	}
	return a.transportFailure(err)
}

// note keeps what an event says about the answer, and moves the limit on.
func (a *attempt) note(d llm.Delta, stall time.Duration) {
	if d.Usage != nil {
		a.seen.usage = d.Usage
	}
	if d.Content() {
		now := time.Since(a.start)
		if a.seen.events == 0 {
			a.seen.firstToken = now
		}
		a.seen.lastToken = now
		a.seen.events++
	}
	switch {
	case d.Finish != llm.FinishNone:
		a.seen.finish = d.Finish
		a.reset(errStalled, afterFinish)
	case a.seen.events > 0:
		a.reset(errStalled, stall)
	}
}

// reset starts the limit anew. The timer that reset replaces may have fired
// already; then the attempt is cancelled all the same, as it should be.
func (a *attempt) reset(cause error, d time.Duration) {
	if a.limitCause == cause {
		a.limit.Reset(d)
		return
	}
	a.limit.Stop()
	a.limitCause = cause
	a.limit = time.AfterFunc(d, func() { a.cancel(cause) })
}

// commit sends the headers: from here on this target's answer is the answer.
func (x *exchange) commit(a *attempt) {
	x.committed = true
	x.upstream += time.Since(a.start)
	x.headers(a.up)
	x.upstream -= time.Since(a.start) // relay adds the whole
	h := x.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Accel-Buffering", "no")
	x.w.WriteHeader(http.StatusOK)
}

// add appends what an event means to the caller.
func (o *relayed) add(ev llm.Event, d llm.Delta) {
	if o.enc == nil {
		o.passThrough(ev, d)
		return
	}
	if !o.started {
		o.started = true
		o.buf = o.enc.Start(o.buf, nil)
	}
	if d.Reasoning != "" {
		o.buf = o.enc.Reasoning(o.buf, d.Reasoning)
	}
	if d.Refusal != "" {
		o.buf = o.enc.Refusal(o.buf, d.Refusal)
	}
	if d.Text != "" {
		o.buf = o.enc.Text(o.buf, d.Text)
	}
}

// passThrough keeps an event as it came, unknown fields and all, except for
// the end, which finish writes, and a usage chunk that the caller did not ask
// for (we did, for accounting; some clients would add it up).
func (o *relayed) passThrough(ev llm.Event, d llm.Delta) {
	usageOnly := d.Usage != nil && !d.Content() && d.Finish == llm.FinishNone && o.a.seen.finish != llm.FinishNone
	if d.Done || (usageOnly && !o.x.req.StreamUsage) {
		return
	}
	o.buf = append(append(append(o.buf, "data: "...), ev.Data...), "\n\n"...)
}

func (o *relayed) flush() {
	if len(o.buf) == 0 {
		return
	}
	_, _ = o.x.w.Write(o.buf) // a caller that is gone is found by its context
	_ = o.flusher.Flush()
	o.buf = o.buf[:0]
}

// finish writes the proper end.
func (o *relayed) finish() {
	if !o.x.committed { // an empty answer: finished without a token
		o.x.commit(o.a)
	}
	if o.enc != nil {
		o.buf = o.enc.End(o.buf, o.a.seen.finish, o.a.seen.usage)
	} else {
		o.buf = append(o.buf, "data: [DONE]\n\n"...)
	}
	o.flush()
}

// fail tells the caller in-band that the answer broke off: a stream that just
// ends looks whole to official clients.
func (o *relayed) fail(f *failure) {
	e := &llm.Error{Status: http.StatusBadGateway, Type: "server_error", Code: string(f.outcome),
		Message: "the answer of " + o.a.up.ID + " broke off: " + f.Error(), Outcome: f.outcome}
	if o.enc == nil {
		o.buf = append(append(append(o.buf, "data: "...), o.x.rt.front.EncodeError(e)...), "\n\n"...)
	} else {
		o.buf = o.enc.Error(o.buf, e)
	}
	o.flush()
}
