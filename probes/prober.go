package probes

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/id"
	"github.com/bellwether-llm/bellwether/internal/via"
	"github.com/bellwether-llm/bellwether/llm"
)

// Options say how a prober reaches the network. The zero value works.
type Options struct {
	// Codec finds the codec of a protocol; nil means llm.For.
	Codec func(llm.Protocol) (llm.Codec, error)
	// Proxy chooses a proxy for a request; nil means none. It is not read from
	// the environment: pass http.ProxyFromEnvironment for that.
	Proxy func(*http.Request) (*url.URL, error)
	// TLS is the client's TLS configuration; nil means the system's roots.
	TLS *tls.Config
	// Dial opens connections; nil means TCP with a limit of 10 s.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// UserAgent names us to providers; "" means "bellwether".
	UserAgent string
}

// Prober sends canaries. It is safe for concurrent use; a probe never waits
// for another.
type Prober struct {
	codec   func(llm.Protocol) (llm.Codec, error)
	own     clients
	others  *via.Pool[clients] // for endpoints with a way of their own
	agent   string
	lag     lagMeter
	ratios  ratios
	pasts   pasts
	judging chan struct{} // one for each judge that is being asked
	looking chan struct{} // one for the picture that is being decoded
	spare   sync.Pool     // of *arrivals
}

// New returns a prober. It opens no connection.
func New(o Options) (*Prober, error) {
	if o.Codec == nil {
		o.Codec = remembering(llm.For)
	}
	if strings.ContainsAny(o.UserAgent, "\r\n") {
		return nil, errors.New("prober: the user agent holds a line end")
	}
	return &Prober{
		codec: o.Codec,
		own:   newClients(o),
		others: via.NewPool(func(v *via.Via) clients {
			o := o
			o.Proxy, o.TLS = v.Proxy(), v.TLS()
			return newClients(o)
		}, clients.close),
		agent: or(o.UserAgent, "bellwether"),

		judging: make(chan struct{}, maxJudges), looking: make(chan struct{}, 1),
	}, nil
}

// remembering makes each codec once.
func remembering(find func(llm.Protocol) (llm.Codec, error)) func(llm.Protocol) (llm.Codec, error) {
	var known sync.Map
	return func(p llm.Protocol) (llm.Codec, error) {
		if c, ok := known.Load(p); ok {
			return c.(llm.Codec), nil
		}
		c, err := find(p)
		if err == nil {
			known.Store(p, c)
		}
		return c, err
	}
}

// Close drops the idle connections. Probes in flight go on.
func (p *Prober) Close() {
	p.own.close()
	p.others.Each(clients.close)
}

// Probe sends j once and says what came back. It always returns an
// observation, at the latest a little after the canary's timeout; when ctx ends
// first, its outcome is canceled.
func (p *Prober) Probe(ctx context.Context, j Job) bellwether.Observation {
	j.Canary = j.Canary.WithDefaults()
	start := time.Now()
	j = j.posed(or(j.Due, start))
	o := bellwether.Observation{
		Source: bellwether.SourceProbe, Trigger: or(j.Trigger, bellwether.TriggerManual),
		Vantage: j.Vantage, Target: j.Target.ID, Canary: j.Canary.Name,
	}
	scrub := newScrubber(j.Target.Endpoint)
	codec, call, err := p.prepare(j)
	if err != nil {
		o.ID, o.At = id.New(start), start.UTC().Round(0)
		o.Outcome, o.Error = bellwether.ClientError, errorText(scrub.clean("write request: "+err.Error()))
		return o
	}
	doubt := p.lag.begin()
	r := p.send(ctx, j, codec, call)
	r.model, r.fingerprint = printable(cutBytes(scrub.clean(r.model), 200)), printable(cutBytes(scrub.clean(r.fingerprint), 200))
	o.SelfLag, o.Doubtful = r.ownLag(p.lag.end(doubt))

	o.ID, o.At = id.New(r.start), r.start.UTC().Round(0)
	if !j.Due.IsZero() {
		o.Late = max(0, r.handed.Round(0).Sub(j.Due.Round(0)).Seconds())
	}
	notes := p.report(ctx, &o, j, r)
	notes = append(notes, p.judge(ctx, j, &o, r.text.String())...)
	o.Error = errorText(scrub.clean(or(r.fail.text, untried(notes))))
	o.Excerpt = excerpt(scrub.clean(cutBytes(r.shown(), 8<<10)))
	for i := range o.Checks {
		o.Checks[i].Detail = scrub.clean(o.Checks[i].Detail)
	}
	return o
}

