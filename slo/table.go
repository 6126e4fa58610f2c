package slo

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/bellwether-llm/bellwether"
)

// WriteTable writes one line for each attainment below a header, aligned for
// terminals, every number with its unit. What has no data is a dash.
func WriteTable(w io.Writer, as []bellwether.Attainment) error {
	rows := [][]string{{"SLO", "SCOPE", "INDICATOR", "GOAL", "ATTAINED", "BUDGET LEFT", "BURN 1h/6h/3d", "BAD", "INCIDENTS", "P95", "DATA", "COST", "STATUS"}}
	for _, a := range as {
		rows = append(rows, []string{plain(a.SLO), plain(a.Scope), plain(a.Indicator), percent(a.Objective), percent(a.SLI),
			percent(a.Remaining), factor(a.Burn1h) + "/" + factor(a.Burn6h) + "/" + factor(a.Burn3d), lost(a), incidents(a),
			seconds(a.P95), percent(a.Completeness), usd(a.CostUSD), strings.ReplaceAll(plain(a.Status), "_", " ")})
	}
	width := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		for i, cell := range row {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			switch {
			case i == len(row)-1:
				b.WriteString(cell)
			case i < 3:
				b.WriteString(cell + pad + "  ")
			default:
				b.WriteString(pad + cell + "  ")
			}
		}
		b.WriteByte('\n')
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("slo table: %w", err)
	}
	return nil
}

// plain drops what could move a terminal's cursor or colour it.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, s)
}

func none(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }

// percent writes a ratio with as many decimals as its distance from 100 % asks
// for, rounding down so that 99.9996 % never reads as 100 %.
func percent(v float64) string {
	if none(v) {
		return "-"
	}
	p := v * 100
	p = math.Floor(p*1000+1e-6) / 1000
	return strconv.FormatFloat(p, 'f', -1, 64) + " %"
}

func factor(v float64) string {
	if none(v) {
		return "-"
	}
	return strconv.FormatFloat(v, 'f', 1, 64) + "x"
}

// lost writes the time that was bad, or the number of requests.
func lost(a bellwether.Attainment) string {
	if none(a.Downtime) {
		return strconv.Itoa(a.Bad)
	}
	return span(a.Downtime)
}

func incidents(a bellwether.Attainment) string {
	if a.Incidents == 0 {
		return "0"
	}
	return fmt.Sprintf("%d (longest %s)", a.Incidents, span(a.Longest))
}

func span(s float64) string {
	d := time.Duration(s * float64(time.Second)).Round(time.Second)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh %dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd %dh", int(d.Hours())/24, int(d.Hours())%24)
}

// seconds writes a latency as people read it: milliseconds below a second.
func seconds(v float64) string {
	switch {
	case none(v):
		return "-"
	case v < 1:
		return strconv.FormatFloat(v*1000, 'f', 0, 64) + " ms"
	}
	return strconv.FormatFloat(v, 'f', 2, 64) + " s"
}

func usd(v float64) string {
	if none(v) {
		return "-"
	}
	return "$" + strconv.FormatFloat(v, 'f', 2, 64)
}
