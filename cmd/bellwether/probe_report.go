package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"github.com/bellwether-llm/bellwether"
)

// probeReport prints observations as they come, and at the end what they come
// to together.
type probeReport struct {
	w          io.Writer
	asJSON     bool
	many       bool // one line each, and percentiles at the end
	total, ill int
	cost       float64
	series     map[probeSeries]*probeFigures
	order      []probeSeries
}

// probeSeries is what has percentiles of its own; warm and fresh connections
// are never mixed.
type probeSeries struct {
	target, canary string
	reused         bool
}

type probeFigures struct {
	n, ok                  int
	firstToken, gap, total []float64 // seconds, of those that have one
}

func newProbeReport(w io.Writer, asJSON, many bool) *probeReport {
	return &probeReport{w: w, asJSON: asJSON, many: many, series: map[probeSeries]*probeFigures{}}
}

func (r *probeReport) add(o bellwether.Observation) error {
	r.note(o)
	if r.asJSON {
		return json.NewEncoder(r.w).Encode(o)
	}
	text := describe(o)
	if r.many {
		text = describeShort(o)
	}
	_, err := io.WriteString(r.w, text)
	return err
}

func (r *probeReport) note(o bellwether.Observation) {
	r.total++
	r.cost += o.CostUSD
	key := probeSeries{o.Target, o.Canary, o.Reused}
	f := r.series[key]
	if f == nil {
		f = &probeFigures{}
		r.series[key] = f
		r.order = append(r.order, key)
	}
	f.n++
	if o.Outcome == bellwether.OK {
		f.ok++
	} else {
		r.ill++
	}
	for _, v := range []struct {
		to *[]float64
		s  float64
	}{{&f.firstToken, o.Timing.FirstToken}, {&f.gap, o.Timing.InterToken}, {&f.total, o.Timing.Total}} {
		if v.s > 0 {
			*v.to = append(*v.to, v.s)
		}
	}
}

// end prints the percentiles, if there were several rounds. planned is how many
// probes there should have been.
func (r *probeReport) end(planned int) error {
	if r.asJSON || !r.many || r.total == 0 {
		return nil
	}
	fmt.Fprintln(r.w)
	t := tabwriter.NewWriter(r.w, 0, 4, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "target\tcanary\tconnection\tgood\tfirst token p50\tp95\tp99\tgap p50\ttotal p50\tp95\tp99\t")
	slices.SortStableFunc(r.order, func(a, b probeSeries) int { return strings.Compare(a.target+"\x00"+a.canary, b.target+"\x00"+b.canary) })
	for _, key := range r.order {
		f, connection := r.series[key], "fresh"
		if key.reused {
			connection = "warm"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d of %d", key.target, key.canary, connection, f.ok, f.n)
		for _, c := range []struct {
			of []float64
			q  float64
		}{{f.firstToken, .5}, {f.firstToken, .95}, {f.firstToken, .99}, {f.gap, .5}, {f.total, .5}, {f.total, .95}, {f.total, .99}} {
			fmt.Fprintf(t, "\t%s", shortTime(quantile(c.of, c.q)))
		}
		fmt.Fprintln(t, "\t")
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(r.w, "\n%d of %d probes, %d good, %s\n", r.total, planned, r.total-r.ill, money(r.cost))
	return err
}

// quantile is by nearest rank; 0 when there is nothing.
func quantile(of []float64, q float64) float64 {
	if len(of) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(of))
	return sorted[min(max(int(math.Ceil(q*float64(len(sorted)))), 1), len(sorted))-1]
}

// shortTime is a time in seconds in three or four figures; "-" for none.
func shortTime(s float64) string {
	switch {
	case s <= 0:
		return "-"
	case s < 0.0995:
		return fmt.Sprintf("%.1f ms", s*1000)
	case s < 0.9995:
		return fmt.Sprintf("%.0f ms", s*1000)
	}
	return fmt.Sprintf("%.2f s", s)
}

func money(usd float64) string {
	switch {
	case usd <= 0:
		return "free"
	case usd < 0.01:
		return fmt.Sprintf("%.6f USD", usd)
	}
	return fmt.Sprintf("%.4f USD", usd)
}

// describeShort is an observation on one line, and its trouble on a second.
func describeShort(o bellwether.Observation) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-12s %-16s %-14s %-5s first token %-9s total %-9s", o.Target, o.Canary, o.Outcome, connection(o), shortTime(o.Timing.FirstToken), shortTime(o.Timing.Total))
	if o.Tokens != nil {
		fmt.Fprintf(&b, " %d+%d tokens  %s", o.Tokens.Input, o.Tokens.Output, money(o.CostUSD))
	}
	b.WriteByte('\n')
	for _, why := range troubles(o) {
		fmt.Fprintf(&b, "    %s\n", why)
	}
	return b.String()
}

