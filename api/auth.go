package api

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	cookieName = "bellwether_session"
	cookieLife = 12 * time.Hour
)

// guard knows the tokens, as hashes, and who may do what.
type guard struct {
	keys   []key
	public *url.URL // nil: not known
	open   bool     // no tokens: everybody may do everything
	closed bool     // open, on loopback only: answers to local names only
}

type key struct {
	name   string
	hash   [sha256.Size]byte
	scopes []Scope
}

// caller is who asks.
type caller struct {
	name   string
	scopes []Scope
}

type callerKey struct{}

var errNoToken = errors.New("no token")

func newGuard(c Config) *guard {
	g := &guard{open: len(c.Tokens) == 0}
	g.closed = g.open && !c.AllowOpen
	if c.PublicURL != "" {
		g.public, _ = url.Parse(c.PublicURL) // validated
	}
	for _, t := range c.Tokens {
		scopes := t.Scopes
		if len(scopes) == 0 {
			scopes = []Scope{Read}
		}
		g.keys = append(g.keys, key{name: t.Name, hash: sha256.Sum256([]byte(t.Token.Reveal())), scopes: scopes})
	}
	return g
}

// identify says who sent r: by bearer token, else by cookie. errNoToken means
// that r carries neither.
func (g *guard) identify(r *http.Request, now time.Time) (caller, error) {
	if g.open {
		return caller{scopes: []Scope{Read, Observe, Operate}}, nil
	}
	if h := r.Header.Get("Authorization"); h != "" {
		scheme, token, _ := strings.Cut(h, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return caller{}, fmt.Errorf("the scheme of Authorization must be Bearer")
		}
		if k, ok := g.find(strings.TrimSpace(token)); ok {
			return caller{name: k.name, scopes: k.scopes}, nil
		}
		return caller{}, errors.New("the token is not known here")
	}
	c, err := r.Cookie(cookieName)
	if err != nil {
		return caller{}, errNoToken
	}
	if k, ok := g.openCookie(c.Value, now); ok {
		return caller{name: k.name, scopes: k.scopes}, nil
	}
	return caller{}, errors.New("the session is over; log in again")
}

// private keeps what only bearers of a token may see out of caches that others
// share: one of those may store what a cookie opened.
func (g *guard) private(control string) string {
	if g.open {
		return control
	}
	return "private, " + control
}

// find looks a token up. It compares hashes with all keys in constant time, so
// that time tells neither the token nor its place.
func (g *guard) find(token string) (found key, ok bool) {
	hash := sha256.Sum256([]byte(token))
	for _, k := range g.keys {
		if subtle.ConstantTimeCompare(hash[:], k.hash[:]) == 1 {
			found, ok = k, true
		}
	}
	return found, ok
}

// sealCookie makes a cookie that proves that its bearer knew k's token. It
// holds no secret, outlives restarts, and ends when the token does.
func (g *guard) sealCookie(k key, expires time.Time) string {
	text := base64.RawURLEncoding.EncodeToString([]byte(k.name)) + "." + strconv.FormatInt(expires.Unix(), 10)
	return text + "." + k.seal(text)
}

func (g *guard) openCookie(value string, now time.Time) (key, bool) {
	i := strings.LastIndexByte(value, '.')
	if i < 0 || len(value) > 1000 {
		return key{}, false
	}
	text, seal := value[:i], value[i+1:]
	name, expires, _ := strings.Cut(text, ".")
	until, err := strconv.ParseInt(expires, 10, 64)
	if err != nil || now.Unix() >= until {
		return key{}, false
	}
	for _, k := range g.keys {
		if base64.RawURLEncoding.EncodeToString([]byte(k.name)) == name {
			return k, hmac.Equal([]byte(k.seal(text)), []byte(seal))
		}
	}
	return key{}, false
}

func (k key) seal(text string) string {
	m := hmac.New(sha256.New, k.hash[:])
	m.Write([]byte("bellwether session " + text))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// admit returns r with its caller, or the problem that keeps it out. An empty
// scope admits everybody.
func (g *guard) admit(r *http.Request, scope Scope) (*http.Request, error) {
	if scope == "" {
		return r, nil
	}
	c, err := g.identify(r, time.Now())
	if err != nil {
		detail := "send Authorization: Bearer TOKEN with a token of scope %s"
		if !errors.Is(err, errNoToken) {
			detail = err.Error() + "; " + detail
		}
		p := problem(http.StatusUnauthorized, detail, scope)
		p.header = http.Header{"Www-Authenticate": {`Bearer realm="bellwether"`}}
		return nil, p
	}
	if !slices.Contains(c.scopes, scope) {
		p := problem(http.StatusForbidden, "token %q has scopes %v; this needs %s", c.name, c.scopes, scope)
		p.header = http.Header{"Www-Authenticate": {fmt.Sprintf(`Bearer realm="bellwether", error="insufficient_scope", scope="%s"`, scope)}}
		return nil, p
	}
	return r.WithContext(context.WithValue(r.Context(), callerKey{}, c)), nil
}

// who names the caller for the record: what it calls itself, else its token.
func who(r *http.Request, by string) string {
	c, _ := r.Context().Value(callerKey{}).(caller)
	if by = strings.TrimSpace(by); by != "" && c.name != "" && by != c.name {
		return by + " (" + c.name + ")"
	}
	return orElse(orElse(by, c.name), "operator")
}

// checkHost refuses, on a server open to this machine only, requests that name
// another host: a page elsewhere may have pointed its own name here (DNS
// rebinding) to read through its visitor's browser.
func (g *guard) checkHost(r *http.Request) error {
	if !g.closed {
		return nil
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	if _, err := netip.ParseAddr(host); err == nil || host == "" || loopback(host) {
		return nil
	}
	if g.public != nil && strings.EqualFold(host, g.public.Hostname()) {
		return nil
	}
	return problem(http.StatusForbidden, "host %.100q is not known here; ask for localhost, set server.public_url, or configure tokens", r.Host)
}

// checkOrigin keeps pages of other sites off the socket.
func (g *guard) checkOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true // not a browser
	}
	u, err := url.Parse(origin)
	if err != nil {
		return false
	}
	return strings.EqualFold(u.Host, r.Host) || (g.public != nil && strings.EqualFold(u.Host, g.public.Host))
}
