package limits

import (
	"math"
	"math/rand/v2"
	"testing"
)

// The intervals of the textbooks: Garwood's and Clopper & Pearson's tables.
func TestExactIntervalsAreThoseOfTheTables(t *testing.T) {
	for _, c := range []struct {
		got       Figure
		low, high float64
	}{
		{Poisson(0, 1), 0, 3.689},
		{Poisson(1, 1), .0253, 5.572},
		{Poisson(10, 1), 4.795, 18.390},
		{Poisson(200, 100), 1.732, 2.297},
		{Share(0, 1000), 0, .003682},
		{Share(5, 10), .1871, .8129},
		{Share(10, 10), .6915, 1},
	} {
		if math.Abs(c.got.Low-c.low) > .002 || math.Abs(c.got.High-c.high) > .002 {
			t.Errorf("interval of %v is (%.4f, %.4f), want (%.4f, %.4f)", c.got.Value, c.got.Low, c.got.High, c.low, c.high)
		}
	}
}

// The chain is held to a simulation of the same CUSUM.
func TestRunLengthsAreThoseOfASimulation(t *testing.T) {
	rng := rand.New(rand.NewPCG(71, 72))
	for _, c := range []struct {
		r Ratio
		h float64
	}{{Bernoulli(.05, .3), 3}, {Shift(Gauss, 1, 8).Thin(.1), 3}} {
		good, bad := RunLengths(c.r, c.h)
		for name, want := range map[string]float64{"health": good, "fault": bad} {
			sum, runs := 0, 3000
			for range runs {
				for s := 0.0; s < c.h; sum++ {
					u := rng.Float64()
					for _, a := range c.r {
						p := a.Bad
						if name == "health" {
							p = a.Good
						}
						if u -= p; u < 0 {
							s = math.Max(0, s+a.Ratio)
							break
						}
					}
				}
			}
			if got := float64(sum) / float64(runs); math.Abs(got/want-1) > .06 {
				t.Errorf("in %s the simulation runs %.1f, the chain says %.1f", name, got, want)
			}
		}
	}
}
