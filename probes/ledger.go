package probes

import (
	"maps"
	"sync"
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

// Accounts are what suspicion used on one day, what is held for probes in
// flight included.
type Accounts struct {
	Day     int64            `json:"day"` // days since 1970, UTC
	All     Spent            `json:"all"`
	Targets map[string]Spent `json:"targets"`
	Granted Allowance        `json:"granted"` // to others, of the same budgets; see [Ledger.Grant]
}

// Allowance is what a ledger may spend on one day by another's word. Unlike
// those of a config, its numbers mean what they say: 0 is nothing, -1 no limit.
type Allowance struct {
	Day    int64  `json:"day"`
	Target Budget `json:"target"` // on each target
	Total  Budget `json:"total"`
}

const maxGrants = 1000 // names

// spend is what one probe uses or may use.
type spend struct {
	day    int64 // days since 1970, UTC
	tokens int
	usd    float64
}

// Ledger keeps suspicion within its budgets. What a probe may use at worst is
// held before it is sent, so the budgets are hard. One of [OpenLedger] knows
// after a restart, or a crash, what the day has used; what was in flight in a
// crash stays counted at its worst. Accounts begin anew at midnight UTC.
//
// Budgets can be those of several processes: the one that has them grants
// parts of them ([Ledger.Grant]), the others obey ([Ledger.Obey]). A Ledger is
// safe for concurrent use and belongs to one [Scheduler].
type Ledger struct {
	mu               sync.Mutex
	perTarget, total Budget
	day              int64
	all              Spent
	targets          map[string]*Spent
	grants           map[string]Allowance // of day, by who has them
	told             *Allowance           // nil: nobody divides the budgets
	warned           map[string]bool      // targets of which it was said today that a budget is spent
	file             *ledgerFile          // nil: kept in memory only
}

// NewLedger returns a ledger of p's budgets that forgets with the process.
func NewLedger(p Probing) *Ledger {
	p = p.WithDefaults()
	return &Ledger{perTarget: p.TargetBudget, total: p.TotalBudget, targets: map[string]*Spent{}, grants: map[string]Allowance{}, warned: map[string]bool{}}
}

func dayOf(t time.Time) int64 { return t.Unix() / 86400 }

// Accounts returns what was used on the day of now.
func (l *Ledger) Accounts(now time.Time) Accounts {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turn(dayOf(now))
	a := Accounts{Day: l.day, All: l.all, Targets: make(map[string]Spent, len(l.targets)), Granted: l.granted()}
	for id, s := range l.targets {
		a.Targets[id] = *s
	}
	return a
}

// of returns the account of a target. l.mu is held, here and below.
func (l *Ledger) of(target string) *Spent {
	a := l.targets[target]
	if a == nil {
		a = &Spent{}
		l.targets[target] = a
	}
	return a
}

// turn starts new accounts on a new day. A clock that steps back over midnight
// does not, unless it had been ahead by more than a day: then it was wrong.
func (l *Ledger) turn(day int64) {
	if day > l.day || day < l.day-1 {
		l.day, l.all = day, Spent{}
		clear(l.targets)
		clear(l.grants)
		clear(l.warned)
		l.file.begin(l)
	}
}

// hold reserves w for a target; false when a budget does not allow it. first is
// that a budget is spent, for the first time today for this target; to wait for
// the word of who divides the budgets is no such thing.
func (l *Ledger) hold(target string, w spend) (ok, first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turn(w.day)
	a := l.of(target)
	if !l.allows(a, w) {
		a.Unprobed++
		l.all.Unprobed++
		first = !l.waits() && !l.warned[target]
		l.warned[target] = l.warned[target] || first
		return false, first
	}
	l.add(target, 1, w.tokens, w.usd)
	return true, false
}

// waits reports whether who divides the budgets has not spoken today yet.
func (l *Ledger) waits() bool { return l.told != nil && l.told.Day != l.day }

// allows reports whether w more for the target of a breaks no bound.
func (l *Ledger) allows(a *Spent, w spend) bool {
	g := l.granted()
	if !a.fits(l.perTarget.without(g.Target), w) || !l.all.fits(l.total.without(g.Total), w) {
		return false
	}
	return l.told == nil || !l.waits() && a.fits(l.told.Target, w) && l.all.fits(l.told.Total, w)
}

// add enters what a target used, or no longer uses.
func (l *Ledger) add(target string, probes, tokens int, usd float64) {
	if probes == 0 && tokens == 0 && usd == 0 {
		return
	}
	l.of(target).add(probes, tokens, usd)
	l.all.add(probes, tokens, usd)
	l.file.write(l, entryLine{Target: target, Probes: probes, Tokens: tokens, USD: usd})
}

// settle replaces what was held by what was used.
func (l *Ledger) settle(target string, held, used spend) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if held.day == l.day {
		l.add(target, 0, used.tokens-held.tokens, used.usd-held.usd)
	}
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

// Grant returns what the process name may spend today of these budgets, where n
// processes share them, this one included, and it has used spent so far. The
// first word gives it a part of what nobody has been given, and each later one
// as much again of what is left when it has used half: never less than before,
// and all together, with what this ledger spends itself, never more than the
// budgets. A name costs memory and its part until midnight: give none to
// strangers. Beyond 1000 names nobody new is given anything.
func (l *Ledger) Grant(name string, n int, spent Accounts, now time.Time) Allowance {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turn(dayOf(now))
	have, known := l.grants[name]
	if !known && len(l.grants) >= maxGrants {
		return Allowance{Day: l.day}
	}
	if !known {
		have.Day = l.day
	}
	var busiest Spent
	if spent.Day == l.day {
		for _, s := range spent.Targets {
			busiest = busiest.most(s)
		}
	} else {
		spent.All = Spent{}
	}
	var own Spent
	for _, s := range l.targets {
		own = own.most(*s)
	}
	g, part := l.granted(), 1/(2*float64(max(2, n)))
	next := Allowance{Day: l.day,
		Target: have.Target.grow(busiest, l.perTarget.without(g.Target).left(own), part, !known),
		Total:  have.Total.grow(spent.All, l.total.without(g.Total).left(l.all), part, !known)}
	if !known || next != have {
		l.grants[name] = next
		l.file.write(l, entryLine{To: name, Grant: &next})
	}
	return next
}

// Obey lets a hold only while both a, the newest word of who divides the
// budgets, and the ledger's own budgets do. On another day than a's nothing is
// held. Nil: nobody divides them.
func (l *Ledger) Obey(a *Allowance) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told = nil
	if a != nil {
		word := *a
		l.told = &word
	}
}

