package router

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/bellwether-llm/bellwether/internal/conf"
)

// CallerConfig is an application that may call, and what it may do.
type CallerConfig struct {
	// Tokens that it calls with, any of them: two while one is being replaced by the other. ${NAME} reads the environment, file:/path reads a file.
	Tokens []conf.Secret `yaml:"tokens"`
	// Scopes are what it may do: chat (also other dialects of it), embeddings, images, feedback (on its own answers), usage (its own), accounts (everybody's usage), debug. Default: [chat, embeddings, images, feedback, usage].
	Scopes []string `yaml:"scopes"`
	// Routes that it may ask for as model, also targets by their id. Default: all.
	Routes []string `yaml:"routes"`
	// Limits of this caller alone; beyond them it is told 429.
	Limits `yaml:",inline"`
	// Budget is what it may use up; then it is told 429 insufficient_quota until the day or month ends.
	Budget BudgetConfig `yaml:"budget"`
}

// BudgetConfig bounds what a caller uses up, by days and months of UTC.
type BudgetConfig struct {
	// Day ends at midnight, UTC.
	Day Allowance `yaml:"day"`
	// Month ends with the calendar's month, UTC.
	Month Allowance `yaml:"month"`
}

// Allowance is what may be used in one day or month. Zero is no bound.
type Allowance struct {
	// Requests that targets were asked for. 0: no bound.
	Requests int64 `yaml:"requests"`
	// Tokens of prompts and answers. 0: no bound.
	Tokens int64 `yaml:"tokens"`
	// USD by the targets' prices. 0: no bound.
	USD float64 `yaml:"usd"`
}

// scope is a set of things that a caller may do.
type scope uint

const (
	scopeChat scope = 1 << iota
	scopeEmbeddings
	scopeImages
	scopeFeedback
	scopeUsage    // its own
	scopeAccounts // everybody's usage
	scopeDebug
)

// appScopes are what an application has by default: nothing that tells of
// others, or of how requests are routed.
const appScopes = scopeChat | scopeEmbeddings | scopeImages | scopeFeedback | scopeUsage

// scopes are the names that configs use, in order.
var scopes = [...]struct {
	name string
	is   scope
}{
	{"chat", scopeChat}, {"embeddings", scopeEmbeddings}, {"images", scopeImages}, {"feedback", scopeFeedback},
	{"usage", scopeUsage}, {"accounts", scopeAccounts}, {"debug", scopeDebug},
}

// Scopes are the names of what a caller can be allowed.
func Scopes() []string {
	var names []string
	for _, s := range scopes {
		names = append(names, s.name)
	}
	return names
}

func (s scope) String() string {
	var names []string
	for _, known := range scopes {
		if s&known.is != 0 {
			names = append(names, known.name)
		}
	}
	return strings.Join(names, ", ")
}

func scopeOf(names []string) scope {
	if names == nil {
		return appScopes
	}
	var s scope
	for _, known := range scopes {
		if slices.Contains(names, known.name) {
			s |= known.is
		}
	}
	return s
}

// Admission is who may call: the part of [Config] that can be changed while
// the router runs, with [Router.Admit].
type Admission struct {
	Keys    map[string]conf.Secret
	Callers map[string]CallerConfig
	Open    bool // AllowOpen: who comes without a token is an application, no more
}

// Admission returns who may call by c.
func (c Config) Admission() Admission {
	return Admission{Keys: c.Keys, Callers: c.Callers, Open: c.AllowOpen}
}

// caller is who sent a request. Its standing outlives a change of the config.
type caller struct {
	name   string // "" where nobody needs a token
	scopes scope
	routes map[string]bool // nil: all
	budget BudgetConfig
	*standing
}

// may reports whether the caller may ask for a route or target by that name.
func (c *caller) may(model string) bool { return c.routes == nil || c.routes[model] }

// callers are all who may call: immutable, swapped atomically. Tokens are kept
// as salted hashes only, and found by a part of the hash, so that the time it
// takes says nothing about any token, however many there are.
type callers struct {
	salt   [sha256.Size]byte
	tokens map[uint64]token
	anyone *caller // who comes without a token; nil: nobody may
}

type token struct {
	digest [sha256.Size]byte
	caller *caller
}

// newCallers returns the callers of a, each with its standing in b.
func newCallers(a Admission, b *books) (*callers, error) {
	cs := &callers{tokens: map[uint64]token{}}
	_, _ = rand.Read(cs.salt[:]) // never fails: it ends the program instead
	for _, name := range slices.Sorted(maps.Keys(a.Keys)) {
		if _, twice := a.Callers[name]; twice {
			return nil, fmt.Errorf("router: keys: %s is among the callers too", name)
		}
		if err := cs.add(name, CallerConfig{Tokens: []conf.Secret{a.Keys[name]}}, b); err != nil {
			return nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a.Callers)) {
		if err := cs.add(name, a.Callers[name], b); err != nil {
			return nil, err
		}
	}
	if len(cs.tokens) == 0 {
		if len(a.Callers) > 0 {
			return nil, errors.New("router: callers: none has a token, which would admit everybody")
		}
		cs.anyone = &caller{scopes: appScopes, standing: b.of("")}
		if !a.Open { // it listens on loopback
			cs.anyone.scopes |= scopeAccounts | scopeDebug
		}
	}
	return cs, nil
}

