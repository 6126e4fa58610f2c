// Package router is the bundled OpenAI-compatible router, the data plane: it
// takes chat completions for a route, picks a target by the weights it
// follows, asks it in its own wire protocol, goes on to the next target when
// it fails before its first token, and reports what it saw. docs/router.md
// says what it does on each kind of failure.
//
// It does not decide how healthy a target is; it follows a server that does,
// and goes on alone when that server is away: with the last weights for a
// while, then slowly towards the base weights. It keeps no answer, changes no
// prompt, and never splices answers of two targets.
//
// [Router.Run] owns all goroutines (following, drifting, reporting) and joins
// them. [Router.Handler] may be called from any number of goroutines and works
// without Run, by base weights; picking a target neither locks nor allocates.
package router