// Bounds returns what may be spent here on the day of now: the budgets, less
// what was granted to others, and no more than others allow.
func (l *Ledger) Bounds(now time.Time) Allowance {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turn(dayOf(now))
	g := l.granted()
	a := Allowance{Day: l.day, Target: l.perTarget.without(g.Target), Total: l.total.without(g.Total)}
	switch {
	case l.told == nil:
	case l.waits():
		a.Target, a.Total = Budget{}, Budget{}
	default:
		a.Target, a.Total = a.Target.least(l.told.Target), a.Total.least(l.told.Total)
	}
	return a
}

// granted adds up what others may spend of each target's budget and of all.
func (l *Ledger) granted() (sum Allowance) {
	sum.Day = l.day
	for a := range maps.Values(l.grants) {
		sum.Target, sum.Total = sum.Target.plus(a.Target), sum.Total.plus(a.Total)
	}
	return sum
}

// most is the larger of each number.
func (s Spent) most(o Spent) Spent {
	return Spent{Probes: max(s.Probes, o.Probes), Tokens: max(s.Tokens, o.Tokens), USD: max(s.USD, o.USD), Unprobed: max(s.Unprobed, o.Unprobed)}
}

// plus adds bounds; what has none adds nothing.
func (b Budget) plus(o Budget) Budget {
	return Budget{Probes: b.Probes + max(0, o.Probes), Tokens: b.Tokens + max(0, o.Tokens), USD: b.USD + max(0, o.USD)}
}

// without is what stays of b; no bound stays none.
func (b Budget) without(o Budget) Budget {
	less := func(b, o float64) float64 {
		if b < 0 {
			return b
		}
		return max(0, b-o)
	}
	return Budget{Probes: int(less(float64(b.Probes), float64(o.Probes))), Tokens: int(less(float64(b.Tokens), float64(o.Tokens))), USD: less(b.USD, o.USD)}
}

// least is the tighter of both bounds.
func (b Budget) least(o Budget) Budget {
	return Budget{Probes: tighter(b.Probes, o.Probes), Tokens: tighter(b.Tokens, o.Tokens), USD: tighter(b.USD, o.USD)}
}

func tighter[T int | float64](a, b T) T {
	if a < 0 || b >= 0 && b < a {
		return b
	}
	return a
}

// left is what b leaves after s was spent.
func (b Budget) left(s Spent) Budget {
	return b.without(Budget{Probes: s.Probes, Tokens: s.Tokens, USD: s.USD})
}

// grow adds the part of left to each bound that is new or half used.
func (b Budget) grow(used Spent, left Budget, part float64, isNew bool) Budget {
	more := func(has, used, left float64) float64 {
		switch {
		case left < 0:
			return -1
		case isNew || has >= 0 && used >= has/2:
			return has + left*part
		}
		return has
	}
	return Budget{
		Probes: int(more(float64(b.Probes), float64(used.Probes), float64(left.Probes))),
		Tokens: int(more(float64(b.Tokens), float64(used.Tokens), float64(left.Tokens))),
		USD:    more(b.USD, used.USD, left.USD),
	}
}

// worst is the most that one probe of j can use: the whole prompt, at an
// estimate, an answer of all tokens that it may have, and its judges.
func worst(j Job, now time.Time) spend {
	input := inputTokens(j.Canary)
	_, output := j.Canary.ranges()
	judged := j.judgesCost(j.Canary.MaxTokens, true)
	return spend{
		day:    dayOf(now),
		tokens: input + output + judged.tokens,
		usd:    j.price(input, output) + judged.usd,
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
