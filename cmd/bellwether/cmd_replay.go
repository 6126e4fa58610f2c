package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/scoring"
)

// maxReplayLine bounds one observation in a file.
const maxReplayLine = 4 << 20

func newReplayCommand() *cobra.Command {
	var file, observations, output string
	var weights bool
	c := &cobra.Command{
		Use: "replay --config FILE --observations FILE.ndjson", Short: "Score recorded observations again under a config", Args: cobra.NoArgs,
		Long: `Reads observations, one JSON object a line in the order of their times, and
prints one line for every change of a verdict, and with --weights for every
change of the weights. Time is the observations' own. "-" reads standard input.
Export them from a server with:
  curl -s 'http://127.0.0.1:8780/v1/observations?format=ndjson' > observations.ndjson`,
		RunE: func(c *cobra.Command, _ []string) error {
			if output != "text" && output != "json" {
				return codeError{exitUsage, fmt.Errorf("--output %q: write text or json", output)}
			}
			if observations == "" {
				return codeError{exitUsage, errors.New("--observations is missing: name a file, or - for standard input")}
			}
			cfg, err := LoadConfig(file)
			if err != nil {
				return err
			}
			in, err := openInput(observations, c.InOrStdin())
			if err != nil {
				return codeError{exitUsage, fmt.Errorf("--observations: %w", err)}
			}
			defer func() { _ = in.Close() }()
			return replay(c.Context(), cfg, in, observations, replayPrinter{c.OutOrStdout(), output == "json", weights})
		},
	}
	configFlag(c, &file)
	c.Flags().StringVar(&observations, "observations", "", "`FILE` of observations, one JSON object a line")
	c.Flags().StringVar(&output, "output", "text", "text or json")
	c.Flags().BoolVar(&weights, "weights", false, "print every revision of the weights as well")
	return c
}

func openInput(name string, stdin io.Reader) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(stdin), nil
	}
	return os.Open(name)
}

// replay folds the observations of r, with ticks from their own times.
func replay(ctx context.Context, cfg Config, r io.Reader, name string, p replayPrinter) error {
	jobs, err := cfg.jobs()
	if err != nil {
		return err
	}
	engine, err := scoring.New(engineConfig(cfg, jobs))
	if err != nil {
		return err
	}
	f := folder{engine: engine, printer: p, targets: map[string]bool{}}
	for _, t := range cfg.Targets {
		f.targets[t.ID] = true
	}
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), maxReplayLine)
	for n := 1; lines.Scan() && ctx.Err() == nil; n++ {
		if len(lines.Bytes()) == 0 {
			continue
		}
		if err := f.line(lines.Bytes()); err != nil {
			return codeError{exitUsage, fmt.Errorf("%s:%d: %w", name, n, err)}
		}
	}
	switch {
	case errors.Is(lines.Err(), bufio.ErrTooLong):
		return codeError{exitUsage, fmt.Errorf("%s: a line is longer than %d bytes", name, maxReplayLine)}
	case lines.Err() != nil:
		return lines.Err()
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return f.judge(name)
}

// folder folds observations and the ticks between them.
type folder struct {
	engine   *scoring.Engine
	printer  replayPrinter
	targets  map[string]bool
	seq      uint64
	now      time.Time // of the last record
	started  time.Time // of the last observation
	revision uint64

	read, known, older int // observations; of known targets; older than the one before
}

var errNewestFirst = errors.New("is older than the line before, like most so far: observations must be in the order of their times, oldest first")

// line folds one observation.
func (f *folder) line(b []byte) error {
	var o bellwether.Observation
	if err := json.Unmarshal(b, &o); err != nil {
		return fmt.Errorf("not an observation: %w", err)
	}
	if o.At.IsZero() || o.Target == "" {
		return errors.New("an observation needs at and target; of a page of /v1/observations, write each element on a line")
	}
	f.read++
	if o.At.Before(f.started) { // slow answers may overlap; a file backwards may not
		if f.older++; f.older >= 10 && f.older > f.read/2 {
			return errNewestFirst
		}
	}
	f.started = o.At
	if f.targets[o.Target] {
		f.known++
	}
	return f.observe(o)
}

// judge says what is wrong with the file as a whole.
func (f *folder) judge(name string) error {
	switch {
	case f.read == 0:
		return codeError{exitUsage, fmt.Errorf("%s holds no observations", name)}
	case f.known == 0:
		return codeError{exitUsage, fmt.Errorf("%s: %s, none of a target of this config", name, count(f.read, "observation", "observations"))}
	case f.older > f.read/2:
		return codeError{exitUsage, fmt.Errorf("%s: each line %w", name, errNewestFirst)}
	}
	return nil
}

// maxGapTicks bounds the ticks folded between two observations: a long silence
// is told in longer steps.
const maxGapTicks = 10_000

func (f *folder) observe(o bellwether.Observation) error {
	end := o.At.Add(time.Duration((o.Timing.Total + o.Window) * float64(time.Second)))
	if end.Before(f.now) {
		end = f.now // records are in order; a slow answer overlaps the next
	}
	if !f.now.IsZero() {
		step := max(tickEvery, end.Sub(f.now)/maxGapTicks)
		for t := f.now.Add(step); t.Before(end); t = t.Add(step) {
			if err := f.fold(bellwether.Record{At: t}); err != nil {
				return err
			}
		}
	}
	return f.fold(bellwether.Record{At: end, Observation: &o})
}

func (f *folder) fold(r bellwether.Record) error {
	f.seq++
	r.Seq, f.now = f.seq, r.At
	res := f.engine.Fold(r)
	for _, c := range res.Changes {
		if err := f.printer.change(c); err != nil {
			return err
		}
	}
	if res.Routes != nil {
		f.revision++
		return f.printer.routes(bellwether.Weights{Epoch: "replay", Revision: f.revision, IssuedAt: r.At, Routes: res.Routes})
	}
	return nil
}

// replayPrinter writes what a replay finds, one line each.
type replayPrinter struct {
	out     io.Writer
	json    bool
	weights bool
}

func (p replayPrinter) change(c bellwether.Change) error {
	c.Seq = 0 // of the replay, not of the store
	if p.json {
		return json.NewEncoder(p.out).Encode(c)
	}
	_, err := fmt.Fprintf(p.out, "%s  %s  %s -> %s  score %.0f  weight %.2f  %s\n",
		c.At.Format(time.RFC3339), c.Target, c.From, c.To, c.Score, c.Weight, why(c.Reasons))
	return err
}

func (p replayPrinter) routes(w bellwether.Weights) error {
	if !p.weights {
		return nil
	}
	if p.json {
		return json.NewEncoder(p.out).Encode(w)
	}
	for name, r := range sortedMap(w.Routes) {
		line := fmt.Sprintf("%s  revision %d  %s (%s):", w.IssuedAt.Format(time.RFC3339), w.Revision, name, r.Mode)
		for _, t := range r.Targets {
			line += fmt.Sprintf(" %s %.2f/%.2f", t.Target, t.Weight, t.Share)
		}
		if _, err := fmt.Fprintln(p.out, line); err != nil {
			return err
		}
	}
	return nil
}
