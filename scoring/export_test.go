package scoring

import (
	"maps"
	"sync"
)

// Thresholds keeps solved thresholds between the engines of tests: solving them
// afresh for every engine is most of what the tests would do. They are a pure
// function, so that it changes no verdict. Safe for concurrent use.
type Thresholds struct {
	mu     sync.Mutex
	solved map[thresholdKey]float64
}

// Lend gives e all thresholds that are solved.
func (s *Thresholds) Lend(e *Engine) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.Copy(e.solver.cache, s.solved)
}

// Keep takes those that e has solved.
func (s *Thresholds) Keep(e *Engine) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.solved == nil {
		s.solved = map[thresholdKey]float64{}
	}
	maps.Copy(s.solved, e.solver.cache)
}
