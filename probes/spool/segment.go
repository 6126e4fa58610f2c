package spool

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// segment is one file of lines. Numbers grow and are never used again.
type segment struct {
	number  uint64
	path    string
	size    int64
	records int // that match their sum
}

const (
	suffix    = ".spool"
	sumLength = 9 // eight hex digits and a space
)

var table = crc32.MakeTable(crc32.Castagnoli)

// encode returns the line of a record.
func encode(record []byte) []byte {
	line := make([]byte, 0, sumLength+len(record)+1)
	line = append(appendSum(line, record), ' ')
	return append(append(line, record...), '\n')
}

func appendSum(to, record []byte) []byte {
	var sum [4]byte
	binary.BigEndian.PutUint32(sum[:], crc32.Checksum(record, table))
	return hex.AppendEncode(to, sum[:])
}

// decode returns the record of a line with its line end; false where the two
// do not match.
func decode(line []byte) (record []byte, ok bool) {
	if len(line) < sumLength+1 || line[sumLength-1] != ' ' || line[len(line)-1] != '\n' {
		return nil, false
	}
	var sum [8]byte
	record = line[sumLength : len(line)-1]
	return record, string(appendSum(sum[:0], record)) == string(line[:sumLength-1])
}

// load finds the segments in the folder, counts what waits in them, and makes
// the last one ready to be appended to.
func (s *Spool) load() error {
	names, err := filepath.Glob(filepath.Join(s.dir, "*"+suffix))
	if err != nil {
		return err
	}
	for _, path := range names {
		n, err := strconv.ParseUint(strings.TrimSuffix(filepath.Base(path), suffix), 16, 64)
		if err != nil || n == 0 {
			continue // not ours
		}
		s.segs = append(s.segs, &segment{number: n, path: path})
	}
	slices.SortFunc(s.segs, func(a, b *segment) int {
		if a.number < b.number {
			return -1
		}
		return 1
	})
	for len(s.segs) > 0 && s.segs[0].number < s.state.Segment { // delivered; a crash kept it from being removed
		if err := os.Remove(s.segs[0].path); err != nil {
			return err
		}
		s.segs = s.segs[1:]
	}
	for i, seg := range s.segs {
		if err := s.scan(seg, i == len(s.segs)-1); err != nil {
			return err
		}
	}
	return s.resume()
}

// scan counts the records of a segment, and its damage. Of the last one it
// cuts a tail that was not written whole.
func (s *Spool) scan(seg *segment, last bool) error {
	f, err := os.OpenFile(seg.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read from, or truncated
	lines := bufio.NewReaderSize(f, 64<<10)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			if err != nil && last { // no line end: cut short
				if err := f.Truncate(seg.size); err != nil {
					return err
				}
				s.state.Damaged++
				break
			}
			seg.size += int64(len(line))
			if _, ok := decode(line); ok {
				seg.records++
			} else if seg.number != s.state.Segment || seg.size > s.state.Offset {
				s.flawed++
			}
			if seg.number == s.state.Segment && seg.size == s.state.Offset {
				s.head, s.taken = seg.size, seg.records
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	s.total += seg.size
	return nil
}

// resume opens the last segment, or begins the first.
func (s *Spool) resume() error {
	if len(s.segs) == 0 {
		return s.begin(max(s.state.Segment, s.state.Newest) + 1)
	}
	var err error
	s.file, err = os.OpenFile(s.segs[len(s.segs)-1].path, os.O_WRONLY|os.O_APPEND, 0)
	return err
}

// begin closes the last segment and begins one of the number given.
func (s *Spool) begin(number uint64) error {
	path := filepath.Join(s.dir, fmt.Sprintf("%016x%s", number, suffix))
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if s.file != nil {
		s.failed = errors.Join(s.failed, s.file.Sync(), s.file.Close())
	}
	s.file, s.broken = f, false
	s.state.Newest = number
	s.segs = append(s.segs, &segment{number: number, path: path})
	return nil
}
