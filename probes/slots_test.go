package probes

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/conf"
	"github.com/bellwether-llm/bellwether/llm"
)

func TestConcurrencyIsBoundedByKeyAndByHostToo(t *testing.T) {
	for name, c := range map[string]struct {
		limits Probing
		target func(i int) Target
		want   int
	}{
		"one provider":            {Probing{Concurrency: 3, KeyConcurrency: 100, HostConcurrency: 100}, at("p", "", ""), 3},
		"one key, many providers": {Probing{Concurrency: 100, KeyConcurrency: 4, HostConcurrency: 100}, at("", "same-key", ""), 4},
		"one host, many":          {Probing{Concurrency: 100, KeyConcurrency: 100, HostConcurrency: 5}, at("", "", "https://Gateway.example:8443/v1"), 5},
		"nothing shared":          {Probing{Concurrency: 1, KeyConcurrency: 1, HostConcurrency: 1}, at("", "", ""), 12},
		"no key, no host":         {Probing{Concurrency: 2, KeyConcurrency: 1, HostConcurrency: 1}, func(i int) Target { return at("", "", "-")(i) }, 12},
		"defaults":                {Probing{Concurrency: 2}, at("", "same-key", ""), 2},
		"host by default":         {Probing{Concurrency: 2}, at("", "", "http://gateway/v1"), 8},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var ts []Target
				for i := range 12 {
					ts = append(ts, c.target(i))
				}
				jobs, err := Jobs(Config{Canaries: []Canary{{Name: "c", Schedule: "CRON_TZ=UTC */5 * * * *", Prompt: "hi"}}}, ts, Place{Vantage: "lab"})
				if err != nil {
					t.Fatal(err)
				}
				f := &fakeSender{takes: map[string]time.Duration{}}
				for _, x := range ts {
					f.takes[x.ID] = time.Minute
				}
				s, _, stop := running(t, jobs, f, SchedulerOptions{Probing: c.limits})
				time.Sleep(5*time.Minute + time.Second)
				synctest.Wait()
				if n := s.Status().InFlight; n != c.want {
					t.Errorf("%d in flight, want %d", n, c.want)
				}
				stop()
				if s.slots.all != (lane{targets: 12}) {
					t.Errorf("slots after the end: %+v, want none taken", s.slots.all)
				}
			})
		})
	}
}

// at makes targets that share the provider, key and base URL given, and have
// one of their own of each that is empty; a base of "-" is none and no key.
func at(provider, key, base string) func(i int) Target {
	return func(i int) Target {
		own := func(s, format string) string { return or(s, fmt.Sprintf(format, i)) }
		t := Target{Target: bellwether.Target{ID: fmt.Sprint("t", i), Provider: own(provider, "p%d")}}
		if base != "-" {
			t.Endpoint = llm.Endpoint{BaseURL: own(base, "http://h%d/v1"), Key: conf.Secret(own(key, "key-%d"))}
		}
		return t
	}
}

// A new key moves a target to another lane while its probes fly in the old one.
func TestReplaceWhileProbesFlyLosesNoSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		jobs := func(key conf.Secret) []Job {
			x := at("p", "", "")(1)
			x.Endpoint.Key = key
			js, err := Jobs(Config{Canaries: []Canary{{Name: "c", Schedule: "@every 10s", Prompt: "hi"}}}, []Target{x}, Place{Vantage: "lab"})
			if err != nil {
				t.Fatal(err)
			}
			return js
		}
		f := &fakeSender{takes: map[string]time.Duration{"t1": 7 * time.Second}}
		s, b, stop := running(t, jobs("first-key"), f, SchedulerOptions{Probing: Probing{Concurrency: 2}})
		for i := range 40 {
			time.Sleep(3100 * time.Millisecond)
			if err := s.Replace(jobs(conf.Secret(fmt.Sprint("key-", i)))); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		stop()
		if n := outcomes(b.by("", ""))[bellwether.Missed]; n != 0 || s.slots.all.flying != 0 || s.slots.all.busy != 0 {
			t.Errorf("%d missed, slots %+v", n, s.slots.all)
		}
		for key, l := range s.slots.lanes {
			if l.flying != 0 || l.busy != 0 {
				t.Errorf("lane %v: %+v, want nothing in flight", key, *l)
			}
		}
	})
}
