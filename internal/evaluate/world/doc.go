// Package world simulates targets, their faults and the probes sent to them,
// and scores any number of policies on what they see of it.
//
// It is not for simulating protocols: a probe is one draw of an outcome, three
// timings and a length. Nothing here reads a clock or starts a goroutine; a
// world belongs to the one goroutine that runs it, and the same seed gives the
// same observations.
package world
