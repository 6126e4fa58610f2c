package main

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/bellwether-llm/bellwether"
)

// noEnv is an environment with nothing in it.
func noEnv(string) (string, bool) { return "", false }

// anyEnv knows every name.
func anyEnv(name string) (string, bool) { return "value-of-" + name, true }

func TestEverythingWrongInAConfigIsReportedAtOnceWithItsPlace(t *testing.T) {
	src, err := os.ReadFile("testdata/wrong.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, fs := ParseConfig("wrong.yaml", src, noEnv)
	const golden = "testdata/wrong.golden"
	if *update {
		writeFile(t, golden, fs.Error()+"\n")
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got := fs.Error() + "\n"; got != string(want) {
		t.Errorf("faults of wrong.yaml:\n%swant:\n%s", got, want)
	}
}

func TestTheExampleConfigIsValid(t *testing.T) {
	src, err := os.ReadFile("../../config.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if _, fs := ParseConfig("config.example.yaml", src, anyEnv); len(fs) > 0 {
		t.Errorf("config.example.yaml: %v", fs)
	}
}

func TestWhatIsNoConfigSaysSo(t *testing.T) {
	for name, src := range map[string]string{
		"empty":        "",
		"only comment": "# nothing\n",
		"a list":       "- a\n- b\n",
		"no YAML":      "a: [1, 2\nb: }",
		"doubled key":  "vantage: a\nvantage: b\n",
		"two files":    "vantage: a\n---\nvantage: b\n",
	} {
		_, fs := ParseConfig("x.yaml", []byte(src), noEnv)
		if len(fs) == 0 {
			t.Errorf("%s: no fault", name)
			continue
		}
		if !strings.HasPrefix(fs[0].Error(), "x.yaml") {
			t.Errorf("%s: %q does not name the file", name, fs[0].Error())
		}
	}
}

const smallConfig = `
providers: {p: {protocol: openai, api_key: %q}}
targets: [{id: t, provider: p, model: m}]
`

func TestSecretsComeFromFilesAndEnvironmentAndNeverPrint(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "key"), "hunter2-from-file\n")
	env := func(string) (string, bool) { return "hunter2-from-env", true }
	for _, written := range []string{"file:key", "file:" + filepath.Join(dir, "key"), "${KEY}", "hunter2-inline"} {
		cfg, fs := ParseConfig(filepath.Join(dir, "c.yaml"), fmt.Appendf(nil, smallConfig, written), env)
		if len(fs) > 0 {
			t.Fatalf("%s: %v", written, fs)
		}
		key := cfg.Providers["p"].endpoint("").Key
		if !strings.HasPrefix(key.Reveal(), "hunter2-") || strings.HasSuffix(key.Reveal(), "\n") {
			t.Errorf("%s: the key is %q", written, key.Reveal())
		}
		if shown := fmt.Sprintf("%v %+v %#v %v", cfg, cfg, cfg, cfg.Providers); strings.Contains(shown, "hunter2") {
			t.Errorf("%s: the key shows when the config is printed", written)
		}
	}
	_, fs := ParseConfig(filepath.Join(dir, "c.yaml"), fmt.Appendf(nil, smallConfig, "file:none"), noEnv)
	if len(fs) != 1 || fs[0].Line != 2 {
		t.Errorf("a missing secret file: %v, want one fault in line 2", fs)
	}
}

func TestADoubledDollarIsNoVariable(t *testing.T) {
	cfg, fs := ParseConfig("c.yaml", []byte(`
providers: {p: {protocol: openai, api_key: "${KEY:-a}"}}
targets: [{id: t, provider: p, model: m}]
canaries: [{name: c, prompt: "What does $${HOME} mean in a shell?"}]
`), noEnv)
	if len(fs) > 0 {
		t.Fatal(fs)
	}
	if got, want := cfg.Canaries[0].Prompt, "What does ${HOME} mean in a shell?"; got != want {
		t.Errorf("prompt is %q, want %q", got, want)
	}
}

func TestRoutesThatStandOnOneLegAreNamed(t *testing.T) {
	cfg, fs := ParseConfig("c.yaml", []byte(`
providers:
  openai: {protocol: openai, api_key: k1}
  azure:  {protocol: azure, base_url: "https://x.example.com", api_key: k2}
  other:  {protocol: anthropic, api_key: k1}
targets:
  - {id: a, provider: openai, model: m, region: us, capabilities: [vision, tools], context_window: 128000}
  - {id: b, provider: azure, model: m, region: eu, capabilities: [tools], context_window: 32000}
  - {id: c, provider: other, model: n, region: us, capabilities: [vision, tools]}
  - {id: d, provider: openai, model: n, region: eu, capabilities: [vision, tools]}
routes:
  lineage: {tiers: [[a], [b]]}
  region:  {tiers: [[a], [c]]}
  alone:   {tiers: [[a]]}
  fine:    {tiers: [[c], [b]]}
  key:     {tiers: [[a], [d]]}
`), noEnv)
	if len(fs) > 0 {
		t.Fatal(fs)
	}
	got := strings.Join(routeWarnings(cfg), "\n")
	want := strings.Join([]string{
		"route alone has one target and no fallback: when it is down, so is the route",
		"route fine falls back from c to b, which lacks vision",
		"route key rests on one vendor's models (openai): add a fallback of another vendor",
		"route key rests on one API key: when it expires or runs out, so does the route",
		"route lineage rests on one vendor's models (openai): add a fallback of another vendor",
		"route lineage falls back from a to b, which lacks vision",
		"route lineage falls back from a to b, whose context window is smaller (32000 against 128000 tokens)",
		"route region rests on one region (us): add a target elsewhere",
	}, "\n")
	if got != want {
		t.Errorf("warnings:\n%s\nwant:\n%s", got, want)
	}
}

