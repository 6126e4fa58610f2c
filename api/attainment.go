package api

import (
	"math"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// attainmentView is an attainment in JSON, with the names of the CSV's
// columns; what has no data is null.
type attainmentView struct {
	GeneratedAt    time.Time `json:"generated_at"`
	From           time.Time `json:"window_start"`
	To             time.Time `json:"window_end"`
	SLO            string    `json:"slo"`
	Scope          string    `json:"scope"`
	Provider       string    `json:"provider"`
	Model          string    `json:"model"`
	Region         string    `json:"region"`
	Indicator      string    `json:"indicator"`
	Objective      *float64  `json:"objective_ratio"`
	Good           int       `json:"good"`
	Bad            int       `json:"bad"`
	Total          int       `json:"total"`
	Excluded       int       `json:"excluded"`
	Completeness   *float64  `json:"data_completeness_ratio"`
	SLI            *float64  `json:"sli_ratio"`
	Budget         *float64  `json:"budget_ratio"`
	Consumed       *float64  `json:"budget_consumed_ratio"`
	Remaining      *float64  `json:"budget_remaining_ratio"`
	Burn1h         *float64  `json:"burn_rate_1h"`
	Burn6h         *float64  `json:"burn_rate_6h"`
	Burn3d         *float64  `json:"burn_rate_3d"`
	Downtime       *float64  `json:"downtime_s"`
	Incidents      int       `json:"incidents"`
	Longest        *float64  `json:"longest_incident_s"`
	P50            *float64  `json:"p50_s"`
	P95            *float64  `json:"p95_s"`
	P99            *float64  `json:"p99_s"`
	Tokens         int       `json:"tokens"`
	CostUSD        *float64  `json:"cost_usd"`
	CostPerSuccess *float64  `json:"cost_per_success_usd"`
	Status         string    `json:"status"`
}

func viewAttainment(a bellwether.Attainment) attainmentView {
	return attainmentView{
		GeneratedAt: a.GeneratedAt, From: a.From, To: a.To,
		SLO: a.SLO, Scope: a.Scope, Provider: a.Provider, Model: a.Model, Region: a.Region, Indicator: a.Indicator,
		Objective: known(a.Objective), Good: a.Good, Bad: a.Bad, Total: a.Total, Excluded: a.Excluded,
		Completeness: known(a.Completeness), SLI: known(a.SLI),
		Budget: known(a.Budget), Consumed: known(a.Consumed), Remaining: known(a.Remaining),
		Burn1h: known(a.Burn1h), Burn6h: known(a.Burn6h), Burn3d: known(a.Burn3d),
		Downtime: known(a.Downtime), Incidents: a.Incidents, Longest: known(a.Longest),
		P50: known(a.P50), P95: known(a.P95), P99: known(a.P99),
		Tokens: a.Tokens, CostUSD: known(a.CostUSD), CostPerSuccess: known(a.CostPerSuccess), Status: a.Status,
	}
}

// known returns v, or nil where there is no number to show.
func known(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}
