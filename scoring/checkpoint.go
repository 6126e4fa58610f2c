package scoring

import (
	"fmt"
	"math"
	"slices"

	"github.com/bellwether-llm/bellwether"
)

// checkpointFormat names the layout; any change of it is a new one.
const checkpointFormat = "bellwether.scoring.4"

// Checkpoint returns all state as bytes, to go on from with [Engine.Restore]
// exactly as if there had been no pause. About 15 KB per series.
func (e *Engine) Checkpoint() ([]byte, error) {
	c := &coder{buf: make([]byte, 0, 4096+len(e.targets)*24<<10)}
	format := checkpointFormat
	c.str(&format)
	e.code(c)
	c.ownNames(e.set.own)
	c.places(e, &e.vantages)
	c.places(e, &e.prompts)
	c.routes(e)
	n := uint64(len(e.targets))
	c.u64(&n)
	part := &coder{buf: make([]byte, 0, 64<<10)}
	for _, t := range e.targets {
		// Each target stands in a block of known length, so that one that is
		// gone can be passed over.
		part.buf = part.buf[:0]
		part.target(t)
		c.str(&t.ID)
		size := uint64(len(part.buf))
		c.u64(&size)
		c.buf = append(c.buf, part.buf...)
	}
	return c.buf, c.err
}

// Restore replaces all state by that of a checkpoint. Targets that the config
// no longer has are dropped, new ones start fresh, and a route follows the
// config. A checkpoint of another format, or a damaged one, is an error and
// leaves the engine as it was.
func (e *Engine) Restore(data []byte) error {
	c := &coder{buf: data, read: true}
	var format string
	if c.str(&format); c.err != nil || format != checkpointFormat {
		return fmt.Errorf("scoring: restore: not a checkpoint of format %s", checkpointFormat)
	}
	next := e.blank()
	next.code(c)
	moved := c.ownNames(next.set.own)
	c.places(next, &next.vantages)
	c.places(next, &next.prompts)
	c.routes(next)
	var n uint64
	c.u64(&n)
	for range n {
		if c.err != nil {
			break
		}
		next.restoreTarget(c, moved)
	}
	if c.err == nil && len(c.buf) > 0 {
		c.err = errCheckpoint
	}
	if c.err != nil {
		return fmt.Errorf("scoring: restore: %w", c.err)
	}
	for _, name := range next.named {
		next.at(name)
	}
	next.planExpiry()
	next.anySlow = slices.ContainsFunc(next.vantages, func(v *vantage) bool { return v.drag.slow })
	next.anyBroken = slices.ContainsFunc(next.prompts, func(p *vantage) bool { return p.fault })
	for _, t := range next.targets {
		next.localAt = max(next.localAt, t.localAt)
	}
	for _, r := range next.routes {
		r.compute(next)
	}
	*e = *next
	return nil
}

// blank returns an engine of the same config that knows nothing.
func (e *Engine) blank() *Engine {
	n := &Engine{set: e.set, solver: e.solver, byID: make(map[string]*target, len(e.targets)), providers: e.providers, tasks: e.tasks, taskOf: e.taskOf,
		named: e.named, recent: e.recent}
	for _, t := range e.targets {
		f := newTarget(t.Target)
		f.skills = newSkills(e.tasks)
		f.index, f.provider, f.interval, f.alone, f.own, f.groups = t.index, t.provider, t.interval, t.alone, t.own, t.groups
		f.activate(alwaysActive, &e.set)
		n.targets = append(n.targets, f)
		n.byID[f.ID] = f
	}
	for _, r := range e.routes {
		n.routes = append(n.routes, newRoute(r.config, n))
	}
	return n
}

// ownNames codes the user's own signals, and returns the slots that hold another
// one than before.
func (c *coder) ownNames(own []ownSignal) (moved []int) {
	for slot := range mostOwn {
		var now, was ownSignal
		if slot < len(own) {
			now = own[slot]
		}
		was = now
		name := string(was.name)
		c.str(&name)
		c.str(&was.worse)
		if name != string(now.name) || was.worse != now.worse {
			moved = append(moved, slot)
		}
	}
	return moved
}

