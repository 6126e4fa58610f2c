package router

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bellwether-llm/bellwether/internal/conf"
)

// The ways to rescue an answer that breaks.
const (
	rescueBuffer   = "buffer"
	rescueContinue = "continue"
	rescueRestart  = "restart"
)

// Conduct is how a route's requests are treated beyond its limits.
type Conduct struct {
	// Rescue is what is tried, in this order, when a stream breaks: buffer (what the caller has not seen is another target's to answer; see the field buffer), continue (a target with the capability prefill goes on from what was said), restart (another target answers from the start, and what the caller already has is left out as long as both agree word for word). If all fail, the stream ends with an error. Default: [buffer].
	Rescue []string `yaml:"rescue"`
	// Buffer holds the beginning of a stream back, so that a break within it stays invisible. It costs time to the first token.
	Buffer BufferConfig `yaml:"buffer"`
	// Hedge asks a second target while the first is still silent.
	Hedge HedgeConfig `yaml:"hedge"`
	// Sticky says by what a session is known, whose requests stay with one target: header (x-bellwether-session), user (the request's field), conversation (its first words). The first that a request has counts. Default: [header].
	Sticky []string `yaml:"sticky"`
	// DroppedFields says what becomes of fields that a target's protocol cannot express: hints (what is no part of the question, such as user, metadata, cache marks, effort, other models' reasoning, is left out and named in x-bellwether-dropped-fields; a target that cannot express anything else is passed over, and if none can the request is refused by name), drop (all that can be is left out and named), refuse (nothing is). Default: hints.
	DroppedFields string `yaml:"dropped_fields"`
	// PolicyFallback asks another target where one refuses by its content policy. Default: false; its refusal is the answer.
	PolicyFallback bool `yaml:"policy_fallback"`
	// LogContent logs prompts (their end) and answers (their beginning), cut to that many bytes each. Default 0: neither is ever logged.
	LogContent int `yaml:"log_content"`
}

// BufferConfig is how much of a stream is held back. Zero: until the first token.
type BufferConfig struct {
	// Tokens until which nothing goes out. Default 0.
	Tokens int `yaml:"tokens"`
	// Seconds after the first token when what is held goes out at the latest. 0: no such limit where tokens is set.
	Seconds float64 `yaml:"seconds"`
}

// HedgeConfig is when a second target is asked as well. The one whose first
// token comes first answers, the other is cancelled.
type HedgeConfig struct {
	// After is how long the first may be silent. 0: the 95th percentile of what is usual for it, once that is known.
	After conf.Duration `yaml:"after"`
	// MaxCost bounds what hedges cost, as a part of what all requests of the route cost. 0: no hedging.
	MaxCost float64 `yaml:"max_cost"`
}

// Traits are what a target is for, and what it may be given.
type Traits struct {
	// Tasks that the target is meant for: requests with one of them in x-bellwether-task go there first.
	Tasks []string `yaml:"tasks"`
	// Limits bound what the target is given, whichever key is used.
	Limits Limits `yaml:"limits"`
}

func (c Conduct) withDefaults() Conduct {
	if c.Rescue == nil {
		c.Rescue = []string{rescueBuffer}
	}
	if c.Sticky == nil {
		c.Sticky = []string{byHeader}
	}
	if !slices.Contains(c.Rescue, rescueBuffer) {
		c.Buffer = BufferConfig{}
	}
	return c
}

// held reports whether a stream with so many tokens, the first of them so long
// ago, is still to be held back.
func (b BufferConfig) held(tokens int, since time.Duration) bool {
	switch {
	case b.Tokens == 0 && b.Seconds == 0:
		return false
	case b.Tokens > 0 && tokens >= b.Tokens:
		return false
	case b.Seconds > 0 && since >= seconds(b.Seconds):
		return false
	}
	return true
}

// rescues reports whether something is left to try once the caller has text.
func (c Conduct) rescues() bool {
	return slices.Contains(c.Rescue, rescueContinue) || slices.Contains(c.Rescue, rescueRestart)
}

// Validate returns everything that is wrong with c; paths begin with at.
func (c Conduct) Validate(at string) []conf.Problem {
	var ps []conf.Problem
	bad := func(is bool, path, text, remedy string) {
		if is {
			ps = append(ps, conf.Problem{Path: at + path, Text: text, Remedy: remedy})
		}
	}
	list := func(path string, values, known []string) {
		for i, v := range values {
			bad(!slices.Contains(known, v), fmt.Sprintf("%s[%d]", path, i), fmt.Sprintf("%q is none of %s", v, strings.Join(known, ", ")), "write one of them")
			bad(slices.Index(values, v) < i, fmt.Sprintf("%s[%d]", path, i), fmt.Sprintf("%q stands there twice", v), "keep one")
		}
	}
	ps = append(ps, validateDropped(at+"dropped_fields", c.DroppedFields)...)
	list("rescue", c.Rescue, []string{rescueBuffer, rescueContinue, rescueRestart})
	list("sticky", c.Sticky, []string{byHeader, byUser, byConversation})
	b := c.Buffer
	bad(b.Tokens < 0 || b.Tokens > 100_000, "buffer.tokens", "is out of range", "write 0 to 100000, such as 64")
	bad(!(b.Seconds >= 0 && b.Seconds <= 600), "buffer.seconds", "is out of range", "write 0 to 600, such as 2")
	bad(b != (BufferConfig{}) && c.Rescue != nil && !slices.Contains(c.Rescue, rescueBuffer), "buffer", "has no effect", "add buffer to rescue")
	bad(c.LogContent < 0 || c.LogContent > 1<<20, "log_content", "is out of range", "write a number of bytes up to 1048576, such as 500")
	bad(c.Hedge.After < 0, "hedge.after", "is below zero", "write a duration such as 2s")
	bad(!(c.Hedge.MaxCost >= 0 && c.Hedge.MaxCost <= 1), "hedge.max_cost", "is out of range", "write 0 to 1, such as 0.05")
	bad(c.Hedge.After > 0 && c.Hedge.MaxCost == 0, "hedge.max_cost", "is missing: without it nothing is hedged", "write a part of the cost, such as 0.05")
	return ps
}

// Validate returns everything that is wrong with t; paths begin with at.
func (t Traits) Validate(at string) []conf.Problem { return t.Limits.Validate(at + "limits.") }
