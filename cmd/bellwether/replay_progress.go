package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// startBar draws a bar of how far a replay is, on one line of w, ten times a
// second, if w is a terminal; elsewhere it does nothing. The function that it
// returns ends it and leaves an empty line.
func startBar(w io.Writer, g *gauge) (end func()) {
	if !isTerminal(w) {
		return func() {}
	}
	stop := make(chan struct{})
	var ended sync.WaitGroup
	started := time.Now()
	ended.Go(func() {
		tick := time.NewTicker(progressTick)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				fmt.Fprint(w, clearLine)
				return
			case now := <-tick.C:
				fmt.Fprint(w, clearLine+g.bar(now.Sub(started)))
			}
		}
	})
	return func() { close(stop); ended.Wait() }
}

const replayBar = 24

// bar is the line after so much time.
func (g *gauge) bar(elapsed time.Duration) string {
	seen, all := g.seen.Load(), g.all.Load()
	rate := float64(seen) / max(elapsed.Seconds(), .1)
	line := fmt.Sprintf("%s observations, %s/s", short(float64(seen)), short(rate))
	if at := g.at.Load(); at != 0 {
		line = time.Unix(0, at).UTC().Format("2006-01-02 15:04") + "  " + line
	}
	if all <= 0 {
		return line
	}
	part := min(1, float64(g.read.Load())/float64(all))
	full := int(part * replayBar)
	line = fmt.Sprintf("[%s%s] %3.0f %%  %s", strings.Repeat("=", full), strings.Repeat(" ", replayBar-full), 100*part, line)
	if part > .01 {
		left := time.Duration(float64(elapsed) * (1 - part) / part).Round(time.Second)
		line += fmt.Sprintf(", %v left", left)
	}
	return line
}

// short writes a number with three digits or so.
func short(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%.2f M", v/1e6)
	case v >= 1e4:
		return fmt.Sprintf("%.0f k", v/1e3)
	}
	return fmt.Sprintf("%.0f", v)
}
