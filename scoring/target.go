package scoring

import (
	"math"
	"slices"

	"github.com/bellwether-llm/bellwether"
)

// target is everything the engine knows of one target. Times are unix
// nanoseconds; 0 is never.
type target struct {
	bellwether.Target
	index    int
	provider int
	interval int64       // expected between probes of all vantages together
	alone    int64       // and of one of them: silence is measured against it, because the others may be away
	own      []ownSignal // the user's own signals, as in the settings
	active   hypSet      // hypotheses that something was ever observed about; see activate
	lnRun    float64     // logarithm of the probes between false alarms that each active hypothesis may have
	groups   []group

	series []*series
	avail  rate // of probes; passive streams have their own
	burst  burst
	prior  priors // of both
	quota  rate
	plain  bool // answers are not streamed: first token is the total

	bank       bank
	quotas     quotaBank
	belief     belief
	fam        [families]alarm
	usual      [kindsShown]histogram
	calls      ring[tally]
	answers    ring[tally]
	oddTexts   ring[tally]
	effects    [kinds]ring[residual]
	recent     ring[increments]
	streams    [origins]stream // of feedback and the user's own signals
	identityAt int64           // when another model, fingerprint or tokenizer last answered
	renewedAt  int64           // when another model last began a new generation of baselines

	scored   uint64 // probes that were scored
	firstAt  int64  // the first of them
	lastAt   int64  // the last of them
	seenAt   int64  // the last observation that was not void
	late     uint64 // observations that came too late to be scored
	cleanAt  int64  // the last probe that was scored, or traffic that stood in for one
	traffic  traffic
	localAt  int64              // the last failure before HTTP that had to wait
	odd      bellwether.Outcome // the last outcome, when it says nothing of health
	oddRun   int                // how many times in a row
	oddWhere string             // the vantage that saw it
	walls    []string           // vantages whose last probe was blocked
	held     []held

	verdict    bellwether.State // by evidence alone
	shown      bellwether.State // what was last said
	shownWhy   bellwether.Cause
	toldWhy    bellwether.Cause // the cause in the last change
	toldOut    bool             // it said that our key or credit is refused
	cause      bellwether.Cause
	blamedAt   int64               // when the cause was last looked for
	margin     float64             // nats by which the cause leads
	group      int                 // code of the group that is the cause, -1 for none
	askedAt    int64               // when others had it probed for an answer; 0: answered
	together   [hypotheses]float64 // nats by which a group passed its threshold
	togetherAt int64               // when
	since      int64               // onset of what is wrong
	exits      []int64
	weight     float64 // published, before overrides
	shed       float64 // how much more may be shed now
	shedAt     int64
	suspected  bool
	warmed     bool // fast probes were asked for to learn what is usual
	doubtFrom  int64
	overrides  []bellwether.Override
	life       life
	look       look
	skills     []skill // by task
	walks      []*walk // by limit of the user's
	touched    bool
}

// held is a failure before HTTP that waits for word that its vantage works.
type held struct {
	at              int64
	outcome         bellwether.Outcome
	vantage, canary string
	reused          bool
}

// origin is where the observations of a series come from.
type origin uint8

const (
	fromProbe origin = iota
	fromTraffic
	fromFeedback
	fromUser
	origins
)

// series is one vantage, canary and kind of connection, or one stream of what
// routers, callers or the user report.
type series struct {
	vantage, canary string
	reused, passive bool // passive: from traffic
	origin          origin
	measures        [kinds]*measure // nil before their first value
	text            *textPast       // nil before the first answer with features
	sane            rate
	avail           rate  // of traffic; of feedback how often it is bad
	start           prior // of traffic that failed from its first calls on; else nothing
	nats            [hypotheses]float64
	since           [hypotheses]int64 // when they last left zero
	live            pace
	dear            float64        // what an answer costs, in input tokens
	accuses         [families]bool // it spoke for the alarm that is in force
	ill             [families]bool // and did so when it was last heard
	known
}

const mostSeries = 64 // of one target; a new one then takes the place of another

// ring keeps the last 64 of something.
type ring[T any] struct {
	buf []T // ringSize long; nil before the first
	n   uint64
}

const ringSize = 64

func (r *ring[T]) push(v T) {
	if r.buf == nil {
		r.buf = make([]T, ringSize)
	}
	r.buf[r.n%ringSize] = v
	r.n++
}

// len returns how many are kept.
func (r *ring[T]) len() int { return int(min(r.n, ringSize)) }

