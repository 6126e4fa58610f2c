package main

import (
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bellwether-llm/bellwether/internal/evaluate/limits"
	"github.com/bellwether-llm/bellwether/internal/evaluate/policies"
	"github.com/bellwether-llm/bellwether/internal/evaluate/trials"
	"github.com/bellwether-llm/bellwether/internal/evaluate/world"
)

// page is docs/evaluation.md and its pictures.
type page struct {
	parts    []section
	pictures map[string]string // by file name
}

type section struct {
	title, body string
	brief       bool // printed even where only a part was measured
}

func (p *page) text(all bool) string {
	var b strings.Builder
	for _, s := range p.parts {
		if (all || s.brief) && s.body != "" {
			fmt.Fprintf(&b, "%s\n\n%s\n", s.title, strings.TrimRight(s.body, "\n")+"\n")
		}
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// save writes the page, and its pictures beside it.
func (p *page) save(docs string) error {
	dir := filepath.Join(docs, "evaluation")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("page: %w", err)
	}
	for name, svg := range p.pictures {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(svg), 0o644); err != nil {
			return fmt.Errorf("page: %w", err)
		}
	}
	if err := os.WriteFile(filepath.Join(docs, "evaluation.md"), []byte(p.text(true)), 0o644); err != nil {
		return fmt.Errorf("page: %w", err)
	}
	return nil
}

func report(b *Book) *page {
	p := &page{pictures: map[string]string{}}
	add := func(title, body string, brief bool) { p.parts = append(p.parts, section{title, body, brief}) }
	add("# Evaluation", b.intro(), false)
	add("## Goals", b.goalTable(), true)
	add("## How soon, and what is possible", b.delayTable(), true)
	add("## Delay against false alarms", b.curves(p), false)
	add("## False verdicts", b.calmTable(), true)
	add("## Misrouted traffic", b.regretTable(p), true)
	add("## Whose fault", b.placeTable(), true)
	add("## With real traffic", b.trafficTable(), true)
	add("## What each part is worth", b.ablationTable(), true)
	add("## Faults in recorded noise", b.realTable(), true)
	add("## Every scenario", b.scenarioTable(), true)
	add("## How it is measured", b.method(), false)
	return p
}

// table writes a Markdown table.
func table(head []string, rows [][]string) string {
	var b strings.Builder
	b.WriteString("| " + strings.Join(head, " | ") + " |\n|" + strings.Repeat("---|", len(head)) + "\n")
	for _, r := range rows {
		b.WriteString("| " + strings.Join(r, " | ") + " |\n")
	}
	return b.String()
}

func (b *Book) intro() string {
	return fmt.Sprintf(`How soon Bellwether's engine notices faults, how often it is wrong, and whom it blames: beside the least delay that mathematics allows, and beside the rules that
monitors and gateways ship with, all in the same simulated worlds. This page is written by `+"`make evaluate`"+` (profile %s; %d trials a scenario, %d fault-free
target-months a noise); do not edit it. Intervals in brackets are of 95 %%. The budget is one false verdict per target and month, unless said otherwise.`,
		b.Profile, b.profile.seeds, b.profile.months)
}

func (b *Book) goalTable() string {
	var rows [][]string
	for _, g := range b.goals() {
		if !g.unknown || b.Profile != "quick" {
			rows = append(rows, []string{g.what, g.want, g.got, g.verdict()})
		}
	}
	return table([]string{"goal", "wanted", "measured", ""}, rows)
}

// mean writes a mean of seconds as people read times.
func mean(xs []float64) string { return clock(limits.Mean(xs).Value) }

func clock(s float64) string {
	switch {
	case math.IsNaN(s):
		return "–"
	case s < 120:
		return fmt.Sprintf("%.0f s", s)
	case s < 7200:
		return fmt.Sprintf("%.1f min", s/60)
	}
	return fmt.Sprintf("%.1f h", s/3600)
}

// withMissed adds how many were not found.
func withMissed(text string, c *trials.Column) string {
	k, n := found(c)
	switch {
	case n == 0:
		return "–"
	case k == 0:
		return "missed"
	case k < n:
		return fmt.Sprintf("%s (%.0f %% missed)", text, 100*float64(n-k)/float64(n))
	}
	return text
}

// limitTime is what a limit in probes means in time: the first one comes half
// an interval after the onset on average, and takes a second to answer.
func limitTime(d float64, every time.Duration) float64 {
	return every.Seconds()*(d-.5) + 1
}

// fastLimit is the same where probes come every 5 s from the onset on: half a
// slow interval until the first.
func (b *Book) fastLimit(d float64) float64 { return b.pace.Seconds()/2 + 5*(d-1) + 1 }

