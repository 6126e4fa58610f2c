package api

import (
	"fmt"
	"maps"
	"strings"
	"sync"

	"github.com/bellwether-llm/bellwether"
)

const (
	mostMissers = 500 // vantages of which missed probes are counted
	mostReasons = 20  // of one vantage; more are counted as "other"
)

// misses counts the scheduled probes that could not be sent, by vantage and
// reason, since the start. Safe for concurrent use.
type misses struct {
	mu sync.Mutex
	by map[string]map[string]uint64
}

// note counts o if it is a probe that was not sent.
func (m *misses) note(o *bellwether.Observation) {
	if o.Source != bellwether.SourceProbe || o.Outcome != bellwether.Missed {
		return
	}
	why, n := missReason(o.Error)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.by == nil {
		m.by = map[string]map[string]uint64{}
	}
	reasons := m.by[o.Vantage]
	if reasons == nil {
		if len(m.by) >= mostMissers {
			return
		}
		reasons = map[string]uint64{}
		m.by[o.Vantage] = reasons
	}
	if _, known := reasons[why]; !known && len(reasons) >= mostReasons {
		why = "other"
	}
	reasons[why] += n
}

// of returns the counts of a vantage, by reason; nil for none.
func (m *misses) of(vantage string) map[string]uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.by[vantage])
}

// missReason reads what a scheduler says of a probe that it did not send: why,
// and for how many probes it speaks.
func missReason(said string) (why string, n uint64) {
	why = strings.TrimPrefix(said, "not sent: ")
	why, rest, more := strings.Cut(why, ", as it was for the ")
	n = 1
	if more {
		var k uint64
		if _, err := fmt.Sscan(rest, &k); err == nil && k < 1e9 {
			n += k
		}
	}
	return orElse(cut(strings.TrimLeft(why, "0123456789 "), wordLimit), "no reason given"), n
}
