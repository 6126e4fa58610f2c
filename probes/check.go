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
	"github.com/bellwether-llm/bellwether/llm"
)

// CheckSpec is a check as a user writes it: a map of one key, the kind of the
// check, to what it wants, such as {contains: Paris}.
type CheckSpec map[string]any

// Answer is what checks look at.
type Answer struct {
	Text       string   // at most 1 MiB of it is looked at
	Tokens     int      // of the visible answer: output without reasoning
	Finish     string   // why it ended, in OpenAI's words
	Confidence *float64 // mean log-probability; nil when none was given
	Prompt     string   // what was asked
	System     string   // the system prompt
	ToolCalls  []llm.ToolCall
	Vectors    map[string][]float32 // of an embedding, by text; Prompt's among them

	unsure string // why there is no Confidence, where that is known
}

// maxCheckedText bounds what checks read of an answer, in bytes.
const maxCheckedText = 1 << 20

// Check is one pure test of an answer's content, or what another target is
// asked about it. It is safe for concurrent use.
type Check struct {
	// Name is the kind; a second check of one kind is kind_2, and so on.
	Name string
	test test
	// needs says why the check cannot be tried on an answer, "" when it can;
	// nil means that it always can.
	needs func(Answer) string
	// fails is the outcome of an answer that fails; "" means bad output.
	fails bellwether.Outcome
	// judge is what another target is asked in place of a test; nil for none.
	judge *judging
	// vector is what is measured of an embedding; nil for none.
	vector *vectoring
}

// test returns "" when the answer is good, else why not, for people.
type test func(Answer) string

// kind is how a check of one kind is compiled from what the user wrote.
type kind struct {
	name    string
	compile func(want any) (test, error)
	remedy  string
	needs   func(Answer) string // see Check
	fails   bellwether.Outcome  // see Check
	judge   func(want any) (*judging, error)
	vector  func(want any) (*vectoring, error) // of embeddings only
}

// kinds is the table of all checks. A new check is one file and one row.
func kinds() []kind {
	return []kind{
		{name: "contains", compile: compileContains, remedy: "write {contains: Paris}"},
		{name: "not_contains", compile: compileNotContains, remedy: "write {not_contains: sorry}"},
		{name: "equals", compile: compileEquals, remedy: "write {equals: Paris}"},
		{name: "regex", compile: compileRegex, remedy: `write {regex: "^[0-9]+$"} in Go's syntax (RE2)`},
		{name: "one_of", compile: compileOneOf, remedy: `write {one_of: ["yes", "no"]}`},
		{name: "json_schema", compile: compileJSONSchema, remedy: "write {json_schema: {type: object, required: [name]}}"},
		{name: "json_path", compile: compileJSONPath, remedy: `write {json_path: {path: "$.city", equals: Paris}}, or contains or regex in place of equals`},
		{name: "number", compile: compileNumber, remedy: "write {number: 42}, or {number: {value: 3.14, tolerance: 0.01}}"},
		{name: "max_tokens", compile: compileMaxTokens, remedy: "write {max_tokens: 8}"},
		{name: "min_tokens", compile: compileMinTokens, remedy: "write {min_tokens: 2}"},
		{name: "language", compile: compileLanguage, remedy: "write {language: fr}"},
		{name: "similar_to", compile: compileSimilarTo, remedy: `write {similar_to: {texts: ["The sky is blue."], at_least: 0.5}}`},
		{name: "max_repetition", compile: compileMaxRepetition, remedy: "write {max_repetition: 0.5}"},
		{name: "not_refusal", compile: compileNotRefusal, remedy: "write {not_refusal: true}", fails: bellwether.Refusal},
		{name: "no_prompt_leak", compile: compileNoPromptLeak, remedy: "write {no_prompt_leak: true}"},
		{name: "tool_call", compile: compileToolCall, remedy: "write {tool_call: get_weather}, or {tool_call: {name: get_weather, arguments: {type: object, required: [city]}}}"},
		{name: "finish", compile: compileFinish, remedy: "write {finish: stop}"},
		{name: "confidence", compile: compileConfidence, remedy: "write {confidence: -0.5}", needs: needsConfidence},
		{name: "dimensions", vector: compileDimensions, remedy: "write {dimensions: 1536}"},
		{name: "norm", vector: compileNorm, remedy: "write {norm: 1}, or {norm: {value: 1, tolerance: 0.01}}"},
		{name: "cosine", vector: compileCosine, remedy: "write {cosine: {file: reference.json, at_least: 0.99}}"},
		{name: "nearer", vector: compileNearer, remedy: `write {nearer: {to: "a text that is like the prompt", than: "one that is not"}}`},
		{name: "judge", judge: compileJudge, needs: needsJudge, remedy: `write {judge: {target: claude-us, criterion: "It is polite and on topic."}}`},
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
		check, err := table[k].check(plain(spec[name]))
		if err != nil {
			wrong = append(wrong, conf.Problem{Path: at + "." + name, Text: err.Error(), Remedy: table[k].remedy})
			continue
		}
		if count[name]++; count[name] > 1 {
			name += "_" + strconv.Itoa(count[name])
		}
		check.Name = name
		checks = append(checks, check)
	}
	return checks, wrong
}

// check compiles one check, without its name.
func (k kind) check(want any) (c Check, err error) {
	c = Check{needs: k.needs, fails: or(k.fails, bellwether.BadOutput)}
	if k.judge != nil {
		c.judge, err = k.judge(want)
		return c, err
	}
	if k.vector != nil {
		if c.vector, err = k.vector(want); err == nil {
			c.test = c.vector.test
		}
		return c, err
	}
	c.test, err = k.compile(want)
	return c, err
}

func kindNames(table []kind) string {
	names := make([]string, len(table))
	for i, k := range table {
		names[i] = k.name
	}
	return strings.Join(names, ", ")
}

// Untried says why the check cannot be tried on a, for people; "" when it can.
// What cannot be tried has neither passed nor failed. A judge's check is never
// tried here: only a [Prober] asks a judge.
func (c Check) Untried(a Answer) string {
	if c.needs == nil {
		return ""
	}
	return c.needs(a)
}

// Run tests one answer. The detail of a failure is at most 200 bytes long and
// holds no control characters.
func (c Check) Run(a Answer) bellwether.CheckResult {
	if c.test == nil { // a judge's: a prober asks it
		return bellwether.CheckResult{Name: c.Name, Detail: c.Untried(a)}
	}
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
