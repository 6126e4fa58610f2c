package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/alerting"
	"github.com/bellwether-llm/bellwether/alerting/slack"
	"github.com/bellwether-llm/bellwether/alerting/webhook"
	"github.com/bellwether-llm/bellwether/api"
	"github.com/bellwether-llm/bellwether/internal/conf"
	"github.com/bellwether-llm/bellwether/internal/filelock"
	"github.com/bellwether-llm/bellwether/internal/id"
	"github.com/bellwether-llm/bellwether/probes"
	"github.com/bellwether-llm/bellwether/router"
	"github.com/bellwether-llm/bellwether/scoring"
	"github.com/bellwether-llm/bellwether/slo"
	"github.com/bellwether-llm/bellwether/store/sqlite"
	"github.com/bellwether-llm/bellwether/ui"
)

// app is a running server: the spokes and what ties them together. The path
// of an observation through it is in docs/architecture.md.
type app struct {
	cfg   atomic.Pointer[Config]
	known atomic.Pointer[knownFacts]
	log   *slog.Logger
	store *sqlite.Store

	journal   *journal
	pipeline  *pipeline
	publisher *publisher
	prober    *probes.Prober
	guard     *probes.Guard  // doubts the prober
	ledger    *probes.Ledger // what suspicion may spend
	locked    *os.File       // so that no other server has the ledger
	bulletins *probes.Bulletins
	scheduler *probes.Scheduler
	alerts    *alerts
	dispatch  *alerting.Dispatcher
	board     *api.Board
	plans     *api.Planner // what agents follow
	server    *api.Server
	router    *router.Router // nil unless router.listen is set

	apiListener    net.Listener
	routerListener net.Listener
	simulated      bool // some of the history is invented
	watch          stopwatch
}

// appOptions are what the demo sets beside a config.
type appOptions struct {
	simulated bool
	listeners [2]net.Listener                                         // of the API and the router; nil: what the config says
	tick      time.Duration                                           // 0: tickEvery
	warmup    bool                                                    // send every probe once at the start
	seed      func(*scoring.Engine, *journal, uint64) (uint64, error) // folds a history in before anything else
}

// newApp opens the store and the listeners, restores what was known, and ties
// everything together. Close undoes it; Run runs it.
func newApp(ctx context.Context, cfg Config, log *slog.Logger, o appOptions) (_ *app, err error) {
	a := &app{log: log, simulated: o.simulated, apiListener: o.listeners[0], routerListener: o.listeners[1]}
	a.cfg.Store(&cfg)
	defer func() {
		if err != nil {
			a.Close()
		}
	}()
	if err := a.open(ctx, cfg); err != nil {
		return nil, err
	}
	engine, seq, allKept, err := a.restore(ctx, cfg)
	if err != nil {
		return nil, err
	}
	a.journal = newJournal(a.store, log)
	if o.seed != nil {
		if seq, err = o.seed(engine, a.journal, seq); err != nil {
			return nil, err
		}
	}
	a.pipeline = newPipeline(engine, seq, a.journal, a.sinks(), log)
	if o.tick > 0 {
		a.pipeline.tick = o.tick
	}
	if d := cfg.Scoring.SuspicionInterval.Std(); d > 0 {
		a.pipeline.look = d
	}
	if err := a.startProbing(cfg, o.warmup); err != nil {
		return nil, err
	}
	if err := a.startAlerting(ctx, cfg); err != nil {
		return nil, err
	}
	if err := a.startServing(cfg); err != nil {
		return nil, err
	}
	if err := a.publisher.start(ctx, engine.Routes(), allKept); err != nil {
		return nil, fmt.Errorf("publish: %w", err)
	}
	return a, a.startRouting(cfg)
}

// open takes hold of what another process may have: ports and the database.
func (a *app) open(ctx context.Context, cfg Config) (err error) {
	if a.apiListener == nil {
		if a.apiListener, err = listen("server.listen", cfg.Server.Address()); err != nil {
			return err
		}
	}
	if cfg.Router.Listen != "" && a.routerListener == nil {
		if a.routerListener, err = listen("router.listen", cfg.Router.Listen); err != nil {
			return err
		}
	}
	a.store, err = sqlite.Open(ctx, cfg.Store.File(), sqlite.Options{Retention: cfg.Store.Retention, Log: a.log})
	return err
}

// Close releases what newApp took hold of. It is for an app that never ran, or
// after Run.
func (a *app) Close() {
	for _, ln := range []net.Listener{a.apiListener, a.routerListener} {
		if ln != nil {
			_ = ln.Close() // closed by its server already, where that ran
		}
	}
	if a.prober != nil {
		a.prober.Close()
	}
	if a.ledger != nil {
		if err := a.ledger.Close(); err != nil {
			a.log.Error("close the ledger of suspicion", "err", err)
		}
	}
	if a.locked != nil {
		_ = a.locked.Close() // nothing was written to it
	}
	if a.store != nil {
		if err := a.store.Close(); err != nil {
			a.log.Error("close the store", "err", err)
		}
	}
}

