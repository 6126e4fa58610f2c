package storetest

import (
	"context"
	"errors"
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
)

func recordsComeBackInOrder(t *testing.T, s Store) {
	rs := records(1, world(1200)...) // more than a store reads at once
	rs[3] = bellwether.Record{Seq: 4, At: noon}
	rs[700] = bellwether.Record{Seq: 701, At: noon, Override: &bellwether.Override{ID: "o1", Target: "gpt-us", Reason: "maintenance", CreatedAt: noon, ExpiresAt: noon.Add(time.Hour)}}
	must(t, s.Append(t.Context(), rs[600:]))
	must(t, s.Append(t.Context(), rs[:600]))
	must(t, s.Append(t.Context(), nil))
	equal(t, "Records(0)", everything(t, s), rs)

	stop := errors.New("stop")
	var got []bellwether.Record
	err := s.Records(t.Context(), 650, func(r bellwether.Record) error {
		got = append(got, r)
		if len(got) == 100 {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) {
		t.Errorf("Records = %v, want fn's own error", err)
	}
	equal(t, "Records(650), stopped after 100", got, rs[650:750])
	must(t, s.Records(t.Context(), 1<<63, func(bellwether.Record) error { return stop }))
}

func recordsMayBeReadWhileWriting(t *testing.T, s Store) {
	must(t, s.Append(t.Context(), records(1, world(3)...)))
	next := uint64(4)
	must(t, s.Records(t.Context(), 0, func(r bellwether.Record) error {
		if r.Seq > 3 {
			return nil
		}
		next++
		return s.Append(t.Context(), records(next, observation(int(next))))
	}))
	equal(t, "records after a replay that wrote", len(everything(t, s)), 6)
}

// everyFieldSurvives fills all fields by reflection, so that a field that is
// new to the noun fails here until the store keeps it.
func everyFieldSurvives(t *testing.T, s Store) {
	var o bellwether.Observation
	fill(reflect.ValueOf(&o).Elem())
	o.At = noon.Add(123456789)
	must(t, s.Append(t.Context(), records(7, o)))
	got, err := s.Observation(t.Context(), o.ID)
	must(t, err)
	equal(t, "Observation", got, o)
	list, _, err := s.Observations(t.Context(), bellwether.Query{})
	must(t, err)
	equal(t, "Observations", list, []bellwether.Observation{o})
	equal(t, "Records", everything(t, s), records(7, o))

	for i, id := range []string{"01JD2Z3K9QW8T5", "019353A1-0000-7000-8000-0000000000FF", "019353a1-0000-7000-8000-0000000000zz", "größe\n'"} {
		plain := bellwether.Observation{ID: id, At: noon, Target: "t", Vantage: "v", Source: "probe"}
		must(t, s.Append(t.Context(), records(uint64(10+i), plain)))
		got, err := s.Observation(t.Context(), id)
		must(t, err)
		equal(t, "Observation", got, plain)
	}
}

// fill sets everything that v is made of to something other than zero.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString("x")
	case reflect.Int:
		v.SetInt(3)
	case reflect.Float64:
		v.SetFloat(0.1234567890123)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint8:
		v.SetUint('b')
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0))
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key)
		fill(value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	default:
		panic("a kind of field that the suite does not know: " + v.Kind().String())
	}
}

func knownObservationsAreIgnored(t *testing.T, s Store) {
	os := world(4)
	must(t, s.Append(t.Context(), records(1, os...)))
	before, err := s.Rollups(t.Context(), bellwether.Query{})
	must(t, err)

	again := observation(1)
	again.Outcome = bellwether.ServerError
	must(t, s.Append(t.Context(), records(1, os...)))             // the same again
	must(t, s.Append(t.Context(), records(5, again, again)))      // known from before
	must(t, s.Append(t.Context(), []bellwether.Record{{Seq: 7}})) // a tick
	must(t, s.Append(t.Context(), []bellwether.Record{{Seq: 7}})) // and again
	after, err := s.Rollups(t.Context(), bellwether.Query{})
	must(t, err)
	equal(t, "rollups after known observations", after, before)
	equal(t, "records after known observations", len(everything(t, s)), 5)

	fresh := observation(9)
	must(t, s.Append(t.Context(), records(8, fresh, fresh))) // twice in one batch
	equal(t, "records after a batch with one twice", len(everything(t, s)), 6)

	known, err := s.Known(t.Context(), []string{os[0].ID, "nobody", fresh.ID, os[0].ID})
	must(t, err)
	equal(t, "Known", known, map[string]bool{os[0].ID: true, fresh.ID: true})
	var ids []string
	for i := range 1500 {
		ids = append(ids, observation(i).ID)
	}
	known, err = s.Known(t.Context(), ids)
	must(t, err)
	equal(t, "how many of many are known", len(known), 5)
}