// forgetOwn forgets all about the user's own signal in a slot.
func (t *target) forgetOwn(slot int) {
	f, i, k := famOwn+family(slot), ownFirst+slot, kindOwn+kind(slot)
	if t.fam[f].active {
		t.fam[f] = alarm{}
		t.resume()
	}
	t.bank.forget(i)
	t.belief.p[0] += t.belief.p[i+1]
	t.belief.p[i+1] = 0
	t.active &^= 1 << i
	t.effects[k] = ring[residual]{}
	for _, s := range t.series {
		s.nats[i], s.measures[k] = 0, nil
	}
}

func (e *Engine) restoreTarget(c *coder, moved []int) {
	var id string
	var size uint64
	c.str(&id)
	c.u64(&size)
	if size > uint64(len(c.buf)) {
		c.err = errCheckpoint
		return
	}
	part := &coder{buf: c.take(int(size)), read: true}
	t := e.byID[id]
	if t == nil || c.err != nil {
		return
	}
	part.target(t)
	if part.err != nil || len(part.buf) > 0 {
		c.err = errCheckpoint
		return
	}
	for _, slot := range moved {
		t.forgetOwn(slot)
	}
	for i := range table { // the policy may allow fewer than before
		if !(t.active & e.set.alarming).has(i) {
			t.belief.p[0] += t.belief.p[i+1]
			t.belief.p[i+1] = 0
		}
	}
	t.shareBudget(&e.set)
	// The config may have made other groups.
	t.group = e.validGroup(t)
}

func (e *Engine) code(c *coder) {
	c.i64(&e.now)
	c.u64(&e.seq)
	c.bool(&e.frozen)
	c.i64(&e.tasteAt)
}

// places codes vantages, or prompts, by the names of providers and targets, which
// may come and go with the config.
func (c *coder) places(e *Engine, vs *[]*vantage) {
	n := c.count(len(*vs), mostVantages)
	for i := 0; i < n && c.err == nil; i++ {
		if c.read {
			*vs = append(*vs, e.newVantage())
		}
		v := (*vs)[i]
		c.str(&v.name)
		c.i64(&v.seenAt)
		c.u64(&v.probes)
		c.bool(&v.fault)
		c.i64(&v.since)
		c.drag(e, &v.drag)
		c.i64(&v.from)
		c.i64(&v.failedAt)
		c.f64(&v.vouched)
		k := c.count(len(e.providers), 1<<16)
		for j := 0; j < k && c.err == nil; j++ {
			c.run(e, v, j)
		}
		k = c.count(len(e.targets), 1<<20)
		for j := 0; j < k && c.err == nil; j++ {
			c.lastSeen(e, v, j)
		}
	}
}

func (c *coder) run(e *Engine, v *vantage, j int) {
	var r localRun
	var name string
	if !c.read {
		r, name = v.runs[j], e.providers[j]
	}
	c.str(&name)
	c.f64(&r.half)
	c.f64(&r.all)
	c.i64(&r.seenAt)
	for p, known := range e.providers {
		if c.read && known == name {
			v.runs[p] = r
		}
	}
}

func (c *coder) lastSeen(e *Engine, v *vantage, j int) {
	var at int64
	var id string
	if !c.read {
		at, id = v.lastAt[j], e.targets[j].ID
	}
	c.str(&id)
	c.i64(&at)
	if t := e.byID[id]; c.read && t != nil {
		v.lastAt[t.index] = at
	}
}

