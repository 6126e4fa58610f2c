package store

import (
	"strings"
	"time"

	"github.com/bellwether-llm/bellwether/internal/conf"
)

// Config is the config's section "store".
type Config struct {
	// DSN says where everything is kept: "sqlite:" and a file, relative to the
	// working folder unless it starts with a slash. The folder must exist and be
	// writable. "sqlite:bellwether.db" by default.
	DSN string `yaml:"dsn"`
	// Retention says for how long things are kept.
	Retention Retention `yaml:"retention"`
}

// Retention says for how long things are kept. What is older is removed once
// an hour.
type Retention struct {
	// Observations is how long single observations and published weights are
	// kept: 14 days by default, at least an hour.
	Observations conf.Duration `yaml:"observations"`
	// Minutes is how long sums of a minute are kept: 35 days by default, at
	// least an hour.
	Minutes conf.Duration `yaml:"minutes"`
	// Hours is how long sums of an hour, verdict changes, overrides and resolved
	// incidents are kept: 400 days by default, at least an hour.
	Hours conf.Duration `yaml:"hours"`
}

// The defaults of the section.
const (
	DefaultDSN          = "sqlite:bellwether.db"
	defaultObservations = 14 * 24 * time.Hour
	defaultMinutes      = 35 * 24 * time.Hour
	defaultHours        = 400 * 24 * time.Hour
	shortestRetention   = time.Hour
)

// WithDefaults returns r with its zero fields replaced by the defaults.
func (r Retention) WithDefaults() Retention {
	set := func(d *conf.Duration, def time.Duration) {
		if *d == 0 {
			*d = conf.Duration(def)
		}
	}
	set(&r.Observations, defaultObservations)
	set(&r.Minutes, defaultMinutes)
	set(&r.Hours, defaultHours)
	return r
}

// File returns the file that a DSN of SQLite names; the empty DSN is
// [DefaultDSN]. It is "" for a DSN that Validate objects to.
func (c Config) File() string {
	dsn := c.DSN
	if dsn == "" {
		dsn = DefaultDSN
	}
	file, ok := strings.CutPrefix(dsn, "sqlite:")
	if !ok {
		return ""
	}
	return strings.TrimPrefix(file, "//")
}

// Validate returns everything that is wrong with c.
func (c Config) Validate() []conf.Problem {
	var ps []conf.Problem
	if file := c.File(); file == "" || strings.ContainsAny(file, "\x00\n") {
		ps = append(ps, conf.Problem{
			Path: "dsn", Text: "does not name a SQLite file",
			Remedy: "write sqlite: and a file, such as " + DefaultDSN,
		})
	}
	for _, f := range []struct {
		path string
		d    conf.Duration
	}{
		{"retention.observations", c.Retention.Observations},
		{"retention.minutes", c.Retention.Minutes},
		{"retention.hours", c.Retention.Hours},
	} {
		if f.d != 0 && f.d.Std() < shortestRetention {
			ps = append(ps, conf.Problem{
				Path: f.path, Text: "is less than an hour",
				Remedy: "write a longer time such as 14d, or leave it out for the default",
			})
		}
	}
	return ps
}
