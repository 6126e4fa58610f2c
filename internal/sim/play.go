package sim

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/bellwether-llm/bellwether/llm"
)

// player plays one plan to one client, on the request's goroutine.
type player struct {
	w       http.ResponseWriter
	control *http.ResponseController
	plan    *plan
	task
	id      string // the answer's, as its protocol dresses it
	arrived time.Time
	done    <-chan struct{} // the client is gone, or the server stops
	timer   *time.Timer
	buf     []byte
}

// errorPart is how much of the first token's time a fast error takes.
const errorPart = 4

// together is how close to each other two events must be due to go out in one
// write: no timer tells them apart.
const together = 300 * time.Microsecond

// play sends the answer and returns how it ended. An answer that it breaks off
// is left open, for the caller to cut.
func (a *player) play() ending {
	a.timer = time.NewTimer(time.Hour)
	defer a.timer.Stop()
	p := a.plan
	a.name()
	switch {
	case p.failure != nil:
		if !a.until(p.first / errorPart) {
			return endedCancelled
		}
		writeError(a.w, a.speak, p.failure)
		return endedWhole
	case p.breaks == breakReset && p.after == 0:
		if !a.until(p.first / errorPart) {
			return endedCancelled
		}
		return endedBroken
	case a.req.Stream:
		return a.stream()
	}
	return a.whole()
}

// name dresses the answer's id and sends the request's, as the protocol does.
func (a *player) name() {
	a.id = a.plan.id
	switch a.speak.Protocol() {
	case llm.OpenAI, llm.Azure:
		a.id = "chatcmpl-" + a.id
		if _, ok := a.speak.(llm.Completions); ok {
			a.id = "cmpl-" + a.plan.id
		}
		a.w.Header().Set("X-Request-Id", "req_"+a.plan.id)
	case llm.Responses:
		a.id = "resp_" + a.id
		a.w.Header().Set("X-Request-Id", "req_"+a.plan.id)
	case llm.Anthropic:
		a.id = "msg_" + a.id
		a.w.Header().Set("Request-Id", "req_"+a.plan.id)
	}
}

// until waits until d after the request's arrival; false when the client went
// away first.
func (a *player) until(d time.Duration) bool {
	wait := d - time.Since(a.arrived)
	if wait <= 0 {
		select {
		case <-a.done:
			return false
		default:
			return true
		}
	}
	a.timer.Reset(wait)
	select {
	case <-a.done:
		return false
	case <-a.timer.C:
		return true
	}
}

