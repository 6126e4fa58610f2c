package scoring

import (
	"math"
	"slices"
)

const (
	ringMost     = 256 // samples that may wait in quarantine
	refreshEvery = 128
)

// sample is a measured value waiting in quarantine.
type sample struct {
	at     int64 // unix nanoseconds
	z      float64
	y, w   float64
	before float64 // residual before it, gap seconds earlier; no gap: none
	gap    float64
}

// measure is the baseline of one measured signal of one series: level, pool,
// correlation. Values are logarithms. Samples wait in pend until all evidence
// of their signal is zero, so that a fault never teaches what is usual.
type measure struct {
	accepted uint64
	start    []float64 // the first values, before there is a level
	level    float64
	lastAt   int64 // of the last accepted sample
	pool     pool
	corr     correlation
	sigma    float64
	middle   float64    // the usual residual: of counts, whose level is where they began
	place    [3]float64 // of d on the grid, per magnitude; see magnitudes
	prevY    float64    // the last residual seen, and when; 0: none
	prevAt   int64
	pend     []sample
	season   *season // nil of counts, and before the first hour
	anchor   anchor  // of timings
	kin      float64 // standard deviation of the same signal elsewhere; 0 for not known
	whole    bool    // counts, or other values of which few are in use; see count
}

// kind is one measured signal.
type kind uint8

const (
	kindFirst kind = iota
	kindInter
	kindTokens
	kindConfidence // the mean log-probability with its sign turned: larger is worse
	kindOwn        // the first of mostOwn; larger is worse, as declared
	kinds          = kindOwn + mostOwn
	kindsShown     = kindConfidence // the kinds before it are logarithms, remembered for people
)

// ownDistinct is how many of the first values must differ for a signal to count
// as a continuous one.
const ownDistinct = 15

// count decides from the first values whether the signal counts: its values are
// whole numbers, few of them in use, and equal ones must stay equal. A level
// that moves, a correlation that is removed, or bins that move would each put
// all later samples of one value above, or below, all earlier ones, which ranks
// then take for a change. So the level of a count stays where it began (the pool
// forgets, and follows by itself), nothing is removed, and the bins stay: 1 %
// wide for numbers of tokens, which tells those up to 13 times the level or a
// 13th of it apart as far as that matters.
func (m *measure) count(k kind, sorted []float64) {
	if k == kindTokens {
		m.whole, m.pool.width = true, .01
		return
	}
	if k < kindConfidence || len(slices.Compact(slices.Clone(sorted))) >= ownDistinct {
		return
	}
	m.whole = true
	m.pool.width = max((sorted[len(sorted)-1]-sorted[0])/64, m.leastSigma(k)/4)
}

// magnitudes are the factors that the hypotheses about each kind test, the last
// one that of the joint hypothesis.
var magnitudes = [kindsShown][3]float64{
	kindFirst:  {1.3, 2, jointFirst},
	kindInter:  {1.15, 1.5, jointInter},
	kindTokens: {1.2, 1.2, 1.2},
}

// standardShift is the effect that is tested of signals which have no natural
// factor, in standard deviations.
const standardShift = 1.5

// leastSigma keeps signals that hardly vary from making much of nothing.
func (m *measure) leastSigma(k kind) float64 {
	switch k {
	case kindInter:
		return .03
	case kindConfidence:
		return .01
	case kindFirst, kindTokens:
		return .05
	}
	return max(1e-9, math.Abs(m.level)/1000)
}

// ready reports whether the signal has a baseline to compare with.
func (m *measure) ready() bool { return m != nil && m.accepted >= coldProbes }

// fine reports whether the pool is large enough for a bin above .999.
func (m *measure) fine() bool { return m.pool.size() >= 1000 }

// see compares the logarithm z with the baseline: the residual, its rank, and
// how far the correlation moves the effect's bucket. The sample is put in
// quarantine when keep is true.
func (m *measure) see(at int64, z, v float64, keep bool) (y, u, slow float64) {
	y = z - m.level - m.season.at(at)
	gap := 0.0
	if m.prevAt != 0 {
		gap = seconds(at - m.prevAt)
	}
	rho, sure := m.corr.at(gap) // 0 for whole numbers, which teach none
	w := whiten(y, m.prevY, rho, sure)
	u = m.pool.rank(w, v)
	if keep {
		m.wait(sample{at: at, z: z, y: y, w: w, before: m.prevY, gap: gap})
	}
	m.prevY, m.prevAt = y, at
	if !m.whole {
		if m.season == nil {
			m.season = &season{hour: -1}
		}
		if m.season.note(at, z-y+clip(y, max(3*m.sigma, seasonMost)), m.sigma, !keep || len(m.pend) > 1) {
			m.rest()
		}
	}
	return y, u, slowing(rho, sure)
}

