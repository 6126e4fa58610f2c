package main

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/signal"
	"reflect"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/alerting"
	"github.com/bellwether-llm/bellwether/scoring"
)

// watchEvery is how often the config file is looked at for changes.
const watchEvery = 2 * time.Second

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
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	last := a.cfg.Load().read
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			now := last.now()
			if maps.Equal(now, last) || slices.Contains(slices.Collect(maps.Values(now)), fileStamp{}) {
				continue // unchanged, or being replaced
			}
		case <-hup:
		}
		last = last.now()
		err := a.reload(ctx, file)
		a.server.Reloaded(err)
		if err != nil {
			a.log.Error("config not reloaded; the old one stays in force", "err", err)
			continue
		}
		last = a.cfg.Load().read
	}
}

// fileStamp tells two versions of a file apart.
type fileStamp struct {
	size int64
	time int64
}

func stamp(file string) fileStamp {
	info, err := os.Stat(file)
	if err != nil {
		return fileStamp{}
	}
	return fileStamp{info.Size(), info.ModTime().UnixNano()}
}

// reload puts the config in file in force, or leaves the old one.
func (a *app) reload(ctx context.Context, file string) error {
	cfg, err := LoadConfig(file)
	if err != nil {
		return err
	}
	old := a.cfg.Load()
	kept := keepSettled(&cfg, *old)
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
	if err := a.planWork(cfg); err != nil {
		return fmt.Errorf("reload: %w", err)
	}
	if a.router != nil {
		if err := a.router.Replace(cfg.routerSetup()); err != nil {
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

// keepSettled puts back what only a restart can change, and names it.
func keepSettled(cfg *Config, old Config) (kept []string) {
	keep := func(name string, now, before any) {
		n, b := reflect.ValueOf(now).Elem(), reflect.ValueOf(before).Elem()
		if !reflect.DeepEqual(n.Interface(), b.Interface()) {
			kept = append(kept, name)
			n.Set(b)
		}
	}
	keep("server", &cfg.Server, &old.Server)
	keep("store", &cfg.Store, &old.Store)
	keep("vantage", &cfg.Vantage, &old.Vantage)
	keep("probing", &cfg.Probing, &old.Probing)
	keep("agent", &cfg.Agent, &old.Agent)
	keep("router", &cfg.Router, &old.Router)
	keep("alerting.slack", &cfg.Alerting.Slack, &old.Alerting.Slack)
	keep("alerting.webhooks", &cfg.Alerting.Webhooks, &old.Alerting.Webhooks)
	return kept
}
