package api

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"
)

// reloads remembers how the last attempt to load the config went. Safe for
// concurrent use.
type reloads struct {
	mu      sync.Mutex
	loaded  time.Time // when the config in force was loaded
	refused time.Time // when a later one was refused; zero when none was
	reason  string    // why, fit to be shown
}

// Reloaded says how an attempt to load another config ended: nil puts it in
// force, an error leaves the one before it there. What the error says is shown
// to those who may read, without what looks like a secret. It does not block.
func (s *Server) Reloaded(err error) {
	now := time.Now()
	s.metrics.reloaded(err == nil)
	s.reloads.mu.Lock()
	defer s.reloads.mu.Unlock()
	if err == nil {
		s.reloads.loaded, s.reloads.refused, s.reloads.reason = now, time.Time{}, ""
		return
	}
	s.reloads.refused, s.reloads.reason = now, s.presentableError(err)
}

// configView is how the config came to be in force.
type configView struct {
	LoadedAt  time.Time `json:"loaded_at"`
	RefusedAt time.Time `json:"refused_at,omitzero"`
	Error     string    `json:"error,omitempty"`
}

func (rs *reloads) view() configView {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	v := configView{LoadedAt: rs.loaded.UTC(), Error: rs.reason}
	if !rs.refused.IsZero() {
		v.RefusedAt = rs.refused.UTC()
	}
	return v
}

// lost returns how many records the store could not keep; known is false where
// nobody counts.
func (s *Server) lost() (n int64, known bool) {
	if s.deps.Lost == nil {
		return 0, false
	}
	return s.deps.Lost(), true
}

func (s *Server) info(w http.ResponseWriter, _ *http.Request) error {
	f, now := s.deps.Facts(), s.deps.Board.Current()
	answer := map[string]any{
		"at": time.Now().UTC(), "version": f.Version, "started_at": s.started.UTC(), "simulated": f.Simulated,
		"config": s.reloads.view(),
	}
	if f.Vantage != "" {
		answer["vantage"] = f.Vantage
	}
	if now.Epoch != "" {
		answer["epoch"], answer["revision"] = now.Epoch, now.Revision
	}
	if n, known := s.lost(); known {
		answer["lost_records"] = n
	}
	return writeJSON(w, answer)
}

// notices returns what somebody should look at though the server is ready, one
// line each. Reasons are for those who may read.
func (s *Server) notices(mayRead bool) string {
	var b strings.Builder
	if v := s.reloads.view(); v.Error != "" {
		fmt.Fprintf(&b, "[!] config: another one was refused at %s, that of %s stays in force", v.RefusedAt.Format(time.RFC3339), v.LoadedAt.Format(time.RFC3339))
		if mayRead {
			b.WriteString(": " + v.Error)
		}
		b.WriteByte('\n')
	}
	if n, _ := s.lost(); n > 0 {
		fmt.Fprintf(&b, "[!] store: %s could not be kept since the start\n", counted(int(n), "record"))
	}
	return b.String()
}

// secretShapes are what keys and tokens look like: well-known prefixes, what
// follows Bearer, the user of an address, webhooks, and long runs of letters and
// digits. Names of targets and files look like none of them.
var secretShapes = regexp.MustCompile(`\b(?:(?:[spr]k|xox[a-z]|xapp|gh[a-z]|glpat|github_pat|hf|gsk)[-_]|AIza|AKIA|eyJ)[-_A-Za-z0-9.]{12,}` +
	`|(?i:bearer)\s+[^\s"']+|hooks\.slack\.com/[^\s"']+|//[^/\s@]+@|\b[A-Za-z0-9]{32,}`)

// presentableError returns err as one line of at most textLimit bytes, without
// our tokens and what looks like another's.
func (s *Server) presentableError(err error) string {
	text := strings.Join(strings.FieldsFunc(strings.ToValidUTF8(err.Error(), "\uFFFD"), func(r rune) bool { return r < ' ' || r == 0x7f }), " ")
	for _, t := range s.config.Tokens {
		text = strings.ReplaceAll(text, t.Token.Reveal(), "***")
	}
	return cut(secretShapes.ReplaceAllString(text, "***"), textLimit)
}