func batchIsKeptWholeOrNotAtAll(t *testing.T, s Store) {
	must(t, s.Append(t.Context(), records(1, world(2)...)))
	nameless := observation(8)
	nameless.ID = ""
	for name, rs := range map[string][]bellwether.Record{
		"the sequence number 0":       append(records(3, observation(3)), records(0, observation(4))...),
		"a taken sequence number":     append(records(3, observation(3)), records(2, observation(4))...),
		"a sequence number two times": append(records(3, observation(3)), records(3, observation(4))...),
		"an observation without id":   append(records(3, observation(3)), records(4, nameless)...),
		"an override without id":      append(records(3, observation(3)), bellwether.Record{Seq: 4, Override: &bellwether.Override{}}),
	} {
		if err := s.Append(t.Context(), rs); err == nil {
			t.Errorf("Append with %s must be an error", name)
		}
	}
	equal(t, "records after refused batches", everything(t, s), records(1, world(2)...))
	must(t, s.Append(t.Context(), records(3, observation(3))))
	if err := checkRollups(t, s); err != nil {
		t.Error(err)
	}
}

func lastSeqNeverFalls(t *testing.T, s Store) {
	seq := func(want uint64) {
		t.Helper()
		got, err := s.LastSeq(t.Context())
		must(t, err)
		equal(t, "LastSeq", got, want)
	}
	seq(0)
	must(t, s.Append(t.Context(), records(5, observation(1))))
	seq(5)
	must(t, s.Append(t.Context(), []bellwether.Record{{Seq: 9, At: noon}}))
	must(t, s.Append(t.Context(), records(3, observation(2))))
	seq(9)
	_, err := s.Prune(t.Context(), noon.AddDate(5, 0, 0))
	must(t, err)
	equal(t, "records after pruning all", len(everything(t, s)), 0)
	seq(9)
}

func concurrentAppendsAreAllKept(t *testing.T, s Store) {
	const writers, each = 8, 25
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				n := w*each + i
				if err := s.Append(t.Context(), records(uint64(n+1), observation(n))); err != nil {
					t.Error(err)
				}
				if _, err := s.Observation(t.Context(), observation(n).ID); err != nil {
					t.Errorf("an acknowledged observation cannot be read: %v", err)
				}
			}
		})
	}
	wg.Go(func() { // one who always fails spoils nobody's write
		for range each {
			if err := s.Append(t.Context(), records(0, observation(1))); err == nil {
				t.Error("Append of the sequence number 0 must be an error")
			}
			if err := s.SettleDelivery(t.Context(), bellwether.Delivery{ID: "unknown"}); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("SettleDelivery of an unknown one = %v", err)
			}
		}
	})
	wg.Wait()
	equal(t, "records", everything(t, s), records(1, world(writers*each)...))
	if err := checkRollups(t, s); err != nil {
		t.Error(err)
	}
}

func canceledWriteWritesNothing(t *testing.T, s Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Append(ctx, records(1, world(3)...)); !errors.Is(err, context.Canceled) {
		t.Errorf("Append after cancel = %v, want context.Canceled", err)
	}
	if got := everything(t, s); len(got) != 0 {
		t.Errorf("a canceled Append kept %d records", len(got))
	}
}

func everyFilterOfObservationsCounts(t *testing.T, s Store) {
	base := world(8)
	for i, change := range []func(*bellwether.Observation){
		func(o *bellwether.Observation) { o.Target = "other" },
		func(o *bellwether.Observation) { o.Vantage = "other" },
		func(o *bellwether.Observation) { o.Canary = "other" },
		func(o *bellwether.Observation) { o.Route = "other" },
		func(o *bellwether.Observation) { o.Source = "other" },
		func(o *bellwether.Observation) { o.Outcome = bellwether.Stalled },
	} {
		change(&base[i])
	}
	must(t, s.Append(t.Context(), records(1, base...)))
	for _, c := range []struct {
		q    bellwether.Query
		want []int
	}{
		{bellwether.Query{Target: "other"}, []int{0}},
		{bellwether.Query{Vantage: "other"}, []int{1}},
		{bellwether.Query{Canary: "other"}, []int{2}},
		{bellwether.Query{Route: "other"}, []int{3}},
		{bellwether.Query{Source: "other"}, []int{4}},
		{bellwether.Query{Outcome: bellwether.Stalled}, []int{5}},
		{bellwether.Query{Outcome: bellwether.OK, Target: "claude-us", Oldest: true}, []int{1, 3, 7}},
		{bellwether.Query{Target: "other", Vantage: "other"}, nil},
		{bellwether.Query{From: base[2].At, To: base[4].At}, []int{3, 2}},
		{bellwether.Query{From: base[6].At}, []int{7, 6}},
		{bellwether.Query{To: base[2].At, Oldest: true}, []int{0, 1}},
	} {
		var want []bellwether.Observation
		for _, i := range c.want {
			want = append(want, base[i])
		}
		got, _, err := s.Observations(t.Context(), c.q)
		must(t, err)
		equal(t, "Observations("+text(t, c.q)+")", got, want)
	}
}

