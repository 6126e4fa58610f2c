package router

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/conf"
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
	// Callers are applications by name, with more to say of each than its token: what it may do, and how much. Those of keys may do what applications do, without limits.
	Callers map[string]CallerConfig `yaml:"callers"`
	// AllowOpen lets a router without keys listen on an address that others reach.
	AllowOpen bool `yaml:"allow_open"`
	// StateFile keeps the last weights over a restart. Default: none is kept.
	StateFile string `yaml:"state_file"`
	// AccountsFile keeps usage and budgets over a restart. Default: state_file with .accounts after it; without either they are in memory alone.
	AccountsFile string `yaml:"accounts_file"`
	// KeepAccounts is how long usage is kept by day. Default 62d; budgets by the month take at least 31d.
	KeepAccounts conf.Duration `yaml:"keep_accounts"`
	// AccessLog says which requests get a line in the log. Default: none.
	AccessLog AccessLogConfig `yaml:"access_log"`
	// MaxBodyBytes bounds a request. Default 16777216 (16 MiB).
	MaxBodyBytes int64 `yaml:"max_body_bytes"`
	// BodyLimit is how long a request may take to arrive. Default 1m.
	BodyLimit conf.Duration `yaml:"body_limit"`
	// WriteLimit is how long a caller may take nothing of what is written to it, before its request is ended. Default 1m.
	WriteLimit conf.Duration `yaml:"write_limit"`
	// MaxInFlight bounds requests in flight; more are answered 503 at once. Default 10000.
	MaxInFlight int `yaml:"max_in_flight"`
	// Attempts bounds how many targets one request may try. Default 6.
	Attempts int `yaml:"attempts"`
	// RetryBudget is how many further attempts all requests together may cost, as a part of their number: asking the same target again, a second change of target, hedges. A request's first change of target is not counted, and ten a second are always allowed. Default 0.2.
	RetryBudget *float64 `yaml:"retry_budget"`
	// RetryWait is the longest Retry-After that is waited out while another target could be asked instead. Where none is left, one up to the first-token limit is. Default 500ms.
	RetryWait conf.Duration `yaml:"retry_wait"`
	// Breaker is when a failing target is left alone, and how it comes back.
	Breaker BreakerConfig `yaml:"breaker"`
	// StoredResponses bounds what is kept of answers of /v1/responses, so that previous_response_id goes on from them whichever target answers, in bytes of memory; the oldest go first, and all with a restart. -1 keeps none. Default 67108864 (64 MiB).
	StoredResponses int64 `yaml:"stored_responses"`
	// Drain is how long answers under way may take once the router stops; then streams end with an error. Default 30s.
	Drain conf.Duration `yaml:"drain"`
	// ReportEvery is how often what was seen is reported to the server. Default 1s.
	ReportEvery conf.Duration `yaml:"report_every"`
}

// The defaults of Config.
const (
	DefaultListen      = "127.0.0.1:8781"
	defaultMaxBody     = 16 << 20
	defaultMaxInFlight = 10_000
	defaultStored      = 64 << 20
	defaultAttempts    = 6
	defaultReportEvery = time.Second
	defaultRetryWait   = 500 * time.Millisecond
	defaultDrain       = 30 * time.Second

	defaultBodyLimit    = time.Minute
	defaultWriteLimit   = time.Minute
	defaultKeepAccounts = 62 * 24 * time.Hour
	leastKeepAccounts   = 31 * 24 * time.Hour
)

func (c Config) withDefaults() Config {
	if c.MaxBodyBytes == 0 {
		c.MaxBodyBytes = defaultMaxBody
	}
	if c.MaxInFlight == 0 {
		c.MaxInFlight = defaultMaxInFlight
	}
	if c.StoredResponses == 0 {
		c.StoredResponses = defaultStored
	}
	if c.Attempts == 0 {
		c.Attempts = defaultAttempts
	}
	orElse(&c.ReportEvery, defaultReportEvery)
	orElse(&c.BodyLimit, defaultBodyLimit)
	orElse(&c.WriteLimit, defaultWriteLimit)
	orElse(&c.KeepAccounts, defaultKeepAccounts)
	orElse(&c.RetryWait, defaultRetryWait)
	orElse(&c.Drain, defaultDrain)
	if c.RetryBudget == nil {
		share := defaultRetryShare
		c.RetryBudget = &share
	}
	c.Breaker = c.Breaker.withDefaults()
	return c
}

// orElse gives d a default.
func orElse(d *conf.Duration, value time.Duration) {
	if *d == 0 {
		*d = conf.Duration(value)
	}
}

// accountsFile returns where usage is kept; "" is nowhere.
func (c Config) accountsFile() string {
	if c.AccountsFile == "" && c.StateFile != "" {
		return c.StateFile + ".accounts"
	}
	return c.AccountsFile
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
		bad(err == nil && !loopback(host) && len(c.Keys)+len(c.Callers) == 0 && !c.AllowOpen, "listen",
			"others can reach this address and there are no keys", "write keys: {app: \"${APP_KEY}\"}, listen on 127.0.0.1, or set allow_open: true")
	}
	ps = append(ps, c.validateCallers()...)
	ps = append(ps, c.AccessLog.validate()...)
	if c.Server != "" {
		u, err := url.Parse(c.Server)
		bad(err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https"), "server", "is not a web address", "write http://host:8780")
	}
	bad(c.Region != "" && !bellwether.ValidID(c.Region), "region", fmt.Sprintf("%q is not a region's name", c.Region), "use lower-case letters, digits, '.', '_' and '-'")
	bad(len(c.Name) > 100, "name", "is longer than 100 bytes", "write a short one, such as router-1")
	bad(c.MaxBodyBytes < 0, "max_body_bytes", "is below zero", "leave it out for 16 MiB")
	bad(c.MaxInFlight < 0, "max_in_flight", "is below zero", "leave it out for 10000")
	bad(c.StoredResponses < -1, "stored_responses", "is below -1", "write bytes, or -1 to keep none")
	bad(c.Attempts < 0 || c.Attempts > 20, "attempts", "is out of range", "write 1 to 20")
	bad(c.RetryBudget != nil && !(*c.RetryBudget >= 0 && *c.RetryBudget <= 10), "retry_budget", "is out of range", "write 0 to 10, such as 0.2")
	bad(c.RetryWait < 0, "retry_wait", "is below zero", "write a duration such as 500ms")
	bad(c.KeepAccounts != 0 && c.KeepAccounts < conf.Duration(leastKeepAccounts), "keep_accounts", "is too short for budgets by the month", "write at least 31d, or leave it out for 62d")
	bad(c.BodyLimit < 0, "body_limit", "is below zero", "write a duration such as 1m")
	bad(c.WriteLimit < 0, "write_limit", "is below zero", "write a duration such as 1m")
	bad(c.Drain < 0, "drain", "is below zero", "write a duration such as 30s")
	ps = append(ps, c.Breaker.Validate("breaker.")...)
	bad(c.ReportEvery < 0 || (c.ReportEvery > 0 && c.ReportEvery < conf.Duration(50*time.Millisecond)) || c.ReportEvery > conf.Duration(time.Minute),
		"report_every", "is out of range", "write 50ms to 1m")
	return ps
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}