// troubles are what was not good, one thing a line.
func troubles(o bellwether.Observation) []string {
	var out []string
	if o.Error != "" {
		out = append(out, o.Error)
	}
	for _, c := range o.Checks {
		if !c.OK {
			out = append(out, strings.TrimSuffix("check "+c.Name+": "+c.Detail, ": "))
		}
	}
	return out
}

func connection(o bellwether.Observation) string {
	if o.Reused {
		return "warm"
	}
	return "fresh"
}

// describe is an observation for people: what it is, its waterfall, what it
// took, what the checks said, and the answer.
func describe(o bellwether.Observation) string {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %-12s %s\n", name, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(&b, "%s  %s  %s", o.Target, o.Canary, o.Outcome)
	if o.Status != 0 {
		fmt.Fprintf(&b, "  (status %d, HTTP/%s, %s connection)", o.Status, o.HTTP, connection(o))
	}
	b.WriteByte('\n')
	b.WriteString(waterfall(o.Timing))
	if o.Timing.InterToken > 0 {
		line("gaps", "median %s, p95 %s, longest %s", shortTime(o.Timing.InterToken), shortTime(o.Timing.InterTokenP95), shortTime(o.Timing.InterTokenMax))
	}
	if o.Tokens != nil {
		line("tokens", "%d in, %d out%s, %s", o.Tokens.Input, o.Tokens.Output, speed(o), money(o.CostUSD))
	}
	for _, c := range o.Checks {
		mark := "ok"
		if !c.OK {
			mark = strings.TrimSpace("FAILED " + c.Detail)
		}
		line("check", "%s: %s", c.Name, mark)
	}
	for _, s := range slices.Sorted(maps.Keys(o.Signals)) {
		line("signal", "%s %.4g", s, o.Signals[s])
	}
	if o.Doubtful != "" {
		line("doubtful", "our own process was late by %s (%s)", shortTime(o.SelfLag), o.Doubtful)
	}
	if o.Error != "" {
		line("error", "%s", o.Error)
	}
	if o.Excerpt != "" {
		line("answer", "%q", o.Excerpt)
	}
	b.WriteByte('\n')
	return b.String()
}

// speed is how fast the answer was decoded, where it has two tokens or more.
func speed(o bellwether.Observation) string {
	took := o.Timing.Total - o.Timing.FirstToken
	if o.Timing.FirstToken <= 0 || took <= 0 || o.Tokens.Output < 2 {
		return ""
	}
	about := ""
	if o.Tokens.Estimated {
		about = "about "
	}
	return fmt.Sprintf(" (%s%.0f a second)", about, float64(o.Tokens.Output-1)/took)
}

// phase is a part of the time of a call, in seconds from its start.
type phase struct {
	name     string
	from, to float64
}

// phasesOf puts what was measured in a row, and leaves out what was not. Before
// the first byte there are dialing and the wait for the provider; the parts of
// dialing stand one after the other, as they do unless several addresses are
// tried at once.
func phasesOf(t bellwether.Timing) []phase {
	var out []phase
	at := 0.0
	until := func(name string, to float64) {
		if to > at {
			out = append(out, phase{name, at, to})
			at = to
		}
	}
	for _, p := range []struct {
		name string
		took float64
	}{{"dns", t.DNS}, {"connect", t.Connect}, {"tls", t.TLS}} {
		until(p.name, at+p.took)
	}
	until("wait", t.FirstByte)
	until("first token", t.FirstToken)
	until("answer", t.Total)
	return out
}

// barWidth is how many characters the whole time has.
const barWidth = 44

// waterfall draws the phases, each where it was, with its own time and when it
// ended.
func waterfall(t bellwether.Timing) string {
	all := phasesOf(t)
	if len(all) == 0 {
		return ""
	}
	end := all[len(all)-1].to
	var b strings.Builder
	for _, p := range all {
		bar := bar(p.from/end, p.to/end)
		fmt.Fprintf(&b, "  %-12s %9s  %s%s %s\n", p.name, shortTime(p.to-p.from), bar, strings.Repeat(" ", max(0, barWidth-utf8.RuneCountInString(bar))), shortTime(p.to))
	}
	return b.String()
}

// bar is a bar between two parts of the whole, in eighths of a character at its
// end, and at least one eighth long.
func bar(from, to float64) string {
	cells := func(x float64) int { return int(math.Round(min(max(x, 0), 1) * barWidth * 8)) }
	begin, end := cells(from)/8, cells(to)
	end = min(max(end, begin*8+1), barWidth*8)
	if begin == barWidth {
		begin--
	}
	s := strings.Repeat(" ", begin) + strings.Repeat("█", end/8-begin)
	if rest := end % 8; rest > 0 {
		s += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return s
}
