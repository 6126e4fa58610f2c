package router

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/api/client"
)

// server is a Follower whose server does what the test says.
type server struct {
	weights chan bellwether.Weights

	mu      sync.Mutex
	news    time.Time
	applied []uint64
	away    error // what Observe says
	refuse  func([]bellwether.Observation) error
	got     []bellwether.Observation
	batches int
}

func newServer() *server { return &server{weights: make(chan bellwether.Weights)} }

func (s *server) Watch(ctx context.Context, f func(bellwether.Weights)) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case w := <-s.weights:
			s.bookmark()
			f(w)
		}
	}
}

func (s *server) bookmark() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.news = time.Now()
}

func (s *server) News() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.news
}

func (s *server) Applied(revision uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.applied = append(s.applied, revision)
}

func (s *server) Observe(_ context.Context, obs []bellwether.Observation) (int, int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batches++
	if s.away != nil {
		return 0, 0, s.away
	}
	if s.refuse != nil {
		if err := s.refuse(obs); err != nil {
			return 0, 0, err
		}
	}
	s.got = append(s.got, obs...)
	return len(obs), 0, nil
}

func (s *server) setAway(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = err
}

func (s *server) received() []bellwether.Observation {
	s.mu.Lock()
	defer s.mu.Unlock()
	got := s.got
	s.got = nil
	return got
}

// following runs a router over tiers t0 and t1 that follows s, and returns
// it with what stops it.
func following(t *testing.T, cfg Config, s *server) (rt *Router, stop func()) {
	t.Helper()
	setup, _ := tiers(.05, 1, 1)
	for i := range setup.Targets {
		setup.Targets[i].Protocol = "openai"
	}
	rt, err := New(cfg, setup, Options{Follower: s})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- rt.Run(ctx) }()
	return rt, func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
	}
}

func (rt *Router) shareOf(id string) float64 {
	for _, e := range rt.table.Load().routes["r"].entries {
		if e.up.ID == id {
			return e.share
		}
	}
	return math.NaN()
}

func TestSilenceOfTheServerIsNeverReadAsIllness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		rt, stop := following(t, Config{}, s)
		defer stop()
		at := func(since time.Duration, wantShare, wantDrift float64, wantStale bool) {
			t.Helper()
			synctest.Wait()
			if got := rt.shareOf("t0"); math.Abs(got-wantShare) > .002 {
				t.Errorf("after %v without news the share is %v, want %v", since, got, wantShare)
			}
			w := rt.weights.Load()
			if got := rt.drift(w); math.Abs(got-wantDrift) > .002 {
				t.Errorf("after %v the drift is %v, want %v", since, got, wantDrift)
			}
			if stale := rt.silence() > seconds(w.TTL); stale != wantStale {
				t.Errorf("after %v stale = %v", since, stale)
			}
		}
		s.weights <- *published(map[string]float64{"t0": 0, "t1": 1}) // ttl 60 s, hold 900 s; base 0.95 and 0.05
		at(0, 0, 0, false)
		time.Sleep(59 * time.Second)
		at(59*time.Second, 0, 0, false)
		time.Sleep(2 * time.Second)
		at(61*time.Second, 0, 0, true)
		time.Sleep(898 * time.Second)
		at(959*time.Second, 0, 0, true)
		time.Sleep(226 * time.Second)
		at(1185*time.Second, .95*.25, .25, true)
		time.Sleep(225 * time.Second)
		at(1410*time.Second, .95*.5, .5, true)
		time.Sleep(time.Hour)
		at(time.Hour, .95, 1, true)
		s.bookmark() // the same revision stands
		time.Sleep(time.Second)
		at(0, 0, 0, false)
		if len(s.applied) != 1 || s.applied[0] != 7 {
			t.Errorf("applied %v, want the one revision once", s.applied)
		}
	})
}

func TestHostileTimesCannotBreakTheDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		rt, stop := following(t, Config{}, s)
		defer stop()
		for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), 1e300, -5} {
			w := *published(map[string]float64{"t0": .5, "t1": .5})
			w.TTL, w.Hold = v, v
			s.weights <- w
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if d := rt.drift(rt.weights.Load()); !(d >= 0 && d <= 1) {
				t.Errorf("ttl and hold of %v: drift %v", v, d)
			}
		}
	})
}

