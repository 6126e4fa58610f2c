package sim

import (
	"slices"
	"strconv"
	"strings"
)

// countryIn finds the country that words begin with, and its capital.
func countryIn(words string) (country, city string) {
	w := strings.Fields(words)
	for n := min(3, len(w)); n > 0; n-- {
		country = strings.Join(w[:n], " ")
		if city = capitals[strings.ToLower(country)]; city != "" {
			return country, city
		}
	}
	return "", ""
}

func containsAll(s string, words []string) bool {
	return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(s, w) })
}

// compute does simple arithmetic; a division that leaves a rest is given with
// up to four decimals, one by zero not at all.
func compute(a int, op string, b int) (string, bool) {
	switch strings.ToLower(op) {
	case "+", "plus":
		return strconv.Itoa(a + b), true
	case "-", "minus":
		return strconv.Itoa(a - b), true
	case "*", "×", "x", "times", "multiplied by":
		return strconv.Itoa(a * b), true
	}
	if b == 0 {
		return "", false
	}
	if a%b == 0 {
		return strconv.Itoa(a / b), true
	}
	return strings.TrimRight(strconv.FormatFloat(float64(a)/float64(b), 'f', 4, 64), "0"), true
}

func numberTest(n int, what string) bool {
	switch what {
	case "even":
		return n%2 == 0
	case "odd":
		return n%2 == 1
	}
	for d := 2; d*d <= n; d++ {
		if n%d == 0 {
			return false
		}
	}
	return n > 1
}

// counting is "1, 2, 3"; downwards too.
func counting(from, to int) string {
	var b strings.Builder
	step := 1
	if to < from {
		step = -1
	}
	for i := from; ; i += step {
		b.WriteString(strconv.Itoa(i))
		if i == to {
			return b.String()
		}
		b.WriteString(", ")
	}
}

func reversed(s string) string {
	r := []rune(s)
	slices.Reverse(r)
	return string(r)
}
