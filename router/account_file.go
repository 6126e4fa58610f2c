package router

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/filelock"
)

const (
	flushEvery  = 200 * time.Millisecond // lost at most when the process is killed
	syncEvery   = time.Second            // lost at most when the power fails
	rewriteFrom = 4 << 20                // bytes of a journal, from which on it is written anew when it has grown fourfold
)

// journal keeps the books on disk: a line of JSON for each row that has
// changed since the last flush, with its sums; the last one of a row counts.
// It belongs to one goroutine.
type journal struct {
	path  string
	lock  io.Closer // nil: not opened yet
	file  *os.File  // nil: to be written anew
	size  int64
	fresh int64 // size when it was last written anew
	due   bool  // something is written that is not synced
	at    time.Time
	day   int32
}

// line is a row in the journal, and in reports.
type line struct {
	Day       string `json:"day"`
	Caller    string `json:"caller"`
	Route     string `json:"route"`
	Target    string `json:"target"`
	Outcome   string `json:"outcome"`
	Part      string `json:"part"`
	Requests  int64  `json:"requests,omitempty"`
	Attempts  int64  `json:"attempts,omitempty"`
	Input     int64  `json:"input,omitempty"`
	Output    int64  `json:"output,omitempty"`
	Cached    int64  `json:"cached,omitempty"`
	Reasoning int64  `json:"reasoning,omitempty"`
	Estimated int64  `json:"estimated,omitempty"`
	Cost      int64  `json:"cost_picousd,omitempty"`
}

func lineOf(caller string, r *row) line {
	return line{
		Day: dateOf(r.day).Format(time.DateOnly), Caller: caller, Route: r.route, Target: r.target, Outcome: string(r.outcome), Part: partNames[r.part],
		Requests: r.requests, Attempts: r.attempts, Input: r.input, Output: r.output, Cached: r.cached, Reasoning: r.reasoning, Estimated: r.estimated, Cost: r.cost,
	}
}

// row reads a line; ok is false where it is none.
func (l line) row() (r row, ok bool) {
	day, err := time.Parse(time.DateOnly, l.Day)
	p := slices.Index(partNames[:], l.Part)
	least := min(l.Requests, l.Attempts, l.Input, l.Output, l.Cached, l.Reasoning, l.Estimated, l.Cost)
	if err != nil || p < 0 || least < 0 {
		return row{}, false
	}
	return row{rowKey: rowKey{day: dayOf(day), part: part(p), route: l.Route, target: l.Target, outcome: bellwether.Outcome(l.Outcome)},
		counts: counts{l.Requests, l.Attempts, l.Input, l.Output, l.Cached, l.Reasoning, l.Estimated, l.Cost}}, true
}

