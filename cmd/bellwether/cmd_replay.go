package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/bellwether-llm/bellwether/store"
	"github.com/bellwether-llm/bellwether/store/sqlite"
)

// replayFlags are what `bellwether replay` was asked for.
type replayFlags struct {
	config, against, observations, output string
	store, weights, summary               bool
}

func newReplayCommand() *cobra.Command {
	var f replayFlags
	c := &cobra.Command{
		Use: "replay --config FILE {--observations FILE.ndjson | --store}", Short: "Score recorded observations again under a config", Args: cobra.NoArgs,
		Long: `Scores recorded observations as the server would have, and prints one line for
every change of a verdict, with --weights also for every change of the weights,
and then a summary: verdicts, time ill, weight and share moved, and who would
have been alerted. The same history under the same config gives the same output.

--observations reads one JSON object a line in the order of their times, plain
or gzip; "-" is standard input. Time is the observations' own. Export them with:
  curl -s 'http://127.0.0.1:8780/v1/observations?format=ndjson' | gzip > observations.ndjson.gz
--store reads the log in the config's own database, which a server may be using.

--against OTHER.yaml scores the same history under a second config too, and
prints what differs: verdicts that only one has, delays, alerts, weight.`,
		RunE: func(c *cobra.Command, _ []string) error { return f.run(c) },
	}
	configFlag(c, &f.config)
	c.Flags().StringVar(&f.observations, "observations", "", "`FILE` of observations, one JSON object a line")
	c.Flags().BoolVar(&f.store, "store", false, "read the config's database in place of a file")
	c.Flags().StringVar(&f.against, "against", "", "a second config `FILE` to compare with")
	c.Flags().StringVar(&f.output, "output", "text", "text or json")
	c.Flags().BoolVar(&f.weights, "weights", false, "print every revision of the weights as well")
	c.Flags().BoolVar(&f.summary, "summary", false, "with --output json: end with the summary")
	return c
}

// check refuses what does not go together.
func (f *replayFlags) check() error {
	switch {
	case f.output != "text" && f.output != "json":
		return fmt.Errorf("--output %q: write text or json", f.output)
	case f.observations == "" && !f.store:
		return errors.New("--observations is missing: name a file, or - for standard input; or write --store to read the config's database")
	case f.observations != "" && f.store:
		return errors.New("--observations and --store: write one of them")
	case f.against != "" && f.weights:
		return errors.New("--against and --weights: a comparison has no revisions to print; leave one out")
	}
	return nil
}

func (f *replayFlags) run(c *cobra.Command) error {
	if err := f.check(); err != nil {
		return codeError{exitUsage, err}
	}
	cfg, err := LoadConfig(f.config)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(c.OutOrStdout())
	printer := &replayPrinter{out, f.output == "json", f.weights}
	under := []*rescorer{nil}
	if f.against != "" {
		other, err := LoadConfig(f.against)
		if err != nil {
			return err
		}
		printer = nil
		second, err := newRescorer(other, nil)
		if err != nil {
			return err
		}
		under = append(under, second)
	}
	if under[0], err = newRescorer(cfg, printer); err != nil {
		return err
	}
	var done gauge
	from, closeIt, err := f.open(c.Context(), cfg, c.InOrStdin(), &done)
	if err != nil {
		return err
	}
	defer closeIt()
	endBar := startBar(c.ErrOrStderr(), &done)
	err = replay(c.Context(), from, &done, under...)
	endBar()
	if err == nil {
		err = f.report(out, from.name(), printer, under)
	}
	return errors.Join(err, out.Flush())
}

// report writes what is said at the end.
func (f *replayFlags) report(out io.Writer, from string, p *replayPrinter, under []*rescorer) error {
	first := under[0].tally.summary(f.config)
	err := first.empty("this config")
	if err == nil && p == nil {
		err = under[1].tally.summary(f.against).empty(f.against)
	}
	if err != nil {
		return codeError{exitUsage, fmt.Errorf("%s: %w", from, err)}
	}
	if p != nil {
		return p.end(first, f.summary)
	}
	return compare(under[0].tally, under[1].tally, [2]string{f.config, f.against}).write(out, f.output == "json")
}

// open opens what is replayed.
func (f *replayFlags) open(ctx context.Context, cfg Config, stdin io.Reader, done *gauge) (h history, closeIt func(), err error) {
	switch {
	case f.store:
		file := cfg.Store.File()
		st, err := sqlite.Open(ctx, file, sqlite.Options{ReadOnly: true})
		if errors.Is(err, store.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
			err = codeError{exitUsage, fmt.Errorf("--store: %w", err)}
		}
		if err != nil {
			return nil, nil, err
		}
		return storeLog{st, filepath.Base(file)}, func() { _ = st.Close() }, nil
	case f.observations == "-":
		return lineFile{"standard input", stdin}, func() {}, nil
	}
	in, err := os.Open(f.observations)
	if err != nil {
		return nil, nil, codeError{exitUsage, fmt.Errorf("--observations: %w", err)}
	}
	if info, err := in.Stat(); err == nil && info.Mode().IsRegular() {
		done.all.Store(info.Size())
	}
	return lineFile{f.observations, in}, func() { _ = in.Close() }, nil
}
