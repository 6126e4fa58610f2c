package storetest

import (
	"context"
	"errors"
	"io/fs"
	"runtime"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/store"
)

const day = 24 * time.Hour

// stock puts something of every kind into s, at a time.
func stock(t *testing.T, s Store, first uint64, at time.Time) {
	t.Helper()
	o := observation(int(first))
	o.At = at
	open, resolved := incident(0), incident(1)
	open.ID, open.OpenedAt = "open-"+o.ID, at
	resolved.ID, resolved.OpenedAt, resolved.ResolvedAt = "resolved-"+o.ID, at, at
	d := delivery(o.ID, "slack", resolved.ID, 0)
	d.CreatedAt, d.SentAt = at, at
	c := change(0)
	c.At, c.Seq = at, first
	w := weights(first)
	w.IssuedAt = at
	must(t, s.Append(t.Context(), []bellwether.Record{
		{Seq: first, At: at, Observation: &o},
		{Seq: first + 1, At: at},
		{Seq: first + 2, At: at, Override: &bellwether.Override{ID: o.ID, Target: "gpt-us", CreatedAt: at, ExpiresAt: at.Add(time.Hour)}},
	}))
	must(t, s.AppendChanges(t.Context(), []bellwether.Change{c}))
	must(t, s.SaveWeights(t.Context(), w))
	must(t, s.SaveIncident(t.Context(), open, nil))
	must(t, s.SaveIncident(t.Context(), resolved, []bellwether.Delivery{d}))
	must(t, s.SaveCheckpoint(t.Context(), first+2, []byte("state")))
}

// census counts what s keeps of each kind.
func census(t *testing.T, s Store) map[string]int {
	t.Helper()
	n := map[string]int{}
	for _, r := range everything(t, s) {
		switch {
		case r.Observation != nil:
			n["observations"]++
		case r.Override != nil:
			n["overrides"]++
		default:
			n["ticks"]++
		}
	}
	minutes, err := s.Rollups(t.Context(), bellwether.Query{Limit: -1})
	must(t, err)
	hours, err := s.Rollups(t.Context(), bellwether.Query{Limit: -1, Seconds: store.Hour})
	must(t, err)
	n["minutes"], n["hours"] = len(minutes), len(hours)
	n["changes"] = len(all(t, s.Changes, bellwether.Query{}, nil))
	n["revisions"] = len(all(t, s.Revisions, bellwether.Query{}, nil))
	for _, in := range all(t, s.Incidents, bellwether.Query{}, nil) {
		n["incidents"]++
		n["deliveries"] += len(mustDeliveries(t, s, in.ID))
	}
	return n
}

func pruningRemoves(t *testing.T, s Store) {
	now := noon
	for i, age := range []time.Duration{0, 13 * day, 15 * day, 36 * day, 401 * day} {
		stock(t, s, uint64(10*i+1), now.Add(-age))
	}
	var many []bellwether.Observation // more than one small transaction removes
	for i := range 1300 {
		o := observation(1000 + i)
		o.At = now.Add(-20 * day)
		many = append(many, o)
	}
	must(t, s.Append(t.Context(), records(1000, many...)))

	removed, err := s.Prune(t.Context(), now)
	must(t, err)
	// Of the five of each kind those of 15 days on, 36 days on or 401 days are
	// past. Open incidents stay, and the newest revision, which is the oldest in
	// time here. The many are two minutes and two hours of sums.
	equal(t, "what is left", census(t, s), map[string]int{
		"observations": 2, "ticks": 2, "minutes": 3 + 2, "hours": 4 + 2, "overrides": 4,
		"changes": 4, "revisions": 3, "incidents": 4 + 5, "deliveries": 4})
	equal(t, "removed", removed, len(many)+3+3+2+1+1+1+2+1+1)
	again, err := s.Prune(t.Context(), now)
	must(t, err)
	equal(t, "removed by pruning again", again, 0)
}

func runPrunes(t *testing.T, s Store) {
	stock(t, s, 1, time.Now().Add(-500*day))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	for tries := 0; len(everything(t, s)) > 0; tries++ { // Run prunes at once
		if tries > 1e6 {
			t.Error("Run removed nothing")
			break
		}
		runtime.Gosched()
	}
	cancel()
	must(t, <-done)
}

func closedStoreSaysSo(t *testing.T, s Store) {
	must(t, s.Append(t.Context(), records(1, world(2)...)))
	must(t, s.Close())
	must(t, s.Close())
	_, _, list := s.Observations(t.Context(), bellwether.Query{})
	_, read := s.LastSeq(t.Context())
	for call, err := range map[string]error{
		"Append":       s.Append(t.Context(), records(3, observation(3))),
		"Observations": list,
		"LastSeq":      read,
	} {
		if !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s after Close = %v, want fs.ErrClosed", call, err)
		}
	}
}

// RunDurable tests that what the stores of one folder keep outlives them. open
// opens the store of the folder, which starts empty.
func RunDurable(t *testing.T, open func(t *testing.T, folder string) Store) {
	t.Run("EverythingIsThereAfterReopening", func(t *testing.T) {
		folder := t.TempDir()
		s := open(t, folder)
		epoch := s.Epoch()
		os := odd(3, 200)
		must(t, s.Append(t.Context(), records(1000, os...)))
		stock(t, s, 1, noon)
		must(t, s.SaveIncident(t.Context(), incident(2), []bellwether.Delivery{delivery("d", "slack", "i-02", 0)}))
		first, err := s.ReserveRevisions(t.Context(), 100)
		must(t, err)
		before, log := census(t, s), everything(t, s)
		must(t, s.Close())

		s = open(t, folder)
		defer s.Close()
		equal(t, "Epoch", s.Epoch(), epoch)
		equal(t, "what is kept", census(t, s), before)
		equal(t, "Records", everything(t, s), log)
		if err := checkRollups(t, s); err != nil {
			t.Error(err)
		}
		last, err := s.LastSeq(t.Context())
		must(t, err)
		equal(t, "LastSeq", last, 1199)
		seq, data, err := s.Checkpoint(t.Context())
		must(t, err)
		equal(t, "Checkpoint", []any{seq, string(data)}, []any{3, "state"})
		equal(t, "owed", owed(t, s, 0, 10), []string{"d"})
		next, err := s.ReserveRevisions(t.Context(), 1)
		must(t, err)
		equal(t, "the next revision", next, first+100)
	})
	t.Run("AnotherFolderIsAnotherEpoch", func(t *testing.T) {
		a, b := open(t, t.TempDir()), open(t, t.TempDir())
		defer a.Close()
		defer b.Close()
		if a.Epoch() == b.Epoch() {
			t.Errorf("two stores of the epoch %s", a.Epoch())
		}
	})
}
