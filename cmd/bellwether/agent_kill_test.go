package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/sim"
)

// linesOnDisk counts what an agent's spool holds: delivered observations too,
// until their file is done with.
func linesOnDisk(t *testing.T, spoolDir string) (lines int) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(spoolDir, "*.spool"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		lines += strings.Count(string(b), "\n")
	}
	return lines
}

func waitOnDisk(t *testing.T, spoolDir string, n int) {
	t.Helper()
	eventually(t, "observations wait on disk", func() error {
		if lines := linesOnDisk(t, spoolDir); lines < n {
			return fmt.Errorf("%d lines", lines)
		}
		return nil
	})
}

func TestKilledAgentsNeitherLoseNorDoubleAnObservation(t *testing.T) {
	t.Parallel()
	_, url := simulator(t)
	dir := t.TempDir()
	file, api, router := testConfig(t, dir, url)
	withVantages(t, file)
	server := start(t, "serve", "--config", file)
	ready(t, router)
	agent, spoolDir := agentFile(t, dir, api, url)
	p := start(t, "agent", "--config", agent)
	eventually(t, "probes come from the agent", func() error {
		if len(seenFrom(t, api, "elsewhere")) < 3 {
			return errors.New("too few")
		}
		return nil
	})
	server.kill(t)
	waitOnDisk(t, spoolDir, linesOnDisk(t, spoolDir)+8)
	p.kill(t) // and again, while the server is still away
	before := spooledIDs(t, spoolDir)
	if len(before) == 0 {
		t.Fatal("nothing waits on disk")
	}
	made := linesOnDisk(t, spoolDir)
	p = start(t, "agent", "--config", agent) // its plan is on disk
	waitOnDisk(t, spoolDir, made+6)
	p.kill(t)
	must := map[string]bool{}
	for _, id := range append(before, spooledIDs(t, spoolDir)...) {
		must[id] = true
	}
	if len(must) < len(before)+2 {
		t.Errorf("%d observations were made before the second kill and %d after; want more: the plan is on disk", len(before), len(must)-len(before))
	}

	server = start(t, "serve", "--config", file)
	for range 4 { // kills while it delivers
		known := len(seenFrom(t, api, "elsewhere"))
		p = start(t, "agent", "--config", agent)
		eventually(t, "the agent delivers", func() error {
			if n := len(seenFrom(t, api, "elsewhere")); n <= known {
				return fmt.Errorf("%d observations as before", n)
			}
			return nil
		})
		p.kill(t)
		for _, id := range spooledIDs(t, spoolDir) {
			must[id] = true
		}
	}
	p = start(t, "agent", "--config", agent)
	eventually(t, "everything arrives", func() error {
		kept := seenFrom(t, api, "elsewhere")
		for id := range must {
			if _, there := kept[id]; !there {
				return fmt.Errorf("observation %s, of %d that waited, is not on the server", id, len(must))
			}
		}
		if !strings.Contains(p.out.String(), "probes as an agent") {
			return errors.New("the agent has not begun")
		}
		return nil
	})
	p.stop(t)
	if left := spooledIDs(t, spoolDir); len(left) != 0 {
		t.Errorf("after an orderly end %d observations wait", len(left))
	}
	all := seenFrom(t, api, "elsewhere")
	slots(t, all)
	server.stop(t)
}

// slots returns when each target's scheduled probes were due, in seconds, and
// complains of a time that was observed twice.
func slots(t *testing.T, all map[string]bellwether.Observation) map[string][]int64 {
	t.Helper()
	due, out := map[string]string{}, map[string][]int64{}
	for id, o := range all {
		if o.Trigger != bellwether.TriggerSchedule {
			continue
		}
		at := o.At
		if o.Outcome != bellwether.Missed { // else at is when it was due
			at = at.Add(-time.Duration(o.Late * float64(time.Second)))
		}
		slot := o.Target + o.Canary + at.Round(10*time.Millisecond).String()
		if due[slot] != "" {
			t.Errorf("the slot %s was observed twice, as %s and %s", slot, due[slot], id)
		}
		due[slot] = id
		out[o.Target] = append(out[o.Target], at.Round(time.Second).Unix())
	}
	for _, times := range out {
		slices.Sort(times)
	}
	return out
}

// probedFrom waits for an observation of the agent's that is ok and began after
// now.
func probedFrom(t *testing.T, api, why string, ok func(bellwether.Observation) bool) {
	t.Helper()
	since := time.Now()
	eventually(t, why, func() error {
		for _, o := range seenFrom(t, api, "elsewhere") {
			if o.At.After(since) && ok(o) {
				return nil
			}
		}
		return errors.New("not seen")
	})
}

