package scoring

import (
	"math"

	"github.com/bellwether-llm/bellwether"
)

// feature is one number about an answer's text.
type feature struct {
	name      bellwether.Signal
	words     string // for people, of an answer where it is odd
	low, high float64
	log       bool
	up, down  bool // which way is odd
}

// features are those that probes measure. Append only: checkpoints hold them in
// this order. What is usual differs from prompt to prompt, so that each is
// compared with the canary's own past only.
var features = [...]feature{
	{name: "text.repetition", words: "repetitive", low: 0, high: 1, up: true},
	{name: "text.distinct", words: "of few words", low: 0, high: 1, down: true},
	{name: "text.similarity", words: "unlike earlier ones", low: 0, high: 1, down: true},
	{name: "text.length_ratio", words: "of another length", low: -3, high: 3, log: true, up: true, down: true},
}

const (
	textBins    = 128
	textMost    = 4096 // answers, then the memory is halved
	textPending = 64   // answers that may wait in quarantine
	textOdd     = .03  // p-value of an answer that counts as odd
	sizeText    = .1   // share of odd answers that matters
)

// textPast is what the features of a canary's answers were like in health: a
// histogram each, over fixed bins, so that equal values stay equal.
type textPast struct {
	bins  [len(features)][textBins]float32
	total [len(features)]float64
	pend  []textSample
}

// textSample is an answer that waits in quarantine.
type textSample struct {
	at   int64
	bins [len(features)]int16 // -1: not measured
	odd  bool
}

// bin returns the bin of value v of feature f; -1 for none.
func (f *feature) bin(v float64) int16 {
	if f.log {
		v = math.Log(max(v, 1e-9))
	}
	if v != v {
		return -1
	}
	at := (v - f.low) / (f.high - f.low) * textBins
	return int16(max(0, min(textBins-1, at)))
}

// rank returns the randomised rank of bin b of feature f in (0, 1).
func (p *textPast) rank(f int, b int16, v float64) float64 {
	below := 0.0
	for _, n := range p.bins[f][:b] {
		below += float64(n)
	}
	return (below + v*(float64(p.bins[f][b])+1)) / (p.total[f] + 1)
}

// odd returns the p-value of a sample's strongest feature, corrected after
// Bonferroni for how many features have a past, and which it is; 1 where none
// has.
func (p *textPast) odd(x *textSample, id string) (least float64, strongest int) {
	least, strongest = 1, -1
	known := 0
	for f := range features {
		if x.bins[f] < 0 || p.total[f] < warmProbes {
			continue
		}
		known++
		u := p.rank(f, x.bins[f], uniform(id, uint64(32+f)))
		one := u
		switch {
		case features[f].up && features[f].down:
			one = 2 * min(u, 1-u)
		case features[f].up:
			one = 1 - u
		}
		if one < least {
			least, strongest = one, f
		}
	}
	return min(1, least*float64(known)), strongest
}

// readText compares an answer's text with the past of its canary.
func (e *Engine) readText(t *target, s *series, r *reading, o *bellwether.Observation) {
	if len(o.Signals) == 0 || e.set.may[strange] == ignored {
		return
	}
	x := textSample{at: r.at}
	there := false
	for f := range features {
		x.bins[f] = -1
		if v, ok := o.Signals[features[f].name]; ok {
			x.bins[f] = features[f].bin(v)
			there = true
		}
	}
	if !there {
		return
	}
	if s.text == nil {
		s.text = &textPast{}
	}
	p, strongest := s.text.odd(&x, o.ID)
	x.odd = p <= textOdd
	if strongest >= 0 {
		l := e.solver.ladders.text
		r.ell[strange] = l.ell[0][l.bin(1-p)]
		one := tally{at: r.at, n: 1, worst: uint8(strongest)}
		if x.odd {
			one.bad, r.oddText = 1, true
		}
		t.oddTexts.push(one)
	}
	if t.learning() || t.alarmed(famStrange) {
		s.text.wait(x)
	}
}

func (p *textPast) wait(x textSample) {
	if len(p.pend) >= textPending {
		p.pend = p.pend[:copy(p.pend, p.pend[1:])]
	}
	p.pend = append(p.pend, x)
}

// release lets what waits into the past; a nil past has nothing.
func (p *textPast) release() {
	if p == nil {
		return
	}
	for _, x := range p.pend {
		for f, b := range x.bins {
			if b >= 0 {
				p.bins[f][b]++
				p.total[f]++
			}
		}
	}
	p.pend = p.pend[:0]
	for f := range features {
		if p.total[f] >= textMost {
			p.fade(f)
		}
	}
}

func (p *textPast) fade(f int) {
	p.total[f] = 0
	for b := range p.bins[f] {
		p.bins[f][b] /= 2
		p.total[f] += float64(p.bins[f][b])
	}
}

// drop forgets what waits.
func (p *textPast) drop() {
	if p != nil {
		p.pend = p.pend[:0]
	}
}

// admitTexts takes what waits after an alarm for usual if few of it is odd.
func (t *target) admitTexts() (chance bool) {
	n, odd := 0, 0
	for _, s := range t.series {
		if s.text == nil {
			continue
		}
		for _, x := range s.text.pend {
			n++
			if x.odd {
				odd++
			}
		}
	}
	chance = float64(odd) < sizeText*float64(n)
	for _, s := range t.series {
		if chance {
			s.text.release()
		} else {
			s.text.drop()
		}
	}
	return chance
}

// textWords says how answers were odd since an onset.
func (t *target) textWords(since int64) (c counted, how string) {
	var ways [len(features)]float64
	for i := range t.oddTexts.len() {
		if one := t.oddTexts.last(i); one.at >= since {
			c.n += float64(one.n)
			c.bad += float64(one.bad)
			ways[one.worst] += float64(one.bad)
		}
	}
	best := 0
	for i, n := range ways {
		if n > ways[best] {
			best = i
		}
	}
	return c, features[best].words
}
