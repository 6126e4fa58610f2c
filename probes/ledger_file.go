package probes

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"math"
	"os"
	"slices"
)

const (
	maxLedgerFile = 64 << 20 // bytes; more is no ledger
	maxLedgerLine = 4 << 10
	compactFrom   = 1 << 20
)

// entryLine is a line of a ledger's file: what an account grew by, or what was
// granted in all.
type entryLine struct {
	Day      int64      `json:"day"`
	Target   string     `json:"target,omitempty"`
	Probes   int        `json:"probes,omitempty"`
	Tokens   int        `json:"tokens,omitempty"`
	USD      float64    `json:"usd,omitempty"`
	Unprobed int        `json:"unprobed,omitempty"`
	To       string     `json:"to,omitempty"`
	Grant    *Allowance `json:"grant,omitempty"`
}

// ledgerFile is where a ledger writes every entry before it is acted upon. It
// is guarded by its ledger's lock. What it cannot write is said once; the
// ledger goes on in memory. Nothing is synced: an entry survives the process
// however it ends, and the host's sudden death perhaps not.
type ledgerFile struct {
	path  string
	log   *slog.Logger
	out   *os.File
	size  int64
	floor int64 // size when it was written anew
	sick  bool
}

// OpenLedger returns a ledger of p's budgets that keeps its entries in the file
// at path, a line of JSON each, and goes on where the last one stopped. One
// process may have it open. Lines that cannot be read are left out and told to
// log (nil discards); Close it in the end.
func OpenLedger(path string, p Probing, log *slog.Logger) (*Ledger, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	l := NewLedger(p)
	in, err := os.Open(path)
	if err == nil {
		var bad int
		bad, err = l.read(in)
		err = errors.Join(err, in.Close())
		if bad > 0 {
			log.Warn("some entries of suspicion's budgets cannot be read and are left out", "file", path, "entries", bad)
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	l.file = &ledgerFile{path: path, log: log}
	if err := l.file.rewrite(l); err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return l, nil
}

// Close lets go of the file. Nothing may be held any more.
func (l *Ledger) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil || l.file.out == nil {
		return nil
	}
	out := l.file.out
	l.file = nil
	return out.Close()
}

// read adds up the entries of the newest day in r, and counts what it cannot
// read. The last line may be half written.
func (l *Ledger) read(r io.Reader) (bad int, err error) {
	lines := bufio.NewScanner(io.LimitReader(r, maxLedgerFile))
	lines.Buffer(nil, maxLedgerLine)
	for lines.Scan() {
		var e entryLine
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil || !e.sound() {
			bad++
			continue
		}
		if e.Day > l.day {
			l.turn(e.Day)
		}
		switch {
		case e.Day < l.day:
		case e.Grant != nil:
			l.grants[e.To] = *e.Grant
		default:
			l.add(e.Target, e.Probes, e.Tokens, e.USD)
			l.of(e.Target).Unprobed += e.Unprobed
			l.all.Unprobed += e.Unprobed
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return bad + 1, nil
	}
	return bad, lines.Err()
}

func (e entryLine) sound() bool {
	const most, mostTokens = math.MaxInt32, 1 << 50
	within := func(n int) bool { return n >= -most && n <= most }
	return e.Day > 0 && e.Day < most && (e.Target != "" || e.To != "" && e.Grant != nil) &&
		within(e.Probes) && e.Tokens >= -mostTokens && e.Tokens <= mostTokens && within(e.Unprobed) && math.Abs(e.USD) <= most
}

// begin starts the file of a new day.
func (f *ledgerFile) begin(l *Ledger) {
	if f != nil {
		f.note(f.rewrite(l))
	}
}

// write appends one entry.
func (f *ledgerFile) write(l *Ledger, e entryLine) {
	if f == nil {
		return
	}
	if f.out == nil || f.size > max(compactFrom, 4*f.floor) {
		f.note(f.rewrite(l)) // what l knows has e in it
		return
	}
	e.Day = l.day
	b, err := json.Marshal(e)
	if err == nil {
		var n int
		n, err = f.out.Write(append(b, '\n'))
		f.size += int64(n)
	}
	f.note(err)
}

// note tells that writing fails, and that it works again.
func (f *ledgerFile) note(err error) {
	switch {
	case err != nil && !f.sick:
		f.log.Error("what suspicion uses of its budgets cannot be written; a restart would not know of it", "file", f.path, "err", err)
	case err == nil && f.sick:
		f.log.Info("what suspicion uses of its budgets is written again", "file", f.path)
	}
	if f.sick = err != nil; f.sick && f.out != nil { // half a line may stand there: begin anew
		_ = f.out.Close()
		f.out = nil
	}
}

// rewrite puts the sums of l in place of the file.
func (f *ledgerFile) rewrite(l *Ledger) error {
	if f.out != nil {
		_ = f.out.Close() // it is replaced
		f.out = nil
	}
	fresh, err := os.OpenFile(f.path+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(fresh)
	enc := json.NewEncoder(w)
	for _, id := range slices.Sorted(maps.Keys(l.targets)) {
		s := l.targets[id]
		err = errors.Join(err, enc.Encode(entryLine{Day: l.day, Target: id, Probes: s.Probes, Tokens: s.Tokens, USD: s.USD, Unprobed: s.Unprobed}))
	}
	for _, to := range slices.Sorted(maps.Keys(l.grants)) {
		g := l.grants[to]
		err = errors.Join(err, enc.Encode(entryLine{Day: l.day, To: to, Grant: &g}))
	}
	if err = errors.Join(err, w.Flush(), fresh.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.path+".new", f.path); err != nil {
		return err
	}
	if f.out, err = os.OpenFile(f.path, os.O_WRONLY|os.O_APPEND, 0); err != nil {
		return err
	}
	f.size, err = f.out.Seek(0, io.SeekEnd)
	f.floor = f.size
	return err
}
