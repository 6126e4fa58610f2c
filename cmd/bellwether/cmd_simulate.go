package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/bellwether-llm/bellwether/internal/sim"
)

func newSimulateCommand() *cobra.Command {
	var address string
	var seed uint64
	c := &cobra.Command{
		Use: "simulate --listen ADDR", Short: "Run the simulated provider alone", Args: cobra.NoArgs,
		Long: `Serves every model name in the wire formats of OpenAI (/v1: chat, Responses,
completions, embeddings, images), Azure (/openai), Anthropic (/v1/messages), Gemini
(/v1beta) and plain JSON (/http). A name may carry its latency:
m?first_token=300ms&inter_token=20ms&tokens=20. /r/REGION before a path names the
region. PUT /_faults takes a JSON list of faults, GET lists them, DELETE clears.`,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := sim.New(sim.Options{Seed: seed})
			if err != nil {
				return codeError{exitUsage, err}
			}
			ln, err := listen("--listen", address)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "simulated provider at http://%s\n", ln.Addr())
			return serveHTTP(ln, s, new(stopwatch), newLogger(c.ErrOrStderr(), true))(c.Context())
		},
	}
	c.Flags().StringVar(&address, "listen", "127.0.0.1:8790", "`ADDRESS` to serve on")
	c.Flags().Uint64Var(&seed, "seed", 1, "seed of all draws")
	return c
}
