package probes

import (
	"fmt"
	"slices"
	"strings"
)

// compileLanguage wants the answer to be written in a language, named by its
// two letters. It is told by script, by small words and by letters that others
// do not have: sure for a sentence or more of prose, not for a word, a name,
// or code. An answer whose language cannot be told fails. It knows nothing of
// languages without a row, and takes close relatives for each other (Danish
// for Swedish, Malay for Indonesian).
func compileLanguage(want any) (test, error) {
	code, err := text(want)
	if err != nil {
		return nil, err
	}
	code = strings.ToLower(strings.TrimSpace(code))
	if !slices.Contains(languageCodes(), code) {
		return nil, fmt.Errorf("%q is not known: use one of %s", code, strings.Join(languageCodes(), ", "))
	}
	return func(a Answer) string {
		switch got := detectLanguage(a.Text); got {
		case code:
			return ""
		case "":
			return "the language of the answer cannot be told: too few of its words say"
		default:
			return fmt.Sprintf("the answer is in %q, not in %q", got, code)
		}
	}, nil
}
