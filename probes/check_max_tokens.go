package probes

import "fmt"

// compileMaxTokens wants an answer of at most so many tokens, reasoning not
// counted.
func compileMaxTokens(want any) (test, error) {
	n, err := count(want)
	if err != nil {
		return nil, err
	}
	return func(a Answer) string {
		if a.Tokens <= n {
			return ""
		}
		return fmt.Sprintf("the answer has %d tokens, more than %d", a.Tokens, n)
	}, nil
}
