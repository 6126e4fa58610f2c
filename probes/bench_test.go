package probes

import (
	"context"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// instant answers at once.
type instant struct{}

func (instant) Probe(_ context.Context, j Job) bellwether.Observation {
	return bellwether.Observation{Target: j.Target.ID, Trigger: j.Trigger, Outcome: bellwether.OK}
}

// BenchmarkFire is one probe coming due among a thousand jobs, sent and emitted.
func BenchmarkFire(b *testing.B) {
	var jobs []Job
	for i := range 1000 {
		j := jobsFor(b, "@every 30s", nil, "p/t")[0]
		j.Target.ID = "t" + string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676))
		j.when = j.when.spread(j.Target.ID, "capital", Place{})
		jobs = append(jobs, j)
	}
	s, err := NewScheduler(jobs, instant{}, func(bellwether.Observation) {}, SchedulerOptions{Probing: Probing{Concurrency: 1000}})
	if err != nil {
		b.Fatal(err)
	}
	s.run = context.Background()
	b.ReportAllocs()
	for b.Loop() {
		s.mu.Lock()
		at := s.due.first().at
		s.mu.Unlock()
		s.step(at)
		s.flying.Wait()
	}
}

// BenchmarkProbe is one streamed answer of five events over loopback, warm.
func BenchmarkProbe(b *testing.B) {
	j := serve(b, stream(roleEvent, token("The capital"), token(" is Paris."), stopEvent, usageEvent, "[DONE]"))
	p := newProber(b, Options{})
	b.ReportAllocs()
	for b.Loop() {
		if o := p.Probe(context.Background(), j); o.Outcome != bellwether.OK {
			b.Fatalf("%s: %s", o.Outcome, o.Error)
		}
	}
}

func BenchmarkChecks(b *testing.B) {
	checks, _ := Compile([]CheckSpec{
		{"contains": "Paris"}, {"not_contains": "sorry"}, {"equals": "The capital is Paris"}, {"regex": `(?i)\bparis\b`}, {"one_of": []any{"Paris", "The capital is Paris."}}, {"max_tokens": 8},
	})
	a := Answer{Text: "The capital is Paris.", Tokens: 5}
	b.ReportAllocs()
	for b.Loop() {
		for _, c := range checks {
			if r := c.Run(a); !r.OK {
				b.Fatal(r)
			}
		}
	}
}

func BenchmarkNext(b *testing.B) {
	for name, spec := range map[string]string{"every": "@every 30s", "cron": "CRON_TZ=Europe/Berlin */5 9-17 * * 1-5"} {
		when, at := mustParse(b, spec), time.Now()
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				at = when.next(at)
			}
		})
	}
}
