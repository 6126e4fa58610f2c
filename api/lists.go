package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/bellwether-llm/bellwether"
)

// writePage answers with one page of a listing under its name.
func writePage[T any](w http.ResponseWriter, r *http.Request, name string, page []T, next string) error {
	return writePageWith(w, r, name, page, next, map[string]any{})
}

// writePageWith answers with one page and with more beside it.
func writePageWith[T any](w http.ResponseWriter, r *http.Request, name string, page []T, next string, answer map[string]any) error {
	answer[name] = list(page)
	if next != "" {
		answer["next_cursor"] = next
		q := r.URL.Query()
		q.Set("cursor", next)
		w.Header().Set("Link", fmt.Sprintf(`<%s?%s>; rel="next"`, r.URL.EscapedPath(), q.Encode()))
	}
	return writeJSON(w, answer)
}

// servePage is a listing whose query is read and whose page is ready to show.
func servePage[T any](w http.ResponseWriter, r *http.Request, name string, p *params, q bellwether.Query,
	read func(context.Context, bellwether.Query) ([]T, string, error)) error {
	if err := p.err(); err != nil {
		return err
	}
	page, next, err := read(r.Context(), q)
	if err != nil {
		return listing(name, q, err)
	}
	return writePage(w, r, name, page, next)
}

// listing says what went wrong with a listing; the cursor is all that can be
// the caller's fault once the parameters are read.
func listing(name string, q bellwether.Query, err error) error {
	if p := problemOf(err); p.Status == http.StatusBadRequest && q.Cursor != "" {
		return badParameter("cursor", "%s", p.Detail)
	}
	return fmt.Errorf("list %s: %w", name, err)
}

func (s *Server) changes(w http.ResponseWriter, r *http.Request) error {
	p := readParams(r)
	q := p.page()
	q.Target = p.id("target")
	return servePage(w, r, "changes", p, q, s.deps.Store.Changes)
}

func (s *Server) revisions(w http.ResponseWriter, r *http.Request) error {
	p := readParams(r)
	q := p.page()
	q.Limit = s.revisionsAtOnce(q.Limit)
	return servePage(w, r, "revisions", p, q, s.deps.Store.Revisions)
}

// mostRevisionBytes bounds what is held in memory of one page of revisions.
const mostRevisionBytes = 16 << 20

// revisionsAtOnce returns how many of want revisions are read at once. Each is
// a whole document, which of many targets is long: as long as the current one.
func (s *Server) revisionsAtOnce(want int) int {
	e := s.deps.Board.current.Load()
	if e.blank {
		return want
	}
	return min(want, max(1, mostRevisionBytes/len(e.whole.body)))
}

func (s *Server) observations(w http.ResponseWriter, r *http.Request) error {
	p := readParams(r)
	q, format := p.page(), p.oneOf("format", "json", "ndjson")
	q.Target, q.Vantage, q.Canary, q.Route = p.id("target"), p.id("vantage"), p.id("canary"), p.id("route")
	q.Source = p.oneOf("source", sources...)
	q.Outcome = bellwether.Outcome(p.id("outcome"))
	w.Header().Set("Vary", "Accept")
	if wantsLines(r, format) {
		return s.export(w, r, p, q)
	}
	return servePage(w, r, "observations", p, q, s.deps.Store.Observations)
}

func (s *Server) observation(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	o, err := s.deps.Store.Observation(r.Context(), id)
	if err != nil {
		return found(err, "observation", id)
	}
	return writeJSON(w, o)
}

var sources = []string{bellwether.SourceProbe, bellwether.SourceRouter, bellwether.SourceFeedback, bellwether.SourceUser, bellwether.SourceSimulated}
