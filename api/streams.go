package api

import (
	"sync"
)

// kind is a sort of request that stays.
type kind int

const (
	pollers kind = iota
	watchers
	listeners // of server-sent events
	exports
	kinds
)

// streams counts the requests that stay, bounds them, and ends them together.
type streams struct {
	limits  [kinds]int
	closing chan struct{} // closed when all must end

	mu     sync.Mutex
	closed bool
	open   [kinds]int
	all    sync.WaitGroup
}

func newStreams() *streams {
	return &streams{limits: [kinds]int{pollers: 10_000, watchers: 10_000, listeners: 1000, exports: 4}, closing: make(chan struct{})}
}

// begin registers one request; the caller must call end. It refuses with a 503
// when there are too many or all are ending.
func (s *streams) begin(k kind) (end func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, unavailable("the server is shutting down")
	}
	if s.open[k] >= s.limits[k] {
		return nil, unavailable("too many requests of this kind are open already (%d)", s.limits[k])
	}
	s.open[k]++
	s.all.Add(1)
	return func() {
		s.mu.Lock()
		s.open[k]--
		s.mu.Unlock()
		s.all.Done()
	}, nil
}

func (s *streams) count(k kind) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open[k]
}

// shut ends all and returns when they have ended.
func (s *streams) shut() {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.closing)
	}
	s.mu.Unlock()
	s.all.Wait()
}
