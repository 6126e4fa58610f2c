package main

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/bellwether-llm/bellwether/internal/evaluate/limits"
	"github.com/bellwether-llm/bellwether/internal/evaluate/policies"
	"github.com/bellwether-llm/bellwether/internal/evaluate/trials"
	"github.com/bellwether-llm/bellwether/internal/evaluate/world"
)

// goal is one row of the table of goals.
type goal struct {
	what, want, got string
	met             bool
	unknown         bool // nothing was measured
}

func (g goal) verdict() string {
	switch {
	case g.unknown:
		return "not measured"
	case g.met:
		return "met"
	}
	return "**not met**"
}

// monthProbes is how many probes a target has in a month at 30 s.
const monthProbes = 86400

// runLength returns the measured false-alarm run length of the engine in
// normal noise, in probes at 30 s; with no false verdict, half of one is
// assumed.
func (b *Book) runLength(adaptive bool) float64 {
	c := b.calm(world.Normal, adaptive)
	if c.Months == 0 {
		return monthProbes
	}
	return monthProbes * c.Months / math.Max(.5, float64(c.False))
}

// optimum returns D* of a scenario in probes, at the run length given.
func (b *Book) optimum(s *trials.Scenario, arl float64) float64 {
	key := fmt.Sprintf("%s/%.3f", s.Name, math.Log(arl))
	d, ok := b.optima[key]
	if !ok {
		d = limits.Optimum(s.Limit, arl)
		b.optima[key] = d
	}
	return d
}

// ratio is a measured mean delay over the limit at the measured false-alarm
// run length.
func (b *Book) ratio(s *trials.Scenario) limits.Figure {
	d := b.optimum(s, b.runLength(false))
	m := limits.Mean(probes(b.fault(s.Name, world.Normal, false)))
	return limits.Figure{Value: m.Value / d, Low: m.Low / d, High: m.High / d}
}

// bounded are the scenarios of a steady fault whose exact limit is known.
func (b *Book) bounded(small bool) []*trials.Scenario {
	var out []*trials.Scenario
	for i := range b.scenarios {
		s := &b.scenarios[i]
		if s.Limit != nil && (s.Limit.Information() < 2) == small && len(seconds(b.fault(s.Name, world.Normal, false))) > 0 {
			out = append(out, s)
		}
	}
	return out
}

func (b *Book) goals() []goal {
	gs := b.calmGoals()
	gs = append(gs, b.delayGoals()...)
	gs = append(gs, b.outageGoals()...)
	gs = append(gs, b.regretGoals()...)
	gs = append(gs, b.placeGoals()...)
	return append(gs, b.steadyGoals()...)
}

func (b *Book) calmGoals() []goal {
	var gs []goal
	for _, adaptive := range []bool{false, true} {
		var all trials.Column
		var each []string
		worst, least := 0.0, math.Inf(1)
		for _, n := range world.IdealKinds() {
			c := b.calm(n, adaptive)
			if c.Months == 0 {
				continue
			}
			all.Months, all.False = all.Months+c.Months, all.False+c.False
			r := rate(c).Value
			each = append(each, fmt.Sprintf("%s %.2f", n, r))
			worst, least = math.Max(worst, r), math.Min(least, r)
		}
		f := rate(&all)
		gs = append(gs, goal{
			what: "False verdicts per target-month on the ideal noises, at a budget of 1, " + cadence(adaptive), want: "0.8 to 1.2 times the budget",
			got: fmt.Sprintf("%s over all (%s)", show(f, 2), strings.Join(each, ", ")), met: least >= .8 && worst <= 1.2, unknown: all.Months == 0,
		})
	}
	for _, adaptive := range []bool{false, true} {
		c := b.calm(world.Real, adaptive)
		f := rate(c)
		gs = append(gs, goal{what: "False verdicts per target-month on recorded noise, " + cadence(adaptive), want: "at most 2 times the budget", got: show(f, 2), met: f.Value <= 2, unknown: c.Months == 0})
	}
	return gs
}

func cadence(adaptive bool) string {
	if adaptive {
		return "adaptive cadence"
	}
	return "fixed cadence"
}

