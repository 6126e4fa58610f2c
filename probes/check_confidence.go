package probes

import (
	"errors"
	"fmt"
)

// compileConfidence wants the mean log-probability of the answer's tokens to
// be at least so much: 0 is certain, -0.69 a mean of one half. A canary that
// has it asks for log-probabilities. It is not tried where there are none.
func compileConfidence(want any) (test, error) {
	least, err := float(want)
	if err != nil || least > 0 {
		return nil, errors.New("wants a mean log-probability, at most 0")
	}
	return func(a Answer) string {
		if a.Confidence != nil && *a.Confidence < least {
			return fmt.Sprintf("the mean log-probability is %.3f, less than %v", *a.Confidence, least)
		}
		return ""
	}, nil
}

func needsConfidence(a Answer) string {
	if a.Confidence == nil {
		return or(a.unsure, "the provider gave no log-probabilities")
	}
	return ""
}
