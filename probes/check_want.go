package probes

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

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

// float reads a number that JSON has.
func float(v any) (float64, error) {
	f := math.NaN()
	switch v := v.(type) {
	case int:
		f = float64(v)
	case int64:
		f = float64(v)
	case uint64:
		f = float64(v)
	case float64:
		f = v
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return 0, errors.New("wants a number")
	}
	return f, nil
}

// textList reads one text, or a list of texts that is not empty.
func textList(v any) ([]string, error) {
	var list []any
	switch v := v.(type) {
	case []any:
		list = v
	case []string:
		for _, s := range v {
			list = append(list, s)
		}
	default:
		s, err := text(v)
		return []string{s}, err
	}
	if len(list) == 0 {
		return nil, errors.New("wants a list of texts")
	}
	out := make([]string, len(list))
	for i, e := range list {
		s, err := text(e)
		if err != nil {
			return nil, fmt.Errorf("entry %d %w", i, err)
		}
		out[i] = s
	}
	return out, nil
}

// options reads a map of which all keys are known.
func options(v any, known ...string) (map[string]any, error) {
	m, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("wants a map of %s", strings.Join(known, ", "))
	}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if !slices.Contains(known, k) {
			return nil, fmt.Errorf("has no option %q: use %s", k, strings.Join(known, ", "))
		}
	}
	return m, nil
}

// plain returns v with every map in it as a map[string]any: a YAML decoder
// gives maps inside a [CheckSpec] its own type.
func plain(v any) any {
	switch v := v.(type) {
	case CheckSpec:
		return plain(map[string]any(v))
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = plain(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = plain(e)
		}
		return out
	}
	return v
}
