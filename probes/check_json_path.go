package probes

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// compileJSONPath wants the answer to be JSON that holds something at a path
// such as $.items[0].name: anything, or what equals, contains or regex says.
// exists: false wants nothing there. Texts are compared as the check of the
// same name does, numbers by value. The limits of json_schema hold here too.
func compileJSONPath(want any) (test, error) {
	if s, ok := want.(string); ok {
		want = map[string]any{"path": s}
	}
	o, err := options(want, "path", "equals", "contains", "regex", "exists")
	if err != nil {
		return nil, err
	}
	path, _ := o["path"].(string)
	steps, err := parsePath(path)
	if err != nil {
		return nil, err
	}
	value, err := compileValue(o)
	if err != nil {
		return nil, err
	}
	absent := o["exists"] == false
	if _, ok := o["exists"].(bool); !ok && o["exists"] != nil {
		return nil, errors.New("exists wants true or false")
	}
	if absent && value != nil {
		return nil, errors.New("wants nothing at the path, and something of it: remove exists or the other")
	}
	return func(a Answer) string {
		v, why := decodeAnswer(a.Text)
		if why != "" {
			return why
		}
		v, found := walk(v, steps)
		switch {
		case found == absent && absent:
			return fmt.Sprintf("the answer has something at %s", path)
		case !found && !absent:
			return fmt.Sprintf("the answer has nothing at %s", path)
		case value == nil:
			return ""
		}
		if why := value(v); why != "" {
			return "at " + path + " " + why
		}
		return ""
	}, nil
}

// compileValue returns what tests the value at a path; nil for any value.
func compileValue(o map[string]any) (func(any) string, error) {
	if want, ok := o["equals"]; ok {
		raw, err := json.Marshal(want)
		if err != nil {
			return nil, fmt.Errorf("equals cannot be written as JSON: %w", err)
		}
		if o["contains"] != nil || o["regex"] != nil {
			return nil, errors.New("wants one of equals, contains and regex")
		}
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.UseNumber()
		var v any
		if err := dec.Decode(&v); err != nil {
			return nil, fmt.Errorf("equals: %w", err)
		}
		return func(got any) string {
			if sameJSON(got, v) {
				return ""
			}
			return fmt.Sprintf("stands %.80s, not %s", jsonText(got), raw)
		}, nil
	}
	var inner test
	for name, compile := range map[string]func(any) (test, error){"contains": compileContains, "regex": compileRegex} {
		if o[name] == nil {
			continue
		}
		if inner != nil {
			return nil, errors.New("wants one of equals, contains and regex")
		}
		var err error
		if inner, err = compile(o[name]); err != nil {
			return nil, fmt.Errorf("%s %w", name, err)
		}
	}
	if inner == nil {
		return nil, nil
	}
	return func(got any) string {
		if inner(Answer{Text: jsonText(got)}) == "" {
			return ""
		}
		return fmt.Sprintf("stands %.80s, which is not what was wanted", jsonText(got))
	}, nil
}

// jsonText is a string's own text, anything else as JSON.
func jsonText(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	raw, _ := json.Marshal(v) // it was decoded from JSON
	return string(raw)
}

// sameJSON compares decoded JSON: texts folded, numbers by value.
func sameJSON(a, b any) bool {
	switch a := a.(type) {
	case string:
		s, ok := b.(string)
		return ok && (a == s || fold(a) == fold(s))
	case json.Number:
		n, ok := b.(json.Number)
		if !ok || a == n {
			return ok
		}
		x, errX := a.Float64()
		y, errY := n.Float64()
		return errX == nil && errY == nil && x == y
	case []any:
		list, ok := b.([]any)
		if !ok || len(a) != len(list) {
			return false
		}
		for i := range a {
			if !sameJSON(a[i], list[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		m, ok := b.(map[string]any)
		if !ok || len(a) != len(m) {
			return false
		}
		for k := range a {
			if v, ok := m[k]; !ok || !sameJSON(a[k], v) {
				return false
			}
		}
		return true
	}
	return a == b // true, false, null
}

// step is one element of a path: a member's name, or an index.
type step struct {
	name  string
	index int
	isIdx bool
}

var pathStep = regexp.MustCompile(`^(?:\.([\p{L}\p{N}_-]+)|\[(-?[0-9]{1,6})\]|\["([^"]*)"\]|\['([^']*)'\])`)

// parsePath reads $.a.b[0]["c d"]; an index below zero counts from the end.
func parsePath(s string) ([]step, error) {
	rest := strings.TrimPrefix(s, "$")
	if s == "" || len(s) > 1000 {
		return nil, errors.New("wants a path such as $.items[0].name")
	}
	if rest == s && rest[0] != '.' && rest[0] != '[' {
		rest = "." + rest
	}
	var steps []step
	for rest != "" {
		m := pathStep.FindStringSubmatch(rest)
		if m == nil {
			return nil, fmt.Errorf("cannot read the path from %q on: write $.items[0].name", rest)
		}
		rest = rest[len(m[0]):]
		if m[2] != "" {
			i, _ := strconv.Atoi(m[2]) // at most six digits
			steps = append(steps, step{index: i, isIdx: true})
			continue
		}
		steps = append(steps, step{name: m[1] + m[3] + m[4]})
	}
	return steps, nil
}

// walk follows a path into decoded JSON.
func walk(v any, steps []step) (any, bool) {
	for _, s := range steps {
		if s.isIdx {
			list, ok := v.([]any)
			i := s.index
			if i < 0 {
				i += len(list)
			}
			if !ok || i < 0 || i >= len(list) {
				return nil, false
			}
			v = list[i]
			continue
		}
		m, _ := v.(map[string]any)
		next, there := m[s.name]
		if !there {
			return nil, false
		}
		v = next
	}
	return v, true
}
