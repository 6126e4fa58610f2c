package probes

import "fmt"

// compileEquals wants the whole answer to be a text; case, white space around
// it and punctuation at its end do not matter.
func compileEquals(want any) (test, error) {
	s, err := text(want)
	if err != nil {
		return nil, err
	}
	folded := fold(s)
	why := fmt.Sprintf("the answer is not %q", s)
	return func(a Answer) string {
		if fold(a.Text) == folded {
			return ""
		}
		return why
	}, nil
}
