package router

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/api/client"
)

const (
	// maxUnsent bounds the summaries that wait for a server that is away;
	// beyond it the oldest go, and are counted.
	maxUnsent  = 10_000
	maxBatch   = 500 // summaries in one request
	sendLimit  = 10 * time.Second
	finalLimit = 2 * time.Second // of the last report, when the router stops
)

// report hands what was seen to the server, every so often, until ctx ends;
// then once more. What the server does not take waits, bounded.
func (rt *Router) report(ctx context.Context) error {
	tick := time.NewTicker(rt.cfg.ReportEvery.Std())
	defer tick.Stop()
	var unsent []bellwether.Observation
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), finalLimit)
			defer cancel()
			rt.metrics.unreported.Add(len(rt.send(last, rt.unsent(unsent))))
			return nil
		case <-tick.C:
			unsent = rt.send(ctx, rt.unsent(unsent))
		}
	}
}

// unsent returns what waits and what was seen since, at most maxUnsent.
func (rt *Router) unsent(waiting []bellwether.Observation) []bellwether.Observation {
	obs, lost := rt.recorder.take(time.Now())
	obs = append(waiting, obs...)
	if over := len(obs) - maxUnsent; over > 0 {
		obs, lost = slices.Clone(obs[over:]), lost+over
	}
	rt.metrics.unreported.Add(lost)
	return obs
}

// send hands obs over in batches and returns what is still to be sent. What
// the server will never have, as it may not know a target yet that this
// router's config has, is left out and counted: one bad summary must not hold
// up all others for ever.
func (rt *Router) send(ctx context.Context, obs []bellwether.Observation) []bellwether.Observation {
	ctx, cancel := context.WithTimeout(ctx, sendLimit)
	defer cancel()
	batch := maxBatch
	for len(obs) > 0 {
		n := min(len(obs), batch)
		_, _, err := rt.follower.Observe(ctx, obs[:n])
		if err == nil {
			obs, batch = obs[n:], maxBatch
			continue
		}
		refusal, ok := errors.AsType[*client.Error](err)
		if !ok || !permanent(refusal.Status) {
			rt.log.Debug("server takes no observations; they wait", "waiting", len(obs), "err", err)
			return obs
		}
		kept := without(obs[:n], refusal.Faults)
		if len(kept) == n && n > 1 { // it named none: look for it
			batch = n / 2
			continue
		}
		if len(kept) == n {
			kept = nil
		}
		rt.metrics.rejected.Add(n - len(kept))
		rt.log.Warn("server refused observations; they are dropped", "dropped", n-len(kept), "err", err)
		obs = append(kept, obs[n:]...)
	}
	return nil
}

// permanent reports whether the same body would be refused again.
func permanent(status int) bool { return status == 400 || status == 413 || status == 422 }

// without returns obs without those that the faults' pointers ("/3/target")
// name.
func without(obs []bellwether.Observation, faults []client.Fault) []bellwether.Observation {
	bad := map[int]bool{}
	for _, f := range faults {
		index, _, _ := strings.Cut(strings.TrimPrefix(f.Pointer, "/"), "/")
		if i, err := strconv.Atoi(index); err == nil {
			bad[i] = true
		}
	}
	kept := make([]bellwether.Observation, 0, len(obs))
	for i, o := range obs {
		if !bad[i] {
			kept = append(kept, o)
		}
	}
	return kept
}
