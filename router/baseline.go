package router

import (
	"context"
	"math"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// Baseliner is a [Follower] that also knows what is usual for the first tokens
// of targets, by target, in seconds.
type Baseliner interface {
	Usual(ctx context.Context) (map[string]bellwether.Usual, error)
}

// baselineEvery is how often the server is asked what is usual, which changes
// slowly.
const baselineEvery = time.Minute

// keepBaselines learns what is usual from the server's probes until ctx ends:
// it says how long a first token may take where real traffic has not said it
// yet.
func (rt *Router) keepBaselines(ctx context.Context, from Baseliner) error {
	tick := time.NewTicker(baselineEvery)
	defer tick.Stop()
	for {
		usual, err := from.Usual(ctx)
		if err != nil {
			rt.log.Debug("server does not say what is usual; the limits known stay", "err", err)
		}
		for id, up := range rt.setup.Load().ups {
			if u, ok := usual[id]; ok && u.P95 > 0 && !math.IsInf(u.P95, 0) {
				up.pace.published.Store(int64(seconds(min(u.P95, 3600))))
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