func (b *Book) delayGoals() []goal {
	small, large := b.bounded(true), b.bounded(false)
	worst, name := limits.Figure{}, ""
	over := 0
	for _, s := range small {
		r := b.ratio(s)
		if r.Value > worst.Value {
			worst, name = r, s.Name
		}
		if r.Value > 1.5 {
			over++
		}
	}
	gs := []goal{{
		what: "Mean delay of small effects (I < 2) over the exact optimum D*, fixed cadence", want: "at most 1.5",
		got: fmt.Sprintf("%d of %d within; worst %s (%s)", len(small)-over, len(small), show(worst, 2), name), met: over == 0, unknown: len(small) == 0,
	}}
	worst, name = limits.Figure{}, ""
	over = 0
	for _, s := range large {
		m := limits.Mean(probes(b.fault(s.Name, world.Normal, false)))
		if m.Value > worst.Value {
			worst, name = m, s.Name
		}
		if m.Value > 4 {
			over++
		}
	}
	gs = append(gs, goal{what: "Mean delay of large effects (I ≥ 2), fixed cadence", want: "at most 4 probes",
		got: fmt.Sprintf("%d of %d within; worst %s probes (%s)", len(large)-over, len(large), show(worst, 2), name), met: over == 0, unknown: len(large) == 0})
	product, n, slowest, which := 0.0, 0.0, math.Inf(1), ""
	for _, s := range append(small, large...) {
		f := limits.Mean(seconds(b.fault(s.Name, world.Normal, false))).Value / limits.Mean(seconds(b.fault(s.Name, world.Normal, true))).Value
		if math.IsNaN(f) {
			continue
		}
		product, n = product+math.Log(f), n+1
		if f < slowest {
			slowest, which = f, s.Name
		}
	}
	mean := math.Exp(product / n)
	fixed, adaptive := b.calm(world.Normal, false), b.calm(world.Normal, true)
	return append(gs, goal{what: fmt.Sprintf("Speed-up by adaptive cadence at equal cost (%.2f times the tokens), geometric mean over %.0f faults", perMonth(adaptive.Tokens, adaptive)/perMonth(fixed.Tokens, fixed), n),
		want: "at least 1.8", got: fmt.Sprintf("%.2f; least %.2f (%s)", mean, slowest, which), met: mean >= 1.8, unknown: n == 0})
}

func perMonth(x float64, c *trials.Column) float64 { return x / math.Max(1, c.Months) }

func (b *Book) outageGoals() []goal {
	down := b.fault("down, 5xx", world.Normal, true)
	m := limits.Mean(seconds(down))
	gs := []goal{{what: "Hard outage, adaptive cadence: mean time to the verdict", want: "within 45 s", got: show(m, 1) + " s", met: m.Value <= 45, unknown: math.IsNaN(m.Value)}}
	late, most, n := 0, 0, 0
	var at []float64
	for _, t := range down.Trials {
		if t.Void {
			continue
		}
		n++
		at = append(at, float64(t.HalfAt))
		most = max(most, t.HalfAt)
		if t.Half < 0 || t.HalfAt > 4 {
			late++
		}
	}
	gs = append(gs, goal{what: "Hard outage: weight under 0.5", want: "by the 4th failed probe", got: fmt.Sprintf("by probe %.1f on average, %d at the latest; %d of %d later than the 4th", limits.Mean(at).Value, most, late, n), met: late == 0, unknown: n == 0})
	traffic := b.column(entry{work: trials.Faults, scenario: "down, 5xx", noise: world.Normal, traffic: true, engine: b.whole(true), adaptive: true})
	m = limits.Mean(seconds(traffic))
	return append(gs, goal{what: "Hard outage with one real request a second: mean time to the verdict", want: "within 10 s", got: show(m, 1) + " s", met: m.Value <= 10, unknown: math.IsNaN(m.Value)})
}

// rivals are the rules that judge probes, as shipped and as tuned, without the
// one that never acts.
func (b *Book) rivals() []policies.Spec {
	return slices.DeleteFunc(b.contenders(policies.Probing()), func(s policies.Spec) bool { return s.Rule == "never act" })
}

// misrouted is the mean regret over the scenarios of a family, hours a fault.
func (b *Book) misrouted(family int, of func(name string) *trials.Column) limits.Figure {
	var means, errors []float64
	for _, s := range b.scenarios {
		if s.Family != family {
			continue
		}
		if m := limits.Mean(regret(of(s.Name), s.Fleet == trials.Pool)); !math.IsNaN(m.Value) {
			means, errors = append(means, m.Value), append(errors, m.Error())
		}
	}
	f, v := limits.Mean(means).Value, 0.0
	for _, e := range errors {
		v += e * e
	}
	e := 1.96 * math.Sqrt(v) / float64(len(errors))
	return limits.Figure{Value: f, Low: f - e, High: f + e}
}

func (b *Book) ourRegret(family int) limits.Figure {
	return b.misrouted(family, func(n string) *trials.Column { return b.fault(n, world.Normal, true) })
}

func (b *Book) ruleRegret(family int, s policies.Spec) limits.Figure {
	return b.misrouted(family, func(n string) *trials.Column { return b.faultRule(n, world.Normal, s) })
}

// incident is a column of the months of incidents, and its regret per
// target-month.
func (b *Book) incident(mix string, adaptive bool, rule policies.Spec) (*trials.Column, limits.Figure) {
	e := entry{work: trials.Incidents, scenario: "eight", noise: world.Normal, mix: mix, rule: rule, adaptive: adaptive}
	if rule.Rule == "" {
		e.engine = b.whole(adaptive)
	}
	c := b.column(e)
	return c, limits.Mean(c.Seconds)
}

// bestRival is the rule with the least regret over the months of incidents.
func (b *Book) bestRival(mix string) (best policies.Spec, least limits.Figure) {
	least.Value = math.Inf(1)
	for _, s := range b.rivals() {
		if _, f := b.incident(mix, false, s); f.Value < least.Value {
			best, least = s, f
		}
	}
	return best, least
}

