package router

import (
	"bytes"
	"errors"
	"mime"
	"net/http"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/llm"
)

// afterFinish is how long a stream may take to send its usage and its end
// once it has said why it finished; then it counts as whole.
const afterFinish = 2 * time.Second

// Bounds on what is held for the caller, in bytes: before the first token,
// when nothing goes out, and after it, when what has arrived goes out together.
const (
	maxHeld  = 1 << 20
	maxWrite = 64 << 10
)

// relay passes a streamed answer on as it arrives: what is there goes out in
// one write, nothing waits for more. Until the first token nothing goes out,
// so that another target may still answer.
func (x *exchange) relay(a *attempt) *failure {
	out := &relayed{x: x, a: a, flusher: http.NewResponseController(x.w)}
	media, _, _ := mime.ParseMediaType(a.resp.Header.Get("Content-Type"))
	if media == "application/json" {
		return out.unstreamed()
	}
	if !sameDialect(a.up) {
		out.encode(a.up.Model)
	}
	f := out.follow()
	switch {
	case f == nil:
		if out.finish() {
			a.drain()
		}
	case x.committed && f.outcome != bellwether.Canceled:
		out.fail(f)
	}
	return f
}

// relayed is the writing side of one streamed answer.
type relayed struct {
	x       *exchange
	a       *attempt
	flusher *http.ResponseController
	enc     llm.FullStreamEncoder // nil: the target speaks the caller's dialect
	usage   []byte                // the chunk that says the usage, kept for the end
	buf     []byte                // what has arrived and is not yet written
}

// encode makes the answer one that we write, as model's.
func (o *relayed) encode(model string) {
	o.enc = o.x.rt.front.Encoder(o.x.req, o.x.answerID(), model).(llm.FullStreamEncoder) // New has seen that it is one
	o.buf = o.enc.Start(o.buf, nil)
}

// follow reads the stream to its end. nil means that it was whole.
func (o *relayed) follow() *failure {
	x, a := o.x, o.a
	dec, scan := a.up.codec.Decoder(), llm.NewScanner(a.resp.Body, 0)
	for {
		ev, err := scan.Next()
		if err != nil {
			return a.streamEnd(err, x.choices > 1)
		}
		d, err := dec.Decode(ev)
		if err != nil { // one bad event among good ones
			a.seen.malformed++
			x.rt.metrics.malformed.Inc()
			continue
		}
		if d.Err != nil {
			return a.said(d.Err)
		}
		if held := a.note(d, x.route.Stall, x.choices > 1); !held && !x.committed {
			return a.limitFailure(errFirstToken)
		}
		o.add(ev, d)
		if f := o.release(d, scan.Ready()); f != nil {
			return f
		}
		if d.Done {
			return a.streamEnd(nil, false)
		}
	}
}

// release writes what is to be written: nothing before the first token, then
// all that has arrived.
func (o *relayed) release(d llm.Delta, more bool) *failure {
	if !o.x.committed {
		if len(o.buf) > maxHeld && !d.Content() {
			return &failure{outcome: bellwether.Malformed, status: o.a.seen.status, text: "the stream says too much before its first token"}
		}
		if !d.Content() && d.Finish == llm.FinishNone {
			return nil
		}
		o.commit()
	}
	if more && len(o.buf) < maxWrite {
		return nil
	}
	if !o.flush() {
		return &failure{outcome: bellwether.Canceled, status: o.a.seen.status, text: "the caller went away"}
	}
	return nil
}

// streamEnd judges an end of stream: whole only after a proper finish. Where
// several answers come in one stream, the finish that was seen is the first
// one's, and only a proper end of the stream itself is one.
func (a *attempt) streamEnd(err error, several bool) *failure {
	if a.seen.finish != llm.FinishNone && !several {
		return nil
	}
	f := &failure{outcome: bellwether.Truncated, status: a.seen.status, text: "the stream ended without its end"}
	switch {
	case err == nil:
	case errors.Is(err, llm.ErrEventTooLong):
		f.outcome, f.text = bellwether.Malformed, "the stream holds an event that is too long"
	case a.ctx.Err() != nil:
		return a.transportFailure(err)
	case a.seen.events == 0 && a.seen.malformed > 0:
		f.outcome, f.text = bellwether.Malformed, "nothing in the stream could be read"
	}
	return f
}

