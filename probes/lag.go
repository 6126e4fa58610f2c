package probes

import (
	"math"
	"runtime/metrics"
	"sync"
	"time"
)

// How late our own process is, is measured by a timer that asks to be woken
// every lagTick while probes are in flight; more than lagLimit makes them
// doubtful.
const (
	lagTick  = 5 * time.Millisecond
	lagLimit = 5 * time.Millisecond
	gcPauses = "/sched/pauses/total/gc:seconds"
)

// lagMeter is shared by all probes of a prober; its goroutine lives while any
// probe is in flight.
type lagMeter struct {
	mu     sync.Mutex
	probes map[*doubt]struct{}
	slept  time.Time // when the sampler last went to sleep
	stop   chan struct{}
	done   chan struct{}
	sample []metrics.Sample
}

// doubt follows one probe.
type doubt struct {
	worst  time.Duration
	pauses uint64 // long garbage collections before it began
}

func (m *lagMeter) begin() *doubt {
	m.mu.Lock()
	defer m.mu.Unlock()
	d := &doubt{pauses: m.longPauses()}
	if m.probes == nil {
		m.probes = map[*doubt]struct{}{}
	}
	m.probes[d] = struct{}{}
	if m.stop == nil {
		m.stop, m.done = make(chan struct{}), make(chan struct{})
		m.slept = time.Now()
		go m.run(m.stop, m.done)
	}
	return d
}

// end returns the worst lag during d in seconds, and what it makes doubtful:
// "gc", "lag" or nothing. The last probe in flight ends the sampler.
func (m *lagMeter) end(d *doubt) (seconds float64, doubtful string) {
	m.mu.Lock()
	m.noteLocked() // a lag that the sampler has not woken up from yet
	delete(m.probes, d)
	paused := m.longPauses() > d.pauses
	var done chan struct{}
	if len(m.probes) == 0 {
		close(m.stop)
		done, m.stop = m.done, nil
	}
	m.mu.Unlock()
	if done != nil {
		<-done
	}
	switch {
	case paused:
		doubtful = "gc"
	case d.worst > lagLimit:
		doubtful = "lag"
	}
	return d.worst.Seconds(), doubtful
}

// ownLag says how late our own process was for this exchange. Where the
// connection tells when bytes arrived it is known: how long they waited for us.
// What happened to the process between two reads touched nothing then. Else it
// is what was sampled meanwhile.
func (r *reply) ownLag(sampled float64, doubtful string) (seconds float64, why string) {
	if r.conn == nil {
		return sampled, doubtful
	}
	if r.late <= lagLimit {
		return r.late.Seconds(), ""
	}
	return r.late.Seconds(), or(doubtful, "lag")
}

// run samples until stop is closed.
func (m *lagMeter) run(stop, done chan struct{}) {
	defer close(done)
	timer := time.NewTimer(lagTick)
	defer timer.Stop()
	for {
		select {
		case <-stop:
			return
		case <-timer.C:
		}
		m.mu.Lock()
		if m.stop == stop {
			m.noteLocked()
			m.slept = time.Now()
		}
		m.mu.Unlock()
		timer.Reset(lagTick)
	}
}

// noteLocked adds the present lag to all probes in flight. m.mu is held.
func (m *lagMeter) noteLocked() {
	lag := time.Since(m.slept) - lagTick
	if lag <= 0 {
		return
	}
	for d := range m.probes {
		d.worst = max(d.worst, lag)
	}
}

// longPauses counts the garbage collections since the process began that
// stopped the world for longer than lagLimit. m.mu is held.
func (m *lagMeter) longPauses() uint64 {
	if m.sample == nil {
		m.sample = []metrics.Sample{{Name: gcPauses}}
	}
	metrics.Read(m.sample)
	if m.sample[0].Value.Kind() != metrics.KindFloat64Histogram {
		return 0
	}
	h := m.sample[0].Value.Float64Histogram()
	var n uint64
	for i, c := range h.Counts {
		if low := h.Buckets[i]; !math.IsInf(low, -1) && low >= lagLimit.Seconds() {
			n += c
		}
	}
	return n
}
