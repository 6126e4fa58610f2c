package scoring

import (
	"math"
	"math/rand/v2"
	"testing"
)

const midnight = int64(1795046400e9) // a Thursday, 2026-11-19

// learn feeds healthy values at an interval until the end, and calls look with
// each residual.
func learn(m *measure, from, until, every int64, value func(at int64) float64, look func(at int64, y float64)) {
	for at := from; at < until; at += every {
		z := value(at)
		if !m.ready() {
			m.begin(kindFirst, at, z)
			continue
		}
		y, _, _ := m.see(at, z, .5, true)
		m.release(kindFirst, nil)
		if look != nil {
			look(at, y)
		}
	}
}

// rhythm is a day's load: its logarithm goes up and down by a, less on weekends.
func rhythm(a float64) func(at int64) float64 {
	return func(at int64) float64 {
		h := float64(at%86400e9) / 3600e9
		day := at / 86400e9 % 7 // 0 is a Thursday
		if day == 2 || day == 3 {
			a /= 2
		}
		return a * math.Sin(2*math.Pi*h/24)
	}
}

func TestTheSeasonIsLearnedFromTheSecondDayOn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		days int64
		most float64 // of the mean distance of residuals from the noise
	}{{2, .05}, {4, .06}, {28, .025}} {
		rng := rand.New(rand.NewPCG(1, 2))
		load := func(at int64) float64 { return rhythm(.2)(at) }
		noise := 0.0
		m := &measure{}
		sum, n := 0.0, 0.0
		end := midnight + c.days*86400e9
		learn(m, midnight, end, 60e9, func(at int64) float64 { noise = .2 * rng.NormFloat64(); return load(at) + noise }, func(at int64, y float64) {
			if at > end-86400e9 {
				sum += math.Abs(y - noise)
				n++
			}
		})
		t.Logf("on day %d the residual is off by %.3f on average, the load by %.3f", c.days, sum/n, .4/math.Pi)
		if sum/n > c.most {
			t.Errorf("on day %d the residual is off by %.3f on average, want at most %.3f", c.days, sum/n, c.most)
		}
	}
}

func TestASeasonHasNoSteps(t *testing.T) {
	t.Parallel()
	m := &measure{}
	rng := rand.New(rand.NewPCG(1, 2))
	learn(m, midnight, midnight+10*86400e9, 60e9, func(at int64) float64 { return rhythm(.3)(at) + .1*rng.NormFloat64() }, nil)
	at := midnight + 10*86400e9
	for i := range int64(7 * 24 * 60) {
		if step := math.Abs(m.season.at(at+(i+1)*60e9) - m.season.at(at+i*60e9)); step > .01 {
			t.Fatalf("the season steps by %.3f within a minute", step)
		}
	}
}

func TestADriftedLevelSaysSoAndSlowsDown(t *testing.T) {
	t.Parallel()
	m := &measure{}
	rng := rand.New(rand.NewPCG(1, 2))
	noise := func(int64) float64 { return .1 * rng.NormFloat64() }
	learn(m, midnight, midnight+10*86400e9, 60e9, noise, nil)
	if m.drift() != 0 {
		t.Fatalf("a steady level has drifted by %v", m.drift())
	}
	// 2 % an hour: too slow for a level with a half-life of six hours to fall
	// behind by much.
	from := midnight + 10*86400e9
	learn(m, from, from+24*3600e9, 60e9, func(at int64) float64 { return noise(at) + .02*float64(at-from)/3600e9 }, nil)
	t.Logf("after a day of 2 %% an hour the level is at %.2f, its drift %.2f", m.level, m.drift())
	if m.drift() == 0 || m.level > .36 {
		t.Errorf("after a day of 2 %% an hour the level is at %.2f of 0.48, its drift %.2f", m.level, m.drift())
	}
}

func TestANewGenerationKeepsTheSeason(t *testing.T) {
	t.Parallel()
	m := &measure{}
	rng := rand.New(rand.NewPCG(1, 2))
	load := func(level float64) func(at int64) float64 {
		return func(at int64) float64 { return level + rhythm(.3)(at) + .05*rng.NormFloat64() }
	}
	end := midnight + 10*86400e9
	learn(m, midnight, end, 60e9, load(0), nil)
	m.renew()
	if m.ready() {
		t.Fatal("a new generation begins with the old baseline")
	}
	sum, n := 0.0, 0.0
	learn(m, end, end+86400e9, 60e9, load(1), func(_ int64, y float64) { sum += math.Abs(y); n++ })
	t.Logf("on its first day residuals are %.3f on average", sum/n)
	if math.Abs(m.level-1) > .1 || sum/n > .08 {
		t.Errorf("a day later the level is %.2f, residuals %.3f on average", m.level, sum/n)
	}
}
