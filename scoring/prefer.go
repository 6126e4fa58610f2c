package scoring

import (
	"math"

	"github.com/bellwether-llm/bellwether"
)

// Preferences scale the shares within a tier without changing what the tier
// carries. Each is the ratio to the best member of the tier, to the power that
// the route asks for, so the best has 1; the product is at least leastTaste, so
// that nobody is starved by taste alone. docs/scoring.md, "Preferences".
const (
	leastTaste  = 0.05
	mostTaste   = 4.0
	tasteEvery  = 10e9 // nanoseconds between looks at what is preferred
	tasteMove   = 0.14 // ln 1.15: a smaller change of an estimate moves no share
	tasteSigmas = 2.0  // nor one within so many standard errors
	paceMemory  = 1.0 / 44
	paceLeast   = 5.0   // answers before a pace is compared
	paceJump    = 1.0   // most that one answer counts for, a logarithm
	freePrice   = 0.01  // USD per million tokens that are added to every price
	blendInput  = 3.0   // input tokens to each output token, as blended prices count
	fitFailures = 0.02  // added to every rate of wrong answers
	fitPrior    = 20.0  // answers that the mean of all targets is worth
	fitMemory   = 1000. // answers, then older ones fade
)

// pace is what an answer's first token takes now, in one series: a moving mean
// of the logarithm with a half-life of 30 answers, in health and out of it.
type pace struct{ z, n float64 }

// see takes in the time of one answer. z is its logarithm.
func (p *pace) see(z float64) {
	if !(math.Abs(z) <= mostMeasure) {
		return
	}
	if p.n >= paceLeast {
		z = p.z + clip(z-p.z, paceJump)
	}
	p.z += (z - p.z) * math.Max(1/(p.n+1), paceMemory)
	p.n = math.Min(p.n+1, 1/paceMemory)
}

// steady follows an estimate in steps: noise does not move it.
type steady struct {
	at    float64
	known bool
}

// follow moves to x when x is at least move away.
func (s *steady) follow(x, move float64) {
	if !s.known || math.Abs(x-s.at) >= move {
		s.at, s.known = x, true
	}
}

// cell is one kind of probe (canary, vantage, connection) that members of a tier
// are compared on.
type cell struct {
	of          *series
	sum, weight float64
}

// taste brings the preferences of all routes up to date, at most every
// tasteEvery.
func (e *Engine) taste() {
	if !e.tasting || e.now < e.tasteAt {
		return
	}
	e.tasteAt = e.now + tasteEvery
	for _, r := range e.routes {
		if r.refine(e) {
			e.dirty = true
		}
	}
}

// refine estimates what the route prefers by, and reports whether any of it
// moved.
func (r *route) refine(e *Engine) (moved bool) {
	for from := 0; from < len(r.members); {
		to := from
		for to < len(r.members) && r.members[to].tier == r.members[from].tier {
			to++
		}
		ms := r.members[from:to]
		if r.prefer.Latency > 0 {
			r.comparePaces(ms)
		}
		if r.prefer.Task > 0 && r.task >= 0 {
			e.compareFits(ms, r.task)
		}
		for i := range ms {
			m := &ms[i]
			moved = moved || m.lag.at != m.lagSeen || m.fit.at != m.fitSeen
			m.lagSeen, m.fitSeen = m.lag.at, m.fit.at
		}
		from = to
	}
	return moved
}

// comparePaces estimates by how much slower than each other the members of a
// tier are, as logarithms, on the probes that they share: the additive fit of
// ln seconds by member and by kind of probe. Who shares none stands in the
// middle. No allocation once the cells have room.
func (r *route) comparePaces(ms []member) {
	for i := range ms {
		ms[i].lagNow = 0
	}
	for range 4 {
		r.cells = r.cells[:0]
		eachPace(ms, func(m *member, s *series) {
			c := r.cell(s)
			c.sum += s.live.n * (s.live.z - m.lagNow)
			c.weight += s.live.n
		})
		for i := range ms {
			ms[i].lagSum, ms[i].lagWeight = 0, 0
		}
		eachPace(ms, func(m *member, s *series) {
			c := r.cell(s)
			m.lagSum += s.live.n * (s.live.z - c.sum/c.weight)
			m.lagWeight += s.live.n
		})
		for i := range ms {
			if m := &ms[i]; m.lagWeight > 0 {
				m.lagNow = m.lagSum / m.lagWeight
			}
		}
	}
	for i := range ms {
		ms[i].lag.follow(ms[i].lagNow, tasteMove)
	}
}

// eachPace calls f with every series whose pace is known.
func eachPace(ms []member, f func(*member, *series)) {
	for i := range ms {
		for _, s := range ms[i].t.series {
			if !s.passive && s.live.n >= paceLeast {
				f(&ms[i], s)
			}
		}
	}
}

func (r *route) cell(s *series) *cell {
	for i := range r.cells {
		if o := r.cells[i].of; o.canary == s.canary && o.vantage == s.vantage && o.reused == s.reused {
			return &r.cells[i]
		}
	}
	r.cells = append(r.cells, cell{of: s})
	return &r.cells[len(r.cells)-1]
}

// price is what a million tokens cost, three of input to each of output; a
// little more than nothing where they are free.
func price(t *target) float64 {
	p := (blendInput*math.Max(0, t.Price.Input) + math.Max(0, t.Price.Output)) / (blendInput + 1)
	return freePrice + p
}

// preferences writes the preference of every member, in [leastTaste, 1]; the
// best of a tier that takes traffic is what the others are compared with.
func (r *route) preferences() {
	for from := 0; from < len(r.members); {
		to, lag, cost, fit := from, math.Inf(1), math.Inf(1), math.Inf(1)
		alive := false
		for ; to < len(r.members) && r.members[to].tier == r.members[from].tier; to++ {
			m := &r.members[to]
			if well := m.t.effective() > 0; well && !alive {
				alive, lag, cost, fit = true, math.Inf(1), math.Inf(1), math.Inf(1)
			} else if !well && alive {
				continue
			}
			lag, cost, fit = math.Min(lag, m.lag.at), math.Min(cost, m.price), math.Min(fit, m.fit.at)
		}
		for i := from; i < to; i++ {
			m := &r.members[i]
			x := r.prefer.Latency*math.Max(0, m.lag.at-lag) + r.prefer.Cost*math.Max(0, math.Log(m.price/cost)) + r.prefer.Task*math.Max(0, m.fit.at-fit)
			m.preference = math.Max(leastTaste, math.Exp(-x))
		}
		from = to
	}
}

// indifferent reports whether the route prefers nobody.
func indifferent(p bellwether.Preferences) bool { return p.Latency == 0 && p.Cost == 0 && p.Task == 0 }
