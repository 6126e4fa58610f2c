package spool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/bellwether-llm/bellwether/internal/filelock"
)

// Options say how much a spool may hold and how soon it is safe from a power
// cut. The zero value works.
type Options struct {
	// MaxBytes bounds the segments together, in bytes. 0 means 256 MiB; less
	// than 64 KiB counts as that.
	MaxBytes int64
	// SyncEvery is how often Run forces what was written to the disk. 0 means
	// 1s.
	SyncEvery time.Duration
}

const (
	defaultMax   = 256 << 20
	leastMax     = 64 << 10
	mostSegment  = 4 << 20
	defaultSync  = time.Second
	maxRecord    = 1 << 20 // bytes
	segmentParts = 16      // a sixteenth of all is dropped at a time
)

// Spool is a folder of records that wait. Make one with [Open]. All methods
// are safe for concurrent use, but only one reader may use Next and Done.
type Spool struct {
	dir     string
	max     int64
	segment int64 // bytes after which a new one is begun
	every   time.Duration
	lock    *os.File
	ready   chan struct{}

	mu     sync.Mutex
	segs   []*segment // oldest first; records go to the last
	file   *os.File   // the last segment, for appending
	head   int64      // offset in the first segment before which all is delivered
	taken  int        // records before it
	lent   uint64     // the number of the newest segment of which Next lent records; 0: none
	total  int64      // bytes of all segments
	state  state
	flawed int // lines that wait and do not match their sum
	dirty  bool
	broken bool  // the last segment ends in half a line: begin another
	failed error // of forcing a segment to disk that is closed; told by Sync
	closed bool
}

// Stats are what a spool holds, and what it lost since its folder was made.
type Stats struct {
	Records int   // waiting
	Bytes   int64 // of all segments on disk
	Dropped uint64
	Damaged uint64
}

// Open opens the spool in the folder dir, and makes that where it is missing.
// It reads all that waits there once, to count it and to find damage; that
// takes about a second for 256 MiB.
func Open(dir string, o Options) (_ *Spool, err error) {
	if o.MaxBytes == 0 {
		o.MaxBytes = defaultMax
	}
	if o.SyncEvery <= 0 {
		o.SyncEvery = defaultSync
	}
	s := &Spool{dir: dir, max: max(o.MaxBytes, leastMax), every: o.SyncEvery, ready: make(chan struct{}, 1)}
	s.segment = min(s.max/segmentParts, mostSegment)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	if s.lock, err = filelock.Take(filepath.Join(dir, "lock")); err != nil {
		return nil, fmt.Errorf("spool %s: lock: %w", dir, err)
	}
	defer func() {
		if err != nil {
			_ = s.Close() // the first error is the one to tell
		}
	}()
	s.state = readState(dir)
	if err := s.load(); err != nil {
		return nil, fmt.Errorf("spool %s: %w", dir, err)
	}
	if s.waiting() > 0 {
		s.ready <- struct{}{}
	}
	return s, nil
}

// Append adds a record. When it returns nil, the record outlives the process.
func (s *Spool) Append(record []byte) error {
	if len(record) > maxRecord {
		return fmt.Errorf("spool: a record of %d bytes; at most %d are kept", len(record), maxRecord)
	}
	if bytes.IndexByte(record, '\n') >= 0 {
		return errors.New("spool: the record has a line end")
	}
	line := encode(record)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return fmt.Errorf("spool: append: %w", os.ErrClosed)
	}
	if last := s.segs[len(s.segs)-1]; s.broken || (last.size > 0 && last.size+int64(len(line)) > s.segment) {
		if err := s.begin(last.number + 1); err != nil {
			return fmt.Errorf("spool: begin a segment: %w", err)
		}
	}
	last := s.segs[len(s.segs)-1]
	if n, err := s.file.Write(line); err != nil {
		s.broken = n > 0 && s.file.Truncate(last.size) != nil // half a line would hide the next one
		return fmt.Errorf("spool: append: %w", err)
	}
	last.size += int64(len(line))
	last.records++
	s.total += int64(len(line))
	s.dirty = true
	s.shrink()
	select {
	case s.ready <- struct{}{}:
	default:
	}
	return nil
}

// shrink drops the oldest segments while there is too much, but neither the
// last nor those that are being delivered just now.
func (s *Spool) shrink() {
	i := 0
	for i < len(s.segs) && s.segs[i].number <= s.lent {
		i++
	}
	dropped := false
	for s.total > s.max && i < len(s.segs)-1 {
		gone := s.segs[i].records
		if i == 0 {
			gone -= s.taken
		}
		s.state.Dropped += uint64(gone)
		s.remove(i)
		dropped = true
	}
	if dropped {
		_ = s.save() // counted in memory; the next save writes it
	}
}

// remove deletes a segment.
func (s *Spool) remove(i int) {
	seg := s.segs[i]
	_ = os.Remove(seg.path) // what stays is behind the mark, or dropped again
	s.total -= seg.size
	s.segs = append(s.segs[:i], s.segs[i+1:]...)
	if i == 0 {
		s.head, s.taken = 0, 0
	}
}

// Ready holds a token after records were added; one that is received says:
// look with Next.
func (s *Spool) Ready() <-chan struct{} { return s.ready }

// Stats says what waits now.
func (s *Spool) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stats{Records: s.waiting(), Bytes: s.total, Dropped: s.state.Dropped, Damaged: s.state.Damaged + uint64(s.flawed)}
}

func (s *Spool) waiting() int {
	n := -s.taken
	for _, seg := range s.segs {
		n += seg.records
	}
	return n
}

// Run forces what was written to the disk every SyncEvery until ctx ends, and
// then once more. An error ends it: what it could not force may be lost by a
// power cut.
func (s *Spool) Run(ctx context.Context) error {
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := s.Sync(); err != nil {
				return err
			}
		case <-ctx.Done():
			return s.Sync()
		}
	}
}

// Sync forces what was written to the disk.
func (s *Spool) Sync() error {
	s.mu.Lock()
	file, dirty, failed := s.file, s.dirty, s.failed
	s.dirty, s.failed = false, nil
	s.mu.Unlock()
	if failed != nil {
		return fmt.Errorf("spool: sync: %w", failed)
	}
	if !dirty || file == nil {
		return nil
	}
	// Not under the lock: who appends does not wait for the disk.
	if err := file.Sync(); err != nil && !errors.Is(err, os.ErrClosed) { // a closed segment was synced
		return fmt.Errorf("spool: sync: %w", err)
	}
	return nil
}

// Close forces what was written to the disk and lets go of the folder.
func (s *Spool) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	var err error
	if s.file != nil {
		err = errors.Join(s.file.Sync(), s.file.Close())
	}
	return errors.Join(err, s.lock.Close())
}
