package router

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bellwether-llm/bellwether"
)

// Run follows the server and reports to it until ctx ends, and joins
// everything that it started. It returns nil then, and an error only when
// following is not possible at all. Without a follower base weights
// stand. Call it once.
func (rt *Router) Run(ctx context.Context) error {
	defer rt.closeIdle()
	g, running := errgroup.WithContext(ctx)
	g.Go(func() error { return rt.keepAccounts(running) })
	if rt.follower == nil {
		return g.Wait()
	}
	rt.restore()
	g.Go(func() error { return rt.follower.Watch(running, rt.apply) })
	g.Go(func() error { return rt.report(running) })
	g.Go(func() error { return rt.keepDrifting(running) })
	if t, ok := rt.follower.(Teller); ok {
		g.Go(func() error { return rt.tell(running, t) })
	}
	if b, ok := rt.follower.(Baseliner); ok {
		g.Go(func() error { return rt.keepBaselines(running, b) })
	}
	if err := g.Wait(); ctx.Err() == nil {
		return fmt.Errorf("router: follow: %w", err)
	}
	return nil
}

// closeIdle lets go of the connections that are kept for later.
func (rt *Router) closeIdle() {
	if t, ok := rt.transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
	rt.others.Each((*http.Transport).CloseIdleConnections)
}

// maxFollowed bounds the times that weights may ask for: ttl and hold.
const maxFollowed = 365 * 24 * 3600.0 // seconds

// put puts weights in force.
func (rt *Router) put(w bellwether.Weights) {
	w.TTL, w.Hold = within(w.TTL, 0, maxFollowed), within(w.Hold, 0, maxFollowed)
	rt.weights.Store(&w)
	rt.rebuild()
}

// apply puts newer weights in force, keeps them and tells the server.
func (rt *Router) apply(w bellwether.Weights) {
	rt.put(w)
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
	if _, err = tmp.Write(b); err == nil {
		err = tmp.Sync() // or a power failure leaves an empty file under the name
	}
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
	if errors.Is(err, fs.ErrNotExist) {
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
	rt.put(w)
}
