package sim

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/bellwether-llm/bellwether"
)

// draws returns n calls of one series.
func draws(p Profile, n int) []Sample {
	rng := rand.New(rand.NewPCG(11, 12))
	out := make([]Sample, n)
	var s State
	for i := range out {
		out[i] = p.Draw(rng, s)
		s = out[i].Next
	}
	return out
}

func logs(samples []Sample, of func(Sample) float64) []float64 {
	out := make([]float64, len(samples))
	for i, s := range samples {
		out[i] = math.Log(of(s))
	}
	return out
}

// robust returns the median and 1.4826 times the median absolute deviation.
func robust(x []float64) (median, sigma float64) {
	s := slices.Sorted(slices.Values(x))
	median = s[len(s)/2]
	d := make([]float64, len(x))
	for i := range x {
		d[i] = math.Abs(x[i] - median)
	}
	slices.Sort(d)
	return median, 1.4826 * d[len(d)/2]
}

func TestDrawsReproduceTheRecordedMedians(t *testing.T) {
	for _, p := range Profiles() {
		samples := draws(p, 5000)
		for _, c := range []struct {
			name string
			of   func(Sample) float64
			want Latency
		}{
			{"first token", func(s Sample) float64 { return s.FirstToken }, p.First},
			{"inter-token", func(s Sample) float64 { return s.InterToken }, p.Inter},
		} {
			m, sigma := robust(logs(samples, c.of))
			if d := math.Abs(m - math.Log(c.want.Median)); d > 0.05*math.Max(1, c.want.Sigma/0.3) {
				t.Errorf("%s, %s: median of 5000 draws %.4g s, recorded %.4g s", p.Name, c.name, math.Exp(m), c.want.Median)
			}
			if sigma < 0.9*c.want.Sigma || sigma > 2.5*c.want.Sigma {
				t.Errorf("%s, %s: spread of 5000 draws %.3f, body's sigma %.3f", p.Name, c.name, sigma, c.want.Sigma)
			}
			if high := slices.MaxFunc(samples, func(a, b Sample) int { return int(math.Copysign(1, c.of(a)-c.of(b))) }); c.of(high) > c.want.Max {
				t.Errorf("%s, %s: drew %.4g s, more than the %.4g s on record", p.Name, c.name, c.of(high), c.want.Max)
			}
		}
	}
}

func TestADistributionWithATailDrawsOne(t *testing.T) {
	for _, p := range Profiles() {
		if p.First.TailShare < 0.1 || p.First.TailScale < 1.3*p.First.Sigma {
			continue
		}
		slow := 0
		for _, s := range draws(p, 5000) {
			if math.Log(s.FirstToken/p.First.Body) > 3*p.First.Sigma {
				slow++
			}
		}
		if slow < 5000/500 { // a normal body alone has 7 of 5000
			t.Errorf("%s: %d of 5000 beyond three sigmas, want a tail", p.Name, slow)
		}
	}
}

func TestSuccessiveDrawsAreAsCorrelatedAsTheyShouldBe(t *testing.T) {
	p := Profiles()[0]
	p.First.Rho, p.First.TailShare, p.First.Max = 0.5, 0, math.Inf(1)
	x := logs(draws(p, 5000), func(s Sample) float64 { return s.FirstToken })
	mean, num, den := math.Log(p.First.Body), 0.0, 0.0
	for i := range x {
		den += (x[i] - mean) * (x[i] - mean)
		if i > 0 {
			num += (x[i] - mean) * (x[i-1] - mean)
		}
	}
	if rho := num / den; math.Abs(rho-0.5) > 0.05 {
		t.Errorf("lag-1 autocorrelation of 5000 draws %.3f, want 0.5", rho)
	}
}

func TestLengthsReproduceTheRecordedMedian(t *testing.T) {
	samples := draws(Profiles()[0], 5000)
	n := make([]float64, len(samples))
	for i, s := range samples {
		n[i] = float64(s.Tokens)
	}
	if m, _ := robust(n); math.Abs(m/lengthMedian-1) > 0.06 {
		t.Errorf("median length of 5000 draws %v, recorded %v", m, lengthMedian)
	}
	if slices.Min(n) < 1 || slices.Max(n) > lengthMax {
		t.Errorf("lengths from %v to %v, want 1 to %v", slices.Min(n), slices.Max(n), lengthMax)
	}
}

func TestUnscriptedErrorsAreAsRareAsRecorded(t *testing.T) {
	bad := 0
	for _, s := range draws(Profiles()[0], 50_000) {
		if s.Outcome != bellwether.OK {
			bad++
		}
	}
	if want := 50_000 * baseErrorRate; float64(bad) < want/3 || float64(bad) > want*3 {
		t.Errorf("%d errors in 50000 draws, want about %.0f", bad, want)
	}
}

func TestRegionsAreKnownByTheirNames(t *testing.T) {
	for name, want := range map[string]float64{
		"iad": regionFactors["iad"], "us-east-1": regionFactors["iad"], "eastus2": regionFactors["iad"], "us-west": regionFactors["sea"],
		"eu-central-1": regionFactors["cdg"], "swedencentral": regionFactors["cdg"], "ap-south": 1, "": 1,
	} {
		if got := RegionFactor(name); got != want {
			t.Errorf("RegionFactor(%q) = %v, want %v", name, got, want)
		}
	}
}

func BenchmarkDraw(b *testing.B) {
	p, rng, s := ProfileFor("gpt-4o"), rand.New(rand.NewPCG(1, 2)), State{}
	b.ReportAllocs()
	for b.Loop() {
		s = p.Draw(rng, s).Next
	}
}
