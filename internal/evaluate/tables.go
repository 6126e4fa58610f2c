package main

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/bellwether-llm/bellwether/internal/evaluate/limits"
	"github.com/bellwether-llm/bellwether/internal/evaluate/plot"
	"github.com/bellwether-llm/bellwether/internal/evaluate/policies"
	"github.com/bellwether-llm/bellwether/internal/evaluate/trials"
	"github.com/bellwether-llm/bellwether/internal/evaluate/world"
)

// curves draws delay against false alarms for some faults.
func (b *Book) curves(p *page) string {
	if b.profile.side == 0 {
		return ""
	}
	var text strings.Builder
	text.WriteString("Down and left is better. Each line is one rule over the settings of its knob (ours: the budget of false alarms); large points are the settings as shipped. The dashed line is the limit.\n" +
		"A fault that was not found counts with the length of its trial.\n")
	for _, c := range []struct{ file, name, title string }{
		{"delay-x2.svg", "first token x2", "First tokens twice as slow"},
		{"delay-x1.3.svg", "first token x1.3", "First tokens 1.3 times as slow"},
		{"delay-errors.svg", "errors .5 to 5 %", "One call in twenty fails"},
		{"delay-down.svg", "down, 5xx", "Every call fails"},
	} {
		if len(b.fault(c.name, world.Normal, false).Trials) == 0 {
			continue
		}
		p.pictures[c.file] = b.curve(c.title, c.name).SVG()
		fmt.Fprintf(&text, "\n![%s: delay against false alarms](evaluation/%s)\n", c.title, c.file)
	}
	return text.String()
}

func (b *Book) curve(title, name string) plot.Lines {
	s := b.scenario(name)
	pic := plot.Lines{Title: title + ": delay against false alarms", X: "false verdicts per target-month", Y: "mean delay, minutes"}
	limit := plot.Line{Name: "limit, fixed 30 s", Hue: 7, Dashed: true}
	for _, r := range []float64{.05, .2, 1, 5, 20, 100} {
		limit.Points = append(limit.Points, plot.Point{X: r, Y: limitTime(b.optimum(s, monthProbes/r), b.whole(false).Every) / 60})
	}
	pic.Lines = append(pic.Lines, limit)
	for hue, adaptive := range []bool{true, false} {
		line := plot.Line{Name: "ours, " + strings.TrimSuffix(cadence(adaptive), " cadence"), Hue: hue}
		for _, budget := range slices.Sorted(slices.Values(append([]float64{1}, budgets[:]...))) {
			e := b.whole(adaptive)
			e.Budget = budget
			calm := b.column(entry{work: trials.Months, noise: world.Normal, engine: e, adaptive: adaptive})
			hit := b.column(entry{work: trials.Faults, scenario: name, noise: world.Normal, engine: e, adaptive: adaptive})
			label := ""
			if budget == .25 {
				label = "default"
			}
			line.Points = addPoint(line.Points, s, calm, hit, label)
		}
		pic.Lines = append(pic.Lines, line)
	}
	for i, rule := range policies.Probing() {
		line := plot.Line{Name: rule, Hue: []int{2, 3, 4, 5, 6, 8}[i]}
		for _, spec := range policies.Sweep(rule) {
			label := ""
			if spec == policies.Shipped(rule) {
				label = "as shipped"
			}
			line.Points = addPoint(line.Points, s, b.calmRule(world.Normal, spec), b.faultRule(name, world.Normal, spec), label)
		}
		pic.Lines = append(pic.Lines, line)
	}
	return pic
}

// addPoint adds what was measured of both; no false verdict is drawn as half
// of one.
func addPoint(points []plot.Point, s *trials.Scenario, calm, hit *trials.Column, label string) []plot.Point {
	if calm.Months == 0 || len(hit.Trials) == 0 {
		return points
	}
	sum, n := 0.0, 0.0
	for _, t := range hit.Trials {
		switch {
		case t.Void:
			continue
		case t.Found:
			sum += t.Seconds
		default:
			sum += s.Lasts.Seconds()
		}
		n++
	}
	if n == 0 {
		return points
	}
	return append(points, plot.Point{X: math.Max(.5, float64(calm.False)) / calm.Months, Y: sum / n / 60, Label: label})
}

