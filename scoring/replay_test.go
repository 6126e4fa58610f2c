package scoring_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/scoring"
)

// eventful records half an hour with every kind of trouble in it.
func eventful(t testing.TB) *world {
	w := newWorld(t, 5*time.Second, nil)
	w.vantages, w.canaries = []string{"home", "away"}, []string{"capital", "story"}
	w.keep = true
	w.run(25 * time.Minute)
	for _, f := range []fault{
		only(us, func(o *bellwether.Observation) { fails(o, bellwether.ServerError, 500) }),
		only("nobody", nil),
		func(w *world, tgt bellwether.Target, o *bellwether.Observation) {
			if tgt.Region == "eu" {
				slower(o, 3, 2)
			}
		},
		only("gemini-us", func(o *bellwether.Observation) { o.Outcome = bellwether.Refusal }),
		func(_ *world, _ bellwether.Target, o *bellwether.Observation) {
			fails(o, bellwether.ConnectError, 0)
		},
		only("anthropic-us", func(o *bellwether.Observation) { fails(o, bellwether.NoCredit, 402) }),
		only("anthropic-eu", func(o *bellwether.Observation) { fails(o, bellwether.RateLimited, 429) }),
		only("gemini-eu", func(o *bellwether.Observation) { o.Tokens.Output *= 3 }),
		only("nobody", nil),
	} {
		w.fault = f
		w.fold(bellwether.Record{At: w.now, Override: &bellwether.Override{ID: w.now.String(), Target: "gemini-us", Weight: .5, CreatedAt: w.now, ExpiresAt: w.now.Add(20 * time.Second)}})
		w.run(45 * time.Second)
		w.fold(bellwether.Record{At: w.now, Observation: &bellwether.Observation{
			ID: "r" + w.now.String(), At: w.now.Add(-time.Second), Source: bellwether.SourceRouter, Vantage: "router-1", Target: us, Route: "chat",
			Window: 1, Counts: map[bellwether.Outcome]int{bellwether.OK: 20, bellwether.ServerError: 3, bellwether.Truncated: 2, bellwether.RateLimited: 1},
		}})
	}
	return w
}

// told is everything an engine said about the records, as bytes.
func told(t testing.TB, e *scoring.Engine, records []bellwether.Record) []byte {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	for _, r := range records {
		res := e.Fold(r)
		if res.Changes != nil || res.Suspicions != nil || res.Routes != nil {
			if err := enc.Encode(res); err != nil {
				t.Fatal(err)
			}
		}
	}
	return out.Bytes()
}

