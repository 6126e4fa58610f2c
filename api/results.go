package api

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// mostResults bounds what is remembered; vantages and canaries come from
// outside.
const mostResults = 50_000

// results remembers the last probe of every canary to every target from every
// vantage.
type results struct {
	seeding sync.Mutex
	seeded  bool

	mu   sync.Mutex
	last map[resultKey]result
}

type resultKey struct{ target, canary, vantage string }

// result is a probe at a glance.
type result struct {
	Target      string             `json:"target"`
	Canary      string             `json:"canary"`
	Vantage     string             `json:"vantage"`
	At          time.Time          `json:"at"`
	Trigger     string             `json:"trigger,omitempty"`
	Outcome     bellwether.Outcome `json:"outcome"`
	FirstToken  float64            `json:"first_token_seconds,omitempty"`
	Total       float64            `json:"total_seconds,omitempty"`
	Observation string             `json:"observation"` // its id
}

func newResults() *results { return &results{last: map[resultKey]result{}} }

// note remembers o if it is a probe, and not older than what is known.
func (rs *results) note(o *bellwether.Observation) {
	if o.Source != bellwether.SourceProbe || o.Canary == "" || o.Outcome == "" {
		return
	}
	k := resultKey{o.Target, o.Canary, o.Vantage}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	old, known := rs.last[k]
	if (known && old.At.After(o.At)) || (!known && len(rs.last) >= mostResults) {
		return
	}
	rs.last[k] = result{Target: o.Target, Canary: o.Canary, Vantage: o.Vantage, At: o.At.UTC(), Trigger: o.Trigger, Outcome: o.Outcome,
		FirstToken: finite(o.Timing.FirstToken), Total: finite(o.Timing.Total), Observation: o.ID}
}

// list returns the results of the targets and canaries that there are, and
// forgets the others.
func (rs *results) list(f Facts) []result {
	targets, canaries := map[string]bool{}, map[string]bool{}
	for _, t := range f.Targets {
		targets[t.ID] = true
	}
	for _, c := range f.Canaries {
		canaries[c.Name] = true
	}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	maps.DeleteFunc(rs.last, func(k resultKey, _ result) bool { return !targets[k.target] || !canaries[k.canary] })
	out := slices.AppendSeq([]result{}, maps.Values(rs.last))
	slices.SortFunc(out, func(a, b result) int {
		return cmp.Or(cmp.Compare(a.Target, b.Target), cmp.Compare(a.Canary, b.Canary), cmp.Compare(a.Vantage, b.Vantage))
	})
	return out
}