func (b *Book) regretTable(p *page) string {
	var out strings.Builder
	out.WriteString(b.incidentTable())
	best, _ := b.bestRival("everything")
	if best.Rule == "" {
		best = b.tuned["Gatus"]
	}
	names := trials.Families()
	bars := plot.Bars{Title: "Misrouted traffic by family of faults", X: "hours of a target's traffic per fault", Names: []string{"ours, adaptive", best.String(), "never act"}, Hues: []int{0, 2, 7}}
	var rows [][]string
	for family := 1; family < len(names); family++ {
		ours := b.ourRegret(family)
		if math.IsNaN(ours.Value) {
			continue
		}
		theirs, never := b.ruleRegret(family, best), b.ruleRegret(family, policies.Spec{Rule: "never act"})
		hindsight, least := policies.Spec{}, math.Inf(1)
		for _, s := range b.rivals() {
			if f := b.ruleRegret(family, s); f.Value < least {
				hindsight, least = s, f.Value
			}
		}
		ok := "yes"
		if ours.Value > 1.1*theirs.Value+slack {
			ok = "**no**"
		}
		rows = append(rows, []string{fmt.Sprintf("%d %s", family, names[family]), show(ours, 3), show(theirs, 3), fmt.Sprintf("%.2f", ours.Value/theirs.Value), ok,
			fmt.Sprintf("%.3f (%s)", least, hindsight), fmt.Sprintf("%.3f", never.Value)})
		bars.Categories = append(bars.Categories, names[family])
		bars.Values = append(bars.Values, []float64{ours.Value, theirs.Value, never.Value})
	}
	if len(rows) == 0 {
		return out.String()
	}
	if b.profile.side > 0 {
		p.pictures["regret.svg"] = bars.SVG()
	}
	out.WriteString("\nHours of one target's traffic per fault that went where it should not, or were withheld from a well target, by family of scenarios. \"Best in hindsight\" is whichever rule happens to suit the family.\n\n")
	if b.profile.side > 0 {
		out.WriteString("![Misrouted traffic by family](evaluation/regret.svg)\n\n")
	}
	out.WriteString(table([]string{"family", "ours, adaptive", best.String(), "ratio", "at most 1.1, or 0.01 h more", "best in hindsight", "never act"}, rows))
	return out.String()
}

// incidentTable is the regret of months in which faults come as they do.
func (b *Book) incidentTable() string {
	var rows [][]string
	row := func(name string, adaptive bool, s policies.Spec) {
		r := []string{name}
		for _, mix := range []string{"errors", "everything"} {
			c, f := b.incident(mix, adaptive, s)
			if c.Ill == 0 {
				return
			}
			r = append(r, fmt.Sprintf("%.2f", c.ToBad/c.Ill), fmt.Sprintf("%.2f", c.Held/c.Ill), show(f, 2))
		}
		c, _ := b.incident("everything", adaptive, s)
		rows = append(rows, append(r, fmt.Sprintf("%.0f", c.Probes/c.Ill/30)))
	}
	row("**ours, adaptive**", true, policies.Spec{})
	row("ours, fixed", false, policies.Spec{})
	for _, s := range b.contenders(policies.Probing()) {
		row(s.String(), false, s)
	}
	if len(rows) == 0 {
		return ""
	}
	return "Months of eight targets whose faults come as they did at real providers (3.2 days apart, an hour in the median): hours misrouted per target-month, to ill targets and withheld from well ones.\n" +
		"\"Errors\" are outages (40 %), 30 % errors (40 %) and 5 % errors (20 %); \"everything\" adds slowness, overload, long and wrong answers.\n\n" +
		table([]string{"policy", "errors: to bad", "withheld", "total", "everything: to bad", "withheld", "total", "probes a day"}, rows)
}

func (b *Book) placeTable() string {
	type tally struct{ n, first, settled, told int }
	kinds := map[string]*tally{}
	for _, t := range b.ours(trials.Places).Trials {
		k := kinds[t.Kind]
		if k == nil {
			k = &tally{}
			kinds[t.Kind] = k
		}
		k.n++
		if t.Found {
			k.told++
		}
		if t.Right {
			k.first++
		}
		if t.Settled {
			k.settled++
		}
	}
	var rows [][]string
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		k := kinds[name]
		rows = append(rows, []string{name, fmt.Sprint(k.n), fmt.Sprint(k.told), percent(limits.Share(k.first, k.n)), percent(limits.Share(k.settled, k.n))})
	}
	var out strings.Builder
	if len(rows) > 0 {
		out.WriteString("24 targets: 3 providers, 4 models of each, 2 regions; one vantage. A random group fails; the cause that is named with the first verdict, and 30 s later, when every target was asked once.\nOf the vantage, no verdict at all is right as well.\n\n")
		out.WriteString(table([]string{"what fails", "trials", "verdicts", "right with the first verdict", "right in its round"}, rows))
	}
	out.WriteString(b.blameTable())
	return out.String()
}

