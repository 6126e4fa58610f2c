package probes

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/conf"
)

// fakeSender answers after a time of each target's own, and remembers.
type fakeSender struct {
	mu     sync.Mutex
	takes  map[string]time.Duration // by target
	tokens *bellwether.Tokens
	usd    float64
	jobs   []Job
	begun  []time.Time
	now    map[string]int // in flight by provider
	most   map[string]int
}

func (f *fakeSender) Probe(ctx context.Context, j Job) bellwether.Observation {
	start := time.Now()
	f.mu.Lock()
	f.jobs, f.begun = append(f.jobs, j), append(f.begun, start)
	if f.now == nil {
		f.now, f.most = map[string]int{}, map[string]int{}
	}
	f.now[j.Target.Provider]++
	f.most[j.Target.Provider] = max(f.most[j.Target.Provider], f.now[j.Target.Provider])
	takes := f.takes[j.Target.ID]
	f.mu.Unlock()
	o := bellwether.Observation{
		At: start, Target: j.Target.ID, Canary: j.Canary.Name, Trigger: j.Trigger, Outcome: bellwether.OK, Status: 200,
		Tokens: f.tokens, CostUSD: f.usd, Reused: !j.Fresh,
	}
	if !j.Due.IsZero() {
		o.Late = start.Sub(j.Due).Seconds()
	}
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		o.Outcome = bellwether.Canceled
	}
	f.mu.Lock()
	f.now[j.Target.Provider]--
	f.mu.Unlock()
	return o
}

// book collects what a scheduler emits.
type book struct {
	mu  sync.Mutex
	all []bellwether.Observation
}

func (b *book) add(o bellwether.Observation) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all = append(b.all, o)
}

// by returns those of a trigger and target ("" means any).
func (b *book) by(trigger, target string) []bellwether.Observation {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []bellwether.Observation
	for _, o := range b.all {
		if (trigger == "" || o.Trigger == trigger) && (target == "" || o.Target == target) {
			out = append(out, o)
		}
	}
	return out
}

func outcomes(os []bellwether.Observation) map[bellwether.Outcome]int {
	m := map[bellwether.Outcome]int{}
	for _, o := range os {
		m[o.Outcome]++
	}
	return m
}

// jobsFor makes one canary's jobs for targets written as provider/id.
func jobsFor(t testing.TB, schedule string, edit func(*Canary), targets ...string) []Job {
	c := Canary{Name: "capital", Schedule: schedule, Prompt: "hi", MaxTokens: 10}
	if edit != nil {
		edit(&c)
	}
	var ts []Target
	for _, s := range targets {
		provider, id, _ := strings.Cut(s, "/")
		ts = append(ts, Target{Target: bellwether.Target{ID: id, Provider: provider, Price: bellwether.Price{Output: 1e5}}})
	}
	jobs, err := Jobs(Config{Canaries: []Canary{c}}, ts, Place{Vantage: "lab"})
	if err != nil {
		t.Fatal(err)
	}
	return jobs
}

// running starts a scheduler in the bubble and returns it with what it emits;
// stop ends it and waits.
func running(t *testing.T, jobs []Job, f *fakeSender, o SchedulerOptions) (s *Scheduler, b *book, stop func()) {
	b = &book{}
	s, err := NewScheduler(jobs, f, b.add, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	synctest.Wait()
	return s, b, func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
	}
}

func TestEveryScheduleFiresOnceAnIntervalAtItsPhase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		jobs := jobsFor(t, "@every 30s", nil, "a/one", "a/two", "b/three")
		s, b, stop := running(t, jobs, &fakeSender{}, SchedulerOptions{})
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		stop()
		for _, j := range jobs {
			os := b.by(bellwether.TriggerSchedule, j.Target.ID)
			if len(os) != 20 {
				t.Errorf("%s: %d probes in 10 min, want 20", j.Target.ID, len(os))
			}
			for _, o := range os {
				if phase := time.Duration(o.At.UnixNano()) % (30 * time.Second); phase != j.when.phase || o.Late != 0 {
					t.Fatalf("%s fired at phase %v late %v, want %v and 0", j.Target.ID, phase, o.Late, j.when.phase)
				}
			}
		}
		if st := s.Status(); st.Sent["schedule"] != 60 || st.Missed != 0 || st.InFlight != 0 {
			t.Errorf("Status = %+v", st)
		}
	})
}

func TestSlowTargetNeverDelaysAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Same provider, four slots: the slow target alone would fill them.
		var jobs []Job
		for i := range 6 {
			jobs = append(jobs, jobsFor(t, "@every 30s", func(c *Canary) { c.Name = fmt.Sprint("slow", i) }, "a/slow")...)
		}
		jobs = append(jobs, jobsFor(t, "@every 30s", nil, "a/quick", "b/other")...)
		f := &fakeSender{takes: map[string]time.Duration{"slow": 2 * time.Minute, "quick": time.Second}}
		_, b, stop := running(t, jobs, f, SchedulerOptions{Probing: Probing{Concurrency: 4}})
		time.Sleep(30 * time.Minute)
		synctest.Wait()
		stop()
		for _, target := range []string{"quick", "other"} {
			os := b.by("", target)
			if len(os) < 59 {
				t.Errorf("%s was probed %d times in 30 min, want 60", target, len(os))
			}
			for _, o := range os {
				if o.Late != 0 || o.Outcome == bellwether.Missed {
					t.Fatalf("%s: late %v, outcome %s (%s)", target, o.Late, o.Outcome, o.Error)
				}
			}
		}
		if f.most["a"] > 4 {
			t.Errorf("%d probes in flight to one provider, want at most 4", f.most["a"])
		}
		if n := outcomes(b.by("", "slow"))[bellwether.Missed]; n == 0 {
			t.Error("nothing of the slow target was missed")
		}
	})
}

func TestThirdOverlappingProbeIsMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		jobs := jobsFor(t, "@every 10s", nil, "a/hung")
		_, b, stop := running(t, jobs, &fakeSender{takes: map[string]time.Duration{"hung": 35 * time.Second}}, SchedulerOptions{})
		time.Sleep(2*time.Minute + 5*time.Second)
		synctest.Wait()
		stop()
		got := outcomes(b.by("", ""))
		if got[bellwether.Missed] == 0 || got[bellwether.OK] == 0 {
			t.Fatalf("outcomes = %v, want some ok and some missed", got)
		}
		for _, o := range b.by("", "") {
			if o.Outcome == bellwether.Missed && (!strings.Contains(o.Error, "in flight") || o.ID == "" || o.Trigger != "schedule") {
				t.Errorf("missed = %+v", o)
			}
		}
	})
}

func TestProbeWithoutSlotInTimeIsMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		jobs := jobsFor(t, "*/5 * * * *", nil, "a/one", "a/two", "a/three")
		f := &fakeSender{takes: map[string]time.Duration{"one": time.Minute, "two": time.Minute, "three": time.Minute}}
		_, b, stop := running(t, jobs, f, SchedulerOptions{Probing: Probing{Concurrency: 2}})
		time.Sleep(7 * time.Minute)
		synctest.Wait()
		stop()
		got := outcomes(b.by("", ""))
		if got[bellwether.OK] != 2 || got[bellwether.Missed] != 1 {
			t.Fatalf("outcomes = %v, want 2 ok and 1 missed", got)
		}
		for _, o := range b.by("", "") {
			if o.Outcome == bellwether.Missed && (o.Late < 30 || o.Late > 31 || !strings.Contains(o.Error, "no free slot")) {
				t.Errorf("missed = %+v", o)
			}
		}
	})
}

func TestSuspicionProbesAtOnceThenFastBesideTheSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		jobs := jobsFor(t, "@every 60s", nil, "a/ill", "a/well")
		s, b, stop := running(t, jobs, &fakeSender{}, SchedulerOptions{Probing: Probing{TargetBudget: Budget{USD: -1}}})
		began := time.Now()
		s.Suspect(bellwether.Suspicion{Target: "ill", Interval: 1})
		synctest.Wait()
		if n := len(b.by(bellwether.TriggerSuspicion, "ill")); n != 1 {
			t.Fatalf("%d probes at once, want 1", n)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		s.Suspect(bellwether.Suspicion{Target: "ill"})
		time.Sleep(4 * time.Minute)
		synctest.Wait()
		stop()
		fast := b.by(bellwether.TriggerSuspicion, "ill")
		if len(fast) != 13 { // at 0, 5, ... 60 s: the configured 5 s bounds the wanted 1 s
			t.Errorf("%d probes of suspicion in a minute, want 13", len(fast))
		}
		if last := fast[len(fast)-1].At.Sub(began); last > time.Minute {
			t.Errorf("the last one came %v after suspicion began, which ended after 1m", last)
		}
		if n := len(b.by(bellwether.TriggerSchedule, "ill")); n != 5 {
			t.Errorf("%d scheduled probes in 5 min, want 5", n)
		}
		if n := len(b.by(bellwether.TriggerSuspicion, "well")); n != 0 {
			t.Errorf("%d probes of suspicion for a target that is not suspected", n)
		}
	})
}

