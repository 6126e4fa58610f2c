package router

import (
	"sync"
	"sync/atomic"
)

// The retry budget, as in Finagle and Envoy: extra attempts are a share of all
// requests, so that a failing provider does not have its load multiplied. Each
// request brings its first change of target with it; asking the same target
// again, further changes and hedges come from here.
const (
	defaultRetryShare = 0.2
	retryFloor        = 10  // attempts a second that are allowed whatever the traffic
	floorSaved        = 100 // of them that can be saved up
	retrySaved        = 500 // attempts of all kinds that can be
)

// budget is the extra attempts that all requests together may make. Safe for
// concurrent use; a deposit does not lock.
type budget struct {
	share  int64 // of each request, in thousandths of an attempt
	tokens atomic.Int64

	mu sync.Mutex
	at int64 // when the floor was last paid in
}

func newBudget(share float64) *budget {
	b := &budget{share: int64(share * 1000)}
	b.tokens.Store(floorSaved * 1000)
	return b
}

// deposit is for a request that begins.
func (b *budget) deposit() { b.add(b.share) }

func (b *budget) add(n int64) {
	if b.tokens.Load() < retrySaved*1000 {
		b.tokens.Add(n)
	}
}

// spend takes one attempt, if there is one.
func (b *budget) spend(now int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if d := now - b.at; d > 0 {
		if low := floorSaved*1000 - b.tokens.Load(); low > 0 {
			b.tokens.Add(min(low, int64(float64(d)*retryFloor/1e6)))
		}
		b.at = now
	}
	if b.tokens.Load() < 1000 {
		return false
	}
	b.tokens.Add(-1000)
	return true
}