func (b *Book) delayTable() string {
	var rows [][]string
	arl := b.runLength(false)
	gatus, ewma, gauss := b.tuned["Gatus"], b.tuned["EWMA"], b.tuned["Gaussian CUSUM"]
	for i := range b.scenarios {
		s := &b.scenarios[i]
		fixed := b.fault(s.Name, world.Normal, false)
		if s.Limit == nil || len(fixed.Trials) == 0 {
			continue
		}
		d := b.optimum(s, arl)
		theirs := func(spec policies.Spec) string {
			c := b.faultRule(s.Name, world.Normal, spec)
			return withMissed(mean(seconds(c)), c)
		}
		adaptive := b.fault(s.Name, world.Normal, true)
		rows = append(rows, []string{
			s.Name, fmt.Sprintf("%.3g", s.Limit.Information()), fmt.Sprintf("%.1f", d), clock(limitTime(d, 30*time.Second)),
			withMissed(show(limits.Mean(probes(fixed)), 1), fixed), show(b.ratio(s), 2), mean(seconds(fixed)), clock(b.fastLimit(d)),
			withMissed(mean(seconds(adaptive)), adaptive), fmt.Sprintf("%.1f", limits.Mean(seconds(fixed)).Value/limits.Mean(seconds(adaptive)).Value),
			theirs(gatus), theirs(ewma), theirs(gauss),
		})
	}
	if len(rows) == 0 {
		return ""
	}
	head := []string{"fault", "I, nats a probe", "D*, probes", "D*, fixed 30 s", "ours, probes", "over D*", "ours, fixed 30 s", "D*, adaptive", "ours, adaptive", "faster by"}
	for _, s := range []policies.Spec{gatus, ewma, gauss} {
		head = append(head, s.String())
	}
	return fmt.Sprintf(`D* is the exact optimum: no rule that raises as few false alarms as ours did in the same noise (one in %.0f probes) has a shorter mean delay in the worst case (Moustakides 1986), even one that was
told which fault to look for. Ours looks for twelve kinds at once and learns what is normal by itself. Adaptive cadence asks every 5 s while it suspects something and every %.1f s when it does not,
which costs as much as one probe every 30 s (%.0f against %.0f tokens a day in health). Other rules are tuned to at most one false verdict a month in normal noise.

`, arl, b.pace.Seconds(), perMonth(b.calm(world.Normal, true).Tokens, b.calm(world.Normal, true))/30, perMonth(b.calm(world.Normal, false).Tokens, b.calm(world.Normal, false))/30) + table(head, rows)
}

func (b *Book) calmTable() string {
	head := []string{"noise", "ours, fixed", "ours, adaptive", "probes a day, fixed / adaptive", "weight withheld, adaptive"}
	for _, r := range policies.Probing() {
		head = append(head, policies.Shipped(r).String())
	}
	var rows [][]string
	row := func(name string, n world.Kind, d world.Diurnal) {
		at := func(e entry) *trials.Column {
			e.work, e.noise, e.diurnal = trials.Months, n, d
			return b.column(e)
		}
		fixed, adaptive := at(entry{engine: b.whole(false)}), at(entry{engine: b.whole(true), adaptive: true})
		if fixed.Months+adaptive.Months == 0 {
			return
		}
		r := []string{name, show(rate(fixed), 2), show(rate(adaptive), 2),
			fmt.Sprintf("%.0f / %.0f", perMonth(fixed.Probes, fixed)/30, perMonth(adaptive.Probes, adaptive)/30),
			fmt.Sprintf("%.2f h a month", perMonth(adaptive.Kept, adaptive))}
		for _, name := range policies.Probing() {
			c := at(entry{rule: policies.Shipped(name)})
			if c.Months == 0 {
				r = append(r, "–")
			} else {
				r = append(r, fmt.Sprintf("%.3g", rate(c).Value))
			}
		}
		rows = append(rows, r)
	}
	for _, n := range world.Kinds() {
		row(noiseNames[n], n, world.Diurnal{})
	}
	for _, r := range rhythms {
		row(r.name, world.Normal, r.d)
	}
	if len(rows) == 0 {
		return ""
	}
	return "Verdicts per target-month in which nothing was wrong; the others with the settings that they are shipped with.\n\n" + table(head, rows) + b.sourceTable() + b.tunedTable()
}

// sourceTable takes the recorded noise apart.
func (b *Book) sourceTable() string {
	var rows [][]string
	fixed, adaptive := b.calm(world.Real, false), b.calm(world.Real, true)
	for _, name := range slices.Sorted(maps.Keys(fixed.Sources)) {
		f, a := fixed.Sources[name], adaptive.Sources[name]
		rows = append(rows, []string{name, fmt.Sprintf("%.0f", f.Months), show(limits.Poisson(f.False, f.Months), 2), show(limits.Poisson(a.False, a.Months), 2)})
	}
	if len(rows) == 0 {
		return ""
	}
	return "\nThe recorded noise by its source:\n\n" + table([]string{"source", "target-months", "ours, fixed", "ours, adaptive"}, rows)
}

var noiseNames = map[world.Kind]string{
	world.Normal: "normal", world.T3: "Student t, 3 degrees", world.Spikes: "1 in 50 is x4.5", world.AR3: "correlated .3", world.AR6: "correlated .6", world.Real: "recorded, blocks of 20",
}

func (b *Book) tunedTable() string {
	var rows [][]string
	for _, name := range policies.Probing() {
		s := b.tuned[name]
		c := b.calmRule(world.Normal, s)
		if c.Months == 0 {
			continue
		}
		row := []string{name, s.String(), show(rate(c), 2)}
		for _, n := range []world.Kind{world.T3, world.Spikes, world.AR6, world.Real} {
			if c := b.calmRule(n, s); c.Months > 0 {
				row = append(row, fmt.Sprintf("%.3g", rate(c).Value))
			} else {
				row = append(row, "–")
			}
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		return ""
	}
	return "\nTuned to the budget in normal noise, the same rules in the other noises:\n\n" + table([]string{"rule", "setting", "normal", "Student t", "1 in 50 is x4.5", "correlated .6", "recorded"}, rows)
}
