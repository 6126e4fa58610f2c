package probes

import (
	"errors"

	"github.com/bellwether-llm/bellwether"
)

// judging is a check that another target makes: what it is asked and which
// grade is enough.
type judging struct {
	target    string
	criterion string
	atLeast   int // 0 to 10
	reasoning bool
}

const defaultGrade = 6

// compileJudge wants another target to give the answer at least so many of ten
// (6 when left out) by a criterion in words. See [Prober.judge].
func compileJudge(want any) (*judging, error) {
	o, err := options(want, "target", "criterion", "at_least", "reasoning")
	if err != nil {
		return nil, err
	}
	j := &judging{atLeast: defaultGrade}
	if j.target, err = text(o["target"]); err != nil || !bellwether.ValidID(j.target) {
		return nil, errors.New("target wants the id of the target that grades")
	}
	if j.criterion, err = text(o["criterion"]); err != nil || len(j.criterion) > 4<<10 {
		return nil, errors.New("criterion wants what a good answer is, in at most 4 KiB of words")
	}
	if o["at_least"] != nil {
		if j.atLeast, err = count(o["at_least"]); err != nil || j.atLeast < 1 || j.atLeast > 10 {
			return nil, errors.New("at_least wants a whole number from 1 to 10")
		}
	}
	if o["reasoning"] != nil {
		var ok bool
		if j.reasoning, ok = o["reasoning"].(bool); !ok {
			return nil, errors.New("reasoning wants true or false")
		}
	}
	return j, nil
}

func needsJudge(Answer) string { return "only a prober asks a judge" }
