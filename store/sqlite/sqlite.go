// Package sqlite keeps everything in one SQLite file: the store of a server
// that runs alone. What Append acknowledged survives kill -9 and power loss.
//
// Writers never wait for readers nor readers for writers. Concurrent writes
// share one transaction: whichever caller finds the writer free commits for
// all who wait (group commit), so that no goroutine is needed for writing and
// a store works before [Store.Run] and without it. Run only removes what is
// past its retention. The package starts no goroutine of its own.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/bellwether-llm/bellwether/internal/filelock"
	"github.com/bellwether-llm/bellwether/store"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// Options says how a store is opened. Its zero value works.
type Options struct {
	// Retention is for how long things are kept; zero fields mean the defaults
	// of [store.Retention].
	Retention store.Retention
	// Log is where Run reports; nil discards.
	Log *slog.Logger
	// ReadOnly opens a database that another process may have open for writing,
	// for reports. It neither creates nor migrates, and every write is an error.
	ReadOnly bool
}

// Store is an open database. All methods are safe for concurrent use.
type Store struct {
	path      string
	epoch     string
	retention store.Retention
	log       *slog.Logger

	readers *sql.DB
	w       *writer // nil when read only
	lock    *os.File

	closing sync.Once
	closed  chan struct{}
}

// readConnections bounds how many reads run at once; more wait.
const readConnections = 4

// Open opens the database in the file at path, and creates or migrates it
// where that is needed; only this user may read a file that it creates, and the
// mode of one that is there stays. The file belongs to this process until Close: a second
// Open of the same file is [store.ErrLocked]. Errors say what to do.
func Open(ctx context.Context, path string, o Options) (*Store, error) {
	s := &Store{path: path, retention: o.Retention.WithDefaults(), log: o.Log, closed: make(chan struct{})}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	open := s.openWritable
	if o.ReadOnly {
		open = s.openReadOnly
	}
	if err := open(ctx); err != nil {
		s.release()
		return nil, err
	}
	return s, nil
}

func (s *Store) openWritable(ctx context.Context) error {
	if err := s.checkFile(); err != nil {
		return err
	}
	var err error
	if s.lock, err = filelock.Take(s.path + ".lock"); err != nil {
		return s.explainLock(err)
	}
	if err := createPrivate(s.path); err != nil {
		return s.explainLock(err)
	}
	if s.w, err = openWriter(ctx, s.path); err != nil {
		return s.explain("open", err)
	}
	if err := s.migrate(ctx); err != nil {
		return err
	}
	if err := s.openReaders(); err != nil {
		return err
	}
	return s.readEpoch(ctx)
}

// createPrivate creates the file at path, readable by this user only, unless it
// is there: it holds prompts and answers. SQLite gives its log and index beside
// it the same mode. The mode of a file that is there is its operator's.
func createPrivate(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

func (s *Store) openReadOnly(ctx context.Context) error {
	if err := s.checkFile(); err != nil {
		return err
	}
	if _, err := os.Stat(s.path); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("store %s: open: %w: start the server once, or set store.dsn to the file that it writes", s.path, store.ErrNotFound)
	}
	if err := s.openReaders(); err != nil {
		return err
	}
	var id int
	if err := s.readers.QueryRowContext(ctx, "PRAGMA application_id").Scan(&id); err != nil {
		return s.explain("open", err)
	}
	if id != applicationID {
		return s.foreign()
	}
	have, err := appliedMigrations(ctx, s.readers)
	if err != nil {
		return s.explain("read its version", err)
	}
	if err := s.checkMigrations(have, false); err != nil {
		return err
	}
	return s.readEpoch(ctx)
}

// checkFile looks at the place before SQLite does, whose words for what may be
// wrong there are "unable to open database file" and "out of memory".
func (s *Store) checkFile() error {
	folder := filepath.Dir(s.path)
	if info, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("store %s: %w: the folder %s does not exist: create it, or set store.dsn to another place", s.path, store.ErrUnwritable, folder)
	} else if err == nil && !info.IsDir() {
		return fmt.Errorf("store %s: %w: %s is not a folder: set store.dsn to another place", s.path, store.ErrUnwritable, folder)
	}
	f, err := os.Open(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("store %s: %w: make it readable and writable to this user, or set store.dsn to another place (%v)", s.path, store.ErrUnwritable, err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return fmt.Errorf("store %s: %w: it is a folder: set store.dsn to a file in it", s.path, store.ErrUnwritable)
	}
	head := make([]byte, 16)
	if n, _ := f.Read(head); n > 0 && string(head[:n]) != "SQLite format 3\x00" {
		return fmt.Errorf("store %s: %w: it is not a SQLite file: restore a backup, or move it away to start empty", s.path, store.ErrCorrupt)
	}
	return nil
}

func (s *Store) openReaders() error {
	db, err := sql.Open("sqlite", dsn(s.path, "mode=ro", "_busy_timeout=5000", "_error_rc=1", "_dqs=0"))
	if err != nil {
		return s.explain("open for reading", err)
	}
	db.SetMaxOpenConns(readConnections)
	db.SetMaxIdleConns(readConnections)
	s.readers = db
	return nil
}

func (s *Store) readEpoch(ctx context.Context) error {
	err := s.readers.QueryRowContext(ctx, `SELECT value FROM meta WHERE key = 'epoch'`).Scan(&s.epoch)
	return s.explain("read its epoch", err)
}

// dsn returns the driver's name of the file at path with parameters, whatever
// characters path is made of.
func dsn(path string, params ...string) string {
	p := filepath.ToSlash(path)
	if filepath.VolumeName(path) != "" {
		p = "/" + p
	}
	if abs := strings.HasPrefix(p, "/"); abs {
		p = "//" + p
	}
	return "file:" + (&url.URL{Path: p}).EscapedPath() + "?" + strings.Join(params, "&")
}

// Epoch returns the random id of this database's lifetime.
func (s *Store) Epoch() string { return s.epoch }

// Close waits for writes under way, folds the log into the database file and
// gives the file free. Every later call is [store.ErrClosed]. It may be called
// more than once.
func (s *Store) Close() error {
	var err error
	s.closing.Do(func() {
		close(s.closed)
		err = s.release()
	})
	return err
}

func (s *Store) release() error {
	var errs []error
	if s.readers != nil {
		errs = append(errs, s.readers.Close())
	}
	if s.w != nil {
		errs = append(errs, s.w.close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return s.explain("close", errors.Join(errs...))
}

// isClosed reports whether Close was called.
func (s *Store) isClosed() bool {
	select {
	case <-s.closed:
		return true
	default:
		return false
	}
}
