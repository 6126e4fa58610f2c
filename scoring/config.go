package scoring

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/conf"
)

// Act says what a signal may do: "act" (move verdicts and weights, the
// default), "inform" (be shown, move nothing), "cap: 0.5" (lower a weight to
// that at most, and say no worse than degraded), or "ignore".
type Act string

// parse returns the kind of action and, for a cap, the lowest weight.
func (a Act) parse() (act action, floor float64, ok bool) {
	switch s := strings.TrimSpace(string(a)); s {
	case "", "act":
		return acts, 0, true
	case "inform":
		return informs, 0, true
	case "ignore":
		return ignored, 0, true
	default:
		rest, isCap := strings.CutPrefix(s, "cap")
		v, err := strconv.ParseFloat(strings.Trim(rest, ": "), 64)
		return caps, v, isCap && err == nil && v >= 0 && v <= 1
	}
}

type action uint8

const (
	acts action = iota
	informs
	caps
	ignored
)

// Policy is the `scoring` section of the config. Its zero value is sensible.
type Policy struct {
	// FalseAlarms is how many false degradations of one target in a month of
	// 30 days are acceptable; every threshold follows from it. 0 means 0.25.
	FalseAlarms float64 `yaml:"false_alarms_per_target_month"`
	// Signals says what each signal may do: act (the default), inform,
	// "cap: 0.5" or ignore.
	Signals map[bellwether.Signal]Act `yaml:"signals"`
	// UserSignals declares up to four signals of your own that are scored: numbers
	// that you send with POST /v1/signals. Others are kept and shown only.
	UserSignals map[bellwether.Signal]UserSignal `yaml:"user_signals"`
	// SuspicionInterval is the time between probes of a target while evidence
	// against it builds. 0 means 5s.
	SuspicionInterval conf.Duration `yaml:"suspicion_interval"`
	// TimeBetweenFaults is the expected time between faults of a target; it
	// sets how quickly weights believe in one. 0 means 77h (3.2 days).
	TimeBetweenFaults conf.Duration `yaml:"time_between_faults"`
	// TimeToRepair is the expected length of a fault. 0 means 75m.
	TimeToRepair conf.Duration `yaml:"time_to_repair"`
}

// scored are the signals that a policy may name.
var scored = []bellwether.Signal{
	bellwether.Availability, bellwether.Quota, bellwether.FirstToken, bellwether.InterToken, bellwether.Total,
	bellwether.OutputTokens, bellwether.Sanity, bellwether.Confidence, bellwether.Text, bellwether.Feedback, bellwether.Identity,
}

// Validate returns everything that is wrong with p; paths are relative to the
// section.
func (p Policy) Validate() []conf.Problem {
	var ps []conf.Problem
	if p.FalseAlarms != 0 && !(p.FalseAlarms >= .001 && p.FalseAlarms <= 30) {
		ps = append(ps, conf.Problem{Path: "false_alarms_per_target_month", Text: fmt.Sprintf("%v is not a budget", p.FalseAlarms), Remedy: "write a number from 0.001 to 30, such as 0.25"})
	}
	for _, s := range slices.Sorted(maps.Keys(p.Signals)) {
		if _, _, ok := p.Signals[s].parse(); !ok {
			ps = append(ps, conf.Problem{Path: "signals." + string(s), Text: fmt.Sprintf("%q is not a policy", p.Signals[s]), Remedy: `write act, inform, "cap: 0.5" or ignore`})
		}
		if _, own := p.UserSignals[s]; !own && !slices.Contains(scored, s) {
			ps = append(ps, conf.Problem{Path: "signals." + string(s), Text: "no such signal", Remedy: "write one of " + join(scored) + ", or one of user_signals"})
		}
	}
	ps = append(ps, p.validateOwn()...)
	for _, d := range []struct {
		path string
		d    conf.Duration
		low  time.Duration
	}{{"suspicion_interval", p.SuspicionInterval, 100 * time.Millisecond}, {"time_between_faults", p.TimeBetweenFaults, time.Minute}, {"time_to_repair", p.TimeToRepair, time.Second}} {
		if d.d != 0 && d.d.Std() < d.low {
			ps = append(ps, conf.Problem{Path: d.path, Text: fmt.Sprintf("%v is too short", d.d.Std()), Remedy: fmt.Sprintf("write at least %v, or leave it out", d.low)})
		}
	}
	return ps
}

func join(ss []bellwether.Signal) string {
	names := make([]string, len(ss))
	for i, s := range ss {
		names[i] = string(s)
	}
	return strings.Join(names, ", ")
}

