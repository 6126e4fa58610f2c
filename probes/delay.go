package probes

import (
	"math"
	"runtime/metrics"
)

// Delays are percentiles of how long something of ours had to wait within the
// last minute, in seconds; upper bounds of the runtime's buckets, a quarter of
// an octave or so. All 0: it never happened.
type Delays struct {
	P50 float64 `json:"p50_seconds"`
	P99 float64 `json:"p99_seconds"`
	Max float64 `json:"max_seconds"`
}

const (
	schedLatencies = "/sched/latencies:seconds" // from ready to running, of every goroutine
	delayEvery     = 5                          // looks at ourselves
	delayKept      = 12                         // a minute of them
)

// delays follows one histogram of the runtime. It belongs to one goroutine.
type delays struct {
	sample [1]metrics.Sample
	past   [][]uint64 // counts since the start, oldest first
}

// within returns the percentiles since the oldest look that is kept.
func (d *delays) within(name string) Delays {
	d.sample[0].Name = name
	metrics.Read(d.sample[:])
	if d.sample[0].Value.Kind() != metrics.KindFloat64Histogram {
		return Delays{}
	}
	h := d.sample[0].Value.Float64Histogram()
	now := append([]uint64(nil), h.Counts...) // the runtime writes to h again
	diff := append([]uint64(nil), now...)
	if len(d.past) > 0 && len(d.past[0]) == len(diff) {
		for i, n := range d.past[0] {
			diff[i] -= n
		}
	}
	if d.past = append(d.past, now); len(d.past) > delayKept {
		d.past = append(d.past[:0], d.past[1:]...)
	}
	return delaysOf(diff, h.Buckets)
}

// delaysOf reads percentiles off a histogram: counts[i] lie between buckets[i]
// and buckets[i+1].
func delaysOf(counts []uint64, buckets []float64) (d Delays) {
	var all uint64
	for _, n := range counts {
		all += n
	}
	var sum uint64
	for i, n := range counts {
		if n == 0 {
			continue
		}
		at := buckets[i+1]
		if math.IsInf(at, 1) {
			at = max(0, buckets[i])
		}
		before := sum
		sum += n
		if float64(before) < 0.5*float64(all) {
			d.P50 = at
		}
		if float64(before) < 0.99*float64(all) {
			d.P99 = at
		}
		d.Max = at
	}
	return d
}
