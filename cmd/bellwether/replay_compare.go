package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// comparison is what two configs make of one history.
type comparison struct {
	Configs [2]replaySummary `json:"configs"`
	// OnlyFirst and OnlySecond are the times of being ill that only one of them
	// has a verdict for.
	OnlyFirst  []episode `json:"only_first"`
	OnlySecond []episode `json:"only_second"`
	// Both are those that overlap: one fault, seen by both.
	Both []agreement `json:"both"`
	// Delay is the median of their delays in seconds, 0 where there is none.
	Delay float64 `json:"median_delay_seconds"`
}

// agreement is one fault that both have a verdict for. Delay is by how many
// seconds the second was later.
type agreement struct {
	Target string  `json:"target"`
	First  episode `json:"first"`
	Second episode `json:"second"`
	Delay  float64 `json:"delay_seconds"`
}

// compare matches what a and b say of each target.
func compare(a, b *tally, names [2]string) comparison {
	c := comparison{Configs: [2]replaySummary{a.summary(names[0]), b.summary(names[1])},
		OnlyFirst: []episode{}, OnlySecond: []episode{}, Both: []agreement{}}
	for _, id := range bothTargets(a, b) {
		var first, second []episode
		if one := a.byID[id]; one != nil {
			first = one.episodes
		}
		if one := b.byID[id]; one != nil {
			second = one.episodes
		}
		c.match(id, first, second)
	}
	byTime := func(a, b episode) int { return a.Began.Compare(b.Began) }
	slices.SortStableFunc(c.OnlyFirst, byTime)
	slices.SortStableFunc(c.OnlySecond, byTime)
	slices.SortStableFunc(c.Both, func(a, b agreement) int { return a.First.Began.Compare(b.First.Began) })
	if n := len(c.Both); n > 0 {
		delays := make([]float64, n)
		for i, x := range c.Both {
			delays[i] = x.Delay
		}
		slices.Sort(delays)
		c.Delay = (delays[n/2] + delays[(n-1)/2]) / 2
	}
	return c
}

// bothTargets returns the targets of both, in the order of the first config.
func bothTargets(a, b *tally) []string {
	var ids []string
	for _, t := range []*tally{a, b} {
		for _, one := range t.targets {
			if t == a || a.byID[one.id] == nil {
				ids = append(ids, one.id)
			}
		}
	}
	return ids
}

// match pairs each episode of one with the first of the other that overlaps it
// and has no partner yet. One that overlaps only such as have one is a relapse
// of a fault that both saw, and in no list.
func (c *comparison) match(target string, first, second []episode) {
	taken := make([]bool, len(second))
	shared := make([]bool, len(second))
	for _, x := range first {
		met, paired := false, false
		for j, y := range second {
			if !x.overlaps(y) {
				continue
			}
			met, shared[j] = true, true
			if !paired && !taken[j] {
				paired, taken[j] = true, true
				c.Both = append(c.Both, agreement{Target: target, First: x, Second: y, Delay: y.Began.Sub(x.Began).Seconds()})
			}
		}
		if !met {
			c.OnlyFirst = append(c.OnlyFirst, x)
		}
	}
	for j, y := range second {
		if !shared[j] {
			c.OnlySecond = append(c.OnlySecond, y)
		}
	}
}

// overlaps reports whether x and y are about one time, from the estimated onset
// to the end.
func (x episode) overlaps(y episode) bool {
	return (x.Ongoing || !y.Onset.After(x.Ended)) && (y.Ongoing || !x.Onset.After(y.Ended))
}

func (c comparison) write(w io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(map[string]comparison{"comparison": c})
	}
	a, b := c.Configs[0], c.Configs[1]
	fmt.Fprintf(w, "%s from %s to %s (%s)\n\n", count(a.Observations, "observation", "observations"),
		a.From.UTC().Format(time.RFC3339), a.To.UTC().Format(time.RFC3339), span(a.To.Sub(a.From).Hours()))
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "\t%s\t%s\t\n", a.Config, b.Config)
	c.table(func(what, first, second string) { fmt.Fprintf(t, "%s\t%s\t%s\t\n", what, first, second) })
	_ = t.Flush()
	c.lists(w)
	return nil
}

