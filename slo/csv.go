package slo

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// column is one column of the CSV.
type column struct {
	name  string
	value func(a bellwether.Attainment) string
}

// columns returns the CSV's columns, in order. Their names and order are an
// interface: what is new goes to the end.
func columns() []column {
	type A = bellwether.Attainment
	return []column{
		{"generated_at", func(a A) string { return stamp(a.GeneratedAt) }},
		{"window_start", func(a A) string { return stamp(a.From) }},
		{"window_end", func(a A) string { return stamp(a.To) }},
		{"slo", func(a A) string { return inert(a.SLO) }},
		{"scope", func(a A) string { return inert(a.Scope) }},
		{"provider", func(a A) string { return inert(a.Provider) }},
		{"model", func(a A) string { return inert(a.Model) }},
		{"region", func(a A) string { return inert(a.Region) }},
		{"indicator", func(a A) string { return inert(a.Indicator) }},
		{"objective_ratio", func(a A) string { return number(a.Objective) }},
		{"good", func(a A) string { return strconv.Itoa(a.Good) }},
		{"bad", func(a A) string { return strconv.Itoa(a.Bad) }},
		{"total", func(a A) string { return strconv.Itoa(a.Total) }},
		{"excluded", func(a A) string { return strconv.Itoa(a.Excluded) }},
		{"data_completeness_ratio", func(a A) string { return number(a.Completeness) }},
		{"sli_ratio", func(a A) string { return number(a.SLI) }},
		{"budget_ratio", func(a A) string { return number(a.Budget) }},
		{"budget_consumed_ratio", func(a A) string { return number(a.Consumed) }},
		{"budget_remaining_ratio", func(a A) string { return number(a.Remaining) }},
		{"burn_rate_1h", func(a A) string { return number(a.Burn1h) }},
		{"burn_rate_6h", func(a A) string { return number(a.Burn6h) }},
		{"burn_rate_3d", func(a A) string { return number(a.Burn3d) }},
		{"downtime_s", func(a A) string { return number(a.Downtime) }},
		{"incidents", func(a A) string { return strconv.Itoa(a.Incidents) }},
		{"longest_incident_s", func(a A) string { return number(a.Longest) }},
		{"p50_s", func(a A) string { return number(a.P50) }},
		{"p95_s", func(a A) string { return number(a.P95) }},
		{"p99_s", func(a A) string { return number(a.P99) }},
		{"tokens", func(a A) string { return strconv.Itoa(a.Tokens) }},
		{"cost_usd", func(a A) string { return number(a.CostUSD) }},
		{"cost_per_success_usd", func(a A) string { return number(a.CostPerSuccess) }},
		{"status", func(a A) string { return inert(a.Status) }},
	}
}

// WriteCSV writes one line for each attainment below a header, as RFC 4180
// has it, lines ended by CR LF. Times are RFC 3339 in UTC. A number without
// data is empty. No text can start a formula in a spreadsheet: what begins
// like one gets an apostrophe in front.
func WriteCSV(w io.Writer, as []bellwether.Attainment) error {
	cols := columns()
	out := csv.NewWriter(w)
	out.UseCRLF = true
	line := make([]string, len(cols))
	for i, c := range cols {
		line[i] = c.name
	}
	if err := out.Write(line); err != nil {
		return fmt.Errorf("slo csv: header: %w", err)
	}
	for _, a := range as {
		for i, c := range cols {
			line[i] = c.value(a)
		}
		if err := out.Write(line); err != nil {
			return fmt.Errorf("slo csv: %s: %w", a.SLO, err)
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("slo csv: %w", err)
	}
	return nil
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// number writes v with at most 9 decimals, never with an exponent; "" when
// there is no such number.
func number(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return ""
	}
	s := strconv.FormatFloat(v, 'f', 9, 64)
	s = strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
	if s == "-0" {
		return "0"
	}
	return s
}

// inert returns s so that no spreadsheet takes it for a formula (OWASP, CSV
// injection).
func inert(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r\x00", rune(s[0])) {
		return "'" + s
	}
	return s
}
