package sim

import (
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/llm"
)

// breakKind is how a fault ends an answer early.
type breakKind int

const (
	breakNone breakKind = iota
	breakReset
	breakStall
	breakTruncate
)

// plan is one answer, decided before its first byte: what is said, when, and
// where it breaks. Durations count from the request's arrival.
type plan struct {
	model   string // as the answer names it
	said    []string
	finish  llm.Finish
	usage   llm.Usage
	logprob float64

	headers, first, gap time.Duration

	failure *llm.Error // in place of an answer
	breaks  breakKind
	after   int  // tokens before the break
	garbled int  // 0: nothing; -1: everything; n: the event after n tokens
	noDone  bool // leave out the protocol's end of stream
}

// last is when the last token is due.
func (p *plan) last() time.Duration {
	return p.first + time.Duration(max(0, len(p.said)-1))*p.gap
}

// newPlan decides how to answer a request for name in a region.
func (s *Server) newPlan(req llm.Request, name modelName, region string, proto llm.Protocol, now time.Time) *plan {
	profile := ProfileFor(name.Base).In(factorIn(s.opts.Regions, region))
	sample, d := s.ledger.begin(name.Base, region, profile)
	struck := s.faults.Load().striking(now, name.Base, region, d.faults)
	p := &plan{model: name.Base, logprob: -0.05 - 0.1*d.content.Float64()}
	for _, f := range struck {
		if f.Kind == KindSwap {
			p.model = swapped(f.With, name.Base)
			profile = ProfileFor(p.model).In(factorIn(s.opts.Regions, region))
			sample = profile.Draw(d.timing, State{})
		}
	}
	sample = exact(sample, name, profile)
	p.time(sample)
	if sample.Outcome != bellwether.OK {
		p.failure = &llm.Error{Status: http.StatusInternalServerError, Message: "The server had an error while processing your request."}
	}
	p.say(req, name, sample, struck, d)
	p.strike(struck, proto)
	p.cut(req)
	return p
}

// swapped is the model that answers in place of another.
func swapped(with, model string) string {
	switch {
	case with != "":
		return with
	case strings.Contains(model, "claude"):
		return "claude-3-haiku-20240307"
	case strings.Contains(model, "gemini"):
		return "gemini-1.0-pro"
	}
	return "gpt-3.5-turbo-0125"
}

// exact puts what a model's name asks for in place of what was drawn; a name
// with options has no noise and no unscripted errors.
func exact(s Sample, m modelName, p Profile) Sample {
	if !m.Exact {
		return s
	}
	s.Outcome = bellwether.OK
	s.FirstToken, s.InterToken, s.Tokens = p.First.Median, p.Inter.Median, int(p.Length.Median)
	if m.First >= 0 {
		s.FirstToken = m.First.Seconds()
	}
	if m.Inter >= 0 {
		s.InterToken = m.Inter.Seconds()
	}
	s.FirstByte = s.FirstToken * p.Headers
	return s
}

func (p *plan) time(s Sample) {
	p.headers, p.first, p.gap = seconds(s.FirstByte), seconds(s.FirstToken), seconds(s.InterToken)
}

func seconds(v float64) time.Duration {
	return time.Duration(math.Round(v * float64(time.Second)))
}

// say writes the answer's text, as the faults on content have it.
func (p *plan) say(req llm.Request, name modelName, s Sample, struck []Fault, d dice) {
	a := reply(req.Messages, req.JSONSchema, d.content)
	p.finish = llm.FinishStop
	n := s.Tokens
	switch {
	case name.Tokens >= 0:
		n = name.Tokens
	case a.known:
		n = countPieces(a.text)
	case a.words > 0:
		n = a.words * 4 / 3
	}
	p.said = prose(a.text, n, d.content)
	for _, f := range struck {
		switch f.Kind {
		case KindVerbose:
			p.said = prose(strings.Join(p.said, ""), int(math.Ceil(f.Value*float64(len(p.said)))), d.content)
		case KindTerse:
			p.said = p.said[:max(min(1, len(p.said)), len(p.said)/4)]
		case KindRepeat:
			p.said = repeated(p.said)
		case KindOffTopic:
			text := offTopics[d.content.IntN(len(offTopics))]
			p.said, p.logprob = prose(text, max(n, countPieces(text)), d.content), -1.5
		case KindEmpty:
			p.said = nil
		case KindRefuse:
			p.said, p.finish = pieces(refusal), llm.FinishRefusal
		}
	}
}

