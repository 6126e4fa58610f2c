// Package filelock lets one process at a time hold a file. The kernel gives the
// lock free when the process ends, however it ends, so none is ever stale. It is
// not for locks within a process, nor across hosts: on network file systems the
// kernel's promise does not hold. It starts no goroutine.
package filelock

import (
	"errors"
	"os"
)

// ErrHeld is returned by [Take] when another holder has the lock.
var ErrHeld = errors.New("held by another process")

// Take takes the lock on the file at path, which it makes (mode 0600) where it
// is missing, or returns [ErrHeld] at once. Closing what it returns gives the
// lock free; the file itself stays, because removing it would let two hold it.
func Take(path string) (*os.File, error) { return take(path) }
