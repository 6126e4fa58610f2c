package slo_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/conf"
	"github.com/bellwether-llm/bellwether/internal/sketch"
	"github.com/bellwether-llm/bellwether/slo"
)

// The tests' month ends at a round hour.
var end = time.Date(2026, 11, 20, 16, 0, 0, 0, time.UTC)

func targets() []bellwether.Target {
	return []bellwether.Target{
		{ID: "gpt-us", Provider: "openai", Model: "gpt-4o", Region: "us-east"},
		{ID: "gpt-eu", Provider: "openai", Model: "gpt-4o", Region: "eu-west"},
		{ID: "claude-us", Provider: "anthropic", Model: "claude", Region: "us-east"},
	}
}

func routes() []bellwether.Route {
	return []bellwether.Route{{Name: "chat", Tiers: [][]bellwether.TierTarget{{{Target: "gpt-us"}}, {{Target: "claude-us"}}}}}
}

func request(from time.Duration) slo.Request {
	return slo.Request{Targets: targets(), Routes: routes(), From: end.Add(-from), To: end, Now: end}
}

// minute is one minute's rollup of scheduled probes, so long before the end.
func minute(target string, before time.Duration, counts map[bellwether.Outcome]int) bellwether.Rollup {
	return bellwether.Rollup{Start: end.Add(-before), Seconds: 60, Target: target, Vantage: "us-east", Canary: "capital",
		Source: bellwether.SourceProbe, Trigger: bellwether.TriggerSchedule, Counts: counts, Input: 20, Output: 5, CostUSD: 0.001}
}

func with(r bellwether.Rollup, signal bellwether.Signal, values ...float64) bellwether.Rollup {
	s := sketch.New()
	for _, v := range values {
		s.Add(v)
	}
	r.Sketches = map[bellwether.Signal][]byte{signal: s.Bytes()}
	return r
}

func compute(t *testing.T, o slo.Objective, r slo.Request, rs []bellwether.Rollup, ins ...bellwether.Incident) bellwether.Attainment {
	t.Helper()
	if o.Name == "" {
		o.Name = "promise"
	}
	if o.Objective == 0 {
		o.Objective = 99
	}
	if o.Target == "" && o.Route == "" {
		o.Target = "gpt-us"
	}
	a, err := slo.Compute(o, r, rs, ins)
	if err != nil {
		t.Fatalf("Compute: %v", err)
	}
	return a
}

func wantCounts(t *testing.T, what string, a bellwether.Attainment, good, bad, excluded int) {
	t.Helper()
	if a.Good != good || a.Bad != bad || a.Excluded != excluded || a.Total != good+bad+excluded {
		t.Errorf("%s: got good %d, bad %d, excluded %d of %d; want %d, %d, %d", what, a.Good, a.Bad, a.Excluded, a.Total, good, bad, excluded)
	}
}

func TestASliceIsGoodWhenAllItsScheduledProbesWere(t *testing.T) {
	type counts = map[bellwether.Outcome]int
	for name, c := range map[string]struct {
		indicator           string
		counts              counts
		good, bad, excluded int
	}{
		"all good":                           {"availability", counts{bellwether.OK: 4}, 1, 0, 0},
		"one bad of many":                    {"availability", counts{bellwether.OK: 9, bellwether.ServerError: 1}, 0, 1, 0},
		"bad output is available":            {"availability", counts{bellwether.BadOutput: 1}, 1, 0, 0},
		"bad output is not sane":             {"sanity", counts{bellwether.BadOutput: 1, bellwether.OK: 3}, 0, 1, 0},
		"no answer says nothing of sanity":   {"sanity", counts{bellwether.Timeout: 1}, 0, 0, 1},
		"our own rate limit is excluded":     {"availability", counts{bellwether.RateLimited: 2}, 0, 0, 1},
		"excluded probes leave the others":   {"availability", counts{bellwether.RateLimited: 2, bellwether.OK: 1}, 1, 0, 0},
		"what was never sent is missing":     {"availability", counts{bellwether.Missed: 3, bellwether.Canceled: 1}, 0, 0, 0},
		"a newer agent's word is excluded":   {"availability", counts{"sunburnt": 1}, 0, 0, 1},
		"a refused connection is the host's": {"availability", counts{bellwether.ConnectError: 1}, 0, 1, 0},
	} {
		a := compute(t, slo.Objective{Indicator: c.indicator}, request(time.Hour), []bellwether.Rollup{minute("gpt-us", 10*time.Minute, c.counts)})
		wantCounts(t, name, a, c.good, c.bad, c.excluded)
	}
}

