package probes

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
)

func mustParse(t testing.TB, s string) schedule {
	when, err := parseSchedule(s)
	if err != nil {
		t.Fatalf("parseSchedule(%q) = %v", s, err)
	}
	return when
}

func TestSchedulesThatCannotWorkAreRefused(t *testing.T) {
	for _, s := range []string{
		"", "often", "* * * *", "* * * * * *", "61 * * * *", "0 0 30 2 *", "@every", "@every 0s", "@every -5s", "@every 500ms",
		"@every 1500ms", "@every x", "CRON_TZ=Europe/Berlin", "TZ=UTC ", "CRON_TZ=Nowhere/Town 0 0 * * *", "@sometimes",
	} {
		if _, err := parseSchedule(s); err == nil {
			t.Errorf("parseSchedule(%q) = nil, want an error", s)
		}
	}
}

func TestCronKeepsItsTimeThroughDaylightSaving(t *testing.T) {
	utc := func(s string) time.Time {
		at, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	for name, c := range map[string]struct {
		spec, from string
		want       []string // UTC
	}{
		"nine o'clock stays nine o'clock in spring": {"CRON_TZ=Europe/Berlin 0 9 * * *", "2026-03-28T00:00:00Z",
			[]string{"2026-03-28T08:00:00Z", "2026-03-29T07:00:00Z", "2026-03-30T07:00:00Z"}},
		"nine o'clock stays nine o'clock in autumn": {"CRON_TZ=America/New_York 0 9 * * *", "2026-10-31T00:00:00Z",
			[]string{"2026-10-31T13:00:00Z", "2026-11-01T14:00:00Z", "2026-11-02T14:00:00Z"}},
		"a time that spring leaves out is left out": {"CRON_TZ=Europe/Berlin 30 2 * * *", "2026-03-28T12:00:00Z",
			[]string{"2026-03-30T00:30:00Z", "2026-03-31T00:30:00Z"}},
		"a time that comes twice in autumn is due twice": {"CRON_TZ=Europe/Berlin 30 2 * * *", "2026-10-24T12:00:00Z",
			[]string{"2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z"}},
		"every quarter of an hour never pauses in spring": {"CRON_TZ=Europe/Berlin */15 * * * *", "2026-03-29T00:40:00Z",
			[]string{"2026-03-29T00:45:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:15:00Z"}},
		"every quarter of an hour never pauses in autumn": {"CRON_TZ=Europe/Berlin */15 * * * *", "2026-10-25T00:40:00Z",
			[]string{"2026-10-25T00:45:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:15:00Z"}},
		"half-hour zones": {"CRON_TZ=Asia/Kolkata 0 0 * * *", "2026-01-01T00:00:00Z",
			[]string{"2026-01-01T18:30:00Z", "2026-01-02T18:30:00Z"}},
		"a midnight that does not exist": {"CRON_TZ=America/Sao_Paulo 0 0 * * *", "2018-11-03T12:00:00Z",
			[]string{"2018-11-05T02:00:00Z"}},
	} {
		t.Run(name, func(t *testing.T) {
			when, at := mustParse(t, c.spec), utc(c.from)
			for _, want := range c.want {
				if at = when.next(at); !at.Equal(utc(want)) {
					t.Fatalf("next = %v, want %s", at.UTC(), want)
				}
			}
		})
	}
}

func TestEveryKeepsItsPhaseWhateverTheZoneDoes(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	when := mustParse(t, "@every 30s").spread("gpt-us", "capital", Place{Vantage: "lab"})
	at := time.Date(2026, 10, 25, 1, 59, 0, 0, berlin)
	for range 500 {
		n := when.next(at)
		if d := n.Sub(at); d <= 0 || d > 30*time.Second {
			t.Fatalf("next(%v) is %v later", at, d)
		}
		if phase := time.Duration(n.UnixNano()) % (30 * time.Second); phase != when.phase {
			t.Fatalf("phase = %v, want %v", phase, when.phase)
		}
		at = n
	}
	before := time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC)
	if d := when.next(before).Sub(before); d <= 0 || d > 30*time.Second {
		t.Errorf("before 1970 next is %v later", d)
	}
}

func TestPhasesAreStableSpreadAndInterleaved(t *testing.T) {
	every := mustParse(t, "@every 60s")
	if got := every.spread("gpt-us", "capital", Place{Vantage: "us-east"}).phase; got != 32684*time.Millisecond {
		t.Errorf("phase = %v; it must never change, or every restart of a new version moves all probes", got)
	}
	var bins [6]int
	for i := range 600 {
		bins[every.spread(fmt.Sprint("target-", i), "capital", Place{Vantage: "us-east"}).phase/(10*time.Second)]++
	}
	for i, n := range bins {
		if n < 60 || n > 140 {
			t.Errorf("sixth %d of the interval has %d of 600 phases, want about 100", i, n)
		}
	}
	all := []string{"us-east", "eu-west", "ap-south"}
	first := every.spread("gpt-us", "capital", Place{Vantage: "ap-south", Vantages: all}).phase
	for i, v := range []string{"eu-west", "us-east"} { // in alphabetic order after ap-south
		want := (first + time.Duration(i+1)*20*time.Second) % time.Minute
		if got := every.spread("gpt-us", "capital", Place{Vantage: v, Vantages: all}).phase; (got - want).Abs() > 2*time.Millisecond {
			t.Errorf("phase of %s = %v, want %v: a third of the interval on", v, got, want)
		}
	}
}

func TestPlanCountsProbesAndMoney(t *testing.T) {
	targets := []bellwether.Target{{ID: "a", Price: bellwether.Price{Input: 1, Output: 10}}, {ID: "b"}}
	lines := plan(Config{Canaries: []Canary{
		{Name: "often", Schedule: "@every 30s", Prompt: strings.Repeat("x", 88), MaxTokens: 100, Checks: []CheckSpec{{"max_tokens": 5}}},
		{Name: "office", Schedule: "CRON_TZ=UTC */10 9-16 * * 1-5", Prompt: "x", Targets: []string{"b"}},
		{Name: "wrong", Schedule: "never", Prompt: "x"},
	}}, targets, time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC))
	if len(lines) != 3 {
		t.Fatalf("plan = %v, want 3 lines", lines)
	}
	l := lines[0]
	if l.PerDay != 2880 || math.Abs(l.Typical-2880*(17+50)/1e6) > 1e-9 || math.Abs(l.WorstCase-2880*(31+1000)/1e6) > 1e-9 {
		t.Errorf("plan = %+v", l)
	}
	if o := lines[2]; o.Target != "b" || math.Abs(o.PerDay-48*5.0/7) > 1e-9 || o.WorstCase != 0 {
		t.Errorf("plan = %+v, want 48 probes on 5 of 7 days", o)
	}
}

func FuzzParseSchedule(f *testing.F) {
	for _, s := range []string{"@every 30s", "*/5 * * * *", "CRON_TZ=Europe/Berlin 0 9 * * 1-5", "TZ=", "@hourly", "0 0 29 2 *"} {
		f.Add(s)
	}
	from := time.Date(2026, 3, 29, 0, 59, 59, 1, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 200 {
			return
		}
		when, err := parseSchedule(s)
		if err != nil {
			return
		}
		if n := when.next(from); !n.IsZero() && !n.After(from) {
			t.Errorf("%q: next(%v) = %v", s, from, n)
		}
	})
}
