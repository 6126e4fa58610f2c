package api

import (
	"reflect"
	"slices"
	"strings"
)

// suggest says which names there are in place of one that is not, and which of
// them was meant, where one is close.
func suggest(name string, known []string) string {
	if len(known) == 0 {
		return "none is known here"
	}
	known = slices.Clone(known)
	slices.Sort(known)
	known = slices.Compact(known)
	said := "known are " + strings.Join(known, ", ")
	if near := nearest(name, known); near != "" {
		return "did you mean " + near + "? " + said
	}
	return said
}

// nearest returns the name that is a slip or two away from name, "" when none
// is: at most two edits, and fewer than half of what was written.
func nearest(name string, known []string) string {
	best, found := 3, ""
	name = name[:min(len(name), 100)]
	for _, k := range known {
		if away := len(k) - len(name); away >= best || -away >= best {
			continue // so many edits at least
		}
		if d := edits(strings.ToLower(name), k); d < best && 2*d < len(name) {
			best, found = d, k
		}
	}
	return found
}

// edits returns how many insertions, deletions, replacements and swaps of
// neighbours lead from a to b (optimal string alignment). O(len(a)·len(b)).
func edits(a, b string) int {
	last, row := make([]int, len(b)+1), make([]int, len(b)+1)
	var before []int
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, last = last, row
		row = make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}

// members returns the names of the JSON members of the struct that v points to.
func members(v any) []string {
	t := reflect.TypeOf(v)
	if t.Kind() != reflect.Pointer || t.Elem().Kind() != reflect.Struct {
		return nil
	}
	var names []string
	for f := range t.Elem().Fields() {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" {
			names = append(names, name)
		}
	}
	return names
}
