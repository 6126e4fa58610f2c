// Package router is the bundled router, the data plane: it takes requests of
// OpenAI's, Anthropic's and Google's clients for a route, chooses a target by the weights it follows and
// by what the request needs, asks it in its own wire protocol, retries, moves
// or rescues what fails, and reports what it saw. docs/router.md says what it
// does on each kind of failure.
//
// Every request takes one path, whatever its dialect: exchange.go reads it and
// plans, loop.go asks until one answers, choose.go says whom, settle.go learns
// from each attempt, relay.go passes the answer on, rescue.go goes on with a
// broken one. An endpoint is a row in front_paths.go with its dialect.
//
// It does not decide how healthy a target is; it follows a server that does,
// and goes on alone when that server is away: with the last weights for a
// while, then slowly towards the base weights, and always with breakers of its
// own. It keeps no answer but those of Responses that may be gone on with, a
// bounded number of bytes in memory; it changes no prompt, and never sends text that
// contradicts what a caller already has.
//
// It knows its callers by their tokens, bounds what each may use, and keeps an
// account of every request and attempt: docs/accounting.md.
//
// [Router.Run] owns the goroutines that follow, drift, report and keep the
// accounts, and [Router.Serve] those of its server; both join them. A request that hedges
// joins its own. [Router.Handler] may be called from any number of goroutines
// and works without Run, by base weights; choosing a target neither locks nor
// allocates.
package router