func TestSuspicionOfAHungTargetLeavesTheScheduleItsOwnSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		jobs := jobsFor(t, "@every 30s", nil, "a/hung")
		f := &fakeSender{takes: map[string]time.Duration{"hung": 50 * time.Second}}
		s, b, stop := running(t, jobs, f, SchedulerOptions{})
		s.Suspect(bellwether.Suspicion{Target: "hung", Interval: 5})
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		st := s.Status()
		stop()
		if n := outcomes(b.by(bellwether.TriggerSchedule, ""))[bellwether.Missed]; n != 0 {
			t.Errorf("%d scheduled probes were missed, want none", n)
		}
		if st.Skipped == 0 {
			t.Error("no probe of suspicion was skipped though two were in flight all the time")
		}
	})
}

func TestSuspicionStaysWithinItsBudgets(t *testing.T) {
	for name, c := range map[string]struct {
		target, total Budget
		tokens        *bellwether.Tokens
		usd           float64
		want          int // probes of both targets
	}{
		"probes of a target":       {target: Budget{Probes: 3}, want: 6},
		"probes in all":            {total: Budget{Probes: 5}, want: 5},
		"tokens of a target":       {target: Budget{Tokens: 100}, tokens: &bellwether.Tokens{Input: 10, Output: 10}, want: 2 * 5},
		"dollars in all":           {total: Budget{USD: 10}, tokens: &bellwether.Tokens{Output: 10}, usd: 1, want: 10},
		"held in full when unsaid": {target: Budget{Tokens: 100}, want: 2 * 5},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				jobs := jobsFor(t, "0 0 1 1 *", nil, "a/one", "b/two")
				f := &fakeSender{tokens: c.tokens, usd: c.usd}
				s, b, stop := running(t, jobs, f, SchedulerOptions{Probing: Probing{TargetBudget: c.target, TotalBudget: c.total}})
				s.Suspect(bellwether.Suspicion{Target: "one", Interval: 5})
				s.Suspect(bellwether.Suspicion{Target: "two", Interval: 5})
				time.Sleep(time.Hour)
				synctest.Wait()
				st := s.Status()
				if n := len(b.by(bellwether.TriggerSuspicion, "")); n != c.want {
					t.Errorf("%d probes of suspicion in an hour, want %d", n, c.want)
				}
				if st.Today.Unprobed == 0 || st.Today.Probes != c.want {
					t.Errorf("Status().Today = %+v", st.Today)
				}
				time.Sleep(24 * time.Hour)
				synctest.Wait()
				if n := len(b.by(bellwether.TriggerSuspicion, "")); n <= c.want {
					t.Errorf("%d probes after midnight, want more than %d", n, c.want)
				}
				stop()
			})
		})
	}
}

func TestEveryNthScheduledProbeIsFresh(t *testing.T) {
	for n, want := range map[int]int{-1: 0, 0: 6, 1: 120, 10: 12} {
		synctest.Test(t, func(t *testing.T) {
			jobs := jobsFor(t, "@every 30s", func(c *Canary) { c.ColdEvery = n }, "a/one")
			_, b, stop := running(t, jobs, &fakeSender{}, SchedulerOptions{})
			time.Sleep(time.Hour)
			synctest.Wait()
			stop()
			fresh := 0
			for _, o := range b.by("", "") {
				if !o.Reused {
					fresh++
				}
			}
			if fresh != want {
				t.Errorf("cold_every %d: %d of 120 probes were fresh, want %d", n, fresh, want)
			}
		})
	}
}

func TestReplaceKeepsPlacesInTimeAndCounters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := jobsFor(t, "@every 40s", func(c *Canary) { c.ColdEvery = 4 }, "a/stays", "a/goes")
		s, b, stop := running(t, first, &fakeSender{}, SchedulerOptions{})
		time.Sleep(120 * time.Second)
		synctest.Wait()
		if err := s.Replace(jobsFor(t, "@every 40s", func(c *Canary) { c.ColdEvery = 4 }, "a/stays", "a/new")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(40 * time.Second)
		synctest.Wait()
		stop()
		stays := b.by("", "stays")
		if len(stays) != 4 || stays[3].Reused {
			t.Errorf("stays: %d probes, the fourth reused; want 4 with the fourth fresh", len(stays))
		}
		for i := 1; i < len(stays); i++ {
			if gap := stays[i].At.Sub(stays[i-1].At); gap != 40*time.Second {
				t.Errorf("gap %v between scheduled probes, want 40s", gap)
			}
		}
		if n := len(b.by("", "goes")); n != 3 {
			t.Errorf("goes was probed %d times, want 3", n)
		}
		if n := len(b.by("", "new")); n != 1 {
			t.Errorf("new was probed %d times, want 1", n)
		}
		if err := s.Replace(append(first, first...)); err == nil {
			t.Error("Replace with a job twice = nil, want an error")
		}
	})
}

func TestRunCancelsAndEmitsWhatIsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		jobs := jobsFor(t, "@every 10s", nil, "a/hung")
		_, b, stop := running(t, jobs, &fakeSender{takes: map[string]time.Duration{"hung": time.Hour}}, SchedulerOptions{})
		time.Sleep(15 * time.Second)
		stop()
		if got := outcomes(b.by("", "")); got[bellwether.Canceled] == 0 || len(got) != 1 {
			t.Errorf("outcomes = %v, want only canceled", got)
		}
	})
}

func TestSlowEmitDelaysNoProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeSender{}
		s, err := NewScheduler(jobsFor(t, "@every 10s", nil, "a/one"), f, func(bellwether.Observation) { time.Sleep(time.Hour) }, SchedulerOptions{Probing: Probing{Concurrency: 1}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		time.Sleep(10 * time.Minute)
		f.mu.Lock()
		n := len(f.jobs)
		f.mu.Unlock()
		if n < 59 {
			t.Errorf("%d probes in 10 min, want 60", n)
		}
		cancel()
		<-done
	})
}

func TestNowWorksWithoutRunAndWaitsForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &book{}
		f := &fakeSender{takes: map[string]time.Duration{"one": time.Second, "two": 3 * time.Second, "three": time.Second}}
		s, err := NewScheduler(jobsFor(t, "@every 10s", nil, "a/one", "a/two", "a/three"), f, b.add, SchedulerOptions{Probing: Probing{Concurrency: 1}})
		if err != nil {
			t.Fatal(err)
		}
		os := s.Now(context.Background(), Filter{Targets: []string{"one", "two"}})
		if len(os) != 2 || os[0].Target != "one" || os[1].Target != "two" || os[0].Trigger != "manual" || os[0].Late != 0 {
			t.Errorf("Now = %+v", os)
		}
		if len(b.by("", "")) != 2 {
			t.Errorf("%d emitted, want 2", len(b.by("", "")))
		}
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		os = s.Now(ctx, Filter{}) // one slot: the first ends, the second is canceled, the third never sent
		if got := outcomes(os); len(os) != 2 || got[bellwether.OK] != 1 || got[bellwether.Canceled] != 1 {
			t.Errorf("Now with 2 s = %+v, want one ok and one canceled", os)
		}
		if st := s.Status(); st.InFlight != 0 || st.Waiting != 0 {
			t.Errorf("Status = %+v, want nothing left", st)
		}
	})
}

func TestWarmupSendsEachJobOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, b, stop := running(t, jobsFor(t, "@every 1h", nil, "a/one", "a/two"), &fakeSender{}, SchedulerOptions{Warmup: true})
		if n := len(b.by(bellwether.TriggerWarmup, "")); n != 2 {
			t.Errorf("%d probes at the start, want 2", n)
		}
		if err := s.Replace(jobsFor(t, "@every 1h", nil, "a/one", "a/new")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		stop()
		if n := len(b.by(bellwether.TriggerWarmup, "")); n != 3 {
			t.Errorf("%d warm-up probes after a new target came, want 3", n)
		}
	})
}

func TestClockSetBackDoesNotSilenceJobs(t *testing.T) {
	s, err := NewScheduler(jobsFor(t, "@every 30s", nil, "a/one"), &fakeSender{}, func(bellwether.Observation) {}, SchedulerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().Round(0)
	s.step(now)
	if s.due.first().at.Sub(now.Add(-24*time.Hour)) < time.Hour {
		t.Fatal("the job is not set for today")
	}
	s.step(now.Add(-24 * time.Hour))
	if wait := s.due.first().at.Sub(now.Add(-24 * time.Hour)); wait > 30*time.Second {
		t.Errorf("after the clock went back a day the job waits %v, want at most 30s", wait)
	}
}

func TestSchedulerRefusesWhatCannotWork(t *testing.T) {
	emit := func(bellwether.Observation) {}
	good := jobsFor(t, "@every 30s", nil, "a/one")
	for name, try := range map[string]func() error{
		"no sender":      func() error { _, err := NewScheduler(good, nil, emit, SchedulerOptions{}); return err },
		"no emit":        func() error { _, err := NewScheduler(good, &fakeSender{}, nil, SchedulerOptions{}); return err },
		"job by literal": func() error { _, err := NewScheduler([]Job{{}}, &fakeSender{}, emit, SchedulerOptions{}); return err },
		"bad limits": func() error {
			_, err := NewScheduler(good, &fakeSender{}, emit, SchedulerOptions{Probing: Probing{FastInterval: conf.Duration(1)}})
			return err
		},
	} {
		if err := try(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