// final is everything that is thought in the end, as bytes.
func final(t testing.TB, e *scoring.Engine) []byte {
	b, err := json.Marshal([]any{e.Assessments(), e.Routes()})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReplayAndCheckpointsChangeNothing(t *testing.T) {
	t.Parallel()
	w := eventful(t)
	live := w.fresh()
	want := told(t, live, w.records)
	if len(want) < 10000 {
		t.Fatalf("only %d bytes were said of %d records", len(want), len(w.records))
	}
	again := w.fresh()
	if got := told(t, again, w.records); !bytes.Equal(got, want) {
		t.Error("a replay says something else")
	}
	if !bytes.Equal(final(t, again), final(t, w.engine)) {
		t.Error("a replay ends with something else than what was live")
	}
	rng := rand.New(rand.NewPCG(3, 5))
	for range 4 {
		cut := rng.IntN(len(w.records))
		one := w.fresh()
		got := told(t, one, w.records[:cut])
		cp, err := one.Checkpoint()
		if err != nil {
			t.Fatal(err)
		}
		two := w.fresh()
		if err := two.Restore(cp); err != nil {
			t.Fatal(err)
		}
		if cp2, _ := two.Checkpoint(); !bytes.Equal(cp, cp2) {
			t.Fatal("a restored engine checkpoints differently")
		}
		if got = append(got, told(t, two, w.records[cut:])...); !bytes.Equal(got, want) {
			t.Fatalf("restored after %d records, the rest says something else", cut)
		}
		if !bytes.Equal(final(t, two), final(t, live)) {
			t.Fatal("restored, the end is another")
		}
	}
}

var update = flag.Bool("update", false, "rewrite golden files")

// TestTheGoldenReplaySaysWhatItSaid keeps every word of a known half hour. A
// change of it is a change of behaviour, to be looked at line by line.
func TestTheGoldenReplaySaysWhatItSaid(t *testing.T) {
	t.Parallel()
	const name = "testdata/eventful.golden"
	var got bytes.Buffer
	for _, c := range eventful(t).changes {
		fmt.Fprintf(&got, "%s %s %s -> %s", c.At.Format("15:04:05"), c.Target, c.From, c.To)
		if c.Cause != "" {
			fmt.Fprintf(&got, " (%s)", c.Cause)
		}
		fmt.Fprintf(&got, " weight %v score %v\n", c.Weight, c.Score)
		for _, r := range c.Reasons {
			fmt.Fprintf(&got, "    %s: %s [%v]\n", r.Code, r.Text, r.Evidence)
		}
	}
	if *update {
		if err := os.WriteFile(name, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("the replay differs from %s (rewrite it with -update):\n%s", name, got.Bytes())
	}
}

func TestRestoreFollowsTheConfig(t *testing.T) {
	t.Parallel()
	w := warm(t, 5*time.Second, nil)
	cp, err := w.engine.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	c := w.config
	c.Targets = append([]bellwether.Target{{ID: "new", Provider: "mistral", Model: "m", Region: "eu"}}, c.Targets[1:]...)
	c.Routes = []bellwether.Route{{Name: "other", Tiers: [][]bellwether.TierTarget{tier("new"), tier("gemini-us")}}}
	e, err := scoring.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Restore(cp); err != nil {
		t.Fatal(err)
	}
	if _, ok := e.Assess(us); ok {
		t.Error("a target that is gone came back")
	}
	kept, _ := e.Assess("gemini-us")
	fresh, _ := e.Assess("new")
	if kept.State != bellwether.Healthy || fresh.State != bellwether.Unknown || len(e.Routes()["other"].Targets) != 2 {
		t.Errorf("kept %s, new %s, routes %+v", kept.State, fresh.State, e.Routes())
	}
}

func TestADamagedCheckpointIsRefusedAndChangesNothing(t *testing.T) {
	t.Parallel()
	w := eventful(t)
	cp, err := w.engine.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	before := final(t, w.engine)
	for _, bad := range [][]byte{nil, {}, cp[:len(cp)/2], append([]byte{1}, cp...), append(bytes.Clone(cp), 0), []byte("bellwether.scoring.0")} {
		if err := w.engine.Restore(bad); err == nil {
			t.Errorf("Restore of %d damaged bytes gave no error", len(bad))
		}
	}
	if !bytes.Equal(before, final(t, w.engine)) {
		t.Error("a refused checkpoint changed the engine")
	}
}

func TestAssessmentsAreCopies(t *testing.T) {
	t.Parallel()
	w := warm(t, 5*time.Second, nil)
	a := w.assess(us)
	if len(a.Evidence) == 0 || len(a.Usual) < 4 {
		t.Fatalf("assessment of a warm target: %+v", a)
	}
	b := w.assess(us)
	a.Evidence[0].Nats, a.Usual[0].Median = -1, -1
	if !reflect.DeepEqual(b, w.assess(us)) {
		t.Error("changing a copy changed the engine")
	}
}

func FuzzRestore(f *testing.F) {
	w := newWorld(f, 5*time.Second, func(c *scoring.Config) {
		c.Targets = c.Targets[:1]
		c.Routes = c.Routes[1:]
	})
	w.run(4 * time.Minute)
	cp, err := w.engine.Checkpoint()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(cp)
	f.Add(cp[:len(cp)/3])
	f.Add([]byte("bellwether.scoring.2"))
	tail := w.healthy(w.config.Targets[0])
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := scoring.New(w.config)
		if err != nil {
			t.Fatal(err)
		}
		if e.Restore(data) != nil {
			return
		}
		// Whatever was accepted must be fit to go on with.
		e.Fold(bellwether.Record{Seq: 1, At: w.now, Observation: tail})
		e.Fold(bellwether.Record{Seq: 2, At: w.now.Add(time.Minute)})
		checkRoutes(t, e.Routes())
		if _, err := e.Checkpoint(); err != nil {
			t.Fatal(err)
		}
	})
}