func (b *Book) blameTable() string {
	type tally struct{ n, others, groups int }
	kinds := map[string]*tally{}
	for _, t := range b.ours(trials.Blame).Trials {
		k := kinds[t.Kind]
		if k == nil {
			k = &tally{}
			kinds[t.Kind] = k
		}
		k.n++
		if t.Blamed > 0 {
			k.others++
		}
		if t.Wrong > 0 {
			k.groups++
		}
	}
	var rows [][]string
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		k := kinds[name]
		rows = append(rows, []string{name, fmt.Sprint(k.n), fmt.Sprint(k.others), fmt.Sprint(k.groups)})
	}
	if len(rows) == 0 {
		return ""
	}
	out := "\nTen minutes in which our own side is at fault, over the same 24 targets: trials in which somebody else is blamed, and of those in which a provider, model or region is.\n\n" +
		table([]string{"what happens to us", "trials", "others blamed", "provider, model or region blamed"}, rows)
	return out + b.downsTable()
}

func (b *Book) downsTable() string {
	var rows [][]string
	row := func(name string, e entry) {
		e.work, e.scenario, e.noise = trials.Downs, "three", world.Real
		c := b.column(e)
		r := []string{name}
		for _, t := range c.Trials {
			r = append(r, fmt.Sprintf("%d of %d", t.Blamed, t.Probes))
		}
		if len(c.Trials) == 2 {
			rows = append(rows, r)
		}
	}
	row("**ours**", entry{engine: trials.Engine{Budget: 1}})
	for _, s := range b.rules(false) {
		row(s.String(), entry{rule: s})
	}
	if len(rows) == 0 {
		return ""
	}
	return "\nFive months of a public prober's checks of two status pages, replayed: how many of the recorded downs become a verdict against the provider. All but one of them were refused methods, bot walls or the prober's own network.\n\n" +
		table([]string{"policy", "Anthropic", "OpenAI"}, rows)
}

func (b *Book) trafficTable() string {
	var rows [][]string
	specs := b.contenders(policies.OnTraffic())
	var measured []string
	for _, s := range b.scenarios {
		if c := b.column(entry{work: trials.Faults, scenario: s.Name, noise: world.Normal, traffic: true, engine: b.whole(true), adaptive: true}); len(c.Trials) > 0 {
			measured = append(measured, s.Name)
		}
	}
	calm := func(e entry) string {
		e.work, e.noise, e.traffic = trials.Months, world.Normal, true
		if c := b.column(e); c.Months > 0 {
			return show(rate(c), 2)
		}
		return "–"
	}
	one := func(name string, e entry) {
		r := []string{name, calm(e)}
		any := false
		for _, name := range measured {
			f := e
			f.work, f.noise, f.traffic, f.scenario = trials.Faults, world.Normal, true, name
			c := b.column(f)
			any = any || len(c.Trials) > 0
			r = append(r, withMissed(mean(seconds(c)), c)+fmt.Sprintf(", %.2f h", limits.Mean(regret(c, false)).Value))
		}
		m := e
		m.work, m.scenario, m.noise, m.traffic, m.mix = trials.Incidents, "eight", world.Normal, true, "errors"
		r = append(r, show(limits.Mean(b.column(m).Seconds), 2))
		if any {
			rows = append(rows, r)
		}
	}
	one("**ours**", entry{engine: b.whole(true), adaptive: true})
	for _, s := range specs {
		one(s.String(), entry{rule: s})
	}
	if len(rows) == 0 {
		return ""
	}
	head := append([]string{"policy", "false verdicts a month"}, measured...)
	return "One request a second beside the probes. The rules of gateways see nothing but requests: Envoy's outlier detection (its success-rate mode needs a hundred requests in ten seconds and five hosts), LiteLLM's cooldowns.\nMean time to the verdict, hours misrouted per fault, and per target-month of incidents.\n\n" +
		table(append(head, "months of errors, h"), rows)
}

