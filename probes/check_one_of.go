package probes

import (
	"errors"
	"fmt"
)

// compileOneOf wants the whole answer to be one of several texts, compared as
// equals does.
func compileOneOf(want any) (test, error) {
	if _, alone := want.(string); alone {
		return nil, errors.New("wants a list of texts")
	}
	list, err := textList(want)
	if err != nil {
		return nil, err
	}
	allowed := make(map[string]bool, len(list))
	for _, s := range list {
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
