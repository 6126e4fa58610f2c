package scoring

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/conf"
)

// UserSignal declares a signal of the user's own.
type UserSignal struct {
	// Worse says which way is worse: up, down or either. Empty means up.
	Worse string `yaml:"worse"`
}

// ownSignal is a declared signal in its slot: that of its name's place in the
// alphabet.
type ownSignal struct {
	name  bellwether.Signal
	worse string // "up", "down", "either"
}

// reserved are the beginnings of names that other parts use.
var reserved = []string{"text.", "identity.", "clock.", "judge."}

// validateOwn returns what is wrong with the user's own signals.
func (p Policy) validateOwn() (ps []conf.Problem) {
	if n := len(p.UserSignals); n > mostOwn {
		ps = append(ps, conf.Problem{Path: "user_signals", Text: fmt.Sprintf("%d signals are too many", n), Remedy: fmt.Sprintf("declare at most %d", mostOwn)})
	}
	for _, s := range slices.Sorted(maps.Keys(p.UserSignals)) {
		path := "user_signals." + string(s)
		taken := slices.Contains(scored, s) || slices.ContainsFunc(reserved, func(r string) bool { return strings.HasPrefix(string(s), r) })
		if taken || !bellwether.ValidID(string(s)) {
			ps = append(ps, conf.Problem{Path: path, Text: fmt.Sprintf("%q cannot be a signal of your own", s), Remedy: "choose a name such as gpu_memory that is not used already"})
		}
		if w := p.UserSignals[s].Worse; !slices.Contains([]string{"", "up", "down", "either"}, w) {
			ps = append(ps, conf.Problem{Path: path + ".worse", Text: fmt.Sprintf("%q is not a direction", w), Remedy: "write up, down or either"})
		}
	}
	return ps
}

// ownSignals puts the declared signals into their slots.
func (p Policy) ownSignals() (own []ownSignal) {
	for _, s := range slices.Sorted(maps.Keys(p.UserSignals)) {
		w := p.UserSignals[s].Worse
		if w == "" {
			w = "up"
		}
		own = append(own, ownSignal{name: s, worse: w})
	}
	return own[:min(len(own), mostOwn)]
}

const (
	ownMost   = 1e12          // values of own signals beyond this are not believed
	latestWay = int64(3600e9) // feedback and own signals may come that late
)

// observeUser folds numbers that the user measures. They are compared with their
// own past by vantage; nothing else is read from the observation.
func (e *Engine) observeUser(t *target, o *bellwether.Observation, at int64) {
	var s *series
	r := reading{at: at}
	for slot, own := range t.own {
		v, there := o.Signals[own.name]
		if !there || !(math.Abs(v) <= ownMost) || e.set.may[ownFirst+slot] == ignored {
			continue
		}
		if s == nil {
			s = t.find(o, fromUser, e.now)
		}
		if own.worse == "down" {
			v = -v
		}
		e.readMeasure(t, s, &r, kindOwn+kind(slot), o.ID, v)
	}
	if s != nil {
		t.streams[fromUser].see(at)
		e.finish(t, s, &r)
	}
}

// observeFeedback folds a caller's word on an answer: 1 is bad, 0 good. Its
// first words are learned, not scored, because what is usual differs between
// products by far more than a fault makes it differ.
func (e *Engine) observeFeedback(t *target, o *bellwether.Observation, at int64) {
	bad, there := o.Signals[bellwether.Feedback]
	if !there || !(bad >= 0 && bad <= 1) || e.set.may[disliked15] == ignored {
		return
	}
	s := t.find(o, fromFeedback, e.now)
	t.streams[fromFeedback].see(at)
	r := reading{at: at, calls: 1, failed: bad}
	if s.avail.good+s.avail.bad >= warmProbes {
		p0 := bucketP(s.avail.bucket)
		for i := disliked15; i <= disliked3; i++ {
			p1 := dislikeRate(i, p0)
			r.ell[i] = bad*math.Log(p1/p0) + (1-bad)*math.Log((1-p1)/(1-p0))
		}
	}
	if t.learning() || t.alarmed(famDisliked) {
		s.avail.wait(1-bad, bad)
	}
	e.finish(t, s, &r)
}

