// Command probes is the harness of probing at scale: ten thousand targets every
// ten seconds, which is a thousand streamed probes a second, through the real
// scheduler and prober against the simulated provider, which runs in a process
// of its own so that its work is counted apart. It prints what that costs in
// processor time and memory and how late probes left, beside the same for the
// ruler: the simplest Go client, asked as often by a ticker. The two take turns.
//
// Usage: probes [-targets 10000] [-every 10s] [-for 32s]
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/bench"
	"github.com/bellwether-llm/bellwether/internal/sim"
	"github.com/bellwether-llm/bellwether/llm"
	"github.com/bellwether-llm/bellwether/probes"
)

// model answers in about 80 ms with five tokens.
const model = "m?first_token=40ms&inter_token=10ms&tokens=5"

func main() {
	targets := flag.Int("targets", 10_000, "how many targets")
	every := flag.Duration("every", 10*time.Second, "how often each is probed; whole seconds")
	length := flag.Duration("for", 32*time.Second, "how long to measure in all")
	provider := flag.Bool("provider", false, "be the simulated provider until standard input ends")
	flag.Parse()
	err := error(nil)
	if *provider {
		err = serve(os.Stdin, os.Stdout)
	} else {
		err = run(os.Stdout, *targets, *every, *length)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "probes:", err)
		os.Exit(1)
	}
}

// serve is the child process.
func serve(in io.Reader, out io.Writer) error {
	s, err := sim.New(sim.Options{Seed: 1})
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintln(out, ln.Addr())
	srv := &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	go func() {
		_, _ = io.Copy(io.Discard, in)
		_ = srv.Close()
	}()
	if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// child starts the simulated provider; stop ends it and says how much
// processor time it took.
func child() (address string, stop func() time.Duration, err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	cmd := exec.Command(self, "-provider")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() time.Duration {
		_ = in.Close()
		_ = cmd.Wait()
		return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("simulated provider: %w", err)
	}
	return strings.TrimSpace(line), stop, nil
}

// side is what one of the two clients did.
type side struct {
	late      bench.Figures
	cpu, took time.Duration
	sent, bad int
	worstHeap uint64 // bytes of heap and stacks in use, the most that was seen
	why       string // the first that went wrong
	mu        sync.Mutex
}

func (s *side) note(late time.Duration, err string) {
	s.late.Add(late)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent++
	if err != "" {
		s.bad++
		s.why = first(s.why, err)
	}
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func run(w io.Writer, targets int, every, length time.Duration) error {
	if targets < 1 || every < time.Second || length < 4*time.Second {
		return errors.New("write -targets 1 or more, -every 1s or more and -for 4s or more")
	}
	address, stop, err := child()
	if err != nil {
		return err
	}
	before := memory()
	scheduler, prober, ours, err := scheduled(address, targets, every)
	if err != nil {
		stop()
		return err
	}
	defer prober.Close()
	atRest := memory()
	ruler := &side{}
	rate := float64(targets) / every.Seconds()
	fmt.Fprintf(w, "%s\n%d targets every %v: %.0f streamed probes a second, %v in turns\n\n", bench.Machine(), targets, every, rate, length)
	for range 2 {
		ours.measure(length/4, func(ctx context.Context) { _ = scheduler.Run(ctx) })
		ruler.measure(length/4, func(ctx context.Context) { tick(ctx, address, rate, ruler) })
	}
	simulated := stop()
	st := scheduler.Status()
	ours.print(w, "prober and scheduler")
	ruler.print(w, "simplest client")
	fmt.Fprintf(w, "\nratio to the ruler: processor %s, lateness p99 %s\n", bench.Ratio(ours.perProbe(), ruler.perProbe()),
		bench.Ratio(float64(ours.late.Quantile(0.99)), float64(ruler.late.Quantile(0.99))))
	n := float64(targets) * 1024
	fmt.Fprintf(w, "memory per target: %.2f KiB at rest, %.2f KiB at worst while probing (ruler at worst %.2f KiB)\n",
		grown(before, atRest)/n, grown(before, ours.worstHeap)/n, grown(before, ruler.worstHeap)/n)
	fmt.Fprintf(w, "missed: %d; simulated provider, apart: %.1f s of processor for both\n", st.Missed, simulated.Seconds())
	return nil
}

// scheduled returns the real thing: a scheduler of as many targets, whose
// observations are counted.
func scheduled(address string, targets int, every time.Duration) (*probes.Scheduler, *probes.Prober, *side, error) {
	ts := make([]probes.Target, targets)
	for i := range ts {
		ts[i] = probes.Target{
			Target:   bellwether.Target{ID: fmt.Sprintf("target-%05d", i), Provider: fmt.Sprintf("provider-%d", i%100), Model: model},
			Protocol: llm.OpenAI, Endpoint: llm.Endpoint{BaseURL: "http://" + address + "/v1"},
		}
	}
	cfg := probes.Config{Canaries: []probes.Canary{{Name: "capital", Schedule: "@every " + every.String(), ColdEvery: -1,
		Prompt: "What is the capital of France? Answer with one word.", Checks: []probes.CheckSpec{{"min_tokens": 1}}}}}
	jobs, err := probes.Jobs(cfg, ts, probes.Place{Vantage: "bench"})
	if err != nil {
		return nil, nil, nil, err
	}
	prober, err := probes.New(probes.Options{})
	if err != nil {
		return nil, nil, nil, err
	}
	s := &side{}
	emit := func(o bellwether.Observation) {
		why := ""
		if o.Outcome != bellwether.OK && o.Outcome != bellwether.Canceled {
			why = fmt.Sprintf("%s: %s", o.Outcome, o.Error)
		}
		s.note(time.Duration(o.Late*float64(time.Second)), why)
	}
	limits := probes.Probing{Concurrency: 10_000, HostConcurrency: 10_000, MaxInFlight: 10_000}
	scheduler, err := probes.NewScheduler(jobs, prober, emit, probes.SchedulerOptions{Probing: limits})
	return scheduler, prober, s, err
}

// tick asks rate times a second, as the simplest program would.
func tick(ctx context.Context, address string, rate float64, s *side) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}
	defer client.CloseIdleConnections()
	url, body := "http://"+address+"/v1/chat/completions", bench.ChatBody(model)
	gap := time.Duration(float64(time.Second) / rate)
	ticker := time.NewTicker(min(gap, time.Millisecond))
	defer ticker.Stop()
	var all sync.WaitGroup
	defer all.Wait()
	for due := time.Now().Add(gap); ctx.Err() == nil; <-ticker.C {
		for ; !due.After(time.Now()); due = due.Add(gap) {
			due := due
			all.Go(func() {
				seen, err := bench.Ask(client, url, body)
				why := ""
				if err != nil {
					why = err.Error()
				}
				s.note(seen.Start.Sub(due), why)
			})
		}
	}
}

