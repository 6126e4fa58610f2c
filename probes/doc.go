// Package probes sends canaries to targets and says what came back: it turns
// the canaries section of a config into jobs, fires them on time, sends each
// over net/http, stamps every phase from one monotonic clock, reads the answer,
// runs the checks, and yields one observation.
//
// It judges a single answer and nothing more: whether a target is healthy,
// whose fault a failure is, and what to do about it belong to others. All that
// it keeps on disk is what suspicion spent today (see [OpenLedger]).
//
// Goroutines: a [Scheduler] owns one goroutine that fires (the one that calls
// Run) and one per probe in flight; Run joins them. A [Prober] starts, for the
// time of a probe, one goroutine that reads the body and, shared by all probes
// in flight, one that measures how late our own process is; both end before
// the last Probe returns. The Run of a [Guard] and of [Bulletins] join what they
// start. Checks and schedules are pure.
package probes
