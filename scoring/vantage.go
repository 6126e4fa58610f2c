package scoring

import (
	"math"
	"slices"

	"github.com/bellwether-llm/bellwether"
)

// vantage is one place that probes are sent from and what shows of its own
// health. Failures before HTTP at unrelated providers speak against the vantage;
// any HTTP answer proves its path.
type vantage struct {
	name   string
	runs   []localRun // by provider
	lastAt []int64    // by target: the last probe that was sent from here
	seenAt int64      // the last probe of all
	probes uint64
	fault  bool
	since  int64
	// An episode begins with a call that nothing came back of, and ends when none
	// was for a while.
	from     int64 // when it began; 0: none is
	failedAt int64 // the last such call
	// vouched is what the controls' answers beside such calls say against a fault
	// of the vantage, in nats, in this episode.
	vouched float64
	drag    drag
}

// localRun is what calls to one provider say for a fault of the vantage, in
// this episode.
type localRun struct {
	half, all float64 // nats for one that loses half of the calls, and all
	seenAt    int64
}

const (
	lostHalf, gotHalf = 5.5, -0.7 // a call that nothing came back of, and an answer, where half is lost: ln(.5/.002), ln .5
	lostAll, gotAll   = 6.2, -3.5 // where nearly all is: ln(.97/.002), ln .03
	mostLost          = 12.4      // most that one provider may hold for a fault of the vantage
	soonGot           = 4.0       // and with its first answer, so that a fault that is over ends
	mostGot           = 3.0       // most against it where half is lost, and twice that where all is
	doubtPrior        = 0.7       // one provider at fault is twice as likely: ln(.2/.1)
	faultNats         = 2.2       // a fault begins above; it ends below 0
	trustNats         = -3.0      // below, a failure is its provider's
	lostWhole         = 0.66      // a call lost beside controls that answer: ln(.97/.5), its provider's for sure or half of ours
	controlGot        = 0.69      // each control's answer where half is lost: ln 2
	mostControlsHeard = 4         // that one call brings to bear
	mostVouched       = 900.0     // more than all providers may hold together
	mostHeld          = 16
	mostVantages      = 64
	recentVantage     = 600e9 // and three intervals: silent for longer, a vantage or a provider at it is not asked
)

func (e *Engine) newVantage() *vantage {
	return &vantage{runs: make([]localRun, len(e.providers)), lastAt: make([]int64, len(e.targets)), drag: newDrag(len(e.providers))}
}

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
	v := e.newVantage()
	v.name = name
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
// own fault. pause is how long after the last such call an episode is over.
func (v *vantage) see(t *target, at int64, answered bool, pause int64) {
	v.lastAt[t.index] = max(v.lastAt[t.index], at)
	v.seenAt = max(v.seenAt, at)
	v.probes++
	run := &v.runs[t.provider]
	run.seenAt = max(run.seenAt, at)
	if v.from != 0 && at-v.failedAt > pause {
		v.from, v.vouched = 0, 0
		for p := range v.runs {
			v.runs[p].half, v.runs[p].all = 0, 0
		}
	}
	if !answered {
		if v.from == 0 {
			v.from = at
		}
		v.failedAt = max(v.failedAt, at)
		run.half, run.all = math.Min(mostLost, run.half+lostHalf), math.Min(mostLost, run.all+lostAll)
	} else if v.from != 0 {
		run.half = math.Max(-mostGot, math.Min(run.half, soonGot)+gotHalf)
		run.all = math.Max(-2*mostGot, math.Min(run.all, soonGot)+gotAll)
	}
}

// doubt returns the log odds that the vantage itself is at fault, losing half of
// its calls or all, against the one provider that explains most.
func (v *vantage) doubt() float64 {
	if v.from == 0 {
		return trustNats - 1
	}
	half, all, most := 0.0, 0.0, 0.0
	for i := range v.runs {
		r := &v.runs[i]
		half += r.half
		all += r.all
		most = math.Max(most, math.Max(r.half, r.all))
	}
	return math.Max(half, all) - most - doubtPrior - v.vouched
}

