package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// result is one fault's drill.
type result struct {
	illness
	seconds         int
	mu              sync.Mutex
	all             []seen
	first, fallback []int // requests that each target got, by second
}

func (r *result) note(v seen) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, v)
}

// slack is what a first token may be later than the limit: the fallback's own
// first token, and a busy machine.
const slack = 700 * time.Millisecond

// tally counts the requests of a kind.
type tally struct {
	asked, late int
	by          [unended + 1]int
	why         string
}

func (r *result) tally(stream bool) tally {
	var t tally
	for _, v := range r.all {
		if v.stream != stream {
			continue
		}
		t.asked++
		t.by[v.end]++
		if v.end != whole && t.why == "" {
			t.why = v.why
		}
		// A plain answer comes all at once, at its end; a drip's takes long.
		if stream && v.end == whole && v.first > firstLimit+slack {
			t.late++
		}
	}
	return t
}

// settled is how long after the fault began the router may still find out;
// each request that is under way may try once.
const settled = 3 * time.Second

// trials is the most that the dead target was asked in a second once that was
// known.
func (r *result) trials(o options) int {
	most := 0
	for i := int((o.well + settled) / time.Second); i < int((o.well+o.ill)/time.Second); i++ {
		most = max(most, r.first[i])
	}
	return most
}

func (r *result) print(w io.Writer, o options) {
	fmt.Fprintf(w, "\n%s\n          %7s %7s %9s %8s %5s %8s %11s\n", r.name, "asked", "whole", "told", "refused", "cut", "unended", "first late")
	for _, stream := range []bool{false, true} {
		t, kind := r.tally(stream), "plain"
		if stream {
			kind = "streamed"
		}
		fmt.Fprintf(w, "%-9s %7d %7d %9d %8d %5d %8d %11d\n", kind, t.asked, t.by[whole], t.by[told], t.by[refused], t.by[cut], t.by[unended], t.late)
		if t.why != "" {
			fmt.Fprintf(w, "          first: %s\n", t.why)
		}
	}
	fmt.Fprintf(w, "asked a second: first    %s\n                fallback %s\n                         %s\n",
		bars(r.first[:r.seconds], o.rate), bars(r.fallback[:r.seconds], o.rate), r.ruler(o))
	if r.dead {
		fmt.Fprintf(w, "most trials of the dead target in a second, once known: %d\n", r.trials(o))
	}
}

// bars draws a second a character, full at the whole load.
func bars(counts []int, full float64) string {
	levels := []rune(" ▁▂▃▄▅▆▇█")
	var b strings.Builder
	for _, n := range counts {
		level := int(float64(n)/full*8 + .5)
		if n > 0 {
			level = max(level, 1)
		}
		b.WriteRune(levels[min(level, 8)])
	}
	return b.String()
}

// ruler marks the time of the fault.
func (r *result) ruler(o options) string {
	well, ill := int(o.well/time.Second), int(o.ill/time.Second)
	return strings.Repeat("·", well) + strings.Repeat("x", ill) + strings.Repeat("·", r.seconds-well-ill)
}

// complaints is what happened that must not.
func (r *result) complaints(o options) []string {
	var out []string
	plain, streamed := r.tally(false), r.tally(true)
	add := func(n int, what string) {
		if n > 0 {
			out = append(out, fmt.Sprintf("%d %s", n, what))
		}
	}
	add(plain.by[refused]+plain.by[cut]+plain.by[unended], "plain requests failed")
	add(streamed.by[refused], "streams were refused before their first token")
	add(streamed.by[cut], "streams were cut without a word")
	add(streamed.by[unended], "streams did not end")
	if r.name != "stall" {
		add(streamed.by[told], "streams broke though nothing had reached the caller")
	}
	if n := r.trials(o); r.dead && n > 1 {
		out = append(out, fmt.Sprintf("%d trials of the dead target in one second", n))
	}
	return out
}
