package router

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bellwether-llm/bellwether"
)

// Run follows the server and reports to it until ctx ends, and joins
// everything that it started. Without a follower it takes up the state file
// and waits.
func (rt *Router) Run(ctx context.Context) error {
	rt.restore()
	if rt.follower == nil {
		<-ctx.Done()
		return nil
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return rt.follower.Watch(ctx, rt.apply) })
	g.Go(func() error { return rt.report(ctx) })
	g.Go(func() error { return rt.keepDrifting(ctx) })
	err := g.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// apply puts newer weights in force, keeps them and tells the server.
func (rt *Router) apply(w bellwether.Weights) {
	rt.weights.Store(&w)
	rt.rebuild()
	rt.follower.Applied(w.Revision)
	if err := rt.keep(w); err != nil {
		rt.log.Warn("last weights not kept for a restart", "err", err)
	}
}

// keepDrifting rebuilds the table while news is so old that shares drift
// towards the base ones, and once after it came again.
func (rt *Router) keepDrifting(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	drifted := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if drifting := rt.drift(rt.weights.Load()) > 0; drifting || drifted {
				rt.rebuild()
				drifted = drifting
			}
		}
	}
}

// keep writes w to the state file, whole or not at all.
func (rt *Router) keep(w bellwether.Weights) error {
	if rt.cfg.StateFile == "" {
		return nil
	}
	b, err := json.Marshal(w)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(rt.cfg.StateFile), ".weights-*")
	if err != nil {
		return fmt.Errorf("state file: %w", err)
	}
	_, err = tmp.Write(b)
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), rt.cfg.StateFile)
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
		return fmt.Errorf("state file: %w", err)
	}
	return nil
}

// restore takes up the state file, unless newer weights are there already.
func (rt *Router) restore() {
	if rt.cfg.StateFile == "" || rt.weights.Load() != nil {
		return
	}
	b, err := os.ReadFile(rt.cfg.StateFile)
	if os.IsNotExist(err) {
		return
	}
	var w bellwether.Weights
	if err == nil {
		err = json.Unmarshal(b, &w)
	}
	if err != nil {
		rt.log.Warn("state file cannot be read; starting from base weights", "file", rt.cfg.StateFile, "err", err)
		return
	}
	rt.weights.Store(&w)
	rt.rebuild()
}
