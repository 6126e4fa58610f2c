package router_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

// provider is the other side of the accounts: it draws what becomes of each
// call, and writes down what it did. It knows nothing of the router.
type provider struct {
	mu    sync.Mutex
	rng   *rand.Rand
	calls []*called // of the present request
	open  int       // calls under way
}

// called is one call as the provider saw it.
type called struct {
	target       string
	stream       bool
	beside       bool // another one was under way when it came
	in, out      int  // what it will bill
	says         bool // and says so
	saidIn       bool // the caller of the API knows in, and that out is at least one
	saidAll      bool // it knows both
	events, size int  // content that it handed out
	outcome      string
	finished     bool  // the end was handed out
	left         error // why it was left before its end
}

func (p *provider) draw(n int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rng.IntN(n)
}

// pause waits like a network does, never twice for the same time.
func (p *provider) pause(ctx context.Context, most time.Duration) error {
	return wait(ctx, time.Duration(p.draw(int(most)))+1)
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// The fates of a call.
const (
	fateGood = iota
	fateSilentUsage
	fate503
	fate429
	fate500
	fate400
	fateReset
	fateHang
	fateCut
	fateStall
	fateSaysError
	fateGarbage
	fates
)

var weighted = []int{fateGood, fateGood, fateGood, fateGood, fateGood, fateSilentUsage, fateSilentUsage}

func (p *provider) RoundTrip(r *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(r.Body)
	c := &called{target: r.URL.Host, in: 1 + p.draw(5000), out: 1 + p.draw(3000), stream: bytes.Contains(body, []byte(`"stream":true`))}
	fate := p.draw(fates + len(weighted))
	if fate >= fates {
		fate = weighted[fate-fates]
	}
	c.says = fate != fateSilentUsage
	p.mu.Lock()
	c.beside = p.open > 0
	p.open++
	p.calls = append(p.calls, c)
	p.mu.Unlock()
	resp, err := p.answer(r, c, fate)
	if err != nil || resp.StatusCode != 200 {
		p.over()
	}
	return resp, err
}

func (p *provider) over() {
	p.mu.Lock()
	p.open--
	p.mu.Unlock()
}

func (p *provider) answer(r *http.Request, c *called, fate int) (*http.Response, error) {
	ctx := r.Context()
	if c.left = p.pause(ctx, time.Second); c.left != nil {
		return nil, c.left
	}
	status := map[int]int{fate503: 503, fate429: 429, fate500: 500, fate400: 400}[fate]
	if status != 0 {
		c.outcome = map[int]string{503: "overloaded", 429: "rate_limited", 500: "server_error", 400: "client_error"}[status]
		return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(`{"error":{"message":"no","code":"bad_thing"}}`))}, nil
	}
	switch fate {
	case fateHang:
		if c.left = wait(ctx, 10*time.Minute); c.left != nil {
			return nil, c.left
		}
		fallthrough
	case fateReset:
		c.outcome = "server_error"
		return nil, errors.New("connection reset")
	}
	h := http.Header{"Content-Type": {"application/json"}}
	if c.stream {
		h.Set("Content-Type", "text/event-stream")
	}
	return &http.Response{StatusCode: 200, Header: h, Body: &telling{p: p, c: c, ctx: ctx, fate: fate, steps: script(c, fate, p.draw(8))}}, nil
}

// step is one piece of an answer, and what is true once it was handed out.
type step struct {
	text string
	then func(c *called)
}

