package main

import (
	"runtime"
	"testing"

	"github.com/bellwether-llm/bellwether/probes"
)

func TestSpareProcessorsAreGivenOnceAndNeverAgainstTheUser(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
	t.Setenv("GOMAXPROCS", "1")
	spareProcessors()
	if n := runtime.GOMAXPROCS(0); n != before {
		t.Errorf("GOMAXPROCS = %d though the environment has a say, want %d", n, before)
	}
	t.Setenv("GOMAXPROCS", "")
	spareProcessors()
	spareProcessors()
	if n := runtime.GOMAXPROCS(0); n > runtime.NumCPU()+probes.SpareProcessors {
		t.Errorf("GOMAXPROCS = %d, want at most %d", n, runtime.NumCPU()+probes.SpareProcessors)
	}
}
