package probes

import (
	"fmt"
	"testing"
	"time"

	"github.com/robfig/cron/v3"
	"pgregory.net/rapid"
)

// TestCronAgreesWithTheWallClockAroundEveryChange walks through the minutes
// around changes of clocks of every sort, and compares what comes due with what
// the wall clock shows: no minute that matches is left out, and none is due
// that does not match.
func TestCronAgreesWithTheWallClockAroundEveryChange(t *testing.T) {
	specs := map[string]func(t time.Time) bool{
		"30 2 * * *":   func(t time.Time) bool { return t.Minute() == 30 && t.Hour() == 2 },
		"0 * * * *":    func(t time.Time) bool { return t.Minute() == 0 },
		"*/15 * * * *": func(t time.Time) bool { return t.Minute()%15 == 0 },
		"0 0 * * *":    func(t time.Time) bool { return t.Minute() == 0 && t.Hour() == 0 },
		"45 0-3 * * 0": func(t time.Time) bool { return t.Minute() == 45 && t.Hour() < 4 && t.Weekday() == time.Sunday },
		"5 1 1 * *":    func(t time.Time) bool { return t.Minute() == 5 && t.Hour() == 1 && t.Day() == 1 },
	}
	for zone, days := range map[string][]string{
		"Europe/Berlin":       {"2026-03-28", "2026-10-24"},
		"America/New_York":    {"2026-03-07", "2026-10-31"},
		"America/Sao_Paulo":   {"2018-11-03", "2018-02-17"}, // at midnight
		"Africa/Cairo":        {"2024-04-25", "2024-10-31"}, // at midnight
		"Asia/Beirut":         {"2024-03-30", "2024-10-26"},
		"Australia/Lord_Howe": {"2026-04-04", "2026-10-03"}, // by half an hour
		"Asia/Kathmandu":      {"2026-01-01"},               // a quarter off
		"Pacific/Apia":        {"2011-12-29"},               // a day that does not exist
	} {
		place, err := time.LoadLocation(zone)
		if err != nil {
			t.Skip("no time zones on this system: ", err)
		}
		for _, day := range days {
			from, err := time.ParseInLocation(time.DateOnly, day, place)
			if err != nil {
				t.Fatal(err)
			}
			end := from.Add(72 * time.Hour)
			for spec, match := range specs {
				s := mustParse(t, fmt.Sprintf("CRON_TZ=%s %s", zone, spec))
				next := s.next(from.UTC().Add(-time.Minute))
				for at := from.UTC(); at.Before(end); at = at.Add(time.Minute) {
					switch due := next.Equal(at); {
					case due != match(at.In(place)):
						t.Errorf("%s %q at %s: due %v, the wall clock says %v", zone, spec, at.In(place), due, !due)
						next = s.next(at)
					case due:
						next = s.next(at)
					}
				}
			}
		}
	}
}

func TestAClockThatStartsIn1970DoesNotHoldTheSchedulerUp(t *testing.T) {
	s := mustParse(t, "* * * * *")
	start := time.Now()
	n := s.count(time.Unix(60, 0), noon)
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("counting took %v", took)
	}
	if want := int(noon.Unix() / 60); n < want*99/100 || n > want*101/100 {
		t.Errorf("count = %d, want about %d", n, want)
	}
}

// TestCronAgreesWithItsLibraryWhereClocksDoNotChange draws expressions at
// random.
func TestCronAgreesWithItsLibraryWhereClocksDoNotChange(t *testing.T) {
	field := func(t *rapid.T, name string, low, high int) string {
		switch rapid.IntRange(0, 3).Draw(t, name+" form") {
		case 0:
			return "*"
		case 1:
			return fmt.Sprintf("*/%d", rapid.IntRange(1, high).Draw(t, name))
		case 2:
			a := rapid.IntRange(low, high).Draw(t, name)
			return fmt.Sprintf("%d-%d", a, rapid.IntRange(a, high).Draw(t, name))
		}
		return fmt.Sprint(rapid.IntRange(low, high).Draw(t, name))
	}
	rapid.Check(t, func(t *rapid.T) {
		spec := field(t, "minute", 0, 59) + " " + field(t, "hour", 0, 23) + " " + field(t, "day", 1, 31) + " " + field(t, "month", 1, 12) + " " + field(t, "weekday", 0, 6)
		parsed, err := cron.ParseStandard("TZ=Asia/Tokyo " + spec)
		if err != nil {
			t.Fatal(err)
		}
		from := time.Unix(rapid.Int64Range(1.5e9, 2e9).Draw(t, "from"), 0)
		want := parsed.Next(from)
		if want.IsZero() {
			return // the library looks five years ahead, and we nine
		}
		if got := nextCron(parsed.(*cron.SpecSchedule), from); !got.Equal(want) {
			t.Fatalf("%q after %v = %v, want %v", spec, from, got, want)
		}
	})
}

func BenchmarkNextCron(b *testing.B) {
	for _, spec := range []string{"*/5 * * * *", "0 9 * * 1", "0 0 29 2 *"} {
		s := mustParse(b, "CRON_TZ=Europe/Berlin "+spec)
		b.Run(spec, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.next(noon)
			}
		})
	}
}
