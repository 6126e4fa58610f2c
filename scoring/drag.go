package scoring

import (
	"fmt"
	"math"

	"github.com/bellwether-llm/bellwether"
)

// A network or a host of our own that is slow makes everybody slow at once. What
// probes from a vantage say for slowness is weighed as lost calls are: in an
// episode, over all providers but the one that explains most.
const (
	dragOpens = 2.0  // nats of one probe for a slowdown of x2, or x1.5 between tokens, that open an episode
	dragMost  = 8.0  // nats that one provider may hold for a slow vantage
	dragLeast = -6.0 // and against it
	dragLimit = 4.0  // most that one probe brings; twice that against
	dragNats  = 5.0  // the vantage is slow above, until 0
	dragPart  = .75  // of the targets heard must be slow
	dragClear = -1.0 // a provider that stands below is as fast as ever
)

// drag is what a vantage shows of its own pace.
type drag struct {
	nats   []float64 // by provider
	seenAt []int64   // likewise
	from   int64     // when the episode began; 0: none is
	lastAt int64     // the last probe that spoke for slowness
	slow   bool
	since  int64
}

func newDrag(providers int) drag {
	return drag{nats: make([]float64, providers), seenAt: make([]int64, providers)}
}

func (d *drag) odds() float64 {
	sum, most := 0.0, 0.0
	for _, x := range d.nats {
		sum += x
		most = math.Max(most, x)
	}
	return sum - most - doubtPrior
}

// dragged reports whether the vantage of that name is slow itself.
func (e *Engine) dragged(vantage string) bool {
	if !e.anySlow {
		return false
	}
	for _, v := range e.vantages {
		if v.name == vantage {
			return v.drag.slow
		}
	}
	return false
}

// doubtPace weighs whether the vantage of o is slow itself, and voids what its
// timings say while it is.
func (e *Engine) doubtPace(t *target, o *bellwether.Observation, r *reading) {
	if x := math.Min(dragLimit, math.Max(-2*dragLimit, r.ell[firstToken2]+r.ell[interToken15])); x != 0 {
		v := e.at(o.Vantage)
		v.drag.see(t, r.at, x)
		odds := v.drag.odds()
		if slow := v.drag.slow && odds > 0 || !v.drag.slow && odds > dragNats && e.allSlow(v, t, x > 0); slow != v.drag.slow {
			v.drag.slow, v.drag.since = slow, max(v.drag.from, 1)
			e.anySlow = false
			for _, o := range e.vantages {
				e.anySlow = e.anySlow || o.drag.slow
			}
			e.undrag(v)
		}
	}
	if r.dragged || e.dragged(o.Vantage) {
		for _, i := range [...]int{firstToken13, firstToken2, interToken115, interToken15, joint} {
			r.ell[i] = 0
		}
	}
}

// allSlow reports whether nearly all targets heard from v in this episode speak
// for slowness: else it is a region, or whatever else they have in common.
func (e *Engine) allSlow(v *vantage, last *target, too bool) bool {
	heard, slow := 0, 0
	for _, t := range e.targets {
		if v.lastAt[t.index] < v.drag.from {
			continue
		}
		heard++
		if t == last && too {
			slow++ // not added up yet
		} else if t.bank.nats[firstToken2] >= 1 || t.bank.nats[interToken15] >= 1 {
			slow++
		}
	}
	return float64(slow) >= dragPart*float64(heard)
}

func (d *drag) see(t *target, at int64, x float64) {
	if d.from != 0 && at-d.lastAt > t.patience() {
		d.from = 0
		clear(d.nats)
	}
	d.seenAt[t.provider] = max(d.seenAt[t.provider], at)
	if x >= dragOpens {
		if d.from == 0 {
			d.from = at
		}
		d.lastAt = max(d.lastAt, at)
	}
	if d.from != 0 {
		n := &d.nats[t.provider]
		*n = math.Max(dragLeast, math.Min(dragMost, *n+x))
	}
}

// undrag takes back what timings say where no verdict stood before the episode of
// v began: what had built up until then is not worth telling apart.
func (e *Engine) undrag(v *vantage) {
	for _, t := range e.targets {
		if v.lastAt[t.index] < v.drag.since {
			continue
		}
		for _, f := range [...]family{famFirst, famInter, famJoint} {
			if a := &t.fam[f]; v.drag.slow && (!a.active || a.since >= v.drag.since) {
				e.clear(t, f)
			}
		}
		for _, s := range t.series {
			for _, k := range [...]kind{kindFirst, kindInter} {
				if m := s.measures[k]; m != nil && s.vantage == v.name {
					m.pend = m.pend[:0]
				}
			}
		}
		t.resumeWell()
		e.touch(t)
	}
}

// evenPace reports whether no vantage is in doubt to be slow itself: in every
// episode all providers asked lately, but the one that explains most, are as fast
// as ever.
func (e *Engine) evenPace() bool {
	for _, v := range e.vantages {
		d := &v.drag
		if d.from == 0 {
			continue
		}
		most := 0
		for i := range d.nats {
			if d.nats[i] > d.nats[most] {
				most = i
			}
		}
		for i := range d.nats {
			if i != most && d.seenAt[i] > e.now-e.recent && d.nats[i] > dragClear {
				return false
			}
		}
	}
	return true
}

// dragReason says that a vantage that t is probed from is slow itself.
func (e *Engine) dragReason(t *target) (bellwether.Reason, bool) {
	if !e.anySlow {
		return bellwether.Reason{}, false
	}
	for _, v := range e.vantages {
		if v.drag.slow && v.lastAt[t.index] >= v.drag.since {
			return bellwether.Reason{Signal: wireSignal(t, famFirst), Code: "vantage_slow",
				Text: fmt.Sprintf("unrelated providers became slow together, seen from %s, since %s: our own network or host is at fault, so its timings do not count", v.name, clock(v.drag.since))}, true
		}
	}
	return bellwether.Reason{}, false
}

func (c *coder) drag(e *Engine, d *drag) {
	n := c.count(len(e.providers), 1<<16)
	for j := 0; j < n && c.err == nil; j++ {
		var name string
		var x float64
		var at int64
		if !c.read {
			name, x, at = e.providers[j], d.nats[j], d.seenAt[j]
		}
		c.str(&name)
		c.f64(&x)
		c.i64(&at)
		for p, known := range e.providers {
			if c.read && known == name {
				d.nats[p], d.seenAt[p] = x, at
			}
		}
	}
	c.i64(&d.from)
	c.i64(&d.lastAt)
	c.bool(&d.slow)
	c.i64(&d.since)
}
