package scoring

import (
	"math"

	"github.com/bellwether-llm/bellwether"
)

// The bounds of faster probing; docs/scoring.md, "Sampling".
const (
	fastShare  = .25     // most of the answered probes that may be beside the schedule, in the long run
	fastCredit = 86400.0 // seconds of schedule whose share may be saved up
	fastAgain  = .1      // of the credit: below nothing, probing is fast again from here
	staleNats  = 3.0     // nats an hour that evidence must grow by to be suspicious after staleAfter
	staleAfter = 600.0   // seconds
	lookPause  = 10e9    // nanoseconds between words about what to probe, begin and end apart
	lookMemory = 86400.0 // seconds over which the cost of suspicion in health is averaged
	askAbove   = 5.0     // nats at which siblings are asked as well
	dearOutput = 4.0     // an output token costs so many input tokens, where prices are not known
)

// look is how a target is looked at.
type look struct {
	credit   float64 // probes beside the schedule that are left
	probedAt int64
	usual    float64 // intervals that passed in health, fading
	extra    float64 // probes in health beyond one an interval, fading alike
	slowed   bool    // the credit is spent
	interval float64 // last asked for
	canaries [2]string
	toldAt   int64
	ask      string // the canary that others had it asked for
	asked    bool   // its siblings were asked
}

// full is the most credit of t, in probes.
func (t *target) full() float64 {
	return fastCredit / seconds(t.interval) * fastShare / (1 - fastShare)
}

// spend accounts for a probe. Failed calls cost nothing and are not counted, so
// that an outage is watched closely for as long as it lasts.
func (t *target) spend(at int64, answered bool) {
	l := &t.look
	if l.probedAt == 0 {
		l.credit, l.probedAt = t.full(), at
		return
	}
	if at <= l.probedAt {
		return
	}
	gap := math.Min(seconds(at-l.probedAt), longestGap)
	passed := gap / seconds(t.interval)
	l.probedAt = at
	l.credit += passed / (1 - fastShare)
	if answered {
		l.credit--
	}
	l.credit = clip(math.Max(0, l.credit), t.full())
	if t.verdict == bellwether.Healthy {
		keep := 1 - gap/lookMemory
		l.usual = l.usual*keep + passed
		l.extra = l.extra*keep + 1 - passed
	}
	switch {
	case l.credit <= 0:
		l.slowed = true
	case l.credit >= fastAgain*t.full():
		l.slowed = false
	}
}

// Cadence is how often a target should be probed so that looking closer when
// something is suspected costs nothing in the mean: on schedule at Slow, while a
// Suspicion is in force at the interval that it names.
type Cadence struct {
	Usual float64 // seconds between probes, as configured
	Slow  float64 // seconds, at least Usual, at most a third more
	Extra float64 // probes beside the schedule in health, for each one on it
}

// Cadence returns how often a target should be probed; false when there is no
// such target.
func (e *Engine) Cadence(target string) (Cadence, bool) {
	t := e.byID[target]
	if t == nil {
		return Cadence{}, false
	}
	c := Cadence{Usual: seconds(t.interval)}
	if t.look.usual > 0 {
		c.Extra = math.Max(0, math.Min(fastShare, t.look.extra/t.look.usual))
	}
	c.Slow = c.Usual / (1 - c.Extra)
	return c, true
}

// doubt returns the strongest evidence against t that still grows, whose it is,
// and since when anything is suspicious. Evidence that has stood for long and
// hardly grows is of something too small to matter: to look closer would not end
// it.
func (e *Engine) doubt(t *target) (most float64, hyp int, since int64) {
	hyp = -1
	for i, s := range t.bank.nats {
		if s <= 0 || e.set.may[i] == informs || e.set.may[i] == ignored {
			continue
		}
		if age := seconds(e.now - t.bank.since[i]); age > staleAfter {
			s -= staleNats * age / 3600
		}
		if s > most {
			most, hyp = s, i
		}
		if s > suspectAbove && (since == 0 || t.bank.since[i] < since) {
			since = t.bank.since[i]
		}
	}
	return most, hyp, since
}

