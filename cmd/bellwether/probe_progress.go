package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/probes"
)

// isTerminal reports whether w is a terminal that moves its cursor when told.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// progress is one line on a terminal that tells how far probing is; elsewhere
// it writes nothing at all. It is safe for concurrent use.
type progress struct {
	w     io.Writer // nil: silent
	all   int
	stop  chan struct{}
	ended sync.WaitGroup

	mu       sync.Mutex
	started  time.Time
	came     int
	ill      int
	last     string
	shown    bool
	together bool // with what is printed: the same terminal
}

const (
	clearLine    = "\r\x1b[K"
	progressTick = 100 * time.Millisecond
)

// newProgress begins to tell on w, if that is a terminal; together is whether
// results go to a terminal too. The caller must call end.
func newProgress(w io.Writer, all int, together bool) *progress {
	p := &progress{all: all, together: together, started: time.Now(), stop: make(chan struct{})}
	if !isTerminal(w) {
		return p
	}
	p.w = w
	p.ended.Go(p.run)
	return p
}

func (p *progress) run() {
	tick := time.NewTicker(progressTick)
	defer tick.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-tick.C:
			p.mu.Lock()
			fmt.Fprint(p.w, clearLine+p.line(time.Now()))
			p.shown = true
			p.mu.Unlock()
		}
	}
}

// line is what is told at now. p.mu is held.
func (p *progress) line(now time.Time) string {
	s := fmt.Sprintf("%d of %d", p.came, p.all)
	if p.ill > 0 {
		s += fmt.Sprintf(", %d not good", p.ill)
	}
	return fmt.Sprintf("%s  %.1f s  %s", s, now.Sub(p.started).Seconds(), p.last)
}

func (p *progress) begin(j probes.Job) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = j.Target.ID + " " + j.Canary.Name
}

func (p *progress) done(o bellwether.Observation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.came++
	if o.Outcome != bellwether.OK {
		p.ill++
	}
}

// clear makes room for results.
func (p *progress) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.w != nil && p.shown && p.together {
		fmt.Fprint(p.w, clearLine)
		p.shown = false
	}
}

// end leaves an empty line behind.
func (p *progress) end() {
	close(p.stop)
	p.ended.Wait()
	if p.w != nil && p.shown {
		fmt.Fprint(p.w, clearLine)
	}
}
