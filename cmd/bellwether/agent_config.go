package main

import (
	"fmt"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/conf"
)

// AgentConfig is how `bellwether agent` reports to a server.
type AgentConfig struct {
	// Server is the address of the server that observations go to, such as https://status.example.com. Required by `bellwether agent`.
	Server string `yaml:"server"`
	// Token is one of the server's tokens, with scopes read and observe.
	Token conf.Secret `yaml:"token"`
	// CAFile is a PEM file with the authorities that may sign the server's certificate. Default: the system's.
	CAFile string `yaml:"ca_file"`
	// Name tells this agent from others: lower-case letters, digits, '.', '_' and '-'. Default: its vantage.
	Name string `yaml:"name"`
	// Vantage names the place that this agent probes from; list it under vantages in the server's config. Default: vantage.
	Vantage string `yaml:"vantage"`
	// Plan says where canaries and targets come from: server (follow the server's config; only providers and their keys are read from this file) or file (this one). Default: server.
	Plan string `yaml:"plan" jsonschema:"enum=server,enum=file"`
	// Spool keeps observations on disk until the server has them.
	Spool SpoolConfig `yaml:"spool"`
}

// SpoolConfig bounds what an agent keeps on disk.
type SpoolConfig struct {
	// Dir is the folder, made where it is missing; one agent may use it. Default: bellwether-spool in the working directory.
	Dir string `yaml:"dir"`
	// MaxBytes is how much it may hold; beyond that the oldest observations are dropped and counted. Default 268435456 (256 MiB, about 350000 observations).
	MaxBytes int64 `yaml:"max_bytes"`
}

const (
	planServer = "server"
	planFile   = "file"
)

// withDefaults returns c with what was left out filled in; vantage is the
// config's own.
func (c AgentConfig) withDefaults(vantage string) AgentConfig {
	c.Vantage = firstOf(c.Vantage, vantage)
	c.Name = firstOf(c.Name, c.Vantage)
	c.Plan = firstOf(c.Plan, planServer)
	c.Spool.Dir = firstOf(c.Spool.Dir, "bellwether-spool")
	return c
}

// follows reports whether canaries and targets come from the server.
func (c AgentConfig) follows() bool { return c.Server != "" && c.Plan != planFile }

// Validate returns everything that is wrong with c. A section that is left out
// is right: only the agent needs it.
func (c AgentConfig) Validate() []conf.Problem {
	if c == (AgentConfig{}) {
		return nil
	}
	ps := checkURL("server", c.Server)
	add := func(bad bool, path, text, remedy string) {
		if bad {
			ps = append(ps, conf.Problem{Path: path, Text: text, Remedy: remedy})
		}
	}
	add(c.Server == "", "server", "is missing", "write the server's address, such as https://status.example.com")
	for path, id := range map[string]string{"name": c.Name, "vantage": c.Vantage} {
		add(id != "" && !bellwether.ValidID(id), path, fmt.Sprintf("%q is not a name", id), "use lower-case letters, digits, '.', '_' and '-'")
	}
	add(c.Plan != "" && c.Plan != planServer && c.Plan != planFile, "plan", fmt.Sprintf("%q is no source of a plan", c.Plan), "write server or file")
	add(c.Spool.MaxBytes != 0 && c.Spool.MaxBytes < 1<<20, "spool.max_bytes", "is below 1 MiB", "write 1048576 or more, or leave it out for 256 MiB")
	return ps
}