func TestAnAgentReloadsItsFileAndFollowsTheServersWithoutLosingOrDoublingAnObservation(t *testing.T) {
	t.Parallel()
	_, url := simulator(t)
	dir := t.TempDir()
	file, api, router := testConfig(t, dir, url)
	withVantages(t, file)
	server := start(t, "serve", "--config", file)
	ready(t, router)
	agent, _ := agentFile(t, dir, api, url)
	src, err := os.ReadFile(agent)
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, "agent", "--config", agent)
	second := func(o bellwether.Observation) bool { return o.Target == "second" && o.Outcome == bellwether.OK }
	probedFrom(t, api, "the agent probes", second)

	// A file without the second provider: what stands there is done at once, and
	// what cannot be done any more is said.
	writeFile(t, agent, strings.Replace(string(src), "  two:", "  three:", 1))
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	says := func(what string) {
		t.Helper()
		eventually(t, "the agent says "+what, func() error {
			if as := agentsOf(t, api); len(as) != 1 || !strings.Contains(strings.Join(as[0].Troubles, "\n"), what) {
				return fmt.Errorf("agents are %+v", as)
			}
			return nil
		})
	}
	says("this agent's file has no provider two")
	// A file that is wrong changes nothing; it is noticed without a signal.
	writeFile(t, agent, strings.Replace(string(src), "providers:", "provider:", 1))
	eventually(t, "the wrong file is noticed", func() error {
		if !strings.Contains(p.out.String(), "config not reloaded") {
			return errors.New("not yet")
		}
		return nil
	})
	says("its config was not reloaded")
	writeFile(t, agent, string(src))
	probedFrom(t, api, "the second target is probed again", second)

	// The server's own file: another canary, which the agent is to send too.
	config, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, file, strings.Replace(string(config), "canaries:\n", "canaries:\n  - {name: again, schedule: \"@every 2s\", prompt: \"Say it again.\"}\n", 1))
	probedFrom(t, api, "the new canary is sent", func(o bellwether.Observation) bool { return o.Canary == "again" })
	for range 5 {
		if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	probedFrom(t, api, "it goes on", second)
	p.stop(t)
	kept := seenFrom(t, api, "elsewhere")
	for id, o := range kept {
		if o.Canary != "hello" {
			delete(kept, id)
		}
	}
	first := slots(t, kept)["first"] // was never taken away
	for i := 1; i < len(first); i++ {
		if first[i] != first[i-1]+1 {
			t.Errorf("after the probe due at %d came that at %d, want one each second", first[i-1], first[i])
		}
	}
	server.stop(t)
}

// TestSuspicionsBudgetIsOneForAllVantagesAndOutlivesKills lets a server and an
// agent look harder at a target that is down, kills both again and again, and
// counts what they sent on suspicion in all.
func TestSuspicionsBudgetIsOneForAllVantagesAndOutlivesKills(t *testing.T) {
	t.Parallel()
	const budget = 60 // about six seconds of the server's; an agent that comes later finds nothing left
	s, url := simulator(t)
	dir := t.TempDir()
	file, api, router := testConfig(t, dir, url)
	withVantages(t, file)
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, file, strings.Replace(string(src), "probing: {", fmt.Sprintf("probing: {total_budget: {probes: %d}, ", budget), 1))
	agent, _ := agentFile(t, dir, api, url)
	day := time.Now().UTC().YearDay()
	server := start(t, "serve", "--config", file)
	ready(t, router)
	p := start(t, "agent", "--config", agent)
	eventually(t, "the agent is known", func() error {
		if as := agentsOf(t, api); len(as) != 1 || as[0].Behind {
			return fmt.Errorf("agents are %+v", as)
		}
		return nil
	})
	if err := s.SetFaults([]sim.Fault{{Region: "us-east", Kind: sim.KindStatus, Value: 503}}); err != nil {
		t.Fatal(err)
	}
	suspected := func(vantage string) (n int) {
		for _, o := range seenFrom(t, api, vantage) {
			if o.Trigger == bellwether.TriggerSuspicion {
				n++
			}
		}
		return n
	}
	for _, vantage := range []string{"test", "elsewhere"} {
		eventually(t, "suspicion probes from "+vantage, func() error {
			if suspected(vantage) == 0 {
				return errors.New("not yet")
			}
			return nil
		})
	}
	unprobed := func(vantage int) error {
		var probing struct {
			Vantages []struct {
				Today struct{ Probes, Unprobed int } `json:"suspicion_today"`
			}
		}
		get(t, api+"/v1/probing", &probing)
		if len(probing.Vantages) <= vantage || probing.Vantages[vantage].Today.Unprobed == 0 {
			return fmt.Errorf("probing is %+v", probing)
		}
		return nil
	}
	for range 3 {
		eventually(t, "the server's part is spent", func() error { return unprobed(0) })
		server.kill(t)
		p.kill(t)
		server, p = start(t, "serve", "--config", file), start(t, "agent", "--config", agent)
		ready(t, router)
	}
	eventually(t, "the agent's part is spent", func() error { return unprobed(1) })
	p.stop(t)
	sent := suspected("test") + suspected("elsewhere")
	if sent > budget && time.Now().UTC().YearDay() == day { // a new day has a new budget
		t.Errorf("%d probes were sent on suspicion, want at most %d", sent, budget)
	}
	server.stop(t)
}
