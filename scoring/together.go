package scoring

import (
	"math"

	"github.com/bellwether-llm/bellwether"
)

// Groups detect sooner than their members by themselves: four targets of one
// provider that fail one probe each are no chance, while one such failure is.
// The members' evidence is added up, against a threshold with a budget of its
// own, a tenth of the targets', so that it adds little to the false alarms.
const (
	accuseNats  = 2.0 // what a member must hold itself to be counted, and condemned
	mostOfOne   = 10. // nats that one member may bring: two at least are needed
	onsetNats   = 1.0 // the price of each further member's freedom to begin when it likes
	togetherRho = .3  // the correlation of latencies between targets in health
)

// groupBudget is ln(20·6·5): a tenth of the budget, split over six groups of a
// target and five hypotheses, two targets struck by each false alarm. Added to
// the logarithm of the run length that one target is allowed it is the threshold
// that holds for any ratios whose mean is at most 1.
const groupBudget = 6.397

// grave are the hypotheses that groups are judged by: large faults, which are
// those that strike many at once.
var grave = [...]int{errors30, errors97, insane50, firstToken2, interToken15}

// conspire looks, after an observation that speaks against t, whether a group of
// t's holds enough together, and judges its members if so.
func (e *Engine) conspire(t *target, r *reading) {
	for _, i := range grave {
		if r.ell[i] <= 0 || t.bank.nats[i] < accuseNats || (e.set.may[i] != acts && e.set.may[i] != caps) {
			continue
		}
		if t.fam[table[i].family].active && e.joined(t, i, downExtra) {
			continue
		}
		// The vantage may be at fault, which looks alike.
		switch table[i].family {
		case famErrors:
			if !e.trusting() {
				continue
			}
		case famFirst, famInter:
			if !e.evenPace() {
				continue
			}
		}
		for g := 1; g < len(t.groups); g++ {
			// What strikes all providers at once is ours: no verdict for that.
			if t.groups[g].cause != bellwether.CauseVantage {
				e.condemn(t, &t.groups[g], i, r.at)
			}
		}
	}
}

// condemn judges the members of g that accuse, where their evidence for
// hypothesis i since the onset of t's passes the group's threshold.
func (e *Engine) condemn(t *target, g *group, i int, at int64) {
	if len(g.members) > blameMost {
		return // a tenth of them would do, and costs are bounded
	}
	when := span{t.bank.since[i], 2 * t.alone}
	sum, accusers := 0.0, 0
	for _, m := range g.members {
		o := e.targets[m]
		if o.accusesSince(i, when) {
			sum += math.Min(mostOfOne, o.bank.nats[i])
			accusers++
		} else {
			sum += math.Min(0, o.natsSince(i, when, 0))
		}
	}
	if accusers < 2 {
		return
	}
	if f := table[i].family; f == famFirst || f == famInter {
		sum /= 1 + togetherRho*float64(accusers-1)
	}
	extra := sum - onsetNats*float64(accusers-1) - (allowedRun(e.set.falseAlarms, t.interval, 1) + groupBudget)
	if extra < 0 {
		return
	}
	for _, m := range g.members {
		if o := e.targets[m]; o.accusesSince(i, when) {
			if e.now-o.togetherAt > togetherTime {
				o.together = [hypotheses]float64{}
			}
			o.together[i], o.togetherAt = math.Max(extra, o.together[i]), e.now
			if o != t {
				e.judge(o, at)
				e.weigh(o, at, false)
				e.suspect(o)
				e.touch(o)
			}
		}
	}
}

// accusesSince reports whether t's own evidence for hypothesis i began with the
// fault.
func (t *target) accusesSince(i int, at span) bool {
	return t.bank.nats[i] >= accuseNats && t.bank.since[i] >= at.since-at.slack
}

// togetherTime is how long a group's evidence stands for a member that holds
// some itself; nanoseconds.
const togetherTime = 60e9

// joined reports whether a group of t's has passed its threshold for hypothesis
// i by so many nats, and t itself holds evidence for it.
func (e *Engine) joined(t *target, i int, extra float64) bool {
	return t.togetherAt != 0 && e.now-t.togetherAt <= togetherTime && t.together[i] > extra && t.bank.nats[i] >= accuseNats
}