// suspect asks for faster probes while evidence builds or a fault is known, says
// which canaries tell most, and when that is over.
func (e *Engine) suspect(t *target) {
	most, hyp, since := e.doubt(t)
	asked := e.isAsked(t)
	ill := t.verdict.Severity() > 0 || t.verdict == bellwether.Recovering || len(t.held) > 0 || e.controls(t) || asked
	switch {
	case !t.suspected && (most > suspectAbove || ill || t.oddRun == 1):
		if since == 0 {
			since = t.lastAt
		}
		t.suspected, t.doubtFrom = true, since
		e.lookAt(t, hyp)
	case t.suspected && most < clearBelow && !ill && t.oddRun != 1:
		t.suspected = false
		e.out.Suspicions = append(e.out.Suspicions, bellwether.Suspicion{Target: t.ID, Since: stamp(t.doubtFrom)})
		t.doubtFrom, t.look.interval, t.look.asked = 0, 0, false
	case t.suspected && e.now-t.look.toldAt >= lookPause:
		interval, canaries := e.pace(t), e.telling(t, hyp)
		if interval != t.look.interval || canaries != t.look.canaries {
			e.lookAt(t, hyp)
		}
	}
	if t.suspected && !t.look.asked && most > askAbove {
		t.look.asked = true
		e.askSiblings(t, hyp)
	}
	e.warmUp(t)
}

// lookAt says how t is to be probed while it is suspected.
func (e *Engine) lookAt(t *target, hyp int) {
	t.look.interval, t.look.canaries, t.look.toldAt = e.pace(t), e.telling(t, hyp), e.now
	s := bellwether.Suspicion{Target: t.ID, Since: stamp(t.doubtFrom), Interval: t.look.interval}
	for _, name := range t.look.canaries {
		if name != "" {
			s.Canaries = append(s.Canaries, name)
		}
	}
	e.out.Suspicions = append(e.out.Suspicions, s)
}

// pace is the interval that suspicion asks for: the fast one, or what keeps
// probes beside the schedule at their share once the credit is spent.
func (e *Engine) pace(t *target) float64 {
	if t.look.slowed {
		return math.Max(e.set.suspicion, (1-fastShare)*seconds(t.interval))
	}
	return e.set.suspicion
}

// telling returns which canaries tell most about hypothesis hyp for their cost,
// at most two: the one with most nats per token, and the one that holds most of
// the evidence. None means all.
func (e *Engine) telling(t *target, hyp int) (names [2]string) {
	if _, a := t.worst(); a != nil {
		hyp = a.hyp
	}
	if hyp < 0 && t.look.ask != "" && e.isAsked(t) {
		return [2]string{t.look.ask}
	}
	var best, accuser *series
	worth, nats, several := 0.0, cleanNats, false
	var first *series
	for _, s := range t.series {
		if s.canary == "" || s.passive {
			continue
		}
		if first == nil {
			first = s
		} else if s.canary != first.canary {
			several = true
		}
		if s.dear <= 0 || !e.heard(t, s) {
			continue
		}
		if w := e.information(s, t, hyp) / s.dear; w > worth {
			worth, best = w, s
		}
		if hyp >= 0 && s.nats[hyp] > nats {
			nats, accuser = s.nats[hyp], s
		}
	}
	if !several || best == nil {
		return [2]string{}
	}
	names[0] = best.canary
	if accuser != nil && accuser.canary != best.canary {
		names[1] = accuser.canary
	}
	return names
}

// information is what one probe of s says about hypothesis hyp if it is so, in
// nats: the divergence of its rank bins. A failure of the call is every canary's
// alike, a wrong answer only who gave one can repeat.
func (e *Engine) information(s *series, t *target, hyp int) float64 {
	if hyp < 0 {
		return 1
	}
	f := table[hyp].family
	if f == famErrors {
		return 1
	}
	if f.class() != measured || f >= famOwn {
		if s.nats[hyp] >= cleanNats {
			return 1
		}
		return 0
	}
	first, _ := f.span()
	m := s.measures[f.kind()]
	if m == nil || !m.ready() {
		return 0
	}
	b := m.usualBucket(hyp-first, t.interval)
	if b < 0 {
		return 0
	}
	l, sum := e.solver.ladders.pick(m.fine()), 0.0
	for j, q0 := range l.q0 {
		sum += q0 * math.Exp(l.ell[b][j]) * l.ell[b][j]
	}
	return sum
}

// charge follows what an answer to s costs, in input tokens of its target.
func (s *series) charge(t *target, o *bellwether.Observation) {
	if o.Tokens == nil {
		return
	}
	out := dearOutput
	if t.Price.Input > 0 && t.Price.Output > 0 {
		out = t.Price.Output / t.Price.Input
	}
	x := math.Min(1e9, math.Max(1, float64(o.Tokens.Input)+out*float64(o.Tokens.Output)))
	if s.dear == 0 {
		s.dear = x
	}
	s.dear += (x - s.dear) / 16
}

func (c *coder) look(l *look) {
	for _, v := range []*float64{&l.credit, &l.usual, &l.interval} {
		c.least(v, 0)
	}
	c.f64(&l.extra)
	c.bool(&l.slowed)
	for i := range l.canaries {
		c.str(&l.canaries[i])
	}
	c.str(&l.ask)
	c.bool(&l.asked)
}
