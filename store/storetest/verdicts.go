package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
)

func checkpointReplacesTheLast(t *testing.T, s Store) {
	seq, data, err := s.Checkpoint(t.Context())
	must(t, err)
	if seq != 0 || data != nil {
		t.Errorf("Checkpoint of an empty store = %d, %q, want 0, nil", seq, data)
	}
	for i, want := range []string{"one", "two", "\x00\xff"} {
		must(t, s.SaveCheckpoint(t.Context(), uint64(i+5), []byte(want)))
		seq, data, err := s.Checkpoint(t.Context())
		must(t, err)
		if seq != uint64(i+5) || string(data) != want {
			t.Errorf("Checkpoint = %d, %q, want %d, %q", seq, data, i+5, want)
		}
	}
}

func change(i int) bellwether.Change {
	return bellwether.Change{
		At: noon.Add(time.Duration(i) * time.Minute), Seq: uint64(i + 1), Target: []string{"gpt-us", "claude-us"}[i%2],
		From: bellwether.Healthy, To: []bellwether.State{bellwether.Degraded, bellwether.Down, bellwether.Recovering}[i%3],
		Cause: bellwether.CauseRegion, Score: 55, Weight: 0.4, Since: noon,
		Reasons: []bellwether.Reason{{Signal: bellwether.FirstToken, Code: "first_token_slow", Text: "first token p95 4.1 s", Evidence: 17.2}},
	}
}

func changes(n int) []bellwether.Change {
	cs := make([]bellwether.Change, n)
	for i := range cs {
		cs[i] = change(i)
	}
	return cs
}

func changesAreKeptOnce(t *testing.T, s Store) {
	cs := changes(4)
	must(t, s.AppendChanges(t.Context(), cs[:3]))
	must(t, s.AppendChanges(t.Context(), cs)) // a replay after a crash
	must(t, s.AppendChanges(t.Context(), nil))
	same := cs[3]
	same.Target = "other" // one record, two targets
	must(t, s.AppendChanges(t.Context(), []bellwether.Change{same}))
	got := all(t, s.Changes, bellwether.Query{Oldest: true}, nil)
	equal(t, "Changes", got, append(cs, same))
	free := bellwether.Change{At: noon.Add(time.Hour), Target: "gpt-us"} // by no record
	must(t, s.AppendChanges(t.Context(), []bellwether.Change{free, free}))
	equal(t, "changes with two that no record brought", len(all(t, s.Changes, bellwether.Query{}, nil)), 7)
}

func changesAreListed(t *testing.T, s Store) {
	cs := changes(12)
	must(t, s.AppendChanges(t.Context(), cs))
	pick := func(is ...int) (out []bellwether.Change) {
		for _, i := range is {
			out = append(out, cs[i])
		}
		return out
	}
	for _, c := range []struct {
		q    bellwether.Query
		want []bellwether.Change
	}{
		{bellwether.Query{}, pick(11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)},
		{bellwether.Query{Oldest: true}, cs},
		{bellwether.Query{Target: "claude-us"}, pick(11, 9, 7, 5, 3, 1)},
		{bellwether.Query{State: "down"}, pick(10, 7, 4, 1)},
		{bellwether.Query{From: cs[3].At, To: cs[5].At}, pick(4, 3)},
	} {
		c.q.Limit = 2
		equal(t, "Changes("+text(t, c.q)+")", all(t, s.Changes, c.q, nil), c.want)
	}
}

func revisionsAreNeverGivenOutTwice(t *testing.T, s Store) {
	first, err := s.ReserveRevisions(t.Context(), 10)
	must(t, err)
	equal(t, "the first revision ever", first, 1)
	if _, err := s.ReserveRevisions(t.Context(), 0); err == nil {
		t.Error("ReserveRevisions(0) must be an error")
	}
	var mu sync.Mutex
	seen := map[uint64]bool{}
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			for n := range uint64(10) {
				first, err := s.ReserveRevisions(t.Context(), n+1)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				for r := first; r < first+n+1; r++ {
					if seen[r] || r < 11 {
						t.Errorf("revision %d was given out twice", r)
					}
					seen[r] = true
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

func weights(revision uint64) bellwether.Weights {
	route := fmt.Sprintf("route-%d", revision%2)
	return bellwether.Weights{
		Epoch: "e", Revision: revision, IssuedAt: noon.Add(time.Duration(revision) * time.Second), TTL: 60, Hold: 900,
		Routes: map[string]bellwether.RouteWeights{route: {Mode: bellwether.ModeNormal, Targets: []bellwether.TargetWeight{
			{Target: fmt.Sprintf("target-%d", revision%3), Weight: 0.4, Share: 1, BaseWeight: 1, State: bellwether.Degraded, Reasons: []bellwether.Reason{}},
		}}},
	}
}

func revisionsAreListed(t *testing.T, s Store) {
	var ws []bellwether.Weights
	for i := range uint64(12) {
		ws = append(ws, weights(i+1))
		must(t, s.SaveWeights(t.Context(), ws[i]))
	}
	again := weights(5)
	again.TTL = 1
	must(t, s.SaveWeights(t.Context(), again)) // what is published stands
	pick := func(revisions ...int) (out []bellwether.Weights) {
		for _, r := range revisions {
			out = append(out, ws[r-1])
		}
		return out
	}
	for _, c := range []struct {
		q    bellwether.Query
		want []bellwether.Weights
	}{
		{bellwether.Query{}, pick(12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1)},
		{bellwether.Query{Oldest: true}, ws},
		{bellwether.Query{Route: "route-1"}, pick(11, 9, 7, 5, 3, 1)},
		{bellwether.Query{Target: "target-2"}, pick(11, 8, 5, 2)},
		{bellwether.Query{Target: "target-2", Route: "route-1"}, pick(11, 5)},
		{bellwether.Query{From: ws[3].IssuedAt, To: ws[5].IssuedAt}, pick(5, 4)},
	} {
		c.q.Limit = 2
		equal(t, "Revisions("+text(t, c.q)+")", all(t, s.Revisions, c.q, nil), c.want)
	}
}

func overridesEnd(t *testing.T, s Store) {
	override := func(id string, expires time.Duration, removed bool) *bellwether.Override {
		return &bellwether.Override{ID: id, Target: "gpt-us", Weight: 0.5, Reason: "because", By: "ada", CreatedAt: noon, ExpiresAt: noon.Add(expires), Removed: removed}
	}
	must(t, s.Append(t.Context(), []bellwether.Record{
		{Seq: 1, At: noon, Override: override("long", 3*time.Hour, false)},
		{Seq: 2, At: noon, Override: override("short", time.Hour, false)},
		{Seq: 3, At: noon, Override: override("removed", 3*time.Hour, false)},
		{Seq: 4, At: noon, Override: override("removed", 3*time.Hour, true)},
		{Seq: 5, At: noon, Override: override("cut", 3*time.Hour, false)},
		{Seq: 6, At: noon, Override: override("cut", time.Hour, false)},
	}))
	for after, want := range map[time.Duration][]*bellwether.Override{
		0:               {override("long", 3*time.Hour, false), override("short", time.Hour, false), override("cut", time.Hour, false)},
		time.Hour:       {override("long", 3*time.Hour, false)},
		3 * time.Hour:   nil,
		200 * time.Hour: nil,
	} {
		got, err := s.Overrides(t.Context(), noon.Add(after))
		must(t, err)
		equal(t, fmt.Sprintf("Overrides after %v", after), got, want)
	}
}
