package probes

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// compileNumber wants a number in the answer, within a tolerance (0 when left
// out) and, with relative, within that share of the value. The last number of
// the answer counts ("17 + 25 = 42"), unless pick says first or any.
func compileNumber(want any) (test, error) {
	if v, err := float(want); err == nil {
		want = map[string]any{"value": v}
	}
	o, err := options(want, "value", "tolerance", "relative", "pick")
	if err != nil {
		return nil, err
	}
	value, err := float(o["value"])
	if err != nil {
		return nil, fmt.Errorf("value %w", err)
	}
	within := 0.0
	for name, scale := range map[string]float64{"tolerance": 1, "relative": math.Abs(value)} {
		if o[name] == nil {
			continue
		}
		v, err := float(o[name])
		if err != nil || v < 0 {
			return nil, fmt.Errorf("%s wants a number of at least zero", name)
		}
		within = max(within, v*scale)
	}
	pick, _ := o["pick"].(string)
	if o["pick"] != nil && pick != "first" && pick != "last" && pick != "any" {
		return nil, errors.New("pick wants first, last or any")
	}
	return func(a Answer) string {
		found := numbers(a.Text)
		if len(found) == 0 {
			return "there is no number in the answer"
		}
		switch pick {
		case "first":
			found = found[:1]
		case "", "last":
			found = found[len(found)-1:]
		}
		for _, v := range found {
			// A little more than the tolerance: it is written in decimals, which floats round.
			if math.Abs(v-value) <= within*(1+1e-12)+math.Abs(value)*1e-12 {
				return ""
			}
		}
		return fmt.Sprintf("the answer has the number %v, not %v within %v", found[len(found)-1], value, within)
	}, nil
}

// maxNumbers bounds how many numbers are read of one answer, and maxNumeral
// how long one may be, in bytes; longer ones are no numbers.
const (
	maxNumbers = 10_000
	maxNumeral = 64
)

// numbers reads the numbers of a text in order. Groups of three digits may be
// set apart by commas, thin or no-break spaces, or apostrophes; a comma that
// does not set three digits apart is a decimal one; an exponent may follow.
// Digits of a word ("H2O", "gpt-4o") are no number.
func numbers(s string) []float64 {
	s = strings.NewReplacer("\u2212", "-", "\u00a0", "'", "\u202f", "'", "\u2009", "'", "\u2019", "'").Replace(s)
	var out []float64
	for i := 0; i < len(s) && len(out) < maxNumbers; {
		if s[i] < '0' || s[i] > '9' {
			i++
			continue
		}
		from := i
		for i < len(s) && (isNumeral(s[i]) || (s[i] == '-' || s[i] == '+') && (s[i-1] == 'e' || s[i-1] == 'E') && i+1 < len(s) && digit(s[i+1])) {
			i++
		}
		if from > 0 && isWordByte(s[from-1]) || i < len(s) && isWordByte(s[i]) || i-from > maxNumeral {
			continue
		}
		v, ok := numeral(strings.TrimRight(s[from:i], ".,'eE"))
		if !ok {
			continue
		}
		if from > 0 && s[from-1] == '-' && (from == 1 || !isWordByte(s[from-2])) {
			v = -v
		}
		out = append(out, v)
	}
	return out
}

func digit(b byte) bool { return '0' <= b && b <= '9' }

func isNumeral(b byte) bool {
	return digit(b) || b == '.' || b == ',' || b == '\'' || b == 'e' || b == 'E'
}

func isWordByte(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || digit(b) || b == '_'
}

// numeral reads one number as people write it.
func numeral(s string) (float64, bool) {
	whole, fraction, decimal := strings.Cut(s, ".")
	if strings.Contains(fraction, ".") { // 1.234.567 or a version
		if !grouped(strings.ReplaceAll(s, ".", ",")) {
			return 0, false
		}
		whole, fraction, decimal = strings.ReplaceAll(s, ".", ","), "", false
	}
	whole = strings.ReplaceAll(whole, "'", ",")
	switch {
	case !strings.Contains(whole, ","):
	case grouped(whole):
		whole = strings.ReplaceAll(whole, ",", "")
	case !decimal && strings.Count(whole, ",") == 1:
		whole = strings.Replace(whole, ",", ".", 1)
	default:
		return 0, false
	}
	if decimal {
		whole += "." + fraction
	}
	v, err := strconv.ParseFloat(whole, 64)
	return v, err == nil && !math.IsInf(v, 0)
}

// grouped reports whether commas set apart groups of three digits.
func grouped(s string) bool {
	groups := strings.Split(s, ",")
	for i, g := range groups {
		if i > 0 && len(g) != 3 || i == 0 && (len(g) == 0 || len(g) > 3) || strings.Trim(g, "0123456789") != "" {
			return false
		}
	}
	return len(groups) > 1
}
