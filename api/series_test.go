package api_test

import (
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/sketch"
)

type seriesAnswer struct {
	From, To  time.Time
	Step      float64   `json:"step_seconds"`
	Simulated time.Time `json:"simulated_until"`
	Truncated bool
	Usual     *bellwether.Usual
	Points    []struct {
		At            time.Time
		P50, P95, P99 *float64
		Count         int
		Counts        map[string]int
		Errors        *struct{ Ratio, Low, High float64 }
		Output        *float64 `json:"output_tokens_mean"`
		Speed         *float64 `json:"decode_tokens_per_second"`
		Sanity        *float64 `json:"sanity_ratio"`
		Checks        map[string]struct{ Passed, Failed int }
		Cost          float64 `json:"cost_usd"`
	}
	Steps []struct {
		At     time.Time
		Weight float64
		State  string
	}
	Changes []bellwether.Change
}

// rollup returns a minute or an hour with n good probes and one bad one, whose
// first tokens took from 0.01 s up to n hundredths.
func rollup(target string, start time.Time, seconds, n int) bellwether.Rollup {
	first, gap := sketch.New(), sketch.New()
	for i := range n {
		first.Add(float64(i+1) / 100)
	}
	gap.Add(0.02)
	return bellwether.Rollup{
		Start: start.UTC(), Seconds: seconds, Target: target, Vantage: "here", Canary: "capital", Source: bellwether.SourceProbe, Trigger: bellwether.TriggerSchedule,
		Reused: true, Counts: map[bellwether.Outcome]int{bellwether.OK: n - 1, bellwether.BadOutput: 1, bellwether.ServerError: 1},
		Checks: map[string][2]int{"contains": {n - 1, 1}}, Output: 8 * n, CostUSD: 0.5,
		Sketches: map[bellwether.Signal][]byte{bellwether.FirstToken: first.Bytes(), bellwether.InterToken: gap.Bytes()},
	}
}

func near(got *float64, want float64) bool {
	return got != nil && math.Abs(*got-want) <= 0.011*want
}

func TestASeriesMergesRollupsIntoSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		start := time.Now().Add(-time.Hour)
		for i := range 60 {
			at := start.Add(time.Duration(i) * time.Minute)
			cold := rollup("gpt-us", at, 60, 10)
			cold.Reused = false
			router := rollup("gpt-us", at, 60, 1000)
			router.Source = bellwether.SourceRouter
			w.store.rollups = append(w.store.rollups, rollup("gpt-us", at, 60, 100), cold, router, rollup("gpt-eu", at, 60, 7))
		}
		w.store.rollups[0].Source = bellwether.SourceSimulated
		w.store.assessments = []bellwether.Assessment{{Target: "gpt-us", Usual: []bellwether.Usual{{Signal: bellwether.FirstToken, P05: 0.2, Median: 0.4, P95: nan}}}}
		var got seriesAnswer
		w.get("/v1/targets/gpt-us/series?step=5m&connection=warm").want(200).into(&got)
		if len(got.Points) != 12 || got.Step != 300 {
			t.Fatalf("an hour in steps of 5 m has %d points of %v s, want 12 of 300", len(got.Points), got.Step)
		}
		p := got.Points[3]
		if p.Count != 505 || p.Counts["ok"] != 495 || p.Cost != 2.5 || p.Checks["contains"].Failed != 5 || !p.At.Equal(start.Add(15*time.Minute)) {
			t.Errorf("the fourth point is %+v", p)
		}
		if !near(p.P50, 0.5) || !near(p.P95, 0.95) || !near(p.P99, 0.99) || !near(p.Speed, 50) || !near(p.Output, 8) || !near(p.Sanity, 0.99) {
			t.Errorf("the fourth point's p50, p95, p99, speed, output and sanity are not 0.5, 0.95, 0.99, 50, 8, 0.99: %+v", p)
		}
		if e := p.Errors; e == nil || math.Abs(e.Ratio-1.0/101) > 1e-9 || e.Low >= e.Ratio || e.High <= e.Ratio {
			t.Errorf("the fourth point's error rate is %+v, want 1/101 within its interval", e)
		}
		if !got.Simulated.Equal(start.Add(time.Minute)) || got.Usual == nil || got.Usual.Median != 0.4 {
			t.Errorf("simulated until %v, usual %v", got.Simulated, got.Usual)
		}
		w.get("/v1/targets/gpt-us/series?step=5m&source=router&vantage=here&canary=capital").want(200).into(&got)
		if got.Points[0].Count != 5005 {
			t.Errorf("a router's point counts %d, want 5005", got.Points[0].Count)
		}
	})
}

func TestASeriesNeverHasMorePointsThanAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		for _, tt := range []struct {
			query string
			step  float64
			reads int // the resolution of what is read; 0: raw observations
		}{
			{"", 60, 60},
			{"range=5m&step=1s", 1, 0},
			{"range=1h&step=10s", 15, 0},
			{"range=1h&step=10s&points=400", 10, 0},
			{"range=24h", 300, 60},
			{"range=7d", 3600, 3600},
			{"range=30d", 3 * 3600, 3600},
			{"range=400d", 2 * 86400, 3600},
			{"range=30d&points=10", 7 * 86400, 3600},
			{"range=1h&points=1", 400 * 86400, 3600},
			{"range=1h&step=7m", 600, 60},
		} {
			w.store.queries = nil
			var got seriesAnswer
			w.get("/v1/targets/gpt-us/series?to=2001-03-01T00:00:17Z&" + tt.query).want(200).into(&got)
			if tt.query == "range=1h&points=1" {
				continue // two hours of the day may fall into one step or two
			}
			if got.Step != tt.step || w.store.queries[0].Seconds != tt.reads {
				t.Errorf("?%s comes in steps of %v s from %d s rollups, want %v from %d", tt.query, got.Step, w.store.queries[0].Seconds, tt.step, tt.reads)
			}
			if got.From.Unix()%int64(got.Step) != 0 {
				t.Errorf("?%s begins at %v, which is no multiple of its step", tt.query, got.From)
			}
		}
	})
}

func TestStepsUnderAMinuteComeFromObservations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		start := time.Now().Add(-10 * time.Minute)
		for i := range 2500 { // more than two pages
			w.store.observed = append(w.store.observed, seen(fmt.Sprint(i), "gpt-us", start.Add(time.Duration(i)*240*time.Millisecond), 0.5))
		}
		for i := range 3 {
			slow := failed(fmt.Sprint("slow", i), "gpt-us", start.Add(time.Second), bellwether.FirstTokenTimeout)
			slow.Timing.Total = 30
			w.store.observed = append(w.store.observed, slow)
		}
		fast := failed("fast", "gpt-us", start.Add(time.Second), bellwether.ServerError)
		router := seen("r", "gpt-us", start, 9)
		router.Source = bellwether.SourceRouter
		w.store.observed = append(w.store.observed, fast, router)
		var got seriesAnswer
		w.get("/v1/targets/gpt-us/series?range=10m&step=10s").want(200).into(&got)
		if len(got.Points) != 60 || got.Truncated {
			t.Fatalf("10 minutes in steps of 10 s have %d points (truncated %v), want 60", len(got.Points), got.Truncated)
		}
		p := got.Points[0]
		if p.Count != 46 || p.Errors.Ratio != 4.0/46 || !near(p.P50, 0.5) || !near(p.P99, 30) {
			t.Errorf("the first point is %+v, want 46 with four errors, of which the timeouts count as their limit", p)
		}
		w.get("/v1/targets/gpt-us/series?range=10m&step=10s&signal=output_tokens").want(200).into(&got)
		if !near(got.Points[1].P50, 8) {
			t.Errorf("output tokens are %v, want 8", *got.Points[1].P50)
		}
		for _, signal := range []string{"inter_token", "total"} {
			w.get("/v1/targets/gpt-us/series?range=10m&step=10s&signal=" + signal).want(200).into(&got)
			if want := map[string]float64{"inter_token": 0.02, "total": 0.7}[signal]; !near(got.Points[1].P50, want) {
				t.Errorf("%s is %v, want %v", signal, got.Points[1].P50, want)
			}
		}
		for i := range 20_000 {
			w.store.observed = append(w.store.observed, seen(fmt.Sprint("m", i), "gpt-us", start, 0.5))
		}
		if w.get("/v1/targets/gpt-us/series?range=10m&step=10s").want(200).into(&got); !got.Truncated {
			t.Error("more than 20,000 observations are not marked as truncated")
		}
	})
}

func TestTheWeightShowsAsSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		start := time.Now().Add(-time.Hour)
		for i, weight := range []float64{1, 1, 0.5, 0.5, 0.25, 1} {
			e := edition(uint64(i + 1))
			e.IssuedAt = start.Add(time.Duration(i*10-5) * time.Minute)
			e.Routes["chat"].Targets[0].Weight = weight
			w.store.weights = append(w.store.weights, e)
		}
		w.store.changes = []bellwether.Change{
			{At: start.Add(20 * time.Minute), Target: "gpt-us", From: bellwether.Healthy, To: bellwether.Degraded, Weight: 0.5},
			{At: start.Add(20 * time.Minute), Target: "gpt-eu", From: bellwether.Healthy, To: bellwether.Down},
		}
		var got seriesAnswer
		w.get("/v1/targets/gpt-us/series").want(200).into(&got)
		var weights []float64
		for _, s := range got.Steps {
			weights = append(weights, s.Weight)
		}
		if fmt.Sprint(weights) != "[1 0.5 0.25 1]" || !got.Steps[0].At.Equal(got.From) || len(got.Changes) != 1 {
			t.Errorf("steps are %+v and changes %v, want 1, 0.5, 0.25, 1 from the start on, and one change", got.Steps, got.Changes)
		}
		for i := range 2000 {
			e := edition(uint64(100 + i))
			e.IssuedAt = start.Add(time.Duration(i) * time.Second)
			w.store.weights = append(w.store.weights, e)
		}
		w.get("/v1/targets/gpt-us/series").want(200).into(&got)
		if len(got.Steps) != 2 || got.Steps[1].Weight != 0.5 || got.Steps[1].State != "degraded" {
			t.Errorf("where there are too many revisions the steps are %+v, want those of the changes", got.Steps)
		}
	})
}

func TestOldSeriesFallBackToHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		old := time.Now().Add(-100 * 24 * time.Hour).Truncate(time.Hour)
		w.store.rollups = []bellwether.Rollup{rollup("gpt-us", old, 3600, 10)}
		var got seriesAnswer
		w.get("/v1/targets/gpt-us/series?from=" + old.UTC().Format(time.RFC3339) + "&to=" + old.Add(2*time.Hour).UTC().Format(time.RFC3339)).want(200).into(&got)
		if len(got.Points) != 1 || got.Points[0].Count != 11 {
			t.Errorf("points are %+v, want the hour", got.Points)
		}
	})
}

func TestBadSeriesAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		for _, query := range []string{
			"signal=mood", "range=0s", "range=500d", "range=x", "step=1ms", "points=0", "points=9999", "range=1h&from=1999-01-01",
			"from=1999-12-31&to=1999-12-30", "from=1990-01-01", "connection=hot", "from=2001-01-01",
		} {
			if a := w.get("/v1/targets/gpt-us/series?" + query); a.status != 400 {
				t.Errorf("?%s: %d %s, want 400", query, a.status, a.body)
			}
		}
		w.get("/v1/targets/nobody/series").want(404)
	})
}
