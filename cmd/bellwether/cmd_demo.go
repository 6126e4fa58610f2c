package main

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/sim"
	"github.com/bellwether-llm/bellwether/scoring"
)

//go:embed demo.yaml
var demoConfig []byte

// What the demo invents before it starts: a day of the same models.
const (
	demoDay      = 24 * time.Hour
	demoInterval = 30 * time.Second // between invented probes of one series
	demoTick     = time.Second
	demoRate     = 24               // synthetic requests a second
	demoRest     = 60 * time.Second // between the end of the script and its repetition
)

type demoFlags struct {
	listen, router, data, script string
	speed                        float64
	quiet, once                  bool
}

func newDemoCommand() *cobra.Command {
	var f demoFlags
	c := &cobra.Command{
		Use: "demo", Short: "Run everything on simulated providers with scripted faults; no keys, no network, no config", Args: cobra.NoArgs,
		Long: `Runs the server, the dashboard, the router and steady synthetic traffic in one
process on the loopback, over simulated providers that a script of faults
befalls. Nothing leaves this machine.`,
		RunE: func(c *cobra.Command, _ []string) error {
			return runDemo(c.Context(), f, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	c.Flags().StringVar(&f.listen, "listen", "127.0.0.1:8780", "`ADDRESS` of the API and the dashboard")
	c.Flags().StringVar(&f.router, "router-listen", "127.0.0.1:8781", "`ADDRESS` of the router")
	c.Flags().StringVar(&f.data, "data", "", "`FOLDER` for the database; a temporary one by default")
	c.Flags().Float64Var(&f.speed, "speed", 1, "play the script this many times as fast")
	c.Flags().StringVar(&f.script, "script", "", "`FILE` with another script of faults")
	c.Flags().BoolVar(&f.quiet, "quiet", false, "print addresses and errors only")
	c.Flags().BoolVar(&f.once, "once", false, "end when the script is over, with an error if any request failed")
	return c
}

// demo is a demo at work.
type demo struct {
	flags     demoFlags
	out       io.Writer
	scenes    []scene
	sim       *sim.Server
	simAddr   net.Listener
	listeners [2]net.Listener // of the API and the router
	app       *app
	traffic   *traffic
	mu        sync.Mutex // of out
}

func runDemo(ctx context.Context, f demoFlags, out, errOut io.Writer) error {
	scenes, err := loadScript(f.script, f.speed)
	if err != nil {
		return err
	}
	if f.data == "" {
		dir, remove, err := tempDir()
		if err != nil {
			return err
		}
		defer remove()
		f.data = dir
	} else if err := os.MkdirAll(f.data, 0o755); err != nil {
		return fmt.Errorf("--data: %w", err)
	}
	d := &demo{flags: f, out: out, scenes: scenes}
	if d.sim, err = sim.New(sim.Options{Seed: uint64(time.Now().UnixNano())}); err != nil {
		return err
	}
	if err := d.listen(); err != nil {
		return err
	}
	cfg, err := d.config()
	if err != nil {
		d.close()
		return err
	}
	d.app, err = newApp(ctx, cfg, newLogger(errOut, true), appOptions{simulated: true, listeners: d.listeners,
		tick: demoTick, warmup: true, seed: d.seed(cfg)})
	if err != nil {
		d.close()
		return fmt.Errorf("demo in --data %s: %w", f.data, err)
	}
	d.traffic = newTraffic("http://"+d.app.routerListener.Addr().String(), []string{"chat", "smart", "cheap"}, demoRate)
	d.welcome()
	return d.run(ctx)
}

// listen takes hold of the demo's three addresses.
func (d *demo) listen() (err error) {
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	if d.simAddr, err = listen("simulated providers", "127.0.0.1:0"); err != nil {
		return err
	}
	if d.listeners[0], err = listen("--listen", d.flags.listen); err != nil {
		return err
	}
	d.listeners[1], err = listen("--router-listen", d.flags.router)
	return err
}

// close lets go of the addresses of a demo that never ran.
func (d *demo) close() {
	for _, ln := range []net.Listener{d.simAddr, d.listeners[0], d.listeners[1]} {
		if ln != nil {
			_ = ln.Close() // closed already where newApp failed
		}
	}
}

// config is the built-in config with the flags' addresses in it.
func (d *demo) config() (Config, error) {
	env := func(name string) (string, bool) { return "http://" + d.simAddr.Addr().String(), name == "SIM" }
	cfg, fs := ParseConfig("demo.yaml", demoConfig, env)
	if len(fs) > 0 {
		return cfg, fs
	}
	cfg.Server.Listen, cfg.Router.Listen = d.flags.listen, d.flags.router
	cfg.Store.DSN = "sqlite:" + filepath.Join(d.flags.data, "bellwether.db")
	cfg.Router.StateFile = filepath.Join(d.flags.data, "router-weights.json")
	if ps := append(cfg.Server.Validate(), cfg.Router.Validate()...); len(ps) > 0 {
		return cfg, codeError{exitUsage, fmt.Errorf("--%w", ps[0])}
	}
	return cfg, nil
}

// seed folds an invented day of the same models into a new database, so that
// the engine knows what is usual. The history is marked as simulated.
func (d *demo) seed(cfg Config) func(*scoring.Engine, *journal, uint64) (uint64, error) {
	return func(e *scoring.Engine, j *journal, seq uint64) (uint64, error) {
		if seq > 0 {
			return seq, nil // a database of an earlier demo
		}
		o := sim.DayOptions{Seed: 1, Vantage: cfg.Vantage, Targets: cfg.targets(), Interval: demoInterval,
			Start: time.Now().UTC().Add(-demoDay), End: time.Now().UTC()}
		for _, c := range cfg.Canaries {
			o.Canaries = append(o.Canaries, sim.DayCanary{Name: c.Name, Prompt: c.Prompt, MaxTokens: c.WithDefaults().MaxTokens, Checks: []string{"contains"}})
		}
		day, err := sim.Day(o)
		if err != nil {
			return 0, err
		}
		var batch []bellwether.Record
		for ob := range day {
			seq++
			r := bellwether.Record{Seq: seq, At: ob.At.Add(time.Duration(ob.Timing.Total * float64(time.Second))), Observation: &ob}
			e.Fold(r)
			if batch = append(batch, r); len(batch) == journalBatch {
				j.write(batch, nil)
				batch = nil
			}
		}
		j.write(batch, nil)
		return seq, nil
	}
}

func (d *demo) welcome() {
	fmt.Fprintf(d.out, `
  Bellwether demo: %d simulated targets, a script of faults, %d requests a second.

  Dashboard   http://%s/
  Weights     curl -s http://%s/v1/weights
  Router      curl -s http://%s/v1/chat/completions -d '{"model": "chat", "messages": [{"role": "user", "content": "What is the capital of Italy?"}]}'

  The past day is simulated too, so that the engine knows what is usual.
  Look at the sentence on top of the dashboard, and at the shares of the route
  "chat" as each fault begins and ends. Ctrl-C ends it.

`, len(d.app.cfg.Load().Targets), demoRate, d.app.apiListener.Addr(), d.app.apiListener.Addr(), d.app.routerListener.Addr())
}

func (d *demo) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	over := func(ctx context.Context) error {
		if err := d.play(ctx); err != nil {
			return err
		}
		cancel()
		return nil
	}
	parts := []part{{"traffic", d.traffic.Run}}
	if d.flags.once {
		parts = append(parts, part{"script", over})
	} else {
		parts = append(parts, part{"script", d.playForever})
	}
	parts = append(parts, part{"narrator", d.narrate})
	simDone := make(chan error, 1)
	simCtx, stopSim := context.WithCancel(context.Background())
	go func() { simDone <- serveHTTP(d.simAddr, d.sim, new(stopwatch), d.app.log)(simCtx) }()
	err := d.app.Run(ctx, parts...)
	stopSim()
	<-simDone
	d.say("%s", d.traffic.Summary())
	if failed := d.traffic.failed.Load(); d.flags.once && err == nil && failed > 0 {
		return codeError{exitNothing, fmt.Errorf("demo: %s", d.traffic.Summary())}
	}
	return err
}

func (d *demo) playForever(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := d.play(ctx); err != nil {
			return err
		}
		sleep(ctx, time.Duration(float64(demoRest)/d.flags.speed))
	}
	return nil
}

// play puts the script's faults in place and tells when each begins and ends.
func (d *demo) play(ctx context.Context) error {
	if err := d.sim.SetFaults(allFaults(d.scenes)); err != nil {
		return fmt.Errorf("script: %w", err)
	}
	start := time.Now()
	for _, s := range d.scenes {
		sleep(ctx, time.Until(start.Add(s.At)))
		if ctx.Err() != nil {
			return nil
		}
		d.say("fault: %s, for %v", s.Say, s.For.Round(time.Second))
		end := time.AfterFunc(time.Until(start.Add(s.At+s.For)), func() { d.say("over:  %s", s.Say) })
		defer end.Stop()
	}
	sleep(ctx, time.Until(start.Add(length(d.scenes)))+time.Duration(float64(demoSettle)/d.flags.speed))
	return nil
}

// demoSettle is what a target is given to recover after the last scene.
const demoSettle = 40 * time.Second

// narrate tells of verdicts as they change, and of the traffic now and then.
func (d *demo) narrate(ctx context.Context) error {
	seen := map[string]bellwether.State{}
	tick, report := time.NewTicker(250*time.Millisecond), time.NewTicker(30*time.Second)
	defer tick.Stop()
	defer report.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-report.C:
			d.say("traffic: %s", d.traffic.Summary())
		case <-tick.C:
			for _, a := range d.app.pipeline.Assessments() {
				if before, known := seen[a.Target]; known && before != a.State {
					d.say("%s is %s, weight %.2f%s", a.Target, a.State, a.Weight, because(a))
				}
				seen[a.Target] = a.State
			}
		}
	}
}

func because(a bellwether.Assessment) string {
	if a.State.Severity() == 0 || len(a.Reasons) == 0 {
		return ""
	}
	s := ": " + a.Reasons[0].Text
	if a.Cause != "" {
		s += " (cause: " + string(a.Cause) + ")"
	}
	return s
}

// say prints a line with the time, unless told to be quiet.
func (d *demo) say(format string, args ...any) {
	if !d.flags.quiet {
		d.mu.Lock()
		defer d.mu.Unlock()
		fmt.Fprintf(d.out, "%s  %s\n", time.Now().Format("15:04:05"), fmt.Sprintf(format, args...))
	}
}

// sleep waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