func TestOnlyWhatTheIndicatorNamesIsCounted(t *testing.T) {
	bad := map[bellwether.Outcome]int{bellwether.ServerError: 1}
	suspicion, other, router, simulated := minute("gpt-us", time.Minute, bad), minute("gpt-us", 2*time.Minute, bad), minute("gpt-us", 3*time.Minute, bad), minute("gpt-us", 4*time.Minute, bad)
	suspicion.Trigger, other.Canary = bellwether.TriggerSuspicion, "poem"
	router.Source, router.Trigger, router.Canary, router.Counts = bellwether.SourceRouter, "", "", map[bellwether.Outcome]int{bellwether.OK: 95, bellwether.ServerError: 5}
	simulated.Source = bellwether.SourceSimulated
	rs := []bellwether.Rollup{suspicion, other, router, simulated, minute("gpt-eu", 5*time.Minute, bad)}
	wantCounts(t, "availability", compute(t, slo.Objective{Indicator: "availability"}, request(time.Hour), rs), 0, 2, 0)
	wantCounts(t, "for canary poem", compute(t, slo.Objective{Indicator: "availability for canary poem"}, request(time.Hour), rs), 0, 1, 0)
	a := compute(t, slo.Objective{Indicator: "availability from router"}, request(time.Hour), rs)
	wantCounts(t, "from router", a, 95, 5, 0)
	if !math.IsNaN(a.Downtime) || !math.IsNaN(a.Completeness) || math.Abs(a.Burn1h-5) > 1e-9 {
		t.Errorf("from router: downtime %v, completeness %v, burn %v; want none, none, 5", a.Downtime, a.Completeness, a.Burn1h)
	}
}

func TestARouteIsGoodWhileOneOfItsTargetsIs(t *testing.T) {
	good, bad := map[bellwether.Outcome]int{bellwether.OK: 1}, map[bellwether.Outcome]int{bellwether.Timeout: 1}
	rs := []bellwether.Rollup{
		minute("gpt-us", 1*time.Minute, bad), minute("claude-us", 1*time.Minute, good),
		minute("gpt-us", 2*time.Minute, bad), minute("claude-us", 2*time.Minute, bad),
		minute("gpt-us", 3*time.Minute, good),
		minute("gpt-eu", 4*time.Minute, good), // not of this route
		minute("gpt-us", 5*time.Minute, map[bellwether.Outcome]int{bellwether.AuthError: 1}),
	}
	a := compute(t, slo.Objective{Route: "chat", Indicator: "availability"}, request(time.Hour), rs)
	wantCounts(t, "the route", a, 2, 1, 1)
	if a.Scope != "route:chat" || a.Provider != "" || a.Region != "us-east" {
		t.Errorf("scope %q, provider %q, region %q; want what its targets share", a.Scope, a.Provider, a.Region)
	}
}

func TestFailuresBeforeHTTPAreOursWhileTheVantageReachesNobody(t *testing.T) {
	local, good := map[bellwether.Outcome]int{bellwether.DNSError: 1}, map[bellwether.Outcome]int{bellwether.ServerError: 1}
	cut, alone, theirs := 1*time.Minute, 2*time.Minute, 3*time.Minute
	rs := []bellwether.Rollup{
		minute("gpt-us", cut, local), minute("claude-us", cut, local),
		minute("gpt-us", alone, local),
		minute("gpt-us", theirs, local), minute("claude-us", theirs, good), // an HTTP error proves the path
	}
	wantCounts(t, "of three slices", compute(t, slo.Objective{Indicator: "availability"}, request(time.Hour), rs), 0, 2, 1)
}

