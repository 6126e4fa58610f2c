package sketch_test

import (
	"bytes"
	"fmt"
	"math"
	"sort"
	"testing"

	"github.com/bellwether-llm/bellwether/internal/sketch"
	"pgregory.net/rapid"
)

func Example() {
	s := sketch.New()
	for i := 1; i <= 100; i++ {
		s.Add(float64(i) / 10) // 0.1 s to 10 s
	}
	fmt.Printf("median %.1f s, p99 %.1f s, %v of %v above 8 s\n",
		s.Quantile(0.5), s.Quantile(0.99), s.CountAbove(8), s.Count())
	// Output: median 5.0 s, p99 9.9 s, 20 of 100 above 8 s
}

// values draws latencies over nine orders of magnitude, zeros among them.
func values() *rapid.Generator[[]float64] {
	v := rapid.Custom(func(t *rapid.T) float64 {
		if rapid.IntRange(0, 20).Draw(t, "zero") == 0 {
			return 0
		}
		return math.Pow(10, rapid.Float64Range(-5, 4).Draw(t, "exponent"))
	})
	return rapid.SliceOfN(v, 0, 300)
}

func sketchOf(vs ...[]float64) *sketch.Sketch {
	s := sketch.New()
	for _, part := range vs {
		for _, v := range part {
			s.Add(v)
		}
	}
	return s
}

func TestMergeOfSketchesIsTheSketchOfTheMerge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := values().Draw(t, "a"), values().Draw(t, "b")
		merged := sketchOf(a)
		if err := merged.Merge(sketchOf(b)); err != nil {
			t.Fatal(err)
		}
		if got, want := merged.Bytes(), sketchOf(a, b).Bytes(); !bytes.Equal(got, want) {
			t.Fatalf("merge of %v and %v:\n got %x\nwant %x", a, b, got, want)
		}
	})
}

func TestQuantilesAreOnePercentOffAtMost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		vs := values().Filter(func(vs []float64) bool { return len(vs) > 0 }).Draw(t, "values")
		q := rapid.Float64Range(0, 1).Draw(t, "q")
		s := sketchOf(vs)
		sort.Float64s(vs)
		// Between two ranks either neighbour is a right answer.
		rank := q * float64(len(vs)-1)
		low, high := vs[int(math.Floor(rank))], vs[int(math.Ceil(rank))]
		got := s.Quantile(q)
		if got < low*(1-sketch.Accuracy)-1e-12 || got > high*(1+sketch.Accuracy)+1e-12 {
			t.Fatalf("Quantile(%v) = %v, want within 1%% of [%v, %v]", q, got, low, high)
		}
	})
}

func TestCountIsExactAndSumWithinOnePercent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		vs := values().Draw(t, "values")
		s := sketchOf(vs)
		var sum float64
		for _, v := range vs {
			sum += v
		}
		if got := s.Count(); got != float64(len(vs)) {
			t.Fatalf("Count() = %v, want %d", got, len(vs))
		}
		if got := s.Sum(); math.Abs(got-sum) > sketch.Accuracy*sum+1e-9 {
			t.Fatalf("Sum() = %v, want %v within 1%%", got, sum)
		}
	})
}

func TestCountAboveErrsOnlyWithinOnePercentOfTheLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		vs := values().Draw(t, "values")
		limit := math.Pow(10, rapid.Float64Range(-5, 4).Draw(t, "exponent"))
		var surely, possibly float64
		for _, v := range vs {
			if v > limit*(1+2*sketch.Accuracy) {
				surely++
			}
			if v > limit*(1-2*sketch.Accuracy) {
				possibly++
			}
		}
		if got := sketchOf(vs).CountAbove(limit); got < surely || got > possibly {
			t.Fatalf("CountAbove(%v) = %v, want %v to %v", limit, got, surely, possibly)
		}
	})
}

