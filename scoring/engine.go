package scoring

import (
	"fmt"
	"slices"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// Engine folds records into verdicts and weights. It belongs to one goroutine.
type Engine struct {
	set       settings
	solver    solver
	targets   []*target // in the order of the config
	byID      map[string]*target
	providers []string
	routes    []*route
	vantages  []*vantage
	prompts   []*vantage // what is known of canaries, in the same terms
	anySlow   bool       // a vantage is
	anyBroken bool       // one of them is at fault
	named     []string   // the config's vantages
	recent    int64      // a vantage, or a provider at it, silent for longer is not asked

	now        int64 // the latest time of any record
	localAt    int64 // the latest localAt of any target
	seq        uint64
	frozen     bool // our own vantage is in doubt
	nextExpiry int64
	dirty      bool           // a route may have changed
	tasks      []string       // of the canaries, sorted
	taskOf     map[string]int // by canary, indexes of tasks
	tasting    bool           // a route prefers something that is measured
	tasteAt    int64          // when to look at it again
	touchedIDs []*target
	out        Result
}

// Result is what one record changed. Its fields are nil when nothing did.
type Result struct {
	// Changes are the targets whose state changed, or while ill or unknown whose
	// fault that is. From equals To when only the cause did.
	Changes []bellwether.Change
	// Suspicions begin, or with interval 0 end, faster probing.
	Suspicions []bellwether.Suspicion
	// Routes is every route, when a weight, share, mode, state or cause of
	// any changed; nil otherwise.
	Routes map[string]bellwether.RouteWeights
}

const (
	usualInterval = 30 * time.Second
	longestName   = 200 // bytes of a vantage's or canary's name; observations with longer ones are ignored
)

// New returns an engine that knows nothing yet: all targets unknown, with
// weight 1. It fails when the config is not valid.
func New(c Config) (*Engine, error) {
	if ps := c.Validate(); len(ps) > 0 {
		return nil, fmt.Errorf("scoring: config: %w", ps[0])
	}
	e := &Engine{set: c.Policy.settings(), byID: make(map[string]*target, len(c.Targets))}
	if e.set.ablation = c.Ablation; e.set.without(NoJoint) {
		e.set.may[joint] = ignored
		e.set.alarming &^= 1 << joint
	}
	e.tasks, e.taskOf = tasksOf(c.Tasks), map[string]int{}
	for canary, task := range c.Tasks {
		if i := slices.Index(e.tasks, task); i >= 0 {
			e.taskOf[canary] = i
		}
	}
	e.solver = solver{ladders: newLadders(), cache: map[thresholdKey]float64{}}
	for i, bt := range c.Targets {
		t := newTarget(bt)
		t.index, t.skills = i, newSkills(e.tasks)
		t.provider = slices.Index(e.providers, bt.Provider)
		if t.provider < 0 {
			t.provider = len(e.providers)
			e.providers = append(e.providers, bt.Provider)
		}
		t.interval = int64(usualInterval)
		if d := c.Interval[bt.ID]; d > 0 {
			t.interval = int64(max(d, 10*time.Millisecond))
		}
		t.alone = t.interval * int64(max(1, len(c.Vantages)))
		t.own = e.set.own
		t.activate(alwaysActive, &e.set)
		e.recent = max(e.recent, recentVantage, staleIntervals*t.alone)
		e.targets = append(e.targets, t)
		e.byID[bt.ID] = t
	}
	grouping := newGrouping(e.targets)
	for _, t := range e.targets {
		t.groups = grouping.groupsOf(t)
	}
	e.named = slices.Clone(c.Vantages)
	for _, name := range e.named {
		e.at(name)
	}
	for _, r := range c.Routes {
		e.routes = append(e.routes, newRoute(r, e))
	}
	for _, r := range e.routes {
		r.compute(e)
	}
	return e, nil
}

// Fold takes in the next record and returns what it changed. Records of unknown
// targets, and outcomes that are not understood, change nothing. When nothing
// changes it does not allocate.
func (e *Engine) Fold(r bellwether.Record) Result {
	e.out = Result{}
	at := r.At
	if at.IsZero() && r.Observation != nil {
		at = r.Observation.At
	}
	if !at.IsZero() {
		e.advance(nanos(at))
	}
	e.seq = r.Seq
	e.expire()
	switch {
	case r.Observation != nil:
		e.observe(r.Observation)
	case r.Override != nil:
		e.override(r.Override)
	default:
		e.tick()
	}
	for _, t := range e.touchedIDs {
		e.announce(t)
		t.touched = false
	}
	e.touchedIDs = e.touchedIDs[:0]
	e.out.Routes = e.publish()
	out := e.out
	e.out = Result{}
	return out
}

// touch marks t to be looked at before the fold ends.
func (e *Engine) touch(t *target) {
	if !t.touched {
		t.touched = true
		e.touchedIDs = append(e.touchedIDs, t)
	}
}

// observe folds one observation.
func (e *Engine) observe(o *bellwether.Observation) {
	t := e.byID[o.Target]
	if t == nil || len(o.Vantage) > longestName || len(o.Canary) > longestName {
		return
	}
	at := e.now
	if !o.At.IsZero() {
		at = min(nanos(o.At), e.now)
	}
	end := min(at+lasted(o), e.now)
	patience := t.patience()
	if o.Source == bellwether.SourceFeedback || o.Source == bellwether.SourceUser {
		patience = max(patience, latestWay)
	}
	if e.now-end > patience {
		t.late++
		return
	}
	e.touch(t)
	switch o.Source {
	case bellwether.SourceFeedback:
		e.observeFeedback(t, o, at)
		return
	case bellwether.SourceUser:
		e.observeUser(t, o, at)
		return
	case bellwether.SourceRouter:
		t.seenAt = max(t.seenAt, end)
		e.observeTraffic(t, o, at, end)
		return
	}
	e.observeProbe(t, o, at, end)
}

// observeProbe folds a probe: it first asks what the probe says of the vantage
// that sent it, and scores it only when the vantage is beyond doubt.
func (e *Engine) observeProbe(t *target, o *bellwether.Observation, at, end int64) {
	m := o.Outcome.Meaning()
	if m == (bellwether.Meaning{}) || o.Outcome == bellwether.Canceled || o.Outcome == bellwether.Missed {
		return
	}
	v := e.at(o.Vantage)
	v.see(t, at, reached(o), t.patience())
	v.hear(o)
	spoiled := m.Availability != bellwether.Good && spoilt(o)
	e.doubtVantage(v, t, spoiled && !reached(o) && offline(o), at)
	if v.fault || spoiled {
		return
	}
	t.seenAt = max(t.seenAt, end)
	t.spend(at, reached(o) && m.Availability != bellwether.Bad)
	if at >= t.askedAt {
		t.askedAt = 0
	}
	if (m.Local || silent(o)) && v.providersAt(e.now-e.recent) > 1 {
		t.hold(held{at: at, outcome: o.Outcome, vantage: v.name, canary: o.Canary, reused: o.Reused})
		t.localAt, e.localAt = e.now, e.now
		e.suspect(t)
		e.askControl()
		if v.cleared() {
			e.scoreHeld(t, func(h held) bool { return h.vantage == v.name })
		}
		return
	}
	if reached(o) {
		e.unhold(v, t, e.now)
	}
	wasOdd := t.oddRun >= oddMost
	t.noteOdd(o)
	if wasOdd && t.oddRun < oddMost && t.verdict == bellwether.Healthy && t.weight < recoveredAt {
		t.verdict = bellwether.Recovering
	}
	e.noteIdentity(t, o, at)
	outcome := o.Outcome
	if agreed := e.noteWall(t, o); outcome == bellwether.Blocked && !agreed {
		e.weigh(t, at, false)
		e.suspect(t)
		return
	}
	if outcome == bellwether.Blocked {
		t.odd, t.oddRun = "", 0
	}
	e.doubtPrompt(t, o, at)
	e.score(t, o, at, outcome)
}

// tick lets time pass: silence becomes unknown, held failures whose vantage
// neither proved itself nor fell into doubt are scored, and weights go on
// falling where shedding was bounded.
func (e *Engine) tick() {
	for _, t := range e.targets {
		if len(t.held) > 0 && !e.frozen {
			due := e.now - max(3*t.alone, 10e9)
			e.scoreHeld(t, func(h held) bool { return h.at <= due })
		}
		if !t.stale(e.now) {
			e.weigh(t, e.now, false)
		}
		e.touch(t)
	}
}

// announce says what is to be said of t, if it is not what was said last.
func (e *Engine) announce(t *target) {
	if t.verdict.Severity() > 0 && !e.frozen {
		e.localise(t)
	}
	state, why := e.state(t), e.why(t)
	if state != t.shown || (!e.frozen && e.newBlame(t, state, why)) {
		t.toldWhy, t.toldOut = why, t.account()
		e.out.Changes = append(e.out.Changes, bellwether.Change{
			At: stamp(e.now), Seq: e.seq, Target: t.ID, From: t.shown, To: state, Cause: why,
			Score: e.score100(t), Weight: round4(t.effective()), Since: stamp(t.since), Reasons: e.reasons(t),
		})
		e.dirty = true
	}
	if why != t.shownWhy {
		e.dirty = true
	}
	t.shown, t.shownWhy = state, why
}

// newBlame reports whether it is news whose fault the unchanged state of t is: of
// an ill target always; of an unknown one when our key, our request or a wall
// comes or goes, because nobody else will say that, or traffic goes for it.
func (e *Engine) newBlame(t *target, state bellwether.State, why bellwether.Cause) bool {
	switch {
	case state.Severity() > 0:
		return why != t.toldWhy
	case state == bellwether.Unknown && t.oddRun >= oddMost:
		return why != t.toldWhy || t.account() != t.toldOut
	}
	return state == bellwether.Unknown && t.toldOdd()
}

// Late returns how many observations of the target came too late to be scored.
func (e *Engine) Late(target string) uint64 {
	if t := e.byID[target]; t != nil {
		return t.late
	}
	return 0
}
