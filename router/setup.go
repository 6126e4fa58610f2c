package router

import (
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/llm"
)

// Target is a target with what it takes to call it.
type Target struct {
	bellwether.Target
	Endpoint llm.Endpoint
	Protocol llm.Protocol
	// ModelName is what the wire calls the model. Empty means Model.
	ModelName string
	// Keys are a pool in place of the endpoint's key. Empty: that one.
	Keys []Key
	// Capabilities are what the target can do, of [Capabilities]. None: not
	// said, and it is left out of nothing; only prefill is never taken for granted
	// when an answer is to be continued.
	Capabilities []string
	// ContextWindow is the largest prompt and answer, in tokens. 0: not known.
	ContextWindow int
	Traits
}

func (t Target) model() string {
	if t.ModelName != "" {
		return t.ModelName
	}
	return t.Model
}

// Route is a route with its limits. A limit of zero means the default.
type Route struct {
	bellwether.Route
	// FirstToken is how long the first token of a streamed answer may take; a
	// plain one has 100ms more for each token it may have. 0: learned from what
	// is usual for the target, at most 20s.
	FirstToken time.Duration
	Stall      time.Duration // silence after the first token; default 15s
	Total      time.Duration // of the whole request, all attempts included; while a target is left to try, an attempt shows something within half of what remains; default 5m
	Conduct

	learn bool // the first token's limit is learned
}

const (
	defaultFirstToken = 20 * time.Second
	defaultStall      = 15 * time.Second
	defaultTotal      = 5 * time.Minute
)

func (r Route) withDefaults() Route {
	if r.FirstToken == 0 {
		r.FirstToken, r.learn = defaultFirstToken, true
	}
	r.Conduct = r.Conduct.withDefaults()
	if r.Stall == 0 {
		r.Stall = defaultStall
	}
	if r.Total == 0 {
		r.Total = defaultTotal
	}
	return r
}

// Setup is what a router serves: it may be replaced while it runs.
type Setup struct {
	Targets []Target
	Routes  []Route
}
