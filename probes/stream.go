package probes

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/llm"
)

// chunk is what one read of the body returned, with the time it returned.
type chunk struct {
	at   time.Duration
	data []byte
}

// arrivals reads a body on a goroutine of its own, so that the time it takes
// to decode an event is in no interval. It is an io.Reader for the goroutine
// that decodes: each Read returns bytes of one chunk only.
type arrivals struct {
	chunks chan chunk
	stop   chan struct{}
	err    error // why the body ended; set before chunks is closed

	cur   chunk
	last  time.Duration // the last byte handed out
	reads int           // chunks handed out; names the chunk of an event
}

// receive starts to read body. The caller must call join.
func receive(body io.Reader, start time.Time) *arrivals {
	a := &arrivals{chunks: make(chan chunk, 256), stop: make(chan struct{})}
	go a.pump(body, start)
	return a
}

// pump reads until the body ends, or grows too large, or join is called.
func (a *arrivals) pump(body io.Reader, start time.Time) {
	defer close(a.chunks)
	var block []byte
	for total := 0; ; {
		if len(block) < 1<<10 {
			block = make([]byte, 16<<10)
		}
		n, err := body.Read(block)
		if n > 0 {
			c := chunk{at: max(1, time.Since(start)), data: block[:n:n]}
			block = block[n:]
			select {
			case a.chunks <- c:
			case <-a.stop:
				return
			}
		}
		if total += n; total > maxBodyBytes && err == nil {
			err = errTooLarge
		}
		if err != nil {
			a.err = err
			return
		}
	}
}

// Read returns bytes of the present chunk, or waits for the next.
func (a *arrivals) Read(p []byte) (int, error) {
	if len(a.cur.data) == 0 {
		c, ok := <-a.chunks
		if !ok {
			return 0, a.err
		}
		a.cur, a.last = c, c.at
		a.reads++
	}
	n := copy(p, a.cur.data)
	a.cur.data = a.cur.data[n:]
	return n, nil
}

// drain takes what is left after the protocol's end of stream, so that the
// connection can be used again.
func (a *arrivals) drain() {
	for c := range a.chunks {
		a.last = c.at
	}
}

// join ends the reading goroutine; the body's context must be over, or its end
// reached.
func (a *arrivals) join() {
	close(a.stop)
	for range a.chunks {
		continue
	}
}

// stream reads a streamed answer until its own end. An error is one of
// reading, and says that the answer is not whole.
func (r *reply) stream(cancel context.CancelCauseFunc, body io.ReadCloser, dec llm.StreamDecoder, lim *limits) error {
	in := receive(body, r.start)
	defer in.join()
	defer cancel(nil) // before join: it ends a read that still waits
	err := r.events(llm.NewScanner(in, maxEventBytes), in, dec, lim)
	r.last = in.last
	if errors.Is(err, io.EOF) {
		err = nil
	}
	switch {
	case r.fail.outcome != "":
		return nil
	case r.finish != llm.FinishNone:
		return nil // whole, however the connection ended
	case err != nil:
		return err
	case in.reads == 0:
		r.fail = failure{bellwether.Truncated, "read stream: it is empty"}
	default:
		r.fail = failure{bellwether.Truncated, "read stream: it ended without a finish"}
	}
	return nil
}

// events takes the events one by one. It returns nil at the protocol's own end
// of stream, or when the provider sent an error.
func (r *reply) events(sc *llm.Scanner, in *arrivals, dec llm.StreamDecoder, lim *limits) error {
	var logprobs mean
	defer func() { r.confidence = logprobs.value() }()
	for {
		ev, err := sc.Next()
		if err != nil {
			return err
		}
		d, err := dec.Decode(ev)
		if err != nil {
			r.fail = failure{bellwether.Malformed, "read stream: event cannot be parsed: " + err.Error()}
			return nil
		}
		if d.Content() {
			r.pace.add(in.last, in.reads)
		}
		if d.Content() || d.Finish != llm.FinishNone {
			lim.token()
		}
		r.take(d)
		for _, l := range d.Logprobs {
			logprobs.add(l)
		}
		if d.Err != nil {
			r.refuse(d.Err)
			return nil
		}
		if d.Done {
			timer := time.AfterFunc(drainTime, func() { lim.cancel(nil) })
			in.drain()
			timer.Stop()
			return nil
		}
	}
}

// take adds what one event carried.
func (r *reply) take(d llm.Delta) {
	if room := maxCheckedText - r.text.Len(); room > 0 {
		r.text.WriteString(cutBytes(d.Text, room))
	}
	r.reasoning += len(d.Reasoning)
	if len(r.refusal) < maxCheckedText {
		r.refusal += d.Refusal
	}
	r.toolCall = r.toolCall || d.ToolCall
	r.finish = or(d.Finish, r.finish)
	r.model = or(d.Model, r.model)
	r.fingerprint = or(d.Fingerprint, r.fingerprint)
	if d.Usage != nil {
		r.usage = d.Usage
	}
}

// mean is a running arithmetic mean.
type mean struct {
	sum float64
	n   int
}

func (m *mean) add(v float64) { m.sum += v; m.n++ }

func (m *mean) value() *float64 {
	if m.n == 0 {
		return nil
	}
	v := m.sum / float64(m.n)
	return &v
}