// script is what the provider says, in its dialect: an OpenAI target's name
// begins with o, an Anthropic one's with a.
func script(c *called, fate, words int) (steps []step) {
	word := "word "
	said := func(c *called) { c.events++; c.size += len(word) }
	all := func(c *called) { c.saidAll = c.says }
	finish := func(c *called) { c.finished = true }
	openai := c.target[0] == 'o'
	usage := ""
	switch text := strings.Repeat(word, words+1); {
	case fate == fateGarbage && !c.stream:
		return []step{{"<html>", func(*called) {}}}
	case !c.stream && (fate == fateCut || fate == fateStall):
		return []step{{`{"id":`, func(*called) {}}}
	case !c.stream && openai:
		if c.says {
			usage = fmt.Sprintf(`"usage":{"prompt_tokens":%d,"completion_tokens":%d},`, c.in, c.out)
		}
		return []step{{strings.Replace(strings.Replace(plain, `"choices"`, usage+`"choices"`, 1), "hello", text, 1), func(c *called) { all(c); finish(c); c.size = len(text) }}}
	case !c.stream:
		if c.says {
			usage = fmt.Sprintf(`,"usage":{"input_tokens":%d,"output_tokens":%d}`, c.in, c.out)
		}
		return []step{{`{"id":"m","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"` + text + `"}],"stop_reason":"end_turn"` + usage + `}`, func(c *called) { all(c); finish(c); c.size = len(text) }}}
	}
	put := func(event, data string, then func(*called)) {
		if then == nil {
			then = func(*called) {}
		}
		if event != "" {
			event = "event: " + event + "\n"
		}
		steps = append(steps, step{event + "data: " + data + "\n\n", then})
	}
	switch {
	case fate == fateGarbage:
		put("", "{", nil)
		return steps
	case openai:
		put("", role, nil)
	case c.says:
		put("message_start", fmt.Sprintf(`{"type":"message_start","message":{"id":"m","model":"m","usage":{"input_tokens":%d,"output_tokens":1}}}`, c.in), func(c *called) { c.saidIn = true })
	default:
		put("message_start", `{"type":"message_start","message":{"id":"m","model":"m"}}`, nil)
	}
	for range words {
		if openai {
			put("", strings.Replace(hello, "hello", word, 1), said)
		} else {
			put("content_block_delta", `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"`+word+`"}}`, said)
		}
	}
	switch {
	case fate == fateSaysError && openai:
		put("", `{"error":{"message":"overloaded","code":503,"type":"overloaded_error"}}`, func(c *called) { c.outcome = "?" })
	case fate == fateSaysError:
		put("error", `{"type":"error","error":{"type":"overloaded_error","message":"no"}}`, func(c *called) { c.outcome = "?" })
	case fate == fateCut, fate == fateStall:
	case openai:
		put("", strings.Replace(hello, "hello", word, 1), said)
		put("", stop, finish)
		if c.says {
			put("", fmt.Sprintf(`{"id":"c","choices":[],"usage":{"prompt_tokens":%d,"completion_tokens":%d}}`, c.in, c.out), all)
		}
		put("", "[DONE]", nil)
	default:
		put("content_block_delta", `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"`+word+`"}}`, said)
		usage := ""
		if c.says {
			usage = fmt.Sprintf(`,"usage":{"output_tokens":%d}`, c.out)
		}
		put("message_delta", `{"type":"message_delta","delta":{"stop_reason":"end_turn"}`+usage+`}`, func(c *called) { finish(c); all(c) })
		put("message_stop", `{"type":"message_stop"}`, nil)
	}
	return steps
}

// telling is a body that comes step by step.
type telling struct {
	p     *provider
	c     *called
	ctx   context.Context
	fate  int
	steps []step
	rest  string
	ended bool
}

func (b *telling) Read(to []byte) (int, error) {
	if b.rest == "" {
		if len(b.steps) == 0 {
			return b.end()
		}
		if err := b.p.pause(b.ctx, 100*time.Millisecond); err != nil {
			b.c.left = err
			return 0, err
		}
		b.rest = b.steps[0].text
		b.steps[0].then(b.c)
		b.steps = b.steps[1:]
	}
	n := copy(to, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

func (b *telling) end() (int, error) {
	if err := context.Cause(b.ctx); err != nil {
		b.c.left = err
		return 0, err
	}
	switch {
	case b.fate == fateStall:
		err := wait(b.ctx, 10*time.Minute)
		b.c.left, b.c.outcome = err, "truncated"
		return 0, errors.Join(err, io.ErrUnexpectedEOF)
	case b.fate == fateCut:
		b.c.outcome = "truncated"
		return 0, io.ErrUnexpectedEOF
	case b.fate == fateGarbage:
		b.c.outcome = "malformed"
	}
	return 0, io.EOF
}

func (b *telling) Close() error {
	if !b.ended {
		b.ended = true
		b.p.over()
	}
	return nil
}
