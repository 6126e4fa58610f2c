package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bellwether-llm/bellwether"
)

const (
	maxReplayLine = 4 << 20 // bytes of one observation in a file
	replayBlock   = 512 << 10
	replayPage    = 2048 // records of a store handed on together
)

// history is where a replay reads from: it calls next with the records in their
// order, a few at a time, until it ends or next returns an error, which it
// returns as it is. Records without a sequence number are observations of a
// file: time between them is for the reader to fill in.
type history interface {
	name() string
	read(ctx context.Context, done *gauge, next func([]bellwether.Record) error) error
}

// gauge is how far a history has been read. Safe for concurrent use.
type gauge struct {
	read, all atomic.Int64 // bytes, or records of a store; all is 0 where it is not known
	seen      atomic.Int64 // observations
	at        atomic.Int64 // the time of the last one, in Unix nanoseconds
}

// lineFile is a history of one observation a line, compressed by gzip or not.
type lineFile struct {
	file string // what faults call it
	in   io.Reader
}

func (l lineFile) name() string { return l.file }

// block is a part of a file that ends where a line does, on its way through a
// reader, a parser and whoever takes the records in order.
type block struct {
	text    string
	first   int // the number of its first line, from 1
	records []bellwether.Record
	numbers []int // of the records' lines
	err     error
	parsed  chan struct{}
}