func TestParseReadsWhatBytesWrote(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := sketchOf(values().Draw(t, "values"))
		b := s.Bytes()
		for _, in := range [][]byte{b, bytes.TrimPrefix(b, []byte(sketch.Prefix()))} {
			got, err := sketch.Parse(in)
			if err != nil {
				t.Fatalf("Parse(%x): %v", in, err)
			}
			if !bytes.Equal(got.Bytes(), b) {
				t.Fatalf("Parse(%x) = %x", b, got.Bytes())
			}
		}
		if !bytes.HasPrefix(b, []byte(sketch.Prefix())) {
			t.Fatalf("Bytes() = %x, want it to start with %x", b, sketch.Prefix())
		}
	})
}

func TestOddValuesAreLeftOutOrCut(t *testing.T) {
	s := sketch.New()
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), -1} {
		s.Add(v)
	}
	s.AddN(1, 0)
	s.AddN(1, -3)
	s.AddN(1, math.NaN())
	if got := s.Count(); got != 0 {
		t.Errorf("Count() after odd values = %v, want 0", got)
	}
	if got := s.Quantile(0.5); !math.IsNaN(got) {
		t.Errorf("Quantile(0.5) of an empty sketch = %v, want NaN", got)
	}
	s.Add(1e-300)
	s.Add(1e300)
	if got := s.Quantile(0); got != 0 {
		t.Errorf("smallest of {1e-300, 1e300} = %v, want 0", got)
	}
	if got := s.Quantile(1); math.Abs(got-sketch.Largest) > sketch.Largest*sketch.Accuracy {
		t.Errorf("largest of {1e-300, 1e300} = %v, want %v", got, sketch.Largest)
	}
	if err := s.Merge(s); err == nil {
		t.Error("merging a sketch into itself must be refused")
	}
	if err := s.Merge(nil); err != nil {
		t.Errorf("Merge(nil): %v", err)
	}
}

func TestBadBytesAreRefused(t *testing.T) {
	good := sketchOf([]float64{0, 0.2, 0.2, 3}).Bytes()
	for name, b := range map[string][]byte{
		"cut":              good[:len(good)-1],
		"cut mapping":      good[:9],
		"unknown part":     {0xfc},
		"negative values":  {0b0111, 1, 2},
		"other accuracy":   append([]byte{2, 0, 0, 0, 0, 0, 0, 0, 0x40}, make([]byte, 8)...),
		"a bin far away":   {0b1001, 1, 0xff, 0xff, 0xff, 0xff, 0x7f},
		"too many bins":    {0b1001, 0xff, 0xff, 0xff, 0x7f},
		"too long":         make([]byte, 1<<20),
		"an endless count": {0b100, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	} {
		if s, err := sketch.Parse(b); err == nil {
			t.Errorf("Parse(%s) = %x, want an error", name, s.Bytes())
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte{})
	f.Add(sketchOf([]float64{0, 0.1, 0.11, 2, 2, 2, 7000}).Bytes())
	f.Add([]byte{0b1001, 2, 8, 2})             // bins counted once each
	f.Add([]byte{0b1101, 3, 0, 2, 0x03, 0, 6}) // a run of bins
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := sketch.Parse(b)
		if err != nil {
			return
		}
		if q := s.Quantile(0.5); s.Count() > 0 && !(q >= 0 && q <= sketch.Largest*(1+sketch.Accuracy)) {
			t.Fatalf("Parse(%x): median %v", b, q)
		}
		again, err := sketch.Parse(s.Bytes())
		if err != nil {
			t.Fatalf("Parse(%x) wrote %x: %v", b, s.Bytes(), err)
		}
		if got, want := again.Count(), s.Count(); math.Abs(got-want) > 1e-9*want {
			t.Fatalf("Parse(%x): count %v, then %v", b, want, got)
		}
	})
}

func BenchmarkAdd(b *testing.B) {
	b.ReportAllocs()
	s := sketch.New()
	for i := 0; b.Loop(); i++ {
		s.Add(0.1 + float64(i%1000)/500)
	}
}

func BenchmarkMerge(b *testing.B) {
	b.ReportAllocs()
	s, o := sketch.New(), sketchOf([]float64{0.3, 0.4, 0.5, 0.9})
	for b.Loop() {
		if err := s.Merge(o); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	data := sketchOf([]float64{0.3, 0.4, 0.5, 0.9}).Bytes()
	for b.Loop() {
		if _, err := sketch.Parse(data); err != nil {
			b.Fatal(err)
		}
	}
}
