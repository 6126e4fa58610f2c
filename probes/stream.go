package probes

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/arrival"
	"github.com/bellwether-llm/bellwether/llm"
)

// chunk is what one read of the body returned, with the time it arrived.
type chunk struct {
	at   time.Duration
	data []byte
}

// arrivals reads a body on a goroutine of its own, so that the time it takes
// to decode an event is in no interval. It is an io.Reader for the goroutine
// that decodes: each Read returns bytes of one chunk only.
type arrivals struct {
	start time.Time
	conn  arrival.Conn // may be nil

	mu     sync.Mutex
	some   sync.Cond     // chunks or ended changed
	chunks []chunk       // read and not handed out yet
	ended  bool          // the reading goroutine is over
	err    error         // why the body ended
	late   time.Duration // how long after their arrival bytes were read, at worst
	left   bool          // nobody takes chunks any more

	taken []chunk // handed out together, up to given
	given int
	cur   chunk
	last  time.Duration // the last byte handed out
	reads int           // chunks handed out; names the chunk of an event
	block []byte        // the first one; kept from answer to answer
}

const (
	blockSize = 16 << 10 // how much of an answer is allocated at once; most fit into one
	maxAhead  = 4096     // chunks read before their turn
)

// receive starts to read body, which comes on conn, with arrivals from the pool
// spare. The caller must call join and then release.
func receive(spare *sync.Pool, body io.Reader, start time.Time, conn arrival.Conn) *arrivals {
	a, ok := spare.Get().(*arrivals)
	if !ok {
		a = &arrivals{block: make([]byte, blockSize)}
		a.some.L = &a.mu
	}
	a.start, a.conn = start, conn
	go a.pump(body)
	return a
}

// release gives a back for another answer. What it read must not be used any
// more; join was called.
func (a *arrivals) release(spare *sync.Pool) {
	clear(a.chunks)
	clear(a.taken)
	a.chunks, a.taken, a.given = a.chunks[:0], a.taken[:0], 0
	a.cur, a.conn, a.err, a.late = chunk{}, nil, nil, 0
	a.ended, a.left, a.last, a.reads = false, false, 0, 0
	spare.Put(a)
}

// pump reads until the body ends, or grows too large, or join is called.
func (a *arrivals) pump(body io.Reader) {
	block, total := a.block, 0
	for {
		if len(block) < 1<<10 {
			block = make([]byte, blockSize)
		}
		n, err := body.Read(block)
		now := max(1, time.Since(a.start))
		if total += n; total > maxBodyBytes && err == nil {
			err = errTooLarge
		}
		a.mu.Lock()
		if n > 0 {
			at := arrived(a.conn, a.start, now)
			a.late = max(a.late, now-at)
			a.chunks = append(a.chunks, chunk{at: at, data: block[:n:n]})
			block = block[n:]
		}
		for len(a.chunks) >= maxAhead && !a.left {
			a.some.Wait()
		}
		a.ended, a.err = err != nil || a.left, err
		over := a.ended
		a.some.Signal()
		a.mu.Unlock()
		if over {
			return
		}
	}
}

// Read returns bytes of the present chunk, or waits for the next.
func (a *arrivals) Read(p []byte) (int, error) {
	if len(a.cur.data) == 0 && !a.next() {
		return 0, a.err
	}
	n := copy(p, a.cur.data)
	a.cur.data = a.cur.data[n:]
	return n, nil
}

// next waits for the next chunk; false when there is none any more.
func (a *arrivals) next() bool {
	if a.given == len(a.taken) {
		a.mu.Lock()
		for len(a.chunks) == 0 && !a.ended {
			a.some.Wait()
		}
		a.taken, a.chunks, a.given = a.chunks, a.taken[:0], 0
		a.some.Signal() // there is room again
		a.mu.Unlock()
	}
	if len(a.taken) == 0 {
		return false
	}
	a.cur = a.taken[a.given]
	a.given++
	a.last = a.cur.at
	a.reads++
	return true
}

// lateness is how long after their arrival bytes were read, at worst so far.
func (a *arrivals) lateness() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.late
}

// drain takes what is left after the protocol's end of stream, so that the
// connection can be used again.
func (a *arrivals) drain() {
	for a.next() {
		continue
	}
}

// join ends the reading goroutine; the body's context must be over, or its end
// reached.
func (a *arrivals) join() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.left = true
	a.some.Signal()
	for !a.ended {
		a.some.Wait()
	}
}

// stream reads a streamed answer until its own end. An error is one of
// reading, and says that the answer is not whole.
func (r *reply) stream(cancel context.CancelCauseFunc, body io.ReadCloser, dec llm.StreamDecoder, lim *limits) error {
	in := receive(r.spare, body, r.start, r.conn)
	defer in.release(r.spare)
	defer in.join()
	defer cancel(nil) // before join: it ends a read that still waits
	err := r.events(llm.NewScanner(in, maxEventBytes), in, dec, lim)
	r.last, r.late = in.last, in.lateness()
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
	r.called(d.ToolCalls)
	r.finish = or(d.Finish, r.finish)
	r.id = or(r.id, d.ID)
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
