package main

import (
	"os"
	"runtime"

	"github.com/bellwether-llm/bellwether/probes"
)

// spareProcessors gives the Go scheduler more processors than there are cores,
// so that a probe's read never queues behind a query or an export for up to 10
// ms: the kernel, which preempts at once, decides in its place. See
// docs/measuring.md. GOMAXPROCS in the environment has the last word, and where
// a quota bounds the processor it stays as it is, because more threads would
// only use the quota up in bursts. Calling it again changes nothing.
func spareProcessors() {
	if os.Getenv("GOMAXPROCS") != "" {
		return
	}
	runtime.SetDefaultGOMAXPROCS()
	if n := runtime.GOMAXPROCS(0); n == runtime.NumCPU() {
		runtime.GOMAXPROCS(n + probes.SpareProcessors)
	}
}