// note keeps what an event says about the answer, and moves the limit on: only
// content is a sign of life, for a server may ping while its model hangs. Of
// several answers in one stream all but the first are opaque, and every event
// is one. It reports false when the limit had passed.
func (a *attempt) note(d llm.Delta, stall time.Duration, several bool) (held bool) {
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
	if d.Finish != llm.FinishNone {
		a.seen.finish = d.Finish
	}
	switch {
	case several && a.seen.events > 0:
		return a.clock.expect(errStalled, stall)
	case d.Finish != llm.FinishNone:
		return a.clock.expect(errStalled, afterFinish)
	case d.Content():
		return a.clock.expect(errStalled, stall)
	}
	return true
}

// commit sends the headers: from here on this target's answer is the answer.
func (o *relayed) commit() {
	o.x.committed = true
	o.x.headers(o.a)
	h := o.x.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Accel-Buffering", "no")
	o.x.w.WriteHeader(http.StatusOK)
}

// add appends what an event means to the caller.
func (o *relayed) add(ev llm.Event, d llm.Delta) {
	if o.enc == nil {
		o.passThrough(ev, d)
		return
	}
	o.say(d)
	if ev.Type == "ping" && o.x.committed {
		o.buf = append(o.buf, ": ping\n\n"...)
	}
}

// say writes what an event carries.
func (o *relayed) say(d llm.Delta) {
	o.buf = o.enc.Reasoning(o.buf, d.Reasoning)
	o.buf = o.enc.Refusal(o.buf, d.Refusal)
	o.buf = o.enc.Text(o.buf, d.Text)
	for _, call := range d.ToolCalls {
		o.buf = o.enc.ToolCall(o.buf, call)
	}
	if len(d.Logprobs) > 0 && len(d.Tokens) == len(d.Logprobs) {
		o.buf = o.enc.Logprobs(o.buf, d.Tokens, d.Logprobs)
	}
}

// passThrough keeps an event as it came, unknown fields and all, except for
// the end and the usage, which finish writes: some servers say the usage in a
// chunk of its own, some beside a piece of the answer, some again and again.
func (o *relayed) passThrough(ev llm.Event, d llm.Delta) {
	data := bytes.TrimSpace(ev.Data)
	if d.Usage != nil {
		data = o.takeUsage(data)
	}
	if d.Done || len(data) == 0 {
		return
	}
	o.buf = append(o.buf, "data: "...)
	from := len(o.buf)
	o.buf = append(append(o.buf, data...), "\n\n"...)
	for i := from; i < len(o.buf)-2; i++ { // data of several lines: in JSON a line end is a space
		if o.buf[i] == '\n' {
			o.buf[i] = ' '
		}
	}
}

func (o *relayed) flush() bool {
	if len(o.buf) == 0 {
		return true
	}
	_, err := o.x.w.Write(o.buf)
	if err == nil {
		err = o.flusher.Flush()
	}
	o.buf = o.buf[:0]
	return err == nil || errors.Is(err, http.ErrNotSupported)
}

// finish writes the proper end.
func (o *relayed) finish() bool {
	switch {
	case o.enc != nil:
		o.buf = o.enc.End(o.buf, o.a.seen.finish, o.a.seen.usage)
	case o.x.req.StreamUsage && o.usage != nil:
		o.buf = append(append(append(o.buf, "data: "...), o.usage...), "\n\n"...)
		fallthrough
	default:
		o.buf = append(o.buf, "data: [DONE]\n\n"...)
	}
	return o.flush()
}

// fail tells the caller in-band that the answer broke off: a stream that just
// ends looks whole to official clients.
func (o *relayed) fail(f *failure) {
	e := &llm.Error{Status: http.StatusBadGateway, Type: "server_error", Code: string(f.outcome),
		Message: "the answer of " + o.a.up.ID + " broke off: " + f.Error(), Outcome: f.outcome}
	o.buf = append(append(append(o.buf, "data: "...), o.x.rt.front.EncodeError(e)...), "\n\n"...)
	o.flush()
}
