package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/probes"
)

// exitInterrupted is what shells say of a program that ctrl-C ended.
const exitInterrupted = 130

// probeFlags are what a user asks of `bellwether probe`.
type probeFlags struct {
	config, output, vantage string
	targets, canaries       []string
	count, concurrency      int
}

func newProbeCommand() *cobra.Command {
	var f probeFlags
	c := &cobra.Command{
		Use: "probe --config FILE [TARGET...]", Short: "Probe now and print timings, checks and the answer",
		Long: `Sends every canary to the targets named (all by default) and prints what came
back: the phases as a waterfall, tokens and cost, the checks, the answer. With
--count above 1 it prints one line a probe and percentiles at the end, warm
connections apart from fresh ones. While it works, and only on a terminal, a
line on standard error tells how far it is. Ctrl-C prints what there is.

With --output json it prints one observation a line, as the API has it, in the
order in which they end.

Exit code: 0 every answer was good; 3 one was not; 1 it could not work; 2 the
command line or the config is wrong; 130 ctrl-C ended it.`,
		RunE: func(c *cobra.Command, targets []string) error {
			f.targets = targets
			if err := f.check(); err != nil {
				return codeError{exitUsage, err}
			}
			cfg, err := LoadConfig(f.config)
			if err != nil {
				return err
			}
			return runProbe(c.Context(), f, cfg, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	configFlag(c, &f.config)
	c.Flags().IntVar(&f.count, "count", 1, "how often each is sent")
	c.Flags().IntVar(&f.concurrency, "concurrency", 1, "how many are in flight at once")
	c.Flags().StringVar(&f.vantage, "vantage", "", "`NAME` of the place that this machine probes from; the config's by default")
	c.Flags().StringVar(&f.output, "output", "text", "text, or json: one observation a line")
	c.Flags().StringSliceVar(&f.canaries, "canary", nil, "only these canaries")
	return c
}

func (f probeFlags) check() error {
	switch {
	case f.count < 1 || f.count > 10_000:
		return fmt.Errorf("--count %d is out of range: write 1 to 10000", f.count)
	case f.concurrency < 1 || f.concurrency > 1000:
		return fmt.Errorf("--concurrency %d is out of range: write 1 to 1000", f.concurrency)
	case f.output != "text" && f.output != "json":
		return fmt.Errorf("--output %q: write text or json", f.output)
	case f.vantage != "" && !bellwether.ValidID(f.vantage):
		return fmt.Errorf("--vantage %q is not a name: use lower-case letters, digits, '.', '_' and '-'", f.vantage)
	}
	return nil
}

// jobs are the probes to send, round by round.
func (f probeFlags) jobs(cfg Config) ([]probes.Job, error) {
	if err := known("target", f.targets, cfg.Targets, func(t TargetConfig) string { return t.ID }); err != nil {
		return nil, err
	}
	if err := known("canary", f.canaries, cfg.Canaries, func(k probes.Canary) string { return k.Name }); err != nil {
		return nil, err
	}
	if f.vantage != "" {
		cfg.Vantage = f.vantage
	}
	all, err := cfg.jobs()
	if err != nil {
		return nil, err
	}
	var round []probes.Job
	for _, j := range all {
		if chosen(f.targets, j.Target.ID) && chosen(f.canaries, j.Canary.Name) {
			round = append(round, j)
		}
	}
	if len(round) == 0 {
		return nil, codeError{exitUsage, errors.New("none of the canaries chosen is for any of the targets chosen")}
	}
	return slices.Repeat(round, f.count), nil
}

func runProbe(ctx context.Context, f probeFlags, cfg Config, out, errOut io.Writer) error {
	jobs, err := f.jobs(cfg)
	if err != nil {
		return err
	}
	prober, err := probes.New(probes.Options{Proxy: http.ProxyFromEnvironment, UserAgent: "bellwether/" + version()})
	if err != nil {
		return err
	}
	defer prober.Close()
	live := newProgress(errOut, len(jobs), f.output == "text" && isTerminal(out))
	report := newProbeReport(out, f.output == "json", f.count > 1)
	err = sendAll(ctx, prober, jobs, f.concurrency, live, func(o bellwether.Observation) error {
		live.clear()
		return report.add(o)
	})
	live.end()
	if err == nil {
		err = report.end(len(jobs))
	}
	switch {
	case err != nil:
		return fmt.Errorf("print: %w", err)
	case ctx.Err() != nil:
		return codeError{exitInterrupted, fmt.Errorf("stopped: %d of %d probes were sent to their end", report.total, len(jobs))}
	case report.ill > 0:
		return codeError{exitNothing, fmt.Errorf("%d of %d probes did not get a good answer", report.ill, report.total)}
	}
	return nil
}

// sendAll sends the jobs in order, so many at once, and gives each observation
// to each, one at a time. Those that ctx canceled are left out. It returns when
// nothing is in flight; an error of each ends it early.
func sendAll(ctx context.Context, p *probes.Prober, jobs []probes.Job, concurrency int, live *progress, each func(bellwether.Observation) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	due := make(chan probes.Job)
	came := make(chan bellwether.Observation)
	var workers sync.WaitGroup
	for range min(concurrency, len(jobs)) {
		workers.Go(func() {
			for j := range due {
				live.begin(j)
				came <- p.Probe(ctx, j)
			}
		})
	}
	go func() { // ends with the jobs, or with ctx
		defer close(came)
		defer workers.Wait()
		defer close(due)
		for _, j := range jobs {
			select {
			case due <- j:
			case <-ctx.Done():
				return
			}
		}
	}()
	var failed error
	for o := range came {
		if failed != nil || o.Outcome == bellwether.Canceled {
			continue
		}
		live.done(o)
		if failed = each(o); failed != nil {
			cancel()
		}
	}
	return failed
}

func chosen(names []string, name string) bool { return len(names) == 0 || slices.Contains(names, name) }

// known reports the first name that none of the things has.
func known[T any](kind string, names []string, things []T, name func(T) string) error {
	for _, n := range names {
		if !slices.ContainsFunc(things, func(t T) bool { return name(t) == n }) {
			all := make([]string, len(things))
			for i, t := range things {
				all[i] = name(t)
			}
			return codeError{exitUsage, fmt.Errorf("there is no %s %q; the config has %s", kind, n, strings.Join(all, ", "))}
		}
	}
	return nil
}
