package probes

import (
	"fmt"
	"regexp"
	"regexp/syntax"
)

// Limits of regular expressions: the time of a match grows with the answer's
// length times the instructions that the expression compiles to.
const (
	maxInstructions = 2000
	maxRegexWork    = 32 << 20 // bytes x instructions: a fraction of a second
)

// compileRegex wants a match of a regular expression somewhere in the answer.
// RE2 takes time linear in the answer, whatever the answer is; of a long
// answer, large expressions see the beginning only (16 KiB at least).
func compileRegex(want any) (test, error) {
	s, err := text(want)
	if err != nil {
		return nil, err
	}
	re, err := regexp.Compile(s)
	if err != nil {
		return nil, fmt.Errorf("is no regular expression: %w", err)
	}
	size, err := instructions(s)
	if err != nil || size > maxInstructions {
		return nil, fmt.Errorf("is too large: it compiles to %d instructions, more than %d", size, maxInstructions)
	}
	span := maxRegexWork / max(1, size)
	why := fmt.Sprintf("the answer does not match %s", s)
	return func(a Answer) string {
		if re.MatchString(cutBytes(a.Text, span)) {
			return ""
		}
		return why
	}, nil
}

// instructions counts what a regular expression compiles to.
func instructions(s string) (int, error) {
	tree, err := syntax.Parse(s, syntax.Perl)
	if err != nil {
		return 0, err
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return 0, err
	}
	return len(prog.Inst), nil
}
