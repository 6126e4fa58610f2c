package router

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/conf"
	"github.com/bellwether-llm/bellwether/llm"
)

// Config is the router section.
type Config struct {
	// Listen is the address for applications, such as 127.0.0.1:8781. Left out: no router inside serve, 127.0.0.1:8781 for the command router.
	Listen string `yaml:"listen"`
	// Region is where this router's callers are, as targets name regions. Default: unknown.
	Region string `yaml:"region"`
	// Name tells routers apart on the dashboard. Default: the host's name.
	Name string `yaml:"name"`
	// Server is the Bellwether server to follow, such as http://127.0.0.1:8780. Inside serve: that server. Left out for the command router: base weights alone.
	Server string `yaml:"server"`
	// Token is for the server; it needs the scopes read and observe.
	Token conf.Secret `yaml:"token"`
	// Keys are the tokens that applications may call with, by name. Left out: anybody who reaches the address, which must then be a loopback one.
	Keys map[string]conf.Secret `yaml:"keys"`
	// AllowOpen lets a router without keys listen on an address that others reach.
	AllowOpen bool `yaml:"allow_open"`
	// StateFile keeps the last weights over a restart. Default: none is kept.
	StateFile string `yaml:"state_file"`
	// MaxBodyBytes bounds a request. Default 16777216 (16 MiB).
	MaxBodyBytes int64 `yaml:"max_body_bytes"`
	// MaxInFlight bounds requests in flight; more are answered 503 at once. Default 10000.
	MaxInFlight int `yaml:"max_in_flight"`
	// Attempts bounds how many targets one request may try. Default 6.
	Attempts int `yaml:"attempts"`
	// ReportEvery is how often what was seen is reported to the server. Default 1s.
	ReportEvery conf.Duration `yaml:"report_every"`
}

// The defaults of Config.
const (
	DefaultListen      = "127.0.0.1:8781"
	defaultMaxBody     = 16 << 20
	defaultMaxInFlight = 10_000
	defaultAttempts    = 6
	defaultReportEvery = time.Second
)

func (c Config) withDefaults() Config {
	if c.MaxBodyBytes == 0 {
		c.MaxBodyBytes = defaultMaxBody
	}
	if c.MaxInFlight == 0 {
		c.MaxInFlight = defaultMaxInFlight
	}
	if c.Attempts == 0 {
		c.Attempts = defaultAttempts
	}
	if c.ReportEvery == 0 {
		c.ReportEvery = conf.Duration(defaultReportEvery)
	}
	return c
}

// Validate returns everything that is wrong with c.
func (c Config) Validate() []conf.Problem {
	var ps []conf.Problem
	bad := func(is bool, path, text, remedy string) {
		if is {
			ps = append(ps, conf.Problem{Path: path, Text: text, Remedy: remedy})
		}
	}
	if c.Listen != "" {
		host, port, err := net.SplitHostPort(c.Listen)
		n, portErr := strconv.Atoi(port)
		bad(err != nil || portErr != nil || n < 0 || n > 65535, "listen", fmt.Sprintf("%q is not an address", c.Listen), "write host:port, such as "+DefaultListen)
		bad(err == nil && !loopback(host) && len(c.Keys) == 0 && !c.AllowOpen, "listen",
			"others can reach this address and there are no keys", "write keys: {app: \"${APP_KEY}\"}, listen on 127.0.0.1, or set allow_open: true")
	}
	for name, key := range c.Keys {
		bad(len(key.Reveal()) < 8, "keys."+name, "is shorter than 8 characters", "make a long random one")
	}
	if c.Server != "" {
		u, err := url.Parse(c.Server)
		bad(err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https"), "server", "is not a web address", "write http://host:8780")
	}
	bad(c.Region != "" && !bellwether.ValidID(c.Region), "region", fmt.Sprintf("%q is not a region's name", c.Region), "use lower-case letters, digits, '.', '_' and '-'")
	bad(len(c.Name) > 100, "name", "is longer than 100 bytes", "write a short one, such as router-1")
	bad(c.MaxBodyBytes < 0, "max_body_bytes", "is below zero", "leave it out for 16 MiB")
	bad(c.MaxInFlight < 0, "max_in_flight", "is below zero", "leave it out for 10000")
	bad(c.Attempts < 0 || c.Attempts > 20, "attempts", "is out of range", "write 1 to 20")
	bad(c.ReportEvery < 0 || (c.ReportEvery > 0 && c.ReportEvery < conf.Duration(50*time.Millisecond)) || c.ReportEvery > conf.Duration(time.Minute),
		"report_every", "is out of range", "write 50ms to 1m")
	return ps
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// Target is a target with what it takes to call it.
type Target struct {
	bellwether.Target
	Endpoint llm.Endpoint
	Protocol llm.Protocol
	// ModelName is what the wire calls the model. Empty means Model.
	ModelName string
}

func (t Target) model() string {
	if t.ModelName != "" {
		return t.ModelName
	}
	return t.Model
}

// Route is a route with its limits. A limit of zero means the default.
type Route struct {
	bellwether.Route
	FirstToken time.Duration // until the first token of a streamed answer; a plain one has 100ms more for each token it may have; default 20s
	Stall      time.Duration // silence after the first token; default 15s
	Total      time.Duration // of the whole request, all attempts included; while a target is left to try, an attempt shows something within half of what remains; default 5m
}

const (
	defaultFirstToken = 20 * time.Second
	defaultStall      = 15 * time.Second
	defaultTotal      = 5 * time.Minute
)

func (r Route) withDefaults() Route {
	if r.FirstToken == 0 {
		r.FirstToken = defaultFirstToken
	}
	if r.Stall == 0 {
		r.Stall = defaultStall
	}
	if r.Total == 0 {
		r.Total = defaultTotal
	}
	return r
}

// Setup is what a router serves: it may be replaced while it runs.
type Setup struct {
	Targets []Target
	Routes  []Route
}