// hear takes what the prober's controls said beside a call that nothing came back
// of: hosts of other owners that all answered prove the path, one that did not
// takes back what they proved. Without a word of them nothing changes.
func (v *vantage) hear(o *bellwether.Observation) {
	switch answered := o.Signals[bellwether.ControlsAnswered]; {
	case reached(o):
	case o.Signals[bellwether.ControlsFailed] > 0 || offline(o):
		v.vouched = 0
	case answered > 0:
		v.vouched = math.Min(mostVouched, v.vouched+lostWhole+controlGot*math.Min(answered, mostControlsHeard))
	}
}

// cleared reports whether the controls vouch for v so much that failures are
// their providers', though several fail at once.
func (v *vantage) cleared() bool { return v.vouched > 0 && v.doubt() <= trustNats }

// trusted reports whether all providers but the one that explains most have
// answered as often in a row as counts, so that no fault of the vantage is left to
// think of. Those that were not asked lately do not matter.
func (v *vantage) trusted(lately int64) bool {
	if v.from == 0 || v.cleared() {
		return true
	}
	most := 0
	for i := range v.runs {
		if v.runs[i].half > v.runs[most].half {
			most = i
		}
	}
	for i := range v.runs {
		if r := &v.runs[i]; i != most && r.seenAt > lately && r.half > 1e-9-mostGot {
			return false
		}
	}
	return true
}

// trusting reports whether no vantage is in doubt.
func (e *Engine) trusting() bool {
	for _, v := range e.vantages {
		if !v.trusted(e.now - e.recent) {
			return false
		}
	}
	return true
}

// atFault reports whether v is at fault by those odds: one that is stays so until
// they turn.
func (v *vantage) atFault(odds float64) bool { return odds > faultNats || v.fault && odds > 0 }

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
	if fault := v.atFault(v.doubt()) || confessed; fault != v.fault {
		v.fault, v.since = fault, at
		if fault && v.from != 0 {
			v.since = v.from
		}
		e.dropHeld(v.name)
		if fault {
			e.void(v)
		}
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

// void takes back what calls from v that failed since its fault began said of
// their targets, where no verdict stands.
func (e *Engine) void(v *vantage) {
	for _, t := range e.targets {
		if v.lastAt[t.index] < v.since || t.fam[famErrors].active {
			continue
		}
		for i := errors3; i <= errors97; i++ {
			if t.bank.nats[i] > 0 && t.bank.since[i] >= v.since {
				t.bank.forget(i)
				t.belief.p[0] += t.belief.p[i+1]
				t.belief.p[i+1] = 0
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

// controlTime is for how long after a failure before HTTP other targets are
// probed faster, mostControls how many.
const (
	controlTime  = 15e9
	mostControls = 3
)

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

// controls reports whether w is asked on behalf of others: it is one of the first
// well targets of other providers than one whose failures wait for a word on the
// vantage. What is known to be down waits for none.
func (e *Engine) controls(w *target) bool {
	if e.localAt == 0 || e.now-e.localAt > controlTime {
		return false
	}
	for _, t := range e.targets {
		if t.localAt == 0 || e.now-t.localAt > controlTime || t.verdict == bellwether.Down {
			continue
		}
		for n, i := 0, 0; n < mostControls && i < len(e.targets); i++ {
			if o := e.targets[i]; o.provider != t.provider && (o.localAt == 0 || e.now-o.localAt > controlTime) {
				if o == w {
					return true
				}
				n++
			}
		}
	}
	return false
}

// unhold scores what is held of all targets but t from v, after an answer came
// through at the given time, once v is beyond doubt.
func (e *Engine) unhold(v *vantage, t *target, at int64) {
	if v.doubt() > trustNats {
		return
	}
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