// Config is what an [Engine] is made of.
type Config struct {
	Policy  Policy
	Targets []bellwether.Target
	Routes  []bellwether.Route
	// Interval is the expected time between scheduled probes of each target,
	// over all its canaries and vantages. Missing or 0 means 30 s. How long one
	// vantage may be silent is measured against it times the vantages named.
	Interval map[string]time.Duration
	// Vantages names the vantages that probe. It may be left empty; vantages
	// are then known from their first observation.
	Vantages []string
	// Tasks are what canaries are for, by their names; routes that prefer the
	// better at a task go by them. Canaries that are not named have none.
	Tasks map[string]string
	// Ablation leaves parts of the algorithm out, for evaluations only.
	Ablation Ablation
}

// Validate returns everything that is wrong with c.
func (c Config) Validate() []conf.Problem {
	ps := c.Policy.Validate()
	known := make(map[string]bool, len(c.Targets))
	for i, t := range c.Targets {
		switch {
		case !bellwether.ValidID(t.ID):
			ps = append(ps, conf.Problem{Path: fmt.Sprintf("targets[%d].id", i), Text: fmt.Sprintf("%q is not an id", t.ID)})
		case known[t.ID]:
			ps = append(ps, conf.Problem{Path: fmt.Sprintf("targets[%d].id", i), Text: fmt.Sprintf("%q is there twice", t.ID)})
		}
		known[t.ID] = true
	}
	names := make(map[string]bool, len(c.Routes))
	for i, r := range c.Routes {
		path := fmt.Sprintf("routes[%d]", i)
		if names[r.Name] {
			ps = append(ps, conf.Problem{Path: path, Text: fmt.Sprintf("route %q is there twice", r.Name)})
		}
		names[r.Name] = true
		ps = append(ps, routeProblems(r, path)...)
		for _, tier := range r.Tiers {
			for _, tt := range tier {
				if !known[tt.Target] {
					ps = append(ps, conf.Problem{Path: path + ".tiers", Text: fmt.Sprintf("no target %q", tt.Target)})
				}
			}
		}
	}
	return ps
}

// settings is a Policy with its defaults filled in, and per hypothesis what
// its signals may do.
type settings struct {
	falseAlarms   float64 // per target and month
	suspicion     float64 // seconds
	mtbf, mttr    float64 // seconds
	own           []ownSignal
	quota         action
	quotaFloor    float64
	identity      action
	may           [hypotheses]action
	alarming      hypSet              // those that may act or cap
	floor         [hypotheses]float64 // lowest weight that the hypothesis may cause
	totalDeclared bool                // `total` has a policy of its own
	total         action
	ablation      Ablation
}

func (p Policy) settings() settings {
	or := func(d conf.Duration, v time.Duration) float64 {
		if d != 0 {
			v = d.Std()
		}
		return v.Seconds()
	}
	s := settings{
		falseAlarms: p.FalseAlarms, suspicion: or(p.SuspicionInterval, 5*time.Second),
		mtbf: or(p.TimeBetweenFaults, 77*time.Hour), mttr: or(p.TimeToRepair, 75*time.Minute),
	}
	if s.falseAlarms == 0 {
		s.falseAlarms = 0.25
	}
	s.own = p.ownSignals()
	s.quota, s.quotaFloor, _ = p.Signals[bellwether.Quota].parse()
	s.identity, _, _ = p.Signals[bellwether.Identity].parse()
	if a, declared := p.Signals[bellwether.Total]; declared {
		s.totalDeclared = true
		s.total, _, _ = a.parse()
	}
	for i := range s.may {
		signal := table[i].signal
		if slot, own := table[i].family.own(); own {
			if slot >= len(s.own) {
				s.may[i] = ignored
				continue
			}
			signal = s.own[slot].name
		}
		s.may[i], s.floor[i], _ = p.Signals[signal].parse()
	}
	s.settleJoint(p)
	for i, may := range s.may {
		if may == acts || may == caps {
			s.alarming |= 1 << i
		}
	}
	return s
}

// settleJoint lets the joint hypothesis do no more than the least of its parts.
func (s *settings) settleJoint(p Policy) {
	for _, sig := range []bellwether.Signal{bellwether.FirstToken, bellwether.InterToken, bellwether.Availability} {
		a, floor, _ := p.Signals[sig].parse()
		s.may[joint] = max(s.may[joint], a)
		s.floor[joint] = math.Max(s.floor[joint], floor)
	}
}
