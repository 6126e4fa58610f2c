package main

import (
	"context"
	"testing"
	"time"
)

func TestAServerThatEndsLeavesNothingBehindAndComesBackAsItWas(t *testing.T) {
	t.Parallel()
	_, url := simulator(t)
	file, api, router := testConfig(t, t.TempDir(), url)
	cfg, err := LoadConfig(file)
	if err != nil {
		t.Fatal(err)
	}
	run := func(warmup bool) (revision uint64) {
		a, err := newApp(t.Context(), cfg, quiet(), appOptions{warmup: warmup})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		ended := make(chan error, 1)
		go func() { ended <- a.Run(ctx) }() // TestMain looks for what it leaves
		ready(t, router)
		waitShare(t, api, "first", func(v float64) bool { return v == 0.95 })
		stop()
		start := time.Now()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v", err)
		}
		if took := time.Since(start); took > 2*drainTime {
			t.Errorf("ending took %v", took)
		}
		return a.publisher.current.Revision
	}
	if first, second := run(true), run(false); second < first {
		t.Errorf("revision %d after a restart, %d before", second, first)
	}
}
