// Package sketch holds the quantile sketches that latencies and token counts
// are kept in: DDSketches whose quantiles are at most 1 % off and which merge
// without loss, so that minutes add up to hours and regions to a whole.
//
// It is not a histogram of anything negative, and it does not remember exact
// sums. It is pure: no clock, no goroutine, no I/O. A [Sketch] belongs to one
// goroutine at a time.
package sketch

import (
	"errors"
	"math"

	"github.com/DataDog/sketches-go/ddsketch"
	"github.com/DataDog/sketches-go/ddsketch/mapping"
	"github.com/DataDog/sketches-go/ddsketch/store"
)

// Accuracy is the largest relative error of a quantile.
const Accuracy = 0.01

// Smallest and Largest bound what a sketch tells apart. A smaller value counts
// as zero, a larger one as Largest. Between them lie 2,073 bins, so that a
// sketch never grows beyond 20 KiB, whatever it is fed.
const (
	Smallest = 1e-9
	Largest  = 1e9
)

// Sketch is a mergeable summary of values of at least 0. Use [New]; the zero
// Sketch is not usable.
type Sketch struct {
	d *ddsketch.DDSketch
}

// New returns an empty sketch.
func New() *Sketch {
	return &Sketch{d: ddsketch.NewDDSketch(newMapping(), store.NewDenseStore(), store.NewDenseStore())}
}

// newMapping returns the mapping of every sketch: two sketches always merge.
func newMapping() mapping.IndexMapping {
	m, err := mapping.NewLogarithmicMapping(Accuracy)
	if err != nil {
		panic("sketch: mapping: " + err.Error()) // a constant accuracy: cannot happen
	}
	return m
}

// Add counts v once. Negative values, NaN and infinities are left out. It
// allocates only while the range of values grows.
func (s *Sketch) Add(v float64) { s.AddN(v, 1) }

// AddN counts v n times; n may be a fraction. Nothing is counted unless n is
// above 0 and finite.
func (s *Sketch) AddN(v, n float64) {
	if !(v >= 0) || math.IsInf(v, 0) || !(n > 0) || math.IsInf(n, 0) {
		return
	}
	switch {
	case v < Smallest:
		v = 0
	case v > Largest:
		v = Largest
	}
	// In this range neither value nor count can be refused.
	_ = s.d.AddWithCount(v, n)
}

// Merge adds everything that o counted. The result is what one sketch of all
// the values would be. o is left as it is and may be nil.
func (s *Sketch) Merge(o *Sketch) error {
	if o == nil {
		return nil
	}
	if s == o {
		return errors.New("sketch: merge: a sketch cannot be merged into itself")
	}
	return s.d.MergeWith(o.d)
}

// Quantile returns the value below which the fraction q of all values lies,
// within 1 %; q is cut to [0, 1]. It is NaN when the sketch is empty or q is.
func (s *Sketch) Quantile(q float64) float64 {
	v, err := s.d.GetValueAtQuantile(min(max(q, 0), 1))
	if err != nil {
		return math.NaN()
	}
	return v
}

// Count returns how many values were counted.
func (s *Sketch) Count() float64 { return s.d.GetCount() }

// Sum returns the sum of all values, within 1 %.
func (s *Sketch) Sum() float64 { return s.d.GetSum() }

// CountAbove returns how many values were above limit. It interpolates
// nothing: it counts whole bins whose value, within 1 % of all values in it,
// is above limit.
func (s *Sketch) CountAbove(limit float64) float64 {
	var n float64
	s.d.ForEach(func(v, count float64) bool {
		if v > limit {
			n += count
		}
		return false
	})
	return n
}
