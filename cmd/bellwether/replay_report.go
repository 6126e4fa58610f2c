package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/alerting"
)

// replaySummary is what a replay comes to. Hours and shares have four
// decimals.
type replaySummary struct {
	Config       string                   `json:"config"`
	From         time.Time                `json:"from"`
	To           time.Time                `json:"to"`
	Observations int                      `json:"observations"`
	Known        int                      `json:"of_configured_targets"`
	Verdicts     map[bellwether.State]int `json:"verdicts"`  // changes into each state
	IllHours     float64                  `json:"ill_hours"` // degraded, failing or down, all targets together
	Targets      []targetSummary          `json:"targets"`
	Routes       []routeSummary           `json:"routes"`
	Revisions    int                      `json:"revisions"` // of the weights
	Alerts       alertSummary             `json:"alerts"`
}

// targetSummary is one target's part. An hour at weight 0.3 withholds 0.7
// hours of weight. Of those, idle ones were withheld while calls succeeded;
// failed ones were given while calls failed. Their sum is what a weight that
// knew the outcome of every call would have saved. Targets in no route have
// none of the three.
type targetSummary struct {
	Target   string                       `json:"target"`
	Verdicts map[bellwether.State]int     `json:"verdicts"`
	Hours    map[bellwether.State]float64 `json:"hours"` // in each state
	Withheld float64                      `json:"weight_hours_withheld"`
	Idle     float64                      `json:"weight_hours_withheld_while_well"`
	Failed   float64                      `json:"weight_hours_given_while_failing"`
}

// routeSummary is one route's part: the integral of the share that stood
// elsewhere than by base weights, and how much share changed hands in all.
type routeSummary struct {
	Route  string                      `json:"route"`
	Moved  float64                     `json:"share_hours_moved"`
	Turned float64                     `json:"share_changes"`
	Modes  map[bellwether.Mode]float64 `json:"hours_by_mode"`
}

// alertSummary is what people would have been told.
type alertSummary struct {
	Incidents  int                      `json:"incidents"`
	Alerts     int                      `json:"alerts"` // incidents severe enough to tell of
	BySeverity map[bellwether.State]int `json:"by_severity"`
	Messages   map[string]int           `json:"messages"` // to each channel, by kind
	Channels   []string                 `json:"channels"`
}

// summary returns what t comes to, under the name of its config.
func (t *tally) summary(config string) replaySummary {
	s := replaySummary{Config: config, From: t.from, To: t.to, Observations: t.observations, Known: t.known, Revisions: t.revisions,
		Verdicts: map[bellwether.State]int{}, Targets: []targetSummary{}, Routes: []routeSummary{}}
	for _, one := range t.targets {
		hours := map[bellwether.State]float64{}
		for state, h := range sortedMap(one.hours) {
			hours[state] = four(h)
			if state.Severity() > 0 {
				s.IllHours += h
			}
		}
		for state, n := range one.verdicts {
			s.Verdicts[state] += n
		}
		s.Targets = append(s.Targets, targetSummary{Target: one.id, Verdicts: one.verdicts, Hours: hours,
			Withheld: four(one.withheld), Idle: four(one.idle), Failed: four(one.failed)})
	}
	s.IllHours = four(s.IllHours)
	for name, r := range sortedMap(t.routes) {
		modes := map[bellwether.Mode]float64{}
		for mode, h := range r.modes {
			modes[mode] = four(h)
		}
		s.Routes = append(s.Routes, routeSummary{Route: name, Moved: four(r.moved), Turned: four(r.turned), Modes: modes})
	}
	a := &t.alerts
	s.Alerts = alertSummary{Incidents: a.incidents, Alerts: len(a.told), BySeverity: map[bellwether.State]int{}, Messages: a.kinds, Channels: append([]string{}, a.channels...)}
	for id := range a.told {
		s.Alerts.BySeverity[a.worst[id]]++
	}
	return s
}

// empty is an error where the history had nothing to score.
func (s replaySummary) empty(config string) error {
	switch {
	case s.Observations == 0:
		return errors.New("it holds no observations")
	case s.Known == 0:
		return fmt.Errorf("%s, none of a target of %s", count(s.Observations, "observation", "observations"), config)
	}
	return nil
}

func four(v float64) float64 { return math.Round(v*1e4) / 1e4 }

// The states of ill targets, the mildest first.
var illStates = [...]bellwether.State{bellwether.Degraded, bellwether.Failing, bellwether.Down}

