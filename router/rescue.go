package router

import (
	"context"
	"strings"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/llm"
)

// resumed is what an attempt knows of the answer that it goes on with. It
// takes away what the caller already has.
type resumed struct {
	expect string // what is to come first, and is not passed on
	strict bool   // the answer must begin so; else expecting ends where it does not
}

// strip takes away from d what the caller has. It reports false when the
// answer says something else there.
func (r *resumed) strip(d *llm.Delta) bool {
	d.Reasoning = "" // another model's thoughts are no part of this answer
	if d.Refusal != "" {
		return false
	}
	n := 0
	for n < len(d.Text) && n < len(r.expect) && d.Text[n] == r.expect[n] {
		n++
	}
	if n < len(d.Text) && n < len(r.expect) { // they part here
		if r.strict {
			return false
		}
		r.expect = r.expect[:n]
	}
	d.Text, r.expect = d.Text[n:], r.expect[n:]
	over := d.Finish != llm.FinishNone || d.ToolCall
	return !r.strict || r.expect == "" || !over
}

// differs is how an attempt ends that would contradict what the caller has.
// That is nobody's fault.
func differs() *failure {
	return &failure{outcome: bellwether.Canceled, ours: true, text: "its answer differs from what the caller has"}
}

// said is what a stream has told the caller, as far as another answer could
// be compared with it.
type said struct {
	id     string
	text   strings.Builder
	beyond bool // more than text: tool calls, a refusal, log-probabilities
	tokens int
}

func (s *said) note(d *llm.Delta) {
	if s.id == "" {
		s.id = d.ID
	}
	s.text.WriteString(d.Text)
	s.beyond = s.beyond || d.ToolCall || d.Refusal != "" || len(d.Logprobs) > 0
	if d.Content() {
		s.tokens++
	}
}

// rescue goes on where a stream broke that the caller has a part of, in the
// ways and order of the route. What cannot be rescued ends with the failure of
// the one that broke, in-band.
func (x *exchange) rescue(ctx context.Context, broken *attempt, f *failure) *failure {
	x.out |= 1 << broken.cl.i
	for _, way := range x.route.Rescue {
		tried := uint64(0)
		for way != rescueBuffer && x.rescuable(ctx) {
			a, ok := x.resume(ctx, way, tried)
			if !ok {
				break
			}
			rf := a.open(x.rt.transportTo(a.up.Endpoint))
			if rf == nil {
				rf = x.deliver(a)
			}
			x.settle(ctx, a, rf)
			if tried |= 1 << a.cl.i; rf != nil && !rf.ours { // who only differs may still go on in another way
				x.out |= 1 << a.cl.i
			}
			x.rt.metrics.rescued(x.route.Name, way, rf == nil)
			if rf == nil {
				return nil
			}
			if rf.gone() {
				return rf
			}
		}
	}
	x.breakOff(broken, f)
	return f
}

// rescuable reports whether another attempt is allowed and what the caller has
// can be gone on with.
func (x *exchange) rescuable(ctx context.Context) bool {
	if ctx.Err() != nil || x.attempts >= x.rt.cfg.Attempts || x.said == nil || x.said.beyond || x.choices > 1 || x.said.text.Len() == 0 {
		return false
	}
	if x.moved && !x.rt.budget.spend(x.rt.now()) {
		x.rt.metrics.overBudget.Inc()
		return false
	}
	x.moved = true
	return true
}

// resume prepares an attempt that goes on with the answer in the way given, by
// a target not yet tried in it.
func (x *exchange) resume(ctx context.Context, way string, tried uint64) (*attempt, bool) {
	ch := x.choice
	ch.out |= tried
	if way == rescueContinue {
		for i := range x.route.entries {
			if x.route.entries[i].up.can&canPrefill == 0 {
				ch.out |= 1 << i
			}
		}
	}
	for {
		cl, _, ok := x.route.choose(&x.rt.cfg.Breaker, &ch, x.session, x.needs.tokens(), x.rt.now())
		if !ok {
			return nil, false
		}
		req, r, ok := x.req, &resumed{expect: x.said.text.String(), strict: true}, true
		if way == rescueContinue {
			req, r, ok = x.continued(cl.up)
		}
		if !ok {
			cl.giveBack(x.needs.tokens())
		} else if a, f := x.prepare(ctx, cl, &req); f == nil {
			a.resumed = r
			return a, true
		}
		ch.out |= 1 << cl.i
	}
}

// continued returns the request that has up go on from what was said. White
// space at the end is left out, which some providers refuse, and is not
// repeated to the caller.
func (x *exchange) continued(up *upstream) (llm.Request, *resumed, bool) {
	text := x.said.text.String()
	head := strings.TrimRight(text, " \t\r\n")
	req := x.req
	req.Body = nil
	if head == "" {
		return req, nil, false
	}
	if dialectOf(req.Dialect) != dialectOf(up.Protocol) {
		req.Model = up.model()
		if _, _, err := x.encode(up, up.Endpoint, &req); err != nil {
			return req, nil, false
		}
		// It can be said in the other dialect whole, so that nothing is lost
		// without its original form.
		req.Dialect, req.Extra = "", nil
	}
	req.Messages = make([]llm.Message, 0, len(x.req.Messages)+1)
	for _, m := range x.req.Messages {
		if req.Dialect == "" {
			m.Raw = nil
		}
		req.Messages = append(req.Messages, m)
	}
	req.Messages = append(req.Messages, llm.Message{Role: llm.RoleAssistant, Text: head})
	if req.MaxTokens > 0 {
		req.MaxTokens = max(1, req.MaxTokens-x.said.tokens)
	}
	return req, &resumed{expect: text[len(head):]}, true
}
