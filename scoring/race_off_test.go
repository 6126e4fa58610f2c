//go:build !race

package scoring_test

const raced = false
