package api

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/sketch"
)

const (
	hourMinutes   = 60
	minuteValues  = 64 // first tokens kept of one minute; of more, a fair sample
	sparkMinutes  = 2
	sparklineBins = hourMinutes / sparkMinutes
)

// hour keeps what the scheduled probes of the last hour saw, so that a glance
// at all targets reads no store. Suspicion probes are left out: they ask more
// often in bad times. It begins with the rollups of the hour before the
// server's start. Safe for concurrent use.
type hour struct {
	since int64 // the minute of the start; earlier ones come from the store

	seeding sync.Mutex // held while the store is read
	mu      sync.Mutex
	seeded  bool
	targets map[string]*lookback
}

// lookback is one target's hour, as a ring over the Unix minute.
type lookback [hourMinutes]minute

type minute struct {
	at         int64 // Unix minute
	good, bad  int
	firstToken []float32
	seen       int // first tokens seen, of which firstToken is a sample
}

func newHour(now time.Time) *hour {
	return &hour{since: now.Unix() / 60, targets: map[string]*lookback{}}
}

// speaks reports whether something of that source and trigger tells how a
// target usually does.
func speaks(source, trigger string) bool {
	probed := source == bellwether.SourceProbe || source == bellwether.SourceSimulated
	return probed && (trigger == "" || trigger == bellwether.TriggerSchedule)
}

