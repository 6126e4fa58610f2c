package probes

import (
	"errors"
	"fmt"
)

// compileMaxRepetition wants at most a share of the answer's word trigrams to
// repeat earlier ones: 0 to 1. Good answers to some prompts reach 0.9 (lists,
// tables, verse), so that one limit for all prompts misfires; the signal
// text.repetition, which is compared with the prompt's own past, needs none.
func compileMaxRepetition(want any) (test, error) {
	most, err := float(want)
	if err != nil || !(most >= 0 && most < 1) {
		return nil, errors.New("wants a share of at least 0, below 1")
	}
	return func(a Answer) string {
		if got := repetition(wordHashes(a.Text)); got > most {
			return fmt.Sprintf("%.2f of the answer repeats itself, more than %.2f", got, most)
		}
		return ""
	}, nil
}
