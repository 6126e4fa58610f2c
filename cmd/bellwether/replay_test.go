package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/sim"
)

// recorded writes half a day of two targets, in whose evening the first refuses
// ten minutes of calls, as one observation a line.
func recorded(t *testing.T, dir string) string {
	t.Helper()
	start := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	day, err := sim.Day(sim.DayOptions{Seed: 7, Vantage: "test", Interval: 30 * time.Second, Start: start, End: start.Add(12 * time.Hour),
		Targets:  []bellwether.Target{{ID: "first", Provider: "one", Model: "gpt-4o", Region: "us-east"}, {ID: "second", Provider: "two", Model: "claude-haiku", Region: "eu-west"}},
		Canaries: []sim.DayCanary{{Name: "hello", Prompt: "Count to 12."}}})
	if err != nil {
		t.Fatal(err)
	}
	ill, well := start.Add(8*time.Hour), start.Add(8*time.Hour+10*time.Minute)
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	for o := range day {
		if o.Target == "first" && o.At.After(ill) && o.At.Before(well) {
			o.Outcome, o.Status, o.Timing, o.Tokens, o.Checks = bellwether.Overloaded, 503, bellwether.Timing{}, nil, nil
		}
		if err := enc.Encode(o); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "observations.ndjson")
	writeFile(t, file, b.String())
	return file
}

func TestReplaySaysWhatVerdictsAndWeightsWouldHaveBeenTheSameEachTime(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config, _, _ := testConfig(t, dir, "http://127.0.0.1:1")
	src, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, config, strings.Replace(string(src), "@every 1s", "@every 30s", 1))
	args := []string{"replay", "--config", config, "--observations", recorded(t, dir), "--output", "json", "--weights"}
	code, out, errOut := runHere(args...)
	if code != exitOK {
		t.Fatalf("replay ended with %d: %s", code, errOut)
	}
	var states []string
	fell := false
	for line := range strings.Lines(out) {
		var l struct {
			Target   string
			At       time.Time
			To       bellwether.State
			Weight   float64
			Revision uint64
			Routes   map[string]bellwether.RouteWeights
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if l.Target == "first" && l.At.Hour() >= 20 {
			states = append(states, string(l.To))
		}
		fell = fell || (l.Revision > 0 && l.Routes["chat"].Targets[0].Share == 0)
	}
	if got := strings.Join(states, " "); !strings.Contains(got, "down") || !strings.HasSuffix(got, "healthy") || !fell {
		t.Errorf("states of first were %q (share fell to 0: %v), want down, then healthy at the end", got, fell)
	}
	if _, again, _ := runHere(args...); again != out {
		t.Error("the same replay gave another output")
	}
}

func TestReplayNamesTheLineThatItCannotRead(t *testing.T) {
	dir := t.TempDir()
	config, _, _ := testConfig(t, dir, "http://127.0.0.1:1")
	bad := filepath.Join(dir, "bad.ndjson")
	writeFile(t, bad, "{\"at\": \"2026-11-20T00:00:00Z\", \"target\": \"first\", \"outcome\": \"ok\"}\n\n{broken\n")
	code, _, errOut := runHere("replay", "--config", config, "--observations", bad)
	if code != exitUsage {
		t.Errorf("exit code %d, want %d", code, exitUsage)
	}
	mustContain(t, errOut, "bad.ndjson:3: not an observation")
}

func TestReplayRefusesWhatWouldSilentlySayNothing(t *testing.T) {
	dir := t.TempDir()
	config, _, _ := testConfig(t, dir, "http://127.0.0.1:1")
	line := func(at, target string) string {
		return fmt.Sprintf("{\"at\": %q, \"target\": %q, \"outcome\": \"ok\"}\n", at, target)
	}
	for name, c := range map[string]struct{ text, says string }{
		"an empty file":                {"", "holds no observations"},
		"a file backwards":             {line("2026-11-20T00:01:00Z", "first") + line("2026-11-20T00:00:30Z", "first") + line("2026-11-20T00:00:00Z", "first"), "oldest first"},
		"a file of another's targets":  {line("2026-11-20T00:00:00Z", "other") + line("2026-11-20T00:00:01Z", "other"), "2 observations, none of a target of this config"},
		"a page of the API as it came": {"{\"observations\": []}\n", "each element on a line"},
	} {
		file := filepath.Join(dir, "x.ndjson")
		writeFile(t, file, c.text)
		code, _, errOut := runHere("replay", "--config", config, "--observations", file)
		if code != exitUsage || !strings.Contains(errOut, c.says) {
			t.Errorf("%s: exit code %d, %q; want %d and %q", name, code, errOut, exitUsage, c.says)
		}
	}
}

func TestASilenceOfDecadesIsReplayedInBoundedSteps(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config, _, _ := testConfig(t, dir, "http://127.0.0.1:1")
	file := filepath.Join(dir, "x.ndjson")
	writeFile(t, file, "{\"at\": \"1990-01-01T00:00:00Z\", \"target\": \"first\", \"outcome\": \"ok\"}\n{\"at\": \"2026-01-01T00:00:00Z\", \"target\": \"first\", \"outcome\": \"ok\"}\n")
	if code, _, errOut := runHere("replay", "--config", config, "--observations", file); code != exitOK {
		t.Errorf("exit code %d: %s", code, errOut)
	}
}

func TestAScriptIsReadOrRefusedWithItsPlace(t *testing.T) {
	scenes, err := loadScript("", 2)
	if err != nil || len(scenes) == 0 {
		t.Fatalf("the built-in script: %d scenes, %v", len(scenes), err)
	}
	for _, f := range allFaults(scenes) {
		if f.For <= 0 {
			t.Errorf("fault %+v of the built-in script never ends", f)
		}
	}
	for src, says := range map[string]string{
		`- {at: 1s, for: 2s, faults: [{kind: melt}]}`: "[0]: faults: ",
		`- {at: 1s, for: 2s}`:                         "[0]: faults",
		`- {at: 1, for: 2s, faults: []}`:              "duration",
		`- {when: 1s}`:                                "when",
		`nothing`:                                     "cannot",
	} {
		_, err := parseScript([]byte(src))
		if err == nil {
			t.Errorf("script %q was taken", src)
			continue
		}
		mustContain(t, err.Error(), says)
	}
	if _, err := loadScript("", 0); err == nil {
		t.Error("--speed 0 was taken")
	}
}
