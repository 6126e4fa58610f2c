//go:build unix

package probes

import (
	"os"
	"syscall"
)

// openFiles counts our open file descriptors, and how many there may be; 0, 0
// where the system does not say.
func openFiles() (open, most int) {
	dir, err := os.Open("/dev/fd") // on Linux a link to /proc/self/fd
	if err != nil {
		return 0, 0
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	var limit syscall.Rlimit
	if err != nil || syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 0, 0
	}
	const plenty = 1 << 30 // no limit, for our purposes
	return len(names) - 1, int(min(uint64(limit.Cur), plenty))
}
