package probes

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/conf"
)

// CheckSpec is a check as a user writes it: a map of one key, the kind of the
// check, to what it wants, such as {contains: Paris}.
type CheckSpec map[string]any

// Answer is what checks look at.
type Answer struct {
	Text   string // at most 1 MiB of it is looked at
	Tokens int    // of the visible answer: output without reasoning
}

// maxCheckedText bounds what checks read of an answer, in bytes.
const maxCheckedText = 1 << 20

// Check is one pure test of an answer's content. It is safe for concurrent use.
type Check struct {
	// Name is the kind; a second check of one kind is kind_2, and so on.
	Name string
	test test
}

// test returns "" when the answer is good, else why not, for people.
type test func(Answer) string

// kind is how a check of one kind is compiled from what the user wrote.
type kind struct {
	name    string
	compile func(want any) (test, error)
	remedy  string
}

// kinds is the table of all checks. A new check is one file and one row.
func kinds() []kind {
	return []kind{
		{"contains", compileContains, "write {contains: Paris}"},
		{"not_contains", compileNotContains, "write {not_contains: sorry}"},
		{"equals", compileEquals, "write {equals: Paris}"},
		{"regex", compileRegex, `write {regex: "^[0-9]+$"} in Go's syntax (RE2)`},
		{"one_of", compileOneOf, `write {one_of: ["yes", "no"]}`},
		{"json_schema", compileJSONSchema, "write {json_schema: {type: object, required: [name]}}"},
		{"max_tokens", compileMaxTokens, "write {max_tokens: 8}"},
		{"min_tokens", compileMinTokens, "write {min_tokens: 2}"},
	}
}

// Compile turns specs into checks. The paths of the problems are relative to
// the list: "[2].regex".
func Compile(specs []CheckSpec) ([]Check, []conf.Problem) {
	table := kinds()
	var checks []Check
	var wrong []conf.Problem
	count := map[string]int{}
	for i, spec := range specs {
		at := fmt.Sprintf("[%d]", i)
		if len(spec) != 1 {
			wrong = append(wrong, conf.Problem{Path: at, Text: fmt.Sprintf("has %d keys, not one", len(spec)), Remedy: "write one check an entry, such as {contains: Paris}"})
			continue
		}
		name := slices.Collect(maps.Keys(spec))[0]
		k := slices.IndexFunc(table, func(k kind) bool { return k.name == name })
		if k < 0 {
			wrong = append(wrong, conf.Problem{Path: at + "." + name, Text: "there is no such check", Remedy: "use one of " + kindNames(table)})
			continue
		}
		test, err := table[k].compile(spec[name])
		if err != nil {
			wrong = append(wrong, conf.Problem{Path: at + "." + name, Text: err.Error(), Remedy: table[k].remedy})
			continue
		}
		if count[name]++; count[name] > 1 {
			name += "_" + strconv.Itoa(count[name])
		}
		checks = append(checks, Check{Name: name, test: test})
	}
	return checks, wrong
}

func kindNames(table []kind) string {
	names := make([]string, len(table))
	for i, k := range table {
		names[i] = k.name
	}
	return strings.Join(names, ", ")
}

// Run tests one answer. The detail of a failure is at most 200 bytes long and
// holds no control characters.
func (c Check) Run(a Answer) bellwether.CheckResult {
	a.Text = cutBytes(a.Text, maxCheckedText)
	why := c.test(a)
	return bellwether.CheckResult{Name: c.Name, OK: why == "", Detail: cutBytes(printable(why), 200)}
}

// fold makes answers comparable: lower case, without white space around it and
// without the punctuation that ends sentences. What is nothing else stays.
func fold(s string) string {
	s = strings.TrimSpace(s)
	if t := strings.TrimRight(s, ".,;:!?…。！？ \t\r\n"); t != "" {
		s = t
	}
	return strings.ToLower(s)
}

// scalar reads a string, whole number or boolean as its text.
func scalar(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case int:
		return strconv.Itoa(v), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case uint64:
		return strconv.FormatUint(v, 10), nil
	case bool:
		return strconv.FormatBool(v), nil
	case float64:
		return "", fmt.Errorf("put the number %v in quotes, so that its digits stay as written", v)
	}
	return "", fmt.Errorf("wants a text")
}

// text reads a scalar that is not blank.
func text(v any) (string, error) {
	s, err := scalar(v)
	if err == nil && strings.TrimSpace(s) == "" {
		err = fmt.Errorf("wants a text that is not empty")
	}
	return s, err
}

// count reads a whole number of at least zero.
func count(v any) (int, error) {
	n := -1
	switch v := v.(type) {
	case int:
		n = v
	case int64:
		n = int(v)
	case uint64:
		n = int(min(v, 1<<31))
	case float64:
		if v == float64(int(v)) {
			n = int(v)
		}
	}
	if n < 0 || n > 1<<31 {
		return 0, fmt.Errorf("wants a whole number of tokens")
	}
	return n, nil
}

// cutBytes returns at most n bytes of s, ending at a whole character.
func cutBytes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// printable replaces what could disturb a terminal or a page's layout: control
// and format characters (such as writing direction) become spaces, bytes that
// are no UTF-8 become U+FFFD.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}