// whole sends an answer that is not streamed, at its last token's time.
func (a *player) whole() ending {
	p := a.plan
	if p.breaks == breakStall {
		<-a.done
		return endedCancelled
	}
	if !a.until(p.last()) {
		return endedCancelled
	}
	body := a.encode()
	if p.garbled != 0 {
		body = body[:len(body)*2/3]
	}
	h := a.w.Header()
	h.Set("Content-Type", "application/json")
	if a.quick && !json.Valid(body) {
		h.Set("Content-Type", "text/plain; charset=utf-8")
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	how := endedWhole
	if p.breaks != breakNone {
		body, how = body[:len(body)/2], endedBroken
	}
	if _, err := a.w.Write(body); err != nil {
		return endedCancelled
	}
	if how == endedBroken {
		_ = a.control.Flush() // what is cut off is cut off on the wire
	}
	return how
}

// encode returns the body of an answer that is not streamed.
func (a *player) encode() []byte {
	if a.body != nil {
		return a.body(a.plan)
	}
	p := a.plan
	r := a.response(&p.choices[0])
	r.ID, r.Model, r.Fingerprint, r.Usage = a.id, p.model, fingerprint(p.model), &p.usage
	for i := range p.choices[1:] {
		r.More = append(r.More, a.response(&p.choices[i+1]))
	}
	return a.speak.EncodeResponse(r)
}

// response is what one choice says.
func (a *player) response(c *choice) llm.Response {
	p := a.plan
	r := llm.Response{Text: c.text(tokenText), Refusal: c.text(tokenRefusal), Reasoning: c.text(tokenThought),
		ToolCalls: c.made(), Finish: c.finish, StopSequence: c.stopped}
	if r.Reasoning != "" && p.think.signed {
		r.Signature = sign(r.Reasoning)
	}
	if a.req.Logprobs {
		r.MeanLogprob = &p.logprob
		for _, t := range c.tokens {
			if t.kind == tokenText {
				r.Tokens, r.Logprobs = append(r.Tokens, t.text), append(r.Logprobs, p.logprobOf(t.text))
			}
		}
	}
	return r
}

// stream sends an answer token by token.
func (a *player) stream() ending {
	p := a.plan
	enc := a.encoder()
	if !a.until(p.headers) {
		return endedCancelled
	}
	h := a.w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	a.buf = a.garble(enc.Start(a.buf, &llm.Usage{Input: p.usage.Input}), p.garbled < 0)
	if !a.flush() {
		return endedCancelled
	}
	limit := p.steps
	if p.breaks != breakNone {
		limit = min(limit, p.after)
	}
	for i := 0; i < limit; {
		if !a.until(p.due(i)) {
			return endedCancelled
		}
		for ready := time.Since(a.arrived) + together; i < limit && p.due(i) <= ready; i++ {
			a.step(enc, i)
		}
		if len(a.buf) > 0 && !a.flush() {
			return endedCancelled
		}
	}
	return a.close(enc)
}

// step appends the token i of every choice to what is to be sent.
func (a *player) step(enc encoder, i int) {
	p, from := a.plan, len(a.buf)
	for k := range p.choices {
		c := &p.choices[k]
		if i >= len(c.tokens) {
			continue
		}
		if enc.chooser != nil {
			enc.Choice(k)
		}
		a.buf = enc.token(a.buf, p, c, i)
	}
	if p.garbled < 0 || p.garbled > 0 && i == p.garbled {
		a.buf = append(a.buf[:from], a.garble(bytes.Clone(a.buf[from:]), true)...)
	}
}

// close ends a stream: properly, or as a fault has it.
func (a *player) close(enc encoder) ending {
	p := a.plan
	switch p.breaks {
	case breakStall:
		<-a.done
		return endedCancelled
	case breakTruncate, breakReset:
		return endedBroken
	}
	if !a.until(p.last()) { // an answer without a token ends when its first was due
		return endedCancelled
	}
	last := len(p.choices) - 1
	for k := range p.choices[:last] {
		enc.Choice(k)
		a.buf = enc.EndChoice(a.buf, p.choices[k].finish)
	}
	if last > 0 {
		enc.Choice(last)
	}
	if s, ok := enc.FullStreamEncoder.(llm.Stopper); ok {
		s.Stopped(p.choices[last].stopped)
	}
	a.buf = enc.End(a.buf, p.choices[last].finish, &p.usage)
	if p.noDone {
		a.buf = withoutDone(a.buf)
	}
	a.buf = a.garble(a.buf, p.garbled < 0)
	if !a.flush() {
		return endedCancelled
	}
	return endedWhole
}

// flush sends what is buffered; false when the client is gone.
func (a *player) flush() bool {
	_, err := a.w.Write(a.buf)
	a.buf = a.buf[:0]
	return err == nil && a.control.Flush() == nil
}

// garble cuts the data of events short, so that nothing parses.
func (a *player) garble(events []byte, really bool) []byte {
	if !really {
		return events
	}
	var out []byte
	for line := range bytes.Lines(events) {
		if data, ok := bytes.CutPrefix(line, []byte("data:")); ok {
			line = append([]byte("data:"), data[:len(data)*2/3]...)
			line = append(bytes.TrimRight(line, "\r\n"), '\n')
		}
		out = append(out, line...)
	}
	return out
}

// withoutDone drops the protocol's end of stream, where it has one.
func withoutDone(events []byte) []byte {
	var out []byte
	for ev := range bytes.SplitAfterSeq(events, []byte("\n\n")) {
		if !bytes.Contains(ev, []byte("[DONE]")) && !bytes.Contains(ev, []byte("message_stop")) {
			out = append(out, ev...)
		}
	}
	return out
}

// reset cuts the connection; hard sends a TCP reset, otherwise it is closed in
// the middle of the body. Where the connection is not ours to take (HTTP/2),
// the server's own abort does it.
func (a *player) reset(hard bool) {
	conn, _, err := a.control.Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok && hard {
		_ = tcp.SetLinger(0) // best effort: without it the close is an ordinary one
	}
	_ = conn.Close()
}
