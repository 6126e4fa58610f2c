package api

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// longestWait keeps a blocking poll below the 60 s after which proxies drop
// idle connections.
const longestWait = 55 * time.Second

// following is what a poller or watcher says of itself.
type following struct {
	after    uint64
	hasAfter bool
	epoch    string
	route    string
	region   string
	name     string
	sent     map[string]map[string]int // by route and target, since the last word
	wait     time.Duration
}

// parseFollowing reads what pollers and watchers have in common.
func parseFollowing(p *params) following {
	f := following{epoch: p.text("epoch"), route: p.id("route"), region: p.id("region")}
	if s := p.text("after"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			p.fault("after", "%.40q is not a revision", s)
		}
		f.after, f.hasAfter = n, true
	}
	if len(f.epoch) > 100 {
		p.fault("epoch", "longer than 100 bytes")
	}
	return f
}

// parsePoll reads what a poller says.
func parsePoll(r *http.Request) (following, error) {
	p := readParams(r)
	f := parseFollowing(p)
	f.wait = p.wait()
	if f.name = p.text("name"); f.name != "" && !validName(f.name) {
		p.fault("name", "must be 1 to 100 printable bytes")
	}
	if f.sent = p.parseSplit("split"); len(f.sent) > 0 && (f.name == "" || !f.hasAfter) {
		p.fault("split", "stands with name and after: who sent the requests, and which revision it has in force")
	}
	return f, p.err()
}

// current reports whether the caller already has what e holds.
func (f following) current(e *edition) bool {
	return f.hasAfter && f.after == e.weights.Revision && (f.epoch == "" || f.epoch == e.weights.Epoch)
}

// parseSeconds reads "30s" or "30"; "" is 0.
func parseSeconds(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	if n, err := strconv.ParseUint(s, 10, 31); err == nil {
		return time.Duration(n) * time.Second, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%.40q is not a duration: write 30s or a number of seconds", s)
	}
	return d, nil
}

func validName(s string) bool {
	return s != "" && len(s) <= 100 && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' })
}

// weights answers with the current weights, or blocks for newer ones.
func (s *Server) weights(w http.ResponseWriter, r *http.Request) error {
	f, err := parsePoll(r)
	if err != nil {
		return err
	}
	if f.wait > 0 {
		end, err := s.streams.begin(pollers)
		if err != nil {
			return err
		}
		defer end()
	}
	e := s.deps.Board.current.Load()
	if f.name != "" && f.hasAfter && f.after <= e.weights.Revision {
		s.heard(bellwether.Applied{Name: f.name, Epoch: orElse(f.epoch, e.weights.Epoch), Revision: f.after, At: time.Now(), Split: f.sent}, f.region)
	}
	known := func(e *edition) bool {
		if f.hasAfter {
			return f.current(e)
		}
		return matches(r.Header.Get("If-None-Match"), s.etag(e, f))
	}
	if e, err = s.await(r, e, f.wait, known); err != nil || e == nil {
		return err
	}
	return s.writeWeights(w, e, f, known(e))
}

// nearby returns what the place of a follower changes about what it follows.
func (s *Server) nearby(f following) *nearby {
	if f.region == "" {
		return nil
	}
	facts := s.deps.Facts()
	return facts.nearby(f.region, f.route)
}

func (s *Server) etag(e *edition, f following) string {
	return etag(e.weights, f.route, f.region, s.nearby(f))
}

// sheet returns the document that a follower gets of an edition.
func (s *Server) sheet(e *edition, f following) *sheet {
	return e.part(f.route, s.nearby(f), s.deps.Facts)
}

// await returns the first edition from e on that the caller does not have, or
// the last one when the wait is over. A nil edition means that the caller left.
func (s *Server) await(r *http.Request, e *edition, wait time.Duration, known func(*edition) bool) (*edition, error) {
	over := time.NewTimer(wait)
	defer over.Stop()
	for e.blank || known(e) {
		if wait <= 0 {
			return e, nil
		}
		select {
		case <-e.next:
			e = s.deps.Board.current.Load()
		case <-over.C:
			return e, nil
		case <-s.streams.closing:
			return e, nil
		case <-r.Context().Done():
			return nil, nil
		}
	}
	return e, nil
}

func (s *Server) writeWeights(w http.ResponseWriter, e *edition, f following, known bool) error {
	if e.blank {
		return unavailable("no weights have been published yet; ask again in a moment")
	}
	if !e.has(f.route) {
		return notFound("route", f.route)
	}
	h := w.Header()
	h.Set("ETag", s.etag(e, f))
	h.Set("Cache-Control", s.guard.private(fmt.Sprintf("max-age=%d, stale-if-error=%d", int(e.weights.TTL), int(e.weights.Hold))))
	if known {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	h.Set("Content-Type", "application/json")
	_, _ = w.Write(s.sheet(e, f).body) // the caller has gone; nothing to do
	return nil
}

// matches reports whether an If-None-Match header names tag (weak comparison,
// RFC 9110 section 13.1.2).
func matches(header, tag string) bool {
	for part := range strings.SplitSeq(header, ",") {
		part = strings.TrimPrefix(strings.TrimSpace(part), "W/")
		if part == tag || part == "*" {
			return true
		}
	}
	return false
}

func orElse(s, def string) string {
	if s == "" {
		return def
	}
	return s
}
