package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/store"
	"github.com/bellwether-llm/bellwether/store/storetest"
)

func mustOpen(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func probe(seq uint64) bellwether.Record {
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC).Add(time.Duration(seq) * time.Second)
	return bellwether.Record{Seq: seq, At: at, Observation: &bellwether.Observation{
		ID: fmt.Sprint("probe-", seq), At: at, Source: bellwether.SourceProbe, Target: "gpt-us", Outcome: bellwether.OK,
		Excerpt: strings.Repeat("x", 300), Timing: bellwether.Timing{FirstToken: 0.3, Total: 1}}}
}

// refused opens path, which must fail with a sentence that names the file and
// the remedy.
func refused(t *testing.T, path string, o Options, want error, remedy string) {
	t.Helper()
	s, err := Open(t.Context(), path, o)
	if err == nil {
		s.Close()
		t.Fatalf("Open(%s) must be refused", path)
	}
	if !errors.Is(err, want) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), remedy) || strings.Contains(err.Error(), "\n") {
		t.Errorf("Open = %v\nwant %v, the path, and %q in one line", err, want, remedy)
	}
}

func TestTwoServersDoNotShareAFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bellwether.db")
	s := mustOpen(t, path)
	refused(t, path, Options{}, store.ErrLocked, "stop that one")
	if err := s.Append(t.Context(), []bellwether.Record{probe(1)}); err != nil {
		t.Errorf("the first is disturbed: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, path) // free again
	s.Close()
}

func TestOddPathsAreFiles(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a b?mode=memory#100%&ü.db")
	s := mustOpen(t, path)
	defer s.Close()
	if err := s.Append(t.Context(), []bellwether.Record{probe(1)}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

func TestPlacesThatCannotBeWrittenSaySo(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	refused(t, filepath.Join(folder, "missing", "b.db"), Options{}, store.ErrUnwritable, "create it")
	refused(t, folder, Options{}, store.ErrUnwritable, "set store.dsn to a file in it")
	file := filepath.Join(folder, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, filepath.Join(file, "b.db"), Options{}, store.ErrUnwritable, "set store.dsn to another place")
	if os.Getuid() == 0 {
		t.Log("root may write anywhere: a folder without write permission is not tried")
		return
	}
	if err := os.Chmod(folder, 0o500); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(folder, 0o700)
	refused(t, filepath.Join(folder, "b.db"), Options{}, store.ErrUnwritable, "make its folder writable")
}

func TestADamagedFileSaysSo(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bellwether.db")
	if err := os.WriteFile(path, []byte("not a database, but a letter to my aunt"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, path, Options{}, store.ErrCorrupt, "restore a backup")
	if got, _ := os.ReadFile(path); !strings.Contains(string(got), "aunt") {
		t.Error("a file that is not ours was overwritten")
	}

	path = filepath.Join(t.TempDir(), "bellwether.db")
	s := mustOpen(t, path)
	for seq := range uint64(50) {
		if err := s.Append(t.Context(), []bellwether.Record{probe(seq + 1)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	scribble(t, path, 4096)
	s, err := Open(t.Context(), path, Options{})
	if err == nil { // the damage is in a page that opening does not read
		defer s.Close()
		_, _, err = s.Observations(t.Context(), bellwether.Query{Limit: -1})
	}
	if !errors.Is(err, store.ErrCorrupt) || !strings.Contains(err.Error(), "restore a backup") {
		t.Errorf("a damaged file: %v, want ErrCorrupt and what to do", err)
	}
}

// scribble overwrites everything in a file from an offset.
func scribble(t *testing.T, path string, from int) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := from; i < len(b); i++ {
		b[i] = 0x5a
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestADamagedRowIsNotPassedOver(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, filepath.Join(t.TempDir(), "bellwether.db"))
	defer s.Close()
	if err := s.Append(t.Context(), []bellwether.Record{probe(1)}); err != nil {
		t.Fatal(err)
	}
	spoil(t, s, `UPDATE observations SET body = '{'`, `UPDATE rollups SET sketches = x'0105'`)
	if _, err := s.Observation(t.Context(), "probe-1"); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("Observation = %v, want ErrCorrupt", err)
	}
	if _, err := s.Rollups(t.Context(), bellwether.Query{}); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("Rollups = %v, want ErrCorrupt", err)
	}
	if err := s.Append(t.Context(), []bellwether.Record{probe(2)}); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("Append to a damaged sum = %v, want ErrCorrupt", err)
	}
}

func spoil(t *testing.T, s *Store, statements ...string) {
	t.Helper()
	for _, q := range statements {
		if err := s.write(t.Context(), "spoil", func(x *tx) error { return x.exec(q) }); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOtherVersionsAndProgramsAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change string
		want   error
		remedy string
	}{
		"a newer version":      {`INSERT INTO migrations VALUES (999, '0999_later.sql', 'x', '')`, store.ErrNewer, "install the newer version"},
		"a schema of its own":  {`UPDATE migrations SET checksum = 'x' WHERE version = 1`, store.ErrCorrupt, "restore a backup"},
		"another program's":    {`PRAGMA application_id = 1`, store.ErrUnwritable, "set store.dsn to another file"},
		"no schema any longer": {`DROP TABLE migrations`, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "bellwether.db")
			s := mustOpen(t, path)
			spoil(t, s, c.change)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			for _, o := range []Options{{}, {ReadOnly: true}} {
				if c.want != nil {
					refused(t, path, o, c.want, c.remedy)
				} else if s, err := Open(t.Context(), path, o); err == nil {
					s.Close()
					t.Error("Open must be refused")
				}
			}
		})
	}
}

func TestAFullDiskLosesNothingThatWasAcknowledged(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, filepath.Join(t.TempDir(), "bellwether.db"))
	defer s.Close()
	limit := func(pages int) {
		t.Helper()
		if _, err := s.w.conn.ExecContext(t.Context(), fmt.Sprintf("PRAGMA max_page_count = %d", pages)); err != nil {
			t.Fatal(err)
		}
	}
	limit(60)
	seq := uint64(0)
	var err error
	for err == nil && seq < 10000 {
		if err = s.Append(t.Context(), []bellwether.Record{probe(seq + 1)}); err == nil {
			seq++
		}
	}
	if !errors.Is(err, store.ErrFull) || !strings.Contains(err.Error(), "free space") {
		t.Fatalf("after %d observations: %v, want ErrFull and what to do", seq, err)
	}
	count := func() int {
		os, _, err := s.Observations(t.Context(), bellwether.Query{Limit: -1})
		if err != nil {
			t.Fatal(err)
		}
		return len(os)
	}
	if got := count(); got != int(seq) {
		t.Errorf("%d observations while the disk is full, want the %d acknowledged", got, seq)
	}
	limit(1 << 30) // somebody has freed space
	if err := s.Append(t.Context(), []bellwether.Record{probe(seq + 1)}); err != nil {
		t.Fatalf("after space was freed: %v", err)
	}
	if got := count(); got != int(seq)+1 {
		t.Errorf("%d observations, want %d", got, seq+1)
	}
	if err := storetest.CheckRollups(t, s); err != nil {
		t.Error(err)
	}
}

func TestReportsReadWhileAServerWrites(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bellwether.db")
	refused(t, path, Options{ReadOnly: true}, fs.ErrNotExist, "start the server once")
	s := mustOpen(t, path)
	defer s.Close()
	r, err := Open(t.Context(), path, Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := s.Append(t.Context(), []bellwether.Record{probe(1)}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Observation(t.Context(), "probe-1"); err != nil {
		t.Errorf("the report does not see what was written: %v", err)
	}
	if r.Epoch() != s.Epoch() {
		t.Errorf("Epoch() = %q, want %q", r.Epoch(), s.Epoch())
	}
	if err := r.Append(t.Context(), []bellwether.Record{probe(2)}); !errors.Is(err, store.ErrUnwritable) {
		t.Errorf("Append to a store for reading = %v, want ErrUnwritable", err)
	}
}

func TestWhoWaitsMayLeaveAndTheRestShareOneTransaction(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, filepath.Join(t.TempDir(), "bellwether.db"))
	defer s.Close()
	entered, leave := make(chan struct{}), make(chan struct{})
	results := make(chan error, 20)
	go func() {
		results <- s.write(t.Context(), "hold", func(*tx) error {
			close(entered)
			<-leave
			return nil
		})
	}()
	<-entered
	ctx, cancel := context.WithCancel(t.Context())
	impatient := make(chan error)
	go func() { impatient <- s.Append(ctx, []bellwether.Record{probe(100)}) }()
	waiting(s, 1)
	cancel()
	if err := <-impatient; !errors.Is(err, context.Canceled) {
		t.Errorf("Append of one who left = %v, want context.Canceled", err)
	}
	for seq := range uint64(19) {
		go func() { results <- s.Append(t.Context(), []bellwether.Record{probe(seq + 1)}) }()
	}
	waiting(s, 19)
	before := frames(t, s)
	close(leave)
	for range 20 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	last, err := s.LastSeq(t.Context())
	if err != nil || last != 19 {
		t.Errorf("LastSeq = %d, %v, want 19", last, err)
	}
	// Each transaction of its own would write a dozen pages to the log.
	if n := frames(t, s) - before; n > 40 {
		t.Errorf("19 writes that waited together wrote %d pages", n)
	}
}

// waiting returns when n writes are queued.
func waiting(s *Store, n int) {
	for {
		s.w.mu.Lock()
		have := len(s.w.queue)
		s.w.mu.Unlock()
		if have == n {
			return
		}
	}
}

// frames returns how many pages the write-ahead log holds.
func frames(t *testing.T, s *Store) int64 {
	t.Helper()
	info, err := os.Stat(s.path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	return info.Size() / (4096 + 24)
}

// pagesOf returns how many pages of 4096 bytes the database has.
func pagesOf(t *testing.T, s *Store) (n int64) {
	t.Helper()
	err := s.write(t.Context(), "count pages", func(x *tx) error { return x.row("PRAGMA page_count", nil, &n) })
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestPruningGivesSpaceBack(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bellwether.db")
	s := mustOpen(t, path)
	var rs []bellwether.Record
	for seq := range uint64(1500) {
		r := probe(seq + 1)
		r.Observation.Excerpt = strings.Repeat("x", 3000) // one a page
		rs = append(rs, r)
	}
	if err := s.Append(t.Context(), rs); err != nil {
		t.Fatal(err)
	}
	full := pagesOf(t, s)
	removed, err := s.Prune(t.Context(), rs[0].At.AddDate(0, 1, 0))
	if err != nil || removed < 1500 {
		t.Errorf("Prune = %d, %v, want at least 1500", removed, err)
	}
	// The last 500 free pages stay for what comes next; see shrink.
	if got := pagesOf(t, s); got > 600 || full < 1200 {
		t.Errorf("of %d pages an emptied database keeps %d", full, got)
	}
	size := pagesOf(t, s) * 4096
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() != size {
		t.Errorf("the file takes %d bytes, its pages %d", info.Size(), size)
	}
}

// TestMigrationsFromEveryReleasedVersion opens a database of each version that
// was ever released. testdata/README.md says how its dump was made.
func TestMigrationsFromEveryReleasedVersion(t *testing.T) {
	t.Parallel()
	dumps, err := filepath.Glob("testdata/v*.sql")
	if err != nil || len(dumps) == 0 {
		t.Fatal("no dumps in testdata", err)
	}
	for _, dump := range dumps {
		t.Run(filepath.Base(dump), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "bellwether.db")
			load(t, path, dump)
			s := mustOpen(t, path)
			defer s.Close()
			if got := s.Epoch(); got != "0123456789abcdef" {
				t.Errorf("Epoch() = %q, want that of the dump", got)
			}
			if err := storetest.CheckRollups(t, s); err != nil {
				t.Error(err)
			}
			o, err := s.Observation(t.Context(), "019a0b7e-5c00-7000-8000-000000000002")
			if err != nil || o.Outcome != bellwether.BadOutput || o.Timing.FirstToken != 0.52 || o.Tokens.Output != 8 || o.Checks[0].Detail != "no Paris" {
				t.Errorf("Observation = %+v, %v", o, err)
			}
			contents(t, s)
			if err := s.Append(t.Context(), []bellwether.Record{probe(100)}); err != nil {
				t.Error(err)
			}
		})
	}
}

// contents checks what the dumps hold besides observations.
func contents(t *testing.T, s *Store) {
	t.Helper()
	ctx := t.Context()
	n := 0
	err := s.Records(ctx, 0, func(bellwether.Record) error { n++; return nil })
	last, err1 := s.LastSeq(ctx)
	seq, data, err2 := s.Checkpoint(ctx)
	changes, _, err3 := s.Changes(ctx, bellwether.Query{})
	revisions, _, err4 := s.Revisions(ctx, bellwether.Query{})
	incidents, _, err5 := s.Incidents(ctx, bellwether.Query{})
	owed, err6 := s.Owed(ctx, time.Now(), 0)
	next, err7 := s.ReserveRevisions(ctx, 1)
	if err := errors.Join(err, err1, err2, err3, err4, err5, err6, err7); err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintln(n, last, seq, string(data), len(changes), len(revisions), len(incidents), len(owed), next)
	if want := "5 5 4 state 1 1 1 1 101\n"; got != want {
		t.Errorf("the dump holds %s, want %s", got, want)
	}
}

func load(t *testing.T, path, dump string) {
	t.Helper()
	text, err := os.ReadFile(dump)
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", dsn(path))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), string(text)); err != nil {
		t.Fatal(err)
	}
}

func FuzzStoredSketches(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4})
	f.Add([]byte{0, 3, 'g', 'p', 'u', 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := rollupRow{counts: "{}", sketches: b}
		tally, err := r.tally()
		if err != nil {
			return
		}
		row, err := rowOf(tally)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := row.tally(); err != nil {
			t.Fatalf("%x was read, written as %x, and then: %v", b, row.sketches, err)
		}
	})
}

func FuzzStoredBody(f *testing.F) {
	f.Add([]byte(`{"tr":"schedule","ti":[0,0,0.1],"to":[1,2,3,4,1],"ch":[{"n":"contains","f":true}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var o bellwether.Observation
		if decodeBody(b, &o) != nil {
			return
		}
		if _, err := encodeBody(&o); err != nil {
			t.Fatalf("%q was read and cannot be written: %v", b, err)
		}
	})
}
