package probes

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/conf"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func openLedger(t *testing.T, path string, p Probing) *Ledger {
	t.Helper()
	l, err := OpenLedger(path, p, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func TestBudgetsSurviveACrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	p := Probing{TargetBudget: Budget{Probes: 3}, TotalBudget: Budget{Probes: 5}}
	w := spend{day: dayOf(noon), tokens: 10, usd: 0.5}
	l := openLedger(t, path, p)
	for range 2 {
		if ok, _ := l.hold("a", w); !ok {
			t.Fatal("hold = false within the budget")
		}
	}
	l.settle("a", w, spend{tokens: 4, usd: 0.25})
	// Killed here: the second probe is in flight, the file is not closed.
	l = openLedger(t, path, p)
	if a := l.Accounts(noon); a.Targets["a"] != (Spent{Probes: 2, Tokens: 14, USD: 0.75}) || a.All != a.Targets["a"] {
		t.Fatalf("after the crash: %+v, want what was settled and what was held", a)
	}
	for id, want := range map[string]int{"a": 1, "b": 2} {
		n := 0
		for range 9 {
			if ok, _ := l.hold(id, w); ok {
				n++
			}
		}
		if n > want {
			t.Errorf("%s: %d more probes, want at most %d", id, n, want)
		}
	}
	if a := openLedger(t, path, p).Accounts(noon).All; a.Probes != 5 {
		t.Errorf("in all %d probes, want the budget's 5", a.Probes)
	}
	if a := openLedger(t, path, p).Accounts(noon.Add(24 * time.Hour)); a.All != (Spent{}) || len(a.Targets) != 0 {
		t.Errorf("the next day: %+v, want new accounts", a)
	}
}

func TestLedgerFileThatIsDamagedLosesOnlyWhatIsDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	lines := `{"day":20412,"target":"old","probes":9}
{"day":20777,"target":"a","probes":2,"tokens":7,"usd":0.5}
nonsense
{"day":20777,"target":"","probes":1}
{"day":20777,"target":"a","probes":99999999999}
{"day":20777,"target":"a","prob`
	if err := os.WriteFile(path, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	at := time.Unix(20777*86400, 0)
	if a := openLedger(t, path, Probing{}).Accounts(at); len(a.Targets) != 1 || a.All != (Spent{Probes: 2, Tokens: 7, USD: 0.5}) {
		t.Errorf("accounts = %+v", a)
	}
	if b, _ := os.ReadFile(path); strings.Count(string(b), "\n") != 1 {
		t.Errorf("the file was not written anew: %q", b)
	}
}

func TestLedgerFileStaysSmall(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	l := openLedger(t, path, Probing{TargetBudget: Budget{Probes: -1, Tokens: -1, USD: -1}, TotalBudget: Budget{Probes: -1, Tokens: -1, USD: -1}})
	for range 20_000 {
		l.hold("some-target-of-a-usual-name", spend{day: dayOf(noon), tokens: 100, usd: 0.001})
	}
	info, err := os.Stat(path)
	if err != nil || info.Size() > compactFrom+maxLedgerLine {
		t.Errorf("size = %v, %v", info.Size(), err)
	}
	if n := openLedger(t, path, Probing{}).Accounts(noon).All.Probes; n != 20_000 {
		t.Errorf("%d probes are known, want 20000", n)
	}
}

// TestSharedBudgetsAreNeverExceeded lets a ledger and those that it grants to
// spend what they can, at random, through restarts of the one that grants.
func TestSharedBudgetsAreNeverExceeded(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 20 {
		path := filepath.Join(t.TempDir(), "ledger")
		p := Probing{TargetBudget: Budget{Probes: 60 + r.IntN(100), Tokens: -1, USD: 3}, TotalBudget: Budget{Probes: 100 + r.IntN(100), Tokens: 5000, USD: -1}}
		server := openLedger(t, path, p)
		agents := map[string]*Ledger{"x": NewLedger(p), "y": NewLedger(p), "z": NewLedger(p)}
		last := map[string]Allowance{}
		for range 3000 {
			name := []string{"x", "y", "z", "server"}[r.IntN(4)]
			at := []string{"a", "b"}[r.IntN(2)]
			w := spend{day: dayOf(noon), tokens: r.IntN(60), usd: r.Float64() / 20}
			switch l := agents[name]; {
			case l == nil && r.IntN(200) == 0:
				server = openLedger(t, path, p)
			case l == nil:
				server.hold(at, w)
			case r.IntN(10) == 0:
				a := server.Grant(name, 4, l.Accounts(noon), noon)
				if a.Total.Probes < last[name].Total.Probes || a.Target.Probes < last[name].Target.Probes {
					t.Fatalf("the word of %s became less: %+v after %+v", name, a, last[name])
				}
				last[name] = a
				l.Obey(&a)
				if got := l.Bounds(noon); got.Total.Probes != min(a.Total.Probes, p.TotalBudget.Probes) {
					t.Fatalf("Bounds = %+v of %+v", got, a)
				}
			case last[name] != (Allowance{}):
				l.hold(at, w)
			}
		}
		sum := server.Accounts(noon)
		own := sum.All
		for name, l := range agents {
			a := l.Accounts(noon)
			if a.All.Probes == 0 {
				t.Errorf("round %d: %s could do nothing with %+v", round, name, last[name])
			}
			sum.All.add(a.All.Probes, a.All.Tokens, a.All.USD)
			for id, s := range a.Targets {
				both := sum.Targets[id]
				both.add(s.Probes, s.Tokens, s.USD)
				sum.Targets[id] = both
			}
		}
		if sum.All.Probes > p.TotalBudget.Probes || sum.All.Tokens > p.TotalBudget.Tokens {
			t.Errorf("round %d: %+v were spent of %+v", round, sum.All, p.TotalBudget)
		}
		for id, s := range sum.Targets {
			if s.Probes > p.TargetBudget.Probes || s.USD > p.TargetBudget.USD+1e-9 {
				t.Errorf("round %d: %+v were spent on %s, of %+v", round, s, id, p.TargetBudget)
			}
		}
		if all := sum.All.Probes + own.Probes; all < p.TotalBudget.Probes/2 && sum.All.Tokens < p.TotalBudget.Tokens/2 {
			t.Errorf("round %d: only %+v of %+v was of use", round, sum.All, p.TotalBudget)
		}
	}
}

