// Command drill lets a router's first target die in every way that providers
// die, under a steady load of plain and streamed requests, and reports what
// callers saw and what each target had to bear: 503, a reset connection,
// silence, a stall in the middle of the answer, and a slow drip, each followed
// by recovery.
//
// The router is the real program in a process of its own, without a server, so
// that its own breakers do the work; with -server it follows one. It exits with
// 1 when something happened to a caller that must not: a plain request that
// failed, an answer cut short without a word, or more than one trial a second
// sent to a target that is known to be dead.
//
// Usage: drill [-rate 200] [-well 5s] [-ill 10s] [-again 10s] [-faults 503,reset,...] [-server]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/bellwether-llm/bellwether/internal/bench"
	"github.com/bellwether-llm/bellwether/internal/sim"
)

// illness is one way to die.
type illness struct {
	name  string
	fault sim.Fault
	dead  bool // it answers nobody, so that trials may be counted
}

// The illnesses, in the order of the report. A drip is so slow that its answer
// takes ten seconds, and yet never silent for as long as a stall.
var illnesses = []illness{
	{"503", sim.Fault{Kind: sim.KindStatus, Value: 503}, true},
	{"reset", sim.Fault{Kind: sim.KindReset}, true},
	{"silence", sim.Fault{Kind: sim.KindHang}, true},
	{"stall", sim.Fault{Kind: sim.KindStall, Value: 5}, true},
	{"drip", sim.Fault{Kind: sim.KindDecode, Value: 50}, false},
}

type options struct {
	rate             float64
	well, ill, again time.Duration
	faults           string
	server           bool
	program          string
}

func main() {
	var o options
	flag.Float64Var(&o.rate, "rate", 200, "requests a second, every other one streamed; 1 to 1000")
	flag.DurationVar(&o.well, "well", 5*time.Second, "how long all is well before each fault")
	flag.DurationVar(&o.ill, "ill", 10*time.Second, "how long each fault lasts")
	flag.DurationVar(&o.again, "again", 15*time.Second, "how long recovery is watched")
	flag.StringVar(&o.faults, "faults", "503,reset,silence,stall,drip", "which faults")
	flag.BoolVar(&o.server, "server", false, "let the router follow a server that probes as well")
	flag.StringVar(&o.program, "program", "", "the bellwether to drill; it is built when left out")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout, o); err != nil {
		fmt.Fprintln(os.Stderr, "drill:", err)
		os.Exit(1)
	}
}

func (o options) chosen() ([]illness, error) {
	var out []illness
	for name := range strings.SplitSeq(o.faults, ",") {
		i := slices.IndexFunc(illnesses, func(x illness) bool { return x.name == strings.TrimSpace(name) })
		if i < 0 {
			return nil, fmt.Errorf("no fault %q: write 503, reset, silence, stall or drip", name)
		}
		out = append(out, illnesses[i])
	}
	return out, nil
}

func run(ctx context.Context, w io.Writer, o options) error {
	chosen, err := o.chosen()
	if err != nil {
		return err
	}
	if o.rate < 1 || o.rate > 1000 || min(o.well, o.ill, o.again) < time.Second || max(o.well, o.ill, o.again) > 5*time.Minute {
		return errors.New("write -rate 1 to 1000, and 1s to 5m for -well, -ill and -again")
	}
	s, err := open(ctx, o)
	if err != nil {
		return err
	}
	defer s.close()
	fmt.Fprintf(w, "%s\n%.0f requests a second, half of them streamed; limits: first token %s, stall %s\n", bench.Machine(), o.rate, firstLimit, stallLimit)
	var wrong []string
	for _, ill := range chosen {
		r, err := s.drill(ctx, o, ill)
		if err != nil {
			return err
		}
		r.print(w, o)
		fmt.Fprintf(w, "the first target had most of the traffic again %s later\n", s.recover(ctx, o))
		for _, complaint := range r.complaints(o) {
			wrong = append(wrong, ill.name+": "+complaint)
		}
	}
	if len(wrong) > 0 {
		return errors.New(strings.Join(wrong, "\n       "))
	}
	fmt.Fprintln(w, "\nnothing happened to a caller that must not")
	return nil
}
