package sim

import (
	"math"
	"strings"

	"github.com/bellwether-llm/bellwether/llm"
)

// tokenKind is what one token of an answer is.
type tokenKind int8

const (
	tokenText tokenKind = iota
	tokenRefusal
	tokenThought
	tokenHidden // reasoning of which nothing is shown
	tokenCall   // the beginning of a tool call: its id and name
	tokenArguments
)

// token is one step of an answer in time.
type token struct {
	kind tokenKind
	text string // of a call's beginning: nothing
	call int    // of the parts of a call: which
}

// choice is one answer to a request, most of which have just one.
type choice struct {
	thoughts []string
	said     []string
	refused  bool // what is said is a refusal
	calls    []llm.ToolCall
	finish   llm.Finish
	stopped  string // the stop sequence that ended it

	tokens []token // all of it in order, once cut
}

// text is what was said, once cut.
func (c *choice) text(kinds ...tokenKind) string {
	var b strings.Builder
	for _, t := range c.tokens {
		for _, k := range kinds {
			if t.kind == k {
				b.WriteString(t.text)
			}
		}
	}
	return b.String()
}

// made are the calls that the tokens hold, once cut.
func (c *choice) made() []llm.ToolCall {
	var out []llm.ToolCall
	for _, t := range c.tokens {
		switch t.kind {
		case tokenCall:
			call := c.calls[t.call]
			call.Arguments = ""
			out = append(out, call)
		case tokenArguments:
			out[len(out)-1].Arguments += t.text
		}
	}
	return out
}

// line puts all of c in order.
func (c *choice) line(t thinking) {
	kind := tokenHidden
	if t.shown {
		kind = tokenThought
	}
	for _, s := range c.thoughts {
		c.tokens = append(c.tokens, token{kind: kind, text: s})
	}
	kind = tokenText
	if c.refused {
		kind = tokenRefusal
	}
	for _, s := range c.said {
		c.tokens = append(c.tokens, token{kind: kind, text: s})
	}
	for i, call := range c.calls {
		c.tokens = append(c.tokens, token{kind: tokenCall, call: i})
		for _, s := range pieces(call.Arguments) {
			c.tokens = append(c.tokens, token{kind: tokenArguments, text: s, call: i})
		}
	}
}

// stop ends what is said at the first of the sequences in it.
func (c *choice) stop(sequences []string) {
	text := strings.Join(c.said, "")
	at := -1
	for _, s := range sequences {
		if i := strings.Index(text, s); i >= 0 && s != "" && (at < 0 || i < at) {
			at, c.stopped = i, s
		}
	}
	if at >= 0 {
		c.said, c.calls, c.finish = pieces(text[:at]), nil, llm.FinishStop
	}
}

// bend does to a choice what a fault on content says. n is its usual length.
func (c *choice) bend(f Fault, n int, d dice) (logprob float64) {
	switch f.Kind {
	case KindVerbose:
		text := strings.Join(c.said, "")
		c.said = prose(text, int(math.Ceil(f.Value*float64(max(1, len(c.said))))), d.content)
	case KindTerse:
		c.said = c.said[:max(min(1, len(c.said)), len(c.said)/4)]
		for i := range c.calls {
			c.calls[i].Arguments = "{}"
		}
	case KindRepeat:
		c.said = repeated(c.said)
		if len(c.calls) > 0 {
			c.calls = append(c.calls, c.calls[0], c.calls[0])
		}
	case KindOffTopic:
		text := offTopics[d.content.IntN(len(offTopics))]
		c.said, c.calls, c.finish = prose(text, max(n, countPieces(text)), d.content), nil, llm.FinishStop
		return -1.5
	case KindEmpty:
		c.said, c.calls, c.thoughts, c.finish = nil, nil, nil, llm.FinishStop
	case KindRefuse:
		c.said, c.calls, c.finish, c.refused = pieces(refusal), nil, llm.FinishRefusal, true
	}
	return 0
}

// bent is what faults on content do to an answer that has no words.
type bent struct {
	factor                           float64
	terse, repeated, offTopic, empty bool
}

func (b *bent) by(f Fault) {
	switch f.Kind {
	case KindVerbose:
		b.factor = f.Value
	case KindTerse:
		b.terse = true
	case KindRepeat:
		b.repeated = true
	case KindOffTopic:
		b.offTopic = true
	case KindEmpty:
		b.empty = true
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