// add counts o.
func (h *hour) add(o *bellwether.Observation) {
	if !speaks(o.Source, o.Trigger) || o.Window > 0 {
		return
	}
	standing := o.Outcome.Meaning().Availability
	if standing == bellwether.Excluded {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	at := o.At.Unix() / 60
	if at < h.since && !h.seeded {
		return // the store has it
	}
	m := h.minute(o.Target, at)
	if m == nil {
		return
	}
	m.count(standing, 1)
	if v := firstToken(o); v > 0 {
		m.measure(v)
	}
}

// firstToken returns how long o's first token took, 0 when that is not known.
// A timeout counts as its limit; other errors are fast as often as not, and do
// not count.
func firstToken(o *bellwether.Observation) float64 {
	switch o.Outcome {
	case bellwether.OK, bellwether.BadOutput, bellwether.Refusal, bellwether.Timeout:
		return o.Timing.FirstToken
	case bellwether.FirstTokenTimeout:
		return max(o.Timing.FirstToken, o.Timing.Total)
	}
	return 0
}

// minute returns the bin of a minute, emptied when it is a new one, or nil
// when the ring holds a later hour already. Called with mu held.
func (h *hour) minute(target string, at int64) *minute {
	l := h.targets[target]
	if l == nil {
		l = &lookback{}
		h.targets[target] = l
	}
	m := &l[((at%hourMinutes)+hourMinutes)%hourMinutes]
	if m.at > at {
		return nil
	}
	if m.at < at {
		*m = minute{at: at, firstToken: m.firstToken[:0]}
	}
	return m
}

func (m *minute) count(s bellwether.Standing, n int) {
	switch s {
	case bellwether.Good:
		m.good += n
	case bellwether.Bad:
		m.bad += n
	}
}

// measure keeps a fair sample of the values (reservoir sampling).
func (m *minute) measure(v float64) {
	m.seen++
	if len(m.firstToken) < minuteValues {
		m.firstToken = append(m.firstToken, float32(v))
	} else if i := rand.IntN(m.seen); i < minuteValues {
		m.firstToken[i] = float32(v)
	}
}

// seed reads the hour before the start, once; after an error the next call
// tries again.
func (h *hour) seed(ctx context.Context, store History) error {
	h.seeding.Lock()
	defer h.seeding.Unlock()
	h.mu.Lock()
	done := h.seeded
	h.mu.Unlock()
	if done {
		return nil
	}
	start := time.Unix(h.since*60, 0).UTC()
	rs, err := store.Rollups(ctx, bellwether.Query{From: start.Add(-time.Hour), To: start, Seconds: 60, Limit: -1})
	if err != nil {
		return fmt.Errorf("read the last hour: %w", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range rs {
		h.addRollup(&rs[i])
	}
	h.seeded = true
	return nil
}

// addRollup is called with mu held.
func (h *hour) addRollup(r *bellwether.Rollup) {
	if !speaks(r.Source, r.Trigger) {
		return
	}
	m := h.minute(r.Target, r.Start.Unix()/60)
	if m == nil {
		return
	}
	for o, n := range r.Counts {
		m.count(o.Meaning().Availability, n)
	}
	s, err := sketch.Parse(r.Sketches[bellwether.FirstToken])
	if err != nil {
		return // none was kept
	}
	n := int(min(s.Count(), minuteValues))
	for i := range n {
		m.measure(s.Quantile((float64(i) + 0.5) / float64(n)))
	}
}

// percentiles sums up measured values.
type percentiles struct {
	P50   float64 `json:"p50"`
	P95   float64 `json:"p95"`
	P99   float64 `json:"p99"`
	Count int     `json:"count"`
}

// proportion is a share of bad results with its interval.
type proportion struct {
	Ratio float64 `json:"ratio"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
	Bad   int     `json:"bad"`
	Total int     `json:"total"`
}

type sparkline struct {
	From       time.Time  `json:"from"`
	Step       float64    `json:"step_seconds"`
	FirstToken []*float64 `json:"first_token_p50_seconds"`
	Errors     []*float64 `json:"error_ratio"`
}

// glance is a target's hour, summed up.
type glance struct {
	firstToken *percentiles // nil: nothing was measured
	errors     *proportion  // nil: nothing spoke for or against
	line       sparkline
}

// glance sums up the hour that ends with now's minute.
func (h *hour) glance(target string, now time.Time) glance {
	first := now.Unix()/60 - hourMinutes + 1
	bins := h.snapshot(target, first)
	g := glance{line: sparkline{From: time.Unix(first*60, 0).UTC(), Step: 60 * sparkMinutes}}
	var all []float64
	good, bad := 0, 0
	for i := range sparklineBins {
		var values []float64
		g1, b1 := 0, 0
		for _, m := range bins[i*sparkMinutes : (i+1)*sparkMinutes] {
			for _, v := range m.firstToken {
				values = append(values, float64(v))
			}
			g1, b1 = g1+m.good, b1+m.bad
		}
		slices.Sort(values)
		g.line.FirstToken = append(g.line.FirstToken, known(quantile(values, 0.5)))
		g.line.Errors = append(g.line.Errors, known(float64(b1)/float64(g1+b1))) // NaN without any
		all, good, bad = append(all, values...), good+g1, bad+b1
	}
	if len(all) > 0 {
		slices.Sort(all)
		g.firstToken = &percentiles{P50: quantile(all, 0.5), P95: quantile(all, 0.95), P99: quantile(all, 0.99), Count: len(all)}
	}
	g.errors = wilson(bad, good+bad)
	return g
}

// snapshot copies the bins of the hour that begins with the minute first.
func (h *hour) snapshot(target string, first int64) [hourMinutes]minute {
	var out [hourMinutes]minute
	h.mu.Lock()
	defer h.mu.Unlock()
	l := h.targets[target]
	if l == nil {
		return out
	}
	for i := range out {
		at := first + int64(i)
		if m := l[at%hourMinutes]; m.at == at {
			m.firstToken = slices.Clone(m.firstToken)
			out[i] = m
		}
	}
	return out
}

// keep forgets targets that the config no longer names.
func (h *hour) keep(targets []bellwether.Target) {
	names := map[string]bool{}
	for _, t := range targets {
		names[t.ID] = true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for id := range h.targets {
		if !names[id] {
			delete(h.targets, id)
		}
	}
}

// quantile returns the nearest-rank quantile of sorted values, NaN of none.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	i := int(math.Ceil(q*float64(len(sorted)))) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}

// wilson returns the share of bad in total with its 95 % Wilson score
// interval, which is honest for few samples; nil when there are none.
func wilson(bad, total int) *proportion {
	if total <= 0 {
		return nil
	}
	const z = 1.959964
	n, p := float64(total), float64(bad)/float64(total)
	mid := (p + z*z/(2*n)) / (1 + z*z/n)
	half := z / (1 + z*z/n) * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	return &proportion{Ratio: p, Low: min(max(0, mid-half), p), High: max(min(1, mid+half), p), Bad: bad, Total: total}
}
