package router

import (
	"math"
	"sync"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/llm"
)

// part is what an attempt was for, so that answers, failures and hedges are
// accounted apart.
type part uint8

const (
	partAnswer     part = iota // the attempt that answered, or ended the answer
	partFailure                // one that did not, also where the caller had a part of it
	partHedge                  // one that another target was faster than, and a hedge that failed
	partCanceled               // one that the caller left
	partUnanswered             // no attempt: a request that got no whole answer, by what the caller was told
	partRefused                // no attempt: a request that the router itself refused, by code
	parts          = iota
)

// partNames are what reports and files call the parts.
var partNames = [parts]string{"answer", "failure", "hedge", "canceled", "unanswered", "refused"}

// rowKey is what accounts tell apart, for one caller. Every request counts in
// exactly one row, and every attempt in exactly one.
type rowKey struct {
	day           int32 // since 1970, UTC
	part          part
	route, target string // route is "" where the target was asked for itself
	outcome       bellwether.Outcome
}

// counts are sums. Money is in whole picodollars, so that sums are exact
// whatever their order: a price of 0.000001 USD for a million tokens is one
// picodollar a token.
type counts struct {
	requests, attempts               int64
	input, output, cached, reasoning int64 // tokens
	estimated                        int64 // attempts whose tokens the provider did not say
	cost                             int64 // picodollars
}

// picodollars in a dollar.
const pico = 1e12

func (c *counts) add(d counts) {
	c.requests += d.requests
	c.attempts += d.attempts
	c.input += d.input
	c.output += d.output
	c.cached += d.cached
	c.reasoning += d.reasoning
	c.estimated += d.estimated
	c.cost += d.cost
}

// row is one line of a caller's account.
type row struct {
	rowKey
	counts
	dirty bool   // not yet kept on disk
	meter *meter // nil until it is first added to
}

// spent is what a caller used up, or holds for a request under way.
type spent struct{ requests, tokens, cost int64 }

// standing is what is known of a caller by name, whatever its tokens are.
type standing struct {
	name  string
	gauge gauge // of its limits

	mu         sync.Mutex
	rows       map[rowKey]*row
	dirty      []*row
	day, month spent // of the present ones
	held       spent // by requests under way
	dayIs      int32
	monthIs    int32
}

// books are the standings of all callers, also of those that are gone. Safe
// for concurrent use.
type books struct {
	mu  sync.Mutex
	all map[string]*standing
}

func newBooks() *books { return &books{all: map[string]*standing{}} }

// of returns the standing of a caller.
func (b *books) of(name string) *standing {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.all[name]
	if s == nil {
		s = &standing{name: name, rows: map[rowKey]*row{}}
		b.all[name] = s
	}
	return s
}

// each calls f with every standing.
func (b *books) each(f func(*standing)) {
	b.mu.Lock()
	all := make([]*standing, 0, len(b.all))
	for _, s := range b.all {
		all = append(all, s)
	}
	b.mu.Unlock()
	for _, s := range all {
		f(s)
	}
}

// dayOf returns the day of UTC that t is in.
func dayOf(t time.Time) int32 { return int32(math.Floor(float64(t.Unix()) / 86400)) }

func dateOf(day int32) time.Time { return time.Unix(int64(day)*86400, 0).UTC() }

// monthOf returns a number for the month that a day is in.
func monthOf(day int32) int32 {
	y, m, _ := dateOf(day).Date()
	return int32(y*12 + int(m))
}

// turn begins a new day, and month, where one has come. It is called with mu
// held. A clock that is set back begins nothing.
func (s *standing) turn(day int32) {
	if day <= s.dayIs {
		return
	}
	s.dayIs, s.day = day, spent{}
	if m := monthOf(day); m != s.monthIs {
		s.monthIs, s.month = m, spent{}
	}
}

// add adds to the row of k. It is called with mu held.
func (s *standing) add(m *metrics, k rowKey, d counts) {
	r := s.rows[k]
	if r == nil {
		r = &row{rowKey: k}
		s.rows[k] = r
	}
	if r.meter == nil {
		r.meter = m.meterOf(s.name, k)
	}
	r.counts.add(d)
	r.meter.add(d)
	if !r.dirty {
		r.dirty = true
		s.dirty = append(s.dirty, r)
	}
	u := used(k.part, d)
	s.day.add(u)
	s.month.add(u)
}

