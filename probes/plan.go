package probes

import (
	"fmt"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// PlanLine is what one canary does to one target in a day, by the schedule
// alone: suspicion comes on top, within its budgets.
type PlanLine struct {
	Canary    string
	Target    string
	Schedule  string
	PerDay    float64 // probes, as the mean of a week
	Typical   float64 // USD a day for answers of a usual length, judges included
	WorstCase float64 // USD a day for answers of all tokens that they may have, judges included
}

// typicalAnswer bounds what a usual answer has in tokens where no check tells:
// canaries ask for short ones.
const typicalAnswer = 20

// Plan returns one line for every canary and target that belong together, in
// the order of the canaries. Schedules that cannot be read are left out;
// [Config.Validate] names them.
func Plan(cfg Config, targets []bellwether.Target) []PlanLine {
	return plan(cfg, targets, time.Now())
}

func plan(cfg Config, targets []bellwether.Target, from time.Time) []PlanLine {
	var lines []PlanLine
	claimed := cfg.claimed()
	for _, c := range cfg.Canaries {
		c = c.WithDefaults()
		when, err := parseSchedule(c.Schedule)
		if err != nil {
			continue
		}
		perDay, input, usual := when.perDay(from), inputTokens(c), usualInput(c)
		output, most := c.ranges()
		checks, _ := Compile(c.Checks)
		for _, t := range targets {
			if !c.goesTo(t.ID, claimed) {
				continue
			}
			j := Job{Target: Target{Target: t}, Canary: c, checks: checks}
			j.judges = judgesOf(j, targets, func(t bellwether.Target) Target { return Target{Target: t} })
			lines = append(lines, PlanLine{
				Canary: c.Name, Target: t.ID, Schedule: c.Schedule, PerDay: perDay,
				Typical:   perDay * (j.price(usual, output) + j.judgesCost(output, false).usd),
				WorstCase: perDay * (j.price(input, most) + j.judgesCost(c.MaxTokens, true).usd),
			})
		}
	}
	return lines
}

// String is the line for people.
func (l PlanLine) String() string {
	return fmt.Sprintf("%s -> %s: %s, %.0f probes a day, about %.2f USD a day (at most %.2f)", l.Canary, l.Target, l.Schedule, l.PerDay, l.Typical, l.WorstCase)
}
