package probes

import (
	"fmt"
	"strings"
)

// compileContains wants a text somewhere in the answer, upper and lower case
// alike.
func compileContains(want any) (test, error) {
	s, err := text(want)
	if err != nil {
		return nil, err
	}
	needle := strings.ToLower(strings.TrimSpace(s))
	why := fmt.Sprintf("the answer does not contain %q", s)
	return func(a Answer) string {
		if strings.Contains(strings.ToLower(a.Text), needle) {
			return ""
		}
		return why
	}, nil
}
