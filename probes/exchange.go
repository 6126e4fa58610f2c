package probes

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/arrival"
	"github.com/bellwether-llm/bellwether/llm"
)

// The causes that our own limits cancel a request with.
var (
	errTimeout    = errors.New("the timeout passed")
	errFirstToken = errors.New("no token within the limit")
	errStall      = errors.New("the stream fell silent")
	errTooLarge   = errors.New("the answer is too large")
)

// reply is everything that was measured and read of one exchange. It belongs
// to the probe's goroutine.
type reply struct {
	handed time.Time // to the transport
	start  time.Time // what all offsets count from; see tracer.answered
	phases phases
	status int
	proto  string
	last   time.Duration // the last byte
	ended  time.Duration // when we gave up or were done
	conn   arrival.Conn  // what the answer comes on; may be nil
	late   time.Duration // how long after their arrival bytes were read, at worst; known with conn only
	spare  *sync.Pool    // of arrivals

	pace               pace
	text               strings.Builder
	reasoning          int // bytes
	refusal            string
	toolCall           bool
	calls              []llm.ToolCall
	argued             int // about how many bytes calls has
	finish             llm.Finish
	id                 string
	model, fingerprint string
	usage              *llm.Usage
	confidence         *float64
	retryAfter         time.Duration
	ending             float64              // see [IdentityEnding]
	vectors            map[string][]float32 // of an embedding, by text
	pictures           []llm.Image
	summary            string // in place of words, for people

	fail failure
}

// failure is why there is no proper answer. The zero value is none.
type failure struct {
	outcome bellwether.Outcome
	text    string
}

// answered reports whether the model said anything that it charges for.
func (r *reply) answered() bool {
	return r.usage != nil || r.fail.outcome == "" || r.text.Len()+r.reasoning > 0
}

// shown is what an excerpt is made of.
func (r *reply) shown() string {
	if r.text.Len() == 0 && r.refusal != "" {
		return r.refusal
	}
	return or(r.summary, r.text.String())
}

// limits cancels a request when one of a canary's limits passes.
type limits struct {
	cancel     context.CancelCauseFunc
	total      *time.Timer
	silence    *time.Timer // until the first token, then between tokens; nil for plain answers
	stall      time.Duration
	firstToken bool
}

func newLimits(c Canary, cancel context.CancelCauseFunc) *limits {
	l := &limits{cancel: cancel, stall: c.StallLimit.Std()}
	l.total = time.AfterFunc(c.Timeout.Std(), func() { cancel(errTimeout) })
	// Where both are equal, the timeout is the one to be named.
	if c.Streams() && c.FirstTokenLimit < c.Timeout {
		l.silence = time.AfterFunc(c.FirstTokenLimit.Std(), func() { cancel(errFirstToken) })
	}
	return l
}

// token restarts the limit on silence.
func (l *limits) token() {
	if !l.firstToken {
		l.firstToken = true
		if l.silence != nil {
			l.silence.Stop()
		}
		l.silence = time.AfterFunc(l.stall, func() { l.cancel(errStall) })
		return
	}
	l.silence.Reset(l.stall)
}

func (l *limits) stop() {
	l.total.Stop()
	if l.silence != nil {
		l.silence.Stop()
	}
}

