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
// caller's first byte leaves the way open for another target.
func (x *exchange) deliver(a *attempt) *failure {
	switch {
	case a.stream != nil:
		return x.relay(a)
	case x.req.Stream:
		return x.streamWhole(a)
	}
	x.answer(a)
	return nil
}

// relay passes a stream on as it arrives: what is there goes out in one write,
// and nothing waits for more, unless the route holds its beginning back. What
// breaks before the first write stays invisible.
func (x *exchange) relay(a *attempt) (f *failure) {
	s := a.stream
	stop := x.holdBack(a)
	defer stop()
	for {
		over, gone := x.emit(a)
		switch {
		case gone:
			return &failure{outcome: bellwether.Canceled, status: a.seen.status, text: "the caller went away"}
		case over:
			stop()
			a.drain()
			return nil
		}
		if f := s.next(); f != nil {
			stop()
			if x.committed {
				x.write(&s.buf) // what came before it
				x.keep(s)
			}
			return f
		}
		if a.cl.trial && a.seen.lastToken-a.seen.firstToken >= trialGood {
			a.passTrial()
		}
	}
}

// trialGood is how long a half-open breaker's trial must stream to be a
// success before its end.
const trialGood = 5 * time.Second

// passTrial says early that a trial succeeded.
func (a *attempt) passTrial() {
	c := &a.x.rt.cfg.Breaker
	if b := &a.up.breaker; b.learn(c, a.x.rt.now(), a.cl.turn, true, well) {
		a.x.rt.turned(a.up)
	}
	a.cl.trial, a.cl.turn = false, a.up.breaker.turn.Load()
}

// emit writes what has arrived, when nothing more has.
func (x *exchange) emit(a *attempt) (over, gone bool) {
	s := a.stream
	more := s.scan.Ready()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.over:
		s.buf = s.out.end(s.buf, a.seen.finish, a.seen.usage)
		x.keepStreamed(a, s.buf)
	case more && len(s.buf) < maxWrite:
		return false, false
	case !x.committed && len(s.buf) < maxHeld && x.route.Buffer.held(a.seen.events, time.Since(a.start)-a.seen.firstToken):
		return false, false
	}
	x.commit(a)
	return s.over, !x.write(&s.buf)
}

// holdBack sees to it that a stream whose beginning is held back goes out when
// its time has come, even if nothing arrives then. What it returns ends that;
// it may be called again.
func (x *exchange) holdBack(a *attempt) (stop func()) {
	b := x.route.Buffer
	if x.committed || b.Seconds == 0 || a.seen.events == 0 {
		return func() {}
	}
	s, ended := a.stream, false
	t := time.AfterFunc(seconds(b.Seconds)-(time.Since(a.start)-a.seen.firstToken), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !ended && !x.committed {
			x.commit(a)
			x.write(&s.buf)
		}
	})
	return func() {
		t.Stop()
		s.mu.Lock()
		ended = true
		s.mu.Unlock()
	}
}

// keep notes what the caller has of a stream that broke.
func (x *exchange) keep(s *stream) {
	if x.said == nil || s.said == nil {
		return
	}
	if x.said.id == "" {
		if x.said.id = s.said.id; s.anew {
			x.said.id = x.answerID()
		}
	}
	x.said.text.WriteString(s.said.text.String())
	x.said.beyond = x.said.beyond || s.said.beyond
	x.said.tokens += s.said.tokens
}

// commit sends the headers of a stream: from here on this target's answer is
// the answer.
func (x *exchange) commit(a *attempt) {
	if x.committed {
		return
	}
	x.committed = true
	if a.stream != nil {
		if e, ok := a.stream.out.(*encoded); ok {
			x.enc = e.enc
		}
	}
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
	x.allow(time.Now())
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
	e := &llm.Error{Status: http.StatusBadGateway, Type: "server_error", Code: string(f.outcome), Dialect: llm.OpenAI,
		Message: "the answer of " + a.up.ID + " broke off: " + f.Error(), Outcome: f.outcome}
	if x.enc == nil {
		x.enc = x.front.encoder(x.req, "", "")
		if s, ok := x.enc.(llm.Sequencer); ok && a.stream != nil {
			if e, ok := a.stream.out.(*events); ok {
				s.Sequence(e.n)
			}
		}
	}
	buf := x.enc.Error(nil, e)
	x.write(&buf)
}

// answer passes a plain answer on.
func (x *exchange) answer(a *attempt) {
	resp := a.answer
	body := resp.Raw
	if x.errand == nil && (!x.front.speaks(a.up.Protocol) || len(body) == 0) {
		resp.ID, resp.Signature = x.answerID(), "" // which proves nothing to another provider
		if resp.Model == "" {
			resp.Model = a.up.Model
		}
		body = x.front.codec.EncodeResponse(resp)
	}
	x.keepAnswer(a, body)
	x.headers(a)
	h := x.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	x.committed = true
	x.w.WriteHeader(http.StatusOK)
	for len(body) > 0 {
		x.allow(time.Now())
		n := min(len(body), maxPiece)
		if _, err := x.w.Write(body[:n]); err != nil {
			return // a caller that is gone has no use for an error
		}
		body = body[n:]
	}
}

// maxPiece is how much of a plain answer is written within one write limit.
const maxPiece = 256 << 10

// allow gives the caller the write limit from now, or little less, to take
// what is written: one that reads nothing must not hold a place for ever.
func (x *exchange) allow(now time.Time) {
	if limit := x.rt.cfg.WriteLimit.Std(); now.Sub(x.allowed) > limit/4 {
		x.allowed = now
		_ = x.flusher.SetWriteDeadline(now.Add(limit)) // where nothing is a connection, nothing holds
	}
}

// streamWhole passes on as a stream the whole answer of a server that was
// asked for a stream and does not stream.
func (x *exchange) streamWhole(a *attempt) *failure {
	resp := a.answer
	model := resp.Model
	if model == "" {
		model = a.up.Model
	}
	d := llm.Delta{Text: resp.Text, Reasoning: resp.Reasoning, Refusal: resp.Refusal, Logprobs: resp.Logprobs, Tokens: resp.Tokens, Finish: resp.Finish}
	for i, call := range resp.ToolCalls {
		d.ToolCall = true
		d.ToolCalls = append(d.ToolCalls, llm.ToolCallDelta{Index: i, ID: call.ID, Name: call.Name, Arguments: call.Arguments, Signature: call.Signature})
	}
	var out *encoded
	var buf []byte
	if a.resumed != nil {
		if !a.resumed.strip(&d) {
			return differs()
		}
		out = &encoded{enc: x.resumedEncoder(model)}
	} else {
		out = &encoded{enc: x.front.encoder(x.req, x.answerID(), model)}
		buf = out.enc.Start(nil, nil)
	}
	buf = out.end(out.say(buf, d), resp.Finish, resp.Usage)
	x.keepStreamed(a, buf)
	x.commit(a)
	x.write(&buf)
	return nil
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
	if a.seen.id == "" {
		a.seen.id = d.ID
	}
	if d.Content() {
		if n := a.x.route.LogContent; n > 0 {
			a.seen.keepText(d.Text, n)
		}
		now := time.Since(a.start)
		if a.seen.events == 0 {
			a.seen.firstToken = now
		}
		a.seen.lastToken = now
		a.seen.events++
		a.seen.bytes += len(d.Text) + len(d.Reasoning) + len(d.Refusal)
		for i := range d.ToolCalls {
			a.seen.bytes += len(d.ToolCalls[i].Arguments)
		}
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