func TestLatencyCountsWhatHasOneAndTimeoutsAsSlow(t *testing.T) {
	ok := map[bellwether.Outcome]int{bellwether.OK: 2}
	rs := []bellwether.Rollup{
		with(minute("gpt-us", 1*time.Minute, ok), bellwether.FirstToken, 0.4, 0.5),
		with(minute("gpt-us", 2*time.Minute, ok), bellwether.FirstToken, 0.4, 2.5),
		minute("gpt-us", 3*time.Minute, map[bellwether.Outcome]int{bellwether.ServerError: 1}),
		with(minute("gpt-us", 4*time.Minute, map[bellwether.Outcome]int{bellwether.FirstTokenTimeout: 1}), bellwether.FirstToken, 1.5),
	}
	a := compute(t, slo.Objective{Indicator: "first_token<2s"}, request(time.Hour), rs)
	wantCounts(t, "first_token < 2s", a, 1, 2, 1)
	if math.Abs(a.P50-0.5) > 0.01 || math.Abs(a.P99-1.5) > 0.02 && math.Abs(a.P99-2.5) > 0.03 {
		t.Errorf("p50 %v, p99 %v", a.P50, a.P99)
	}
	for i := range rs {
		rs[i].Source, rs[i].Trigger = bellwether.SourceRouter, ""
	}
	wantCounts(t, "from router", compute(t, slo.Objective{Indicator: "first_token < 2s from router"}, request(time.Hour), rs), 3, 2, 1)
}

func TestBudgetsAddUp(t *testing.T) {
	var rs []bellwether.Rollup
	for i := range 1000 {
		outcome := bellwether.OK
		if i == 500 {
			outcome = bellwether.ServerError
		}
		rs = append(rs, minute("gpt-us", time.Duration(i+1)*time.Minute, map[bellwether.Outcome]int{outcome: 1}))
	}
	a := compute(t, slo.Objective{Indicator: "availability", Objective: 99.9}, request(1000*time.Minute), rs)
	if a.SLI != 0.999 || a.Objective != 0.999 || a.Status != slo.StatusAtRisk || math.Abs(a.Remaining) > 1e-9 || a.Completeness != 1 || a.Downtime != 60 {
		t.Errorf("exactly at the objective: %+v, want it kept with nothing left", a)
	}
	if a.Burn1h != 0 || math.Abs(a.Burn6h) > 1e-9 || math.Abs(a.Burn3d-1) > 1e-9 || a.Tokens != 25000 || math.Abs(a.CostUSD-1) > 1e-9 || math.Abs(a.CostPerSuccess-1.0/999) > 1e-9 {
		t.Errorf("burn %v/%v/%v, tokens %d, cost %v, each %v", a.Burn1h, a.Burn6h, a.Burn3d, a.Tokens, a.CostUSD, a.CostPerSuccess)
	}
	rs[10].Counts = map[bellwether.Outcome]int{bellwether.Gone: 1}
	a = compute(t, slo.Objective{Indicator: "availability", Objective: 99.9}, request(1000*time.Minute), rs)
	if a.Status != slo.StatusMissed || math.Abs(a.Remaining+1) > 1e-9 || a.Burn1h < 16 {
		t.Errorf("overspent: %+v, want it missed and the rest below zero", a)
	}
	a = compute(t, slo.Objective{Indicator: "availability", Target: "gpt-eu"}, request(time.Hour), rs)
	if a.Status != slo.StatusNoData || !math.IsNaN(a.SLI) || a.Completeness != 0 || !math.IsNaN(a.CostUSD) || !math.IsNaN(a.P50) {
		t.Errorf("without data: %+v, want none and no numbers", a)
	}
}

func TestLongerSlicesFitSlowerSchedules(t *testing.T) {
	var rs []bellwether.Rollup
	for i := range 12 {
		rs = append(rs, minute("gpt-us", time.Duration(5*i+3)*time.Minute, map[bellwether.Outcome]int{bellwether.OK: 1}))
	}
	a := compute(t, slo.Objective{Indicator: "availability", Slice: conf.Duration(5 * time.Minute)}, request(time.Hour), rs)
	wantCounts(t, "slices of 5m", a, 12, 0, 0)
	if a.Completeness != 1 {
		t.Errorf("completeness %v, want 1", a.Completeness)
	}
	if a = compute(t, slo.Objective{Indicator: "availability"}, request(time.Hour), rs); a.Completeness != 0.2 {
		t.Errorf("in slices of 1m completeness is %v, want 0.2", a.Completeness)
	}
}

func TestWhatLiesAheadIsNotExpected(t *testing.T) {
	r := request(time.Hour)
	r.To = end.Add(23 * time.Hour)
	rs := []bellwether.Rollup{minute("gpt-us", time.Minute, map[bellwether.Outcome]int{bellwether.OK: 1})}
	if a := compute(t, slo.Objective{Indicator: "availability"}, r, rs); math.Abs(a.Completeness-1.0/60) > 1e-12 || !a.To.Equal(r.To) {
		t.Errorf("completeness %v to %s, want 1 of 60 minutes of a day that goes on", a.Completeness, a.To)
	}
}

