package router

import (
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/bellwether-llm/bellwether/llm"
)

// ability is a set of things that a target can do, or a request needs.
type ability uint

const (
	canSee ability = 1 << iota
	canCall
	canFitSchema
	canReason
	canLogprobs
	canPrefill // goes on from an assistant's message that stands last
	undeclared // its config says nothing: it is left out of nothing
)

// abilities are the names that configs use, in order.
var abilities = [...]struct {
	name string
	is   ability
}{
	{"vision", canSee}, {"tools", canCall}, {"json_schema", canFitSchema},
	{"reasoning", canReason}, {"logprobs", canLogprobs}, {"prefill", canPrefill},
}

// Capabilities are the names of what a target can be said to do.
func Capabilities() []string {
	var names []string
	for _, a := range abilities {
		names = append(names, a.name)
	}
	return names
}

// abilityOf reads a capability list. None at all is no list; names that are
// not known mean nothing here.
func abilityOf(names []string) ability {
	if len(names) == 0 {
		return undeclared
	}
	var can ability
	for _, a := range abilities {
		if slices.Contains(names, a.name) {
			can |= a.is
		}
	}
	return can
}

// lacks returns what of needs a target with can cannot do.
func (can ability) lacks(needs ability) ability {
	if can&undeclared != 0 {
		return 0
	}
	return needs &^ can
}

func (can ability) String() string {
	var names []string
	for _, a := range abilities {
		if can&a.is != 0 {
			names = append(names, a.name)
		}
	}
	return strings.Join(names, ", ")
}

// needs are what a request asks of a target before it is sent anywhere.
type needs struct {
	can    ability
	prompt int // tokens, estimated
	answer int // tokens that the answer may have
	task   string
	most   float64 // USD that one call may cost, by the estimate; 0: any
}

// Estimates. A token of English is about four characters long; of what is no
// English it may be one, and a picture is a few hundred.
const (
	bytesPerToken  = 4
	imageTokens    = 500
	expectedTokens = 1024 // of an answer whose length the request does not bound
)

// The headers that say what a request is and what it may cost.
const (
	taskHeader = "X-Bellwether-Task"
	costHeader = "X-Bellwether-Max-Cost"
)

// needsOf reads what r needs.
func needsOf(r *llm.Request, h http.Header) (needs, *llm.Error) {
	n := needs{answer: r.MaxTokens, task: h.Get(taskHeader)}
	if n.answer == 0 {
		n.answer = expectedTokens
	}
	bytes := len(r.JSONSchema)
	for i := range r.Messages {
		m := &r.Messages[i]
		bytes += len(m.Text)
		for _, p := range m.Parts {
			if p.Kind == llm.PartImage {
				n.can |= canSee
				n.prompt += imageTokens
			}
		}
	}
	for _, t := range r.Tools {
		bytes += len(t.Name) + len(t.Description) + len(t.Parameters)
	}
	n.prompt += bytes / bytesPerToken
	for _, a := range [...]struct {
		is    ability
		asked bool
	}{
		{canCall, len(r.Tools) > 0}, {canFitSchema, r.JSONSchema != nil}, {canLogprobs, r.Logprobs},
		{canReason, r.Extra["reasoning_effort"] != nil && string(r.Extra["reasoning_effort"]) != `"none"`},
		{canPrefill, len(r.Messages) > 0 && r.Messages[len(r.Messages)-1].Role == llm.RoleAssistant},
	} {
		if a.asked {
			n.can |= a.is
		}
	}
	if v := h.Get(costHeader); v != "" {
		most, err := strconv.ParseFloat(v, 64)
		if err != nil || !(most > 0) || math.IsInf(most, 0) {
			return n, badRequest(http.StatusBadRequest, "invalid_header", costHeader+" is no cost: write USD, such as 0.002")
		}
		n.most = most
	}
	return n, nil
}

// cost returns what a call of up is likely to cost at most, in USD.
func (n needs) cost(up *upstream) float64 { return up.Price.Cost(n.prompt, n.answer) }

// tokens returns what a call is likely to count against a limit on tokens.
func (n needs) tokens() int64 { return int64(n.prompt + n.answer) }

// steer narrows the choice before anybody is asked. Entries that cannot do
// what the request needs, or cost more than it may, are out. Among the others
// those go first that are for its task and whose window it surely fits.
func (x *exchange) steer() *llm.Error {
	var lacking ability
	dearest := 0
	for i := range x.route.entries {
		up, bit := x.route.entries[i].up, uint64(1)<<i
		if l := up.can.lacks(x.needs.can); l != 0 {
			lacking |= l
			continue
		}
		if x.needs.most > 0 && x.needs.cost(up) > x.needs.most {
			dearest++
			continue
		}
		x.fit |= bit
		if up.ContextWindow == 0 || x.needs.prompt <= up.ContextWindow {
			x.roomy |= bit
		}
		if x.needs.task != "" && slices.Contains(up.Tasks, x.needs.task) && x.route.entries[i].weight > 0 {
			x.apt |= bit
		}
	}
	switch {
	case x.fit != 0:
		return nil
	case dearest > 0:
		return badRequest(http.StatusBadRequest, "too_expensive", "no target of "+x.route.title()+" is likely to cost at most "+
			strconv.FormatFloat(x.needs.most, 'g', -1, 64)+" USD for this request: raise "+costHeader+" or lower max_tokens")
	}
	return badRequest(http.StatusBadRequest, "unsupported_capability", "no target of "+x.route.title()+" is declared to have "+lacking.String())
}