func pagesAreStable(t *testing.T, s Store) {
	os := world(50)
	for i := range os {
		os[i].At = noon.Add(time.Duration(i/5) * time.Second) // five at a time
	}
	must(t, s.Append(t.Context(), records(1, os...)))
	for _, oldest := range []bool{false, true} {
		inserted := 0
		got := all(t, s.Observations, bellwether.Query{Limit: 7, Oldest: oldest}, func() {
			n := 100 + inserted
			if oldest {
				n += 100
			}
			o := observation(n)
			o.At = noon.Add(-time.Hour) // before all
			if !oldest {
				o.At = noon.Add(time.Hour) // after all
			}
			must(t, s.Append(t.Context(), records(uint64(n+1), o)))
			inserted++
		})
		var ids, want []string
		for _, o := range got {
			if o.Target != "" && o.At.Before(noon.Add(time.Minute)) && !o.At.Before(noon) {
				ids = append(ids, o.ID)
			}
		}
		for _, o := range os {
			want = append(want, o.ID)
		}
		if !oldest {
			slices.Reverse(want)
		}
		equal(t, "the ids of all pages", ids, want)
	}
}

func limitsAreKept(t *testing.T, s Store) {
	must(t, s.Append(t.Context(), records(1, world(1100)...)))
	for limit, want := range map[int]int{0: 100, 1: 1, 250: 250, 1000: 1000, 5000: 1000, -1: 1100} {
		got, next, err := s.Observations(t.Context(), bellwether.Query{Limit: limit})
		must(t, err)
		if len(got) != want || (next == "") != (want == 1100) {
			t.Errorf("Limit %d: %d observations and cursor %q, want %d", limit, len(got), next, want)
		}
	}
}

// cursorsOfAnotherStoreAreTheCallersFault: a client that was pointed at another
// server must not read on from wherever the time of its cursor is there.
func cursorsOfAnotherStoreAreTheCallersFault(t *testing.T, a, b Store) {
	for _, s := range []Store{a, b} {
		must(t, s.Append(t.Context(), records(1, world(3)...)))
	}
	_, next, err := a.Observations(t.Context(), bellwether.Query{Limit: 1})
	must(t, err)
	if page, _, err := a.Observations(t.Context(), bellwether.Query{Limit: 1, Cursor: next}); err != nil || len(page) != 1 {
		t.Errorf("Observations with its own cursor = %v, %v", page, err)
	}
	_, _, err = b.Observations(t.Context(), bellwether.Query{Limit: 1, Cursor: next})
	var bad interface{ BadRequest() bool }
	if !errors.As(err, &bad) || !bad.BadRequest() || !strings.Contains(err.Error(), "another server") {
		t.Errorf("Observations with another store's cursor = %v, want the caller's fault", err)
	}
}

func badCursorsAreTheCallersFault(t *testing.T, s Store) {
	must(t, s.Append(t.Context(), records(1, world(3)...)))
	_, next, err := s.Observations(t.Context(), bellwether.Query{Limit: 1})
	must(t, err)
	fault := func(what string, err error) {
		t.Helper()
		var bad interface{ BadRequest() bool }
		if !errors.As(err, &bad) || !bad.BadRequest() {
			t.Errorf("%s = %v, want an error whose BadRequest is true", what, err)
		}
	}
	for _, cursor := range []string{"x", "????", next + "AAAAAAAAAAAAAAAA" + next, next[:len(next)-4]} {
		_, _, err := s.Observations(t.Context(), bellwether.Query{Cursor: cursor})
		if cursor == next[:len(next)-4] && err == nil {
			continue // a shorter one may still be one
		}
		if err != nil {
			fault("Observations with the cursor "+cursor, err)
		}
	}
	_, _, err = s.Observations(t.Context(), bellwether.Query{Cursor: "x"})
	fault("Observations with the cursor x", err)
	_, _, err = s.Observations(t.Context(), bellwether.Query{Cursor: next, Oldest: true})
	fault("Observations with a cursor of the other direction", err)
	_, _, err = s.Changes(t.Context(), bellwether.Query{Cursor: next})
	fault("Changes with a cursor of Observations", err)
	_, _, err = s.Revisions(t.Context(), bellwether.Query{Cursor: next})
	fault("Revisions with a cursor of Observations", err)
	_, _, err = s.Incidents(t.Context(), bellwether.Query{Cursor: next})
	fault("Incidents with a cursor of Observations", err)
}

func whatIsNotThereIsNotFound(t *testing.T, s Store) {
	_, err := s.Observation(t.Context(), "nobody")
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Observation of an unknown id = %v, want fs.ErrNotExist", err)
	}
	_, err = s.Incident(t.Context(), "nobody")
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Incident of an unknown id = %v, want fs.ErrNotExist", err)
	}
	err = s.SettleDelivery(t.Context(), bellwether.Delivery{ID: "nobody"})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("SettleDelivery of an unknown id = %v, want fs.ErrNotExist", err)
	}
}
