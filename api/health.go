package api

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

var errNoWeights = errors.New("no weights have been published yet")

func (s *Server) livez(w http.ResponseWriter, _ *http.Request) error {
	return writeText(w, http.StatusOK, "ok\n")
}

// readyz says whether the config is loaded, the store reachable, and the first
// weights there. Machines read the status only; ?verbose is for people, and
// the reasons are for those who may read.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) error {
	checks := []Check{{Name: "config"}, {Name: "weights"}}
	if s.deps.Board.current.Load().blank {
		checks[1].Err = errNoWeights
	}
	if s.deps.Ready != nil {
		checks = append(checks, s.deps.Ready(r.Context())...)
	}
	status, word := http.StatusOK, "ok\n"
	if slices.ContainsFunc(checks, func(c Check) bool { return c.Err != nil }) {
		status, word = http.StatusServiceUnavailable, "not ready\n"
	}
	if !r.URL.Query().Has("verbose") {
		return writeText(w, status, word)
	}
	c, err := s.guard.identify(r, time.Now())
	mayRead := err == nil && slices.Contains(c.scopes, Read)
	var b strings.Builder
	for _, c := range checks {
		switch {
		case c.Err == nil:
			fmt.Fprintf(&b, "[+] %s ok\n", c.Name)
		case mayRead:
			fmt.Fprintf(&b, "[-] %s failed: %v\n", c.Name, c.Err)
		default:
			fmt.Fprintf(&b, "[-] %s failed\n", c.Name)
		}
	}
	return writeText(w, status, b.String()+s.notices(mayRead)+word)
}

func writeText(w http.ResponseWriter, status int, text string) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // the caller has gone; nothing to do
	return nil
}