// keepAccounts keeps the books on disk until ctx ends, then once more.
func (rt *Router) keepAccounts(ctx context.Context) error {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	defer rt.closeAccounts()
	for {
		rt.flushAccounts(time.Now(), false)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (rt *Router) closeAccounts() {
	rt.flushAccounts(time.Now(), true)
	rt.journaling.Lock()
	defer rt.journaling.Unlock()
	if j := &rt.journal; j.lock != nil {
		if j.file != nil {
			_ = j.file.Close() // what is in it was synced
		}
		_ = j.lock.Close()
		*j = journal{path: j.path}
	}
}

// flushAccounts writes what has changed, and begins by reading what was kept.
func (rt *Router) flushAccounts(now time.Time, last bool) {
	rt.journaling.Lock()
	defer rt.journaling.Unlock()
	today := dayOf(now)
	if today != rt.journal.day {
		rt.books.forget(today - rt.keepDays())
		rt.journal.day, rt.journal.fresh = today, 0
	}
	if rt.journal.path == "" {
		return
	}
	err := rt.journal.flush(rt.books, now, last, rt.log.Warn)
	if rt.accountsFail != (err != nil) {
		if rt.accountsFail = err != nil; err != nil {
			rt.log.Error("accounts are not kept on disk; it is tried again several times a second", "err", err)
		} else {
			rt.log.Info("accounts are kept on disk", "file", rt.journal.path)
		}
	}
}

func (rt *Router) keepDays() int32 { return int32(rt.cfg.KeepAccounts.Std() / (24 * time.Hour)) }

// flush writes what has changed; last says that nothing comes after it.
func (j *journal) flush(b *books, now time.Time, last bool, warn func(string, ...any)) error {
	today := dayOf(now)
	if j.lock == nil {
		if err := j.open(b, today, warn); err != nil {
			return fmt.Errorf("accounts file: %w", err)
		}
	}
	if j.file == nil || j.size > max(4*j.fresh, rewriteFrom) {
		if err := j.rewrite(b); err != nil {
			return fmt.Errorf("accounts file: %w", err)
		}
		return nil
	}
	text := b.dirtyLines(nil)
	if len(text) == 0 && !j.due {
		return nil
	}
	n, err := j.file.Write(text)
	j.size, j.due = j.size+int64(n), true
	if err == nil && (last || now.Sub(j.at) >= syncEvery) {
		err = j.file.Sync()
		j.due, j.at = false, now
	}
	if err != nil {
		_ = j.file.Close()
		j.file = nil // nobody knows what is in it
		return fmt.Errorf("accounts file: %w", err)
	}
	return nil
}

// open takes hold of the file and adds what it holds to the books.
func (j *journal) open(b *books, today int32, warn func(string, ...any)) error {
	lock, err := filelock.Take(j.path + ".lock")
	if err != nil {
		return err
	}
	f, err := os.Open(j.path)
	if err == nil {
		var bad int
		bad, err = b.load(f, today)
		_ = f.Close()
		if bad > 0 {
			warn("accounts file holds lines that cannot be read; they are left out", "file", j.path, "lines", bad)
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		_ = lock.Close()
		return err
	}
	j.lock = lock
	return nil
}

// maxLine bounds a line of the journal, in bytes.
const maxLine = 64 << 10

// load adds what a journal holds to the books, and returns how many of its
// lines cannot be read: as a rule the last one, if any, which a crash has cut.
func (b *books) load(from io.Reader, today int32) (bad int, err error) {
	type of struct {
		caller string
		rowKey
	}
	rows := map[of]counts{}
	scan := bufio.NewScanner(from)
	scan.Buffer(nil, maxLine)
	for scan.Scan() {
		var l line
		if json.Unmarshal(scan.Bytes(), &l) != nil {
			bad++
			continue
		}
		if r, ok := l.row(); ok {
			rows[of{l.Caller, r.rowKey}] = r.counts
		} else {
			bad++
		}
	}
	for k, c := range rows {
		b.of(k.caller).restore(k.rowKey, c, today)
	}
	return bad, scan.Err()
}

// restore adds to a row what was kept of it.
func (s *standing) restore(k rowKey, c counts, today int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn(today)
	r := s.rows[k]
	if r == nil {
		r = &row{rowKey: k}
		s.rows[k] = r
	}
	r.counts.add(c)
	u := used(k.part, c)
	if k.day == s.dayIs {
		s.day.add(u)
	}
	if monthOf(k.day) == s.monthIs {
		s.month.add(u)
	}
}

// rewrite writes the whole file anew, whole or not at all.
func (j *journal) rewrite(b *books) error {
	if j.file != nil {
		_ = j.file.Close()
		j.file = nil
	}
	text := b.allLines(nil)
	tmp, err := os.CreateTemp(filepath.Dir(j.path), ".accounts-*")
	if err != nil {
		return err
	}
	if _, err = tmp.Write(text); err == nil {
		err = tmp.Sync()
	}
	if err == nil {
		err = os.Rename(tmp.Name(), j.path)
	}
	if err != nil {
		_ = tmp.Close()
		_ = os.Remove(tmp.Name())
		return err
	}
	j.file, j.size, j.fresh, j.due = tmp, int64(len(text)), int64(len(text)), false
	return nil
}

// dirtyLines appends a line for each row that has changed since the last time.
func (b *books) dirtyLines(dst []byte) []byte {
	b.each(func(s *standing) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, r := range s.dirty {
			r.dirty = false
			dst = lineOf(s.name, r).append(dst)
		}
		s.dirty = s.dirty[:0]
	})
	return dst
}

// allLines appends a line for each row.
func (b *books) allLines(dst []byte) []byte {
	b.each(func(s *standing) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, r := range s.rows {
			r.dirty = false
			dst = lineOf(s.name, r).append(dst)
		}
		s.dirty = s.dirty[:0]
	})
	return dst
}

func (l line) append(dst []byte) []byte {
	text, _ := json.Marshal(l) // strings and whole numbers
	return append(append(dst, text...), '\n')
}

// forget drops rows of days before the one given.
func (b *books) forget(before int32) {
	b.each(func(s *standing) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for k, r := range s.rows {
			if k.day < before {
				delete(s.rows, k)
				if r.dirty {
					s.dirty = slices.DeleteFunc(s.dirty, func(d *row) bool { return d == r })
				}
			}
		}
	})
}