// engineConfig is what scoring needs to know of a config.
func engineConfig(cfg Config, jobs []probes.Job) scoring.Config {
	vantages := cfg.places()
	if len(vantages) == 0 {
		vantages = []string{cfg.Vantage}
	}
	// With n vantages probes come n times as often, and with them chances of a
	// false alarm; scoring measures silence against the interval of one alone.
	intervals := probes.Intervals(jobs, aWeek(), len(vantages))
	tasks := map[string]string{}
	for _, j := range jobs {
		if j.Canary.Task != "" {
			tasks[j.Canary.Name] = j.Canary.Task
		}
	}
	return scoring.Config{Policy: cfg.Scoring, Targets: cfg.targets(), Routes: cfg.routes(), Interval: intervals, Vantages: vantages, Tasks: tasks}
}

// aWeek is a week without a change of clocks, by which cron expressions are
// counted: always the same one, so that a replay expects what the server did.
func aWeek() time.Time { return time.Date(2026, 1, 12, 0, 0, 0, 0, time.UTC) }

func (c *Config) jobs() ([]probes.Job, error) {
	return probes.Jobs(c.Config, c.probeTargets(), probes.Place{Vantage: c.Vantage, Vantages: c.places()})
}

// restore returns an engine that knows everything on disk: the newest
// checkpoint, and the records behind it folded again. allKept is that the
// checkpoint covers exactly what is on disk, as an orderly stop leaves it.
func (a *app) restore(ctx context.Context, cfg Config) (_ *scoring.Engine, last uint64, allKept bool, err error) {
	jobs, err := cfg.jobs()
	if err != nil {
		return nil, 0, false, err
	}
	engine, err := scoring.New(engineConfig(cfg, jobs))
	if err != nil {
		return nil, 0, false, err
	}
	seq, data, err := a.store.Checkpoint(ctx)
	if err != nil {
		return nil, 0, false, fmt.Errorf("restore: checkpoint: %w", err)
	}
	if last, err = a.store.LastSeq(ctx); err != nil {
		return nil, 0, false, fmt.Errorf("restore: %w", err)
	}
	rebuild := false
	if data != nil {
		if err := engine.Restore(data); err != nil {
			a.log.Warn("scoring state of another version; rebuilding it from the kept observations", "err", err)
			seq, rebuild = 0, true
		}
	}
	replayed, err := a.replay(ctx, engine, seq, !rebuild)
	if err != nil {
		return nil, 0, false, fmt.Errorf("restore: replay: %w", err)
	}
	if replayed > 0 || data != nil {
		a.log.Info("state restored", "replayed", replayed, "sequence", max(seq, last))
	}
	return engine, max(seq, last), data != nil && seq == last, nil
}

// replay folds the records after seq. With record, the changes that they bring
// are kept: a crash may have come between a record and its changes, and those
// that are known are known by their record.
func (a *app) replay(ctx context.Context, engine *scoring.Engine, seq uint64, record bool) (n int, err error) {
	err = a.store.Records(ctx, seq, func(r bellwether.Record) error {
		n++
		if res := engine.Fold(r); record && len(res.Changes) > 0 {
			return a.store.AppendChanges(ctx, res.Changes)
		}
		return ctx.Err()
	})
	return n, err
}

// sinks are who is told what the pipeline concludes.
func (a *app) sinks() sinks {
	return sinks{
		publish:  func(routes map[string]bellwether.RouteWeights) { a.publisher.publish(routes) },
		observed: func(o bellwether.Observation) { a.server.Observe(o) },
		changed: func(c bellwether.Change) {
			a.log.Info("verdict", "target", c.Target, "from", c.From, "to", c.To, "cause", c.Cause, "weight", c.Weight, "why", why(c.Reasons))
			a.alerts.Changed(c)
			a.server.Changed(c)
		},
		suspect: func(s bellwether.Suspicion) {
			a.scheduler.Suspect(s)
			a.plans.Suspect(s)
		},
		tick: func(time.Time) { a.publisher.tick() },
	}
}

// why is the first reason in words.
func why(rs []bellwether.Reason) string {
	if len(rs) == 0 {
		return ""
	}
	return rs[0].Text
}

