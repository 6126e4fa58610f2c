package sim

import (
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
	id      string // a UUIDv7, for the protocol to dress
	model   string // as the answer names it
	said    []string
	finish  llm.Finish
	refused bool // what is said is a refusal
	usage   llm.Usage
	logprob float64

	headers, first, gap time.Duration

	failure *llm.Error // in place of an answer
	breaks  breakKind
	after   int  // tokens before the break
	garbled int  // 0: nothing; -1: everything; n: the event after n tokens
	noDone  bool // leave out the protocol's end of stream
}

// due is when token i is due.
func (p *plan) due(i int) time.Duration {
	return p.first + time.Duration(min(float64(i)*float64(p.gap), float64(maxLatency)))
}

// last is when the last token is due; of an answer without one, its first.
func (p *plan) last() time.Duration { return p.due(max(0, len(p.said)-1)) }

// newPlan decides how to answer a request for name in a region.
func (s *Server) newPlan(req llm.Request, name modelName, region string, now time.Time) *plan {
	factor := factorIn(s.opts.Regions, region)
	profile := ProfileFor(name.Base).In(factor)
	sample, d := s.ledger.begin(name.Base, region, profile)
	struck := s.faults.Load().striking(now, name.Base, region, d.faults)
	return compose(call{req: req, asked: understand(req.Messages, req.JSONSchema), name: name, at: now, profile: profile, sample: sample, dice: d, struck: struck, factor: factor})
}

// call is all that decides an answer.
type call struct {
	req     llm.Request
	asked   question // what was understood of it
	name    modelName
	at      time.Time
	profile Profile // in its region
	sample  Sample
	dice    dice
	struck  []Fault
	factor  float64 // the region's
}

// compose decides an answer.
func compose(c call) *plan {
	p := &plan{id: newID(c.at, c.dice.content), model: c.name.Base, logprob: -0.05 - 0.1*c.dice.content.Float64()}
	for _, f := range c.struck {
		if f.Kind == KindSwap {
			p.model = swapped(f.With, c.name.Base)
			c.profile = ProfileFor(p.model).In(c.factor)
			c.sample = c.profile.Draw(c.dice.timing, State{})
		}
	}
	s := exact(c.sample, c.name, c.profile)
	p.headers, p.first, p.gap = seconds(s.FirstByte), seconds(s.FirstToken), seconds(s.InterToken)
	if s.Outcome != bellwether.OK {
		p.failure = failure(http.StatusInternalServerError)
	}
	p.say(c, s)
	p.strike(c.struck)
	p.cut(c.req)
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

func seconds(v float64) time.Duration {
	return time.Duration(math.Round(v * float64(time.Second)))
}

// say writes the answer's text, as the faults on content have it.
func (p *plan) say(c call, s Sample) {
	d := c.dice
	a := c.asked.answer(d.content)
	p.finish = llm.FinishStop
	n := s.Tokens
	switch {
	case c.name.Tokens >= 0:
		n = c.name.Tokens
	case a.known:
		n = countPieces(a.text)
	case a.words > 0:
		n = a.words * 4 / 3
	}
	p.said = prose(a.text, n, d.content)
	for _, f := range c.struck {
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
			p.said, p.finish, p.refused = pieces(refusal), llm.FinishRefusal, true
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
func (p *plan) strike(struck []Fault) {
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
				p.fail(f)
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
func (p *plan) fail(f Fault) {
	p.failure, p.after = nil, int(f.Value)
	switch f.Kind {
	case KindStatus:
		p.failure = failure(int(f.Value))
	case KindRateLimit:
		p.failure = failure(http.StatusTooManyRequests)
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
