package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"

	"github.com/spf13/cobra"

	"github.com/bellwether-llm/bellwether/api/client"
	"github.com/bellwether-llm/bellwether/internal/conf"
	"github.com/bellwether-llm/bellwether/router"
)

func newRouterCommand() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use: "router --config FILE", Short: "Run the bundled OpenAI-compatible router alone", Args: cobra.NoArgs,
		Long: `Runs the router alone. It follows the server in router.server; without one it
routes by the base weights and its own breakers. SIGHUP and a change of the
config file, or of a file that it names, reload targets and routes without
touching an answer under way; a config that cannot be read leaves the old one.`,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := LoadConfig(file)
			if err != nil {
				return err
			}
			return runRouter(c.Context(), file, cfg, newLogger(c.ErrOrStderr(), false))
		},
	}
	configFlag(c, &file)
	return c
}

// configFlag adds the flag that names the config file.
func configFlag(c *cobra.Command, file *string) {
	c.Flags().StringVarP(file, "config", "c", "bellwether.yaml", "the config `FILE`")
}

// routerSetup returns what the router serves.
func (c *Config) routerSetup() router.Setup {
	var s router.Setup
	for i, t := range c.probeTargets() {
		s.Targets = append(s.Targets, router.Target{Target: t.Target, Endpoint: t.Endpoint, Protocol: t.Protocol, ModelName: t.ModelName,
			Keys: c.Providers[t.Provider].keys(t.Region), Capabilities: c.Targets[i].Capabilities, ContextWindow: c.Targets[i].ContextWindow, Traits: c.Targets[i].Traits})
	}
	for _, r := range c.routes() {
		rc := c.Routes[r.Name]
		s.Routes = append(s.Routes, router.Route{Route: r, FirstToken: rc.FirstTokenLimit.Std(),
			Stall: rc.StallLimit.Std(), Total: rc.TotalLimit.Std(), Conduct: rc.Conduct})
	}
	return s
}

// newRouter returns the router of a config, following server unless it is "".
func newRouter(cfg Config, server string, token conf.Secret, log *slog.Logger) (*router.Router, error) {
	o := router.Options{Logger: log}
	if server != "" {
		follower, err := client.New(client.Config{Server: server, Token: token, Region: cfg.Router.Region, Name: routerName(cfg), Log: log})
		if err != nil {
			return nil, err
		}
		o.Follower = follower
	}
	return router.New(cfg.Router, cfg.routerSetup(), o)
}

func routerName(cfg Config) string { return firstOf(cfg.Router.Name, hostname(), "router") }

func runRouter(ctx context.Context, file string, cfg Config, log *slog.Logger) error {
	cfg.Router.Listen = firstOf(cfg.Router.Listen, router.DefaultListen)
	ln, err := listen("router.listen", cfg.Router.Listen)
	if err != nil {
		return err
	}
	rt, err := newRouter(cfg, cfg.Router.Server, cfg.Router.Token, log)
	if err != nil {
		return err
	}
	log.Info("router listens", "address", "http://"+ln.Addr().String(), "follows", firstOf(cfg.Router.Server, "nobody: base weights"))
	return runStages(ctx,
		[]part{{"reload", func(ctx context.Context) error { return watchRouter(ctx, rt, file, &cfg, log) }}},
		[]part{{"router", func(ctx context.Context) error { return rt.Serve(ctx, ln) }}},
		[]part{{"router follows", rt.Run}, {"memory", func(ctx context.Context) error { keepHeadroom(ctx); return nil }}})
}

// watchRouter puts targets, routes and callers in force whenever the config changes.
func watchRouter(ctx context.Context, rt *router.Router, file string, cfg *Config, log *slog.Logger) error {
	return onChange(ctx, func() fileStamps { return cfg.read }, func() {
		next, err := LoadConfig(file)
		if err == nil {
			next.Router.Listen = firstOf(next.Router.Listen, router.DefaultListen)
			if kept := keepSettledButCallers(&next, cfg, "router"); len(kept) > 0 {
				log.Warn("some sections take effect only after a restart", "sections", kept)
			}
			err = replaceRouting(rt, next)
		}
		if err != nil {
			log.Error("config not reloaded; the old one stays in force", "err", err)
			return
		}
		*cfg = next
		log.Info("config reloaded", "file", file, "targets", len(next.Targets), "routes", len(next.Routes))
	})
}

// replaceRouting puts the targets, routes and callers of a config in force.
func replaceRouting(rt *router.Router, cfg Config) error {
	if err := rt.Admit(cfg.Router.Admission()); err != nil {
		return err
	}
	return rt.Replace(cfg.routerSetup())
}

// listen opens a listener, or says which setting to change.
func listen(setting, address string) (net.Listener, error) {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; free the port, or set another address", setting, err)
	}
	return ln, nil
}
