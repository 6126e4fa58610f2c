package api

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/bellwether-llm/bellwether/internal/conf"
)

// DefaultListen is where the server listens when the config does not say.
const DefaultListen = "127.0.0.1:8780"

// Config is the section `server:`.
type Config struct {
	// Listen is the address to listen on, as host:port. Default 127.0.0.1:8780.
	Listen string `yaml:"listen"`
	// PublicURL is how browsers and alerts reach this server from outside, for
	// example https://status.example.com. Empty: not known.
	PublicURL string `yaml:"public_url"`
	// Tokens are the bearer tokens that open the API. None: everything is open,
	// which only a loopback address may be (see allow_open).
	Tokens []Token `yaml:"tokens"`
	// AllowOpen permits a server without tokens on an address that others can
	// reach. Default false.
	AllowOpen bool `yaml:"allow_open"`
	// TTL is how long published weights stay fresh without news. Default 60s.
	TTL conf.Duration `yaml:"ttl"`
	// Hold is how long consumers keep stale weights before they drift back to
	// base shares. Default 900s.
	Hold conf.Duration `yaml:"hold"`
	// PublicStatus opens what shows states only (badges) to everybody even
	// where tokens are set. Default false.
	PublicStatus bool `yaml:"public_status"`
}

// Token is one bearer token and what it may do.
type Token struct {
	// Name says whose it is; shown where an operator did something.
	Name string `yaml:"name"`
	// Scopes are what it opens: read, observe, operate. None means read.
	Scopes []Scope `yaml:"scopes"`
	// Token is the secret, at least 8 characters; 32 random ones are better.
	Token conf.Secret `yaml:"token"`
}

// Scope is a kind of thing that a token may do. No scope includes another.
type Scope string

// The scopes: read everything, send observations, change things.
const (
	Read    Scope = "read"
	Observe Scope = "observe"
	Operate Scope = "operate"
)

// Address returns the address to listen on.
func (c Config) Address() string {
	if c.Listen == "" {
		return DefaultListen
	}
	return c.Listen
}

// WeightsTTL returns how long weights stay fresh.
func (c Config) WeightsTTL() time.Duration { return orDefault(c.TTL, 60*time.Second) }

// WeightsHold returns how long stale weights are kept.
func (c Config) WeightsHold() time.Duration { return orDefault(c.Hold, 900*time.Second) }

func orDefault(d conf.Duration, def time.Duration) time.Duration {
	if d == 0 {
		return def
	}
	return d.Std()
}

// Validate returns everything that is wrong with c.
func (c Config) Validate() []conf.Problem {
	var ps []conf.Problem
	add := func(path, text, remedy string) { ps = append(ps, conf.Problem{Path: path, Text: text, Remedy: remedy}) }
	host, _, err := net.SplitHostPort(c.Address())
	if err != nil {
		add("listen", fmt.Sprintf("%q is not an address", c.Listen), "write host:port, such as 127.0.0.1:8780")
	} else if len(c.Tokens) == 0 && !c.AllowOpen && !loopback(host) {
		add("listen", fmt.Sprintf("%q can be reached by others, and no token is set", c.Listen),
			"add an entry to server.tokens, listen on 127.0.0.1, or set allow_open: true")
	}
	if c.PublicURL != "" {
		if u, err := url.Parse(c.PublicURL); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			add("public_url", fmt.Sprintf("%q is not a web address", c.PublicURL), "write https://status.example.com")
		}
	}
	if c.TTL < 0 || (c.TTL > 0 && c.TTL.Std() < time.Second) || c.TTL.Std() > 24*time.Hour {
		add("ttl", words(c.TTL.Std())+" is out of range", "write 1s to 24h; 60s is the default")
	}
	if c.Hold < 0 || c.Hold.Std() > 7*24*time.Hour {
		add("hold", words(c.Hold.Std())+" is out of range", "write 0s to 7d; 15m is the default")
	}
	return append(ps, c.validateTokens()...)
}

func (c Config) validateTokens() []conf.Problem {
	var ps []conf.Problem
	names, secrets := map[string]bool{}, map[conf.Secret]bool{}
	for i, t := range c.Tokens {
		add := func(field, text, remedy string) {
			ps = append(ps, conf.Problem{Path: fmt.Sprintf("tokens[%d].%s", i, field), Text: text, Remedy: remedy})
		}
		switch {
		case t.Name == "" || len(t.Name) > 100 || strings.ContainsFunc(t.Name, func(r rune) bool { return r < ' ' }):
			add("name", "a token needs a name", "say whose it is, such as routers")
		case names[t.Name]:
			add("name", fmt.Sprintf("%q is there twice", t.Name), "give every token its own name")
		}
		switch {
		case len(t.Token) < 8:
			add("token", "shorter than 8 characters", "make one with: openssl rand -hex 32")
		case secrets[t.Token]:
			add("token", "another entry has the same token", "make one with: openssl rand -hex 32")
		}
		for j, s := range t.Scopes {
			if s != Read && s != Observe && s != Operate {
				add(fmt.Sprintf("scopes[%d]", j), fmt.Sprintf("%q is not a scope", s), "write read, observe or operate")
			}
		}
		names[t.Name], secrets[t.Token] = true, true
	}
	return ps
}

func (c Config) err() error {
	var errs []error
	for _, p := range c.Validate() {
		errs = append(errs, p)
	}
	return errors.Join(errs...)
}

// loopback reports whether only this machine can reach host.
func loopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}