func TestIncidentsCountWhereTheyOverlap(t *testing.T) {
	in := func(from, to time.Duration, ids ...string) bellwether.Incident {
		i := bellwether.Incident{Targets: ids, FirstAt: end.Add(-from), OpenedAt: end.Add(-from + time.Second)}
		if to >= 0 {
			i.ResolvedAt = end.Add(-to)
		}
		return i
	}
	ins := []bellwether.Incident{
		in(50*time.Minute, 40*time.Minute, "gpt-us"),
		in(90*time.Minute, 45*time.Minute, "gpt-eu", "gpt-us"), // clipped to 15 minutes
		in(3*time.Hour, 2*time.Hour, "gpt-us"),                 // before
		in(30*time.Minute, 0, "gpt-eu"),                        // another
		in(12*time.Minute, -1, "gpt-us"),                       // goes on
	}
	a := compute(t, slo.Objective{Indicator: "availability"}, request(time.Hour), nil, ins...)
	if a.Incidents != 3 || a.Longest != 900 {
		t.Errorf("got %d, longest %vs; want 3, 900s", a.Incidents, a.Longest)
	}
}

// source is a store of rollups and incidents in memory.
type source struct {
	rollups   []bellwether.Rollup
	incidents []bellwether.Incident
	queries   int
	err       error
}

func (s *source) Rollups(_ context.Context, q bellwether.Query) ([]bellwether.Rollup, error) {
	s.queries++
	return slices.DeleteFunc(slices.Clone(s.rollups), func(r bellwether.Rollup) bool { return r.Start.Before(q.From) || !r.Start.Before(q.To) }), s.err
}

func (s *source) Incidents(_ context.Context, q bellwether.Query) ([]bellwether.Incident, string, error) {
	if q.Cursor == "" && len(s.incidents) > 1 {
		return s.incidents[:1], "rest", s.err
	}
	if q.Cursor == "rest" {
		return s.incidents[1:], "", s.err
	}
	return s.incidents, "", s.err
}

// outcomes draws random rollups over the last four days.
func outcomes(t *rapid.T) []bellwether.Rollup {
	kinds := []bellwether.Outcome{bellwether.OK, bellwether.OK, bellwether.BadOutput, bellwether.ServerError, bellwether.FirstTokenTimeout, bellwether.Stalled,
		bellwether.RateLimited, bellwether.ConnectError, bellwether.Missed, bellwether.Canceled}
	var rs []bellwether.Rollup
	for range rapid.IntRange(0, 60).Draw(t, "rollups") {
		counts := map[bellwether.Outcome]int{}
		for range rapid.IntRange(0, 3).Draw(t, "kinds") {
			counts[rapid.SampledFrom(kinds).Draw(t, "outcome")] = rapid.IntRange(0, 5).Draw(t, "count")
		}
		r := minute(rapid.SampledFrom([]string{"gpt-us", "gpt-eu", "claude-us"}).Draw(t, "target"),
			time.Duration(rapid.IntRange(0, 4*24*60).Draw(t, "minute"))*time.Minute, counts)
		r.Source = rapid.SampledFrom([]string{bellwether.SourceProbe, bellwether.SourceRouter}).Draw(t, "source")
		if n := counts[bellwether.OK]; n > 0 {
			r = with(r, bellwether.FirstToken, rapid.SliceOfN(rapid.Float64Range(0.1, 5), n, n).Draw(t, "first tokens")...)
		}
		rs = append(rs, r)
	}
	return rs
}

