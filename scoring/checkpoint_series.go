package scoring

import (
	"time"

	"github.com/bellwether-llm/bellwether"
)

func (c *coder) series(s *series) {
	c.str(&s.vantage)
	c.str(&s.canary)
	c.bool(&s.reused)
	c.bool(&s.passive)
	c.origin(&s.origin)
	for k := range s.measures {
		if there(c, &s.measures[k]) {
			c.measure(s.measures[k])
		}
	}
	if there(c, &s.text) {
		c.text(s.text)
	}
	c.rate(&s.sane)
	c.rate(&s.avail)
	c.f64s(s.nats[:])
	c.i64s(s.since[:])
	c.least(&s.start.bad, 0)
	c.least(&s.start.good, 0)
	c.f64(&s.live.z)
	c.least(&s.live.n, 0)
	c.least(&s.dear, 0)
	for f := range s.accuses {
		c.bool(&s.accuses[f])
		c.bool(&s.ill[f])
	}
	c.i64(&s.lastAt)
	c.u64(&s.n)
}

func (c *coder) traffic(p *traffic) {
	for _, at := range []*int64{&p.at, &p.creditAt, &p.from, &p.until} {
		c.i64(at)
	}
	for _, v := range []*float64{&p.norm, &p.windows, &p.calls, &p.credit, &p.n, &p.bad, &p.lastN, &p.lastBad,
		&p.sum, &p.weight, &p.waitSum, &p.waitWeight} {
		c.least(v, 0)
	}
}

func (c *coder) measure(m *measure) {
	c.u64(&m.accepted)
	list(c, &m.start, coldProbes, c.f64)
	c.f64(&m.level)
	c.i64(&m.lastAt)
	c.pool(&m.pool)
	for _, p := range []*pairs{&m.corr.near, &m.corr.far} {
		for _, v := range []*float64{&p.yy, &p.yx, &p.gaps, &p.n, &p.rho, &p.sure, &p.bias} {
			c.f64(v)
		}
	}
	c.least(&m.sigma, 0)
	c.f64(&m.middle)
	c.f64s(m.place[:])
	c.bool(&m.whole)
	if c.read && m.ready() && m.sigma <= 0 {
		c.err = errCheckpoint
	}
	c.f64(&m.prevY)
	c.i64(&m.prevAt)
	list(c, &m.pend, ringMost, func(s *sample) {
		c.i64(&s.at)
		for _, v := range []*float64{&s.z, &s.y, &s.w, &s.before, &s.gap} {
			c.f64(v)
		}
	})
	if there(c, &m.season) {
		c.season(m.season)
	}
	list(c, &m.anchor.days, anchorDays, c.f32)
	c.i64(&m.anchor.at)
	c.least(&m.kin, 0)
	if c.read {
		m.anchor.refresh()
	}
}

func (c *coder) origin(o *origin) {
	u := uint64(*o)
	c.u64(&u)
	if u >= uint64(origins) {
		c.err, u = errCheckpoint, 0
	}
	*o = origin(u)
}

func (c *coder) text(p *textPast) {
	for f := range features {
		c.sparse(p.bins[f][:])
		c.least(&p.total[f], 0)
	}
	list(c, &p.pend, textPending, func(x *textSample) {
		c.i64(&x.at)
		c.bool(&x.odd)
		for f := range x.bins {
			b := int64(x.bins[f])
			if c.i64(&b); b < -1 || b >= textBins {
				c.err, b = errCheckpoint, -1
			}
			x.bins[f] = int16(b)
		}
	})
}

func (c *coder) season(s *season) {
	c.sparse(s.mean[:])
	c.sparse(s.n[:])
	c.sparse(s.weeks[:])
	for i := range s.mean {
		if s.n[i] < 0 || s.weeks[i] < 0 {
			c.err = errCheckpoint
		}
	}
	c.int(&s.hour)
	c.f64(&s.sum)
	c.least(&s.count, 0)
	c.least(&s.ill, 0)
	if s.hour < -1 || s.hour >= weekHours {
		c.err = errCheckpoint
		return
	}
	c.int(&s.phase)
	c.least(&s.sigma, 0)
	c.f64(&s.level)
	c.f64(&s.swing)
	c.sparse(s.shape[:])
}

func (c *coder) pool(p *pool) {
	list(c, &p.young, youngMost, c.f64)
	c.bins(&p.bins, poolBins)
	c.f64s(p.coarse[:])
	c.f64(&p.width)
	c.f64(&p.gain)
	c.f64(&p.total)
	if n := len(p.bins); c.read && n != 0 && (n != poolBins || p.width < 1e-9 || p.gain < 1e-9 || p.total <= 0) {
		c.err = errCheckpoint
	}
}

// bins codes a histogram of so many bins, or none.
func (c *coder) bins(bins *[]float32, most int) {
	n := c.count(len(*bins), most)
	if c.read {
		*bins = make([]float32, n)
	}
	c.sparse(*bins)
}

func (c *coder) histogram(h *histogram) {
	c.bins(&h.bins, histBins)
	c.f64(&h.low)
	c.f64(&h.total)
	if n := len(h.bins); c.read && n != 0 && n != histBins {
		c.err = errCheckpoint
	}
}

func (c *coder) rate(r *rate) {
	for _, v := range []*float64{&r.good, &r.bad, &r.waitGood, &r.waitBad} {
		c.f64(v)
		if *v < 0 {
			c.err = errCheckpoint
		}
	}
	c.int(&r.bucket)
	if r.bucket < 0 || r.bucket >= pBuckets {
		c.err = errCheckpoint
	}
}

func (c *coder) alarm(a *alarm, f family) {
	c.bool(&a.active)
	c.int(&a.hyp)
	c.int(&a.severity)
	c.i64(&a.since)
	c.i64(&a.raisedAt)
	c.f64(&a.recovery)
	c.f64(&a.relapses)
	c.f64(&a.chances)
	c.i64(&a.betterAt)
	c.f64(&a.peak)
	c.i64(&a.peakAt)
	c.i64(&a.shiftAt)
	c.f64(&a.steady.effect)
	c.i64(&a.steady.at)
	c.i64(&a.steady.seen)
	first, last := f.span()
	if a.active && (a.hyp < first || a.hyp > last || a.severity < 1 || a.severity > 3) {
		c.err, *a = errCheckpoint, alarm{}
	}
}

func (c *coder) tally(t *tally) {
	c.i64(&t.at)
	c.f32(&t.n)
	c.f32(&t.bad)
	w := uint64(t.worst)
	c.u64(&w)
	if w >= uint64(len(outcomeNames)) {
		c.err, w = errCheckpoint, 0
	}
	t.worst = uint8(w)
}

func (c *coder) override(o *bellwether.Override) {
	for _, s := range []*string{&o.ID, &o.Target, &o.Reason, &o.By} {
		c.str(s)
	}
	c.f64(&o.Weight)
	for _, at := range []*time.Time{&o.CreatedAt, &o.ExpiresAt} {
		// Apart, because not every year fits into nanoseconds.
		s, ns := at.Unix(), int64(at.Nanosecond())
		c.i64(&s)
		if c.i64(&ns); c.read {
			*at = time.Unix(s, ns).UTC()
		}
	}
}
