package router

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/llm"
)

// refusal is a refusal by what a caller may use: a budget, or a limit a minute.
type refusal struct {
	*llm.Error
	after time.Duration // when it may be worth trying again; 0: official clients are told not to
}

// admit decides whether the caller may have this request now, whose needs are
// known, and holds for it what it may use up.
func (x *exchange) admit(now time.Time) *refusal {
	c := x.caller
	if !c.may(x.req.Model) {
		return &refusal{Error: &llm.Error{Status: http.StatusForbidden, Type: "invalid_request_error", Code: "model_not_allowed", Outcome: bellwether.ClientError,
			Message: fmt.Sprintf("this key may not ask for %q: GET /v1/models lists what it may", clip(x.req.Model, 100))}}
	}
	tokens := x.needs.tokens()
	if at := c.gauge.tokens.free(x.rt.now(), tokens); at != 0 || !c.gauge.tokens.take(x.rt.now(), tokens) {
		return tooFast("tokens", time.Duration(at-x.rt.now()))
	}
	if c.budget == (BudgetConfig{}) {
		return nil
	}
	want := spent{requests: 1, tokens: tokens, cost: x.dearest()}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turn(dayOf(now))
	for _, p := range []struct {
		name  string
		most  Allowance
		spent spent
	}{{"day", c.budget.Day, c.day}, {"month", c.budget.Month, c.month}} {
		if r := p.most.refuse(p.name, p.spent, c.held); r != nil {
			c.gauge.tokens.give(tokens)
			return r
		}
	}
	x.held = want
	c.held.add(want)
	return nil
}

// dearest returns what the request may cost at most, by the estimate, in
// picodollars.
func (x *exchange) dearest() int64 {
	most := 0.0
	for i := range x.route.entries {
		if x.fit&(1<<i) != 0 {
			most = max(most, x.needs.cost(x.route.entries[i].up))
		}
	}
	return int64(most * pico)
}

// refuse returns why nothing more may be used in a period; nil is that it may.
func (a Allowance) refuse(period string, used, held spent) *refusal {
	for _, b := range [...]struct {
		unit             string
		most, used, held int64
	}{{"requests", a.Requests, used.requests, held.requests}, {"tokens", a.Tokens, used.tokens, held.tokens}, {"USD", int64(math.Round(a.USD * pico)), used.cost, held.cost}} {
		switch {
		case b.most <= 0:
		case b.used >= b.most:
			most := strconv.FormatInt(b.most, 10)
			if b.unit == "USD" {
				most = dollars(b.most)
			}
			return &refusal{Error: quota("insufficient_quota", fmt.Sprintf("this key has used up its %s %s of this %s; a new %s begins at 00:00 UTC", most, b.unit, period, period))}
		case b.used+b.held >= b.most:
			return &refusal{Error: quota("rate_limit_exceeded", fmt.Sprintf("what is left of this key's %s of this %s is spoken for by its requests under way", b.unit, period)), after: time.Second}
		}
	}
	return nil
}

func quota(code, message string) *llm.Error {
	return &llm.Error{Status: http.StatusTooManyRequests, Type: code, Code: code, Message: message, Outcome: bellwether.RateLimited, Dialect: llm.OpenAI}
}

// tooFast refuses what is beyond a caller's limit.
func tooFast(unit string, after time.Duration) *refusal {
	return &refusal{Error: quota("rate_limit_exceeded", "this key's limit on "+unit+" is reached"), after: max(after, time.Millisecond)}
}

// enter takes one of the caller's places for a request; leave gives it back.
func (c *caller) enter(now int64) *refusal {
	g := &c.gauge
	if in, most := g.inFlight.Add(1), g.most.Load(); most > 0 && in > most {
		g.inFlight.Add(-1)
		return tooFast("concurrent requests", concurrencyPause)
	}
	if at := g.requests.free(now, 1); at != 0 || !g.requests.take(now, 1) {
		g.inFlight.Add(-1)
		return tooFast("requests a minute", time.Duration(at-now))
	}
	return nil
}

func (c *caller) leave() { c.gauge.inFlight.Add(-1) }

// refuse tells a caller why it gets nothing, and accounts for that.
func (rt *Router) refuse(w http.ResponseWriter, d *dialect, c *caller, route string, r *refusal) {
	rt.metrics.refused(r.Code)
	c.refused(rt.metrics, route, r.Code)
	rt.logRefused(w.Header().Get(requestID), c.name, route, r.Code, r.Status)
	switch {
	case r.after > 0:
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(r.after.Seconds()))))
		w.Header().Set("Retry-After-Ms", strconv.FormatInt(max(1, r.after.Milliseconds()), 10))
	case r.Status == http.StatusTooManyRequests:
		w.Header().Set("X-Should-Retry", "false")
	}
	fail(w, d, r.Error)
}

// dollars writes picodollars as USD, exactly.
func dollars(n int64) string {
	s := strconv.FormatFloat(float64(n/pico), 'f', 0, 64)
	rest := n % pico
	if rest == 0 {
		return s
	}
	digits := fmt.Sprintf("%012d", rest)
	for digits[len(digits)-1] == '0' {
		digits = digits[:len(digits)-1]
	}
	return s + "." + digits
}