func (cs *callers) add(name string, cfg CallerConfig, b *books) error {
	c := &caller{name: name, scopes: scopeOf(cfg.Scopes), budget: cfg.Budget, standing: b.of(name)}
	c.gauge.set(cfg.Limits)
	if cfg.Routes != nil {
		c.routes = map[string]bool{}
		for _, r := range cfg.Routes {
			c.routes[r] = true
		}
	}
	for _, t := range cfg.Tokens {
		if t == "" {
			return errors.New("router: keys: one is empty, which would admit everybody")
		}
		d := cs.hash(t.Reveal())
		if old, taken := cs.tokens[short(d)]; taken && old.caller != c {
			return fmt.Errorf("router: callers %s and %s have the same token", old.caller.name, name)
		}
		cs.tokens[short(d)] = token{d, c}
	}
	return nil
}

// hash returns the salted hash of a token.
func (cs *callers) hash(t string) [sha256.Size]byte {
	var buf [256]byte
	return sha256.Sum256(append(append(buf[:0], cs.salt[:]...), t...))
}

func short(d [sha256.Size]byte) uint64 { return binary.LittleEndian.Uint64(d[:]) }

// find returns who has the token; nil is nobody.
func (cs *callers) find(t string) *caller {
	if cs.anyone != nil {
		return cs.anyone
	}
	d := cs.hash(t)
	found := cs.tokens[short(d)]
	if subtle.ConstantTimeCompare(d[:], found.digest[:]) != 1 {
		return nil
	}
	return found.caller
}

// all returns every caller, by name.
func (cs *callers) all() []*caller {
	var all []*caller
	if cs.anyone != nil {
		all = append(all, cs.anyone)
	}
	for _, t := range cs.tokens {
		if !slices.Contains(all, t.caller) {
			all = append(all, t.caller)
		}
	}
	slices.SortFunc(all, func(a, b *caller) int { return strings.Compare(a.name, b.name) })
	return all
}

// tokenHeaders are where clients of the other dialects put what those of
// OpenAI's put into Authorization.
var tokenHeaders = [...]string{"X-Api-Key", "Api-Key", "X-Goog-Api-Key"}

// tokenOf returns the token of a request; "" is none.
func tokenOf(h http.Header) string {
	if v := h.Get("Authorization"); v != "" {
		scheme, token, _ := strings.Cut(v, " ")
		if strings.EqualFold(scheme, "Bearer") {
			return token
		}
		return ""
	}
	for _, name := range tokenHeaders {
		if v := h.Get(name); v != "" {
			return v
		}
	}
	return ""
}

// Admit has others call from now on. Requests under way go on, and what was
// used is kept by name. It is safe to call at any time.
func (rt *Router) Admit(a Admission) error {
	rt.building.Lock()
	defer rt.building.Unlock()
	next, err := newCallers(a, rt.books)
	if err == nil {
		rt.callers.Store(next)
	}
	return err
}

// validateCallers returns what is wrong with c's callers.
func (c Config) validateCallers() []conf.Problem {
	var ps []conf.Problem
	bad := func(is bool, path, text, remedy string) {
		if is {
			ps = append(ps, conf.Problem{Path: path, Text: text, Remedy: remedy})
		}
	}
	whose := map[conf.Secret]string{}
	weigh := func(path, name string, t conf.Secret) {
		bad(len(t.Reveal()) < 8, path, "is shorter than 8 characters", "make a long random one")
		if other, taken := whose[t]; taken && t != "" {
			bad(true, path, "is a token of "+other+" too", "give each caller its own")
		}
		whose[t] = name
	}
	for _, name := range slices.Sorted(maps.Keys(c.Keys)) {
		weigh("keys."+name, name, c.Keys[name])
		_, twice := c.Callers[name]
		bad(twice, "keys."+name, "is among the callers too", "keep one of them")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Callers)) {
		at, caller := "callers."+name+".", c.Callers[name]
		bad(name == "" || len(name) > 100, "callers."+name, "is no name", "write 1 to 100 characters")
		bad(len(caller.Tokens) == 0, at+"tokens", "is empty", `write tokens: ["${APP_TOKEN}"]`)
		for i, t := range caller.Tokens {
			weigh(fmt.Sprintf("%stokens[%d]", at, i), name, t)
		}
		for i, s := range caller.Scopes {
			bad(!slices.Contains(Scopes(), s), fmt.Sprintf("%sscopes[%d]", at, i), fmt.Sprintf("%q is none of %s", s, strings.Join(Scopes(), ", ")), "write one of them")
		}
		ps = append(ps, caller.Limits.Validate(at)...)
		ps = append(ps, caller.Budget.Day.validate(at+"budget.day.")...)
		ps = append(ps, caller.Budget.Month.validate(at+"budget.month.")...)
	}
	return ps
}

func (a Allowance) validate(at string) []conf.Problem {
	var ps []conf.Problem
	for _, v := range []struct {
		name string
		v    float64
		most float64
	}{{"requests", float64(a.Requests), 1e15}, {"tokens", float64(a.Tokens), 1e15}, {"usd", a.USD, 1e6}} {
		if !(v.v >= 0 && v.v <= v.most) {
			ps = append(ps, conf.Problem{Path: at + v.name, Text: "is out of range", Remedy: "write a number above 0, or leave it out for none"})
		}
	}
	return ps
}
