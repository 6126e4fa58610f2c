package main

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestStagesStopInOrderAndAllAreWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var ended []string
		lasting := func(name string, takes time.Duration) part {
			return part{name, func(ctx context.Context) error {
				<-ctx.Done()
				time.Sleep(takes)
				mu.Lock()
				defer mu.Unlock()
				ended = append(ended, name)
				return nil
			}}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := runStages(ctx, []part{lasting("slow intake", time.Second), lasting("intake", 0)},
			[]part{lasting("pipeline", 0)}, []part{lasting("journal", 0)})
		if want := []string{"intake", "slow intake", "pipeline", "journal"}; err != nil || !slices.Equal(ended, want) {
			t.Errorf("runStages ended %q with %v, want %q and no error", ended, err, want)
		}
	})
}

func TestTheFirstFailureStopsEverythingAndIsReturned(t *testing.T) {
	broken := errors.New("port in use")
	err := runStages(t.Context(),
		[]part{{"api", func(context.Context) error { return broken }}},
		[]part{{"pipeline", func(ctx context.Context) error { <-ctx.Done(); return nil }}})
	if !errors.Is(err, broken) || err.Error() != "api: port in use" {
		t.Errorf("runStages = %v, want api: port in use", err)
	}
}

func TestAFailureIsReturnedThoughSomebodyStopsTheProgramMeanwhile(t *testing.T) {
	broken := errors.New("port in use")
	ctx, cancel := context.WithCancel(t.Context())
	err := runStages(ctx,
		[]part{{"api", func(context.Context) error { return broken }}},
		[]part{{"pipeline", func(ctx context.Context) error { <-ctx.Done(); cancel(); return nil }}})
	if !errors.Is(err, broken) {
		t.Errorf("runStages = %v, want %v", err, broken)
	}
}
