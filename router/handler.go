package router

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
	"time"

	"github.com/bellwether-llm/bellwether/internal/id"
	"github.com/bellwether-llm/bellwether/llm"
)

// Handler returns what applications talk to: /v1/chat/completions, /v1/models,
// and /metrics, /livez, /readyz beside them.
func (rt *Router) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/chat/completions", rt.guard(rt.serve(rt.chat)))
	mux.HandleFunc("GET /v1/models", rt.guard(rt.models))
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
	fail(w, rt.chat, &llm.Error{Status: http.StatusNotFound, Type: "invalid_request_error", Code: "unknown_url",
		Message: r.Method + " " + r.URL.Path + " is not served here: POST /v1/chat/completions, GET /v1/models"})
}

// guard admits callers that may come in, and bounds how many are inside.
func (rt *Router) guard(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(requestID, id.New(time.Now()))
		if !rt.admitted(r) {
			rt.metrics.refused("invalid_api_key")
			fail(w, rt.chat, &llm.Error{Status: http.StatusUnauthorized, Type: "invalid_request_error", Code: "invalid_api_key",
				Message: "the key is missing or unknown: send Authorization: Bearer KEY with one of this router's keys"})
			return
		}
		if rt.inFlight.Add(1) > int64(rt.cfg.MaxInFlight) {
			rt.inFlight.Add(-1)
			rt.metrics.refused("too_many_in_flight")
			w.Header().Set("Retry-After", "1")
			fail(w, rt.chat, &llm.Error{Status: http.StatusServiceUnavailable, Type: "server_error", Code: "too_many_in_flight",
				Message: "this router has too many requests in flight: try again in a second"})
			return
		}
		defer rt.inFlight.Add(-1)
		h(w, r)
	}
}

// admitted compares in constant time, whatever was sent, with every key.
func (rt *Router) admitted(r *http.Request) bool {
	if len(rt.keys) == 0 {
		return true
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	sent := sha256.Sum256([]byte(token))
	found := 0
	for i := range rt.keys {
		found |= subtle.ConstantTimeCompare(sent[:], rt.keys[i][:])
	}
	return found == 1 && strings.EqualFold(scheme, "Bearer")
}

// fail answers with an error body as the dialect's clients read it.
func fail(w http.ResponseWriter, d *dialect, e *llm.Error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.Status)
	_, _ = w.Write(d.codec.EncodeError(e))
}
