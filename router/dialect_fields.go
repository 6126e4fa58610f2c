package router

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/bellwether-llm/bellwether/internal/conf"
	"github.com/bellwether-llm/bellwether/llm"
)

// The policies on what a target's protocol cannot express.
const (
	dropHints  = "hints"
	dropAll    = "drop"
	dropRefuse = "refuse"
)

// validateDropped returns what is wrong with a policy.
func validateDropped(at, policy string) []conf.Problem {
	if policy == "" || slices.Contains([]string{dropHints, dropAll, dropRefuse}, policy) {
		return nil
	}
	return []conf.Problem{{Path: at, Text: fmt.Sprintf("%q is none of hints, drop, refuse", policy), Remedy: "write one of them, or leave it out for hints"}}
}

// drops reports whether fields that a target cannot express may be left out.
func (c Conduct) drops(fields []string) bool {
	switch c.DroppedFields {
	case dropAll:
		return true
	case dropRefuse:
		return false
	}
	return !slices.ContainsFunc(fields, func(n string) bool { return !llm.Hint(n) })
}

// encode returns the call that asks up. What its protocol cannot express is
// dropped and named, or an error, as the route wants it.
func (x *exchange) encode(up *upstream, e llm.Endpoint, from *llm.Request) (call llm.Call, dropped []string, err error) {
	if x.errand != nil {
		call, err = x.errand.call(up, e)
		if no := x.errand.beyond(up); err == nil && len(no) > 0 {
			if !x.route.drops(no) {
				return call, nil, &llm.UnsupportedError{Protocol: up.Protocol, Fields: no}
			}
			dropped = no
		}
		return call, dropped, err
	}
	r := *from
	own := dialectOf(r.Dialect) == dialectOf(up.Protocol)
	if own && x.features != nil {
		h := make(http.Header, len(e.Header)+1)
		h["Anthropic-Beta"] = x.features
		for k, v := range e.Header {
			h[k] = v
		}
		e.Header = h
	}
	if !own {
		r.Body = nil
	}
	if x.prior != nil {
		r = x.prior.expand(r, up)
	}
	call, err = up.codec.Encode(e, r)
	no, unsupported := errors.AsType[*llm.UnsupportedError](err)
	if !unsupported || !x.route.drops(no.Fields) {
		return call, nil, err
	}
	return x.encodeLess(up, e, &r, no, err)
}

// encodeLess is encode once more, without what cannot be expressed; why is the error that said so.
func (x *exchange) encodeLess(up *upstream, e llm.Endpoint, r *llm.Request, no *llm.UnsupportedError, why error) (call llm.Call, dropped []string, err error) {
	less, ok := r.Without(no.Fields)
	if !ok {
		return call, nil, why
	}
	if call, err = up.codec.Encode(e, less); err != nil {
		return call, nil, err
	}
	return call, no.Fields, nil
}

// keepFeatures keeps the names of features that an Anthropic caller wants:
// unlike its other headers they are part of the request.
func (x *exchange) keepFeatures(h http.Header) {
	if x.front.codec.Protocol() == llm.Anthropic {
		x.features = h["Anthropic-Beta"]
	}
}
