package sqlite

import (
	"context"
	"errors"
	"fmt"

	"github.com/bellwether-llm/bellwether/internal/filelock"
	"github.com/bellwether-llm/bellwether/store"
	driver "modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"
)

// explain says in one sentence what err means to whoever runs the server, and
// what to do. It is nil where err is.
func (s *Store) explain(step string, err error) error {
	if err == nil {
		return nil
	}
	if s.isClosed() && step != "close" {
		return fmt.Errorf("store %s: %s: %w", s.path, step, store.ErrClosed)
	}
	e, ok := errors.AsType[*driver.Error](err)
	if !ok || errors.Is(err, context.Canceled) {
		return fmt.Errorf("store %s: %s: %w", s.path, step, err)
	}
	switch e.Code() & 0xff {
	case codes.SQLITE_FULL:
		return fmt.Errorf("store %s: %s: %w: free space there, or shorten store.retention; nothing acknowledged before is lost", s.path, step, store.ErrFull)
	case codes.SQLITE_CORRUPT, codes.SQLITE_NOTADB, codes.SQLITE_FORMAT:
		return fmt.Errorf("store %s: %s: %w: stop the server and restore a backup, or move the file away to start empty", s.path, step, store.ErrCorrupt)
	case codes.SQLITE_READONLY, codes.SQLITE_CANTOPEN, codes.SQLITE_PERM, codes.SQLITE_AUTH:
		return fmt.Errorf("store %s: %s: %w: make the file and its folder writable to this user, or set store.dsn to another place", s.path, step, store.ErrUnwritable)
	case codes.SQLITE_BUSY, codes.SQLITE_LOCKED:
		return fmt.Errorf("store %s: %s: %w: end the other program that has it open", s.path, step, store.ErrLocked)
	}
	return fmt.Errorf("store %s: %s: %w", s.path, step, err)
}

func (s *Store) explainLock(err error) error {
	if errors.Is(err, filelock.ErrHeld) {
		return fmt.Errorf("store %s: %w by another server: stop that one, or set store.dsn to another file", s.path, store.ErrLocked)
	}
	return fmt.Errorf("store %s: %w: make its folder writable to this user, or set store.dsn to another place (%v)", s.path, store.ErrUnwritable, err)
}

// damaged is what a row that cannot be read back is.
func damaged(what string, err error) error {
	return fmt.Errorf("%w: %s: restore a backup (%v)", store.ErrCorrupt, what, err)
}

// breaksTransaction reports whether SQLite itself has rolled back, or may have
// rolled back, the whole transaction that err came up in.
func breaksTransaction(err error) bool {
	e, ok := errors.AsType[*driver.Error](err)
	if !ok {
		return false
	}
	switch e.Code() & 0xff {
	case codes.SQLITE_FULL, codes.SQLITE_IOERR, codes.SQLITE_NOMEM, codes.SQLITE_BUSY,
		codes.SQLITE_INTERRUPT, codes.SQLITE_CORRUPT, codes.SQLITE_NOTADB, codes.SQLITE_READONLY:
		return true
	}
	return false
}
