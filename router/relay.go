package router

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/llm"
)

// deliver passes an opened answer on to the caller. A failure before the
// caller's first byte leaves the way open for another target; one after it has
// been told in-band.
func (x *exchange) deliver(a *attempt) *failure {
	switch {
	case a.stream == nil && x.req.Stream:
		x.streamWhole(a)
		return nil
	case a.stream == nil:
		x.answer(a)
		return nil
	}
	f := x.relay(a)
	if f != nil && x.committed && f.outcome != bellwether.Canceled {
		x.breakOff(a, f)
	}
	return f
}

// relay passes a stream on as it arrives: what is there goes out in one write,
// nothing waits for more. What breaks within the first write stays invisible.
func (x *exchange) relay(a *attempt) *failure {
	s := a.stream
	for {
		if s.over || !s.scan.Ready() || len(s.buf) >= maxWrite {
			if s.over {
				s.buf = s.out.end(s.buf, a.seen.finish, a.seen.usage)
			}
			x.commit(a)
			if !x.write(&s.buf) {
				return &failure{outcome: bellwether.Canceled, status: a.seen.status, text: "the caller went away"}
			}
			if s.over {
				a.drain()
				return nil
			}
		}
		if f := s.next(); f != nil {
			if x.committed {
				x.write(&s.buf) // what came before it
			}
			return f
		}
	}
}

// commit sends the headers of a stream: from here on this target's answer is
// the answer.
func (x *exchange) commit(a *attempt) {
	if x.committed {
		return
	}
	x.committed = true
	x.headers(a)
	h := x.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Accel-Buffering", "no")
	x.w.WriteHeader(http.StatusOK)
}

// write sends what is in buf at once, and empties it.
func (x *exchange) write(buf *[]byte) bool {
	if len(*buf) == 0 {
		return true
	}
	_, err := x.w.Write(*buf)
	if err == nil {
		err = x.flusher.Flush()
	}
	*buf = (*buf)[:0]
	return err == nil || errors.Is(err, http.ErrNotSupported)
}

// breakOff tells the caller in-band that the answer broke off: a stream that
// just ends looks whole to official clients.
func (x *exchange) breakOff(a *attempt, f *failure) {
	e := &llm.Error{Status: http.StatusBadGateway, Type: "server_error", Code: string(f.outcome),
		Message: "the answer of " + a.up.ID + " broke off: " + f.Error(), Outcome: f.outcome}
	buf := x.front.codec.Encoder(x.req, "", "").Error(nil, e)
	x.write(&buf)
}

// answer passes a plain answer on.
func (x *exchange) answer(a *attempt) {
	resp := a.answer
	body := resp.Raw
	if !x.front.speaks(a.up.Protocol) || len(body) == 0 {
		resp.ID = x.answerID()
		if resp.Model == "" {
			resp.Model = a.up.Model
		}
		body = x.front.codec.EncodeResponse(resp)
	}
	x.headers(a)
	h := x.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	x.committed = true
	x.w.WriteHeader(http.StatusOK)
	_, _ = x.w.Write(body) // a caller that is gone has no use for an error
}

// streamWhole passes on as a stream the whole answer of a server that was
// asked for a stream and does not stream.
func (x *exchange) streamWhole(a *attempt) {
	resp := a.answer
	model := resp.Model
	if model == "" {
		model = a.up.Model
	}
	out := &encoded{enc: x.front.encoder(x.req, x.answerID(), model)}
	d := llm.Delta{Text: resp.Text, Reasoning: resp.Reasoning, Refusal: resp.Refusal, Logprobs: resp.Logprobs, Tokens: resp.Tokens}
	for i, call := range resp.ToolCalls {
		d.ToolCalls = append(d.ToolCalls, llm.ToolCallDelta{Index: i, ID: call.ID, Name: call.Name, Arguments: call.Arguments, Signature: call.Signature})
	}
	buf := out.end(out.say(out.enc.Start(nil, nil), d), resp.Finish, resp.Usage)
	x.commit(a)
	x.write(&buf)
}

// note keeps what an event says about the answer, and moves the limit on: only
// content is a sign of life, for a server may ping while its model hangs. Of
// several answers in one stream all but the first are opaque, and every event
// is one. It reports false when the limit had passed.
func (a *attempt) note(d llm.Delta) (held bool) {
	several := a.x.choices > 1
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
		return a.clock.expect(errStalled, a.x.route.Stall)
	case d.Finish != llm.FinishNone:
		return a.clock.expect(errStalled, afterFinish)
	case d.Content():
		return a.clock.expect(errStalled, a.x.route.Stall)
	}
	return true
}