func TestWhatARouteFollowsIsReadAndSaid(t *testing.T) {
	const head = `
providers: {p: {protocol: openai, api_key: k}}
targets: [{id: a, provider: p, model: m}, {id: b, provider: p, model: n}]
canaries: [{name: c, prompt: hi, task: extraction}]
routes:
  chat: {tiers: [[a, b]], %s}
`
	for written, want := range map[string]bellwether.Route{
		"rollout: 10%":    {Rollout: new(0.1)},
		"rollout: 0.25":   {Rollout: new(0.25)},
		"rollout: 0":      {Rollout: new(0.0)},
		"rollout: 100%":   {},
		`rollout: "50 %"`: {Rollout: new(0.5)},
		"shift_when: {first_token: 2s, inter_token: 50ms}":           {ShiftWhen: map[bellwether.Signal]float64{"first_token": 2, "inter_token": .05}},
		"prefer: {latency: 1, cost: 0.5, task: 2}, task: extraction": {Prefer: bellwether.Preferences{Latency: 1, Cost: .5, Task: 2}, Task: "extraction"},
	} {
		cfg, fs := ParseConfig("c.yaml", fmt.Appendf(nil, head, written), noEnv)
		if len(fs) > 0 {
			t.Errorf("%s: %v", written, fs)
			continue
		}
		got := cfg.routes()[0]
		want.Name, want.Tiers, want.StandbyShare, want.Overprovision = got.Name, got.Tiers, got.StandbyShare, got.Overprovision
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: the route is %+v, want %+v", written, got, want)
		}
	}
	for written, says := range map[string]string{
		"rollout: 110%":                 "routes.chat.rollout: is out of range; write 0% to 100%",
		"rollout: -0.1":                 "routes.chat.rollout: is out of range",
		"rollout: half":                 "write a part of the whole, such as 10% or 0.1",
		"prefer: {latency: 5}":          "routes.chat.prefer.latency: is out of range; write 0 (not at all) to 4",
		"prefer: {task: 1}":             "routes.chat.prefer.task: is set, and the route has no task",
		"shift_when: {sanity: 2s}":      "routes.chat.shift_when.sanity: is no signal",
		"shift_when: {first_token: 0}":  "write text; a duration has a unit",
		"shift_when: {first_token: 0s}": "routes.chat.shift_when.first_token: is not above zero",
	} {
		_, fs := ParseConfig("c.yaml", fmt.Appendf(nil, head, written), noEnv)
		if len(fs) != 1 || fs[0].Line == 0 {
			t.Errorf("%s: %v, want one fault in its line", written, fs)
			continue
		}
		mustContain(t, fs[0].Error(), says)
	}
}

func TestCheckSaysWhatARouteFollows(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.yaml")
	writeFile(t, file, `
providers: {p: {protocol: openai, api_key: k}}
targets: [{id: a, provider: p, model: m}, {id: b, provider: p, model: n}]
routes:
  chat:  {tiers: [[a, b]], prefer: {latency: 1}, shift_when: {first_token: 2s}, rollout: 10%, task: extraction}
  plain: {tiers: [[a], [b]]}
`)
	code, out, errOut := runHere("check", "--config", file)
	if code != exitOK {
		t.Fatalf("check ended with %d: %s", code, errOut)
	}
	mustContain(t, out, "chat   a, b      prefers the faster (1); task extraction; shifts when first_token is over 2s; 10 % of the traffic follows",
		"plain  a then b  health", "warning: route chat is for task extraction, and no canary tests it")
}

func FuzzParseConfig(f *testing.F) {
	for _, name := range []string{"testdata/wrong.yaml", "demo.yaml", "../../config.example.yaml"} {
		src, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	f.Add([]byte("a: &x [*x]"))
	f.Add([]byte("providers: {p: {protocol: openai, api_key: \"file:/etc/hostname\"}}"))
	f.Fuzz(func(t *testing.T, src []byte) {
		cfg, fs := ParseConfig("fuzz.yaml", src, noEnv)
		for _, fault := range fs {
			if fault.Text == "" {
				t.Errorf("a fault without words: %+v", fault)
			}
		}
		if len(fs) == 0 {
			if _, err := cfg.jobs(); err != nil {
				t.Errorf("a valid config has no jobs: %v", err)
			}
		}
	})
}
