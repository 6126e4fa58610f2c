package scoring

import (
	"math"
	"math/rand/v2"
	"testing"
)

// The figures are those of the published calibration: a budget of one false
// alarm in 86 400 probes, shared by 12 hypotheses.
func TestThresholdsAgreeWithTheCalibration(t *testing.T) {
	t.Parallel()
	s := solver{ladders: newLadders(), cache: map[thresholdKey]float64{}}
	lnRun := math.Log(86400 * 12)
	bucket := func(r, sigma float64) int { return bucketOf(logD(math.Log(r) / sigma)) }
	for _, c := range []struct {
		name string
		got  float64
		want float64
	}{
		{"errors 3 %", s.counts(.03, bucketOfP(.005), lnRun), 9.29},
		{"errors 30 %", s.counts(.3, bucketOfP(.005), lnRun), 11.58},
		{"errors 97 %", s.counts(.97, bucketOfP(.005), lnRun), 10.54},
		{"first token x1.3", s.ranks(false, bucket(1.3, .35), lnRun), 11.61},
		{"first token x2", s.ranks(false, bucket(2, .35), lnRun), 12.37},
		{"inter-token x1.15", s.ranks(false, bucket(1.15, .12), lnRun), 12.06},
		{"inter-token x1.5", s.ranks(false, bucket(1.5, .12), lnRun), 13.29},
		{"output tokens x1.2", s.ranks(false, bucket(1.2, .15), lnRun), 12.09},
		{"wrong answers 5 %", s.counts(.05, bucketOfP(.002), lnRun), 9.47},
		{"wrong answers 50 %", s.counts(.5, bucketOfP(.002), lnRun), 11.05},
		{"overload", s.overload(false, bucket(1.2, .35), bucket(1.15, .12), bucketOfP(.005), lnRun), 11.91},
	} {
		t.Logf("%s: threshold %.2f, calibration %.2f", c.name, c.got, c.want)
		if math.Abs(c.got-c.want) > .8 {
			t.Errorf("%s: threshold = %.2f, want %.2f within 0.8", c.name, c.got, c.want)
		}
	}
}

func TestRunLengthsAgreeWithSimulation(t *testing.T) {
	t.Parallel()
	s := solver{ladders: newLadders(), cache: map[thresholdKey]float64{}}
	for _, c := range []struct {
		name  string
		as    []atom
		delta float64
	}{
		{"a small shift in ranks", s.rankAtoms(false, bucketOf(logD(.75))), .02},
		{"a large shift in ranks", s.rankAtoms(true, bucketOf(logD(3))), .02},
		{"errors 3 %", countAtoms(.03, .005), .025},
		{"errors 97 %", countAtoms(.97, .01), .02},
	} {
		h := 5.0
		want := simulateRun(c.as, h, 2000)
		got := runLength(lattice(c.as, c.delta), h, c.delta)
		if math.Abs(got/want-1) > .08 {
			t.Errorf("%s: runLength(h=5) = %.0f, simulation %.0f", c.name, got, want)
		}
	}
}

// simulateRun returns the mean observations to an alarm over n runs.
func simulateRun(as []atom, h float64, n int) float64 {
	rng := rand.New(rand.NewPCG(1, 2))
	total := 0
	for range n {
		for s := 0.0; s < h; total++ {
			u, x := rng.Float64(), as[len(as)-1].x
			for _, a := range as {
				if u < a.p {
					x = a.x
					break
				}
				u -= a.p
			}
			s = math.Max(0, s+x)
		}
	}
	return float64(total) / float64(n)
}

func TestIncrementsAreLikelihoodRatios(t *testing.T) {
	t.Parallel()
	ls := newLadders()
	for _, l := range []*ladder{ls.coarse, ls.fine} {
		for k := range dBuckets {
			mean, drift := 0.0, 0.0
			for j, q := range l.q0 {
				mean += q * math.Exp(l.ell[k][j])
				drift += q * l.ell[k][j]
			}
			if math.Abs(mean-1) > 1e-9 || drift >= 0 {
				t.Errorf("d = %.2f: E[exp(ell)] = %v, E[ell] = %v when all is well; want 1 and below 0", bucketD(k), mean, drift)
			}
		}
	}
}

func TestIncrementsAreTheTabledOnes(t *testing.T) {
	t.Parallel()
	l := newLadders().coarse
	k := bucketOf(logD(math.Ln2 / .35))
	d := bucketD(k)
	if want := math.Log(.98*(1-phi(2.3263478740408408-d))/.01 + .02); math.Abs(l.ell[k][5]-want) > 1e-9 {
		t.Errorf("ell of the highest bin at d = %.3f = %v, want %v", d, l.ell[k][5], want)
	}
	for j := 1; j < 6; j++ {
		if l.ell[k][j] <= l.ell[k][j-1] {
			t.Errorf("ell is not growing with the rank: %v", l.ell[k])
		}
	}
}

func BenchmarkThreshold(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		s := solver{ladders: newLadders(), cache: map[thresholdKey]float64{}}
		s.ranks(true, 16, 15)
	}
}