func (a *app) startProbing(cfg Config, warmup bool) error {
	prober, err := probes.New(probes.Options{Proxy: http.ProxyFromEnvironment, UserAgent: "bellwether/" + version()})
	if err != nil {
		return fmt.Errorf("probing: %w", err)
	}
	a.prober = prober
	identity, err := probes.NewIdentity(prober)
	if err != nil {
		return fmt.Errorf("probing: %w", err)
	}
	a.guard, err = probes.NewGuard(identity, probes.GuardOptions{Controls: cfg.Probing.Controls, Proxy: http.ProxyFromEnvironment, Log: a.log})
	if err != nil {
		return fmt.Errorf("probing: %w", err)
	}
	jobs, err := cfg.jobs()
	if err != nil {
		return fmt.Errorf("probing: %w", err)
	}
	a.bulletins, err = probes.NewBulletins(prober, cfg.sources(), a.notice, probes.BulletinOptions{SkipModelLists: cfg.Probing.SkipModelLists, Log: a.log})
	if err != nil {
		return fmt.Errorf("probing: %w", err)
	}
	if err := a.openLedger(filepath.Join(filepath.Dir(cfg.Store.File()), ledgerFile), cfg.Probing); err != nil {
		return err
	}
	a.scheduler, err = probes.NewScheduler(jobs, a.guard, a.pipeline.Observed,
		probes.SchedulerOptions{Probing: cfg.Probing, Warmup: warmup, Ledger: a.ledger, Log: a.log})
	return err
}

// openLedger opens the ledger of suspicion for this process alone: what two
// wrote over each other would bound neither.
func (a *app) openLedger(file string, p probes.Probing) (err error) {
	a.locked, err = filelock.Take(file + ".lock")
	if errors.Is(err, filelock.ErrHeld) {
		return fmt.Errorf("probing: %s is in use by another server: stop that one, or set store.dsn to a file in another folder", file)
	}
	if err == nil {
		a.ledger, err = probes.OpenLedger(file, p, a.log)
	}
	if err != nil {
		return fmt.Errorf("probing: %w", err)
	}
	return nil
}

// channels returns the alert channels that the config sets up.
func channels(cfg alerting.Config) ([]alerting.Channel, error) {
	var out []alerting.Channel
	if cfg.Slack.Token != "" || cfg.Slack.WebhookURL != "" {
		ch, err := slack.New(cfg.Slack)
		if err != nil {
			return nil, fmt.Errorf("alerting: slack: %w", err)
		}
		out = append(out, ch)
	}
	for _, w := range cfg.Webhooks {
		ch, err := webhook.New(w)
		if err != nil {
			return nil, fmt.Errorf("alerting: webhook %s: %w", w.Name, err)
		}
		out = append(out, ch)
	}
	return out, nil
}

func (a *app) startAlerting(ctx context.Context, cfg Config) error {
	chans, err := channels(cfg.Alerting)
	if err != nil {
		return err
	}
	if a.dispatch, err = alerting.NewDispatcher(a.store, chans, alerting.Options{Logger: a.log}); err != nil {
		return err
	}
	saved, err := a.recentIncidents(ctx)
	if err != nil {
		return fmt.Errorf("alerting: %w", err)
	}
	tracker := alerting.NewTracker(cfg.alertConfig(), cfg.targets(), saved)
	a.alerts = newAlerts(tracker, a.store, func(in bellwether.Incident) { a.server.IncidentChanged(in) }, a.dispatch.Wake, a.log)
	a.alerts.Reconcile(a.pipeline.Assessments(), time.Now().UTC())
	return nil
}

// alertConfig is the alerting section with the links' address filled in.
func (c *Config) alertConfig() alerting.Config {
	out := c.Alerting
	out.PublicURL = firstOf(out.PublicURL, c.Server.PublicURL)
	return out
}

// recentIncidents returns the open incidents and the newest ended ones.
func (a *app) recentIncidents(ctx context.Context) ([]bellwether.Incident, error) {
	open, _, err := a.store.Incidents(ctx, bellwether.Query{State: bellwether.IncidentOpen, Limit: 1000})
	if err != nil {
		return nil, err
	}
	ended, _, err := a.store.Incidents(ctx, bellwether.Query{State: bellwether.IncidentResolved, Limit: 200})
	return append(ended, open...), err
}

func (a *app) startServing(cfg Config) error {
	a.board, a.plans = api.NewBoard(), api.NewPlanner(id.New(time.Now()))
	if err := a.planWork(cfg); err != nil {
		return err
	}
	a.publisher = newPublisher(a.store, a.journal, a.board, cfg.Server.WeightsTTL(), cfg.Server.WeightsHold(), a.log)
	var err error
	a.server, err = api.New(cfg.Server, api.Deps{
		Board: a.board, Store: a.store, Facts: a.factsNow, Assessments: a.pipeline.Assessments,
		Ingest: a.pipeline.Ingest, Override: a.pipeline.Override, Probe: a.probe, Probing: a.probing, Grant: a.grant, Plans: a.plans,
		Acknowledge: a.alerts.Ack, Annotate: a.alerts.Annotate,
		Attainments: a.attainments, WriteSLOs: slo.WriteCSV, Ready: a.ready, Lost: a.journal.Lost,
		UI: ui.Handler(), Log: a.log,
	})
	return err
}