// table gives the rows of the comparison in figures.
func (c comparison) table(row func(what, first, second string)) {
	a, b := c.Configs[0], c.Configs[1]
	ints := func(what string, x, y int) { row(what, fmt.Sprint(x), fmt.Sprint(y)) }
	for _, state := range illStates {
		ints("verdicts "+string(state), a.Verdicts[state], b.Verdicts[state])
	}
	row("time ill", span(a.IllHours), span(b.IllHours))
	ints("faults that only it saw", len(c.OnlyFirst), len(c.OnlySecond))
	ints("incidents", a.Alerts.Incidents, b.Alerts.Incidents)
	ints("alerts", a.Alerts.Alerts, b.Alerts.Alerts)
	for _, kind := range kindsOf(a.Alerts.Messages, b.Alerts.Messages) {
		ints("messages "+kind, a.Alerts.Messages[kind], b.Alerts.Messages[kind])
	}
	for _, sum := range []struct {
		what string
		of   func(targetSummary) float64
	}{
		{"weight held back", func(t targetSummary) float64 { return t.Withheld }},
		{"held back while well", func(t targetSummary) float64 { return t.Idle }},
		{"given while failing", func(t targetSummary) float64 { return t.Failed }},
		{"misplaced in all", func(t targetSummary) float64 { return t.Idle + t.Failed }},
	} {
		var x, y float64
		for _, t := range a.Targets {
			x += sum.of(t)
		}
		for _, t := range b.Targets {
			y += sum.of(t)
		}
		row(sum.what, span(x), span(y))
	}
	var x, y routeSummary
	for _, r := range a.Routes {
		x.Moved, x.Turned = x.Moved+r.Moved, x.Turned+r.Turned
	}
	for _, r := range b.Routes {
		y.Moved, y.Turned = y.Moved+r.Moved, y.Turned+r.Turned
	}
	row("share moved", span(x.Moved), span(y.Moved))
	row("share changes", fmt.Sprintf("%.2f", x.Turned), fmt.Sprintf("%.2f", y.Turned))
	ints("revisions of the weights", a.Revisions, b.Revisions)
}

// lists names the faults, one line each.
func (c comparison) lists(w io.Writer) {
	for i, list := range [][]episode{c.OnlyFirst, c.OnlySecond} {
		if len(list) > 0 {
			fmt.Fprintf(w, "\nOnly under %s:\n", c.Configs[i].Config)
		}
		for _, e := range list {
			fmt.Fprintf(w, "  %s  %s %s for %s: %s\n", e.Began.UTC().Format(time.RFC3339), e.Target, e.Worst, c.length(e, i), e.Reason)
		}
	}
	if len(c.Both) == 0 {
		return
	}
	fmt.Fprintf(w, "\nUnder both; %s is %s in the median:\n", c.Configs[1].Config, laterBy(c.Delay))
	for _, x := range c.Both {
		worst := string(x.First.Worst)
		if x.Second.Worst != x.First.Worst {
			worst += " (" + string(x.Second.Worst) + ")"
		}
		fmt.Fprintf(w, "  %s  %s %s for %s (%s); the second is %s\n", x.First.Began.UTC().Format(time.RFC3339), x.Target, worst,
			c.length(x.First, 0), c.length(x.Second, 1), laterBy(x.Delay))
	}
}

func (c comparison) length(e episode, config int) string {
	if e.Ongoing {
		e.Ended = c.Configs[config].To
	}
	return span(e.Ended.Sub(e.Began).Hours())
}

func laterBy(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second)).Round(100 * time.Millisecond)
	switch {
	case d > 0:
		return d.String() + " later"
	case d < 0:
		return (-d).String() + " earlier"
	}
	return "as quick"
}
