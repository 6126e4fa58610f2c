package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/bellwether-llm/bellwether/api"
	"github.com/bellwether-llm/bellwether/api/client"
	"github.com/bellwether-llm/bellwether/internal/filelock"
	"github.com/bellwether-llm/bellwether/probes"
	"github.com/bellwether-llm/bellwether/probes/spool"
)

const (
	helloEvery  = 15 * time.Second
	helloAgain  = 2 * time.Second // after one that was not answered
	silentAfter = 5 * time.Minute // without the server, suspicions end
)

// agent probes from elsewhere: a scheduler and a prober as in the server, a
// spool in place of the store, a courier in place of the pipeline.
type agent struct {
	cfg       AgentConfig
	log       *slog.Logger
	started   time.Time
	client    *client.Client
	spool     *spool.Spool
	clock     *agentClock
	courier   *courier
	prober    *probes.Prober
	guard     *probes.Guard
	ledger    *probes.Ledger
	scheduler *probes.Scheduler
	orders    *orders
}

// newAgent opens the spool and ties everything together. Run runs it; Close
// lets go of what an agent that never ran took hold of.
func newAgent(cfg Config, log *slog.Logger) (_ *agent, err error) {
	a := &agent{cfg: cfg.Agent.withDefaults(cfg.Vantage), log: log, started: time.Now().UTC(), clock: &agentClock{}}
	if a.cfg.Server == "" {
		return nil, codeError{exitUsage, errors.New("agent.server: is missing; write the address of the server that observations go to")}
	}
	if cfg.Agent.Vantage == "" && cfg.Vantage == defaultVantage {
		return nil, codeError{exitUsage, errors.New("agent.vantage: is missing; name the place that this agent probes from")}
	}
	roots, err := a.tls()
	if err != nil {
		return nil, err
	}
	if a.client, err = client.New(client.Config{Server: a.cfg.Server, Token: a.cfg.Token, Gzip: true, TLS: roots, Log: log}); err != nil {
		return nil, err
	}
	if a.prober, err = probes.New(probes.Options{Proxy: http.ProxyFromEnvironment, UserAgent: "bellwether/" + version()}); err != nil {
		return nil, err
	}
	identity, err := probes.NewIdentity(a.prober)
	if err != nil {
		return nil, err
	}
	if a.guard, err = probes.NewGuard(identity, probes.GuardOptions{Controls: cfg.Probing.Controls, Proxy: http.ProxyFromEnvironment, Log: log}); err != nil {
		return nil, err
	}
	a.spool, err = spool.Open(a.cfg.Spool.Dir, spool.Options{MaxBytes: a.cfg.Spool.MaxBytes})
	if errors.Is(err, filelock.ErrHeld) {
		return nil, fmt.Errorf("agent.spool: %s is in use by another agent: stop that one, or set spool.dir to another folder", a.cfg.Spool.Dir)
	}
	if err != nil {
		return nil, fmt.Errorf("agent.spool: %w", err)
	}
	defer func() {
		if err != nil {
			a.Close()
		}
	}()
	a.courier = &courier{spool: a.spool, to: a.client, clock: a.clock, log: log}
	if a.ledger, err = probes.OpenLedger(filepath.Join(a.cfg.Spool.Dir, ledgerFile), cfg.Probing, log); err != nil {
		return nil, err
	}
	a.ledger.Obey(&probes.Allowance{}) // nothing before the server has spoken
	a.scheduler, err = probes.NewScheduler(nil, a.guard, a.courier.Observed,
		probes.SchedulerOptions{Probing: cfg.Probing, Warmup: true, Ledger: a.ledger, Log: log})
	if err != nil {
		return nil, err
	}
	a.orders = newOrders(cfg, a.cfg, a.scheduler, log)
	return a, a.orders.start()
}

// tls returns how the server's certificate is checked; nil as the system does.
func (a *agent) tls() (*tls.Config, error) {
	if a.cfg.CAFile == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(a.cfg.CAFile)
	if err != nil {
		return nil, codeError{exitUsage, fmt.Errorf("agent.ca_file: %w", err)}
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, codeError{exitUsage, fmt.Errorf("agent.ca_file: %s holds no certificate in PEM", a.cfg.CAFile)}
	}
	return &tls.Config{RootCAs: pool}, nil
}

// Close lets go of the spool and of idle connections.
func (a *agent) Close() {
	if err := a.spool.Close(); err != nil {
		a.log.Error("close the spool", "err", err)
	}
	if a.ledger != nil {
		if err := a.ledger.Close(); err != nil {
			a.log.Error("close the ledger of suspicion", "err", err)
		}
	}
	a.prober.Close()
	a.client.Close()
}

