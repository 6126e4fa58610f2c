package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"
	"time"
)

// figures are one contender's, a value a round.
type figures struct {
	cpu1, cpu32   []float64 // microseconds of processor time a request
	rate32        []float64 // requests a second at 32 connections
	p50, p99      []float64 // microseconds, at the shared rate
	first         []float64 // microseconds to a stream's first byte, median
	chunk         []float64 // microseconds of processor time a relayed chunk
	failed, asked int64
	why           error
}

// chunkCount and chunkGap are the streams that chunks are measured with.
const (
	chunkCount = 200
	chunkGap   = 5 * time.Millisecond
)

func measure(ctx context.Context, w io.Writer, cs []*contender, o options) error {
	all := make([]figures, len(cs))
	for _, c := range cs { // nobody pays for a first connection in the figures
		if t := closed(ctx, c.address, request(c.address, c.token, false, 0, 0), 32, o.segment/4); t.why != nil {
			return fmt.Errorf("%s: %w", c.name, t.why)
		}
	}
	rate := 0.0
	for round := range o.rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, o.rounds)
		for i, c := range cs {
			f := &all[i]
			plain := request(c.address, c.token, false, 0, 0)
			f.cpu1 = append(f.cpu1, f.perRequest(c, func() *tally { return closed(ctx, c.address, plain, 1, o.segment) }))
			var t *tally
			f.cpu32 = append(f.cpu32, f.perRequest(c, func() *tally { t = closed(ctx, c.address, plain, 32, o.segment); return t }))
			f.rate32 = append(f.rate32, float64(t.requests.Load())/o.segment.Seconds())
		}
		if rate == 0 { // half of what the slowest can do, the same for all
			rate = 1e9
			for i := range all {
				rate = min(rate, all[i].rate32[0]/2)
			}
		}
		for i, c := range cs {
			all[i].latency(ctx, c, rate, o.segment)
			all[i].streams(ctx, c, o.segment)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	report(w, cs, all, rate)
	router := cs[len(cs)-1]
	if o.streams > 0 {
		if err := hold(ctx, w, router, o.streams); err != nil {
			return err
		}
	}
	if o.soak > 0 {
		return soak(ctx, w, router, o.soak)
	}
	return nil
}

// perRequest is the processor time that c took for each request of a load.
func (f *figures) perRequest(c *contender, load func() *tally) float64 {
	before := c.cpu()
	t := load()
	took := c.cpu() - before
	f.count(t)
	return us(took) / float64(max(1, t.requests.Load()))
}

func (f *figures) count(t *tally) {
	f.asked += t.requests.Load()
	f.failed += t.failed.Load()
	f.why = errors.Join(f.why, t.why)
}

func (c *contender) cpu() time.Duration {
	if c.proc == nil {
		return 0
	}
	d, _ := c.proc.usage()
	return d
}

func (f *figures) latency(ctx context.Context, c *contender, rate float64, length time.Duration) {
	t := paced(ctx, c.address, request(c.address, c.token, false, 0, 0), 32, rate, length)
	f.count(t)
	f.p50 = append(f.p50, us(t.total.Quantile(.5)))
	f.p99 = append(f.p99, us(t.total.Quantile(.99)))
}

func (f *figures) streams(ctx context.Context, c *contender, length time.Duration) {
	t := closed(ctx, c.address, request(c.address, c.token, true, 5, 0), 1, length/2)
	f.count(t)
	f.first = append(f.first, us(t.first.Quantile(.5)))
	before := c.cpu()
	t = closed(ctx, c.address, request(c.address, c.token, true, chunkCount, chunkGap), 32, length)
	f.chunk = append(f.chunk, us(c.cpu()-before)/float64(max(1, t.chunks.Load())))
	f.count(t)
}