// prepare writes the call, outside of all measured time.
func (p *Prober) prepare(j Job) (llm.Codec, llm.Call, error) {
	codec, err := p.codec(j.Target.Protocol)
	if err != nil {
		return nil, llm.Call{}, err
	}
	if codec, err = llm.Bind(codec, j.Target.Endpoint); err != nil {
		return nil, llm.Call{}, err
	}
	call, err := encode(codec, j)
	if err != nil {
		return nil, llm.Call{}, err
	}
	if call.Header == nil {
		call.Header = http.Header{}
	}
	if call.Header.Get("User-Agent") == "" {
		call.Header.Set("User-Agent", p.agent)
	}
	return codec, call, nil
}

// request is what the canary asks, in no provider's words.
func request(j Job) llm.Request {
	c := j.Canary
	r := llm.Request{
		Model: j.Target.model(), MaxTokens: c.room(), Temperature: c.Temperature,
		Stream: c.Streams(), StreamUsage: c.Streams(), Logprobs: c.Logprobs && j.Target.offersLogprobs(), Tools: c.tools(),
	}
	if c.System != "" {
		r.Messages = append(r.Messages, llm.Message{Role: "system", Text: c.System})
	}
	prompt := c.Prompt
	switch {
	case c.Nonce && c.System != "":
		r.Messages[0].Text = nonce() + c.System
	case c.Nonce:
		prompt = nonce() + prompt
	}
	if j.picture != nil {
		r.Messages = append(r.Messages, shows(prompt, j.picture))
	} else {
		r.Messages = append(r.Messages, llm.Message{Role: llm.RoleUser, Text: prompt})
	}
	return r
}

// nonce returns a prefix that no prompt cache has seen. Always nine digits, so
// that it costs the same number of tokens each time.
func nonce() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return fmt.Sprintf("[%09d] ", binary.LittleEndian.Uint64(b[:])%1_000_000_000)
}

// report fills o from what was measured: tokens, checks, outcome, timings. The
// notes say which checks were not tried, and why.
func (p *Prober) report(ctx context.Context, o *bellwether.Observation, j Job, r *reply) (notes []string) {
	o.Status, o.HTTP, o.Reused = r.status, r.proto, r.phases.reused
	r.sober()
	o.Model, o.Fingerprint, o.Finish = r.model, r.fingerprint, string(r.finish)
	o.Confidence = r.confidence
	if w, ok := ctx.Value(witnessKey{}).(*witness); ok {
		w.id = cutBytes(r.id, 200)
	}
	o.RetryAfter = r.retryAfter.Seconds()
	o.Outcome = r.fail.outcome
	if r.answered() {
		tokens := p.ratios.tokens(j, r)
		o.Tokens = &tokens
		o.CostUSD = j.price(tokens.Input, tokens.Output)
	}
	if o.Outcome == "" {
		notes = p.examine(ctx, o, j, r)
	}
	if r.ending != 0 {
		signal(o, IdentityEnding, r.ending)
	}
	o.Timing = r.timing(o.Outcome, j.Canary)
	return notes
}

// examine looks at a proper answer of any kind.
func (p *Prober) examine(ctx context.Context, o *bellwether.Observation, j Job, r *reply) (notes []string) {
	switch j.Canary.Kind {
	case embeddingKind:
		o.Outcome, o.Checks, o.Signals = examineVectors(j, r)
		if o.Outcome == bellwether.OK {
			p.pasts.steady(j, r.vectors[j.Canary.Prompt], o.Signals)
		}
	case imageKind:
		o.Outcome, o.Checks, notes = p.examineImage(ctx, j, r)
	default:
		o.Outcome, o.Checks, notes = examine(j, r, o.Tokens)
		o.Signals = p.pasts.features(j, r.text.String(), o.Outcome == bellwether.OK)
	}
	return notes
}
