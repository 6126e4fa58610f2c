package scoring

import (
	"time"

	"github.com/bellwether-llm/bellwether"
)

const (
	// mostNanos is the latest time that is told apart, in the year 2116: sums
	// of it and any length do not overflow.
	mostNanos int64 = 1 << 62
	// longestCall is the longest call, or window, that is believed; seconds.
	longestCall = 3600.0
	// stepBack is how far records may lie behind each other before it is the
	// clock that went back.
	stepBack = 60e9
)

// nanos converts to unix nanoseconds, at least 1 and at most mostNanos.
func nanos(t time.Time) int64 {
	switch s := t.Unix(); {
	case s < 0:
		return 1
	case s > mostNanos/int64(time.Second)-1:
		return mostNanos
	}
	return max(1, t.UnixNano())
}

// lasted returns how long the call or window of o took, in nanoseconds; what is
// not a number, or absurd, is bounded.
func lasted(o *bellwether.Observation) int64 {
	longest := 0.0
	for _, s := range [...]float64{o.Timing.Total, o.Timing.FirstToken, o.Window} {
		if s > longest {
			longest = s
		}
	}
	return int64(1e9 * min(longest, longestCall))
}

// advance sets the engine's time to that of a record. A record a little behind
// the one before does not turn time back; one far behind means that the clock
// was ahead and was set right, and all that was remembered of the future
// becomes now, lest everything were late until the wrong time comes.
func (e *Engine) advance(at int64) {
	if at >= e.now-stepBack {
		e.now = max(e.now, at)
		return
	}
	e.now = at
	bound := func(at *int64) { *at = min(*at, e.now) }
	bound(&e.tasteAt)
	for _, v := range e.vantages {
		v.times(bound)
	}
	for _, p := range e.prompts {
		p.times(bound)
	}
	for _, t := range e.targets {
		t.times(bound)
		e.touch(t)
	}
}

// times calls f with all times that v remembers.
func (v *vantage) times(f func(*int64)) {
	f(&v.since)
	f(&v.seenAt)
	f(&v.from)
	f(&v.drag.from)
	f(&v.drag.lastAt)
	f(&v.drag.since)
	for i := range v.drag.seenAt {
		f(&v.drag.seenAt[i])
	}
	f(&v.failedAt)
	for i := range v.runs {
		f(&v.runs[i].seenAt)
	}
	for i := range v.lastAt {
		f(&v.lastAt[i])
	}
}

// times calls f with all times that t remembers.
func (t *target) times(f func(*int64)) {
	p := &t.traffic
	for i := range t.streams {
		f(&t.streams[i].at)
	}
	for _, at := range []*int64{&t.identityAt, &t.renewedAt, &t.firstAt, &t.lastAt, &t.seenAt, &t.cleanAt, &t.localAt, &t.since, &t.shedAt, &t.doubtFrom, &t.blamedAt, &t.askedAt, &t.togetherAt, &t.look.probedAt, &t.look.toldAt, &t.burst.at,
		&p.at, &p.creditAt, &p.from, &p.until} {
		f(at)
	}
	for i := range t.bank.since {
		f(&t.bank.since[i])
	}
	for i := range t.quotas.since {
		f(&t.quotas.since[i])
	}
	for i := range t.fam {
		f(&t.fam[i].since)
		f(&t.fam[i].raisedAt)
		f(&t.fam[i].peakAt)
		f(&t.fam[i].betterAt)
		f(&t.fam[i].shiftAt)
		f(&t.fam[i].steady.at)
		f(&t.fam[i].steady.seen)
	}
	for i := range t.exits {
		f(&t.exits[i])
	}
	for i := range t.held {
		f(&t.held[i].at)
	}
	for _, r := range [...]*ring[tally]{&t.calls, &t.answers, &t.oddTexts} {
		for i := range r.buf {
			f(&r.buf[i].at)
		}
	}
	for i := range t.recent.buf {
		f(&t.recent.buf[i].at)
	}
	for k := range t.effects {
		for i := range t.effects[k].buf {
			f(&t.effects[k].buf[i].at)
		}
	}
	for _, s := range t.series {
		s.times(f)
	}
}

func (s *series) times(f func(*int64)) {
	for i := range s.since {
		f(&s.since[i])
	}
	f(&s.lastAt)
	for _, m := range s.measures {
		if m == nil {
			continue
		}
		f(&m.lastAt)
		f(&m.prevAt)
		f(&m.anchor.at)
		for i := range m.pend {
			f(&m.pend[i].at)
		}
	}
	if s.text != nil {
		for i := range s.text.pend {
			f(&s.text.pend[i].at)
		}
	}
}
