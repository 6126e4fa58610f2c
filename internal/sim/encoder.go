package sim

import (
	"hash/fnv"

	"github.com/bellwether-llm/bellwether/llm"
)

// encoder writes the tokens of a stream in its protocol's events.
type encoder struct {
	llm.FullStreamEncoder
	chooser          // nil where there is one choice
	signer           llm.Signer
	logprobs, signed bool
}

// chooser is embedded, so that an encoder is one where there are choices.
type chooser = llm.Chooser

// encoder returns that of the answer. All encoders of the llm package are full.
func (a *player) encoder() encoder {
	e := encoder{FullStreamEncoder: a.speak.Encoder(a.req, a.id, a.plan.model).(llm.FullStreamEncoder), logprobs: a.req.Logprobs, signed: a.plan.think.signed}
	if len(a.plan.choices) > 1 {
		e.chooser, _ = e.FullStreamEncoder.(llm.Chooser)
	}
	e.signer, _ = e.FullStreamEncoder.(llm.Signer)
	return e
}

// token appends token i of c.
func (e encoder) token(dst []byte, p *plan, c *choice, i int) []byte {
	t := c.tokens[i]
	switch t.kind {
	case tokenText:
		dst = e.Text(dst, t.text)
		if e.logprobs {
			dst = e.Logprobs(dst, []string{t.text}, []float64{p.logprobOf(t.text)})
		}
	case tokenRefusal:
		dst = e.Refusal(dst, t.text)
	case tokenThought:
		dst = e.Reasoning(dst, t.text)
		ends := i+1 == len(c.tokens) || c.tokens[i+1].kind != tokenThought
		if ends && e.signed && e.signer != nil {
			dst = e.signer.Signature(dst, sign(c.text(tokenThought)))
		}
	case tokenCall:
		call := c.calls[t.call]
		dst = e.ToolCall(dst, llm.ToolCallDelta{Index: t.call, ID: call.ID, Name: call.Name, Signature: call.Signature})
	case tokenArguments:
		dst = e.ToolCall(dst, llm.ToolCallDelta{Index: t.call, Arguments: t.text})
	}
	return dst
}

// logprobOf is the log-probability of a token: around the answer's, and the
// same for the same token.
func (p *plan) logprobOf(text string) float64 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(text))
	return p.logprob * (0.5 + float64(h.Sum32()%1000)/1000)
}
