package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/conf"
	"github.com/bellwether-llm/bellwether/internal/sim"
	"github.com/bellwether-llm/bellwether/probes"
	"github.com/bellwether-llm/bellwether/probes/spool"
)

// agentFile writes a config for an agent of the server at api: providers of
// the simulator at url, and nothing else.
func agentFile(t *testing.T, dir, api, url string) (file, spoolDir string) {
	t.Helper()
	file, spoolDir = filepath.Join(dir, "agent.yaml"), filepath.Join(dir, "spool")
	writeFile(t, file, fmt.Sprintf(`
providers:
  one: {protocol: openai, base_url: "%s/r/us-east/v1", api_key: key-of-one-12345}
  two: {protocol: anthropic, base_url: "%s/r/eu-west", api_key: key-of-two-12345}
probing: {fast_interval: 200ms}
agent: {server: %q, name: outpost, vantage: elsewhere, spool: {dir: %q}}
`, url, url, api, spoolDir))
	return file, spoolDir
}

// agentsOf returns the agents that a server knows.
func agentsOf(t *testing.T, api string) (list []struct {
	Name, Vantage, Version, Clock string
	Spooled                       int
	Listed, Behind, Away          bool
	Offset                        *float64 `json:"clock_offset_seconds"`
	Troubles                      []string
	Plan                          struct {
		Source   string
		Revision uint64
	}
}) {
	t.Helper()
	var got struct{ Agents json.RawMessage }
	get(t, api+"/v1/agents", &got)
	if err := json.Unmarshal(got.Agents, &list); err != nil {
		t.Fatal(err)
	}
	return list
}

// seenFrom pages through the observations from a vantage, by id.
func seenFrom(t *testing.T, api, vantage string) map[string]bellwether.Observation {
	t.Helper()
	all, cursor := map[string]bellwether.Observation{}, ""
	for {
		var page struct {
			Observations []bellwether.Observation
			Next         string `json:"next_cursor"`
		}
		get(t, api+"/v1/observations?limit=1000&vantage="+vantage+"&cursor="+cursor, &page)
		for _, o := range page.Observations {
			all[o.ID] = o
		}
		if cursor = page.Next; cursor == "" {
			return all
		}
	}
}

