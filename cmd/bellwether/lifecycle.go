package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
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
