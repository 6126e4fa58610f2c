package scoring

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestACleanHistoryRaisesThresholdsOnlyWhereItAlarmsMore draws increments whose
// excursions are as the solved threshold expects, and others that come in moods.
func TestACleanHistoryRaisesThresholdsOnlyWhereItAlarmsMore(t *testing.T) {
	t.Parallel()
	s := solver{ladders: newLadders(), cache: map[thresholdKey]float64{}}
	l, d := s.ladders.coarse, bucketOf(logD(.9))
	run := math.Log(20000.0)
	h := s.ranks(false, d, run)
	for _, c := range []struct {
		name      string
		rho       float64
		low, high float64
	}{{"independent", 0, 0, .5}, {"moods", .3, 1.5, calmMost}} {
		rng := rand.New(rand.NewPCG(3, 4))
		alarms := func(h float64, n int) (alarms int, past calm) {
			sum, mood := 0.0, 0.0
			for range n {
				mood = c.rho*mood + math.Sqrt(1-c.rho*c.rho)*rng.NormFloat64()
				sum = max(0, sum+l.ell[d][l.bin(phi(mood))])
				past.follow(sum, 1e9)
				if sum >= h {
					alarms++
					sum = 0
				}
			}
			return alarms, past
		}
		_, past := alarms(math.Inf(1), 90000)
		raised := past.raise(h, run)
		before, _ := alarms(h, 1000000)
		after, _ := alarms(raised, 1000000)
		t.Logf("%s: %.2f nats are raised by %.2f; of 50 alarms expected there were %d, then %d", c.name, h, raised-h, before, after)
		if raised-h < c.low || raised-h > c.high {
			t.Errorf("%s: raised by %.2f, want %v to %v", c.name, raised-h, c.low, c.high)
		}
		if after > 100 {
			t.Errorf("%s: %d alarms against a budget of 50", c.name, after)
		}
	}
}
