package main

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// Limits of the journal.
const (
	journalDepth   = 1 << 14 // entries waiting for the disk
	journalRecords = 1 << 17 // records in them; what is more than either is dropped, and counted
	journalBatch   = 2000    // records in one write
	journalRetries = 5
)

// recordStore is the part of a store that the journal writes to.
type recordStore interface {
	Append(ctx context.Context, records []bellwether.Record) error
	Known(ctx context.Context, ids []string) (map[string]bool, error)
	AppendChanges(ctx context.Context, changes []bellwether.Change) error
	SaveWeights(ctx context.Context, w bellwether.Weights) error
	SaveCheckpoint(ctx context.Context, seq uint64, data []byte) error
}

// journal writes what the pipeline decided to the store, in order, without
// ever making the pipeline wait. Run owns the writing.
type journal struct {
	store recordStore
	log   *slog.Logger
	queue chan entry

	waiting atomic.Int64 // records in the queue
	lost    atomic.Int64 // records that could not be kept
	saving  atomic.Bool  // a checkpoint is in the queue
	refused bool         // the last write failed; owned by Run
}

// entry is one thing to keep; one of its fields is set.
type entry struct {
	records    []bellwether.Record
	durable    chan<- error
	change     *bellwether.Change
	weights    *bellwether.Weights
	checkpoint []byte
	seq        uint64
}

func newJournal(st recordStore, log *slog.Logger) *journal {
	return &journal{store: st, log: log, queue: make(chan entry, journalDepth)}
}

func (j *journal) write(records []bellwether.Record, durable chan<- error) {
	j.offer(entry{records: records, durable: durable}, len(records))
}
func (j *journal) change(c bellwether.Change)   { j.offer(entry{change: &c}, 1) }
func (j *journal) weights(w bellwether.Weights) { j.offer(entry{weights: &w}, 0) }

// checkpoint keeps the engine's state after the record seq, unless an earlier
// one still waits: they are large, and a restart replays what is missing.
func (j *journal) checkpoint(seq uint64, data []byte) {
	if j.saving.CompareAndSwap(false, true) && !j.offer(entry{seq: seq, checkpoint: data}, 0) {
		j.saving.Store(false)
	}
}

// offer queues an entry, or counts it as lost when the disk is too far behind;
// it reports which.
func (j *journal) offer(e entry, records int) bool {
	n := int64(len(e.records))
	if j.waiting.Add(n) <= journalRecords {
		select {
		case j.queue <- e:
			return true
		default:
		}
	}
	j.waiting.Add(-n)
	j.lost.Add(int64(records))
	if e.durable != nil {
		e.durable <- errBehind
	}
	return false
}

const errBehind = retryLater("the store is too far behind to take more")

// retryLater is an error that callers answer by trying again.
type retryLater string

func (e retryLater) Error() string   { return string(e) }
func (e retryLater) Temporary() bool { return true }

// Lost returns how many records could not be kept since the start.
func (j *journal) Lost() int64 { return j.lost.Load() }

// Run writes until ctx ends, then writes what is left, so it must be stopped
// after the pipeline.
func (j *journal) Run(ctx context.Context) error {
	for {
		select {
		case e := <-j.queue:
			j.flush(j.gather(e))
		case <-ctx.Done():
			for {
				select {
				case e := <-j.queue:
					j.flush(j.gather(e))
				default:
					return nil
				}
			}
		}
	}
}

// gather takes everything that waits, up to one batch.
func (j *journal) gather(first entry) []entry {
	batch, n := []entry{first}, len(first.records)
	for n < journalBatch {
		select {
		case e := <-j.queue:
			batch, n = append(batch, e), n+len(e.records)
		default:
			return batch
		}
	}
	return batch
}

// flush writes a batch: records first, so that a checkpoint never stands
// before what it covers.
func (j *journal) flush(batch []entry) {
	ctx := context.Background() // what was accepted is written even while stopping
	err := j.keep(ctx, batch)
	var changes []bellwether.Change
	for _, e := range batch {
		if e.change != nil {
			changes = append(changes, *e.change)
		}
	}
	_ = j.try("changes", func() error { return j.store.AppendChanges(ctx, changes) }, len(changes))
	for _, e := range batch {
		if e.weights != nil {
			_ = j.try("weights", func() error { return j.store.SaveWeights(ctx, *e.weights) }, 1)
		}
		if e.checkpoint == nil {
			continue
		}
		j.saving.Store(false)
		if err == nil {
			_ = j.try("checkpoint", func() error { return j.store.SaveCheckpoint(ctx, e.seq, e.checkpoint) }, 1)
		}
	}
}

// keep writes the records of a batch at once, and where the store refuses,
// entry by entry: what is wrong in one must not cost the others. It answers
// those who wait, and returns the error of the whole.
func (j *journal) keep(ctx context.Context, batch []entry) error {
	var records []bellwether.Record
	for _, e := range batch {
		records = append(records, e.records...)
	}
	j.waiting.Add(-int64(len(records)))
	err := j.append(ctx, records)
	refusals := 0 // in a row: then it is the store, not what is in one of them
	for _, e := range batch {
		kept := err
		if n := len(e.records); err != nil && n > 0 && n < len(records) && refusals < 3 {
			if kept = j.append(ctx, e.records); kept == nil {
				refusals = 0
			} else {
				refusals++
			}
		}
		if kept != nil {
			j.lost.Add(int64(len(e.records)))
		}
		if e.durable != nil {
			e.durable <- kept
		}
	}
	return err
}

func (j *journal) append(ctx context.Context, records []bellwether.Record) error {
	return j.try("records", func() error { return j.store.Append(ctx, records) }, len(records))
}

// try writes, with a few retries unless the last write failed as well: a store
// that goes on refusing must hold up neither what waits nor the end. It does
// not stop the program: the gap is logged, once, and counted.
func (j *journal) try(what string, write func() error, n int) error {
	if n == 0 {
		return nil
	}
	err := write()
	for attempt := 0; err != nil && !j.refused && attempt < journalRetries-1; attempt++ {
		time.Sleep(50 * time.Millisecond << attempt)
		err = write()
	}
	switch {
	case err != nil && !j.refused:
		j.log.Error("store refuses to write; verdicts go on without it", "what", what, "entries", n, "err", err)
	case err == nil && j.refused:
		j.log.Info("store writes again", "lost", j.lost.Load())
	}
	j.refused = err != nil
	return err
}