// measure runs work for a while and counts what the process used.
func (s *side) measure(length time.Duration, work func(context.Context)) {
	runtime.GC()
	ctx, cancel := context.WithTimeout(context.Background(), length)
	defer cancel()
	var watch sync.WaitGroup
	watch.Go(func() {
		for t := time.NewTicker(250 * time.Millisecond); ctx.Err() == nil; <-t.C {
			s.worstHeap = max(s.worstHeap, inUse())
		}
	})
	cpu, start := used(), time.Now()
	work(ctx)
	s.cpu += used() - cpu
	s.took += time.Since(start)
	watch.Wait()
}

// perProbe is the processor time of one probe in seconds.
func (s *side) perProbe() float64 { return s.cpu.Seconds() / float64(max(1, s.sent)) }

func (s *side) print(w io.Writer, name string) {
	fmt.Fprintf(w, "%-22s %6d sent, %d not ok; %.1f %% of a core, %.0f us a probe\n", name, s.sent, s.bad, 100*s.cpu.Seconds()/s.took.Seconds(), 1e6*s.perProbe())
	fmt.Fprintf(w, "%-22s lateness ms: p50, p95, p99, max %s\n", "", s.late.Row())
	if s.why != "" {
		fmt.Fprintf(w, "%-22s first trouble: %s\n", "", s.why)
	}
}

// used is the processor time of this process so far.
func used() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// memory is what is in use after a collection.
func memory() uint64 {
	runtime.GC()
	runtime.GC()
	return inUse()
}

func inUse() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

func grown(from, to uint64) float64 { return float64(to) - float64(from) }
