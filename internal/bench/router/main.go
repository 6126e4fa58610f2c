// Command router measures what the bundled router costs beside HAProxy, nginx,
// the standard library's reverse proxy and a bare splice of sockets, all in one
// run and taking turns, each alone on one core; the callers, the upstream and
// Bellwether's own server are on the other. The router runs as in production:
// it asks for its callers' token, follows a server's weights, accounts, reports
// what it saw and counts.
//
// Processor time is what the kernel says each process took, so that waiting
// costs nothing and the callers' own work is not counted. Figures are medians
// over rounds; what they are compared with was measured in the same rounds.
//
// Usage: router [-rounds 5] [-segment 2s] [-streams 10000] [-soak 0]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/bellwether-llm/bellwether/internal/bench"
)

func main() {
	role := flag.String("role", "", "be a part of the harness")
	listen := flag.String("listen", "", "where that part listens")
	upstream := flag.String("upstream", "", "what that part calls")
	var o options
	flag.IntVar(&o.rounds, "rounds", 5, "how many rounds; 1 to 100")
	flag.DurationVar(&o.segment, "segment", 2*time.Second, "how long each is measured at each load in a round")
	flag.IntVar(&o.streams, "streams", 10_000, "how many streams to hold open; 0: none")
	flag.IntVar(&o.soak, "soak", 0, "how many requests to send in a row while memory is watched, one in ten aborted; 0: none")
	flag.StringVar(&o.program, "program", "", "the bellwether to measure; it is built when left out")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := error(nil)
	if *role != "" {
		err = play(*role, *listen, *upstream)
	} else {
		err = run(ctx, os.Stdout, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "router:", err)
		os.Exit(1)
	}
}

type options struct {
	rounds, streams, soak int
	segment               time.Duration
	program               string
}

func run(ctx context.Context, w io.Writer, o options) error {
	switch {
	case o.rounds < 1 || o.rounds > 100 || o.segment < 200*time.Millisecond || o.segment > time.Minute:
		return errors.New("write -rounds 1 to 100 and -segment 200ms to 1m")
	case runtime.GOOS != "linux" || runtime.NumCPU() < 2:
		return errors.New("this needs Linux and two cores, to give what is measured one of its own")
	}
	dir, err := os.MkdirTemp("", "bellwether-bench-router-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if o.program == "" {
		o.program = filepath.Join(dir, "bellwether")
		build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", o.program, "./cmd/bellwether")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("build: %w\n%s", err, out)
		}
	}
	s := &stage{dir: dir}
	defer s.stop()
	cs, err := s.set(ctx, o.program)
	if err != nil {
		return err
	}
	if err := keepTo(loadCore); err != nil {
		return err
	}
	fmt.Fprintf(w, "%s\n%d rounds of %s a load\n\n", bench.Machine(), o.rounds, o.segment)
	return measure(ctx, w, cs, o)
}

// keepTo binds this process to a core, as taskset does those it starts.
func keepTo(core int) error {
	out, err := exec.Command("taskset", "-a", "-cp", fmt.Sprint(core), fmt.Sprint(os.Getpid())).CombinedOutput()
	if err != nil {
		return fmt.Errorf("taskset: %w: %s", err, out)
	}
	runtime.GOMAXPROCS(1)
	return nil
}
