package main

import (
	"math"
	"slices"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/alerting"
	"github.com/bellwether-llm/bellwether/scoring"
)

// tally adds up what a replay concludes. Everything in it grows with the
// verdicts at most, not with the history.
type tally struct {
	from, to            time.Time
	observations, known int // in all; of this config's targets
	revisions           int
	targets             []*targetTally // in the order of the config
	byID                map[string]*targetTally
	routes              map[string]*routeTally
	alerts              alertTally
}

// targetTally adds up one target. Hours of weight are hours times a weight: an
// hour at weight 0.3 withholds 0.7.
type targetTally struct {
	id       string
	routed   bool // stands in a route, and so has published weights
	state    bellwether.State
	since    time.Time
	hours    map[bellwether.State]float64
	verdicts map[bellwether.State]int

	weight                 float64
	at                     time.Time // up to which the weight is counted
	withheld, failed, idle float64   // hours of weight; see [targetSummary]
	bad                    float64   // the part of the calls last seen that failed; -1 is not known
	badAt                  time.Time
	patience               time.Duration // how long an observation speaks for what follows it

	episodes []episode
}

// episode is one time of a target being ill, in the words of its verdicts.
type episode struct {
	Target  string           `json:"target"`
	Onset   time.Time        `json:"onset"` // estimated
	Began   time.Time        `json:"began"` // when the verdict said so
	Ended   time.Time        `json:"ended,omitzero"`
	Worst   bellwether.State `json:"worst"`
	Cause   bellwether.Cause `json:"cause,omitempty"`
	Reason  string           `json:"reason,omitempty"` // the first one, in words
	Ongoing bool             `json:"ongoing,omitempty"`
}

// routeTally adds up one route.
type routeTally struct {
	base, shares  []float64
	at            time.Time
	mode          bellwether.Mode
	moved, turned float64
	modes         map[bellwether.Mode]float64 // hours
}

// replayChannel stands in for the channels of the config: what is owed to it
// is owed to each of them.
const replayChannel = "replay"

// alertTally folds the changes into the incidents that people would have seen.
type alertTally struct {
	tracker   *alerting.Tracker
	open      map[string]bool
	ill       map[string]bool // targets whose verdict may yet open or hold an incident
	incidents int
	kinds     map[string]int // messages for each channel, by kind
	worst     map[string]bellwether.State
	told      map[string]bool
	channels  []string
}

func newTally(cfg Config, ec scoring.Config, routes map[string]bellwether.RouteWeights) *tally {
	t := &tally{byID: map[string]*targetTally{}, routes: map[string]*routeTally{}}
	for _, target := range cfg.Targets {
		one := &targetTally{id: target.ID, state: bellwether.Unknown, weight: 1, bad: -1, hours: map[bellwether.State]float64{},
			verdicts: map[bellwether.State]int{}, patience: max(3*ec.Interval[target.ID]*time.Duration(max(1, len(ec.Vantages))), 30*time.Second)}
		t.targets, t.byID[target.ID] = append(t.targets, one), one
	}
	for name, r := range sortedMap(routes) {
		rt := &routeTally{mode: r.Mode, modes: map[bellwether.Mode]float64{}}
		for _, tw := range r.Targets {
			rt.base = append(rt.base, tw.Share)
			t.byID[tw.Target].routed = true
		}
		rt.shares, t.routes[name] = slices.Clone(rt.base), rt
	}
	alerts := cfg.alertConfig()
	alerts.Slack, alerts.Webhooks = alerting.SlackConfig{}, []alerting.WebhookConfig{{Name: replayChannel}}
	t.alerts = alertTally{tracker: alerting.NewTracker(alerts, cfg.targets(), nil), open: map[string]bool{}, ill: map[string]bool{},
		kinds: map[string]int{}, worst: map[string]bellwether.State{}, told: map[string]bool{}, channels: cfg.Alerting.Channels()}
	return t
}

// record takes note of a record before it is folded.
func (t *tally) record(r bellwether.Record) {
	if t.from.IsZero() {
		t.from = r.At
		for _, one := range t.targets {
			one.since, one.at = r.At, r.At
		}
		for _, rt := range t.routes {
			rt.at = r.At
		}
	}
	if r.At.After(t.to) {
		t.to = r.At
	}
	switch {
	case r.Observation != nil:
		t.observations++
		if one := t.byID[r.Observation.Target]; one != nil {
			t.known++
			one.settle(t.to)
			one.see(r.Observation, t.to)
		}
	case r.Override == nil:
		t.alerts.tick(r.At)
	}
}

