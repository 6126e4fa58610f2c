package spool

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
)

// Batch is what one delivery takes: the oldest records that wait.
type Batch struct {
	Records [][]byte
	segment uint64 // the place behind the last of them
	offset  int64
	in      int // records of that segment before the place
	flawed  int // lines left out
}

// Next returns the oldest records that wait, at most so many and, unless one
// alone is larger, of at most so many bytes. They stay until Done is called
// with the batch; until then Next returns them again. A batch without records
// means that nothing waits.
func (s *Spool) Next(records int, size int64) (Batch, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return Batch{}, fmt.Errorf("spool: read: %w", os.ErrClosed)
	}
	var b Batch
	left := size
	for i, seg := range s.segs {
		from, in := int64(0), 0
		if i == 0 {
			from, in = s.head, s.taken
		}
		b.segment, b.offset, b.in = seg.number, from, in
		if from == seg.size {
			continue
		}
		more, err := b.read(seg, records, &left)
		if err != nil {
			return Batch{}, fmt.Errorf("spool: read: %w", err)
		}
		if !more {
			break
		}
	}
	s.lent = 0
	if len(b.Records) > 0 {
		s.lent = b.segment
	}
	return b, nil
}

// read adds the records of a segment from the batch's place on; false means
// that the batch is full.
func (b *Batch) read(seg *segment, records int, left *int64) (more bool, err error) {
	f, err := os.Open(seg.path)
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }() // only read from
	lines := bufio.NewReaderSize(io.NewSectionReader(f, b.offset, seg.size-b.offset), 64<<10)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return false, err
		}
		if len(line) == 0 {
			return true, nil
		}
		record, ok := decode(line)
		if ok {
			if len(b.Records) == records || (len(b.Records) > 0 && int64(len(record)) > *left) {
				return false, nil
			}
			b.Records = append(b.Records, record)
			b.in++
			*left -= int64(len(record))
		} else {
			b.flawed++
		}
		b.offset += int64(len(line))
	}
}

// Done says that a batch was delivered: its records are forgotten. When it
// fails, they are forgotten too, but may wait again after a restart.
func (s *Spool) Done(b Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lent = 0
	if s.closed || b.segment == 0 {
		return nil
	}
	s.flawed -= b.flawed
	s.state.Damaged += uint64(b.flawed)
	for len(s.segs) > 1 && s.segs[0].number < b.segment {
		s.remove(0)
	}
	if first := s.segs[0]; first.number == b.segment {
		s.head, s.taken = b.offset, b.in
		if len(s.segs) > 1 && s.head == first.size {
			s.remove(0)
		}
	}
	return s.save()
}
