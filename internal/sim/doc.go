// Package sim is a simulated LLM provider: an http.Handler that answers in the
// wire formats of OpenAI (chats, Responses, completions, embeddings, images),
// Azure OpenAI, Anthropic, Gemini and plain JSON, whole and streamed, with
// latencies and lengths drawn from distributions fitted to recordings of real
// providers (docs/simulation.md), and with faults that are
// scripted or put in place while it runs. It serves `bellwether simulate`, the
// demo, and the tests of whatever talks to a provider. [Day] invents a history
// of observations from the same distributions, without HTTP.
//
// It is not a model: small solvers answer the kinds of questions that canaries
// ask, and everything else gets pleasant prose. It is no benchmark of providers
// either; the recordings are years old and stand for shapes, not for ranks.
//
// A region is the first part of the path: the base URL http://ADDR/r/REGION/v1
// names region REGION to any client that can only be given a base URL. Without
// it the region is "".
//
// The package starts no goroutine. Each request runs on its server's own
// goroutine, and ends at once when the client goes away or the server's base
// context is cancelled.
package sim
