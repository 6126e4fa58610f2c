package probes

import "fmt"

// compileMinTokens wants an answer of at least so many tokens, reasoning not
// counted.
func compileMinTokens(want any) (test, error) {
	n, err := count(want)
	if err != nil {
		return nil, err
	}
	return func(a Answer) string {
		if a.Tokens >= n {
			return ""
		}
		return fmt.Sprintf("the answer has %d tokens, fewer than %d", a.Tokens, n)
	}, nil
}