// repeated says the first words over and over: three times as long, and at
// least 40 tokens.
func repeated(said []string) []string {
	if len(said) == 0 {
		return nil
	}
	phrase := said[:min(4, len(said))]
	out := make([]string, 0, max(40, 3*len(said)))
	for len(out) < cap(out) {
		t := phrase[len(out)%len(phrase)]
		if len(out) > 0 && len(out)%len(phrase) == 0 && !strings.HasPrefix(t, " ") {
			t = " " + t
		}
		out = append(out, t)
	}
	return out
}

// strike applies the faults on time, status and transport. Of several that end
// the answer early the first counts.
func (p *plan) strike(struck []Fault, proto llm.Protocol) {
	decided := false
	for _, f := range struck {
		switch f.Kind {
		case KindLatency:
			p.headers, p.first, p.gap = scaled(p.headers, f.Value), scaled(p.first, f.Value), scaled(p.gap, f.Value)
		case KindFirstToken:
			p.headers, p.first = min(p.headers, seconds(f.Value)), seconds(f.Value)
		case KindDecode:
			p.gap = scaled(p.gap, f.Value)
		case KindMalformed:
			p.garbled = int(f.Value)
			if p.garbled == 0 {
				p.garbled = -1
			}
		case KindNoDone:
			p.noDone = true
		case KindStatus, KindRateLimit, KindReset, KindHang, KindStall, KindTruncate:
			if !decided {
				p.fail(f, proto)
				decided = true
			}
		}
	}
}

// maxLatency bounds what factors on factors make of a time.
const maxLatency = 24 * time.Hour

func scaled(d time.Duration, factor float64) time.Duration {
	return time.Duration(min(float64(d)*factor, float64(maxLatency)))
}

// fail makes f the answer's end.
func (p *plan) fail(f Fault, proto llm.Protocol) {
	p.failure, p.after = nil, int(f.Value)
	switch f.Kind {
	case KindStatus:
		p.failure = failure(int(f.Value), proto)
	case KindRateLimit:
		p.failure = failure(http.StatusTooManyRequests, proto)
		p.failure.RetryAfter = seconds(f.Value)
		if f.Value == 0 {
			p.failure.RetryAfter = time.Second
		}
	case KindReset:
		p.breaks = breakReset
	case KindHang:
		p.breaks, p.headers, p.first = breakStall, maxLatency, maxLatency
	case KindStall:
		p.breaks = breakStall
	case KindTruncate:
		p.breaks = breakTruncate
	}
}

// failure is a provider's error with a status, in words of its own.
func failure(status int, proto llm.Protocol) *llm.Error {
	e := &llm.Error{Status: status, Message: http.StatusText(status)}
	switch status {
	case http.StatusTooManyRequests:
		e.Message = "Rate limit reached for requests. Please try again later."
	case http.StatusUnauthorized:
		e.Message = "Incorrect API key provided. Check the key and try again."
	case http.StatusServiceUnavailable, 529:
		e.Message = "The model is overloaded. Please try again later."
	case http.StatusNotFound:
		e.Message = "The model does not exist or you do not have access to it."
	}
	if e.Message == "" {
		e.Message = fmt.Sprintf("Simulated status %d.", status)
	}
	return e
}

// cut ends the answer where the request says that it must, and counts it.
func (p *plan) cut(req llm.Request) {
	if len(req.Stop) > 0 {
		text := strings.Join(p.said, "")
		for _, stop := range req.Stop {
			if i := strings.Index(text, stop); i >= 0 && stop != "" {
				text = text[:i]
				p.said = pieces(text)
			}
		}
	}
	if req.MaxTokens > 0 && len(p.said) > req.MaxTokens {
		p.said, p.finish = p.said[:req.MaxTokens], llm.FinishLength
	}
	p.usage.Output = len(p.said)
	for _, m := range req.Messages {
		p.usage.Input += 4 + countPieces(messageText(m))
	}
}
