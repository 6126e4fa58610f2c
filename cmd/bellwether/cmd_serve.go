package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/alerting"
	"github.com/bellwether-llm/bellwether/scoring"
)

func newServeCommand() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use: "serve --config FILE", Short: "Probe, score, publish weights, serve the API and the dashboard", Args: cobra.NoArgs,
		Long: `Runs everything. SIGHUP and a change of the config file, or of a key or
certificate file that it names, reload it; a config that
is wrong is reported and the old one stays in force.`,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := LoadConfig(file)
			if err != nil {
				return err
			}
			return runServe(c.Context(), file, cfg, newLogger(c.ErrOrStderr(), false))
		},
	}
	configFlag(c, &file)
	return c
}

func runServe(ctx context.Context, file string, cfg Config, log *slog.Logger) error {
	for _, w := range warnings(cfg) {
		log.Warn(w)
	}
	a, err := newApp(ctx, cfg, log, appOptions{warmup: true})
	if err != nil {
		return err
	}
	log.Info("bellwether serves", "dashboard", "http://"+a.apiListener.Addr().String(), "targets", len(cfg.Targets), "version", version())
	if a.routerListener != nil {
		log.Info("router serves", "address", "http://"+a.routerListener.Addr().String())
	}
	defer context.AfterFunc(ctx, func() { log.Info("stopping: requests under way may finish, then what is known is written") })()
	err = a.Run(ctx, part{"reload", func(ctx context.Context) error { return a.watchConfig(ctx, file) }})
	log.Info("stopped")
	return err
}

// watchConfig reloads the config on SIGHUP and whenever its file changes, or
// one of those that it names for secrets and certificates.
func (a *app) watchConfig(ctx context.Context, file string) error {
	return onChange(ctx, func() fileStamps { return a.cfg.Load().read }, func() {
		err := a.reload(ctx, file)
		a.server.Reloaded(err)
		if err != nil {
			a.log.Error("config not reloaded; the old one stays in force", "err", err)
		}
	})
}

// reload puts the config in file in force, or leaves the old one.
func (a *app) reload(ctx context.Context, file string) error {
	cfg, err := LoadConfig(file)
	if err != nil {
		return err
	}
	old := a.cfg.Load()
	kept := keepSettledButCallers(&cfg, old, "server", "store", "vantage", "probing", "agent", "router", "alerting.slack", "alerting.webhooks")
	jobs, err := cfg.jobs()
	if err != nil {
		return err
	}
	engine, err := scoring.New(engineConfig(cfg, jobs))
	if err != nil {
		return err
	}
	// Up to here nothing has changed. The engine's swap is the last step that
	// may fail; the others were proved possible by Validate.
	if err := a.pipeline.Reload(ctx, engine); err != nil {
		return err
	}
	a.cfg.Store(&cfg)
	if err := a.scheduler.Replace(jobs); err != nil {
		return fmt.Errorf("reload: %w", err)
	}
	a.bulletins.Replace(cfg.sources())
	if err := a.planWork(cfg); err != nil {
		return fmt.Errorf("reload: %w", err)
	}
	if a.router != nil {
		if err := replaceRouting(a.router, cfg); err != nil {
			return err
		}
	}
	a.alerts.Replace(func(open []bellwether.Incident) *alerting.Tracker {
		return alerting.NewTracker(cfg.alertConfig(), cfg.targets(), open)
	})
	a.alerts.Reconcile(a.pipeline.Assessments(), time.Now().UTC())
	a.log.Info("config reloaded", "file", file, "targets", len(cfg.Targets), "routes", len(cfg.Routes))
	if len(kept) > 0 {
		a.log.Warn("some sections take effect only after a restart", "sections", kept)
	}
	return nil
}