// TestInvariants holds whatever the data: what is counted adds up, ratios are
// ratios, the budget's parts are whole, and reading in chunks changes nothing.
func TestInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rs := outcomes(t)
		o := slo.Objective{Name: "x", Objective: rapid.Float64Range(50, 99.999).Draw(t, "objective"),
			Indicator: rapid.SampledFrom([]string{"availability", "sanity", "first_token < 2s", "inter_token < 50ms", "total < 10s",
				"availability for canary capital", "first_token < 2s from router", "availability from router"}).Draw(t, "indicator")}
		if rapid.Bool().Draw(t, "route") {
			o.Route = "chat"
		} else {
			o.Target = "gpt-us"
		}
		r := request(time.Duration(rapid.IntRange(1, 5000).Draw(t, "minutes")) * time.Minute)
		a, err := slo.Compute(o, r, rs, nil)
		if err != nil {
			t.Fatal(err)
		}
		if a.Good+a.Bad+a.Excluded != a.Total || a.Good < 0 || a.Bad < 0 || a.Excluded < 0 {
			t.Fatalf("counts: %+v", a)
		}
		if (a.Good+a.Bad == 0) != math.IsNaN(a.SLI) || (a.Good+a.Bad == 0) != (a.Status == slo.StatusNoData) {
			t.Fatalf("no data: %+v", a)
		}
		if !math.IsNaN(a.SLI) && (math.Abs(a.Consumed+a.Remaining-1) > 1e-9 || math.Abs(a.Consumed*a.Budget-(1-a.SLI)) > 1e-9 ||
			(a.Status == slo.StatusMissed) != (a.SLI < a.Objective) || a.Consumed < 0 || a.Remaining > 1) {
			t.Fatalf("budget: %+v", a)
		}
		if !math.IsNaN(a.Completeness) && (a.Completeness < 0 || a.Completeness > 1) {
			t.Fatalf("completeness: %+v", a)
		}
		r.Objectives = slo.Config{o}
		src := &source{rollups: rs}
		b, err := slo.Report(t.Context(), src, src, r)
		if err != nil {
			t.Fatal(err)
		}
		var one, other strings.Builder
		if err := errors.Join(slo.WriteCSV(&one, []bellwether.Attainment{a}), slo.WriteCSV(&other, b)); err != nil {
			t.Fatal(err)
		}
		if one.String() != other.String() {
			t.Fatalf("computed at once:\n%s\nin chunks:\n%s", one.String(), other.String())
		}
	})
}

func TestAReportCoversEveryObjectiveOverItsOwnWindow(t *testing.T) {
	src := &source{incidents: []bellwether.Incident{
		{Targets: []string{"gpt-us"}, FirstAt: end.Add(-2 * time.Hour), ResolvedAt: end.Add(-time.Hour)},
		{Targets: []string{"gpt-us"}, FirstAt: end.Add(-40 * 24 * time.Hour), ResolvedAt: end.Add(-39 * 24 * time.Hour)},
	}}
	for i := range 3 * 24 * 60 {
		src.rollups = append(src.rollups, minute("gpt-us", time.Duration(i+1)*time.Minute, map[bellwether.Outcome]int{bellwether.OK: 1}))
	}
	r := slo.Request{Targets: targets(), Routes: routes(), Now: end, Objectives: slo.Config{
		{Name: "day", Target: "gpt-us", Indicator: "availability", Objective: 99, Window: conf.Duration(24 * time.Hour)},
		{Name: "month", Target: "gpt-us", Indicator: "availability", Objective: 99},
	}}
	as, err := slo.Report(t.Context(), src, src, r)
	if err != nil {
		t.Fatal(err)
	}
	if len(as) != 2 || as[0].Completeness != 1 || as[0].Good != 1440 || as[1].Good != 3*1440 || math.Abs(as[1].Completeness-0.1) > 1e-9 || as[0].Incidents != 1 || as[1].Incidents != 1 || as[0].Longest != 3600 {
		t.Errorf("got %+v", as)
	}
	if src.queries > 125 {
		t.Errorf("%d queries, want one for six hours of a month", src.queries)
	}
	src.err = errors.New("disk gone")
	if _, err := slo.Report(t.Context(), src, src, r); err == nil || !strings.Contains(err.Error(), "disk gone") {
		t.Errorf("Report: got %v, want the store's error", err)
	}
	if as, err := slo.Report(t.Context(), &source{}, nil, r); err != nil || len(as) != 2 {
		t.Errorf("Report without incidents: got %v, %v", as, err)
	}
	r.From, r.To = end, end.Add(-time.Hour)
	if _, err := slo.Report(t.Context(), &source{}, nil, r); err == nil {
		t.Error("Report that ends before it begins: got no error")
	}
}

func TestACorruptSketchIsAnErrorAndNotAGuess(t *testing.T) {
	r := minute("gpt-us", time.Minute, map[bellwether.Outcome]int{bellwether.OK: 1})
	r.Sketches = map[bellwether.Signal][]byte{bellwether.FirstToken: []byte("rubbish")}
	_, err := slo.Compute(slo.Objective{Name: "x", Target: "gpt-us", Indicator: "first_token < 2s", Objective: 99}, request(time.Hour), []bellwether.Rollup{r}, nil)
	if err == nil || !strings.Contains(err.Error(), "gpt-us") {
		t.Errorf("Compute: got %v, want an error that names the target", err)
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := "testdata/" + name
	if os.Getenv("BELLWETHER_UPDATE") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (BELLWETHER_UPDATE=1 writes it anew); got\n%s\nwant\n%s", path, got, want)
	}
}

