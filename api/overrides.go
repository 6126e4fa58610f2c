package api

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/id"
)

// longestOverride bounds how long an operator's word holds, so that none is
// forgotten for good.
const longestOverride = 30 * 24 * time.Hour

func (s *Server) overrides(w http.ResponseWriter, r *http.Request) error {
	os, err := s.deps.Store.Overrides(r.Context(), time.Now())
	if err != nil {
		return fmt.Errorf("list overrides: %w", err)
	}
	return writeJSON(w, map[string]any{"overrides": list(os)})
}

// overrideRequest is what an operator asks for.
type overrideRequest struct {
	Target    string    `json:"target"`
	Weight    *float64  `json:"weight"`
	Reason    string    `json:"reason"`
	By        string    `json:"by"`
	ExpiresAt time.Time `json:"expires_at"`
	For       string    `json:"for"`
}

func (s *Server) override(w http.ResponseWriter, r *http.Request) error {
	if s.deps.Override == nil {
		return notOffered("overrides")
	}
	var in overrideRequest
	if err := readJSON(r, &in, false); err != nil {
		return err
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	expires, faults := in.check(s.deps.Facts(), now)
	if len(faults) > 0 {
		return unprocessable(faults...)
	}
	o := bellwether.Override{
		ID: id.New(now), Target: in.Target, Weight: *in.Weight, Reason: strings.TrimSpace(in.Reason),
		By: who(r, in.By), CreatedAt: now, ExpiresAt: expires,
	}
	if err := s.deps.Override(r.Context(), o); err != nil {
		return fmt.Errorf("override %s: %w", o.Target, err)
	}
	w.Header().Set("Location", "/v1/overrides/"+o.ID)
	return writeStatus(w, http.StatusCreated, o)
}

// check returns when the override ends, and everything that is wrong with it.
func (in overrideRequest) check(f Facts, now time.Time) (expires time.Time, faults []Fault) {
	add := func(field, format string, args ...any) {
		faults = append(faults, Fault{Pointer: "/" + field, Detail: fmt.Sprintf(format, args...)})
	}
	if _, ok := f.target(in.Target); !ok {
		add("target", "there is no target %.120q", in.Target)
	}
	if in.Weight == nil || !(*in.Weight >= 0 && *in.Weight <= 1) {
		add("weight", "must be a number from 0 (drain) to 1")
	}
	if fault := textFault(strings.TrimSpace(in.Reason), 1, 500); fault != "" {
		add("reason", "%s", fault)
	}
	if fault := textFault(in.By, 0, 100); fault != "" {
		add("by", "%s", fault)
	}
	expires = in.ExpiresAt.UTC()
	switch {
	case in.For != "" && !in.ExpiresAt.IsZero():
		add("for", "give either for or expires_at")
		return expires, faults
	case in.For != "":
		d, err := parseDuration(in.For)
		if err != nil {
			add("for", "%.40q is not a duration: write 30m, 2h or 7d", in.For)
			return expires, faults
		}
		expires = now.Add(d)
	case in.ExpiresAt.IsZero():
		add("expires_at", "every override ends: give expires_at, or for as in 2h")
		return expires, faults
	}
	if !expires.After(now) || expires.After(now.Add(longestOverride)) {
		add("expires_at", "must be in the next %d days", int(longestOverride.Hours()/24))
	}
	return expires, faults
}

func (s *Server) removeOverride(w http.ResponseWriter, r *http.Request) error {
	if s.deps.Override == nil {
		return notOffered("overrides")
	}
	want := r.PathValue("id")
	os, err := s.deps.Store.Overrides(r.Context(), time.Now())
	if err != nil {
		return fmt.Errorf("list overrides: %w", err)
	}
	for _, o := range os {
		if o.ID != want {
			continue
		}
		o.Removed = true
		if err := s.deps.Override(r.Context(), o); err != nil {
			return fmt.Errorf("end override %s: %w", o.ID, err)
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return notFound("override in force", want)
}
