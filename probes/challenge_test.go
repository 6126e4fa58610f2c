package probes

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// solve answers a challenge as a good model would, by reading its prompt.
func solve(t *testing.T, kind string, q question) string {
	t.Helper()
	prompt := q.prompt
	find := func(re string) []string {
		m := regexp.MustCompile(re).FindStringSubmatch(prompt)
		if m == nil {
			t.Fatalf("%s: cannot read %q", kind, prompt)
		}
		return m[1:]
	}
	switch kind {
	case "arithmetic":
		m := find(`What is (\d+) (plus|minus) (\d+)\?`)
		var a, b int
		_, _ = fmt.Sscan(m[0]+" "+m[2], &a, &b)
		if m[1] == "minus" {
			b = -b
		}
		return fmt.Sprintf("%d", a+b)
	case "extraction":
		m := find(`Note: (\w+) from (\w+) ordered (\w+)\. (\w+) from (\w+) ordered (\w+)\. Which (\w+) belongs to (\w+)\?`)
		at := 1
		if m[6] == "item" {
			at = 2
		}
		if m[7] == m[3] {
			at += 3
		}
		return m[at] + "."
	case "classification":
		for i, class := range []string{"positive", "negative"} {
			if slices.ContainsFunc(reviews[i], func(s string) bool { return strings.Contains(prompt, s) }) {
				return class
			}
		}
	case "ordering":
		words := strings.Split(find(`order: ([a-z, ]+)\.`)[0], ", ")
		slices.Sort(words)
		return strings.Join(words, ", ")
	case "vision":
		return readDigits(t, q.picture)
	case "json":
		m := find(`^(\w+) is (\d+) years old and lives in (\w+)\.`)
		return fmt.Sprintf("```json\n{\"name\": %q, \"age\": %s, \"city\": %q}\n```", m[0], m[1], m[2])
	}
	t.Fatalf("nobody solves %s %q", kind, prompt)
	return ""
}

func passes(checks []Check, answer string) bool {
	for _, c := range checks {
		if !c.Run(Answer{Text: answer, Tokens: len(answer) / 4}).OK {
			return false
		}
	}
	return true
}

func TestEveryChallengeIsPassedByTheRightAnswerAndByNoConstantOne(t *testing.T) {
	const n = 2000
	// How often the luckiest constant answer may be right: chance, and a little.
	lucky := map[string]float64{"arithmetic": 0.01, "extraction": 0.08, "classification": 0.54, "ordering": 0.01, "json": 0.01, "vision": 0.01}
	for _, kind := range challenges() {
		answers := map[string]int{}
		var first []string
		var all [][]Check
		for i := range n {
			q := kind.make(rand.New(rand.NewPCG(uint64(i), 7)))
			prompt, specs := q.prompt, q.checks
			checks, wrong := Compile(specs)
			if len(wrong) > 0 {
				t.Fatalf("%s: %v", kind.kind, wrong)
			}
			good := solve(t, kind.kind, q)
			if !passes(checks, good) {
				t.Fatalf("%s: %q does not pass for %q", kind.kind, good, prompt)
			}
			if passes(checks, prompt) {
				t.Errorf("%s: the question itself passes: %q", kind.kind, prompt)
			}
			answers[good]++
			all = append(all, checks)
			if i < 16 {
				first = append(first, good)
			}
		}
		for answer, times := range answers {
			if share := float64(times) / n; share > lucky[kind.kind] {
				t.Errorf("%s: the answer %q is right in %.3f of all", kind.kind, answer, share)
			}
		}
		for _, constant := range append(first, strings.Join(first, " "), "yes", "positive negative", "") {
			right := 0
			for _, checks := range all {
				if passes(checks, constant) {
					right++
				}
			}
			if share := float64(right) / n; share > lucky[kind.kind] {
				t.Errorf("%s: always answering %.60q is right in %.3f of all", kind.kind, constant, share)
			}
		}
	}
}

func TestBothClassesComeEquallyOftenWhicheverIsNamedFirst(t *testing.T) {
	counts := map[string]int{}
	const n = 8000
	for i := range n {
		prompt, specs := poseClassification(rand.New(rand.NewPCG(uint64(i), 3)))
		class := specs[0]["one_of"].([]string)[0]
		counts[fmt.Sprint(class, strings.Contains(prompt, class+" or"))]++
	}
	for what, times := range counts {
		if times < n/4*9/10 || times > n/4*11/10 || len(counts) != 4 {
			t.Errorf("%s comes %d times of %d, want a quarter", what, times, n)
		}
	}
}

func TestEverySumsLastDigitComesEquallyOften(t *testing.T) {
	counts := map[byte]int{}
	const n = 10_000
	for i := range n {
		prompt, _ := poseArithmetic(rand.New(rand.NewPCG(uint64(i), 5)))
		s := solve(t, "arithmetic", question{prompt: prompt})
		if len(s) != 3 {
			t.Errorf("%q has the answer %s, want three digits", prompt, s)
		}
		counts[s[2]]++
	}
	for d, times := range counts {
		if times < n/10*85/100 || times > n/10*115/100 {
			t.Errorf("answers end with %c %d times of %d", d, times, n)
		}
	}
}

func TestShapeOfAChallengeHardlyChanges(t *testing.T) {
	for _, kind := range challenges() {
		fields, least, most := map[int]bool{}, 1<<30, 0
		for i := range 500 {
			prompt := kind.make(rand.New(rand.NewPCG(uint64(i), 1))).prompt
			n := utf8.RuneCountInString(prompt)
			least, most = min(least, n), max(most, n)
			fields[len(strings.Fields(prompt))/2] = true
		}
		if most-least > 16 || len(fields) > 3 {
			t.Errorf("%s: %d to %d characters, %d lengths in words", kind.kind, least, most, len(fields))
		}
	}
}

func TestSameSendingAsksTheSameAndNoOtherDoes(t *testing.T) {
	due := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	ask := func(canary, target string, due time.Time) string {
		j := Job{Canary: Canary{Name: canary, Challenge: "json"}, Target: Target{}}
		j.Target.ID = target
		return j.posed(due).Canary.Prompt
	}
	a := ask("sums", "gpt-us", due)
	if b := ask("sums", "gpt-us", due.In(time.FixedZone("x", 3600))); a != b {
		t.Errorf("the same sending asks %q and %q", a, b)
	}
	for _, b := range []string{ask("sums", "gpt-us", due.Add(time.Minute)), ask("sums", "gpt-eu", due), ask("sums2", "gpt-us", due)} {
		if a == b {
			t.Errorf("another sending asks the same: %q", a)
		}
	}
}

func TestChallengeHasItsOwnChecksBeforeTheCanarys(t *testing.T) {
	j := Job{Canary: Canary{Name: "sums", Challenge: "arithmetic", Checks: []CheckSpec{{"max_tokens": 8}}}}
	posed := j.posed(time.Unix(1, 0))
	if len(posed.checks) != 2 || posed.checks[0].Name != "number" || posed.checks[1].Name != "max_tokens" {
		t.Errorf("checks = %+v", posed.checks)
	}
	if len(j.checks) != 0 || j.Canary.Prompt != "" {
		t.Errorf("the job itself changed: %+v", j)
	}
}