// send makes the exchange and reads its answer. All stamps are offsets from
// one reading of the clock, just before the request goes to the transport.
func (p *Prober) send(parent context.Context, j Job, codec llm.Codec, call llm.Call) *reply {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	tr := &tracer{}
	ctx = httptrace.WithClientTrace(ctx, tr.hooks())
	req, err := http.NewRequestWithContext(ctx, call.Method, call.URL, bytes.NewReader(call.Body))
	now := time.Now()
	r := &reply{handed: now, start: now, spare: &p.spare}
	if err != nil {
		r.fail = failure{bellwether.ClientError, "base URL: " + bare(err).Error()}
		return r
	}
	req.Header = call.Header
	client := p.client(j)
	r.start = time.Now()
	r.handed, tr.start = r.start, r.start
	lim := newLimits(j.Canary, cancel)
	defer lim.stop()
	resp, err := client.Do(req)
	if err != nil {
		r.ended = time.Since(r.start)
		r.phases = tr.take()
		r.fail = classify(ctx, parent, err, r.phases.stage)
		return r
	}
	defer resp.Body.Close()
	r.status, r.ending = resp.StatusCode, ending(resp.Header)
	r.conn, r.start = tr.answered()
	r.proto = proto(resp)
	err = r.read(cancel, j, codec, resp, lim)
	r.ended = time.Since(r.start)
	r.phases = tr.take()
	if err != nil {
		r.fail = classify(ctx, parent, err, stageAnswered)
	}
	return r
}

// read reads the answer in whichever form it came. An error is one of reading;
// what the provider did wrong is in r.fail.
func (r *reply) read(cancel context.CancelCauseFunc, j Job, codec llm.Codec, resp *http.Response, lim *limits) error {
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		body, _ := r.whole(resp.Body, maxErrorBytes) // the status says enough
		r.refuse(codec.Error(resp.StatusCode, resp.Header, body))
		return nil
	case !j.Canary.Streams() || kind == "application/json" || codec.Protocol() == llm.HTTP: // which never streams
		limit := maxBodyBytes
		if j.Canary.Kind == imageKind {
			limit = maxImageBody
		}
		body, err := r.whole(resp.Body, limit)
		if err != nil {
			return err
		}
		switch j.Canary.Kind {
		case embeddingKind:
			r.embed(codec, j, body)
		case imageKind:
			r.paint(codec, body)
		default:
			r.plain(codec, body)
		}
		return nil
	case kind == "text/html":
		r.fail = failure{bellwether.Malformed, "read stream: the answer is a web page, not an event stream"}
		return nil
	}
	return r.stream(cancel, resp.Body, codec.Decoder(), lim)
}

// whole reads a body that is not streamed, and stamps its last byte.
func (r *reply) whole(body io.Reader, limit int) ([]byte, error) {
	var all []byte
	buf := make([]byte, 16<<10)
	for {
		n, err := body.Read(buf)
		if n > 0 {
			now := time.Since(r.start)
			r.last = arrived(r.conn, r.start, now)
			r.late = max(r.late, now-r.last)
			all = append(all, buf[:n]...)
		}
		if len(all) > limit {
			return all[:limit], errTooLarge
		}
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
	}
}

// plain takes a whole answer. Its time was stamped before.
func (r *reply) plain(codec llm.Codec, body []byte) {
	resp, err := codec.Decode(body)
	if !r.decoded(err) {
		return
	}
	r.text.WriteString(cutBytes(resp.Text, maxCheckedText))
	r.reasoning = len(resp.Reasoning)
	r.refusal, r.finish, r.usage, r.confidence = resp.Refusal, resp.Finish, resp.Usage, resp.MeanLogprob
	r.id = resp.ID
	r.model, r.fingerprint, r.toolCall = resp.Model, resp.Fingerprint, resp.Finish == llm.FinishToolCalls
	r.calls = resp.ToolCalls
	if r.finish == llm.FinishNone {
		r.fail = failure{bellwether.Truncated, "read answer: it has no finish"}
	}
}

// refuse takes a provider's error.
func (r *reply) refuse(e *llm.Error) {
	r.retryAfter = e.RetryAfter
	text := fmt.Sprintf("status %d", r.status)
	for _, s := range []string{e.Type, e.Code, e.Message} {
		if s != "" {
			text += ": " + s
		}
	}
	r.fail = failure{or(e.Outcome, bellwether.ClientError), text}
}

func proto(resp *http.Response) string {
	if resp.ProtoMajor >= 2 {
		return strconv.Itoa(resp.ProtoMajor)
	}
	return fmt.Sprintf("%d.%d", resp.ProtoMajor, resp.ProtoMinor)
}