// see takes how many of an observation's calls failed; excluded outcomes, and
// what our own host spoiled, say nothing.
func (t *targetTally) see(o *bellwether.Observation, at time.Time) {
	var good, bad int
	count := func(outcome bellwether.Outcome, n int) {
		switch m := outcome.Meaning(); {
		case m.Availability == bellwether.Bad || m.Sanity == bellwether.Bad:
			bad += n
		case m.Availability == bellwether.Good:
			good += n
		}
	}
	for outcome, n := range o.Counts {
		count(outcome, n)
	}
	if o.Outcome != "" {
		count(o.Outcome, 1)
	}
	if good+bad > 0 && o.Doubtful == "" {
		t.bad, t.badAt = float64(bad)/float64(good+bad), at
	}
}

// settle counts the weight up to at.
func (t *targetTally) settle(at time.Time) {
	dt := at.Sub(t.at)
	if dt <= 0 {
		return
	}
	if t.routed {
		t.withheld += (1 - t.weight) * dt.Hours()
		if t.bad >= 0 {
			if heard := min(dt, t.badAt.Add(t.patience).Sub(t.at)).Hours(); heard > 0 {
				t.failed += t.bad * t.weight * heard
				t.idle += (1 - t.bad) * (1 - t.weight) * heard
			}
		}
	}
	t.at = at
}

// change takes a change of a verdict.
func (t *tally) change(c bellwether.Change) {
	t.alerts.change(c)
	one := t.byID[c.Target]
	if one == nil {
		return
	}
	if c.From != c.To {
		one.hours[one.state] += c.At.Sub(one.since).Hours()
		one.verdicts[c.To]++
		one.state, one.since = c.To, c.At
	}
	last := len(one.episodes) - 1
	ill := last >= 0 && one.episodes[last].Ongoing
	switch {
	case c.To.Severity() > 0 && !ill:
		e := episode{Target: c.Target, Onset: c.Since, Began: c.At, Worst: c.To, Cause: c.Cause, Reason: why(c.Reasons), Ongoing: true}
		if e.Onset.IsZero() || e.Onset.After(c.At) {
			e.Onset = c.At
		}
		one.episodes = append(one.episodes, e)
	case c.To.Severity() > 0:
		e := &one.episodes[last]
		e.Cause = c.Cause
		if c.To.Severity() > e.Worst.Severity() {
			e.Worst = c.To
		}
	case ill:
		one.episodes[last].Ongoing, one.episodes[last].Ended = false, c.At
	}
}

// publish takes a revision of the weights.
func (t *tally) publish(at time.Time, routes map[string]bellwether.RouteWeights) {
	t.revisions++
	for name, r := range routes {
		rt := t.routes[name]
		rt.settle(at)
		rt.mode = r.Mode
		for i, tw := range r.Targets {
			rt.turned += math.Abs(tw.Share-rt.shares[i]) / 2
			rt.shares[i] = tw.Share
			one := t.byID[tw.Target]
			one.settle(at)
			one.weight = tw.Weight
		}
	}
}

// settle counts the shares up to at.
func (r *routeTally) settle(at time.Time) {
	dt := at.Sub(r.at).Hours()
	if dt <= 0 {
		return
	}
	for i, s := range r.shares {
		r.moved += math.Abs(s-r.base[i]) / 2 * dt
	}
	r.modes[r.mode] += dt
	r.at = at
}

// end closes the books at the last record.
func (t *tally) end() {
	for _, one := range t.targets {
		one.settle(t.to)
		if !t.to.IsZero() {
			one.hours[one.state] += t.to.Sub(one.since).Hours()
		}
	}
	for _, rt := range t.routes {
		rt.settle(t.to)
	}
	t.alerts.tick(t.to)
}

func (a *alertTally) change(c bellwether.Change) {
	if c.To == bellwether.Healthy {
		delete(a.ill, c.Target)
	} else {
		a.ill[c.Target] = true
	}
	a.take(a.tracker.Fold(c))
}

// tick lets time pass, where that can change anything.
func (a *alertTally) tick(at time.Time) {
	if len(a.open)+len(a.ill) > 0 {
		a.take(a.tracker.Tick(at))
	}
}

func (a *alertTally) take(updates []alerting.Update) {
	for _, u := range updates {
		in := u.Incident
		if _, known := a.worst[in.ID]; !known {
			a.incidents++
		}
		a.worst[in.ID] = in.Severity
		if in.State == bellwether.IncidentOpen {
			a.open[in.ID] = true
		} else {
			delete(a.open, in.ID)
		}
		for _, d := range u.Owed {
			a.kinds[d.Kind]++
			if d.Kind == alerting.KindOpened {
				a.told[in.ID] = true
			}
		}
	}
}
