package shares_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/bellwether-llm/bellwether/internal/shares"
	"pgregory.net/rapid"
)

func TestSharesFollowTiersStandbyAndPanic(t *testing.T) {
	one := func(tier int, w float64) shares.Target { return shares.Target{Tier: tier, Base: 1, Weight: w} }
	dead := func(tier int) shares.Target { return shares.Target{Tier: tier, Base: 1, Dead: true} }
	warm := shares.Policy{StandbyShare: 0.05}
	for _, c := range []struct {
		name     string
		ts       []shares.Target
		p        shares.Policy
		want     []float64
		panicked bool
	}{
		{"a single healthy target takes all", []shares.Target{one(0, 1)}, warm, []float64{1}, false},
		{"standby keeps the fallback warm", []shares.Target{one(0, 1), one(1, 1)}, warm, []float64{.95, .05}, false},
		{"a weak primary spills over", []shares.Target{one(0, .4), one(1, 1)}, warm, []float64{.38, .62}, false},
		{"a dead fallback gives its standby back", []shares.Target{one(0, 1), dead(1)}, warm, []float64{1, 0}, false},
		{"siblings share by weight", []shares.Target{one(0, 1), one(0, .5)}, shares.Policy{}, []float64{2. / 3, 1. / 3}, false},
		{"overprovision hides a small loss", []shares.Target{one(0, .8), one(1, 1)}, shares.Policy{Overprovision: 1.4}, []float64{1, 0}, false},
		{"three tiers", []shares.Target{one(0, .5), one(1, .5), one(2, 1)}, shares.Policy{}, []float64{.5, .25, .25}, false},
		{"too little capacity panics over the living", []shares.Target{one(0, .1), one(1, .3), dead(2)}, warm, []float64{.5, .5, 0}, true},
		{"all dead: everything equally", []shares.Target{dead(0), dead(1)}, warm, []float64{.5, .5}, true},
		{"preference moves shares inside a tier only", []shares.Target{{Base: 1, Weight: 1, Preference: 3}, one(0, 1), one(1, 1)}, warm, []float64{.7125, .2375, .05}, false},
	} {
		got, panicked := shares.Compute(c.ts, c.p)
		for i := range got {
			if math.Abs(got[i]-c.want[i]) > 1e-12 || panicked != c.panicked {
				t.Errorf("%s: Compute = %v, %v, want %v, %v", c.name, got, panicked, c.want, c.panicked)
				break
			}
		}
	}
}

// targets draws routes of any shape, absurd numbers included.
func targets(t *rapid.T) ([]shares.Target, shares.Policy) {
	n := rapid.IntRange(1, 30).Draw(t, "n")
	ts := make([]shares.Target, n)
	tier := 0
	for i := range ts {
		if i > 0 && rapid.Bool().Draw(t, "next tier") {
			tier++
		}
		ts[i] = shares.Target{
			Tier: tier, Base: rapid.Float64().Draw(t, "base"), Weight: rapid.Float64Range(-1, 2).Draw(t, "weight"),
			Preference: rapid.Float64().Draw(t, "preference"), Dead: rapid.Bool().Draw(t, "dead"),
		}
	}
	return ts, shares.Policy{StandbyShare: rapid.Float64Range(-1, 1).Draw(t, "standby"), Overprovision: rapid.Float64Range(-1, 3).Draw(t, "over")}
}

func TestSharesSumToOneAndOneIsPositive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ts, p := targets(t)
		got, _ := shares.Compute(ts, p)
		check(t, got, 1e-9)
		shares.Round(got)
		check(t, got, 1e-9)
		for _, s := range got {
			if r := math.Round(s*1e4) / 1e4; r != s {
				t.Fatalf("Round left %v", s)
			}
		}
	})
}

func check(t *rapid.T, got []float64, eps float64) {
	sum, best := 0.0, 0.0
	for _, s := range got {
		if !(s >= 0 && s <= 1+eps) {
			t.Fatalf("share %v of %v outside [0, 1]", s, got)
		}
		sum += s
		best = math.Max(best, s)
	}
	if math.Abs(sum-1) > eps || best <= 0 {
		t.Fatalf("shares %v sum to %v", got, sum)
	}
}

