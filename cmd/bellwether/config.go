package main

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/alerting"
	"github.com/bellwether-llm/bellwether/api"
	"github.com/bellwether-llm/bellwether/internal/conf"
	"github.com/bellwether-llm/bellwether/probes"
	"github.com/bellwether-llm/bellwether/router"
	"github.com/bellwether-llm/bellwether/scoring"
	"github.com/bellwether-llm/bellwether/slo"
	"github.com/bellwether-llm/bellwether/store"
)

// maxConfigBytes bounds a config file.
const maxConfigBytes = 4 << 20

// Config is the whole config file. Every section belongs to the package of its
// name; what is left out has a default that works.
type Config struct {
	// Server is the API and dashboard.
	Server api.Config `yaml:"server"`
	// Store is where observations, verdicts and weights are kept.
	Store store.Config `yaml:"store"`
	// Vantage names the place that probes are sent from. Default: local.
	Vantage string `yaml:"vantage"`
	// Vantages are the other places that agents probe the same targets from. Probes are interleaved over all of them, and verdicts know how many there are. Agents elsewhere are served too, at a phase of their own.
	Vantages []string `yaml:"vantages"`
	// Providers are who is called, by name.
	Providers map[string]ProviderConfig `yaml:"providers"`
	// Targets are what is probed and routed to: a provider, a model, a region.
	Targets []TargetConfig `yaml:"targets"`
	// Canaries and probing.
	probes.Config `yaml:",inline"`
	// Routes are the logical models that applications ask for, by name.
	Routes map[string]RouteConfig `yaml:"routes"`
	// Scoring is how observations become verdicts and weights.
	Scoring scoring.Policy `yaml:"scoring"`
	// SLOs are what was promised.
	SLOs slo.Config `yaml:"slos"`
	// Alerting is who is told, and when.
	Alerting alerting.Config `yaml:"alerting"`
	// Router is the bundled OpenAI-compatible router. It runs inside serve when listen is set.
	Router router.Config `yaml:"router"`
	// Agent is for `bellwether agent`, which probes from another place and reports to a server.
	Agent AgentConfig `yaml:"agent"`

	read fileStamps // the files that it was made of
}

// defaultVantage names the place of who names none.
const defaultVantage = "local"

// LoadConfig reads, checks and completes the config file at path. Everything
// wrong in it is returned at once, as faults.
func LoadConfig(path string) (Config, error) {
	cfg, err := loadConfig(path)
	if err == nil && len(cfg.Targets) == 0 { // a file for an agent only
		err = codeError{exitUsage, fmt.Errorf("config %s: targets: there are none; only `bellwether agent` can do without, because its server has them", path)}
	}
	return cfg, err
}

// loadConfig is LoadConfig for who can do without targets where agent.server
// has them.
func loadConfig(path string) (Config, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Config{}, codeError{exitUsage, fmt.Errorf("config: %w; write one from config.example.yaml", err)}
	}
	if info.Size() > maxConfigBytes {
		return Config{}, codeError{exitUsage, fmt.Errorf("config %s: %d bytes; at most %d are read", path, info.Size(), maxConfigBytes)}
	}
	read := fileStamps{}
	src, err := read.read(path)
	if err != nil {
		return Config{}, codeError{exitUsage, fmt.Errorf("config: %w", err)}
	}
	cfg, fs := ParseConfig(path, src, os.LookupEnv)
	if len(fs) > 0 {
		return Config{}, codeError{exitUsage, fs}
	}
	maps.Copy(cfg.read, read)
	return cfg, nil
}

// ParseConfig reads a config from src; name is what faults call it, env the
// environment.
func ParseConfig(name string, src []byte, env func(string) (string, bool)) (Config, faults) {
	var cfg Config
	doc, fs := parseDocument(name, src, env)
	if doc.root == nil && len(fs) == 0 {
		fs = faults{{File: name, Text: "the config is empty", Remedy: "config.example.yaml shows every section"}}
	}
	if doc.root == nil {
		return cfg, fs
	}
	schema, err := schemaOnce()
	if err != nil {
		return cfg, append(fs, fault{File: name, Text: err.Error()})
	}
	fs = append(fs, doc.checkSchema(schema)...)
	fs = fs.and(doc.decode(&cfg))
	cfg.read = fileStamps{}
	ps := readSecretFiles(&cfg, filepath.Dir(name))
	ps = append(ps, readWays(&cfg, filepath.Dir(name))...)
	ps = append(ps, cfg.Config.ReadFiles(func(file string) ([]byte, error) {
		if !filepath.IsAbs(file) {
			file = filepath.Join(filepath.Dir(name), file)
		}
		return cfg.read.read(file)
	})...)
	for _, p := range append(ps, cfg.Validate()...) {
		fs = fs.and(faults{doc.faultOn(p.Path, p.Text, p.Remedy)})
	}
	slices.SortStableFunc(fs, func(a, b fault) int { return cmp.Or(a.Line-b.Line, a.Col-b.Col) })
	return cfg, fs
}

