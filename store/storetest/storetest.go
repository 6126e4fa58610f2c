// Package storetest holds the laws that every store keeps, as tests. A new
// store is done when [Run] passes, and [RunDurable] too if it outlives its
// process.
package storetest

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// Store is everything that a store does. Only this suite asks for all of it.
type Store interface {
	Epoch() string
	Append(ctx context.Context, rs []bellwether.Record) error
	Known(ctx context.Context, ids []string) (map[string]bool, error)
	Records(ctx context.Context, after uint64, fn func(bellwether.Record) error) error
	LastSeq(ctx context.Context) (uint64, error)
	Observations(ctx context.Context, q bellwether.Query) ([]bellwether.Observation, string, error)
	Observation(ctx context.Context, id string) (bellwether.Observation, error)
	Rollups(ctx context.Context, q bellwether.Query) ([]bellwether.Rollup, error)
	SaveCheckpoint(ctx context.Context, seq uint64, data []byte) error
	Checkpoint(ctx context.Context) (seq uint64, data []byte, err error)
	AppendChanges(ctx context.Context, cs []bellwether.Change) error
	Changes(ctx context.Context, q bellwether.Query) ([]bellwether.Change, string, error)
	SaveWeights(ctx context.Context, w bellwether.Weights) error
	Revisions(ctx context.Context, q bellwether.Query) ([]bellwether.Weights, string, error)
	ReserveRevisions(ctx context.Context, n uint64) (first uint64, err error)
	Overrides(ctx context.Context, now time.Time) ([]bellwether.Override, error)
	SaveIncident(ctx context.Context, in bellwether.Incident, owed []bellwether.Delivery) error
	Incidents(ctx context.Context, q bellwether.Query) ([]bellwether.Incident, string, error)
	Incident(ctx context.Context, id string) (bellwether.Incident, error)
	Owed(ctx context.Context, now time.Time, limit int) ([]bellwether.Delivery, error)
	SettleDelivery(ctx context.Context, d bellwether.Delivery) error
	Deliveries(ctx context.Context, incident string) ([]bellwether.Delivery, error)
	Prune(ctx context.Context, now time.Time) (removed int, err error)
	Run(ctx context.Context) error
	Close() error
}

// Run tests the stores that open returns: each empty, with the default
// retention, and not yet running. The suite closes them. Its tests run in
// parallel.
func Run(t *testing.T, open func(t *testing.T) Store) {
	for _, law := range []struct {
		name string
		test func(*testing.T, Store)
	}{
		{"RecordsComeBackInOrder", recordsComeBackInOrder},
		{"RecordsMayBeReadWhileWriting", recordsMayBeReadWhileWriting},
		{"EveryFieldOfAnObservationSurvives", everyFieldSurvives},
		{"KnownObservationsAreIgnored", knownObservationsAreIgnored},
		{"ABatchIsKeptWholeOrNotAtAll", batchIsKeptWholeOrNotAtAll},
		{"TheLastSequenceNumberNeverFalls", lastSeqNeverFalls},
		{"ConcurrentAppendsAreAllKept", concurrentAppendsAreAllKept},
		{"ACanceledWriteWritesNothing", canceledWriteWritesNothing},
		{"EveryFilterOfObservationsCounts", everyFilterOfObservationsCounts},
		{"PagesNeitherRepeatNorSkipWhileInserting", pagesAreStable},
		{"LimitsAreKept", limitsAreKept},
		{"BadCursorsAreTheCallersFault", badCursorsAreTheCallersFault},
		{"WhatIsNotThereIsNotFound", whatIsNotThereIsNotFound},
		{"RollupsEqualARecount", rollupsEqualARecount},
		{"EveryFilterOfRollupsCounts", everyFilterOfRollupsCounts},
		{"ACheckpointReplacesTheLast", checkpointReplacesTheLast},
		{"ChangesAreKeptOnce", changesAreKeptOnce},
		{"ChangesAreListed", changesAreListed},
		{"RevisionsAreNeverGivenOutTwice", revisionsAreNeverGivenOutTwice},
		{"RevisionsAreListed", revisionsAreListed},
		{"OverridesEndWhenRemovedOrExpired", overridesEnd},
		{"IncidentsAreReplacedAndListed", incidentsAreReplacedAndListed},
		{"DeliveriesAreOwedInOrder", deliveriesAreOwedInOrder},
		{"DeliveriesAreOwedOnce", deliveriesAreOwedOnce},
		{"PruningRemovesWhatIsPastItsRetention", pruningRemoves},
		{"RunPrunesUntilItIsStopped", runPrunes},
		{"AClosedStoreSaysSo", closedStoreSaysSo},
	} {
		t.Run(law.name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			defer s.Close()
			law.test(t, s)
		})
	}
	t.Run("CursorsOfAnotherStoreAreTheCallersFault", func(t *testing.T) {
		t.Parallel()
		a, b := open(t), open(t)
		defer a.Close()
		defer b.Close()
		cursorsOfAnotherStoreAreTheCallersFault(t, a, b)
	})
	t.Run("EpochsDiffer", func(t *testing.T) {
		a, b := open(t), open(t)
		defer a.Close()
		defer b.Close()
		if a.Epoch() == "" || a.Epoch() == b.Epoch() {
			t.Errorf("Epoch() of two stores = %q and %q, want two", a.Epoch(), b.Epoch())
		}
	})
}

