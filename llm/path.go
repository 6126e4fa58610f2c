package llm

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// maxSteps bounds the steps of a [Path].
const maxSteps = 32

// Path is where a value lies in JSON: names separated by dots, places in lists
// in brackets from 0 (or from the end, -1 being the last), such as
// "output.items[0].text". A leading "$" or "$." says nothing. A name with other
// than letters, digits, "_" and "-" stands in brackets and quotes:
// ["my.name"]. There are no wildcards and no filters.
type Path struct{ steps []pathStep }

// pathStep is a name, or a place where name is "" and named is false.
type pathStep struct {
	name  string
	named bool
	index int
}

// ParsePath reads a path. The empty one is the whole value.
func ParsePath(s string) (Path, error) {
	var p Path
	rest := strings.TrimPrefix(s, "$")
	for first := true; rest != ""; first = false {
		var st pathStep
		var err error
		switch {
		case rest[0] == '[':
			st, rest, err = bracketStep(rest)
		case rest[0] == '.' && (!first || strings.HasPrefix(s, "$")):
			st, rest, err = nameStep(rest[1:])
		case first && !strings.HasPrefix(s, "$"):
			st, rest, err = nameStep(rest)
		default:
			err = errors.New("a dot or a bracket is missing")
		}
		if err == nil && len(p.steps) == maxSteps {
			err = fmt.Errorf("more than %d steps", maxSteps)
		}
		if err != nil {
			return Path{}, fmt.Errorf("path %q: %w", cut(s, 100), err)
		}
		p.steps = append(p.steps, st)
	}
	return p, nil
}

func nameStep(s string) (pathStep, string, error) {
	n := strings.IndexAny(s, ".[")
	if n < 0 {
		n = len(s)
	}
	name := s[:n]
	for _, c := range name {
		if c < 0x80 && c != '_' && c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return pathStep{}, "", fmt.Errorf("%q in a name: write it in brackets and quotes", c)
		}
	}
	if name == "" {
		return pathStep{}, "", errors.New("a name is missing")
	}
	return pathStep{name: name, named: true}, s[n:], nil
}

func bracketStep(s string) (pathStep, string, error) {
	if strings.HasPrefix(s, `["`) {
		end := skipString([]byte(s), 1)
		name, ok := unquote([]byte(s[1:end]))
		if !ok || !strings.HasPrefix(s[end:], "]") {
			return pathStep{}, "", errors.New("a quoted name has no end")
		}
		return pathStep{name: name, named: true}, s[end+1:], nil
	}
	inner, rest, ok := strings.Cut(s[1:], "]")
	n, err := strconv.Atoi(inner)
	if !ok || err != nil || n < -1<<20 || n > 1<<20 {
		return pathStep{}, "", errors.New("no place in the brackets: write [0], [-1] or [\"name\"]")
	}
	return pathStep{index: n}, rest, nil
}

// find returns the value at p in data, which is valid JSON; nil where there is
// none. Of a name that is there twice, the last counts, as with encoding/json.
func (p Path) find(data []byte) []byte {
	data = trimSpace(data)
	for _, s := range p.steps {
		var found []byte
		if s.named {
			walkObject(data, func(k, v []byte) bool {
				if name, _ := unquote(k); name == s.name {
					found = v
				}
				return true
			})
		} else {
			found = element(data, s.index)
		}
		if found == nil {
			return nil
		}
		data = found
	}
	return data
}

// element returns an element of a list; nil where there is none.
func element(list []byte, index int) []byte {
	var found []byte
	n := 0
	if index < 0 {
		walkArray(list, func([]byte) bool { n++; return true })
		index += n
		n = 0
	}
	walkArray(list, func(v []byte) bool {
		if n == index {
			found = v
		}
		n++
		return n <= index
	})
	return found
}

func trimSpace(b []byte) []byte { return b[skipSpace(b, 0):] }