// Validate returns everything wrong with the config that its schema cannot say.
func (c *Config) Validate() []conf.Problem {
	c.Vantage = firstOf(c.Vantage, defaultVantage)
	var ps []conf.Problem
	add := func(section string, found []conf.Problem) {
		for _, p := range found {
			p.Path = join(section, p.Path)
			ps = append(ps, p)
		}
	}
	if !bellwether.ValidID(c.Vantage) {
		add("vantage", []conf.Problem{{Text: fmt.Sprintf("%q is not a name", c.Vantage), Remedy: "use lower-case letters, digits, '.', '_' and '-'"}})
	}
	for i, v := range c.Vantages {
		if !bellwether.ValidID(v) {
			add(fmt.Sprintf("vantages[%d]", i), []conf.Problem{{Text: fmt.Sprintf("%q is not a name", v), Remedy: "use lower-case letters, digits, '.', '_' and '-'"}})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Providers)) {
		ps = append(ps, c.Providers[name].validate("providers."+name)...)
	}
	ps = append(ps, c.validateTargets()...)
	ps = append(ps, c.validateRoutes()...)
	add("server", c.Server.Validate())
	add("store", c.Store.Validate())
	add("", c.Config.Validate())
	add("", c.Config.ValidateTargets(c.targets()))
	add("", c.Config.ValidateCalls(c.probeTargets()))
	add("scoring", c.Scoring.Validate())
	add("slos", c.SLOs.Validate())
	add("slos", c.SLOs.Check(c.targets(), c.routes()))
	add("alerting", c.Alerting.Validate())
	add("router", c.Router.Validate())
	add("agent", c.Agent.Validate())
	if c.Router.Listen != "" && c.Router.Listen == c.Server.Address() {
		add("router", []conf.Problem{{Path: "listen", Text: "is the server's address too", Remedy: "give the router another port, such as " + router.DefaultListen}})
	}
	return ps
}

// join puts a section's name before a path inside it.
func join(section, path string) string {
	if section == "" || path == "" || strings.HasPrefix(path, "[") {
		return section + path
	}
	return section + "." + path
}

func (c *Config) validateTargets() []conf.Problem {
	var ps []conf.Problem
	seen := map[string]int{}
	if len(c.Targets) == 0 && !c.Agent.follows() {
		ps = append(ps, conf.Problem{Path: "targets", Text: "there are none", Remedy: "write at least one: {id: ..., provider: ..., model: ..., region: ...}"})
	}
	for i, t := range c.Targets {
		at := "targets[" + strconv.Itoa(i) + "]"
		bad := func(field, text, remedy string) {
			ps = append(ps, conf.Problem{Path: at + "." + field, Text: text, Remedy: remedy})
		}
		if !bellwether.ValidID(t.ID) {
			bad("id", fmt.Sprintf("%q is not an id", t.ID), "use lower-case letters, digits, '.', '_' and '-', such as gpt-us")
		}
		if j, twice := seen[t.ID]; twice {
			bad("id", fmt.Sprintf("%q is already targets[%d]", t.ID, j), "give each target an id of its own")
		}
		seen[t.ID] = i
		p, known := c.Providers[t.Provider]
		if !known {
			bad("provider", fmt.Sprintf("there is no provider %q", t.Provider), suggest(t.Provider, slices.Sorted(maps.Keys(c.Providers))))
		} else if _, here := p.Regions[t.Region]; len(p.Regions) > 0 && !here && p.BaseURL == "" {
			bad("region", fmt.Sprintf("provider %s has no region %q and no base_url", t.Provider, t.Region), "write one of its regions")
		}
		if t.Model == "" {
			bad("model", "is missing", "write the model's name as the provider has it")
		}
		if t.Region != "" && !bellwether.ValidID(t.Region) {
			bad("region", fmt.Sprintf("%q is not a region's name", t.Region), "use lower-case letters, digits, '.', '_' and '-'")
		}
		if !(t.Price.Input >= 0 && t.Price.Output >= 0) {
			bad("price", "is below zero", "write USD per million tokens")
		}
		ps = append(ps, t.validate(at)...)
	}
	return ps
}

// targets returns the targets as the rest of the program knows them.
func (c *Config) targets() []bellwether.Target {
	out := make([]bellwether.Target, len(c.Targets))
	for i, t := range c.Targets {
		out[i] = t.Target
	}
	return out
}

// probeTargets returns the targets with what it takes to call them.
func (c *Config) probeTargets() []probes.Target {
	out := make([]probes.Target, len(c.Targets))
	for i, t := range c.Targets {
		p := c.Providers[t.Provider]
		out[i] = probes.Target{Target: t.Target, Endpoint: p.endpoint(t.Region), Protocol: p.Protocol}
	}
	return out
}

// readSecretFiles replaces every secret "file:PATH" by the file's content,
// without its last line end. Relative paths are relative to dir.
func readSecretFiles(cfg *Config, dir string) []conf.Problem {
	var ps []conf.Problem
	walkSecrets(reflect.ValueOf(cfg).Elem(), "", func(path string, s conf.Secret) conf.Secret {
		file, ok := strings.CutPrefix(s.Reveal(), "file:")
		if !ok {
			return s
		}
		if !filepath.IsAbs(file) {
			file = filepath.Join(dir, file)
		}
		b, err := cfg.read.read(file)
		if err != nil {
			ps = append(ps, conf.Problem{Path: path, Text: "read the secret's file: " + err.Error(), Remedy: "check the path and its permissions"})
			return ""
		}
		return conf.Secret(strings.TrimRight(string(b), "\r\n"))
	})
	return ps
}

// walkSecrets visits every conf.Secret below v and puts back what f returns.
func walkSecrets(v reflect.Value, path string, f func(string, conf.Secret) conf.Secret) {
	if v.Type() == reflect.TypeFor[conf.Secret]() {
		v.SetString(f(path, conf.Secret(v.String())).Reveal())
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			walkSecrets(v.Elem(), path, f)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if sf := v.Type().Field(i); sf.IsExported() {
				walkSecrets(v.Field(i), join(path, yamlName(sf)), f)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			walkSecrets(v.Index(i), fmt.Sprintf("%s[%d]", path, i), f)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			value := reflect.New(v.Type().Elem()).Elem()
			value.Set(v.MapIndex(k))
			walkSecrets(value, join(path, k.String()), f)
			v.SetMapIndex(k, value)
		}
	}
}

// yamlName returns the key of a struct's field, "" for an inlined one.
func yamlName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	return name
}
