// Package memory keeps everything in memory: the store of tests, of replays and
// of whoever wants nothing kept. It answers exactly as the other stores do,
// looks through all that it holds for each question, and starts no goroutine.
package memory

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/store"
)

// Options says how a store is made. Its zero value works.
type Options struct {
	// Retention is for how long things are kept; zero fields mean the defaults
	// of [store.Retention].
	Retention store.Retention
}

// Store keeps everything in memory. Its methods are safe for concurrent use.
// What goes in and comes out shares maps and slices with the store: callers
// must not change them.
type Store struct {
	epoch     string
	retention store.Retention

	mu         sync.RWMutex // guards all below
	closed     bool
	records    []bellwether.Record // by sequence number
	ids        map[string]*bellwether.Observation
	last       uint64
	rollups    store.Fold
	checkpoint []byte
	seq        uint64 // of the checkpoint
	changes    []change
	revisions  []bellwether.Weights // by revision
	next       uint64               // revision to give out
	incidents  map[string]bellwether.Incident
	deliveries []bellwether.Delivery // in the order in which they were owed
	count      int64                 // of changes ever
}

type change struct {
	n int64
	bellwether.Change
}

// New returns an empty store with an epoch of its own.
func New(o Options) *Store {
	b := make([]byte, 8)
	_, _ = rand.Read(b) // never fails: it ends the program instead
	return &Store{
		epoch: hex.EncodeToString(b), retention: o.Retention.WithDefaults(), next: 1,
		ids: map[string]*bellwether.Observation{}, rollups: store.Fold{}, incidents: map[string]bellwether.Incident{},
	}
}

// Epoch returns the random id of this store's lifetime.
func (s *Store) Epoch() string { return s.epoch }

// Close forgets nothing, but every later call is [store.ErrClosed].
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

// begin checks that a call may go on; the caller holds the lock.
func (s *Store) begin(ctx context.Context) error {
	if s.closed {
		return fmt.Errorf("store: %w", store.ErrClosed)
	}
	return ctx.Err()
}

// Append keeps records, all or none. An observation whose id is known, in rs
// or from before, is ignored, as is a tick or override whose sequence number
// is. Sequence numbers start at 1; one that is taken by another observation is
// an error.
func (s *Store) Append(ctx context.Context, rs []bellwether.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return err
	}
	if err := s.check(rs); err != nil {
		return fmt.Errorf("store: append: %w", err)
	}
	for _, r := range rs {
		s.last = max(s.last, r.Seq)
		i, taken := s.place(r.Seq)
		if r.Observation != nil {
			if s.ids[r.Observation.ID] != nil {
				continue
			}
			o := *r.Observation
			o.At = utc(o.At)
			r.Observation = &o
			s.ids[o.ID] = &o
			s.rollups.Add(&o)
		} else if taken {
			continue
		}
		r.At = utc(r.At)
		s.records = slices.Insert(s.records, i, r)
	}
	return nil
}

// check refuses what Append cannot keep, before it keeps anything.
func (s *Store) check(rs []bellwether.Record) error {
	taken := map[uint64]string{}
	for i, r := range rs {
		switch {
		case r.Seq == 0:
			return fmt.Errorf("record %d of %d has the sequence number 0", i+1, len(rs))
		case r.Observation != nil && r.Observation.ID == "", r.Override != nil && r.Override.ID == "":
			return fmt.Errorf("record %d: it has no id", r.Seq)
		case r.Observation == nil || s.ids[r.Observation.ID] != nil:
			continue
		}
		id := r.Observation.ID
		if j, ok := s.place(r.Seq); ok && s.records[j].Observation != nil {
			return fmt.Errorf("record %d: that sequence number is taken by another observation", r.Seq)
		}
		if other, ok := taken[r.Seq]; ok && other != id {
			return fmt.Errorf("record %d: that sequence number is taken by another observation", r.Seq)
		}
		taken[r.Seq] = id
	}
	return nil
}

// place returns where seq stands or would stand among the records.
func (s *Store) place(seq uint64) (int, bool) {
	return slices.BinarySearchFunc(s.records, seq, func(r bellwether.Record, seq uint64) int { return cmp.Compare(r.Seq, seq) })
}

// Known returns which of ids are ids of observations that are kept.
func (s *Store) Known(ctx context.Context, ids []string) (map[string]bool, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	known := make(map[string]bool, len(ids))
	for _, id := range ids {
		if s.ids[id] != nil {
			known[id] = true
		}
	}
	return known, nil
}

// Records calls fn for every record that is kept with a sequence number above
// after, in order, until fn returns an error, which it returns as it is. fn may
// use the store.
func (s *Store) Records(ctx context.Context, after uint64, fn func(bellwether.Record) error) error {
	for {
		s.mu.RLock()
		err := s.begin(ctx)
		i, found := s.place(after)
		if found {
			i++
		}
		page := slices.Clone(s.records[i:min(i+500, len(s.records))])
		s.mu.RUnlock()
		if err != nil || len(page) == 0 {
			return err
		}
		for _, r := range page {
			if err := fn(r); err != nil {
				return err
			}
		}
		after = page[len(page)-1].Seq
	}
}

// LastSeq returns the highest sequence number that was ever appended, 0 for
// none. Pruning does not lower it.
func (s *Store) LastSeq(ctx context.Context) (uint64, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.last, s.begin(ctx)
}

// SaveCheckpoint replaces the checkpoint: the state of scoring after the
// record seq.
func (s *Store) SaveCheckpoint(ctx context.Context, seq uint64, data []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return err
	}
	s.seq, s.checkpoint = seq, append([]byte{}, data...)
	return nil
}

// Checkpoint returns the latest checkpoint; 0 and nil when there is none.
func (s *Store) Checkpoint(ctx context.Context) (seq uint64, data []byte, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.seq, slices.Clone(s.checkpoint), s.begin(ctx)
}

// ReserveRevisions reserves n revision numbers, at least one, and returns the
// first. No number is given out twice.
func (s *Store) ReserveRevisions(ctx context.Context, n uint64) (first uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	if n == 0 || n > 1<<32 {
		return 0, fmt.Errorf("store: reserve revisions: %d of them: ask for 1 to %d", n, uint64(1<<32))
	}
	s.next += n
	return s.next - n, nil
}

// Run removes what is past its retention, at once and then every hour, until
// ctx ends. It returns nil.
func (s *Store) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		if _, err := s.Prune(ctx, time.Now()); errors.Is(err, store.ErrClosed) {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// utc returns t as all stores return times: in UTC, without a monotonic
// reading.
func utc(t time.Time) time.Time { return t.UTC().Round(0) }
