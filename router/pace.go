package router

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/bellwether-llm/bellwether/internal/sketch"
)

// pace learns how long a target usually takes to its first token, from real
// traffic: over the last five to ten minutes of it, whichever rate it comes at.
// Attempts that ran into a limit count with the time that they had, so that a
// target that has become slower is learned anew rather than cut off for ever;
// errors never count, however fast.
type pace struct {
	mu           sync.Mutex
	recent, past *sketch.Sketch // of this span and of the one before
	since        int64          // when recent began
	added        int

	usual atomic.Int64 // 95th percentile, in nanoseconds; 0: not known
	late  atomic.Int64 // 99th
	last  atomic.Int64 // the last sample

	published atomic.Int64 // 95th percentile by the server's probes, in nanoseconds; 0: not known
}

const (
	paceSpan    = 5 * time.Minute
	paceSamples = 50 // from which on it knows something
	paceEvery   = 16 // samples between two looks at the sketches
)

// add takes one time to the first token.
func (p *pace) add(now int64, took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.recent == nil || now-p.since >= int64(paceSpan) {
		if p.past = p.recent; now-p.since >= 2*int64(paceSpan) {
			p.past = nil // nothing came meanwhile: what was before is long ago
		}
		p.recent, p.since = sketch.New(), now
	}
	p.recent.Add(took.Seconds())
	p.last.Store(now)
	if p.added++; p.added%paceEvery != 0 {
		return
	}
	all := sketch.New()
	if all.Merge(p.recent) != nil || all.Merge(p.past) != nil || all.Count() < paceSamples {
		return
	}
	p.usual.Store(int64(seconds(all.Quantile(.95))))
	p.late.Store(int64(seconds(all.Quantile(.99))))
}

// known returns the 95th and 99th percentile of the time to the first token;
// 0 while too little was seen, or nothing in a long while.
func (p *pace) known(now int64) (p95, p99 time.Duration) {
	if now-p.last.Load() > 2*int64(paceSpan) {
		return 0, 0
	}
	return time.Duration(p.usual.Load()), time.Duration(p.late.Load())
}

// usually returns the 95th percentile of the time to the first token, from
// real traffic, else from probes; 0 where neither knows.
func (p *pace) usually(now int64) time.Duration {
	if p95, _ := p.known(now); p95 > 0 {
		return p95
	}
	return time.Duration(p.published.Load())
}

// A first token later than lateFactor times the usual worst is a silence;
// probes, which are short and few, know only of nineteen in twenty. A prompt
// takes time to read, each of its tokens.
const (
	lateFactor     = 3
	probedFactor   = 5
	leastFirst     = 2 * time.Second
	perPromptToken = 500 * time.Microsecond
)

// limit returns how long a first token may take at a target, from what was
// learned of it, or from the server's probes; most where that is nothing.
func (p *pace) limit(now int64, promptTokens int, most time.Duration) time.Duration {
	_, p99 := p.known(now)
	late := lateFactor * p99
	if p99 == 0 {
		late = probedFactor * time.Duration(p.published.Load())
	}
	if late == 0 {
		return most
	}
	return min(most, max(leastFirst, late)+time.Duration(promptTokens)*perPromptToken)
}