func (b *Book) ablationTable() string {
	var names []string
	for _, s := range b.scenarios {
		if s.Ablated {
			names = append(names, s.Name)
		}
	}
	var rows [][]string
	row := func(name string, e trials.Engine) {
		r := []string{name}
		any := false
		for _, n := range []world.Kind{world.Normal, world.T3, world.AR6} {
			c := b.column(entry{work: trials.Months, noise: n, engine: e, adaptive: e.Adaptive})
			any = any || c.Months > 0
			r = append(r, show(rate(c), 2))
		}
		for _, s := range names {
			c := b.column(entry{work: trials.Faults, scenario: s, noise: world.Normal, engine: e, adaptive: e.Adaptive})
			r = append(r, withMissed(mean(seconds(c)), c))
		}
		if any {
			rows = append(rows, r)
		}
	}
	row("**whole, adaptive**", b.whole(true))
	row("no adaptive cadence", b.whole(false))
	for _, a := range ablations {
		for _, adaptive := range []bool{true, false} {
			e := b.whole(adaptive)
			e.Ablation = a.part
			row("no "+a.name+", "+strings.TrimSuffix(cadence(adaptive), " cadence"), e)
		}
	}
	if len(rows) < 3 {
		return ""
	}
	return "The engine with one part left out: false verdicts per target-month in three noises, and mean time to the verdict.\n\n" +
		table(append([]string{"engine", "normal", "Student t", "correlated .6"}, names...), rows)
}

func (b *Book) realTable() string {
	var rows [][]string
	for _, s := range b.scenarios {
		if !s.Swept {
			continue
		}
		r := []string{s.Name}
		any := false
		for _, n := range world.Kinds() {
			for _, adaptive := range []bool{false, true} {
				c := b.fault(s.Name, n, adaptive)
				any = any || (n != world.Normal && len(c.Trials) > 0)
				r = append(r, withMissed(mean(seconds(c)), c))
			}
		}
		if any {
			rows = append(rows, r)
		}
	}
	if len(rows) == 0 {
		return ""
	}
	head := []string{"fault"}
	for _, n := range world.Kinds() {
		head = append(head, noiseNames[n]+", fixed", "adaptive")
	}
	series, samples := world.Recorded()
	var sources []string
	for _, name := range slices.Sorted(maps.Keys(series)) {
		sources = append(sources, fmt.Sprintf("%s (%d series, %d samples)", name, series[name], samples[name]))
	}
	return "Mean time to the verdict where the noise is not normal. Recorded noise is the residuals of " + strings.Join(sources, ", ") + ", in blocks of 20 neighbours, into which the fault is spliced.\n\n" + table(head, rows)
}

func (b *Book) scenarioTable() string {
	var rows [][]string
	for _, s := range b.scenarios {
		c := b.fault(s.Name, world.Normal, true)
		if len(c.Trials) == 0 {
			continue
		}
		rows = append(rows, b.scenarioRow(&s, c))
	}
	if len(rows) == 0 {
		return ""
	}
	return "Adaptive cadence, normal noise, first target. Exit and full weight count from the end of the fault.\n\n" +
		table([]string{"family", "scenario", "found", "mean", "median", "95th", "probes", "tokens", "right cause", "weight < .5", "exit", "its limit", "weight ≥ .95", "flaps, 95th", "verdicts on the well", "misrouted, h"}, rows)
}

func (b *Book) scenarioRow(s *trials.Scenario, c *trials.Column) []string {
	xs := seconds(c)
	k, n := found(c)
	right := 0
	wrong := 0
	var half, exit, back, flaps []float64
	for _, t := range c.Trials {
		wrong += t.Wrong
		if t.Void {
			continue
		}
		if t.Found && t.Settled {
			right++
		}
		flaps = append(flaps, float64(t.Flaps))
		for _, x := range []struct {
			v  float64
			to *[]float64
		}{{t.Half, &half}, {t.Exit, &exit}, {t.Back, &back}} {
			if x.v >= 0 {
				*x.to = append(*x.to, x.v)
			}
		}
	}
	cause := "–"
	if len(s.Causes) > 0 && k > 0 {
		cause = fmt.Sprintf("%d of %d", right, k)
	}
	tokens := limits.Mean(pick(c, func(t trials.Trial) float64 { return float64(t.Tokens) }))
	found := fmt.Sprintf("%d of %d", k, n)
	if s.Calm {
		found += " (none is right)"
	}
	return []string{fmt.Sprint(s.Family), s.Name, found, mean(xs), clock(limits.Median(xs)), clock(limits.Quantile(xs, .95)),
		show(limits.Mean(probes(c)), 1), show(limits.Figure{Value: tokens.Value, Low: math.Inf(-1)}, 0), cause, mean(half), mean(exit), exitLimit(s), mean(back),
		fmt.Sprintf("%.0f", limits.Quantile(flaps, .95)), fmt.Sprint(wrong), show(limits.Mean(regret(c, s.Fleet == trials.Pool)), 3)}
}

// exitLimit is Wald's: the mean time until healthy answers every 5 s outweigh
// the fault a hundred to one.
func exitLimit(s *trials.Scenario) string {
	if s.Limit == nil {
		return "–"
	}
	return clock(5 * limits.Recovery(s.Limit, .01))
}