// last returns the i-th newest; 0 is the newest.
func (r *ring[T]) last(i int) *T { return &r.buf[(r.n-1-uint64(i))%ringSize] }

// tally counts calls of one observation: one for a probe, many for a window.
type tally struct {
	at     int64
	n, bad float32
	worst  uint8 // index in outcomeNames
}

// residual is one measured value and how far it was off its baseline.
type residual struct {
	at   int64
	from uint64 // the key of its series
	y, z float64
}

// increments is what one observation said about each hypothesis.
type increments struct {
	at   int64
	from uint32 // nameKey of the vantage
	ell  [hypotheses]float32
}

func newTarget(bt bellwether.Target) *target {
	t := &target{Target: bt, weight: 1, verdict: bellwether.Unknown, shown: bellwether.Unknown, shed: shedCap, group: -1}
	t.prior = priors{errors: priorErrors, burst: priorBurst}
	t.avail.refresh(priorErrors)
	t.quota.refresh(priorQuota)
	t.belief = newBelief()
	return t
}

// key tells series that measure different things apart: the canary and where it
// is asked from.
func (s *series) key() uint64 {
	h := uint64(14695981039346656037)
	for _, name := range [...]string{s.vantage, s.canary} {
		for i := range len(name) {
			h = (h ^ uint64(name[i])) * 1099511628211
		}
		h = (h ^ 0xff) * 1099511628211
	}
	return h
}

// find returns the series of an observation, making it when it is new.
func (t *target) find(o *bellwether.Observation, from origin, now int64) *series {
	for _, s := range t.series {
		if s.vantage == o.Vantage && s.canary == o.Canary && s.reused == o.Reused && s.origin == from {
			s.lastAt = now
			s.n++
			return s
		}
	}
	if len(t.series) >= mostSeries {
		ks := make([]known, len(t.series))
		for i, s := range t.series {
			ks[i] = s.known
		}
		i := leastMissed(ks, now)
		t.series = slices.Delete(t.series, i, i+1)
	}
	s := &series{vantage: o.Vantage, canary: o.Canary, reused: o.Reused, passive: from == fromTraffic, origin: from, known: known{lastAt: now, n: 1}}
	s.sane.refresh(priorInsane)
	switch from {
	case fromTraffic:
		s.avail.refresh(t.trafficPrior(s))
	case fromFeedback:
		s.avail.refresh(priorFeedback)
	default:
		s.avail.refresh(priorErrors)
	}
	t.series = append(t.series, s)
	return s
}

// answered reports whether a probe of t ever succeeded.
func (t *target) answered() bool { return t.avail.good+t.avail.waitGood > 0 }

// learning reports whether what is observed may become what is usual.
func (t *target) learning() bool {
	return t.verdict == bellwether.Healthy || t.verdict == bellwether.Unknown
}

// young reports whether the target was watched for less than a day, so that
// the hours of the day are not known yet.
func (t *target) young(at int64) bool { return seconds(at-t.firstAt) < 23*3600 }

// patience is how long silence, or lateness, is taken for nothing: three
// intervals of one vantage, at least 30 s because a call may hang that long.
func (t *target) patience() int64 { return max(staleIntervals*t.alone, 30e9) }

func (t *target) stale(now int64) bool { return t.seenAt != 0 && now-t.seenAt > t.patience() }

// leastRun is the logarithm of the shortest run length that is allowed; a few
// observations a month cannot keep a budget of several alarms a month.
const leastRun = 5.5

// month is that of the budget, in seconds.
const month = 30 * 86400.0

// allowedRun returns the logarithm of the mean number of observations between
// false alarms that each of so many hypotheses may have.
func allowedRun(falseAlarms float64, interval int64, active int) float64 {
	return math.Max(leastRun, math.Log(month/falseAlarms/seconds(interval)*float64(active)))
}

// alwaysActive are the hypotheses about errors and wrong answers.
const alwaysActive hypSet = 1<<errors3 | 1<<errors30 | 1<<errors97 | 1<<insane5 | 1<<insane50

// activate notes that something was observed about more hypotheses: the budget
// is shared by all that are active and may raise an alarm.
func (t *target) activate(more hypSet, set *settings) {
	if more&^t.active != 0 {
		t.active |= more
		t.shareBudget(set)
	}
}

func (t *target) shareBudget(set *settings) {
	t.lnRun = allowedRun(set.falseAlarms, t.interval, max(1, (t.active&set.alarming).size()))
}
