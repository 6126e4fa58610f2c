package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/api"
	"github.com/bellwether-llm/bellwether/api/client"
	"github.com/bellwether-llm/bellwether/probes"
)

// orders follow the server's plan: they turn it into the scheduler's jobs and
// suspicions, and keep it on disk, so that an agent that starts while the
// server is away knows what to probe. Safe for concurrent use.
type orders struct {
	agent     AgentConfig
	scheduler *probes.Scheduler
	file      string // the last plan
	log       *slog.Logger
	news      chan struct{} // one slot: state has changed

	mu       sync.Mutex
	cfg      Config
	plan     client.Plan
	source   string
	suspects map[string]bool
	troubles []string
	stale    string // why the config on disk is not the one in force; "" when it is
	silent   bool   // the server has not been heard of for long
}

func newOrders(cfg Config, agent AgentConfig, s *probes.Scheduler, log *slog.Logger) *orders {
	return &orders{cfg: cfg, agent: agent, scheduler: s, file: filepath.Join(agent.Spool.Dir, "plan.json"), log: log,
		news: make(chan struct{}, 1), suspects: map[string]bool{}}
}

// tell lets the server hear soon what state says.
func (o *orders) tell() {
	select {
	case o.news <- struct{}{}:
	default:
	}
}

// jobsOf returns what cfg probes from a place among others.
func jobsOf(cfg Config, vantage string, all []string) ([]probes.Job, error) {
	return probes.Jobs(cfg.Config, cfg.probeTargets(), probes.Place{Vantage: vantage, Vantages: all})
}

// start takes the plan of the file, or the last one of the server.
func (o *orders) start() error {
	if o.agent.Plan == planFile {
		o.source = planFile
		jobs, err := jobsOf(o.cfg, o.agent.Vantage, o.cfg.places())
		if err != nil {
			return err
		}
		return o.scheduler.Replace(jobs)
	}
	b, err := os.ReadFile(o.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the server will say
	}
	var p client.Plan
	if err == nil {
		err = json.Unmarshal(b, &p)
	}
	if err != nil {
		o.log.Warn("the last plan cannot be read; waiting for the server's", "file", o.file, "err", err)
		return nil
	}
	p.Suspicions = nil // of then
	o.put(p)
	return nil
}

// replace puts another config in force: what of the plan can be done here, and
// with whose keys. Probes in flight go on, and jobs that stay keep their place
// in time. An error changes nothing.
func (o *orders) replace(cfg Config) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.agent.Plan == planFile {
		jobs, err := jobsOf(cfg, o.agent.Vantage, cfg.places())
		if err != nil {
			return err
		}
		if err := o.scheduler.Replace(jobs); err != nil {
			return err
		}
		o.cfg = cfg
		return nil
	}
	o.cfg = cfg
	if o.source == planServer { // else there is no plan yet
		o.follow()
	}
	return nil
}

// reloaded notes how the last reload ended, for the server to see.
func (o *orders) reloaded(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.stale = ""; err != nil {
		o.stale = fmt.Sprintf("its config was not reloaded: %.300v", err)
	}
	o.tell()
}

// inForce returns the config in force.
func (o *orders) inForce() Config {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.cfg
}

// take puts a plan of the server in force, and keeps it.
func (o *orders) take(p client.Plan) {
	o.put(p)
	if o.agent.Plan == planFile {
		return
	}
	b, err := json.Marshal(p)
	if err == nil {
		err = os.WriteFile(o.file+".new", b, 0o600)
	}
	if err == nil {
		err = os.Rename(o.file+".new", o.file)
	}
	if err != nil {
		o.log.Warn("the plan cannot be kept on disk; a start without the server would know none", "err", err)
	}
}

func (o *orders) put(p client.Plan) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.plan = p
	if o.agent.Plan != planFile {
		o.source = planServer
		o.follow()
	}
	o.look()
}

// follow turns the plan into jobs. o.mu is held.
func (o *orders) follow() {
	jobs, troubles := o.jobs(o.plan)
	if err := o.scheduler.Replace(jobs); err != nil {
		troubles = append(troubles, err.Error())
	}
	o.troubles = troubles
	o.tell()
	o.log.Info("plan", "revision", o.plan.Revision, "jobs", len(jobs), "suspicions", len(o.plan.Suspicions))
	for _, t := range troubles {
		o.log.Warn("a part of the plan cannot be done here", "what", t)
	}
}

// look tells the scheduler whom to look harder at. o.mu is held.
func (o *orders) look() {
	now := map[string]bool{}
	if !o.silent {
		for _, x := range o.plan.Suspicions {
			now[x.Target] = true
			o.scheduler.Suspect(x)
		}
	}
	for id := range o.suspects {
		if !now[id] {
			o.scheduler.Suspect(bellwether.Suspicion{Target: id})
		}
	}
	o.suspects = now
}

// hear notes whether the server is there. Suspicions of one that fell silent
// long ago end: nobody is left who would end them.
func (o *orders) hear(silent bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.silent != silent {
		o.silent = silent
		o.look()
	}
}

// state is what is said of the plan to the server.
func (o *orders) state() (api.PlanInForce, []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f := api.PlanInForce{Source: firstOf(o.source, "none")}
	if f.Source == planServer {
		f.Epoch, f.Revision = o.plan.Epoch, o.plan.Revision
	}
	troubles := slices.Clone(o.troubles)
	if o.stale != "" {
		troubles = append(troubles, o.stale)
	}
	return f, troubles
}

// jobs returns what of a plan can be done here, and why the rest cannot.
func (o *orders) jobs(p client.Plan) (jobs []probes.Job, troubles []string) {
	say := func(format string, args ...any) { troubles = append(troubles, fmt.Sprintf(format, args...)) }
	cfg := o.cfg
	cfg.Targets, cfg.Canaries = nil, nil
	for _, raw := range p.Targets {
		var t TargetConfig
		if err := read(raw, &t); err != nil {
			say("a target is not understood by this version: %v", err)
		} else if _, here := o.cfg.Providers[t.Provider]; !here {
			say("target %s: this agent's file has no provider %s", t.ID, t.Provider)
		} else if one := (Config{Providers: o.cfg.Providers, Targets: []TargetConfig{t}}); len(one.validateTargets()) > 0 {
			say("target %s: %v", t.ID, one.validateTargets()[0])
		} else {
			cfg.Targets = append(cfg.Targets, t)
		}
	}
	for _, raw := range p.Canaries {
		var k probes.Canary
		if err := read(raw, &k); err != nil {
			say("a canary is not understood by this version: %v", err)
			continue
		}
		if ps := (probes.Config{Canaries: []probes.Canary{k}}).Validate(); len(ps) > 0 {
			say("canary %s: %v", k.Name, ps[0])
			continue
		}
		named := len(k.Targets) > 0
		k.Targets = slices.DeleteFunc(k.Targets, func(id string) bool {
			return !slices.ContainsFunc(cfg.Targets, func(t TargetConfig) bool { return t.ID == id })
		})
		if !named || len(k.Targets) > 0 { // none left must not become all
			cfg.Canaries = append(cfg.Canaries, k)
		}
	}
	jobs, err := jobsOf(cfg, o.agent.Vantage, p.Vantages)
	if err != nil {
		say("%v", err)
	}
	return jobs, troubles
}
