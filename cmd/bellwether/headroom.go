package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// A router's live memory is small until it holds many streams. The collector's
// own rule, to let memory double, makes it run many times a second then, a tenth
// of all its work, to save a few megabytes.
const (
	headroom      = 48 << 20 // bytes of garbage that may gather, whatever lives
	leastGarbage  = 35       // percent of what lives that may gather; less costs too much
	mostGarbage   = 1000
	headroomEvery = time.Second / 2
)

// keepHeadroom has the collector run when a fixed amount of garbage has
// gathered, rather than one that grows with what lives, until ctx ends. Where
// GOGC is set, that stands.
func keepHeadroom(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	tick := time.NewTicker(headroomEvery)
	defer tick.Stop()
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}}
	set := debug.SetGCPercent(mostGarbage)
	defer debug.SetGCPercent(set)
	now := mostGarbage
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		metrics.Read(live)
		next := garbagePercent(live[0].Value.Uint64() + live[1].Value.Uint64())
		if next*4 > now*5 || next*5 < now*4 { // setting it stops the world for a moment
			now = next
			debug.SetGCPercent(now)
		}
	}
}

// garbagePercent returns what is headroom's part of what lives.
func garbagePercent(live uint64) int {
	return int(min(max(100*headroom/max(live, 1), leastGarbage), mostGarbage))
}