// used returns what of d counts against a budget: requests that targets were
// asked for, and the tokens and cost of answers and of attempts that the caller
// left. What failed, and hedges, are the router's to pay.
func used(p part, d counts) (u spent) {
	if p != partRefused {
		u.requests = d.requests
	}
	if p == partAnswer || p == partCanceled {
		u.tokens, u.cost = d.input+d.output, d.cost
	}
	return u
}

func (s *spent) add(u spent) {
	s.requests += u.requests
	s.tokens += u.tokens
	s.cost += u.cost
}

func (s *spent) take(u spent) {
	s.requests -= u.requests
	s.tokens -= u.tokens
	s.cost -= u.cost
}

// charge is what one attempt cost.
func (t *try) charge(prompt int) counts {
	c := counts{attempts: 1}
	s := &t.seen
	came := int64(max(s.events, s.bytes/bytesPerToken))
	switch u := s.usage; {
	case u != nil:
		c.input, c.output = int64(tokens(u.Input)), int64(tokens(u.Output))
		c.cached, c.reasoning = int64(tokens(u.Cached)), int64(tokens(u.Reasoning))
		if s.streamed && s.finish == llm.FinishNone && c.output < came { // it was said before the end
			c.output, c.estimated = came, 1
		}
	case t.worked():
		c.input, c.output, c.estimated = int64(tokens(prompt)), int64(tokens(int(came))), 1
	}
	c.cost = c.input*perUnit(t.up.Price.Input) + c.output*perUnit(t.up.Price.Output)
	return c
}

// perUnit returns the picodollars of one token at a price in USD for a million.
func perUnit(price float64) int64 {
	return int64(math.Round(within(price, 0, 1e5) * pico / 1e6))
}

// worked reports whether the provider worked at an answer, as far as one can
// know, so that it will bill it: it began to answer, or was left at it. What it
// refuses, it does not bill.
func (t *try) worked() bool {
	switch t.outcome {
	case bellwether.OK, bellwether.Refusal, bellwether.BadOutput, bellwether.Truncated, bellwether.Malformed, bellwether.Stalled,
		bellwether.Timeout, bellwether.FirstTokenTimeout, bellwether.Canceled:
		return true
	}
	return t.seen.events > 0
}

// part returns what the attempt was for; last says that none came after it.
func (t *try) part(last bool) part {
	switch {
	case t.lost || t.hedge && t.outcome != bellwether.OK:
		return partHedge
	case t.outcome == bellwether.OK && last:
		return partAnswer
	case t.gone:
		return partCanceled
	}
	return partFailure
}

// account is told of every request that targets were asked for, when it is
// over; f is what the caller was told in place of an answer, nil for an answer.
func (rt *Router) account(x *exchange, f *failure) {
	now := time.Now()
	outcome := bellwether.OK
	if f != nil {
		outcome = f.outcome
	}
	s := x.caller.standing
	var sum counts
	s.mu.Lock()
	s.turn(dayOf(now))
	k := rowKey{day: s.dayIs, route: x.route.Name}
	for i := range x.tries {
		t := &x.tries[i]
		k.target, k.outcome, k.part = t.up.ID, t.outcome, t.part(i == len(x.tries)-1)
		c := t.charge(x.needs.prompt)
		if k.part == partAnswer && f == nil {
			c.requests = 1
		}
		sum.add(c)
		s.add(rt.metrics, k, c)
	}
	if sum.requests == 0 {
		s.add(rt.metrics, rowKey{day: k.day, part: partUnanswered, route: k.route, outcome: outcome}, counts{requests: 1})
	}
	s.held.take(x.held)
	s.mu.Unlock()
	if taken := x.needs.tokens(); taken != sum.input+sum.output {
		s.gauge.tokens.give(taken - sum.input - sum.output)
	}
	rt.metrics.answered(x.route.Name, s.name, outcome, now.Sub(x.start))
	rt.remember(x, f)
	if rt.follower != nil {
		rt.moves.note(x, f)
	}
	rt.logAccess(x, outcome, sum, now)
}

// refused accounts for a request that the router itself refused, by code.
func (s *standing) refused(m *metrics, route, code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn(dayOf(time.Now()))
	s.add(m, rowKey{day: s.dayIs, part: partRefused, route: route, outcome: bellwether.Outcome(code)}, counts{requests: 1})
}
