package probes

import (
	"math"
	"slices"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// maxGaps bounds how many gaps are kept of one answer; later ones count for
// the longest only.
const maxGaps = 1 << 16

// pace follows the content events of a stream.
//
// Events that arrived in one read share the time since the read before, because
// their own distances were lost on the way and would pass for speed: of three
// events together after 30 ms, each gap is 10 ms. Those that came along with
// the first token say nothing and are left out. The longest gap is the longest
// silence between two reads with content.
type pace struct {
	first, last time.Duration // 0: no token yet
	read        int           // the read that the last event came with
	since       time.Duration // from the read before to that one
	together    int           // events of that read so far
	gaps        []time.Duration
	longest     time.Duration
}

// add notes a content event that came with a read at a time.
func (p *pace) add(at time.Duration, read int) {
	switch {
	case p.first == 0:
		p.first, p.last, p.read = at, at, read
	case read == p.read:
		p.together++
	default:
		p.settle()
		p.since, p.together = at-p.last, 1
		p.longest = max(p.longest, p.since)
		p.last, p.read = at, read
	}
}

// settle divides the time of the last read among its events.
func (p *pace) settle() {
	if p.since == 0 {
		return
	}
	for range p.together {
		if len(p.gaps) < maxGaps {
			p.gaps = append(p.gaps, p.since/time.Duration(p.together))
		}
	}
	p.since, p.together = 0, 0
}

// stats returns the median, 95th percentile and maximum of the gaps in
// seconds; zero where there are none.
func (p *pace) stats() (median, p95, longest float64) {
	p.settle()
	if len(p.gaps) == 0 {
		return 0, 0, 0
	}
	slices.Sort(p.gaps)
	n := len(p.gaps)
	mid := (p.gaps[(n-1)/2] + p.gaps[n/2]) / 2
	high := p.gaps[min(n-1, int(math.Ceil(0.95*float64(n)))-1)] // nearest rank
	return mid.Seconds(), high.Seconds(), p.longest.Seconds()
}

// timing returns the stamps of an exchange, for an outcome. A limit that passed
// counts as at least its length in everything that it cut short. The total is
// left out where the answer failed otherwise, so that fast errors cannot pass
// for speed.
func (r *reply) timing(o bellwether.Outcome, c Canary) bellwether.Timing {
	t := bellwether.Timing{
		DNS: r.phases.dns.Seconds(), Connect: r.phases.connect.Seconds(), TLS: r.phases.tls.Seconds(),
		FirstByte: r.phases.firstByte.Seconds(), FirstToken: r.pace.first.Seconds(),
	}
	t.InterToken, t.InterTokenP95, t.InterTokenMax = r.pace.stats()
	ended, silent := r.ended.Seconds(), (r.ended - r.pace.last).Seconds()
	switch o {
	case bellwether.OK, bellwether.BadOutput, bellwether.Refusal:
		t.Total = r.last.Seconds()
	case bellwether.Timeout:
		t.Total = max(ended, c.Timeout.Std().Seconds())
		if c.Streams() && r.pace.first == 0 {
			t.FirstToken = t.Total
		}
	case bellwether.FirstTokenTimeout:
		t.FirstToken = max(ended, c.FirstTokenLimit.Std().Seconds())
		t.Total = t.FirstToken
	case bellwether.Stalled:
		t.InterTokenMax = max(t.InterTokenMax, silent, c.StallLimit.Std().Seconds())
		t.Total = max(ended, (r.pace.last + c.StallLimit.Std()).Seconds())
	}
	return t
}