func (m *measure) wait(s sample) {
	if len(m.pend) >= ringMost {
		copy(m.pend, m.pend[1:])
		m.pend = m.pend[:ringMost-1]
	}
	m.pend = append(m.pend, s)
}

// begin takes the first values of a series, until there is a level.
func (m *measure) begin(k kind, at int64, z float64) {
	m.start = append(m.start, z-m.season.at(at))
	m.accepted++
	m.lastAt = at
	if !m.ready() {
		return
	}
	sorted := slices.Clone(m.start)
	m.level = medianOf(sorted)
	m.count(k, sorted)
	m.season.move(m.level) // of a generation before; see renew
	for _, z := range m.start {
		m.pool.add(z-m.level, 0)
	}
	m.start = nil
	m.refresh(k)
}

// release lets all samples out of quarantine, into the baseline and into h.
func (m *measure) release(k kind, h *histogram) {
	for _, s := range m.pend {
		h.add(s.z)
		m.accept(k, s)
	}
	m.pend = m.pend[:0]
}

func (m *measure) accept(k kind, s sample) {
	healthy := max(0, min(longestGap, seconds(s.at-m.lastAt)))
	m.lastAt = max(m.lastAt, s.at)
	if !m.whole {
		m.follow(k, s, healthy)
	}
	m.pool.add(s.w, healthy)
	if !m.whole && s.gap > 0 && s.gap <= longestGap {
		m.corr.learn(s.y, s.before, s.gap, m.sigma)
	}
	m.accepted++
	if m.accepted == warmProbes || m.accepted%refreshEvery == 0 {
		m.refresh(k)
	}
}

// follow moves level and anchor by a healthy sample.
func (m *measure) follow(k kind, s sample, healthy float64) {
	alpha := max(1/float64(m.accepted+1), 1-math.Exp(-healthy*(math.Ln2/levelHalfLife)))
	step := alpha * clip(s.z-m.season.at(s.at)-m.level, 2*m.sigma)
	if k < kindsShown && m.drift() != 0 {
		step = clip(step, driftPace*healthy/3600)
	}
	m.level += step
	if k < kindsShown {
		m.anchor.note(s.at, m.level)
	}
}

// rest begins to count on the season. The level ran after the hours so far, and
// where it ran far, what is left of them now has another spread and correlation.
func (m *measure) rest() {
	m.level, m.prevAt = m.season.level, 0
	if m.season.swing > m.sigma/5 {
		m.pool, m.corr, m.pend, m.accepted = pool{}, correlation{}, m.pend[:0], coldProbes
	}
}

// renew begins a new generation: another model is another level and spread, but
// its users sleep at the same hours.
func (m *measure) renew() {
	if !m.ready() || m.whole {
		*m = measure{}
		return
	}
	m.season.move(-m.level)
	*m = measure{season: m.season, prevAt: 0}
}

// refresh derives the spread, the correlation and the effect sizes.
func (m *measure) refresh(k kind) {
	m.sigma = max(m.borrowed(m.pool.spread()), m.leastSigma(k))
	switch {
	case k == kindTokens:
		m.sigma = max(m.sigma, math.Exp(-m.level)) // the size of one more
		m.middle = m.pool.median()
	case m.whole:
		m.sigma = max(m.sigma, m.pool.width)
		m.middle = m.pool.median()
	default:
		m.pool.refit(m.sigma)
	}
	m.corr.refresh()
	if k >= kindConfidence {
		m.place[0] = logD(standardShift)
		return
	}
	for i, r := range magnitudes[k] {
		m.place[i] = logD(math.Log(r) / m.sigma)
	}
}

// kinWorth is how many samples the spread of the same signal elsewhere is worth.
const kinWorth = 50.0

// borrowed draws a spread that is hardly known towards that of the kin.
func (m *measure) borrowed(spread float64) float64 {
	if m.kin <= 0 || spread <= 0 {
		return spread
	}
	w := kinWorth / (kinWorth + float64(m.accepted))
	return math.Exp((1-w)*math.Log(spread) + w*math.Log(m.kin))
}

// shift moves the level by dy, lets the quarantined go, and widens the pool to
// the given spread when that is larger: a new normal. Whole numbers are learned
// afresh, because a pool moved by a fraction would break their ties.
func (m *measure) shift(k kind, dy, spread float64) {
	if !m.ready() {
		return
	}
	if m.whole {
		*m = measure{}
		return
	}
	m.level += dy
	m.season.move(dy)
	m.pend = m.pend[:0]
	m.prevAt = 0
	if f := spread / m.sigma; f > 1 {
		m.pool.stretch(min(f, 2))
		m.refresh(k)
	}
}

// seconds converts nanoseconds.
func seconds(ns int64) float64 { return float64(ns) / 1e9 }
