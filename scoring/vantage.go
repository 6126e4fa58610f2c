package scoring

import (
	"slices"

	"github.com/bellwether-llm/bellwether"
)

// vantage is what one place that probes are sent from shows of its own health.
// Failures before HTTP that begin at unrelated providers together speak against
// the vantage; any HTTP answer proves its path.
type vantage struct {
	name   string
	runs   []localRun // by provider
	lastAt []int64    // by target: the last probe that was sent from here
	seenAt int64      // the last probe of all
	probes uint64
	fault  bool
	since  int64
}

// localRun is a run of calls to one provider that nothing came back of.
type localRun struct {
	since   int64 // first failure; 0: the last probe got through
	answers int   // how many probes of other providers got through since
	seenAt  int64
}

const (
	togetherNats  = 9.0 // a second unrelated provider failing within two intervals
	answerNats    = 2.3 // a provider that answers in a vantage fault: one in ten
	vantagePrior  = 2.2 // -ln(0.1) rounded down
	mostHeld      = 16
	mostVantages  = 64
	recentVantage = 600e9 // and three intervals: silent for longer, a vantage or a provider at it is not asked
)

// at returns the vantage of that name, making it when it is new, in the place
// of another where there are too many.
func (e *Engine) at(name string) *vantage {
	for _, v := range e.vantages {
		if v.name == name {
			return v
		}
	}
	if len(e.vantages) >= mostVantages {
		ks := make([]known, len(e.vantages))
		for i, v := range e.vantages {
			ks[i] = known{lastAt: v.seenAt, n: v.probes}
		}
		i := leastMissed(ks, e.now)
		e.dropHeld(e.vantages[i].name)
		e.vantages = slices.Delete(e.vantages, i, i+1)
	}
	v := &vantage{name: name, runs: make([]localRun, len(e.providers)), lastAt: make([]int64, len(e.targets))}
	e.vantages = append(e.vantages, v)
	return v
}

// reached reports whether an outcome proves that the vantage's path works.
func reached(o *bellwether.Observation) bool {
	switch o.Outcome {
	case bellwether.Canceled, bellwether.Missed, bellwether.DNSError, bellwether.ConnectError, bellwether.TLSError:
		return false
	case bellwether.Timeout, bellwether.FirstTokenTimeout, bellwether.Stalled:
		return o.Status > 0 || o.Timing.FirstByte > 0
	}
	return true
}

// silent reports whether a call ran out of time before anything came back: its
// provider may hang, or the network may swallow packets.
func silent(o *bellwether.Observation) bool {
	return !reached(o) && o.Outcome.Meaning().Availability == bellwether.Bad
}

// see remembers a probe of t. answered says that anything came back over HTTP:
// what failed before that, or ran out of time in silence, may be the vantage's
// own fault.
func (v *vantage) see(t *target, at int64, answered bool) {
	v.lastAt[t.index] = max(v.lastAt[t.index], at)
	v.seenAt = max(v.seenAt, at)
	v.probes++
	run := &v.runs[t.provider]
	run.seenAt = max(run.seenAt, at)
	if !answered {
		if run.since == 0 {
			*run = localRun{since: at, seenAt: run.seenAt}
		}
		return
	}
	run.since = 0
	for p := range v.runs {
		if p != t.provider && v.runs[p].since != 0 {
			v.runs[p].answers++
		}
	}
}

// doubt returns the log odds that the vantage itself is at fault: the largest
// cluster of providers whose failures began within the window together, less
// what has answered since. since is the cluster's beginning.
func (v *vantage) doubt(window int64) (odds float64, since int64) {
	odds = -vantagePrior
	for _, first := range v.runs {
		if first.since == 0 {
			continue
		}
		n, answers := 0, int(^uint(0)>>1)
		for _, r := range v.runs {
			if r.since >= first.since && r.since <= first.since+window {
				n++
				answers = min(answers, r.answers)
			}
		}
		if o := togetherNats*float64(n-1) - answerNats*float64(answers) - vantagePrior; n > 1 && o > odds {
			odds, since = o, first.since
		}
	}
	return odds, since
}

