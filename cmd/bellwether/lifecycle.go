package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// part is something that runs until its context ends and joins everything it
// started before it returns.
type part struct {
	name string
	run  func(context.Context) error
}

// runStages runs all parts of all stages together. When ctx ends, or the first
// part returns with an error, the stages are stopped one after the other, each
// waited for before the next: what takes things in first, what keeps them last.
// It returns when every part has; its error is the first one's.
func runStages(ctx context.Context, stages ...[]part) error {
	over, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stops := make([]func(), len(stages))
	for i, stage := range stages {
		stops[i] = startStage(stage, cancel)
	}
	<-over.Done()
	for _, stop := range stops {
		stop()
	}
	if err := context.Cause(over); err != context.Cause(ctx) {
		return err
	}
	return nil // told to end
}

// startStage starts a stage's parts and returns what stops and joins them.
func startStage(stage []part, fail context.CancelCauseFunc) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, p := range stage {
		wg.Go(func() {
			if err := p.run(ctx); err != nil && !errors.Is(err, context.Canceled) {
				fail(fmt.Errorf("%s: %w", p.name, err))
			}
		})
	}
	return func() { cancel(); wg.Wait() }
}

// How long requests under way may take once the program stops.
const (
	drainTime  = 5 * time.Second
	leastDrain = time.Second // of what stops late, because others stopped before
)

// stopwatch knows when the program was told to end. Its zero value was not. The
// parts that stop one after the other drain by the same watch, so that their
// times do not add up.
type stopwatch struct{ at atomic.Int64 }

func (w *stopwatch) press() { w.at.CompareAndSwap(0, time.Now().UnixNano()) }

// left is how long a part that stops now may take.
func (w *stopwatch) left() time.Duration {
	at := w.at.Load()
	if at == 0 {
		return drainTime
	}
	return max(leastDrain, drainTime-time.Since(time.Unix(0, at)))
}

// serveHTTP returns what serves h on ln until its context ends, then lets
// requests under way finish for as long as the watch leaves.
func serveHTTP(ln net.Listener, h http.Handler, w *stopwatch, log *slog.Logger) func(context.Context) error {
	return func(ctx context.Context) error {
		srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
			MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}
		done := make(chan error, 1)
		go func() { done <- srv.Serve(ln) }()
		select {
		case err := <-done:
			return err
		case <-ctx.Done():
		}
		drain, cancel := context.WithTimeout(context.Background(), w.left())
		defer cancel()
		if err := srv.Shutdown(drain); err != nil {
			_ = srv.Close() // some would not end in time
		}
		<-done
		return nil
	}
}
