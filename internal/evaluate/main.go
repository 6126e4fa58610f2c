// Command evaluate measures how soon Bellwether and others notice faults, at
// which rate of false alarms, and what mathematics allows; `make evaluate`
// writes docs/evaluation.md with it.
//
// It is not a test of the program as a whole: probes are simulated
// (internal/evaluate/world), and of Bellwether only the engine takes part,
// through its public methods. The pool in run.go owns all goroutines; figures
// depend on the seed and the profile, not on how many there are.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"time"

	"github.com/bellwether-llm/bellwether/internal/evaluate/trials"
)

// options are the command line.
type options struct {
	profile  string
	only     string
	seeds    int
	budget   time.Duration
	seed     uint64
	cache    string
	workers  int
	docs     string
	expected string
	write    bool
	check    bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "evaluate:", err)
		os.Exit(1)
	}
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	fs := flag.NewFlagSet("evaluate", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&o.profile, "profile", "full", "how much: "+strings.Join(profileNames(), ", "))
	quick := fs.Bool("quick", false, "short for --profile quick --check: compare with what is expected, write nothing")
	fs.StringVar(&o.only, "only", "", "only the scenario families whose name contains this; writes nothing")
	fs.IntVar(&o.seeds, "seeds", 0, "trials per scenario; 0 means the profile's")
	fs.DurationVar(&o.budget, "budget", 0, "begin no work after this time; 0 means no limit")
	fs.Uint64Var(&o.seed, "seed", 1, "another seed is another evaluation")
	fs.StringVar(&o.cache, "cache", "", "folder of finished work; empty means one in the user's cache, - none")
	fs.IntVar(&o.workers, "workers", runtime.GOMAXPROCS(0), "how many cells at a time")
	fs.StringVar(&o.docs, "docs", "docs", "folder of evaluation.md")
	fs.StringVar(&o.expected, "expected", "internal/evaluate/expected.json", "file of expectations")
	fs.BoolVar(&o.write, "write", false, "write the page and the expectations, whatever was left out for want of time; full and standard do when nothing was")
	fs.BoolVar(&o.check, "check", false, "fail where figures are worse than expected")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if *quick {
		o.profile, o.check = "quick", true
	}
	if fs.NArg() > 0 {
		return o, fmt.Errorf("%q is not understood; see -help", fs.Arg(0))
	}
	return o, nil
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	p, ok := profiles()[o.profile]
	if !ok {
		return fmt.Errorf("no profile %q; write one of %s", o.profile, strings.Join(profileNames(), ", "))
	}
	if o.seeds > 0 {
		p.seeds = o.seeds
	}
	began := time.Now()
	pool, err := newPool(o, trials.NewShared(o.seed), stderr)
	if err != nil {
		return err
	}
	book, err := evaluate(ctx, pool, p, o.only)
	if err != nil {
		return err
	}
	book.Took, book.Profile = time.Since(began), o.profile
	page := report(book)
	if _, err := io.WriteString(stdout, page.text(o.only == "")); err != nil {
		return err
	}
	if whole := pool.skipped == 0 && o.profile != "quick"; o.only == "" && (whole || o.write) {
		if err := page.save(o.docs); err != nil {
			return err
		}
		if err := saveExpected(o.expected, book); err != nil {
			return err
		}
	}
	if o.check {
		return check(o.expected, book, stderr)
	}
	return nil
}
