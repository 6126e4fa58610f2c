package sim

import (
	"crypto/subtle"
	"net/http"
	"strings"

	"github.com/bellwether-llm/bellwether/llm"
)

// admits reports whether r carries one of the accepted keys, where its
// protocol carries keys.
func (s *Server) admits(p llm.Protocol, r *http.Request) bool {
	if len(s.opts.Keys) == 0 {
		return true
	}
	ok := 0
	for _, got := range carried(p, r) {
		for _, want := range s.opts.Keys {
			ok |= subtle.ConstantTimeCompare([]byte(got), []byte(want.Reveal()))
		}
	}
	return ok == 1
}

func carried(p llm.Protocol, r *http.Request) []string {
	bearer, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch p {
	case llm.Azure:
		return []string{r.Header.Get("Api-Key"), bearer}
	case llm.Anthropic:
		return []string{r.Header.Get("X-Api-Key"), bearer}
	case llm.Gemini:
		return []string{r.Header.Get("X-Goog-Api-Key"), r.URL.Query().Get("key")}
	}
	return []string{bearer}
}

// unauthorized is what a provider says to a wrong key.
func unauthorized(p llm.Protocol) *llm.Error {
	e := failure(http.StatusUnauthorized)
	switch p {
	case llm.Azure:
		e.Message = "Access denied due to invalid subscription key or wrong API endpoint."
	case llm.Anthropic:
		e.Message = "invalid x-api-key"
	case llm.Gemini:
		e.Message = "API key not valid. Please pass a valid API key."
	}
	return e
}
