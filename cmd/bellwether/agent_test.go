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
	"strconv"
	"strings"
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
