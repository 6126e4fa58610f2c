package api

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/bellwether-llm/bellwether/internal/conf"
)

// sessionView tells a page who its reader is.
type sessionView struct {
	Open          bool    `json:"open"`
	Authenticated bool    `json:"authenticated"`
	Name          string  `json:"name,omitempty"`
	Scopes        []Scope `json:"scopes"`
	Version       string  `json:"version,omitempty"`
}

func (s *Server) viewSession(c caller, known bool) sessionView {
	v := sessionView{Open: s.guard.open, Authenticated: known, Name: c.name, Scopes: list(c.scopes)}
	if known {
		v.Version = s.deps.Facts().Version
	}
	return v
}

func (s *Server) session(w http.ResponseWriter, r *http.Request) error {
	c, err := s.guard.identify(r, time.Now())
	return writeJSON(w, s.viewSession(c, err == nil))
}

// login exchanges a token for a cookie, so that no page ever holds a token.
func (s *Server) login(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Token conf.Secret `json:"token"`
	}
	if err := readJSON(r, &in, false); err != nil {
		return err
	}
	if s.guard.open {
		return writeJSON(w, s.viewSession(caller{scopes: []Scope{Read, Observe, Operate}}, true))
	}
	if !s.logins.Allow() {
		p := problem(http.StatusTooManyRequests, "too many tries; wait a moment")
		p.retryAfter = 2 * time.Second
		return p
	}
	k, ok := s.guard.find(strings.TrimSpace(in.Token.Reveal()))
	if !ok {
		return problem(http.StatusUnauthorized, "the token is not known here")
	}
	if !slices.Contains(k.scopes, Read) { // nothing that a page shows would open
		return problem(http.StatusForbidden, "token %q has scopes %v; the dashboard needs one of scope %s", k.name, k.scopes, Read)
	}
	http.SetCookie(w, s.cookie(r, s.guard.sealCookie(k, time.Now().Add(cookieLife)), int(cookieLife.Seconds())))
	return writeJSON(w, s.viewSession(caller{name: k.name, scopes: k.scopes}, true))
}

func (s *Server) logout(w http.ResponseWriter, r *http.Request) error {
	http.SetCookie(w, s.cookie(r, "", -1))
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) cookie(r *http.Request, value string, maxAge int) *http.Cookie {
	return &http.Cookie{
		Name: cookieName, Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: r.TLS != nil || (s.guard.public != nil && s.guard.public.Scheme == "https"),
	}
}
