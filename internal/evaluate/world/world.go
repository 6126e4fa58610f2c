package world

import (
	"math"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// Dawn is when all worlds begin, a Thursday.
var dawn = time.Date(2027, 3, 4, 0, 0, 0, 0, time.UTC)

// Dawn returns when worlds begin, a Thursday at midnight.
func Dawn() time.Time { return dawn }

// Levels are what healthy answers are like.
type Levels struct {
	First, Inter float64 // median seconds
	Tokens       float64 // median
	Spread       Spread
	Errors       float64 // share of calls that fail in health
	Insane       float64 // share of answers that are wrong in health
}

// Usual are the levels of most scenarios.
func Usual() Levels {
	return Levels{First: .3, Inter: .02, Tokens: 40, Spread: Spread{First: .35, Inter: .12, Tokens: .15}, Errors: .005, Insane: .002}
}

// Setup describes a world. It is plain data: equal setups and seeds make equal
// worlds.
type Setup struct {
	Targets  []bellwether.Target
	Noise    Kind
	Levels   Levels
	Every    time.Duration // between scheduled probes of a target
	Canaries []string      // asked in turn; none means one
	Adaptive bool          // the scheduler honours suspicions
	Traffic  float64       // calls a second of each target beside the probes
	Diurnal  Diurnal
	Reel     int  // of Real: which recorded series the first target has; the next ones follow
	Pool     bool // shares of one tier are followed as well, see [Log]
}

// Diurnal is load that follows the hour: healthy, and not constant.
type Diurnal struct {
	Swing   float64 // first tokens rise by this share at noon and fall at midnight
	Weekend float64 // factor on Saturdays and Sundays; 0 means 1
	Shift   bool    // the clocks change half-way through the run
}

// View is what a policy thinks of one target.
type View struct {
	Severity int     // 0 well, as [bellwether.State.Severity]
	Weight   float64 // 0 to 1
	Cause    bellwether.Cause
}

// Policy is a detector under test. Observe is told when a call ends. One that
// asks for faster probes implements [Steering] as well.
type Policy interface {
	Observe(target int, o *bellwether.Observation, at time.Time)
	Tick(at time.Time)
	View(target int) View
}

// Versioned is a policy that says when its views change: of any target, at any
// time. Those of others change only where they are told something.
type Versioned interface {
	Version() uint64
}

// Steering is a policy that sets the pace: how fast to probe beside the schedule
// now, 0 for not at all, and with which canaries, none for all.
type Steering interface {
	Interval(target int) time.Duration
	Canaries(target int) []string
}

// World runs policies through one stretch of time.
type World struct {
	setup    Setup
	policies []Policy
	steering Steering
	rng      *rand.Rand
	name     string // of this run, in observation ids

	now, onset time.Duration // since Dawn; onset is far away until Strike
	effects    []Effect
	markAt     time.Duration
	ticks      bool

	targets  []actor
	queue    queue
	serial   uint64
	free     []*bellwether.Observation
	logs     []*Log
	versions []uint64 // by policy, as last seen
}

// actor is one simulated target and the schedule of its probes.
type actor struct {
	noise  *source
	lastAt time.Duration // start of the last probe
	sent   int
	fastAt time.Duration // when the next fast probe starts
	fast   time.Duration // the interval in force, 0 for none
	turn   int           // the generation of fast events; older ones are void
}

// New returns a world that begins at the given time since [Dawn]. The first
// policy that steers sets the pace.
func New(s Setup, begin time.Duration, seed uint64, policies ...Policy) *World {
	w := &World{
		setup: s, policies: policies, rng: rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15)),
		name: strconv.FormatUint(seed, 36) + ".", now: begin, onset: math.MaxInt64,
	}
	if len(w.setup.Canaries) == 0 {
		w.setup.Canaries = []string{"canary"}
	}
	if s.Adaptive {
		for _, p := range policies {
			if st, ok := p.(Steering); ok && w.steering == nil {
				w.steering = st
			}
		}
	}
	w.versions = make([]uint64, len(policies))
	for range policies {
		w.logs = append(w.logs, newLog(len(s.Targets)))
	}
	for i := range s.Targets {
		w.targets = append(w.targets, actor{noise: newSource(s.Noise, s.Levels.Spread, s.Reel+i, w.rng)})
		phase := time.Duration(w.rng.Float64() * float64(s.Every))
		w.targets[i].lastAt = begin - s.Every + phase
		w.queue.push(event{at: begin + phase, kind: scheduled, target: i})
		if s.Traffic > 0 {
			w.queue.push(event{at: begin + time.Duration(float64(time.Second)*float64(i)/float64(len(s.Targets))), kind: traffic, target: i})
		}
	}
	w.look(all)
	return w
}

// Log returns what policy p did.
func (w *World) Log(p int) *Log { return w.logs[p] }

// Now returns the time since Dawn.
func (w *World) Now() time.Duration { return w.now }