// Run probes and delivers until ctx ends. Probing stops first, then the courier
// tries for what is left, then the disk has it.
func (a *agent) Run(ctx context.Context, more ...part) error {
	defer a.Close()
	follow := func(ctx context.Context) error { return a.client.WatchPlan(ctx, a.cfg.Name, a.orders.take) }
	return runStages(ctx,
		more,
		[]part{{"plan", follow}, {"hello", a.greet}, {"probing", a.scheduler.Run}, {"guard", a.guard.Run}},
		[]part{{"courier", a.courier.Run}},
		[]part{{"spool", a.spool.Run}})
}

// watchConfig reloads the config in file on SIGHUP and when it, or a file that
// it names, changes. One that is wrong changes nothing, and the server hears.
func (a *agent) watchConfig(ctx context.Context, file string) error {
	return onChange(ctx, func() fileStamps { return a.orders.inForce().read }, func() {
		err := a.reload(file)
		a.orders.reloaded(err)
		if err != nil {
			a.log.Error("config not reloaded; the old one stays in force", "err", err)
		}
	})
}

// reload puts the config in file in force, or leaves the old one.
func (a *agent) reload(file string) error {
	cfg, err := loadConfig(file)
	if err != nil {
		return err
	}
	old := a.orders.inForce()
	kept := keepSettled(&cfg, &old, "agent", "vantage", "probing")
	if err := a.orders.replace(cfg); err != nil {
		return err
	}
	a.log.Info("config reloaded", "file", file)
	if len(kept) > 0 {
		a.log.Warn("some sections take effect only after a restart", "sections", kept)
	}
	return nil
}

// greet says hello at once, again as soon as the clock was measured, and then
// from time to time and whenever there is something new to say.
func (a *agent) greet(ctx context.Context) error {
	heard, reached := time.Now(), true
	for first := true; ctx.Err() == nil; {
		said, err := a.client.Hello(ctx, a.cfg.Name, a.hello())
		if err == nil {
			a.clock.add(said.Clock)
			a.ledger.Obey(allowance(said.Budget))
			heard = time.Now()
		} else if ctx.Err() == nil && reached {
			a.log.Warn("the server does not answer", "err", err)
		}
		reached = err == nil
		a.orders.hear(time.Since(heard) > silentAfter)
		switch {
		case !reached:
			sleep(ctx, helloAgain)
		case first:
			first = false
		default:
			over, stop := context.WithTimeout(ctx, helloEvery)
			select {
			case <-over.Done():
			case <-a.orders.news:
			}
			stop()
		}
	}
	return nil
}

// hello is what the agent says of itself.
func (a *agent) hello() api.Hello {
	st := a.spool.Stats()
	h := api.Hello{Vantage: a.cfg.Vantage, Version: version(), Started: a.started, Spooled: st.Records, SpooledBytes: st.Bytes,
		Dropped: st.Dropped, Damaged: st.Damaged, Lost: a.courier.lost.Load(), Refused: a.courier.refused.Load()}
	if c, known := a.clock.now(); known {
		h.ClockOffset, h.ClockError = &c.Offset, c.Error
	}
	h.Plan, h.Troubles = a.orders.state()
	p := probingView(a.scheduler.Status(), a.guard.Health())
	h.Probing = &p
	return h
}

// probingView is a scheduler's status as the API shows it.
func probingView(st probes.Status, health probes.Health) api.Probing {
	spent := func(s probes.Spent) api.Spent {
		return api.Spent{Probes: s.Probes, Tokens: s.Tokens, USD: s.USD, Unprobed: s.Unprobed}
	}
	v := api.Probing{Jobs: st.Jobs, InFlight: st.InFlight, Waiting: st.Waiting, Sent: st.Sent, Missed: st.Missed, Skipped: st.Skipped,
		TotalBudget: budgetView(st.Bounds.Total), TargetBudget: budgetView(st.Bounds.Target), Today: spent(st.Today)}
	if g := grantView(st.Granted); st.Granted.Target != (probes.Budget{}) || st.Granted.Total != (probes.Budget{}) {
		v.Granted = &g
	}
	v.Health, v.MaxInFlight = healthView(health), st.MaxInFlight
	for _, p := range st.Providers {
		v.Providers = append(v.Providers, api.ProviderProbing{Provider: p.Provider, InFlight: p.InFlight, MaxInFlight: p.Max})
	}
	for _, t := range st.Targets {
		v.Targets = append(v.Targets, api.TargetProbing{Target: t.Target, InFlight: t.InFlight, Next: t.Next.UTC(), Interval: t.Interval, Today: spent(t.Today)})
	}
	return v
}

// budgetView leaves out what has no limit.
func budgetView(b probes.Budget) (out api.Budget) {
	if b.Probes >= 0 {
		out.Probes = &b.Probes
	}
	if b.Tokens >= 0 {
		out.Tokens = &b.Tokens
	}
	if b.USD >= 0 {
		out.USD = &b.USD
	}
	return out
}