// printSummary writes s for people. Targets of which nothing is to be said are
// counted in one line.
func printSummary(w io.Writer, s replaySummary) {
	fmt.Fprintf(w, "%s from %s to %s (%s), %s of targets of %s\n", count(s.Observations, "observation", "observations"),
		s.From.UTC().Format(time.RFC3339), s.To.UTC().Format(time.RFC3339), span(s.To.Sub(s.From).Hours()), count(s.Known, "one", "of them"), s.Config)
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "\nTARGET\tDEGRADED\tFAILING\tDOWN\tTIME ILL\tUNKNOWN\tWEIGHT HELD BACK\tWHILE WELL\tGIVEN WHILE FAILING")
	quiet := 0
	for _, one := range s.Targets {
		var ill float64
		verdicts := 0
		for _, state := range illStates {
			ill += one.Hours[state]
			verdicts += one.Verdicts[state]
		}
		if verdicts == 0 && one.Withheld < .01 && one.Failed < .01 {
			quiet++
			continue
		}
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%s\t%s\t%s\t%s\t%s\n", one.Target, one.Verdicts[bellwether.Degraded], one.Verdicts[bellwether.Failing],
			one.Verdicts[bellwether.Down], span(ill), span(one.Hours[bellwether.Unknown]), span(one.Withheld), span(one.Idle), span(one.Failed))
	}
	_ = t.Flush()
	if quiet > 0 {
		fmt.Fprintf(w, "%s never ill, at full weight\n", count(quiet, "target", "targets"))
	}
	if len(s.Routes) > 0 {
		fmt.Fprintln(t, "\nROUTE\tSHARE MOVED\tSHARE CHANGES\tNOT NORMAL")
		for _, r := range s.Routes {
			var odd float64
			for mode, h := range sortedMap(r.Modes) {
				if mode != bellwether.ModeNormal {
					odd += h
				}
			}
			fmt.Fprintf(t, "%s\t%s\t%.2f\t%s\n", r.Route, span(r.Moved), r.Turned, span(odd))
		}
		_ = t.Flush()
		fmt.Fprintf(w, "%s of the weights\n", count(s.Revisions, "revision", "revisions"))
	}
	fmt.Fprintf(w, "\n%s\n", alertText(s.Alerts))
}

// alertText says who would have been told how often.
func alertText(a alertSummary) string {
	var by []string
	for i := len(illStates) - 1; i >= 0; i-- {
		if n := a.BySeverity[illStates[i]]; n > 0 {
			by = append(by, fmt.Sprintf("%d %s", n, illStates[i]))
		}
	}
	text := fmt.Sprintf("%s, of which %s", count(a.Incidents, "incident", "incidents"), count(a.Alerts, "would have alerted", "would have alerted"))
	if len(by) > 0 {
		text += " (" + strings.Join(by, ", ") + ")"
	}
	total := 0
	for _, n := range a.Messages {
		total += n
	}
	if len(a.Channels) == 0 {
		return text + "; no channel is set up to hear of them"
	}
	return fmt.Sprintf("%s: %s to each of %s", text, count(total, "message", "messages"), strings.Join(a.Channels, ", "))
}

// span writes hours as people say them.
func span(hours float64) string {
	d := time.Duration(hours * float64(time.Hour))
	switch {
	case d < time.Second/2:
		return "-"
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Round(time.Second).Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Round(time.Minute).Minutes()))
	case d < 48*time.Hour:
		d = d.Round(time.Minute)
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%.1fd", d.Hours()/24)
}

// replayPrinter writes what a replay finds, one line each.
type replayPrinter struct {
	out     io.Writer
	json    bool
	weights bool
}

func (p *replayPrinter) change(c bellwether.Change) error {
	c.Seq = 0 // of the replay, not of the store
	if p.json {
		return json.NewEncoder(p.out).Encode(c)
	}
	_, err := fmt.Fprintf(p.out, "%s  %s  %s -> %s  score %.0f  weight %.2f  %s\n",
		c.At.Format(time.RFC3339), c.Target, c.From, c.To, c.Score, c.Weight, why(c.Reasons))
	return err
}

func (p *replayPrinter) routes(w bellwether.Weights) error {
	if !p.weights {
		return nil
	}
	if p.json {
		return json.NewEncoder(p.out).Encode(w)
	}
	for name, r := range sortedMap(w.Routes) {
		line := fmt.Sprintf("%s  revision %d  %s (%s):", w.IssuedAt.Format(time.RFC3339), w.Revision, name, r.Mode)
		for _, t := range r.Targets {
			line += fmt.Sprintf(" %s %.2f/%.2f", t.Target, t.Weight, t.Share)
		}
		if _, err := fmt.Fprintln(p.out, line); err != nil {
			return err
		}
	}
	return nil
}

// end writes the summary: for people always, for machines when asked.
func (p *replayPrinter) end(s replaySummary, asked bool) error {
	if p.json {
		if !asked {
			return nil
		}
		return json.NewEncoder(p.out).Encode(map[string]replaySummary{"summary": s})
	}
	fmt.Fprintln(p.out)
	printSummary(p.out, s)
	return nil
}

// kindsOf returns the kinds of messages in the order in which they are shown.
func kindsOf(a, b map[string]int) []string {
	kinds := []string{alerting.KindOpened, alerting.KindChanged, alerting.KindResolved}
	for _, m := range []map[string]int{a, b} {
		for kind := range sortedMap(m) {
			if !slices.Contains(kinds, kind) {
				kinds = append(kinds, kind)
			}
		}
	}
	return kinds
}