func TestAnAllowanceEndsWithItsDay(t *testing.T) {
	l := NewLedger(Probing{})
	l.Obey(&Allowance{Day: dayOf(noon), Target: Budget{Probes: 5, Tokens: -1, USD: -1}, Total: Budget{Probes: 5, Tokens: -1, USD: -1}})
	if ok, _ := l.hold("a", spend{day: dayOf(noon)}); !ok {
		t.Error("nothing is allowed on its day")
	}
	if ok, _ := l.hold("a", spend{day: dayOf(noon) + 1}); ok {
		t.Error("it allows something on the next day")
	}
}

func TestASchedulerGoesOnWithWhatItsLedgerKnows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	p := Probing{TargetBudget: Budget{Probes: 4}, FastInterval: conf.Duration(time.Second)}
	sent := 0
	for range 3 { // three lives on one day
		synctest.Test(t, func(t *testing.T) {
			l, err := OpenLedger(path, p, nil)
			if err != nil {
				t.Fatal(err)
			}
			f := &fakeSender{}
			s, b, stop := running(t, jobsFor(t, "@every 1h", nil, "p/x"), f, SchedulerOptions{Probing: p, Ledger: l})
			s.Suspect(bellwether.Suspicion{Target: "x", Interval: 1})
			time.Sleep(3 * time.Second)
			stop()
			sent += len(b.by(bellwether.TriggerSuspicion, "x"))
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	if sent != 4 {
		t.Errorf("%d probes of suspicion in three lives, want the budget's 4", sent)
	}
}

func FuzzLedger(f *testing.F) {
	f.Add(`{"day":20777,"target":"a","probes":2,"tokens":7,"usd":0.5}` + "\n" + `{"day":20777,"to":"x","grant":{"day":20777,"total":{"probes":3}}}`)
	f.Fuzz(func(t *testing.T, s string) {
		l := NewLedger(Probing{})
		if _, err := l.read(strings.NewReader(s)); err != nil {
			t.Fatal(err)
		}
		a := l.Accounts(time.Unix(l.day*86400, 0))
		if a.All.USD < 0 {
			t.Errorf("accounts = %+v", a)
		}
	})
}

func TestToWaitForAnAllowanceIsNoSpentBudget(t *testing.T) {
	l := NewLedger(Probing{TargetBudget: Budget{Probes: 1}})
	l.Obey(&Allowance{})
	w := spend{day: dayOf(noon)}
	if ok, spent := l.hold("a", w); ok || spent {
		t.Errorf("before the first word: ok %v, spent %v; want neither", ok, spent)
	}
	none := Budget{Probes: -1, Tokens: -1, USD: -1}
	l.Obey(&Allowance{Day: dayOf(noon), Target: none, Total: none})
	if ok, _ := l.hold("a", w); !ok {
		t.Error("after the first word: not ok")
	}
	for i := range 2 {
		if ok, spent := l.hold("a", w); ok || spent != (i == 0) {
			t.Errorf("beyond the budget, for the %d. time: ok %v, spent %v", i+1, ok, spent)
		}
	}
}

func TestALedgerKnowsAgainWhatADayOfLongPromptsUsed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	p := Probing{TargetBudget: Budget{Tokens: -1}, TotalBudget: Budget{Tokens: -1}}
	l, w := openLedger(t, path, p), spend{day: dayOf(noon), tokens: 1 << 30}
	for range 3 {
		l.hold("a", w)
	}
	for range 2 { // the second reads a sum
		l = openLedger(t, path, p)
	}
	if a := l.Accounts(noon).All; a.Probes != 3 || a.Tokens != 3<<30 {
		t.Errorf("after a restart: %+v", a)
	}
}
