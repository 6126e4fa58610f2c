package router

import (
	"sync/atomic"
	"time"
)

// rate is a limit a minute on requests or tokens, as a virtual schedule (the
// generic cell rate algorithm): no minute of the clock, no window that jumps.
// In any 60 s at most the limit passes, up to a sixth of it at once.
//
// Its methods do not lock. The zero rate has no limit.
type rate struct {
	step  atomic.Int64 // time that one unit takes, in nanoseconds; 0: no limit
	slack atomic.Int64 // how far the schedule may run ahead of now
	due   atomic.Int64 // when the schedule is level with now
}

// rateBurst is the part of a minute's limit that may come at once.
const rateBurst = 6

// set puts a limit a minute in force; 0 takes it away. What was taken stays.
func (r *rate) set(perMinute float64) {
	if perMinute <= 0 {
		r.step.Store(0)
		return
	}
	burst := max(perMinute/rateBurst, 1)
	step := float64(time.Minute) / (perMinute - burst + 1)
	r.slack.Store(int64(step * (burst - 1)))
	r.step.Store(max(int64(step), 1))
}

// free returns 0 when n units may pass at now, else when they may. More than
// the burst at once passes when everything before it is worked off.
func (r *rate) free(now, n int64) (at int64) {
	step := r.step.Load()
	if step == 0 {
		return 0
	}
	slack := r.slack.Load()
	if at := r.due.Load() + min((n-1)*step, slack) - slack; at > now {
		return at
	}
	return 0
}

// take takes n units if they may pass at now.
func (r *rate) take(now, n int64) bool {
	step, slack := r.step.Load(), r.slack.Load()
	if step == 0 {
		return true
	}
	for {
		due := r.due.Load()
		if due+min((n-1)*step, slack)-slack > now {
			return false
		}
		if r.due.CompareAndSwap(due, max(due, now)+n*step) {
			return true
		}
	}
}

// give corrects what was taken by n units, which may be negative: more was
// used than thought.
func (r *rate) give(n int64) {
	if step := r.step.Load(); step != 0 {
		r.due.Add(-n * step)
	}
}
