package router

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bellwether-llm/bellwether/internal/conf"
)

// Limits bound what a target, or a key, is given.
type Limits struct {
	// Concurrency bounds requests in flight. 0: no bound.
	Concurrency int `yaml:"concurrency"`
	// RequestsPerMinute bounds requests in any sixty seconds. 0: no bound but what the provider's answers teach.
	RequestsPerMinute float64 `yaml:"requests_per_minute"`
	// TokensPerMinute bounds tokens of prompts and answers in any sixty seconds; answers are estimated until they are there. 0: no bound.
	TokensPerMinute float64 `yaml:"tokens_per_minute"`
}

// Validate returns what is wrong with l; at names its place.
func (l Limits) Validate(at string) []conf.Problem {
	var ps []conf.Problem
	for name, v := range map[string]float64{"concurrency": float64(l.Concurrency), "requests_per_minute": l.RequestsPerMinute, "tokens_per_minute": l.TokensPerMinute} {
		if !(v >= 0 && v <= 1e12) {
			ps = append(ps, conf.Problem{Path: at + name, Text: "is out of range", Remedy: "write a number above 0, or leave it out for none"})
		}
	}
	return ps
}

// Key is one of a pool of keys for the same provider.
type Key struct {
	// Key itself: ${NAME} reads the environment, file:/path reads a file.
	Key conf.Secret `yaml:"key"`
	// Name stands for the key in logs and metrics. Default: its place in the list, from 1.
	Name string `yaml:"name"`
	// Limits of this key alone.
	Limits `yaml:",inline"`
}

// gauge bounds what is under way. The zero gauge has no bound.
type gauge struct {
	most     atomic.Int64 // in flight; 0: no bound
	inFlight atomic.Int64
	requests rate
	tokens   rate
}

func (g *gauge) set(l Limits) {
	g.most.Store(int64(l.Concurrency))
	g.requests.set(l.RequestsPerMinute)
	g.tokens.set(l.TokensPerMinute)
}

// free returns 0 when a request of n tokens may pass at now, else when it may
// be worth asking again.
func (g *gauge) free(now, n int64) (at int64) {
	if most := g.most.Load(); most > 0 && g.inFlight.Load() >= most {
		return now + int64(concurrencyPause)
	}
	return max(g.requests.free(now, 1), g.tokens.free(now, n))
}

// concurrencyPause is how soon a place may be free where all are taken.
const concurrencyPause = 20 * time.Millisecond

// take takes a place for a request of n tokens; it must be given back.
func (g *gauge) take(now, n int64) bool {
	if in, most := g.inFlight.Add(1), g.most.Load(); most > 0 && in > most {
		g.inFlight.Add(-1)
		return false
	}
	if !g.requests.take(now, 1) {
		g.inFlight.Add(-1)
		return false
	}
	if !g.tokens.take(now, n) {
		g.requests.give(1)
		g.inFlight.Add(-1)
		return false
	}
	return true
}

// credential is a key of a provider's, whichever targets use it: what is wrong
// with the key itself is wrong for all of them.
type credential struct {
	key   conf.Secret
	name  string
	gauge gauge
	out   atomic.Int64 // left alone until then: the provider refused it

	mu    sync.Mutex
	fails int
}

// A key that was refused is tried again later, for now and then the provider
// was wrong: after a minute, then twice as long each time, up to an hour.
const (
	keyOut     = time.Minute
	mostKeyOut = time.Hour
)

// refuse takes the key out of the pool for a while.
func (c *credential) refuse(now int64) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.out.Load() > now {
		return 0 // others have said so already
	}
	d := min(keyOut<<min(c.fails, 10), mostKeyOut)
	d += time.Duration(rand.Int64N(int64(d / 4)))
	c.fails++
	c.out.Store(now + int64(d))
	return d
}

// served says that the provider took the key. It reports whether it was out.
func (c *credential) served() {
	if c.out.Load() == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fails = 0
	c.out.Store(0)
}

// slot is a key at one target, whose limits are its own as a rule.
type slot struct {
	cred    *credential
	resting atomic.Int64 // until then the provider wants no requests
	learned rate         // what its refusals have taught

	mu     sync.Mutex
	seen   float64 // requests of the last minute, faded
	seenAt int64
	began  int64   // when the first request was counted
	limit  float64 // learned, a minute; 0: none
	grown  int64   // when it was last raised
	row    int     // refusals in a row that named no time
}

// free returns 0 when the key may be used at now, else when.
func (s *slot) free(now, n int64) (at int64) {
	if r := max(s.resting.Load(), s.cred.out.Load()); r > now {
		return r
	}
	return max(s.cred.gauge.free(now, n), s.learned.free(now, 1))
}

// take takes a place; it must be given back.
func (s *slot) take(now, n int64) bool {
	if !s.learned.take(now, 1) {
		return false
	}
	if !s.cred.gauge.take(now, n) {
		s.learned.give(1)
		return false
	}
	return true
}

// rest keeps requests away until then, unless that is already so for longer.
func (s *slot) rest(until int64) {
	for {
		old := s.resting.Load()
		if old >= until || s.resting.CompareAndSwap(old, until) {
			return
		}
	}
}

// What refusals teach: a limit a little under what passed before, which grows
// again while nothing is refused, and is forgotten when it no longer binds.
const (
	learnedPart  = 0.9
	learnedGrow  = 1.2
	growEvery    = 10 * time.Second
	restBase     = 500 * time.Millisecond
	mostRest     = 30 * time.Second
	learnMinimum = 10 // requests, under which nothing can be told
	learnFrom    = 5 * time.Second
)

// refused takes a 429. after is when the provider wants to be asked again, 0
// when it did not say: then it rests longer each time, by chance.
func (s *slot) refused(now int64, after time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count(now, 0)
	if limit := learnedPart * s.perMinute(now); s.seen >= learnMinimum && now-s.began >= int64(learnFrom) && (s.limit == 0 || limit < s.limit) {
		s.limit, s.grown = limit, now
		s.learned.set(limit)
	}
	if after == 0 {
		after = time.Duration(rand.Int64N(int64(min(restBase<<min(s.row, 10), mostRest)))) + 1
		s.row++
	}
	s.rest(now + int64(after))
}

// used takes an answer that was no refusal.
func (s *slot) used(now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.row = 0
	s.count(now, 1)
	if s.limit == 0 || now-s.grown < int64(growEvery) {
		return
	}
	s.limit, s.grown = s.limit*learnedGrow, now
	if s.limit > 3*s.perMinute(now) {
		s.limit = 0
	}
	s.learned.set(s.limit)
}

// count fades the count of the last minute and adds n.
func (s *slot) count(now int64, n float64) {
	s.seen = s.seen*fadeOver(now-s.seenAt, time.Minute) + n
	s.seenAt = now
	if s.began == 0 {
		s.began = now
	}
}

// perMinute returns how many requests a minute pass, without the bias of a
// count that has only just begun.
func (s *slot) perMinute(now int64) float64 {
	return s.seen / max(1-fadeOver(now-s.began, time.Minute), 0.05)
}