// slack is the regret that makes no difference: 36 s of a target's traffic.
const slack = .01

func (b *Book) regretGoals() []goal {
	var gs []goal
	best := policies.Spec{}
	for _, mix := range []string{"everything", "errors"} {
		_, ours := b.incident(mix, true, policies.Spec{})
		rival, least := b.bestRival(mix)
		if best.Rule == "" {
			best = rival
		}
		f := ours.Over(least)
		gs = append(gs, goal{what: "Regret over months of incidents (" + mix + "), of the best other rule's", want: "at most half",
			got: fmt.Sprintf("%s (%.2f h against %.2f h of %s)", show(f, 2), ours.Value, least.Value, rival), met: f.Value <= .5, unknown: math.IsNaN(f.Value)})
	}
	var over []string
	n := 0
	for family, name := range trials.Families() {
		if family == 0 || best.Rule == "" {
			continue
		}
		ours, theirs := b.ourRegret(family), b.ruleRegret(family, best)
		if math.IsNaN(ours.Value) {
			continue
		}
		n++
		if ours.Value > 1.1*theirs.Value+slack {
			over = append(over, fmt.Sprintf("%s %.2f times", name, ours.Value/theirs.Value))
		}
	}
	got := fmt.Sprintf("%d of %d families within, against %s", n-len(over), n, best)
	if len(over) > 0 {
		got += "; more in " + strings.Join(over, ", ")
	}
	return append(gs, goal{what: "Regret in every family of scenarios", want: "at most 1.1 times the best other rule's, or 0.01 h more", got: got, met: len(over) == 0, unknown: best.Rule == "" || n == 0})
}

func (b *Book) ours(w trials.Work) *trials.Column {
	return b.column(entry{work: w, scenario: "grid", noise: world.Normal, engine: b.whole(true), adaptive: true})
}

func (b *Book) placeGoals() []goal {
	right, n := 0, 0
	for _, t := range b.ours(trials.Places).Trials {
		if strings.HasSuffix(t.Kind, "outage") {
			n++
			if t.Settled {
				right++
			}
		}
	}
	f := limits.Share(right, n)
	blame := b.ours(trials.Blame)
	wrong, provider := 0, 0
	for _, t := range blame.Trials {
		if t.Blamed > 0 {
			wrong++
		}
		if t.Wrong > 0 {
			provider++
		}
	}
	return []goal{
		{what: "Right group named, full outages, in the round of detection", want: "at least 95 %", got: percent(f), met: f.Value >= .95, unknown: n == 0},
		{what: fmt.Sprintf("Trials in which a provider, model or region is blamed for a fault of our own, of %d", len(blame.Trials)), want: "none in 1,000",
			got: fmt.Sprintf("%d (%d with a single target blamed counted in)", provider, wrong), met: provider == 0, unknown: len(blame.Trials) == 0},
	}
}

func (b *Book) steadyGoals() []goal {
	worst, name, n := 0.0, "", 0
	for _, s := range b.scenarios {
		var xs []float64
		for _, t := range b.fault(s.Name, world.Normal, true).Trials {
			if !t.Void && !s.Calm && s.Name != "down twice in an hour" && s.Name != "2 minutes in 20" {
				xs = append(xs, float64(t.Flaps))
			}
		}
		if len(xs) == 0 {
			continue
		}
		n++
		if q := limits.Quantile(xs, .95); q > worst {
			worst, name = q, s.Name
		}
	}
	got := fmt.Sprintf("%.0f at most, in %d scenarios", worst, n)
	if name != "" {
		got += " (" + name + ")"
	}
	gs := []goal{{what: "Changes between well and ill beyond two per fault, 95th percentile", want: "at most 1", got: got, met: worst <= 1, unknown: n == 0}}
	var parts []string
	over := false
	for _, r := range rhythms {
		c := b.column(entry{work: trials.Months, noise: world.Normal, diurnal: r.d, engine: b.whole(true), adaptive: true})
		if c.Months > 0 {
			f := rate(c)
			parts = append(parts, fmt.Sprintf("%s: %s", r.name, show(f, 2)))
			over = over || f.Value > 1
		}
	}
	return append(gs, goal{what: "False verdicts per target-month on daily rhythms without fault", want: "within the budget of 1", got: strings.Join(parts, "; "), met: !over, unknown: len(parts) == 0})
}

// show writes a figure with its interval.
func show(f limits.Figure, digits int) string {
	if math.IsNaN(f.Value) {
		return "–"
	}
	if math.IsInf(f.Low, 0) || math.IsInf(f.High, 0) {
		return fmt.Sprintf("%.*f", digits, f.Value)
	}
	return fmt.Sprintf("%.*f [%.*f, %.*f]", digits, f.Value, digits, math.Max(0, f.Low), digits, f.High)
}

func percent(f limits.Figure) string {
	if math.IsNaN(f.Value) {
		return "–"
	}
	return fmt.Sprintf("%.1f %% [%.1f, %.1f]", 100*f.Value, 100*f.Low, 100*f.High)
}