// noon is the time that the suite's world begins at.
var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// observation returns the i-th observation of the suite's world, one a second,
// over two targets.
func observation(i int) bellwether.Observation {
	return bellwether.Observation{
		ID: fmt.Sprintf("019353a1-0000-7000-8000-%012x", i), At: noon.Add(time.Duration(i) * time.Second),
		Source: bellwether.SourceProbe, Trigger: bellwether.TriggerSchedule, Vantage: "here",
		Target: []string{"gpt-us", "claude-us"}[i%2], Canary: "capital", Outcome: bellwether.OK, Status: 200,
		Timing: bellwether.Timing{FirstToken: 0.5 + float64(i%7)/10, InterToken: 0.02, Total: 1.5},
		Tokens: &bellwether.Tokens{Input: 20, Output: 8}, CostUSD: 0.25,
		Checks: []bellwether.CheckResult{{Name: "contains", OK: true}},
	}
}

// records returns one record for each observation, numbered from first.
func records(first uint64, os ...bellwether.Observation) []bellwether.Record {
	rs := make([]bellwether.Record, len(os))
	for i := range os {
		rs[i] = bellwether.Record{Seq: first + uint64(i), At: os[i].At.Add(time.Second), Observation: &os[i]}
	}
	return rs
}

// world returns the first n observations.
func world(n int) []bellwether.Observation {
	os := make([]bellwether.Observation, n)
	for i := range os {
		os[i] = observation(i)
	}
	return os
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// equal compares as the API shows: by JSON.
func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	g, w := text(t, got), text(t, want)
	if g != w {
		t.Errorf("%s:\n got %s\nwant %s", what, g, w)
	}
}

func text(t *testing.T, v any) string {
	t.Helper()
	if r := reflect.ValueOf(v); r.Kind() == reflect.Slice && r.Len() == 0 {
		return "[]"
	}
	b, err := json.Marshal(v)
	must(t, err)
	return string(b)
}

// all reads every page of a listing, calling between after each.
func all[T any](t *testing.T, list func(context.Context, bellwether.Query) ([]T, string, error), q bellwether.Query, between func()) []T {
	t.Helper()
	var out []T
	for range 1000 {
		page, next, err := list(t.Context(), q)
		must(t, err)
		out = append(out, page...)
		if next == "" {
			return out
		}
		q.Cursor = next
		if between != nil {
			between()
		}
	}
	t.Fatal("a listing without end")
	return nil
}

// everything returns all that the store keeps of its log, as text.
func everything(t *testing.T, s Store) []bellwether.Record {
	t.Helper()
	var rs []bellwether.Record
	must(t, s.Records(t.Context(), 0, func(r bellwether.Record) error {
		rs = append(rs, r)
		return nil
	}))
	return rs
}