func TestRaisingAWeightNeverLowersItsOwnShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ts, p := targets(t)
		for i := range ts {
			ts[i].Base, ts[i].Preference, ts[i].Dead = 1, 1, false
		}
		i := rapid.IntRange(0, len(ts)-1).Draw(t, "i")
		before, panicked := shares.Compute(ts, p)
		ts[i].Weight = math.Min(1, math.Max(0, ts[i].Weight)+0.1)
		after, now := shares.Compute(ts, p)
		if !panicked && !now && after[i] < before[i]-1e-12 {
			t.Fatalf("share fell from %v to %v", before[i], after[i])
		}
	})
}

func TestDeadTargetsGetNothingInPanicWhileOneLives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ts, p := targets(t)
		got, panicked := shares.Compute(ts, p)
		alive := false
		for i := range ts {
			alive = alive || !ts[i].Dead
		}
		for i := range ts {
			if panicked && alive && ts[i].Dead && got[i] != 0 {
				t.Fatalf("dead target %d got %v", i, got[i])
			}
		}
	})
}

func TestRoundKeepsZerosAndMovesLittle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ts, p := targets(t)
		got, _ := shares.Compute(ts, p)
		rounded := append([]float64(nil), got...)
		shares.Round(rounded)
		for i := range got {
			if got[i] == 0 && rounded[i] != 0 || math.Abs(got[i]-rounded[i]) > 1e-4+1e-12 {
				t.Fatalf("Round moved %v to %v", got[i], rounded[i])
			}
		}
	})
}

func TestBlendedSharesLieBetween(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ts, p := targets(t)
		a, _ := shares.Compute(ts, p)
		for i := range ts {
			ts[i].Weight, ts[i].Dead = 1, false
		}
		b, _ := shares.Compute(ts, p)
		got := append([]float64(nil), a...)
		part := rapid.Float64Range(-1, 2).Draw(t, "part")
		shares.Blend(got, b, part)
		check(t, got, 1e-9)
		for i := range got {
			if got[i] < math.Min(a[i], b[i])-1e-12 || got[i] > math.Max(a[i], b[i])+1e-12 {
				t.Fatalf("Blend of %v and %v by %v is %v", a[i], b[i], part, got[i])
			}
		}
	})
}

func TestABetterTargetNeverGetsLessWhateverIsPreferred(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ts, p := targets(t)
		for i := range ts {
			ts[i].Base = rapid.Float64Range(.01, 100).Draw(t, "base")
			ts[i].Preference = rapid.Float64Range(.05, 1).Draw(t, "preference")
			ts[i].Dead = false
		}
		i := rapid.IntRange(0, len(ts)-1).Draw(t, "i")
		before, panicked := shares.Compute(ts, p)
		ts[i].Weight = math.Min(1, math.Max(0, ts[i].Weight)+rapid.Float64Range(0, 1).Draw(t, "better by"))
		after, now := shares.Compute(ts, p)
		if !panicked && !now && after[i] < before[i]-1e-12 {
			t.Fatalf("share fell from %v to %v", before[i], after[i])
		}
	})
}

func TestComputeIntoDoesNotAllocate(t *testing.T) {
	ts := []shares.Target{{Base: 1, Weight: .4}, {Tier: 1, Base: 1, Weight: 1}}
	dst := make([]float64, 2)
	if n := testing.AllocsPerRun(100, func() { shares.ComputeInto(dst, ts, shares.Policy{}); shares.Round(dst) }); n != 0 {
		t.Errorf("ComputeInto allocates %v times", n)
	}
}

func BenchmarkComputeInto(b *testing.B) {
	ts := make([]shares.Target, 12)
	for i := range ts {
		ts[i] = shares.Target{Tier: i / 4, Base: 1, Weight: float64(i%3) / 2}
	}
	dst := make([]float64, len(ts))
	b.ReportAllocs()
	for b.Loop() {
		shares.ComputeInto(dst, ts, shares.Policy{StandbyShare: .05})
	}
}

func ExampleCompute() {
	got, panicked := shares.Compute([]shares.Target{
		{Tier: 0, Base: 1, Weight: 0.4},
		{Tier: 1, Base: 1, Weight: 1},
	}, shares.Policy{StandbyShare: 0.05})
	shares.Round(got)
	fmt.Println(got, panicked)
	// Output: [0.38 0.62] false
}