// Strike sets the onset of the effects, and lets time tick: every second while
// anything happens, else every ten.
func (w *World) Strike(at time.Duration, effects []Effect) {
	w.onset, w.effects = at, effects
	w.queue.push(event{at: at, kind: onset})
	for _, e := range effects {
		w.queue.push(event{at: at + e.From, kind: mark})
		if e.To > 0 {
			w.queue.push(event{at: at + e.To, kind: mark})
		}
		if e.Ramp > 0 {
			for k := range 20 {
				w.queue.push(event{at: at + e.From + e.Ramp*time.Duration(k+1)/20, kind: mark})
			}
		}
	}
	w.Tick(true)
}

// Tick turns the ticks of every second on or off.
func (w *World) Tick(on bool) {
	if on && !w.ticks {
		w.queue.push(event{at: w.now.Truncate(time.Second) + time.Second, kind: ticking})
	}
	w.ticks = on
}

// Until lets time pass until end, or until done says so; it reports whether
// done did. done may be nil.
func (w *World) Until(end time.Duration, done func() bool) bool {
	for {
		if w.queue.len() == 0 || w.queue.top().at > end {
			w.now = max(w.now, end)
			w.look(all)
			return false
		}
		e := w.queue.pop()
		w.now = e.at
		w.handle(e)
		switch e.kind {
		case result, traffic:
			if w.setup.Pool {
				w.look(all)
			} else {
				w.look(e.target)
			}
		case ticking, mark, onset:
			w.look(all)
		default:
			continue
		}
		if done != nil && done() {
			return true
		}
	}
}

func (w *World) handle(e event) {
	switch e.kind {
	case scheduled:
		w.queue.push(event{at: e.at + w.setup.Every, kind: scheduled, target: e.target})
		w.probe(e.target, bellwether.TriggerSchedule)
	case fast:
		a := &w.targets[e.target]
		if a.fast == 0 || e.turn != a.turn {
			return
		}
		took := w.probe(e.target, bellwether.TriggerSuspicion)
		w.sendFast(e.target, e.at+max(a.fast, took))
	case mark:
		w.markAt = w.now
	case onset:
		for _, l := range w.logs {
			l.begin()
		}
	case result:
		w.deliver(e.target, e.o)
	case ticking:
		if !w.ticks {
			return
		}
		next := calmTick
		if w.restless() {
			next = time.Second
		}
		w.queue.push(event{at: e.at + next, kind: ticking})
		for _, p := range w.policies {
			p.Tick(dawn.Add(w.now))
		}
		w.pace()
	case traffic:
		w.queue.push(event{at: e.at + time.Second, kind: traffic, target: e.target})
		w.traffic(e.target)
	}
}

// calmTick is between ticks while nobody suspects anything.
const calmTick = 10 * time.Second

// restless reports whether seconds matter: a policy suspects something, or an
// effect began or ended in the last five minutes.
func (w *World) restless() bool {
	if w.now-w.markAt < 5*time.Minute {
		return true
	}
	for _, p := range w.policies {
		if s, ok := p.(Steering); ok {
			for i := range w.targets {
				if s.Interval(i) > 0 {
					return true
				}
			}
		}
	}
	return false
}

// probe sends a probe and returns how long it takes.
func (w *World) probe(i int, trigger string) time.Duration {
	a := &w.targets[i]
	if w.paused() {
		return 0
	}
	o := w.draw(i, w.canary(i, trigger))
	o.Trigger = trigger
	a.lastAt = w.now
	a.sent++
	took := time.Duration(o.Timing.Total * float64(time.Second))
	for _, l := range w.logs {
		l.sent(i, o)
	}
	w.queue.push(event{at: w.now + took, kind: result, target: i, o: o})
	return took
}

func (w *World) paused() bool {
	for i := range w.effects {
		if e := &w.effects[i]; e.Pause && e.on(w.now-w.onset) {
			return true
		}
	}
	return false
}

func (w *World) deliver(i int, o *bellwether.Observation) {
	for _, p := range w.policies {
		p.Observe(i, o, dawn.Add(w.now))
	}
	w.free = append(w.free, o)
	w.pace()
}

// pace follows the steering policy's suspicions: a fast probe at once, and then
// one every interval beside the schedule, none before the last has ended. A new
// interval of the same suspicion probes no earlier than that.
func (w *World) pace() {
	if w.steering == nil {
		return
	}
	for i := range w.targets {
		a := &w.targets[i]
		want := w.steering.Interval(i)
		was := a.fast
		if want == was {
			continue
		}
		a.fast = want
		switch {
		case want == 0:
			a.turn++
		case was == 0:
			w.sendFast(i, w.now)
		case a.fastAt > w.now+want:
			w.sendFast(i, w.now+want)
		}
	}
}

// sendFast sets when the next fast probe of a target starts.
func (w *World) sendFast(i int, at time.Duration) {
	a := &w.targets[i]
	a.turn++
	a.fastAt = at
	w.queue.push(event{at: at, kind: fast, target: i, turn: a.turn})
}

// canary returns which canary the next probe of a target is; suspicion may
// have chosen some.
func (w *World) canary(i int, trigger string) string {
	some := w.setup.Canaries
	if trigger == bellwether.TriggerSuspicion {
		if told := w.steering.Canaries(i); len(told) > 0 {
			some = told
		}
	}
	return some[w.targets[i].sent%len(some)]
}

