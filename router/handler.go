package router

import (
	"net/http"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/id"
	"github.com/bellwether-llm/bellwether/llm"
)

// Handler returns what applications talk to: the endpoints of every dialect,
// and /metrics, /livez, /readyz beside them.
func (rt *Router) Handler() http.Handler {
	mux := http.NewServeMux()
	rt.endpoints(mux)
	rt.ownEndpoints(mux, rt.fronts.chat)
	mux.HandleFunc("GET /metrics", rt.metrics.serve)
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("/", rt.unknown)
	return mux
}

// requestID names each request, on every answer.
const requestID = "X-Request-Id"

func (rt *Router) unknown(w http.ResponseWriter, r *http.Request) {
	w.Header().Set(requestID, id.New(time.Now()))
	fail(w, rt.frontOf(r), &llm.Error{Status: http.StatusNotFound, Type: "invalid_request_error", Code: "unknown_url", Dialect: llm.OpenAI, Outcome: bellwether.Gone,
		Message: r.Method + " " + clip(r.URL.Path, 200) + " is not served here; docs/dialects.md lists what is"})
}

// handler serves a caller that may come in.
type handler func(w http.ResponseWriter, r *http.Request, c *caller)

// guard admits callers that may do what they want, and bounds how many are
// inside: of each, and of all. Who may not is told in the words of front.
func (rt *Router) guard(front *dialect, need scope, h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header()[requestID] = []string{id.New(time.Now())}
		c := rt.callers.Load().find(tokenIn(r))
		if c == nil {
			rt.metrics.refused("invalid_api_key")
			rt.logRefused(w.Header().Get(requestID), "", "", "invalid_api_key", http.StatusUnauthorized)
			fail(w, front, &llm.Error{Status: http.StatusUnauthorized, Type: "invalid_request_error", Code: "invalid_api_key", Dialect: llm.OpenAI,
				Message: "the key is missing or unknown: send Authorization: Bearer KEY with one of this router's keys"})
			return
		}
		if c.scopes&need == 0 {
			rt.refuse(w, front, c, "", &refusal{Error: &llm.Error{Status: http.StatusForbidden, Type: "invalid_request_error", Code: "scope_missing", Dialect: llm.OpenAI,
				Message: "this key may not do that: it needs the scope " + need.String()}})
			return
		}
		if rt.inFlight.Add(1) > int64(rt.cfg.MaxInFlight) {
			rt.inFlight.Add(-1)
			rt.refuse(w, front, c, "", &refusal{after: time.Second, Error: &llm.Error{Status: http.StatusServiceUnavailable, Type: "server_error", Code: "too_many_in_flight", Dialect: llm.OpenAI,
				Message: "this router has too many requests in flight: try again in a second"}})
			return
		}
		defer rt.inFlight.Add(-1)
		if r := c.enter(rt.now()); r != nil {
			rt.refuse(w, front, c, "", r)
			return
		}
		defer c.leave()
		h(w, r, c)
	}
}

// fail answers with an error body as the dialect's clients read it.
func fail(w http.ResponseWriter, d *dialect, e *llm.Error) {
	if e.Outcome == "" {
		worded := *e
		worded.Outcome = outcomeOf(e.Status)
		e = &worded
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	if d.codec.Protocol() == llm.Anthropic {
		h["Request-Id"] = h[requestID] // the name that its clients read
	}
	w.WriteHeader(e.Status)
	_, _ = w.Write(d.codec.EncodeError(e))
}

// outcomeOf returns what a status of the router's own is called in dialects
// that have words of their own for it.
func outcomeOf(status int) bellwether.Outcome {
	switch status {
	case http.StatusUnauthorized:
		return bellwether.AuthError
	case http.StatusForbidden:
		return bellwether.Blocked
	case http.StatusNotFound:
		return bellwether.Gone
	case http.StatusTooManyRequests:
		return bellwether.RateLimited
	case http.StatusServiceUnavailable:
		return bellwether.Overloaded
	}
	return bellwether.ClientError
}
