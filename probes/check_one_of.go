package probes

import (
	"errors"
	"fmt"
)

// compileOneOf wants the whole answer to be one of several texts, compared as
// equals does.
func compileOneOf(want any) (test, error) {
	list, ok := want.([]any)
	if strs, is := want.([]string); is {
		ok = true
		for _, s := range strs {
			list = append(list, s)
		}
	}
	if !ok || len(list) == 0 {
		return nil, errors.New("wants a list of texts")
	}
	allowed := make(map[string]bool, len(list))
	for i, v := range list {
		s, err := text(v)
		if err != nil {
			return nil, fmt.Errorf("entry %d %w", i, err)
		}
		allowed[fold(s)] = true
	}
	why := fmt.Sprintf("the answer is none of %q", list)
	return func(a Answer) string {
		if allowed[fold(a.Text)] {
			return ""
		}
		return why
	}, nil
}