// all targets are looked at.
const all = -1

// look notes what every policy thinks now of a target that it was told of, or
// of all.
func (w *World) look(target int) {
	for k, p := range w.policies {
		if v, ok := p.(Versioned); ok && target != all {
			if v.Version() != w.versions[k] {
				w.versions[k] = v.Version()
				w.noteAll(k, p)
			}
		} else if target == all {
			w.noteAll(k, p)
		} else {
			w.note(k, p, target)
		}
	}
}

func (w *World) noteAll(k int, p Policy) {
	for i := range w.setup.Targets {
		w.note(k, p, i)
	}
	if w.setup.Pool {
		w.logs[k].share(w.now, p)
	}
}

func (w *World) note(k int, p Policy, i int) {
	u, ill := 1.0, false
	if d := w.now - w.onset; w.effects != nil && d >= 0 {
		u, ill = ideal1(w.effects, &w.setup.Targets[i], d)
	}
	w.logs[k].note(i, w.now, p.View(i), u, ill)
}

// draw makes what a probe that starts now sees.
func (w *World) draw(i int, canary string) *bellwether.Observation {
	a, t, l := &w.targets[i], &w.setup.Targets[i], &w.setup.Levels
	r := a.noise.draw((w.now - a.lastAt).Seconds(), w.rng)
	o := w.fresh()
	w.serial++
	first := l.First * math.Exp(r.first) * w.setup.Diurnal.at(w.now)
	inter := l.Inter * math.Exp(r.inter)
	n := max(1, int(math.Round(l.Tokens*math.Exp(r.tokens))))
	o.ID = w.name + strconv.FormatUint(w.serial, 36)
	o.At, o.Source, o.Vantage, o.Target = dawn.Add(w.now), bellwether.SourceProbe, "home", t.ID
	o.Canary = canary
	o.Outcome, o.Status, o.Reused, o.Model, o.Fingerprint = bellwether.OK, 200, true, t.Model, "fp-"+t.Model
	o.Timing = bellwether.Timing{FirstToken: first, InterToken: inter, Total: first + inter*float64(n-1)}
	o.Tokens = &bellwether.Tokens{Input: 20, Output: n}
	if l.Insane > 0 && w.rng.Float64() < l.Insane {
		insane(o)
	}
	if l.Errors > 0 && w.rng.Float64() < l.Errors {
		fail(o, bellwether.ServerError)
	}
	if w.effects != nil && w.now >= w.onset {
		w.apply(o, t, w.now-w.onset, a.sent)
	}
	return o
}

func (w *World) fresh() *bellwether.Observation {
	if n := len(w.free); n > 0 {
		o := w.free[n-1]
		w.free = w.free[:n-1]
		*o = bellwether.Observation{}
		return o
	}
	return &bellwether.Observation{}
}

// at returns the factor on first tokens at a time since Dawn.
func (d Diurnal) at(now time.Duration) float64 {
	if d == (Diurnal{}) {
		return 1
	}
	f := 1.0
	if d.Shift && now > 43*24*time.Hour {
		now += time.Hour
	}
	if d.Swing > 0 {
		f = math.Exp(-math.Log1p(d.Swing) * math.Cos(2*math.Pi*now.Hours()/24))
	}
	if day := int(now.Hours()/24) % 7; d.Weekend > 0 && (day == 2 || day == 3) { // Dawn is a Thursday
		f *= d.Weekend
	}
	return f
}

// traffic reports one second of real calls to every policy.
func (w *World) traffic(i int) {
	t := &w.setup.Targets[i]
	n := poisson(w.rng, w.setup.Traffic)
	if n == 0 {
		return
	}
	p, as := w.setup.Levels.Errors, bellwether.ServerError
	d := w.now - w.onset
	for k := range w.effects {
		e := &w.effects[k]
		fails := e.Outcome == "" || e.Outcome.Meaning().Availability == bellwether.Bad
		if e.Errors > 0 && fails && e.Canary == "" && e.on(d) && e.Who.Is(t) {
			p = 1 - (1-p)*(1-e.Errors)
			if e.Outcome != "" {
				as = e.Outcome
			}
		}
	}
	bad := 0
	for range n {
		if w.rng.Float64() < p {
			bad++
		}
	}
	o := w.fresh()
	w.serial++
	o.ID = w.name + strconv.FormatUint(w.serial, 36)
	o.At, o.Source, o.Vantage, o.Target, o.Route = dawn.Add(w.now-time.Second), bellwether.SourceRouter, "router", t.ID, "pool"
	o.Window, o.Counts = 1, map[bellwether.Outcome]int{bellwether.OK: n - bad}
	if bad > 0 {
		o.Counts[as] = bad
	}
	w.deliver(i, o)
}

func poisson(rng *rand.Rand, mean float64) int {
	limit, p, n := math.Exp(-mean), rng.Float64(), 0
	for p > limit {
		p *= rng.Float64()
		n++
	}
	return n
}
