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
	think   thinking
	choices []choice // of a chat: at least one
	steps   int      // tokens of the longest choice
	bent    bent     // of what is no chat
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
func (p *plan) last() time.Duration { return p.due(max(0, p.steps-1)) }

// newPlan decides how to answer a task for a model in a region.
func (s *Server) newPlan(t task, name modelName, region string, now time.Time) (*plan, error) {
	factor := factorIn(s.opts.Regions, region)
	c := call{task: t, name: name, at: now, profile: ProfileFor(name.Base).In(factor), factor: factor, choices: 1}
	if t.body == nil {
		var err error
		if c.choices, err = choicesOf(t.speak.Protocol(), t.req); err != nil {
			return nil, err
		}
		c.asked = s.memory.understand(t.req)
	}
	c.sample, c.dice = s.ledger.begin(name.Base, region, c.profile)
	c.struck = s.faults.Load().striking(now, name.Base, region, c.dice.faults)
	return compose(c), nil
}

// call is all that decides an answer.
type call struct {
	task
	asked   question // what was understood of a chat
	name    modelName
	at      time.Time
	profile Profile // in its region
	sample  Sample
	dice    dice
	struck  []Fault
	factor  float64 // the region's
	choices int
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
	if c.exact {
		s.FirstByte, s.FirstToken, s.InterToken, s.Outcome = 0, 0, 0, bellwether.OK
	}
	if c.quick {
		s.FirstByte, s.FirstToken = s.FirstByte/errorPart, s.FirstToken/errorPart
	}
	p.headers, p.first, p.gap = seconds(s.FirstByte), seconds(s.FirstToken), seconds(s.InterToken)
	if s.Outcome != bellwether.OK {
		p.failure = failure(http.StatusInternalServerError)
	}
	if c.body == nil {
		p.think = thinkingOf(c.speak.Protocol(), c.req, p.model)
		for range c.choices {
			p.say(c, s)
		}
	}
	p.strike(c.struck, c.body != nil)
	p.count(c.req)
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

// say adds a choice, as the faults on content have it, cut where the request
// says that it must be.
func (p *plan) say(c call, s Sample) {
	d := c.dice
	ch := choice{finish: llm.FinishStop}
	if p.think.thinks {
		ch.thoughts = thought(d.content)
	}
	a := c.asked.answer(d.content)
	n := s.Tokens
	switch {
	case c.name.Tokens >= 0:
		n = c.name.Tokens
	case a.known:
		n = countPieces(a.text)
	case a.words > 0:
		n = a.words * 4 / 3
	}
	if ch.calls = c.asked.makeCalls(c.task, d.content); len(ch.calls) > 0 {
		ch.finish = llm.FinishToolCalls
	} else {
		ch.said = prose(a.text, n, d.content)
	}
	for _, f := range c.struck {
		if l := ch.bend(f, n, d); l < 0 {
			p.logprob = l
		}
	}
	ch.stop(c.req.Stop)
	ch.line(p.think)
	if most := c.req.MaxTokens; most > 0 && len(ch.tokens) > most {
		ch.tokens, ch.finish = ch.tokens[:most], llm.FinishLength
	}
	p.choices = append(p.choices, ch)
	p.steps = max(p.steps, len(ch.tokens))
}

// strike applies the faults on time, status and transport. Of several that end
// the answer early the first counts.
func (p *plan) strike(struck []Fault, wordless bool) {
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
		case KindVerbose, KindTerse, KindRepeat, KindOffTopic, KindEmpty:
			p.bent.by(f)
		case KindRefuse:
			if wordless && !decided { // what has no words declines by an error
				p.failure, decided = declined(), true
			}
		case KindVanish, KindStatus, KindRateLimit, KindReset, KindHang, KindStall, KindTruncate:
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
	case KindVanish:
		p.failure = vanished(p.model)
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

// count counts the tokens of the request and of every choice.
func (p *plan) count(req llm.Request) {
	p.usage.Input = inputTokens(req)
	for _, c := range p.choices {
		p.usage.Output += len(c.tokens)
		for _, t := range c.tokens {
			if t.kind == tokenThought || t.kind == tokenHidden {
				p.usage.Reasoning++
			}
		}
	}
}
