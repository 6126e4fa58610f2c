package router

import (
	"errors"
	"sync"
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

// stream is the reading side of one streamed answer: what has arrived stands
// in buf, in the caller's dialect, until it is written.
type stream struct {
	a    *attempt
	dec  llm.StreamDecoder
	scan *llm.Scanner
	out  streamWriter
	buf  []byte
	anew bool // its answer is written anew, with an id of ours
	over bool // it has properly ended

	mu   sync.Mutex // guards what follows the reading: a hold's end writes too
	said *said      // what is in buf and before it, where it may be rescued
}

func newStream(a *attempt) *stream {
	s := &stream{a: a, dec: a.up.codec.Decoder(), scan: llm.NewScanner(a.resp.Body, 0)}
	x := a.x
	if x.said != nil {
		s.said = &said{}
	}
	own := x.front.speaks(a.up.Protocol)
	if a.resumed != nil {
		s.out = &encoded{enc: x.resumedEncoder(a.up.Model)}
		return s
	}
	if own && x.front.pass != nil {
		s.out = x.front.pass(x)
	}
	if s.out == nil {
		e := &encoded{enc: x.front.encoder(x.req, x.answerID(), a.up.Model), own: own}
		s.buf = e.enc.Start(s.buf, nil)
		s.out, s.anew = e, true
	}
	return s
}

// resumedEncoder returns what goes on writing an answer that another target
// has begun: one answer has one id.
func (x *exchange) resumedEncoder(model string) llm.FullStreamEncoder {
	if x.enc == nil {
		x.enc = x.front.encoder(x.req, x.said.id, model)
	}
	return x.enc
}

// open reads up to the first token, or to the end of a stream without one.
func (s *stream) open() *failure {
	for !s.over && s.a.seen.events == 0 && s.a.seen.finish == llm.FinishNone {
		if f := s.next(); f != nil {
			return f
		}
		if len(s.buf) > maxHeld && s.a.seen.events == 0 {
			return &failure{outcome: bellwether.Malformed, status: s.a.seen.status, text: "the stream says too much before its first token"}
		}
	}
	return nil
}

// next reads one event. nil at the end means that the stream is whole.
func (s *stream) next() *failure {
	a := s.a
	ev, err := s.scan.Next()
	if err != nil {
		s.over = true
		return a.streamEnd(err)
	}
	return s.take(ev)
}

// take takes one event. It is apart from next, which waits, so that little
// stack is in use while thousands of streams wait.
func (s *stream) take(ev llm.Event) *failure {
	a := s.a
	s.mu.Lock()
	defer s.mu.Unlock()
	d, err := s.dec.Decode(ev)
	if err != nil { // one bad event among good ones
		a.seen.malformed++
		a.x.rt.metrics.malformed.Inc()
		return nil
	}
	if d.Err != nil {
		return a.said(d.Err)
	}
	before := a.seen.events > 0 || a.seen.finish != llm.FinishNone
	if held := a.note(d); !held && !before {
		return a.limitFailure(errFirstToken)
	}
	if a.resumed != nil && !a.resumed.strip(&d) {
		return differs()
	}
	if s.said != nil {
		s.said.note(&d)
	}
	s.buf = s.out.event(s.buf, ev, d)
	if d.Done {
		s.over = true
		return a.streamEnd(nil)
	}
	return nil
}

// streamEnd judges an end of stream: whole only after a proper finish. Where
// several answers come in one stream, the finish that was seen is the first
// one's, and only a proper end (err nil) of the stream itself is one.
func (a *attempt) streamEnd(err error) *failure {
	if a.seen.finish != llm.FinishNone && (a.x.choices <= 1 || err == nil) {
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
