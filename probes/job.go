package probes

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/llm"
)

// Target is a target with what it takes to call it.
type Target struct {
	bellwether.Target
	Endpoint llm.Endpoint
	Protocol llm.Protocol
	// ModelName is what the wire calls the model, such as an Azure deployment.
	// Empty means Model.
	ModelName string
}

func (t Target) model() string { return or(t.ModelName, t.Model) }

// offersLogprobs reports whether the target's protocol has log-probabilities;
// whether the model gives any is its provider's choice.
func (t Target) offersLogprobs() bool {
	switch t.Protocol {
	case llm.Anthropic:
		return false
	case llm.HTTP:
		return t.Endpoint.HTTP != nil && t.Endpoint.HTTP.Confidence != ""
	}
	return true
}

// Place is where probes are sent from, and which other places there are.
type Place struct {
	Vantage string
	// Vantages are all that probe the same targets, this one included, in any
	// order. Empty means that the others are not known.
	Vantages []string
}

// index returns the rank of the vantage among all, and how many there are; 0
// when the others are not known.
func (p Place) index() (i, n int) {
	vs := slices.Clone(p.Vantages)
	slices.Sort(vs)
	vs = slices.Compact(vs)
	i, found := slices.BinarySearch(vs, p.Vantage)
	if !found {
		return 0, 0
	}
	return i, len(vs)
}

// Job is one canary for one target from one vantage. As the scheduler holds
// it, it stands for all its sendings; as [Prober.Probe] gets it, for one, with
// the last three fields set. Jobs are values; nobody writes to what they share.
type Job struct {
	Target  Target
	Canary  Canary
	Vantage string

	Trigger string    // why it is sent; "" means manual
	Due     time.Time // when it should have been sent; zero means now
	Fresh   bool      // open a connection of its own

	checks  []Check
	picture []byte            // PNG that goes with the prompt; nil for none
	judges  map[string]Target // who grades, by id
	when    schedule
}

// compiled returns the checks of the canary, also of a job that was not made
// by NewJob.
func (j Job) compiled() []Check {
	if j.checks == nil && len(j.Canary.Checks) > 0 {
		checks, _ := Compile(j.Canary.Checks)
		return checks
	}
	return j.checks
}

// NewJob returns the job that sends c to t, with c's defaults filled in. It
// knows no other target: checks by a judge are not tried; see [Jobs].
func NewJob(c Canary, t Target, p Place) (Job, error) {
	c = c.WithDefaults()
	when, err := parseSchedule(c.Schedule)
	if err != nil {
		return Job{}, fmt.Errorf("canary %s: schedule: %w", c.Name, err)
	}
	checks, wrong := Compile(c.Checks)
	if len(wrong) > 0 {
		return Job{}, fmt.Errorf("canary %s: checks%w", c.Name, wrong[0])
	}
	return Job{Target: t, Canary: c, Vantage: p.Vantage, checks: checks, when: when.spread(t.ID, c.Name, p)}, nil
}

// Jobs returns one job for every canary and target that belong together, in
// the order of the canaries. It reports all errors at once.
func Jobs(cfg Config, targets []Target, p Place) ([]Job, error) {
	var jobs []Job
	var errs []error
	claimed := cfg.claimed()
	for _, c := range cfg.Canaries {
		for _, t := range targets {
			if !c.goesTo(t.ID, claimed) {
				continue
			}
			j, err := NewJob(c, t, p)
			if err != nil {
				errs = append(errs, err)
				break
			}
			j.judges = judgesOf(j, targets, func(t Target) Target { return t })
			jobs = append(jobs, j)
		}
	}
	return jobs, errors.Join(errs...)
}

// Interval is the usual time between two scheduled sendings of j: that of
// "@every", else the one that follows at.
func (j Job) Interval(at time.Time) time.Duration { return j.when.interval(at) }

// Next returns when j is due next after t; zero means never.
func (j Job) Next(t time.Time) time.Time { return j.when.next(t) }

// Intervals returns the mean time between two scheduled probes of each target,
// all its canaries together, over the week after from, where so many vantages
// probe it (less than 1 means one) and jobs are those of one of them.
func Intervals(jobs []Job, from time.Time, vantages int) map[string]time.Duration {
	perDay := map[string]float64{}
	for _, j := range jobs {
		perDay[j.Target.ID] += j.when.perDay(from)
	}
	out := make(map[string]time.Duration, len(perDay))
	for target, n := range perDay {
		// Rarer than once a week still means once a week or so.
		out[target] = time.Duration(float64(24*time.Hour) / max(n, 1.0/7) / float64(max(1, vantages)))
	}
	return out
}

// key names a job among all of one vantage.
func (j Job) key() jobKey { return jobKey{j.Target.ID, j.Canary.Name} }

type jobKey struct{ target, canary string }
