package store

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/sketch"
)

// The resolutions of rollups, in seconds.
const (
	Minute = 60
	Hour   = 3600
)

// Resolution returns the rollups' resolution that a query asks for: [Minute]
// for 0.
func Resolution(asked int) (int, error) {
	switch asked {
	case 0, Minute:
		return Minute, nil
	case Hour:
		return Hour, nil
	}
	return 0, fmt.Errorf("rollups of %d seconds are not kept: ask for 60 or 3600", asked)
}

// Series is what a rollup adds up over. Probes of different triggers are never
// added up: suspicion asks more often in bad times.
type Series struct {
	Target, Vantage, Canary, Source, Trigger string
	Reused                                   bool
}

// Compare orders series, so that listings have one order.
func (s Series) Compare(o Series) int {
	return cmp.Or(
		strings.Compare(s.Target, o.Target), strings.Compare(s.Vantage, o.Vantage),
		strings.Compare(s.Canary, o.Canary), strings.Compare(s.Source, o.Source),
		strings.Compare(s.Trigger, o.Trigger), compareBool(s.Reused, o.Reused))
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// Bin is one minute or hour of one series.
type Bin struct {
	Start   int64 // Unix time, seconds; a multiple of Seconds
	Seconds int   // Minute or Hour
	Series
}

// Fold adds observations up, by bin. It is not safe for concurrent use.
type Fold map[Bin]*Tally

// Add counts o in its minute and in its hour.
func (f Fold) Add(o *bellwether.Observation) {
	f.tally(BinOf(o, Minute)).Add(o)
	f.tally(BinOf(o, Hour)).Add(o)
}

// BinOf returns the bin that o falls into. A summary of a window falls into
// the bin in which its window starts.
func BinOf(o *bellwether.Observation, seconds int) Bin {
	start := o.At.Unix()
	start -= ((start % int64(seconds)) + int64(seconds)) % int64(seconds)
	return Bin{Start: start, Seconds: seconds, Series: Series{
		Target: o.Target, Vantage: o.Vantage, Canary: o.Canary,
		Source: o.Source, Trigger: o.Trigger, Reused: o.Reused,
	}}
}

func (f Fold) tally(b Bin) *Tally {
	t := f[b]
	if t == nil {
		t = &Tally{}
		f[b] = t
	}
	return t
}

// Bins returns the bins of f in order of time, then of series.
func (f Fold) Bins() []Bin {
	return slices.SortedFunc(maps.Keys(f), func(a, b Bin) int {
		return cmp.Or(cmp.Compare(a.Seconds, b.Seconds), cmp.Compare(a.Start, b.Start), a.Series.Compare(b.Series))
	})
}

// Tally is a sum in the making. The zero Tally is empty and ready for use by
// one goroutine.
type Tally struct {
	Counts        map[bellwether.Outcome]int
	Checks        map[string][2]int // passed, failed
	Input, Output int               // tokens
	CostUSD       float64
	Sketches      map[bellwether.Signal]*sketch.Sketch
}

// maxNames bounds how many checks and signals one bin tells apart, since they
// come from outside. More are left out.
const maxNames = 64

// Add counts o: a single observation as often as its sample rate says, a
// summary as what it sums up. A summary's sketch that does not parse is left
// out; whoever lets observations in checks them before.
func (t *Tally) Add(o *bellwether.Observation) {
	n := 1
	if len(o.Counts) > 0 || len(o.Sketches) > 0 {
		t.addSummary(o)
	} else {
		n = multiplicity(o.SampleRate)
		t.addSingle(o, n)
	}
	if o.Tokens != nil {
		t.Input += n * max(o.Tokens.Input, 0)
		t.Output += n * max(o.Tokens.Output, 0)
	}
	if o.CostUSD > 0 && !math.IsInf(o.CostUSD, 0) {
		t.CostUSD += float64(n) * o.CostUSD
	}
}

// multiplicity returns how many calls one sampled call stands for, 1 to a
// million.
func multiplicity(rate float64) int {
	if !(rate > 0 && rate < 1) {
		return 1
	}
	return int(min(math.Round(1/rate), 1e6))
}

func (t *Tally) addSummary(o *bellwether.Observation) {
	for outcome, n := range o.Counts {
		t.count(outcome, n)
	}
	for signal, b := range o.Sketches {
		if s, err := sketch.Parse(b); err == nil {
			t.merge(signal, s)
		}
	}
}

func (t *Tally) addSingle(o *bellwether.Observation, n int) {
	t.count(o.Outcome, n)
	for _, c := range o.Checks {
		t.check(c.Name, c.OK, n)
	}
	t.addTimings(o, float64(n))
	if o.Outcome.Meaning().Availability == bellwether.Good {
		if o.Tokens != nil {
			t.measure(bellwether.OutputTokens, float64(o.Tokens.Output), float64(n))
		}
		if o.Confidence != nil {
			// Sketches hold nothing negative, so that the mean log-probability is
			// kept as what it is the logarithm of: the mean probability of a token.
			t.measure(bellwether.Confidence, math.Exp(*o.Confidence), float64(n))
		}
	}
	for signal, v := range o.Signals {
		t.measure(signal, v, float64(n))
	}
}

// addTimings enters timings of proper answers, and those of timeouts as at
// least their limit: the time after which the call was given up. All other
// errors are fast as often as not, and would look like improvement.
func (t *Tally) addTimings(o *bellwether.Observation, n float64) {
	first, inter, total := o.Timing.FirstToken, o.Timing.InterToken, o.Timing.Total
	switch o.Outcome {
	case bellwether.OK, bellwether.BadOutput, bellwether.Refusal, bellwether.Timeout:
	case bellwether.FirstTokenTimeout:
		first = max(first, total)
	case bellwether.Stalled:
		inter = max(inter, o.Timing.InterTokenMax)
	default:
		return
	}
	for _, m := range []struct {
		signal bellwether.Signal
		v      float64
	}{{bellwether.FirstToken, first}, {bellwether.InterToken, inter}, {bellwether.Total, total}} {
		if m.v > 0 {
			t.measure(m.signal, m.v, n)
		}
	}
}

// count counts an outcome. An observation without one, which carries nothing
// but a user's signals, counts for none.
func (t *Tally) count(o bellwether.Outcome, n int) {
	if o == "" || n <= 0 {
		return
	}
	if t.Counts == nil {
		t.Counts = map[bellwether.Outcome]int{}
	}
	if _, known := t.Counts[o]; known || len(t.Counts) < maxNames {
		t.Counts[o] += n
	}
}

func (t *Tally) check(name string, ok bool, n int) {
	if t.Checks == nil {
		t.Checks = map[string][2]int{}
	}
	c, known := t.Checks[name]
	if !known && len(t.Checks) >= maxNames {
		return
	}
	if ok {
		c[0] += n
	} else {
		c[1] += n
	}
	t.Checks[name] = c
}

func (t *Tally) measure(signal bellwether.Signal, v, n float64) {
	if s := t.sketch(signal); s != nil && v >= 0 && !math.IsInf(v, 0) {
		s.AddN(v, n)
	}
}

func (t *Tally) merge(signal bellwether.Signal, o *sketch.Sketch) {
	if s := t.sketch(signal); s != nil {
		_ = s.Merge(o) // all sketches share one mapping: it cannot fail
	}
}

func (t *Tally) sketch(signal bellwether.Signal) *sketch.Sketch {
	s := t.Sketches[signal]
	if s == nil && len(t.Sketches) < maxNames {
		if t.Sketches == nil {
			t.Sketches = map[bellwether.Signal]*sketch.Sketch{}
		}
		s = sketch.New()
		t.Sketches[signal] = s
	}
	return s
}

// Merge adds everything that o counted; o is left as it is.
func (t *Tally) Merge(o *Tally) {
	for outcome, n := range o.Counts {
		t.count(outcome, n)
	}
	for name, c := range o.Checks {
		t.check(name, true, c[0])
		t.check(name, false, c[1])
	}
	t.Input += o.Input
	t.Output += o.Output
	t.CostUSD += o.CostUSD
	for signal, s := range o.Sketches {
		t.merge(signal, s)
	}
}

// Rollup returns the sum as the noun. Sketches that counted nothing are left
// out.
func (t *Tally) Rollup(b Bin) bellwether.Rollup {
	r := bellwether.Rollup{
		Start: time.Unix(b.Start, 0).UTC(), Seconds: b.Seconds,
		Target: b.Target, Vantage: b.Vantage, Canary: b.Canary,
		Reused: b.Reused, Source: b.Source, Trigger: b.Trigger,
		Counts: map[bellwether.Outcome]int{}, Checks: maps.Clone(t.Checks),
		Input: t.Input, Output: t.Output, CostUSD: t.CostUSD,
	}
	maps.Copy(r.Counts, t.Counts)
	for signal, s := range t.Sketches {
		if s.Count() == 0 {
			continue
		}
		if r.Sketches == nil {
			r.Sketches = map[bellwether.Signal][]byte{}
		}
		r.Sketches[signal] = s.Bytes()
	}
	return r
}

// TallyOf returns a rollup as a sum to go on with. Its sketches must parse.
func TallyOf(r bellwether.Rollup) (*Tally, error) {
	t := &Tally{
		Counts: maps.Clone(r.Counts), Checks: maps.Clone(r.Checks),
		Input: r.Input, Output: r.Output, CostUSD: r.CostUSD,
	}
	for signal, b := range r.Sketches {
		s, err := sketch.Parse(b)
		if err != nil {
			return nil, fmt.Errorf("rollup of %s at %s: %s: %w", r.Target, r.Start.Format(time.RFC3339), signal, err)
		}
		t.merge(signal, s)
	}
	return t, nil
}
