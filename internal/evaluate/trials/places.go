package trials

import (
	"slices"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/evaluate/world"
)

// scope is a group of the grid that fails together, and what it is called.
type scope struct {
	name  string
	who   world.Who
	cause bellwether.Cause
}

// scopes are the groups around one target of the grid.
func scopes(t bellwether.Target) []scope {
	return []scope{
		{"target", world.Who{Target: t.ID}, bellwether.CauseTarget},
		{"model", world.Who{Model: t.Model}, bellwether.CauseModel},
		{"region", world.Who{Provider: t.Provider, Region: t.Region}, bellwether.CauseRegion},
		{"provider", world.Who{Provider: t.Provider}, bellwether.CauseProvider},
		{"vantage", world.Who{}, bellwether.CauseVantage},
	}
}

// place is one fault of a random group: whose fault is it said to be when it
// is first said to be one, and once every target was asked again?
func (b *Bench) place(c *Cell, s *Scenario, n int, r *Result) error {
	all, begin, err := b.warmed(c, s, n)
	if err != nil {
		return err
	}
	seed := seedOf(b.shared.Seed, "place", n)
	targets := s.Fleet.Targets()
	who := scopes(targets[seed%uint64(len(targets))])[n%5]
	e := world.Effect{Who: who.who, Errors: 1, Utility: dead}
	name := who.name + ", outage"
	if n/5%2 == 1 {
		e.Errors, name = .5, who.name+", 50 % errors"
	}
	if who.cause == bellwether.CauseVantage {
		e.Outcome, e.Healthy = bellwether.ConnectError, true
	}
	w := world.New(c.setup(s, n%max(1, c.Warm)), begin, seed, all...)
	onset := begin + minute + time.Duration(seed>>9%uint64(30*time.Second))
	w.Strike(onset, []world.Effect{e})
	for k := range all {
		first := func() bool { return earliest(w.Log(k), onset) != nil }
		w.Until(onset+30*minute, first)
		if first() {
			w.Until(earliest(w.Log(k), onset).At+30*time.Second, nil)
		}
		t := Trial{Kind: name}
		if turn := earliest(w.Log(k), onset); turn != nil {
			t.Found, t.Seconds = true, (turn.At - onset).Seconds()
			t.Right = turn.Cause == who.cause
			t.Settled = latest(w.Log(k), turn) == who.cause
		} else if who.cause == bellwether.CauseVantage {
			t.Right, t.Settled = true, true // nobody was blamed
		}
		t.Blamed = blamed(w.Log(k), onset, func(c bellwether.Cause) bool {
			return who.cause == bellwether.CauseVantage && c != bellwether.CauseVantage && c != bellwether.CauseAccount
		})
		r.Columns[k].Trials = append(r.Columns[k].Trials, t)
	}
	return nil
}

// earliest returns the first verdict of all targets; nil for none.
func earliest(l *world.Log, onset time.Duration) *world.Turn {
	var first *world.Turn
	for i := range l.Targets {
		for k := range l.Targets[i].Turns {
			t := &l.Targets[i].Turns[k]
			if t.At >= onset && t.To > 0 && t.From == 0 && (first == nil || t.At < first.At) {
				first = t
			}
		}
	}
	return first
}

// latest returns the cause that was last given for the verdict.
func latest(l *world.Log, of *world.Turn) bellwether.Cause {
	for i := range l.Targets {
		h := &l.Targets[i]
		k := slices.IndexFunc(h.Turns, func(t world.Turn) bool { return t == *of })
		if k < 0 {
			continue
		}
		cause := of.Cause
		for _, t := range h.Turns[k:] {
			if t.To > 0 {
				cause = t.Cause
			}
		}
		return cause
	}
	return of.Cause
}

func blamed(l *world.Log, onset time.Duration, is func(bellwether.Cause) bool) int {
	n := 0
	for i := range l.Targets {
		for _, t := range l.Targets[i].Turns {
			if t.At >= onset && t.To > 0 && is(t.Cause) {
				n++
			}
		}
	}
	return n
}

// mishaps are ways in which our own side goes wrong.
func mishaps() []struct {
	name string
	e    world.Effect
} {
	return []struct {
		name string
		e    world.Effect
	}{
		{"no connection", world.Effect{Errors: 1, Outcome: bellwether.ConnectError}},
		{"no connection, half of the time", world.Effect{Errors: .5, Outcome: bellwether.ConnectError}},
		{"packets dropped", world.Effect{Errors: 1, Outcome: bellwether.Timeout}},
		{"half of the calls hang", world.Effect{Errors: .5, Outcome: bellwether.Timeout}},
		{"names do not resolve", world.Effect{Errors: 1, Outcome: bellwether.DNSError}},
		{"TLS is broken into", world.Effect{Errors: 1, Outcome: bellwether.TLSError}},
		{"no connection, and said so", world.Effect{Errors: 1, Outcome: bellwether.ConnectError, Doubt: "controls"}},
		{"everything x3 slow", world.Effect{First: 3}},
		{"all probes are walled off", world.Effect{Errors: 1, Outcome: bellwether.Blocked}},
		{"on and off every minute", world.Effect{Errors: 1, Outcome: bellwether.ConnectError, Period: 2 * minute, Burst: minute}},
	}
}

// blame is one mishap of ours over the whole grid: any verdict that names
// another cause than the vantage or our account is wrong.
func (b *Bench) blame(c *Cell, s *Scenario, n int, r *Result) error {
	all, begin, err := b.warmed(c, s, n)
	if err != nil {
		return err
	}
	seed := seedOf(b.shared.Seed, "blame", n)
	what := mishaps()[n%len(mishaps())]
	what.e.Healthy, what.e.To = true, 10*minute
	w := world.New(c.setup(s, n%max(1, c.Warm)), begin, seed, all...)
	onset := begin + minute + time.Duration(seed>>9%uint64(30*time.Second))
	w.Strike(onset, []world.Effect{what.e})
	w.Until(onset+15*minute, nil)
	for k := range all {
		l := w.Log(k)
		t := Trial{Kind: what.name}
		t.Blamed = blamed(l, onset, func(c bellwether.Cause) bool {
			return c != bellwether.CauseVantage && c != bellwether.CauseAccount
		})
		t.Wrong = blamed(l, onset, func(c bellwether.Cause) bool {
			return c == bellwether.CauseProvider || c == bellwether.CauseRegion || c == bellwether.CauseModel
		})
		if turn := earliest(l, onset); turn != nil {
			t.Found, t.Seconds, t.Right = true, (turn.At - onset).Seconds(), turn.Cause == bellwether.CauseVantage
		}
		for i := range l.Targets {
			t.Kept += l.Targets[i].Kept
		}
		r.Columns[k].Trials = append(r.Columns[k].Trials, t)
	}
	return nil
}
