// Package scoring turns observations into verdicts and weights.
//
// It is a fold: [Engine.Fold] takes one sequenced record (an observation, an
// override, or a tick of time) and returns what changed. The same records in
// the same order give the same results, byte for byte on one architecture,
// whether live, replayed, or continued from a checkpoint.
//
// Every signal of a target is compared with its own learned past by rank,
// likelihood ratios of concrete hypotheses ("first token twice as slow", "one
// call in three fails") are accumulated in CUSUMs whose thresholds are solved
// from the false alarms that the user allows, and a Bayesian reading of the
// same ratios sets the weight. docs/scoring.md has the formulas and sources.
//
// It is not for talking to anything: it does no I/O, reads no clock, starts no
// goroutine and logs nothing. An [Engine] belongs to one goroutine; what its
// methods return are copies that may be handed on.
package scoring
