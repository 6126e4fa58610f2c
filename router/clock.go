package router

import (
	"context"
	"io"
	"time"
)

// clock limits how long a provider may take. It runs only while we wait for
// the provider: neither a caller that reads slowly nor our own work is a
// silence of the provider's. It belongs to the request's goroutine; only its
// timer fires from outside, and only cancels.
type clock struct {
	cancel context.CancelCauseFunc
	cause  error         // what to cancel with; nil: there is no limit
	left   time.Duration // until then
	passed bool          // it has fired

	timer  *time.Timer // nil until it first runs
	began  time.Time   // when it was last started
	waited time.Duration
}

// expect gives the provider d from now. It reports false when the limit in
// force so far has passed already. The clock must not be running.
func (c *clock) expect(cause error, d time.Duration) bool {
	if !c.passed {
		c.cause, c.left = cause, d
	}
	return !c.passed
}

// start starts the clock, stop stops it.
func (c *clock) start() {
	c.began = time.Now()
	switch {
	case c.cause == nil || c.passed:
	case c.timer == nil:
		c.timer = time.AfterFunc(c.left, func() { c.cancel(c.cause) })
	default:
		c.timer.Reset(c.left)
	}
}

func (c *clock) stop() {
	took := time.Since(c.began)
	c.waited += took
	c.left -= took
	if c.timer != nil && c.cause != nil && !c.passed {
		c.passed = !c.timer.Stop()
	}
}

// awaited is what a provider sends, read by its clock.
type awaited struct {
	io.ReadCloser
	clock *clock
}

func (a awaited) Read(p []byte) (int, error) {
	a.clock.start()
	defer a.clock.stop()
	return a.ReadCloser.Read(p)
}
