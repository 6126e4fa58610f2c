package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/sim"
	"github.com/bellwether-llm/bellwether/probes"
)

func TestWaterfallDrawsEachPhaseWhereItWas(t *testing.T) {
	got := waterfall(bellwether.Timing{DNS: 0.1, Connect: 0.1, TLS: 0.2, FirstByte: 0.6, FirstToken: 0.8, Total: 1})
	want := "" +
		"  dns             100 ms  ████▍                                        100 ms\n" +
		"  connect         100 ms      ████▊                                    200 ms\n" +
		"  tls             200 ms          █████████▋                           400 ms\n" +
		"  wait            200 ms                   █████████▍                  600 ms\n" +
		"  first token     200 ms                            █████████▎         800 ms\n" +
		"  answer          200 ms                                     █████████ 1.00 s\n"
	if got != want {
		t.Errorf("waterfall =\n%s\nwant\n%s", got, want)
	}
	if s := waterfall(bellwether.Timing{}); s != "" {
		t.Errorf("of nothing: %q", s)
	}
	for line := range strings.Lines(waterfall(bellwether.Timing{FirstByte: 1e-6, FirstToken: 30, Total: 30.0001})) {
		if !strings.ContainsAny(line, "█▏▎▍▌▋▊▉") {
			t.Errorf("a phase has no bar: %q", line)
		}
	}
}

func TestPercentilesAreByNearestRank(t *testing.T) {
	for q, want := range map[float64]float64{0: 1, .5: 2, .75: 3, .95: 4, 1: 4} {
		if got := quantile([]float64{4, 1, 3, 2}, q); got != want {
			t.Errorf("quantile %v = %v, want %v", q, got, want)
		}
	}
	if quantile(nil, .5) != 0 {
		t.Error("of nothing it is not 0")
	}
}

func TestProbePrintsForPeopleForManyAndForMachines(t *testing.T) {
	t.Parallel()
	_, url := simulator(t)
	file, _, _ := testConfig(t, t.TempDir(), url)

	code, out, errOut := runHere("probe", "--config", file)
	if code != exitOK {
		t.Fatalf("exit %d: %s", code, errOut)
	}
	mustContain(t, out, "first  hello  ok  (status 200, HTTP/1.1, fresh connection)", "second  hello  ok", "█", "answer", "5 out")

	code, out, errOut = runHere("probe", "--config", file, "first", "--count", "5")
	if code != exitOK {
		t.Fatalf("exit %d: %s", code, errOut)
	}
	mustContain(t, out, "first token p50", "1 of 1", "4 of 4", "fresh", "warm", "5 of 5 probes, 5 good")
	if strings.Contains(out+errOut, "\x1b") || strings.Contains(out+errOut, "\r") {
		t.Errorf("escape codes where there is no terminal: %q %q", out, errOut)
	}

	code, out, errOut = runHere("probe", "--config", file, "--count", "4", "--concurrency", "3", "--vantage", "lab", "--output", "json")
	if code != exitOK || errOut != "" {
		t.Fatalf("exit %d: %s", code, errOut)
	}
	n := map[string]int{}
	for line := range strings.Lines(out) {
		var o bellwether.Observation
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if o.Vantage != "lab" || o.Trigger != bellwether.TriggerManual || o.Outcome != bellwether.OK {
			t.Errorf("observation %+v", o)
		}
		n[o.Target]++
	}
	if n["first"] != 4 || n["second"] != 4 {
		t.Errorf("observations by target: %v, want 4 each", n)
	}
}

func TestProbeThatFindsAnIllTargetSaysSoByItsExitCode(t *testing.T) {
	t.Parallel()
	s, url := simulator(t)
	if err := s.SetFaults([]sim.Fault{{Kind: sim.KindStatus, Value: 503, Region: "us-east"}}); err != nil {
		t.Fatal(err)
	}
	file, _, _ := testConfig(t, t.TempDir(), url)
	code, out, errOut := runHere("probe", "--config", file, "--count", "2")
	if code != exitNothing {
		t.Errorf("exit %d, want %d", code, exitNothing)
	}
	mustContain(t, out, "overloaded", "0 of 1", "status 503", "4 of 4 probes, 2 good")
	mustContain(t, errOut, "2 of 4 probes did not get a good answer")
	for _, args := range [][]string{{"--count", "0"}, {"--concurrency", "0"}, {"--vantage", "No Name"}, {"--output", "xml"}, {"--canary", "none"}} {
		if code, _, _ := runHere(append([]string{"probe", "--config", file}, args...)...); code != exitUsage {
			t.Errorf("%v: exit %d, want %d", args, code, exitUsage)
		}
	}
}

// canceling ends a context with the first thing written to it. It has no other
// way to be written to.
type canceling struct {
	buf    bytes.Buffer
	cancel context.CancelFunc
}

func (c *canceling) Write(p []byte) (int, error) {
	c.cancel()
	return c.buf.Write(p)
}

func TestInterruptedProbingPrintsWhatThereIs(t *testing.T) {
	t.Parallel()
	_, url := simulator(t)
	file, _, _ := testConfig(t, t.TempDir(), url)
	cfg, err := LoadConfig(file)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	out := &canceling{cancel: cancel}
	err = runProbe(ctx, probeFlags{count: 1000, concurrency: 1, output: "text"}, cfg, out, &bytes.Buffer{})
	ce, ok := errors.AsType[codeError](err)
	if !ok || ce.code != exitInterrupted {
		t.Fatalf("runProbe = %v, want exit code %d", err, exitInterrupted)
	}
	mustContain(t, out.buf.String(), "first token p50", "of 2000 probes")
	if n := strings.Count(out.buf.String(), "\n"); n > 20 {
		t.Errorf("%d lines were printed after the interruption", n)
	}
	if strings.Contains(out.buf.String(), "canceled") {
		t.Errorf("probes that were cut off are shown as results: %s", out.buf.String())
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestOutputThatCannotBeWrittenEndsProbing(t *testing.T) {
	_, url := simulator(t)
	file, _, _ := testConfig(t, t.TempDir(), url)
	cfg, err := LoadConfig(file)
	if err != nil {
		t.Fatal(err)
	}
	err = runProbe(context.Background(), probeFlags{count: 1000, concurrency: 2, output: "json"}, cfg, full{}, &bytes.Buffer{})
	if err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("runProbe = %v, want what went wrong", err)
	}
}

func TestProgressTellsHowFarItIsAndOnlyATerminal(t *testing.T) {
	var w bytes.Buffer
	p := newProgress(&w, 12, true)
	p.begin(probes.Job{Target: probes.Target{Target: bellwether.Target{ID: "gpt-us"}}, Canary: probes.Canary{Name: "capital"}})
	p.done(bellwether.Observation{Outcome: bellwether.OK})
	p.done(bellwether.Observation{Outcome: bellwether.Timeout})
	p.clear()
	if got, want := p.line(p.started.Add(1500*time.Millisecond)), "2 of 12, 1 not good  1.5 s  gpt-us capital"; got != want {
		t.Errorf("line = %q, want %q", got, want)
	}
	p.end()
	if w.Len() != 0 {
		t.Errorf("wrote %q to what is no terminal", w.String())
	}
}
