package sim

import (
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"sync"

	"github.com/bellwether-llm/bellwether/llm"
)

// Counts is what the simulator saw of one model. Received is the sum of the
// others and of what is under way.
type Counts struct {
	Received  int `json:"received"`  // requests that could be read and were let in
	Completed int `json:"completed"` // answered to the end, be it with an error
	Cancelled int `json:"cancelled"` // the client went away first
	Broken    int `json:"broken"`    // broken off by a fault
}

// maxNames bounds what is remembered: a stranger may invent names. What comes
// after is counted and correlated together, under the name "".
const maxNames = 4096

// ledger remembers, between requests, each series' place in its random
// stream, and each model's counts. Safe for concurrent use.
type ledger struct {
	seed   uint64
	mu     sync.Mutex
	series map[[2]string]*series            // by model and region
	counts map[string]*Counts               // by model
	seen   map[llm.Protocol]map[string]bool // the models asked for, by house
}

type series struct {
	calls uint64
	state State
}

// dice are the random streams of one request, apart from each other so that a
// fault does not shift the latencies that are drawn.
type dice struct{ timing, content, faults *rand.Rand }

func newDice(seed, call uint64) dice {
	stream := func(n uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, call*4+n)) }
	return dice{stream(0), stream(1), stream(2)}
}

// seriesSeed mixes names into a seed.
func seriesSeed(seed uint64, names ...string) uint64 {
	h := fnv.New64a()
	for _, n := range names {
		_, _ = h.Write([]byte(n))
		_, _ = h.Write([]byte{0})
	}
	return seed ^ h.Sum64()
}

// begin counts a request and draws its sample.
func (l *ledger) begin(model, region string, p Profile) (Sample, dice) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count(model).Received++
	key := [2]string{model, region}
	s := l.series[key]
	if s == nil {
		if len(l.series) >= maxNames {
			key = [2]string{}
		}
		if s = l.series[key]; s == nil {
			s = &series{}
			l.series[key] = s
		}
	}
	d := newDice(seriesSeed(l.seed, model, region), s.calls)
	s.calls++
	sample := p.Draw(d.timing, s.state)
	s.state = sample.Next
	return sample, d
}

// end counts how a request ended.
func (l *ledger) end(model string, how ending) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch c := l.count(model); how {
	case endedWhole:
		c.Completed++
	case endedCancelled:
		c.Cancelled++
	case endedBroken:
		c.Broken++
	}
}

// count returns the counts of a model; l.mu is held.
func (l *ledger) count(model string) *Counts {
	c := l.counts[model]
	if c == nil {
		if len(l.counts) >= maxNames {
			model = ""
		}
		if c = l.counts[model]; c == nil {
			c = &Counts{}
			l.counts[model] = c
		}
	}
	return c
}

func (l *ledger) snapshot() map[string]Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make(map[string]Counts, len(l.counts))
	for name, c := range l.counts {
		out[name] = *c
	}
	return out
}

// see remembers that a house was asked for a model.
func (l *ledger) see(house llm.Protocol, model string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen[house] == nil {
		l.seen[house] = map[string]bool{}
	}
	if len(l.seen[house]) < maxNames && model != "" {
		l.seen[house][model] = true
	}
}

// names are the models that a house was asked for.
func (l *ledger) names(house llm.Protocol) map[string]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.seen[house])
}