// knownFacts are the facts of one config.
type knownFacts struct {
	cfg   *Config
	facts api.Facts
}

// factsNow returns the facts of the config in force. They are worked out once:
// they are asked for with every observation, and a cron expression's plan walks
// through a week.
func (a *app) factsNow() api.Facts {
	cfg := a.cfg.Load()
	k := a.known.Load()
	if k == nil || k.cfg != cfg {
		k = &knownFacts{cfg, a.facts()}
		a.known.Store(k)
	}
	return k.facts
}

// startRouting sets up the bundled router, which follows this very server
// over the loopback: what it gets is what every router gets.
func (a *app) startRouting(cfg Config) error {
	if a.routerListener == nil {
		return nil
	}
	server := firstOf(cfg.Router.Server, "http://"+dialable(a.apiListener.Addr()))
	token := cfg.Router.Token
	if token == "" {
		token = ownToken(cfg)
	}
	if cfg.Router.StateFile == "" {
		cfg.Router.StateFile = filepath.Join(filepath.Dir(cfg.Store.File()), "router-weights.json")
	}
	var err error
	a.router, err = newRouter(cfg, server, token, a.log)
	return err
}

// ownToken finds a token that lets our own router read and observe.
func ownToken(cfg Config) conf.Secret {
	for _, t := range cfg.Server.Tokens {
		if slices.Contains(t.Scopes, api.Read) && slices.Contains(t.Scopes, api.Observe) {
			return t.Token
		}
	}
	return ""
}

// dialable returns an address under which this machine reaches a listener.
func dialable(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if ok && tcp.IP.IsUnspecified() {
		return fmt.Sprintf("127.0.0.1:%d", tcp.Port)
	}
	return addr.String()
}

// Run runs everything until ctx ends, then stops it in order: what takes
// things in first, then the pipeline, then what keeps them.
func (a *app) Run(ctx context.Context, more ...part) error {
	defer a.Close()
	defer context.AfterFunc(ctx, a.watch.press)()
	stages := [][]part{more}
	if a.router != nil {
		stages = append(stages,
			[]part{{"router", func(ctx context.Context) error { return a.router.Serve(ctx, a.routerListener) }}},
			[]part{{"router follows", a.router.Run}}) // its last report needs the API
	}
	// What the dispatcher does not get to waits in the outbox for the next start.
	stages = append(stages,
		[]part{{"probing", a.scheduler.Run}, {"self-doubt", a.guard.Run}, {"bulletins", a.bulletins.Run}, {"dispatcher", a.dispatch.Run},
			{"api", serveHTTP(a.apiListener, a.server.Handler(), &a.watch, a.log)}, {"api streams", a.server.Run}},
		[]part{{"pipeline", a.pipeline.Run}},
		[]part{{"alerts", a.alerts.Run}},
		a.keepers())
	return runStages(ctx, stages...)
}

// keepers stop last: they write what the others concluded.
func (a *app) keepers() []part {
	return []part{{"journal", a.journal.Run}, {"revisions", a.publisher.Run}, {"store", a.store.Run}}
}

// probe serves POST /v1/probes.
func (a *app) probe(ctx context.Context, f api.ProbeFilter) ([]bellwether.Observation, error) {
	return a.scheduler.Now(ctx, probes.Filter{Targets: f.Targets, Canaries: f.Canaries}), ctx.Err()
}

// ready serves /readyz: never "a provider is ill".
func (a *app) ready(ctx context.Context) []api.Check {
	_, err := a.store.LastSeq(ctx)
	return []api.Check{{Name: "store", Err: err}}
}

// attainments serves /v1/slos.
func (a *app) attainments(ctx context.Context, from, to time.Time) ([]bellwether.Attainment, error) {
	return slo.Report(ctx, a.store, a.store, a.cfg.Load().sloRequest(from, to))
}

// sloRequest asks how the objectives stand in [from, to); zero times mean each
// objective's own window up to now.
func (c *Config) sloRequest(from, to time.Time) slo.Request {
	return slo.Request{Objectives: c.SLOs, Targets: c.targets(), Routes: c.routes(), From: from, To: to, Now: time.Now().UTC()}
}

// tempDir returns a folder for a demo's data and what removes it.
func tempDir() (dir string, remove func(), err error) {
	dir, err = os.MkdirTemp("", "bellwether-demo-*")
	if err != nil {
		return "", nil, fmt.Errorf("data folder: %w", err)
	}
	return dir, func() { _ = os.RemoveAll(dir) }, nil
}