func sampleReport(t *testing.T) []bellwether.Attainment {
	t.Helper()
	var rs []bellwether.Rollup
	for i := range 2000 {
		outcome := bellwether.OK
		if i%400 == 399 {
			outcome = bellwether.Overloaded
		}
		r := minute("gpt-us", time.Duration(i+1)*time.Minute, map[bellwether.Outcome]int{outcome: 1})
		if outcome == bellwether.OK {
			r = with(r, bellwether.FirstToken, 0.3+float64(i%10)*0.1)
		}
		rs = append(rs, r)
	}
	r := request(24 * time.Hour)
	r.Objectives = slo.Config{
		{Name: "chat-up", Route: "chat", Indicator: "availability", Objective: 99.9},
		{Name: "gpt-fast", Target: "gpt-us", Indicator: "first_token<1s", Objective: 75},
		{Name: "gpt-traffic", Target: "gpt-us", Indicator: "availability   from router", Objective: 99.5},
	}
	src := &source{rollups: rs, incidents: []bellwether.Incident{{Targets: []string{"gpt-us"}, FirstAt: end.Add(-90 * time.Minute), ResolvedAt: end.Add(-20 * time.Minute)}}}
	as, err := slo.Report(t.Context(), src, src, r)
	if err != nil {
		t.Fatal(err)
	}
	return as
}

func TestTheCSVIsAsAgreed(t *testing.T) {
	var b strings.Builder
	if err := slo.WriteCSV(&b, sampleReport(t)); err != nil {
		t.Fatal(err)
	}
	golden(t, "report.csv", b.String())
	header, _, _ := strings.Cut(b.String(), "\r\n")
	const want = "generated_at, window_start, window_end, slo, scope, provider, model, region, indicator, objective_ratio, good, bad, total, excluded, data_completeness_ratio, sli_ratio, budget_ratio, budget_consumed_ratio, budget_remaining_ratio, burn_rate_1h, burn_rate_6h, burn_rate_3d, downtime_s, incidents, longest_incident_s, p50_s, p95_s, p99_s, tokens, cost_usd, cost_per_success_usd, status"
	if header != strings.ReplaceAll(want, ", ", ",") {
		t.Errorf("columns are %s", header)
	}
}

func TestTheTableIsAligned(t *testing.T) {
	var b strings.Builder
	if err := slo.WriteTable(&b, sampleReport(t)); err != nil {
		t.Fatal(err)
	}
	golden(t, "report.txt", b.String())
}

func ExampleReport() {
	src := &source{}
	for i := range 24 * 60 {
		outcome := bellwether.OK
		if i < 3 {
			outcome = bellwether.ServerError
		}
		src.rollups = append(src.rollups, minute("gpt-us", time.Duration(i+1)*time.Minute, map[bellwether.Outcome]int{outcome: 2}))
	}
	as, err := slo.Report(context.Background(), src, src, slo.Request{Now: end, Targets: targets(), Objectives: slo.Config{
		{Name: "gpt-up", Target: "gpt-us", Indicator: "availability", Objective: 99.5, Window: conf.Duration(24 * time.Hour)}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	a := as[0]
	fmt.Printf("%s: %d of %d minutes good, %.1f %% of the budget left, %s\n", a.SLO, a.Good, a.Total, 100*a.Remaining, a.Status)
	// Output: gpt-up: 1437 of 1440 minutes good, 58.3 % of the budget left, met
}

// BenchmarkCompute is one objective over a month of one canary at every minute.
func BenchmarkCompute(b *testing.B) {
	var rs []bellwether.Rollup
	for i := range 30 * 24 * 60 {
		rs = append(rs, with(minute("gpt-us", time.Duration(i+1)*time.Minute, map[bellwether.Outcome]int{bellwether.OK: 2}), bellwether.FirstToken, 0.4, 0.5))
	}
	r := request(30 * 24 * time.Hour)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := slo.Compute(slo.Objective{Name: "x", Target: "gpt-us", Indicator: "first_token < 2s", Objective: 99}, r, rs, nil); err != nil {
			b.Fatal(err)
		}
	}
}
