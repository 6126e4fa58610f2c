//go:build race

package scoring_test

// raced says that the race detector runs, under which simulations take ten
// times as long; they are then shorter.
const raced = true