// spooledIDs reads what waits in the spool of an agent that does not run.
func spooledIDs(t *testing.T, dir string) (ids []string) {
	t.Helper()
	s, err := spool.Open(dir, spool.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	b, err := s.Next(1e6, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range b.Records {
		var p parcel
		if err := json.Unmarshal(r, &p); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, p.Observation.ID)
	}
	return ids
}

func TestAnAgentTakesItsPlanFromTheServerAndLooksHarderWithIt(t *testing.T) {
	t.Parallel()
	s, url := simulator(t)
	dir := t.TempDir()
	file, api, router := testConfig(t, dir, url)
	withVantages(t, file)
	server := start(t, "serve", "--config", file)
	ready(t, router)
	agent, _ := agentFile(t, dir, api, url)
	p := start(t, "agent", "--config", agent)
	eventually(t, "the agent is known", func() error {
		as := agentsOf(t, api)
		if len(as) != 1 || as[0].Offset == nil || as[0].Plan.Source != "server" || as[0].Behind || len(as[0].Troubles) > 0 {
			return fmt.Errorf("agents are %+v", as)
		}
		if a := as[0]; a.Name != "outpost" || a.Vantage != "elsewhere" || a.Version == "" || a.Clock != "ok" || !a.Listed || a.Away {
			t.Errorf("the agent is %+v", a)
		}
		return nil
	})
	from := func(trigger, target string) error {
		for _, o := range seenFrom(t, api, "elsewhere") {
			if o.Trigger == trigger && o.Target == target && o.Canary == "hello" {
				return nil
			}
		}
		return fmt.Errorf("no probe by %s of %s from the agent", trigger, target)
	}
	for _, target := range []string{"first", "second"} {
		eventually(t, "probes come from the agent", func() error { return from("schedule", target) })
	}
	if err := s.SetFaults([]sim.Fault{{Region: "us-east", Kind: sim.KindStatus, Value: 503}}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "suspicion reaches the agent", func() error { return from("suspicion", "first") })
	var probing struct {
		Vantages []struct {
			Vantage, Agent string
			Today          struct{ Probes int }                   `json:"suspicion_today"`
			Budget         struct{ Probes, Tokens, USD *float64 } `json:"total_budget"`
			Granted        *struct {
				Total struct{ Probes *float64 }
			}
		}
	}
	get(t, api+"/v1/probing", &probing)
	if v := probing.Vantages; len(v) != 2 || v[0].Vantage != "test" || v[0].Today.Probes == 0 || v[1].Agent != "outpost" || v[1].Budget.Probes == nil {
		t.Errorf("probing is %+v, want the server's own vantage and the agent's", v)
	} else if v[0].Granted == nil || *v[0].Budget.Probes+*v[0].Granted.Total.Probes != 200_000 || *v[1].Budget.Probes == 0 || *v[1].Budget.Probes > *v[0].Granted.Total.Probes {
		t.Errorf("budgets are %+v, want both to share the one of the config", v)
	}
	p.stop(t)
	server.stop(t)
}

// withVantages lists the agent's vantage in the server's config.
func withVantages(t *testing.T, file string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, file, strings.Replace(string(b), "vantage: test", "vantage: test\nvantages: [elsewhere]", 1))
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
	onDisk := func() (lines int) { // delivered ones too, until their file is done with
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
	waiting := func(n int) {
		t.Helper()
		eventually(t, "observations wait on disk", func() error {
			if lines := onDisk(); lines < n {
				return fmt.Errorf("%d lines", lines)
			}
			return nil
		})
	}
	waiting(onDisk() + 8)
	p.kill(t) // and again, while the server is still away
	before := spooledIDs(t, spoolDir)
	if len(before) == 0 {
		t.Fatal("nothing waits on disk")
	}
	made := onDisk()
	p = start(t, "agent", "--config", agent) // its plan is on disk
	waiting(made + 6)
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
	probed := func(why string, ok func(bellwether.Observation) bool) {
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
	second := func(o bellwether.Observation) bool { return o.Target == "second" && o.Outcome == bellwether.OK }
	probed("the agent probes", second)

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
	probed("the second target is probed again", second)

	// The server's own file: another canary, which the agent is to send too.
	config, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, file, strings.Replace(string(config), "canaries:\n", "canaries:\n  - {name: again, schedule: \"@every 2s\", prompt: \"Say it again.\"}\n", 1))
	probed("the new canary is sent", func(o bellwether.Observation) bool { return o.Canary == "again" })
	for range 5 {
		if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	probed("it goes on", second)
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

func TestLateObservationsAreKeptAndNotScored(t *testing.T) {
	t.Parallel()
	_, url := simulator(t)
	file, api, router := testConfig(t, t.TempDir(), url)
	p := start(t, "serve", "--config", file)
	ready(t, router)
	var late []bellwether.Observation
	for i := range 200 { // as an agent sends after an outage: an hour of failures
		late = append(late, bellwether.Observation{ID: "late-" + strconv.Itoa(i), At: time.Now().Add(-2*time.Hour + time.Duration(i)*10*time.Second),
			Source: bellwether.SourceProbe, Trigger: bellwether.TriggerSchedule, Vantage: "elsewhere", Target: "first", Canary: "hello", Outcome: bellwether.ServerError, Status: 503})
	}
	post(t, api, late)
	if n := len(seenFrom(t, api, "elsewhere")); n != 200 {
		t.Errorf("%d late observations are kept, want 200", n)
	}
	var target struct{ State bellwether.State }
	get(t, api+"/v1/targets/first", &target)
	if target.State.Severity() > 0 {
		t.Errorf("after failures of an hour ago the target is %s", target.State)
	}
	p.stop(t)
}

func TestBudgetsOfSuspicionAreInTheMetrics(t *testing.T) {
	t.Parallel()
	_, url := simulator(t)
	dir := t.TempDir()
	file, api, router := testConfig(t, dir, url)
	p := start(t, "serve", "--config", file)
	ready(t, router)
	resp, err := http.Get(api + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	mustContain(t, string(b), `bellwether_suspicion_budget_today{agent="",unit="usd",vantage="test"} 25`, `bellwether_scheduler_probes_missed_total{agent="",vantage="test"}`)
	p.stop(t)
}

func TestAnAgentSaysWhatItsFileLacks(t *testing.T) {
	dir := t.TempDir()
	for name, tt := range map[string]struct{ text, says string }{
		"no server":   {"providers: {p: {protocol: openai}}\ntargets: [{id: t, provider: p, model: m}]\n", "agent.server"},
		"no vantage":  {"agent: {server: \"http://127.0.0.1:1\"}\n", "agent.vantage"},
		"no ca file":  {"agent: {server: \"https://127.0.0.1:1\", vantage: v, ca_file: nowhere.pem}\n", "agent.ca_file"},
		"a bad plan":  {"agent: {server: \"http://127.0.0.1:1\", vantage: v, plan: hers}\n", "agent.plan"},
		"a bad limit": {"agent: {server: \"http://127.0.0.1:1\", vantage: v, spool: {max_bytes: 12}}\n", "agent.spool.max_bytes"},
		"no targets":  {"agent: {server: \"http://127.0.0.1:1\", vantage: v, plan: file}\n", "there are none"},
	} {
		file := filepath.Join(dir, "x.yaml")
		writeFile(t, file, tt.text)
		if code, out, errOut := runHere("agent", "--config", file); code != exitUsage || !strings.Contains(out+errOut, tt.says) {
			t.Errorf("%s: exit code %d, %q, want %d and %q", name, code, out+errOut, exitUsage, tt.says)
		}
	}
	file := filepath.Join(dir, "agent.yaml")
	writeFile(t, file, "agent: {server: \"http://127.0.0.1:1\", vantage: v}\n")
	if code, out, errOut := runHere("check", "--config", file); code != exitOK || !strings.Contains(out, "vantage v") {
		t.Errorf("check of an agent's file: %d %q %q", code, out, errOut)
	}
	if code, _, errOut := runHere("serve", "--config", file); code != exitUsage || !strings.Contains(errOut, "targets") {
		t.Errorf("serve with an agent's file: %d %q", code, errOut)
	}
}

func TestWhatThePlanSaysIsWhatTheConfigSays(t *testing.T) {
	for _, name := range []string{"../../config.example.yaml", "demo.yaml"} {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		cfg, fs := ParseConfig(name, src, anyEnvURL)
		if len(fs) > 0 {
			t.Fatal(fs)
		}
		sameWork(t, cfg)
	}
	src := []byte("canaries:\n  - name: all\n    schedule: \"CRON_TZ=Europe/Berlin 0 3 * * *\"\n    prompt: \"# a: {b} \\x7f \\u2028 \U0001F600 <&>\\n: 'x'\"\n    system: \"no\"\n    max_tokens: 2000000\n" +
		"    temperature: 0\n    stream: false\n    checks: [{contains: \"007\"}, {max_tokens: 8}, {json_schema: {type: object, required: [a], properties: {a: {type: number, maximum: 1.5}}}}]\n" +
		"    targets: [t]\n    timeout: 90s\n    cold_every: -1\n    nonce: true\n")
	cfg, fs := ParseConfig("x.yaml", append([]byte("providers: {p: {protocol: openai, api_key: secret-key}}\ntargets: [{id: t, provider: p, model: \"0123\", labels: {a: \"no\"}, context_window: 4}]\n"), src...), noEnv)
	if len(fs) > 0 && !strings.Contains(fs.Error(), "max_tokens") {
		t.Fatal(fs)
	}
	sameWork(t, cfg)
}

func anyEnvURL(string) (string, bool) { return "http://127.0.0.1:1", true }

// sameWork writes the plan of cfg and reads it again.
func sameWork(t *testing.T, cfg Config) {
	t.Helper()
	w, err := cfg.work()
	if err != nil {
		t.Fatal(err)
	}
	for i, raw := range w.Canaries {
		var got probes.Canary
		if err := read(raw, &got); err != nil {
			t.Errorf("%s: %v", raw, err)
		} else if want := cfg.Canaries[i].WithDefaults(); fmt.Sprintf("%+v", plain(got)) != fmt.Sprintf("%+v", plain(want)) {
			t.Errorf("a canary is read as %+v, want %+v", got, want)
		}
	}
	for i, raw := range w.Targets {
		var got TargetConfig
		if err := read(raw, &got); err != nil || !reflect.DeepEqual(got, cfg.Targets[i]) {
			t.Errorf("a target is read as %+v, %v, want %+v", got, err, cfg.Targets[i])
		}
		if strings.Contains(string(raw), "key") {
			t.Errorf("%s speaks of keys", raw)
		}
	}
}

// plain is what of a canary is written in a config, for comparison.
func plain(c probes.Canary) any {
	v, err := written(reflect.ValueOf(c))
	if err != nil {
		return err
	}
	return v
}

func TestSecretsNeverStandInAPlan(t *testing.T) {
	if _, err := write(ProviderConfig{APIKey: conf.Secret("hunter2")}); !errors.Is(err, errSecret) {
		t.Errorf("write of a provider with its key = %v, want errSecret", err)
	}
}

func TestWhatIsNotUnderstoodIsNotProbed(t *testing.T) {
	var c probes.Canary
	for _, raw := range []string{`{"name":"a","prompt":"?","invented_later":1}`, `[]`, `{} {}`, `{`} {
		if err := read(json.RawMessage(raw), &c); err == nil {
			t.Errorf("read(%s) = nil, want an error", raw)
		}
	}
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