func us(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// median is of a copy of v.
func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	if len(v) == 0 {
		return 0
	}
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// paired is the median over rounds of a(round) - b(round).
func paired(a, b []float64) float64 {
	d := make([]float64, min(len(a), len(b)))
	for i := range d {
		d[i] = a[i] - b[i]
	}
	return median(d)
}

func report(w io.Writer, cs []*contender, all []figures, rate float64) {
	direct := &all[0]
	fmt.Fprintf(w, "%-13s %10s %10s %9s %10s %10s %11s %9s %7s\n", "", "cpu/req 1", "cpu/req 32", "req/s 32", "added p50", "added p99", "first byte", "cpu/chunk", "failed")
	for i, c := range cs {
		f := &all[i]
		fmt.Fprintf(w, "%-13s %10.1f %10.1f %9.0f %10.1f %10.1f %11.1f %9.2f %7d\n", c.name, median(f.cpu1), median(f.cpu32), median(f.rate32),
			paired(f.p50, direct.p50), paired(f.p99, direct.p99), paired(f.first, direct.first), median(f.chunk), f.failed)
	}
	fmt.Fprintf(w, "\nmicroseconds; latencies at %.0f requests a second, added to the direct call's %.1f (p50) and %.1f (p99); first byte of a stream, added to %.1f\n\n",
		rate, median(direct.p50), median(direct.p99), median(direct.first))
	for i, c := range cs {
		if all[i].why != nil {
			fmt.Fprintf(w, "%s failed %d times: %v\n", c.name, all[i].failed, firstLine(all[i].why))
		}
	}
	judge(w, cs, all)
}

func firstLine(err error) string {
	s := err.Error()
	for i, r := range s {
		if r == '\n' {
			return s[:i]
		}
	}
	return s
}

// judge prints the router's ratios beside what they should be.
func judge(w io.Writer, cs []*contender, all []figures) {
	by := map[string]*figures{}
	for i, c := range cs {
		by[c.name] = &all[i]
	}
	own, direct := by["bellwether"], by["direct"]
	line := func(what string, ours float64, other string, theirs func(*figures) float64, goal float64) {
		f := by[other]
		if f == nil {
			fmt.Fprintf(w, "%-44s %s is not on this machine\n", what, other)
			return
		}
		if theirs(f) <= 0 { // a difference of two latencies that noise has eaten
			fmt.Fprintf(w, "%-44s %5.0f microseconds; %s's cannot be told from the direct call's: not judged\n", what, ours, other)
			return
		}
		ratio, verdict := ours/theirs(f), "met"
		if !(ratio <= goal) {
			verdict = "not met"
		}
		fmt.Fprintf(w, "%-44s %5.2f of %s's, goal %.2f: %s\n", what, ratio, other, goal, verdict)
	}
	for _, other := range []struct {
		name string
		goal float64
	}{{"haproxy", 2.5}, {roleReverse, 1}} {
		line("processor a request, 1 connection", median(own.cpu1), other.name, func(f *figures) float64 { return median(f.cpu1) }, other.goal)
		line("processor a request, 32 connections", median(own.cpu32), other.name, func(f *figures) float64 { return median(f.cpu32) }, other.goal)
	}
	line("added p50", paired(own.p50, direct.p50), "haproxy", func(f *figures) float64 { return paired(f.p50, direct.p50) }, 1.5)
	line("added p99", paired(own.p99, direct.p99), "haproxy", func(f *figures) float64 { return paired(f.p99, direct.p99) }, 3)
	line("processor a relayed chunk", median(own.chunk), roleSplice, func(f *figures) float64 { return median(f.chunk) }, 1.5)
	if h := by["haproxy"]; h != nil {
		fmt.Fprintf(w, "%-44s %5.0f microseconds later than through haproxy, goal 100\n", "a stream's first byte", paired(own.first, h.first))
	}
}

// descriptors is how many files this process may have open.
func descriptors() int {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 1024
	}
	return int(min(l.Cur, 1<<20))
}

// hold opens many streams at once and says what memory they take.
func hold(ctx context.Context, w io.Writer, c *contender, want int) error {
	n := min(want, (descriptors()-300)/2) // the router has two sockets a stream
	_, before := c.proc.usage()
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	// A chunk every second: they are open, and quiet. Each outlasts the time in
	// which they begin, so that none begins a second one.
	req := request(c.address, c.token, true, 20, time.Second)
	most, open := before, make(chan *tally, 1)
	go func() { open <- closed(ctx, c.address, req, n, 15*time.Second) }()
	for {
		select {
		case t := <-open:
			perStream := float64(most-before) / float64(n)
			fmt.Fprintf(w, "\n%d streams open at once (%d whole, %d failed): %.0f MB resident, %.1f KB a stream, so %.0f MB for 10,000; goal 300\n",
				n, t.requests.Load(), t.failed.Load(), float64(most)/1e6, perStream/1e3, (float64(before)+perStream*10_000)/1e6)
			if t.why != nil {
				fmt.Fprintf(w, "the first failure: %v\n", t.why)
			}
			return nil
		case <-time.After(500 * time.Millisecond):
			_, now := c.proc.usage()
			most = max(most, now)
		}
	}
}

// soak sends many requests, one in ten of which hangs up before the answer,
// and prints resident memory on the way.
func soak(ctx context.Context, w io.Writer, c *contender, n int) error {
	fmt.Fprintf(w, "\n%d requests, one in ten aborted; resident memory after each tenth:", n)
	plain := request(c.address, c.token, false, 0, 0)
	stream := request(c.address, c.token, true, 50, 10*time.Millisecond)
	var f figures
	for range 10 {
		f.count(counted(ctx, c.address, plain, stream, 32, n/10))
		if err := ctx.Err(); err != nil {
			return err
		}
		_, resident := c.proc.usage()
		fmt.Fprintf(w, " %.0f", float64(resident)/1e6)
	}
	fmt.Fprintf(w, " MB; %d failed\n", f.failed)
	return f.why
}
