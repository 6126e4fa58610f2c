package main

import (
	"context"

	"github.com/spf13/cobra"
)

func newAgentCommand() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use: "agent --config FILE", Short: "Probe from another place and report to a server", Args: cobra.NoArgs,
		Long: `Probes from another vantage and sends what it sees to the server in the section
agent of the config. Canaries and targets come from the server (or, with plan:
file, from the config); providers and their keys always come from the config.
What the server does not take waits on disk, and outlives the process. SIGHUP
and a change of the config file, or of a key or certificate file that it names,
reload it, except for the sections agent and probing.`,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := loadConfig(file)
			if err != nil {
				return err
			}
			log := newLogger(c.ErrOrStderr(), false)
			a, err := newAgent(cfg, log)
			if err != nil {
				return err
			}
			log.Info("bellwether probes as an agent", "name", a.cfg.Name, "vantage", a.cfg.Vantage, "server", a.cfg.Server, "spooled", a.spool.Stats().Records, "version", version())
			return a.Run(c.Context(), part{"reload", func(ctx context.Context) error { return a.watchConfig(ctx, file) }})
		},
	}
	configFlag(c, &file)
	return c
}
