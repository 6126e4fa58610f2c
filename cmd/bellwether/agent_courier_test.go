package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/api/client"
	"github.com/bellwether-llm/bellwether/probes/spool"
)

// counter is a server that counts what it gets.
type counter struct {
	mu    sync.Mutex
	got   map[string]int
	times map[string]time.Time
	fail  func([]bellwether.Observation) error // asked before anything is taken
}

func (c *counter) Observe(_ context.Context, obs []bellwether.Observation) (accepted, duplicates int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fail != nil {
		if err := c.fail(obs); err != nil {
			return 0, 0, err
		}
	}
	if c.got == nil {
		c.got, c.times = map[string]int{}, map[string]time.Time{}
	}
	for _, o := range obs {
		c.got[o.ID]++
		c.times[o.ID] = o.At
	}
	return len(obs), 0, nil
}

func (c *counter) set(fail func([]bellwether.Observation) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fail = fail
}

func (c *counter) want(t *testing.T, ids ...string) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range ids {
		if c.got[id] != 1 {
			t.Errorf("%s arrived %d times, want once", id, c.got[id])
		}
	}
	if len(c.got) != len(ids) {
		t.Errorf("%d observations arrived, want %d", len(c.got), len(ids))
	}
}

// inBubble runs a courier to c in a bubble of its own.
func inBubble(t *testing.T, c *counter, test func(t *testing.T, co *courier)) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, err := spool.Open(dir, spool.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		co := &courier{spool: s, to: c, clock: &agentClock{}, log: slog.New(slog.DiscardHandler)}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- co.Run(ctx) }()
		test(t, co)
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
}

func named(ids ...string) (obs []bellwether.Observation) {
	for _, id := range ids {
		obs = append(obs, bellwether.Observation{ID: id, At: time.Now()})
	}
	return obs
}

func observeAll(c *courier, obs []bellwether.Observation) {
	for _, o := range obs {
		c.Observed(o)
	}
}

func TestTheCourierWaitsForAServerThatIsAway(t *testing.T) {
	server := &counter{fail: func([]bellwether.Observation) error { return errors.New("connection refused") }}
	inBubble(t, server, func(t *testing.T, c *courier) {
		observeAll(c, named("a", "b"))
		time.Sleep(time.Hour)
		if n := c.spool.Stats().Records; n != 2 {
			t.Errorf("%d records wait, want 2", n)
		}
		server.set(nil)
		time.Sleep(courierMost)
		synctest.Wait()
		server.want(t, "a", "b")
		c.Observed(named("c")[0])
		synctest.Wait() // at once
		server.want(t, "a", "b", "c")
	})
}

func TestWhatTheServerNeverTakesDoesNotHoldUpTheRest(t *testing.T) {
	for name, refuse := range map[string]func(i int) error{
		"it names them": func(i int) error {
			return fmt.Errorf("observe: %w", &client.Error{Status: 422, Faults: []client.Fault{{Pointer: fmt.Sprintf("/%d/target", i)}}})
		},
		"it does not": func(int) error { return &client.Error{Status: 400} },
		"it names something": func(int) error {
			return &client.Error{Status: 422, Faults: []client.Fault{{Pointer: "/x"}, {Pointer: "/999"}}}
		},
		"they are too long": func(int) error { return &client.Error{Status: 413} },
	} {
		t.Run(name, func(t *testing.T) {
			server := &counter{fail: func(obs []bellwether.Observation) error {
				if i := slices.IndexFunc(obs, func(o bellwether.Observation) bool { return o.ID == "bad" || o.ID == "worse" }); i >= 0 {
					return refuse(i)
				}
				return nil
			}}
			inBubble(t, server, func(t *testing.T, c *courier) {
				observeAll(c, named("a", "bad", "b", "c", "worse"))
				time.Sleep(time.Minute)
				server.want(t, "a", "b", "c")
				if n := c.refused.Load(); n != 2 {
					t.Errorf("%d were given up, want 2", n)
				}
				if st := c.spool.Stats(); st.Records != 0 {
					t.Errorf("%d records wait", st.Records)
				}
			})
		})
	}
}

func TestATokenThatIsRefusedLosesNothing(t *testing.T) {
	server := &counter{fail: func([]bellwether.Observation) error { return &client.Error{Status: 401} }}
	inBubble(t, server, func(t *testing.T, c *courier) {
		observeAll(c, named("a"))
		time.Sleep(time.Hour)
		if c.refused.Load() != 0 || c.spool.Stats().Records != 1 {
			t.Error("an observation was given up because of a token")
		}
		server.set(nil)
	}) // the end tries once more
	server.want(t, "a")
}

func TestWrongClocksAreCorrectedAndMarked(t *testing.T) {
	server := &counter{fail: func([]bellwether.Observation) error { return errors.New("away") }}
	inBubble(t, server, func(t *testing.T, c *courier) {
		at := time.Now()
		o := named("before anything is known", "while it was wrong", "when it was right", "a little off")
		for i := range o {
			o[i].At = at
		}
		c.Observed(o[0])
		c.clock.add(client.Clock{Offset: -90, Error: 0.01})
		c.Observed(o[1])
		c.clock.add(client.Clock{Offset: 0.001, Error: 0.01}) // stepped
		c.Observed(o[2])
		c.clock.add(client.Clock{Offset: 1.5, Error: 0.01})
		c.Observed(o[3])
		c.clock.add(client.Clock{Offset: 3600, Error: 0.01})
		server.set(func(obs []bellwether.Observation) error {
			want := map[string]float64{o[0].ID: 3600, o[1].ID: -90}
			for _, got := range obs {
				if got.Signals[clockOffset] != want[got.ID] {
					t.Errorf("%s is marked with %v, want %v", got.ID, got.Signals, want[got.ID])
				}
			}
			return nil
		})
		time.Sleep(courierMost)
		synctest.Wait()
		for i, want := range []time.Duration{-time.Hour, 90 * time.Second, 0, 0} {
			if got := server.times[o[i].ID].Sub(at); got != want {
				t.Errorf("the time of %q is moved by %v, want %v", o[i].ID, got, want)
			}
		}
	})
}

func TestTheBestMeasurementOfTheClockIsBelieved(t *testing.T) {
	c := &agentClock{}
	if _, known := c.now(); known {
		t.Error("a clock is known before it was measured")
	}
	for _, s := range []client.Clock{{Offset: 0.30, Error: 0.4}, {Offset: 0.10, Error: 0.01}, {Offset: 0.2, Error: 0.2}} {
		c.add(s)
	}
	if got, _ := c.now(); got.Offset != 0.10 {
		t.Errorf("the offset is %v, want that of the quickest exchange", got)
	}
	c.add(client.Clock{Offset: -5, Error: 0.3})
	if got, _ := c.now(); got.Offset != -5 {
		t.Errorf("after a step the offset is %v, want the new one", got)
	}
	for range 20 {
		c.add(client.Clock{Offset: -5, Error: 0.4})
	}
	if len(c.samples) != clockSamples {
		t.Errorf("%d samples are kept", len(c.samples))
	}
}
