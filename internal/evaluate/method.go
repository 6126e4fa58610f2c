package main

// method says how it is measured.
func (b *Book) method() string {
	return `- **Worlds.** A probe is one draw of an outcome, a time to the first token (median 0.3 s, log spread .35), a gap between tokens (20 ms, .12) and a length (40 tokens, .15); .5 % of calls fail and .2 % of answers are wrong in health.
  The noises share their median deviation: normal, Student's t, 2 % spikes of x4.5, and two autoregressive ones, which move with time, so that probes 5 s apart are more alike than those 30 s apart.
  Recorded noise is residuals of real answers; its sources are named in ` + "`internal/evaluate/world/testdata`" + `.
- **Past.** Every trial goes on from a checkpoint of ten healthy days (28 where load follows the hour or noise is recorded, three for the grid of 24), one of several pasts, so that luck in learning is part of the figure.
- **Onset** falls anywhere between probes. Delay counts from it to the first verdict that a user sees, the call's own time included. Trials that were ill already are left out.
- **Regret** is the time in which weight above what the true state deserves went to an ill target (the utilities of docs/scoring.md), plus the weight withheld from well ones. For half a pool it is the share of traffic beyond that of ideal weights.
- **Other rules** are given what they are strong at: rules about latency also have Gatus' three failures in a row, because a failure has no latency. They are all or nothing, as shipped.
- **Run it.** ` + "`make evaluate`" + ` takes an hour on two quiet cores and goes on where it was interrupted: finished work is kept in the user's cache folder, by a hash of program and engine. ` + "`go run ./internal/evaluate --only ramp --seeds 40`" + `
  looks at one family or scenario and writes nothing; ` + "`--profile standard`" + ` takes a fifth of the time and ` + "`brief`" + ` five minutes, ` + "`--budget 20m`" + ` begins no work after twenty minutes, ` + "`--seed 2`" + ` is another evaluation. ` + "`make evaluate-quick`" + ` takes a minute and
  fails where a figure is worse than ` + "`internal/evaluate/expected.json`" + ` by more than luck explains.
- **Limits of this page.** The simulated scheduler answers suspicion at once and has no budget of its own. Failures in health are independent; slow moods of real networks at 5 s may be stronger than in any noise here. Seeds are none of those of scoring's tests.
`
}
