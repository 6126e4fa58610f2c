package router

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/api/client"
	"github.com/bellwether-llm/bellwether/internal/filelock"
)

var _ Teller = (*client.Client)(nil)

const kept = `{"day":"2026-01-31","caller":"app","route":"chat","target":"one","outcome":"ok","part":"answer","requests":2,"attempts":2,"input":9,"output":3,"cost_picousd":5}` + "\n"

func (b *books) requests(caller string) (n int64) {
	s := b.of(caller)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rows {
		n += r.requests
	}
	return n
}

func TestAJournalCutByACrashLosesItsLastLineAlone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "accounts")
	newer := strings.Replace(kept, `"requests":2`, `"requests":7`, 1)
	if err := os.WriteFile(file, []byte(kept+newer+newer[:40]), 0o600); err != nil {
		t.Fatal(err)
	}
	var said []string
	b, now := newBooks(), time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	j := journal{path: file}
	if err := j.flush(b, now, false, func(s string, _ ...any) { said = append(said, s) }); err != nil {
		t.Fatal(err)
	}
	if n := b.requests("app"); n != 7 || len(said) != 1 {
		t.Errorf("%d requests, want the last line's 7; said %q", n, said)
	}
	if s := b.of("app"); s.day.requests != 7 || s.month.tokens != 12 {
		t.Errorf("against budgets: %+v %+v", s.day, s.month)
	}
	text, err := os.ReadFile(file)
	if err != nil || string(text) != newer {
		t.Errorf("written anew: %q %v", text, err)
	}
	b.forget(dayOf(now) + 1)
	if n := b.requests("app"); n != 0 {
		t.Errorf("%d requests of days that are to be forgotten", n)
	}
}

func TestAccountsHeldByAnotherAreAddedToWhenItLetsGo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "accounts")
	if err := os.WriteFile(file, []byte(kept), 0o600); err != nil {
		t.Fatal(err)
	}
	other, err := filelock.Take(file + ".lock")
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	x := answeredExchange(t)
	x.rt.journal.path, x.rt.log = file, slog.New(slog.NewTextHandler(&out, nil))
	x.rt.flushAccounts(time.Now(), false)
	x.rt.account(x, nil)
	if !strings.Contains(out.String(), "held by another process") {
		t.Errorf("said %q", out.String())
	}
	_ = other.Close()
	x.rt.cfg.KeepAccounts = 1 << 62
	x.rt.flushAccounts(time.Now(), false)
	x.rt.closeAccounts()
	text, _ := os.ReadFile(file)
	if n := x.rt.books.requests("app"); n != 3 || strings.Count(string(text), "\n") != 2 {
		t.Errorf("%d requests, want what was kept and one more: %s", n, text)
	}
}

// FuzzLoad feeds a journal that anything may have written: what it holds is
// never below zero, and is the same when it is written and read again.
func FuzzLoad(f *testing.F) {
	f.Add(kept)
	f.Add(kept + strings.Replace(kept, "answer", "refused", 1) + `{"day":"x"}`)
	f.Add(`{"day":"2026-01-31","part":"answer","cost_picousd":-1}`)
	f.Fuzz(func(t *testing.T, text string) {
		b, again := newBooks(), newBooks()
		if _, err := b.load(strings.NewReader(text), 20_000); err != nil {
			return
		}
		once := b.sums(usageQuery{from: -1 << 30, to: 1 << 30, by: usageColumns[:]})
		bad, err := again.load(strings.NewReader(string(b.allLines(nil))), 20_000)
		if err != nil || bad > 0 {
			t.Fatalf("%d bad lines of our own: %v", bad, err)
		}
		twice := again.sums(usageQuery{from: -1 << 30, to: 1 << 30, by: usageColumns[:]})
		if len(once) != len(twice) {
			t.Fatalf("%d rows, then %d", len(once), len(twice))
		}
		for i := range once {
			if once[i] != twice[i] || once[i].Cost < 0 {
				t.Errorf("%+v, then %+v", once[i], twice[i])
			}
		}
	})
}

func TestPartsAreNamedAsReportsNameThem(t *testing.T) {
	x := answeredExchange(t)
	for want, y := range map[string]try{
		"answer": {outcome: bellwether.OK}, "failure": {outcome: bellwether.ServerError}, "hedge": {outcome: bellwether.Canceled, lost: true}, "canceled": {outcome: bellwether.Canceled, gone: true},
	} {
		y.up = x.route.entries[0].up
		if got := partNames[y.part(true)]; got != want {
			t.Errorf("%+v is %s, want %s", y, got, want)
		}
	}
}
