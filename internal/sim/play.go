package sim

import (
	"bytes"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/bellwether-llm/bellwether/llm"
)

// player plays one plan to one client, on the request's goroutine.
type player struct {
	w       http.ResponseWriter
	control *http.ResponseController
	plan    *plan
	codec   llm.Codec
	req     llm.Request
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
		writeError(a.w, a.codec, p.failure)
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
	switch a.codec.Protocol() {
	case llm.OpenAI, llm.Azure:
		a.id = "chatcmpl-" + a.id
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
	r := llm.Response{ID: a.id, Model: p.model, Fingerprint: fingerprint(p.model), Text: strings.Join(p.said, ""),
		Finish: p.finish, Usage: &p.usage}
	if p.refused {
		r.Text, r.Refusal = "", r.Text
	}
	if a.req.Logprobs {
		r.MeanLogprob = &p.logprob
	}
	body := a.codec.EncodeResponse(r)
	if p.garbled != 0 {
		body = body[:len(body)*2/3]
	}
	h := a.w.Header()
	h.Set("Content-Type", "application/json")
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

// stream sends an answer token by token.
func (a *player) stream() ending {
	p := a.plan
	enc := a.codec.Encoder(a.req, a.id, p.model)
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
	limit := len(p.said)
	if p.breaks != breakNone {
		limit = min(limit, p.after)
	}
	for i := 0; i < limit; {
		if !a.until(p.due(i)) {
			return endedCancelled
		}
		for ready := time.Since(a.arrived) + together; i < limit && p.due(i) <= ready; i++ {
			a.token(enc, i)
		}
		if !a.flush() {
			return endedCancelled
		}
	}
	return a.close(enc)
}

// refuser is an encoder whose protocol sets a refusal's words apart.
type refuser interface {
	Refusal(dst []byte, s string) []byte
}

// token appends the answer's token i to what is to be sent.
func (a *player) token(enc llm.StreamEncoder, i int) {
	p, from := a.plan, len(a.buf)
	if r, ok := enc.(refuser); ok && p.refused {
		a.buf = r.Refusal(a.buf, p.said[i])
	} else {
		a.buf = enc.Text(a.buf, p.said[i])
	}
	if p.garbled < 0 || p.garbled > 0 && i == p.garbled {
		a.buf = append(a.buf[:from], a.garble(bytes.Clone(a.buf[from:]), true)...)
	}
}

// close ends a stream: properly, or as a fault has it.
func (a *player) close(enc llm.StreamEncoder) ending {
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
	a.buf = enc.End(a.buf, p.finish, &p.usage)
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
