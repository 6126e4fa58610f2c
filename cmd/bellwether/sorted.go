package main

import (
	"cmp"
	"iter"
	"maps"
	"slices"
)

// sortedMap ranges over a map in the order of its keys.
func sortedMap[K cmp.Ordered, V any](m map[K]V) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if !yield(k, m[k]) {
				return
			}
		}
	}
}
