package api_test

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/api"
)

type targetAnswer struct {
	ID         string
	State      string
	Score      float64
	Weight     float64
	Routes     []string
	FirstToken *struct {
		P50, P95, P99 float64
		Count         int
	} `json:"first_token"`
	Errors *struct {
		Ratio, Low, High float64
		Bad, Total       int
	}
	Sparkline struct {
		From       time.Time
		FirstToken []*float64 `json:"first_token_p50_seconds"`
		Errors     []*float64 `json:"error_ratio"`
	}
}

func (w *world) targets() map[string]targetAnswer {
	w.t.Helper()
	var got struct{ Targets []targetAnswer }
	w.get("/v1/targets").want(200).into(&got)
	out := map[string]targetAnswer{}
	for _, t := range got.Targets {
		out[t.ID] = t
	}
	return out
}

func TestTargetsShowTheLastHourAsItHappens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		got := w.targets()
		if len(got) != 3 || got["gpt-us"].State != "unknown" || got["gpt-us"].FirstToken != nil || got["gpt-us"].Errors != nil || len(got["gpt-us"].Sparkline.Errors) != 30 {
			t.Errorf("before anything was seen: %+v", got)
		}
		w.store.assessments = []bellwether.Assessment{{Target: "gpt-us", State: bellwether.Degraded, Score: 55, Weight: 0.4, Cause: bellwether.CauseRegion}}
		for i := range 99 {
			w.server.Observe(seen(fmt.Sprint(i), "gpt-us", time.Now(), float64(i+1)/100))
			time.Sleep(20 * time.Second)
		}
		w.server.Observe(failed("x", "gpt-us", time.Now(), bellwether.ServerError))
		for _, o := range []bellwether.Observation{ // these do not count
			failed("no credit", "gpt-us", time.Now(), bellwether.NoCredit), seen("of nobody", "nobody", time.Now(), 9),
		} {
			w.server.Observe(o)
		}
		suspicion, router := seen("s", "gpt-us", time.Now(), 9), seen("r", "gpt-us", time.Now(), 9)
		suspicion.Trigger, router.Source = bellwether.TriggerSuspicion, bellwether.SourceRouter
		w.server.Observe(suspicion)
		w.server.Observe(router)
		us := w.targets()["gpt-us"]
		if us.State != "degraded" || us.Weight != 0.4 || fmt.Sprint(us.Routes) != "[chat]" {
			t.Errorf("gpt-us is %+v", us)
		}
		if us.FirstToken.Count != 99 || math.Abs(us.FirstToken.P50-0.5) > 0.001 || math.Abs(us.FirstToken.P95-0.95) > 0.001 || math.Abs(us.FirstToken.P99-0.99) > 0.001 {
			t.Errorf("first token is %+v, want 0.5, 0.95, 0.99 of 99", us.FirstToken)
		}
		if us.Errors.Bad != 1 || us.Errors.Total != 100 || us.Errors.Low >= 0.01 || us.Errors.High <= 0.01 {
			t.Errorf("errors are %+v, want 1 of 100", us.Errors)
		}
		if n := len(us.Sparkline.FirstToken); n != 30 || us.Sparkline.FirstToken[29] == nil || us.Sparkline.FirstToken[0] != nil {
			t.Errorf("the sparkline has %d values: %v", n, us.Sparkline.FirstToken)
		}
		w.get("/v1/targets/gpt-us").want(200).says(`"evidence":[]`)
		w.get("/v1/targets/nobody").want(404)
		time.Sleep(2 * time.Hour)
		if us := w.targets()["gpt-us"]; us.FirstToken != nil || us.Errors != nil {
			t.Errorf("after two hours of silence gpt-us still shows %+v", us)
		}
	})
}

func TestTheHourBeforeTheStartComesFromTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{deps: func(d *api.Deps) {}})
		now := time.Now()
		for i := 1; i <= 100; i++ { // more than an hour, of which an hour counts
			w.store.rollups = append(w.store.rollups, rollup("gpt-us", now.Add(-time.Duration(i)*time.Minute), 60, 10))
		}
		w.store.fail = errors.New("busy")
		if got := w.targets()["gpt-us"]; got.Errors != nil {
			t.Errorf("while the store fails, errors are %+v", got.Errors)
		}
		w.store.fail = nil
		if got := w.targets()["gpt-us"]; got.Errors == nil || got.Errors.Total != 59*11 || math.Abs(got.FirstToken.P50-0.05) > 0.01 {
			t.Errorf("after a start gpt-us shows %+v, %+v, want 59 minutes of the store", got.Errors, got.FirstToken)
		}
		late := seen("late", "gpt-us", now.Add(-5*time.Minute), 0.1)
		w.server.Observe(late)
		if got := w.targets()["gpt-us"]; got.Errors.Total != 59*11+1 {
			t.Errorf("with a late observation gpt-us counts %d, want %d", got.Errors.Total, 59*11+1)
		}
	})
}
