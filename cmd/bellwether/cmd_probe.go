package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/probes"
)

func newProbeCommand() *cobra.Command {
	var file, output string
	var canaries []string
	count := 1
	c := &cobra.Command{
		Use: "probe --config FILE [TARGET...]", Short: "Probe now and print timings, checks and the answer",
		Long: "Sends every canary to the targets named (all by default), one after the other,\nand prints what came back. Exits with 3 when an answer was not well.",
		RunE: func(c *cobra.Command, targets []string) error {
			cfg, err := LoadConfig(file)
			if err != nil {
				return err
			}
			if count < 1 || count > 1000 {
				return codeError{exitUsage, fmt.Errorf("--count %d is out of range: write 1 to 1000", count)}
			}
			if output != "text" && output != "json" {
				return codeError{exitUsage, fmt.Errorf("--output %q: write text or json", output)}
			}
			return runProbe(c, cfg, targets, canaries, count, output == "json")
		},
	}
	configFlag(c, &file)
	c.Flags().IntVar(&count, "count", 1, "how often each is sent")
	c.Flags().StringVar(&output, "output", "text", "text, or json: one observation a line")
	c.Flags().StringSliceVar(&canaries, "canary", nil, "only these canaries")
	return c
}

func runProbe(c *cobra.Command, cfg Config, targets, canaries []string, count int, asJSON bool) error {
	if err := known("target", targets, cfg.Targets, func(t TargetConfig) string { return t.ID }); err != nil {
		return err
	}
	if err := known("canary", canaries, cfg.Canaries, func(k probes.Canary) string { return k.Name }); err != nil {
		return err
	}
	jobs, err := cfg.jobs()
	if err != nil {
		return err
	}
	prober, err := probes.New(probes.Options{Proxy: http.ProxyFromEnvironment, UserAgent: "bellwether/" + version()})
	if err != nil {
		return err
	}
	defer prober.Close()
	ill := 0
	for range count {
		for _, j := range jobs {
			if !chosen(targets, j.Target.ID) || !chosen(canaries, j.Canary.Name) || c.Context().Err() != nil {
				continue
			}
			o := prober.Probe(c.Context(), j)
			if o.Outcome != bellwether.OK {
				ill++
			}
			if err := printObservation(c.OutOrStdout(), o, asJSON); err != nil {
				return err
			}
		}
	}
	if ill > 0 {
		return codeError{exitNothing, fmt.Errorf("%d probes did not get a good answer", ill)}
	}
	return c.Context().Err()
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

func printObservation(w io.Writer, o bellwether.Observation, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(o)
	}
	_, err := fmt.Fprint(w, describe(o))
	return err
}

// describe is an observation for people.
func describe(o bellwether.Observation) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s  %s", o.Target, o.Canary, o.Outcome)
	if o.Status != 0 {
		fmt.Fprintf(&b, " (%d)", o.Status)
	}
	b.WriteByte('\n')
	t := o.Timing
	for _, p := range []struct {
		name    string
		seconds float64
	}{{"dns", t.DNS}, {"connect", t.Connect}, {"tls", t.TLS}, {"first byte", t.FirstByte}, {"first token", t.FirstToken}, {"inter token", t.InterToken}, {"total", t.Total}} {
		if p.seconds > 0 {
			fmt.Fprintf(&b, "  %-12s %8.1f ms\n", p.name, p.seconds*1000)
		}
	}
	if o.Tokens != nil {
		fmt.Fprintf(&b, "  %-12s %d in, %d out, %.6f USD\n", "tokens", o.Tokens.Input, o.Tokens.Output, o.CostUSD)
	}
	for _, c := range o.Checks {
		mark := "ok"
		if !c.OK {
			mark = "FAILED " + c.Detail
		}
		fmt.Fprintf(&b, "  %-12s %s: %s\n", "check", c.Name, mark)
	}
	for _, s := range slices.Sorted(maps.Keys(o.Signals)) {
		fmt.Fprintf(&b, "  %-12s %s %.4g\n", "signal", s, o.Signals[s])
	}
	if o.Error != "" {
		fmt.Fprintf(&b, "  %-12s %s\n", "error", o.Error)
	}
	if o.Excerpt != "" {
		fmt.Fprintf(&b, "  %-12s %q\n", "answer", o.Excerpt)
	}
	return b.String()
}
