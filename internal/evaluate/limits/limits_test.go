package limits

import (
	"math"
	"testing"
)

// published are the exact optima of CUSUMs at one false alarm in 86,400 probes.
func TestTheExactOptimumIsThePublishedOne(t *testing.T) {
	cases := map[string]struct {
		r          Ratio
		info, best float64
	}{
		"errors .5 to 5 %":       {Bernoulli(.005, .05), .071, 100.7},
		"errors .1 to 2 %":       {Bernoulli(.001, .02), .041, 159.6},
		"errors .1 to 5 %":       {Bernoulli(.001, .05), .148, 53.7},
		"first token twice":      {Shift(Gauss, math.Log(2)/.35, 9), 1.96, 5.7},
		"first token x1.3":       {Shift(Gauss, math.Log(1.3)/.35, 9), .28, 32.4},
		"tokens a fifth more":    {Shift(Gauss, math.Log(1.2)/.15, 9), .74, 13.6},
		"first token five times": {Shift(Gauss, math.Log(5)/.35, 9), 10.6, 1.4},
	}
	for name, c := range cases {
		if testing.Short() && c.best > 50 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			if got := c.r.Information(); math.Abs(got/c.info-1) > .02 {
				t.Errorf("information %.4f, want %.3f", got, c.info)
			}
			if got := Optimum(c.r, 86400); math.Abs(got/c.best-1) > .03 {
				t.Errorf("optimum %.2f probes, want %.1f", got, c.best)
			}
		})
	}
}