func (c *coder) target(t *target) {
	list(c, &t.series, mostSeries, func(s **series) {
		if c.read {
			*s = &series{}
		}
		c.series(*s)
	})
	c.rate(&t.avail)
	c.bool(&t.burst.failed)
	c.i64(&t.burst.at)
	c.rate(&t.burst.rate)
	c.rate(&t.quota)
	c.bool(&t.plain)
	c.u32((*uint32)(&t.active))
	for i := range t.streams {
		p := &t.streams[i]
		c.i64(&p.at)
		c.least(&p.norm, 0)
		c.least(&p.n, 0)
	}
	c.i64(&t.identityAt)
	c.i64(&t.renewedAt)
	for _, p := range []*prior{&t.prior.errors, &t.prior.burst} {
		c.least(&p.bad, 1e-6)
		c.least(&p.good, 1e-6)
	}
	c.f64s(t.bank.nats[:])
	c.i64s(t.bank.since[:])
	c.f64s(t.bank.n[:])
	c.f64s(t.bank.bad[:])
	c.least(&t.bank.worse, 0)
	for i := range t.bank.calm {
		x := &t.bank.calm[i]
		for _, v := range []*float64{&x.peak, &x.n, &x.excess, &x.seen} {
			c.least(v, 0)
		}
	}
	c.f64s(t.quotas.nats[:])
	c.i64s(t.quotas.since[:])
	c.chances(t.quotas.p[:])
	c.chances(t.belief.p[:])
	for i := range t.fam {
		c.alarm(&t.fam[i], family(i))
	}
	for i := range t.usual {
		c.histogram(&t.usual[i])
	}
	rings(c, &t.calls, c.tally)
	rings(c, &t.answers, c.tally)
	rings(c, &t.oddTexts, c.tally)
	for k := range t.effects {
		rings(c, &t.effects[k], func(r *residual) { c.i64(&r.at); c.u64(&r.from); c.f64(&r.y); c.f64(&r.z) })
	}
	rings(c, &t.recent, func(r *increments) {
		c.i64(&r.at)
		from := uint64(r.from)
		c.u64(&from)
		r.from = uint32(from)
		c.sparse(r.ell[:])
	})
	c.standing(t)
	c.steering(t)
}

// chances codes probabilities. They sum to 1, or are all 0 where nothing was
// seen yet.
func (c *coder) chances(ps []float64) {
	c.f64s(ps)
	sum := 0.0
	for _, p := range ps {
		if p < 0 {
			c.err = errCheckpoint
		}
		sum += p
	}
	if c.read && sum != 0 && math.Abs(sum-1) > 1e-6 {
		c.err = errCheckpoint
	}
}

// least codes a number that is never below some bound.
func (c *coder) least(v *float64, least float64) {
	if c.f64(v); c.read && *v < least {
		c.err = errCheckpoint
	}
}

// standing codes what is said of a target.
func (c *coder) standing(t *target) {
	c.u64(&t.scored)
	for _, at := range []*int64{&t.firstAt, &t.lastAt, &t.seenAt, &t.cleanAt, &t.localAt, &t.since, &t.shedAt, &t.doubtFrom, &t.blamedAt, &t.askedAt, &t.togetherAt, &t.look.probedAt, &t.look.toldAt} {
		c.i64(at)
	}
	c.u64(&t.late)
	c.traffic(&t.traffic)
	odd := string(t.odd)
	c.str(&odd)
	t.odd = bellwether.Outcome(odd)
	c.int(&t.oddRun)
	c.str(&t.oddWhere)
	list(c, &t.walls, mostVantages, c.str)
	list(c, &t.held, mostHeld, func(h *held) {
		o := string(h.outcome)
		c.i64(&h.at)
		c.str(&o)
		c.str(&h.vantage)
		c.str(&h.canary)
		c.bool(&h.reused)
		h.outcome = bellwether.Outcome(o)
	})
	c.state(&t.verdict)
	c.state(&t.shown)
	c.cause(&t.shownWhy)
	c.cause(&t.toldWhy)
	c.bool(&t.toldOut)
	c.cause(&t.cause)
	c.f64(&t.margin)
	c.int(&t.group)
	list(c, &t.exits, int(dampCap), c.i64)
	c.f64(&t.weight)
	c.f64(&t.shed)
	c.bool(&t.suspected)
	c.bool(&t.warmed)
	list(c, &t.overrides, mostOverrides, c.override)
	if t.weight < 0 || t.weight > 1 {
		c.err = errCheckpoint
	}
}
