package probes

import (
	"time"

	"github.com/bellwether-llm/bellwether"
)

// Spent is what suspicion used on one day (UTC).
type Spent struct {
	Probes int     `json:"probes"`
	Tokens int     `json:"tokens"`
	USD    float64 `json:"usd"`
	// Unprobed counts the probes that were left out because a budget was spent.
	Unprobed int `json:"unprobed"`
}

// spend is what one probe uses or may use.
type spend struct {
	day    int64 // days since 1970, UTC
	tokens int
	usd    float64
}

// ledger keeps suspicion within its budgets. What a probe may use at worst is
// held before it is sent, so the budgets are hard. It forgets at midnight UTC,
// and when the process restarts: a crash loop is bounded by its own pace only.
type ledger struct {
	perTarget, total Budget
	day              int64
	all              Spent
	targets          map[string]*Spent
}

func newLedger(perTarget, total Budget) ledger {
	return ledger{perTarget: perTarget, total: total, targets: map[string]*Spent{}}
}

// of returns the account of a target.
func (l *ledger) of(target string) *Spent {
	a := l.targets[target]
	if a == nil {
		a = &Spent{}
		l.targets[target] = a
	}
	return a
}

// turn starts new accounts on a new day. A clock that steps back over midnight
// does not.
func (l *ledger) turn(day int64) {
	if day > l.day {
		l.day, l.all = day, Spent{}
		clear(l.targets)
	}
}

// hold reserves w for a target; false when a budget does not allow it.
func (l *ledger) hold(target string, w spend) bool {
	l.turn(w.day)
	a := l.of(target)
	if !a.fits(l.perTarget, w) || !l.all.fits(l.total, w) {
		a.Unprobed++
		l.all.Unprobed++
		return false
	}
	a.add(1, w.tokens, w.usd)
	l.all.add(1, w.tokens, w.usd)
	return true
}

// settle replaces what was held by what was used.
func (l *ledger) settle(target string, held, used spend) {
	if held.day != l.day {
		return
	}
	l.of(target).add(0, used.tokens-held.tokens, used.usd-held.usd)
	l.all.add(0, used.tokens-held.tokens, used.usd-held.usd)
}

func (s *Spent) add(probes, tokens int, usd float64) {
	s.Probes += probes
	s.Tokens += tokens
	s.USD = max(0, s.USD+usd)
}

// fits reports whether w still fits under b; negative bounds do not bind.
func (s *Spent) fits(b Budget, w spend) bool {
	return (b.Probes < 0 || s.Probes+1 <= b.Probes) &&
		(b.Tokens < 0 || s.Tokens+w.tokens <= b.Tokens) &&
		(b.USD < 0 || s.USD+w.usd <= b.USD)
}

// worst is the most that one probe of j can use: the whole prompt, at an
// estimate, an answer of all tokens that it may have, and its judges.
func worst(j Job, now time.Time) spend {
	input := inputTokens(j.Canary)
	judged := j.judgesCost(j.Canary.MaxTokens, true)
	return spend{
		day:    now.Unix() / 86400,
		tokens: input + j.Canary.room() + judged.tokens,
		usd:    j.Target.Price.Cost(input, j.Canary.room()) + judged.usd,
	}
}

// used is what a probe did use: what its observation says, nothing where no
// model can have worked, else all that was held.
func used(o bellwether.Observation, held spend) spend {
	switch {
	case o.Tokens != nil:
		return spend{tokens: o.Tokens.Input + o.Tokens.Output + int(o.Signals[judgeTokens]), usd: o.CostUSD}
	case o.Status >= 300:
		return spend{}
	}
	switch o.Outcome {
	case bellwether.DNSError, bellwether.ConnectError, bellwether.TLSError, bellwether.ClientError, bellwether.Missed:
		return spend{}
	}
	return held
}