func TestRunSaysWhyFollowingIsNotPossible(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		setup, _ := tiers(0, 1)
		setup.Targets[0].Protocol = "openai"
		rt, err := New(Config{}, setup, Options{Follower: busy{newServer()}})
		if err != nil {
			t.Fatal(err)
		}
		if err := rt.Run(t.Context()); !errors.Is(err, errBusy) {
			t.Errorf("Run = %v, want the follower's own words", err)
		}
	})
}

var errBusy = errors.New("watched already")

type busy struct{ *server }

func (busy) Watch(context.Context, func(bellwether.Weights)) error { return errBusy }

// see makes rt see one plain answer of t0.
func see(rt *Router) {
	rt.recorder.add(time.Now(), sumKey{"t0", "r"}, bellwether.Price{}, bellwether.OK, seen{total: time.Second})
}

func TestReportsWaitForAServerThatIsAwayAndTheLastOneGoesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		rt, stop := following(t, Config{}, s)
		s.setAway(errors.New("connection refused"))
		time.Sleep(500 * time.Millisecond) // between two reports
		for range 10 {
			see(rt)
			time.Sleep(time.Second)
		}
		synctest.Wait()
		if got := s.received(); len(got) != 0 {
			t.Fatalf("received %d while away", len(got))
		}
		s.setAway(nil)
		time.Sleep(time.Second)
		synctest.Wait()
		got := s.received()
		ids := map[string]bool{}
		for _, o := range got {
			ids[o.ID] = true
			if o.Counts[bellwether.OK] != 1 || o.Target != "t0" || o.Route != "r" || o.Source != bellwether.SourceRouter || o.Window <= 0 || o.Window > 60 {
				t.Errorf("summary %+v", o)
			}
		}
		if len(got) != 10 || len(ids) != 10 {
			t.Errorf("received %d summaries with %d ids, want 10 each", len(got), len(ids))
		}
		time.Sleep(200 * time.Millisecond)
		see(rt)
		stop()
		if got := s.received(); len(got) != 1 {
			t.Errorf("the last report holds %d summaries, want 1", len(got))
		}
	})
}

func TestUnsentReportsAreBoundedAndTheOldestGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		rt, stop := following(t, Config{}, s)
		s.setAway(errors.New("connection refused"))
		time.Sleep(500 * time.Millisecond)
		for range maxUnsent + 500 {
			see(rt)
			time.Sleep(time.Second)
		}
		start := time.Now()
		s.setAway(nil)
		stop()
		got := s.received()
		if len(got) < maxUnsent-2 || len(got) > maxUnsent {
			t.Errorf("received %d, want %d", len(got), maxUnsent)
		}
		if dropped := rt.metrics.unreported.Get(); dropped < 499 || dropped > 503 {
			t.Errorf("%d counted as dropped, want 500", dropped)
		}
		if age := start.Sub(got[len(got)-1].At); age > 5*time.Second {
			t.Errorf("the newest is %v old: the oldest should have gone", age)
		}
	})
}

func TestOneSummaryThatTheServerRefusesDoesNotHoldUpTheOthers(t *testing.T) {
	bad := func(o bellwether.Observation) bool { return o.Target == "foreign" }
	named := func(obs []bellwether.Observation) error {
		e := &client.Error{Status: 422}
		for i, o := range obs {
			if bad(o) {
				e.Faults = append(e.Faults, client.Fault{Pointer: "/" + string(rune('0'+i)) + "/target"})
			}
		}
		if len(e.Faults) > 0 {
			return e
		}
		return nil
	}
	unnamed := func(obs []bellwether.Observation) error {
		if named(obs) != nil {
			return &client.Error{Status: 400}
		}
		return nil
	}
	tooLarge := func(obs []bellwether.Observation) error {
		if len(obs) > 1 || named(obs) != nil {
			return &client.Error{Status: 413}
		}
		return nil
	}
	for name, refuse := range map[string]func([]bellwether.Observation) error{"named": named, "unnamed": unnamed, "too large": tooLarge} {
		synctest.Test(t, func(t *testing.T) {
			s := newServer()
			s.refuse = refuse
			rt, stop := following(t, Config{}, s)
			for _, id := range []string{"t0", "foreign", "t1"} {
				for _, route := range []string{"a", "b", "c"} {
					rt.recorder.add(time.Now(), sumKey{id, route}, bellwether.Price{}, bellwether.OK, seen{total: time.Second})
				}
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if got := s.received(); len(got) != 6 || rt.metrics.rejected.Get() != 3 {
				t.Errorf("%s: received %d, rejected %d, want 6 and 3", name, len(got), rt.metrics.rejected.Get())
			}
			stop()
		})
	}
}