// providersAt counts the providers that were probed from v since.
func (v *vantage) providersAt(since int64) int {
	n := 0
	for _, r := range v.runs {
		if r.seenAt != 0 && r.seenAt > since {
			n++
		}
	}
	return n
}

// spoilt reports whether the prober doubted itself so much that a failure says
// nothing of the target: it could not reach its controls, resolve names or open
// connections, or its host stood still. "gc" and "lag" spoil timings only.
func spoilt(o *bellwether.Observation) bool {
	return offline(o) || o.Doubtful == "clock" || o.Doubtful == "pause"
}

// offline reports whether the prober said that its own network is out.
func offline(o *bellwether.Observation) bool {
	return o.Doubtful == "controls" || o.Doubtful == "dns" || o.Doubtful == "fds"
}

// doubtVantage weighs whether v is at fault after a probe of t that was sent at
// the given time; confessed says that v itself said so. When a fault begins,
// what was held from it is void.
func (e *Engine) doubtVantage(v *vantage, t *target, confessed bool, at int64) {
	odds, since := v.doubt(max(2*t.alone, 10e9))
	if confessed && odds <= 0 {
		since = at
	}
	if fault := odds > 0 || confessed; fault != v.fault {
		v.fault, v.since = fault, since
		e.dropHeld(v.name)
	}
	frozen := false
	for _, o := range e.vantages {
		if o.fault && o.seenAt > e.now-e.recent {
			frozen = true
		}
	}
	for _, o := range e.vantages {
		if !o.fault && o.seenAt > e.now-e.recent {
			frozen = false
		}
	}
	if frozen != e.frozen {
		e.frozen, e.dirty = frozen, true
		for _, o := range e.targets {
			e.touch(o)
			// The silence was ours: it says nothing of the target.
			if o.seenAt != 0 {
				o.seenAt = max(o.seenAt, e.now)
			}
		}
	}
}

func (e *Engine) dropHeld(vantage string) {
	for _, t := range e.targets {
		t.held = slices.DeleteFunc(t.held, func(h held) bool { return h.vantage == vantage })
	}
}

// hold keeps a failure before HTTP until its vantage has proved itself.
func (t *target) hold(h held) {
	if len(t.held) >= mostHeld {
		t.held = t.held[:copy(t.held, t.held[1:])]
	}
	t.held = append(t.held, h)
}

// controlTime is for how long after a failure before HTTP another target is
// probed faster.
const controlTime = 15e9

// askControl has somebody else asked at once, whose answer, or silence, tells
// whether a failure before HTTP is that of its target or of the vantage.
func (e *Engine) askControl() {
	for _, o := range e.targets {
		if e.controls(o) {
			e.touch(o)
			e.suspect(o)
		}
	}
}

// controls reports whether w is asked on behalf of others: it is the first well
// target of another provider than one whose failures wait for a word on the
// vantage. What is known to be down waits for none.
func (e *Engine) controls(w *target) bool {
	if e.localAt == 0 || e.now-e.localAt > controlTime {
		return false
	}
	for _, t := range e.targets {
		if t.localAt == 0 || e.now-t.localAt > controlTime || t.verdict == bellwether.Down {
			continue
		}
		for _, o := range e.targets {
			if o.provider != t.provider && (o.localAt == 0 || e.now-o.localAt > controlTime) {
				if o == w {
					return true
				}
				break
			}
		}
	}
	return false
}

// unhold scores what is held of all targets but t from v, after an answer came
// through at the given time.
func (e *Engine) unhold(v *vantage, t *target, at int64) {
	for _, o := range e.targets {
		if o == t || len(o.held) == 0 {
			continue
		}
		e.scoreHeld(o, func(h held) bool { return h.vantage == v.name && h.at <= at })
	}
}

// scoreHeld scores the held failures that ready accepts.
func (e *Engine) scoreHeld(t *target, ready func(held) bool) {
	kept := t.held[:0]
	var due []held
	for _, h := range t.held {
		if ready(h) {
			due = append(due, h)
		} else {
			kept = append(kept, h)
		}
	}
	t.held = kept
	for _, h := range due {
		o := bellwether.Observation{Vantage: h.vantage, Target: t.ID, Canary: h.canary, Reused: h.reused}
		e.score(t, &o, h.at, h.outcome)
		e.touch(t)
	}
}