// dislikeRate is how often ratings are bad under hypothesis i: a multiple of the
// usual rate p0, or half or two thirds of those that were good.
func dislikeRate(i int, p0 float64) float64 {
	r := table[i].ratio
	return min(r*p0, p0+(1-p0)*(r-1)/r)
}

// stream is how often something comes, for the budget of signals that do not come
// with probes.
type stream struct {
	at      int64
	norm, n float64 // decayed: seconds, and observations in them
}

func (p *stream) see(at int64) {
	if gap := seconds(at - p.at); p.at != 0 && gap > 0 {
		fade := math.Exp(-gap / slowPace)
		p.norm = p.norm*fade + slowPace*(1-fade)
		p.n *= fade
	}
	p.at = max(p.at, at)
	p.n++
}

const slowPace = 3600.0 // e-time of the pace, seconds

// allowed returns the logarithm of the run length that hypothesis i is allowed,
// counted in its own observations.
func (t *target) allowed(i int) float64 {
	f := table[i].family
	switch {
	case f == famErrors:
		_, observations := t.errorRuns()
		return observations
	case f == famDisliked:
		return t.pacedRun(&t.streams[fromFeedback])
	case f >= famOwn:
		return t.pacedRun(&t.streams[fromUser])
	}
	return t.lnRun
}

func (t *target) pacedRun(p *stream) float64 {
	if p.n == 0 {
		return t.lnRun
	}
	// Before an hour is known, the norm is what was seen of it.
	// Whole nats, lest a pace that moves has thresholds solved again and again.
	return max(leastRun, math.Ceil(t.lnRun+math.Log(seconds(t.interval)*p.n/max(p.norm, 60))))
}

// hypothesis names hypothesis i of t: "gpu_memory up".
func (t *target) hypothesis(i int) string {
	if slot, own := table[i].family.own(); own && slot < len(t.own) {
		return string(t.own[slot].name) + " " + t.own[slot].worse
	}
	return table[i].name
}

// ownWords compares a signal of the user's own with what is usual.
func (t *target) ownWords(f family, since int64) string {
	slot, _ := f.own()
	eff := t.effectSince(f, f.kind(), since)
	now, usual := eff.value, eff.value-eff.middle
	if t.own[slot].worse == "down" {
		now, usual = -now, -usual
	}
	return fmt.Sprintf("%s %.4g, usually %.4g", t.own[slot].name, now, usual)
}

// natural reports whether the values of f are as they are, not logarithms.
func (f family) natural() bool { return f == famUnsure || f >= famOwn }

// usualFeedback is the usual rate of bad ratings, over all streams.
func (t *target) usualFeedback() float64 {
	var sum rate
	for _, s := range t.series {
		if s.origin == fromFeedback {
			sum.good += s.avail.good
			sum.bad += s.avail.bad
		}
	}
	return sum.mean(priorFeedback)
}

// usualFurther lists what confidence, ratings and the user's own signals are
// like when all is well; of several series the one known best.
func (t *target) usualFurther(us []bellwether.Usual) []bellwether.Usual {
	for k := kindConfidence; k < kinds; k++ {
		var best *measure
		for _, s := range t.series {
			if m := s.measures[k]; m.ready() && (best == nil || m.accepted > best.accepted) {
				best = m
			}
		}
		if best == nil {
			continue
		}
		low, mid, high := best.around(.05), best.around(.5), best.around(.95)
		if k == kindConfidence || t.own[k-kindOwn].worse == "down" {
			low, mid, high = -high, -mid, -low
		}
		us = append(us, bellwether.Usual{Signal: wireSignal(t, k.family()), P05: low, Median: mid, P95: high, Samples: float64(best.accepted)})
	}
	ratings := 0.0
	for _, s := range t.series {
		if s.origin == fromFeedback {
			ratings += s.avail.good + s.avail.bad
		}
	}
	if ratings > 0 {
		us = append(us, bellwether.Usual{Signal: bellwether.Feedback, Median: round4(t.usualFeedback()), Samples: ratings})
	}
	return us
}

// around returns a quantile of the values of m.
func (m *measure) around(q float64) float64 {
	if len(m.pool.bins) > 0 {
		return m.level + m.pool.quantile(q)
	}
	sorted := slices.Sorted(slices.Values(m.pool.young))
	return m.level + sorted[int(q*float64(len(sorted)-1))]
}
