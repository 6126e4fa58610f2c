package probes

import "fmt"

// compileNotContains wants a text nowhere in the answer, upper and lower case
// alike.
func compileNotContains(want any) (test, error) {
	contains, err := compileContains(want)
	if err != nil {
		return nil, err
	}
	why := fmt.Sprintf("the answer contains %q", want)
	return func(a Answer) string {
		if contains(a) != "" {
			return ""
		}
		return why
	}, nil
}