// read cuts the file into blocks, parses them on all processors, and hands
// them on in order. At most a few blocks are in memory.
func (l lineFile) read(ctx context.Context, done *gauge, next func([]bellwether.Record) error) error {
	group, ctx := errgroup.WithContext(ctx)
	workers := runtime.GOMAXPROCS(0)
	todo, inOrder := make(chan *block), make(chan *block, 2*workers)
	group.Go(func() error {
		defer close(todo)
		defer close(inOrder)
		return l.cut(done, func(b *block) error {
			for _, to := range []chan *block{inOrder, todo} {
				select {
				case to <- b:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return nil
		})
	})
	for range workers {
		group.Go(func() error {
			for d := newDecoder(); ; {
				b, ok := <-todo
				if !ok {
					return nil
				}
				b.parse(d, l.file)
				close(b.parsed)
			}
		})
	}
	group.Go(func() error { return l.hand(ctx, inOrder, done, next) })
	return group.Wait()
}

// hand passes the blocks on in the order of the file.
func (l lineFile) hand(ctx context.Context, inOrder <-chan *block, done *gauge, next func([]bellwether.Record) error) error {
	var order sorting
	for b := range inOrder {
		select {
		case <-b.parsed:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := order.check(b, l.file); err != nil {
			return err
		}
		if err := next(b.records); err != nil {
			return err
		}
		if b.err != nil {
			return b.err
		}
		if n := len(b.records); n > 0 {
			done.seen.Add(int64(n))
			done.at.Store(b.records[n-1].At.UnixNano())
		}
	}
	return order.judge(l.file)
}

// cut reads the file and gives its blocks to put.
func (l lineFile) cut(done *gauge, put func(*block) error) error {
	in, err := inflate(counted{l.in, &done.read})
	if err != nil {
		return codeError{exitUsage, fmt.Errorf("%s: %w", l.file, err)}
	}
	buf := make([]byte, replayBlock)
	kept, number := 0, 1
	for {
		n, err := io.ReadFull(in, buf[kept:])
		text := buf[:kept+n]
		end := bytes.LastIndexByte(text, '\n') + 1
		over := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		switch {
		case over:
			end = len(text)
		case err != nil:
			return codeError{exitUsage, fmt.Errorf("%s: after line %d: %w", l.file, number-1+bytes.Count(text, []byte{'\n'}), err)}
		case end == 0 && len(buf) > maxReplayLine:
			return codeError{exitUsage, fmt.Errorf("%s:%d: the line is longer than %d bytes", l.file, number, maxReplayLine)}
		case end == 0: // a line longer than the buffer
			buf, kept = append(buf, make([]byte, len(buf))...), len(text)
			continue
		}
		b := &block{text: string(text[:end]), first: number, parsed: make(chan struct{})}
		number += bytes.Count(text[:end], []byte{'\n'})
		kept = copy(buf, text[end:])
		if err := put(b); err != nil || over {
			return err
		}
	}
}

// parse reads the lines of the block up to the first that cannot be read.
func (b *block) parse(d *decoder, file string) {
	guess := len(b.text)/600 + 1
	b.records, b.numbers = make([]bellwether.Record, 0, guess), make([]int, 0, guess)
	seen := make([]bellwether.Observation, 0, guess) // together: few objects for the collector
	number := b.first - 1
	for line := range strings.Lines(b.text) {
		number++
		if line = strings.TrimRight(line, "\r\n"); line == "" {
			continue
		}
		if len(seen) == cap(seen) {
			seen = make([]bellwether.Observation, 0, guess)
		}
		seen = seen[:len(seen)+1]
		o := &seen[len(seen)-1]
		err := d.decode(line, o)
		switch {
		case len(line) > maxReplayLine:
			err = fmt.Errorf("the line is longer than %d bytes", maxReplayLine)
		case err != nil:
			err = fmt.Errorf("not an observation: %.300v", err) // it may quote all of the line
		case o.At.IsZero() || o.Target == "":
			err = errors.New("an observation needs at and target; of a page of /v1/observations, write each element on a line")
		}
		if err != nil {
			b.err = codeError{exitUsage, fmt.Errorf("%s:%d: %w", file, number, err)}
			return
		}
		b.records, b.numbers = append(b.records, bellwether.Record{At: o.At, Observation: o}), append(b.numbers, number)
	}
	b.text = ""
}

// sorting watches whether observations come in the order of their times. Slow
// answers may overlap; a file backwards may not.
type sorting struct {
	last        time.Time
	read, older int // observations; those older than the one before
}

const backwards = "is older than the line before, like most so far: observations must be in the order of their times, oldest first"

func (s *sorting) check(b *block, file string) error {
	for i := range b.records {
		s.read++
		at := b.records[i].At
		if at.Before(s.last) {
			if s.older++; s.older >= 10 && s.older > s.read/2 {
				return codeError{exitUsage, fmt.Errorf("%s:%d: %s", file, b.numbers[i], backwards)}
			}
		}
		s.last = at
	}
	return nil
}

// judge says what is wrong with the file as a whole.
func (s *sorting) judge(file string) error {
	if s.older > s.read/2 {
		return codeError{exitUsage, fmt.Errorf("%s: each line %s", file, backwards)}
	}
	return nil
}

// inflate unpacks what is compressed by gzip, as its first bytes tell.
func inflate(r io.Reader) (io.Reader, error) {
	b := bufio.NewReaderSize(r, 256<<10)
	if head, err := b.Peek(2); err != nil || head[0] != 0x1f || head[1] != 0x8b {
		return b, nil // also what is too short to tell, or cannot be read: the next read says
	}
	z, err := gzip.NewReader(b)
	return unpacked{z}, err
}

// unpacked tells the end of a file that was cut from the end of what it holds.
type unpacked struct{ z *gzip.Reader }

func (u unpacked) Read(p []byte) (int, error) {
	n, err := u.z.Read(p)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("the compressed file was cut off")
	}
	return n, err
}

// counted counts what is read.
type counted struct {
	r io.Reader
	n *atomic.Int64
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// logStore is the part of a store that a replay reads.
type logStore interface {
	Records(ctx context.Context, after uint64, fn func(bellwether.Record) error) error
	LastSeq(ctx context.Context) (uint64, error)
}

// storeLog is the sequenced log of a store: with its ticks and overrides, so that
// its replay is what the server concluded, as far as the log still goes back.
type storeLog struct {
	store logStore
	file  string
}

func (l storeLog) name() string { return l.file }

// read reads a page ahead of whoever takes the records.
func (l storeLog) read(ctx context.Context, done *gauge, next func([]bellwether.Record) error) error {
	last, err := l.store.LastSeq(ctx)
	if err != nil {
		return err
	}
	done.all.Store(int64(last))
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	pages := make(chan []bellwether.Record, 2)
	var wg sync.WaitGroup
	var failed error
	wg.Go(func() {
		defer close(pages)
		failed = l.pages(ctx, last, pages)
	})
	for page := range pages {
		if err = next(page); err != nil {
			break
		}
		for i := range page {
			if page[i].Observation != nil {
				done.seen.Add(1)
			}
		}
		done.read.Store(int64(page[len(page)-1].Seq))
		done.at.Store(page[len(page)-1].At.UnixNano())
	}
	stop()
	wg.Wait()
	return errors.Join(err, suppress(failed, err != nil))
}

// suppress leaves out an error that follows from another.
func suppress(err error, follows bool) error {
	if follows {
		return nil
	}
	return err
}

var errEnough = errors.New("the log goes on")

// pages reads the records up to last, so that a server that runs meanwhile
// does not make the replay endless.
func (l storeLog) pages(ctx context.Context, last uint64, pages chan<- []bellwether.Record) error {
	page := make([]bellwether.Record, 0, replayPage)
	flush := func() error {
		if len(page) == 0 {
			return nil
		}
		select {
		case pages <- page:
			page = make([]bellwether.Record, 0, replayPage)
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	err := l.store.Records(ctx, 0, func(r bellwether.Record) error {
		if r.Seq > last {
			return errEnough
		}
		if page = append(page, r); len(page) == replayPage {
			return flush()
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	return flush()
}
