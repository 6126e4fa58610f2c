package probes

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/llm"
)

// examine runs the checks on a proper answer. Two tests stand before the
// user's own: the answer is not cut at max_tokens (unless the canary allows it
// or has a check of the finish), and it is not empty. They are reported only
// when they fail. notes name the checks that could not be tried.
func examine(j Job, r *reply, t *bellwether.Tokens) (outcome bellwether.Outcome, results []bellwether.CheckResult, notes []string) {
	if r.refusal != "" || r.finish == llm.FinishRefusal || r.finish == llm.FinishFilter {
		return bellwether.Refusal, nil, nil
	}
	outcome = bellwether.OK
	checks := j.compiled()
	if r.finish == llm.FinishLength && !j.Canary.AllowLength && !has(checks, "finish") {
		outcome = bellwether.BadOutput
		results = append(results, bellwether.CheckResult{Name: "finish", Detail: fmt.Sprintf("the answer was cut at max_tokens %d", j.Canary.room())})
	}
	if r.text.Len() == 0 && !r.toolCall && r.finish != llm.FinishToolCalls && r.finish != llm.FinishLength {
		outcome = bellwether.BadOutput
		results = append(results, bellwether.CheckResult{Name: "not_empty", Detail: "the answer is empty"})
	}
	answer := r.answer(j.Canary, t)
	if !j.Target.offersLogprobs() {
		answer.unsure = "protocol " + string(j.Target.Protocol) + " offers no log-probabilities"
	}
	for _, c := range checks {
		if c.judge != nil {
			continue // is asked when all else is known
		}
		if why := c.Untried(answer); why != "" {
			notes = append(notes, c.Name+": "+why)
			continue
		}
		res := c.Run(answer)
		if !res.OK && outcome != bellwether.Refusal { // which says why the others failed
			outcome = c.fails
		}
		results = append(results, res)
	}
	return outcome, results, notes
}

func has(checks []Check, name string) bool {
	for _, c := range checks {
		if c.Name == name {
			return true
		}
	}
	return false
}

// answer is what the checks look at.
func (r *reply) answer(c Canary, t *bellwether.Tokens) Answer {
	text := r.text.String()
	tokens := max(0, t.Output-t.Reasoning)
	if c.Reasoning && t.Reasoning == 0 {
		// Some providers count reasoning as output without saying how much.
		tokens = min(tokens, int(math.Ceil(float64(utf8.RuneCountInString(text))/usualRatio)))
	}
	return Answer{
		Text: text, Tokens: tokens, Finish: string(r.finish), Confidence: r.confidence,
		Prompt: c.Prompt, System: c.System, ToolCalls: r.calls,
	}
}

// maxArguments bounds what is kept of the arguments of an answer's calls, in
// bytes: more than checks read.
const maxArguments = 2 * maxJSONBytes

// called takes the parts of tool calls that one event carried.
func (r *reply) called(deltas []llm.ToolCallDelta) {
	if r.argued > maxArguments {
		return
	}
	for _, d := range deltas {
		r.argued += 16 + len(d.Arguments)
	}
	r.calls = llm.AppendToolCalls(r.calls, deltas)
}

// untried puts notes into words; "" for none.
func untried(notes []string) string {
	if len(notes) == 0 {
		return ""
	}
	return "checks not tried: " + strings.Join(notes, "; ")
}
