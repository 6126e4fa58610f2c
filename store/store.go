// Package store holds what all stores share: the config section, the errors
// that callers branch on, the fold of observations into rollups, and the
// cursors that listings page with. The stores themselves are its folders;
// storetest has the laws that each must keep.
//
// It keeps nothing and starts no goroutine. It declares no store interface:
// consumers declare the few methods that they call.
package store

import "io/fs"

// The errors that callers branch on. Each is wrapped by the error that a store
// returns, whose text says what happened, where, and what to do.
var (
	// ErrNotFound is that nothing of that id is kept. It is fs.ErrNotExist to
	// errors.Is, for consumers that do not import this package.
	ErrNotFound error = &sentinel{"not found", fs.ErrNotExist}
	// ErrClosed is that the store was closed. It is fs.ErrClosed to errors.Is.
	ErrClosed error = &sentinel{"the store is closed", fs.ErrClosed}
	// ErrFull is that the disk, or the limit set for the store, is full.
	// Nothing of the write that met it was kept, and nothing older is lost.
	ErrFull error = &sentinel{"the disk is full", nil}
	// ErrCorrupt is that what is on disk is not what was written there.
	ErrCorrupt error = &sentinel{"the database is damaged", nil}
	// ErrNewer is that a newer version of the program wrote the database.
	ErrNewer error = &sentinel{"the database is of a newer version", nil}
	// ErrLocked is that another process has the store.
	ErrLocked error = &sentinel{"the database is in use", nil}
	// ErrUnwritable is that the place of the store cannot be written to.
	ErrUnwritable error = &sentinel{"the database cannot be written", nil}
	// ErrBadCursor is that a query's cursor is not one that this listing gave
	// out. It has the method BadRequest() bool, for consumers that do not
	// import this package.
	ErrBadCursor error = &badCursor{"it is not one of this listing"}

	errOtherListing error = &badCursor{"it is of another listing"}
	errOtherStore   error = &badCursor{"it is of another server, or of before its store was replaced"}
	errOtherOrder   error = &badCursor{"it is of the other order"}
)

type sentinel struct {
	text string
	is   error
}

func (e *sentinel) Error() string { return e.text }
func (e *sentinel) Unwrap() error { return e.is }

// badCursor says what a cursor is; each is [ErrBadCursor] to errors.Is.
type badCursor struct{ what string }

func (e *badCursor) Error() string {
	return "the cursor cannot be used: " + e.what + "; start again without it"
}

// Is reports whether target is [ErrBadCursor].
func (*badCursor) Is(target error) bool { return target == ErrBadCursor }

// BadRequest reports that the caller is at fault.
func (*badCursor) BadRequest() bool { return true }

// The sizes of a page of a listing.
const (
	DefaultLimit = 100
	MaxLimit     = 1000
)

// Limit returns how many entries a listing may answer to a query's limit:
// [DefaultLimit] for 0, at most [MaxLimit], and -1, which is no limit, for
// less than 0.
func Limit(asked int) int {
	switch {
	case asked < 0:
		return -1
	case asked == 0:
		return DefaultLimit
	}
	return min(asked, MaxLimit)
}
