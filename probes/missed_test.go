package probes

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellwether-llm/bellwether"
)

func TestHostThatSleptTellsOfEveryTimeItMissed(t *testing.T) {
	for name, c := range map[string]struct {
		schedule string
		slept    time.Duration
		told     int    // observations
		missed   uint64 // times
		last     string
	}{
		"a short sleep":      {"@every 30s", 2 * time.Minute, 5, 5, "late"},
		"a long sleep":       {"@every 30s", 8*time.Hour - 1, 10, 960, "950 times after"},
		"a long one on cron": {"CRON_TZ=UTC */5 * * * *", 8*time.Hour - 1, 10, 96, "86 times after"},
		"days on end":        {"@every 1h", 72*time.Hour - 1, 10, 72, "62 times after"},
		"one time only":      {"@every 1h", 59 * time.Minute, 1, 1, "late"},
	} {
		b := &book{}
		s, err := NewScheduler(jobsFor(t, c.schedule, nil, "a/one"), &fakeSender{}, b.add, SchedulerOptions{})
		if err != nil {
			t.Fatal(err)
		}
		s.flying.Wait()
		woken := s.due.first().at.Add(c.slept)
		s.step(woken)
		s.flying.Wait()
		os := b.by("", "")
		told := outcomes(os)[bellwether.Missed]
		if told != c.told || len(os) != told || s.counts.missed != c.missed {
			t.Errorf("%s: %d observations, %d missed of %d times; want %d of %d", name, len(os), told, s.counts.missed, c.told, c.missed)
		}
		latest, dues := os[0], map[int64]bool{}
		for _, o := range os {
			dues[o.At.UnixNano()] = true
			if o.At.After(latest.At) {
				latest = o
			}
		}
		if len(dues) != c.told || !strings.Contains(latest.Error, c.last) {
			t.Errorf("%s: %d due times told, the last says %q; want %d and %q", name, len(dues), latest.Error, c.told, c.last)
		}
		if next := s.due.first().at; !next.After(woken) {
			t.Errorf("%s: next = %v, want after %v", name, next, woken)
		}
	}
}

func TestProbeThatWaitsForATargetTakenAwayIsMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		jobs := jobsFor(t, "*/5 * * * *", nil, "a/one", "a/two", "a/three")
		f := &fakeSender{takes: map[string]time.Duration{"one": time.Minute, "two": time.Minute, "three": time.Minute}}
		s, b, stop := running(t, jobs, f, SchedulerOptions{Probing: Probing{Concurrency: 2}})
		time.Sleep(5*time.Minute + time.Second)
		synctest.Wait()
		if err := s.Replace(nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		stop()
		os := b.by("", "")
		if n := outcomes(os)[bellwether.Missed]; len(os) != 3 || n != 1 {
			t.Errorf("%d observations, %d missed; want 3 and 1", len(os), n)
		}
	})
}

func TestMissedProbeIsNeverLaterThanAServerTakes(t *testing.T) {
	b := &book{}
	jobs := jobsFor(t, "@every 1h", nil, "a/one")
	s, err := NewScheduler(jobs, &fakeSender{}, b.add, SchedulerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	j := jobs[0]
	j.Due = time.Now().Add(-72 * time.Hour)
	s.miss(j, "asleep")
	s.flying.Wait()
	if os := b.by("", ""); len(os) != 1 || os[0].Late != mostLate.Seconds() {
		t.Errorf("observations = %+v, want one that is late by a day", os)
	}
}
