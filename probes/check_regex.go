package probes

import (
	"fmt"
	"regexp"
)

// compileRegex wants a match of a regular expression somewhere in the answer.
// RE2 takes time linear in the answer, whatever the answer is.
func compileRegex(want any) (test, error) {
	s, err := text(want)
	if err != nil {
		return nil, err
	}
	re, err := regexp.Compile(s)
	if err != nil {
		return nil, fmt.Errorf("is no regular expression: %w", err)
	}
	why := fmt.Sprintf("the answer does not match %s", s)
	return func(a Answer) string {
		if re.MatchString(a.Text) {
			return ""
		}
		return why
	}, nil
}
