// Package bellwether holds the nouns that every other package of the program
// speaks in: targets, observations, verdicts, weights, incidents, with their
// JSON. It is the middle of the star: it imports the standard library only,
// does no I/O, starts nothing, and knows no other package of the module.
//
// All durations in JSON are seconds as floats and carry the suffix _seconds.
// All types are plain data: safe to read concurrently, not to write.
package bellwether

import (
	"regexp"
	"time"
)

var idPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*$`)

// ValidID reports whether s may name a target, route, canary, provider or
// region: lower-case letters, digits, '.', '_' and '-', at most 100 bytes.
func ValidID(s string) bool { return len(s) <= 100 && idPattern.MatchString(s) }

// Price is what a target charges, in USD per million tokens. Zero is free.
type Price struct {
	Input  float64 `json:"input" yaml:"input"`
	Output float64 `json:"output" yaml:"output"`
}

// Cost returns the price of one answer in USD.
func (p Price) Cost(input, output int) float64 {
	return (float64(input)*p.Input + float64(output)*p.Output) / 1e6
}

// Target is one provider, model and region that can be called.
type Target struct {
	ID       string            `json:"id" yaml:"id"`
	Provider string            `json:"provider" yaml:"provider"`
	Model    string            `json:"model" yaml:"model"`
	Region   string            `json:"region" yaml:"region"`
	Labels   map[string]string `json:"labels,omitempty" yaml:"labels"`
	Price    Price             `json:"price" yaml:"price"`
}

// Signal is one property of a target that is followed over time.
type Signal string

// The signals that Bellwether measures itself. Users may send others.
const (
	Availability, Quota              Signal = "availability", "quota"
	FirstToken, InterToken, Total    Signal = "first_token", "inter_token", "total"
	OutputTokens, Sanity, Confidence Signal = "output_tokens", "sanity", "confidence"
	Text, Feedback, Identity         Signal = "text", "feedback", "identity"
)

// What a prober says of itself beside a probe that nothing came back of: how many
// of its controls answered at that moment, and how many did not.
const (
	ControlsAnswered Signal = "controls.answered"
	ControlsFailed   Signal = "controls.failed"
)

// Outcome is the one class of an observation.
type Outcome string

// The outcomes; what each means is in [Outcome.Meaning].
const (
	OK                                        Outcome = "ok"
	BadOutput, Refusal                        Outcome = "bad_output", "refusal"
	ServerError, Overloaded                   Outcome = "server_error", "overloaded"
	FirstTokenTimeout, Stalled, Timeout       Outcome = "first_token_timeout", "stalled", "timeout"
	Truncated, Malformed                      Outcome = "truncated", "malformed"
	Gone, RateLimited                         Outcome = "gone", "rate_limited"
	AuthError, NoCredit, Blocked, ClientError Outcome = "auth_error", "no_credit", "blocked", "client_error"
	DNSError, ConnectError, TLSError          Outcome = "dns_error", "connect_error", "tls_error"
	Canceled, Missed                          Outcome = "canceled", "missed"
)

// Standing says how an objective counts an outcome.
type Standing int

// Excluded outcomes are shown, but speak for nobody.
const (
	Excluded Standing = iota
	Good
	Bad
)

// Meaning is what an outcome says to scoring, objectives and people.
type Meaning struct {
	Signal       Signal   // the signal that it speaks about; "" for none
	Cause        Cause    // whose fault it is unless localised otherwise; "" when good
	Availability Standing // how availability objectives count it
	Sanity       Standing // how sanity objectives count it
	Local        bool     // before HTTP: counts only while this vantage reaches others
}

// Meaning returns the row of the outcome table for o. An unknown outcome is
// excluded everywhere, so that newer agents may say more than we understand.
func (o Outcome) Meaning() Meaning {
	switch o {
	case OK:
		return Meaning{Signal: Availability, Availability: Good, Sanity: Good}
	case BadOutput, Refusal:
		return Meaning{Signal: Sanity, Cause: CauseTarget, Availability: Good, Sanity: Bad}
	case ServerError, Overloaded, FirstTokenTimeout, Stalled, Timeout, Truncated, Malformed:
		return Meaning{Signal: Availability, Cause: CauseTarget, Availability: Bad}
	case Gone:
		return Meaning{Signal: Availability, Cause: CauseModel, Availability: Bad}
	case RateLimited:
		return Meaning{Signal: Quota, Cause: CauseAccount}
	case AuthError, NoCredit, ClientError:
		return Meaning{Cause: CauseAccount}
	case Blocked:
		return Meaning{Cause: CauseVantage}
	case DNSError, ConnectError, TLSError:
		return Meaning{Signal: Availability, Cause: CauseTarget, Availability: Bad, Local: true}
	case Canceled, Missed:
		return Meaning{Cause: CauseVantage}
	}
	return Meaning{}
}

// Timing holds the phases of one call. All values are seconds; all except the
// three connection phases count from the start of the request. Zero is unknown
// (a connection phase is zero when the connection was reused).
type Timing struct {
	DNS           float64 `json:"dns_seconds,omitempty"`
	Connect       float64 `json:"connect_seconds,omitempty"`
	TLS           float64 `json:"tls_seconds,omitempty"`
	FirstByte     float64 `json:"first_byte_seconds,omitempty"`
	FirstToken    float64 `json:"first_token_seconds,omitempty"`
	InterToken    float64 `json:"inter_token_seconds,omitempty"` // median gap after the first token
	InterTokenP95 float64 `json:"inter_token_p95_seconds,omitempty"`
	InterTokenMax float64 `json:"inter_token_max_seconds,omitempty"`
	Total         float64 `json:"total_seconds,omitempty"`
}

// Tokens counts what one answer used.
type Tokens struct {
	Input     int  `json:"input"`
	Output    int  `json:"output"`
	Cached    int  `json:"cached"`
	Reasoning int  `json:"reasoning"`
	Estimated bool `json:"estimated"` // the provider did not say; derived from the text's length
}

// CheckResult is what one check said of one answer.
type CheckResult struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"` // why not, for people
}

// The sources of observations.
const (
	SourceProbe     = "probe"
	SourceRouter    = "router"
	SourceFeedback  = "feedback"  // a caller's word on an answer: Signals[Feedback], 1 bad to 0 good
	SourceUser      = "user"      // numbers that the user measures: Signals
	SourceSimulated = "simulated" // the demo's invented history; never real

	// The triggers of probes.
	TriggerSchedule, TriggerSuspicion          = "schedule", "suspicion"
	TriggerManual, TriggerDrill, TriggerWarmup = "manual", "drill", "warmup"
)

// Observation is what came back from one call, or from a window of calls, as
// data. Summaries (Window > 0) hold Counts and Sketches in place of Outcome
// and Timing.
type Observation struct {
	ID          string             `json:"id"`
	At          time.Time          `json:"at"` // the start of the call or window
	Source      string             `json:"source"`
	Trigger     string             `json:"trigger,omitempty"`
	Vantage     string             `json:"vantage"`
	Target      string             `json:"target"`
	Canary      string             `json:"canary,omitempty"`
	Route       string             `json:"route,omitempty"`
	Outcome     Outcome            `json:"outcome,omitempty"`
	Status      int                `json:"status,omitempty"`
	Late        float64            `json:"late_seconds"`     // start minus due time
	SelfLag     float64            `json:"self_lag_seconds"` // how late our own process was
	Reused      bool               `json:"reused"`           // a warm connection
	HTTP        string             `json:"http,omitempty"`
	Timing      Timing             `json:"timing,omitzero"`
	Tokens      *Tokens            `json:"tokens,omitempty"`
	CostUSD     float64            `json:"cost_usd,omitempty"`
	Checks      []CheckResult      `json:"checks,omitempty"`
	Model       string             `json:"model,omitempty"`
	Fingerprint string             `json:"fingerprint,omitempty"`
	Finish      string             `json:"finish,omitempty"`
	Confidence  *float64           `json:"confidence,omitempty"` // mean log-probability
	Excerpt     string             `json:"excerpt,omitempty"`    // hostile text, cut to a limit
	Error       string             `json:"error,omitempty"`      // for people; never holds a secret
	Doubtful    string             `json:"doubtful,omitempty"`   // what our own host may have spoiled: gc, lag; or everything: controls, dns, fds, clock, pause
	RetryAfter  float64            `json:"retry_after_seconds,omitempty"`
	SampleRate  float64            `json:"sample_rate,omitempty"` // of router observations; 0 means 1
	Window      float64            `json:"window_seconds,omitempty"`
	Counts      map[Outcome]int    `json:"counts,omitempty"`
	Sketches    map[Signal][]byte  `json:"sketches,omitempty"` // serialised DDSketches
	Signals     map[Signal]float64 `json:"signals,omitempty"`  // further numbers: of an answer's text, a judge, a user's own
}

// Record is one entry of the sequenced log that drives scoring: an
// observation, an override, or, when both are nil, a tick of time. The same
// records in the same order give the same verdicts.
type Record struct {
	Seq         uint64       `json:"seq"` // grows by one; 0 is before the first
	At          time.Time    `json:"at"`  // when it was sequenced
	Observation *Observation `json:"observation,omitempty"`
	Override    *Override    `json:"override,omitempty"`
}

// Rollup is the sum of the observations of one series over a minute or an hour.
type Rollup struct {
	Start    time.Time         `json:"start"`
	Seconds  int               `json:"seconds"` // 60 or 3600
	Target   string            `json:"target"`
	Vantage  string            `json:"vantage"`
	Canary   string            `json:"canary,omitempty"`
	Reused   bool              `json:"reused"`
	Source   string            `json:"source"`
	Trigger  string            `json:"trigger,omitempty"` // schedule kept apart: suspicion oversamples bad times
	Counts   map[Outcome]int   `json:"counts"`
	Checks   map[string][2]int `json:"checks,omitempty"` // by check: passed, failed
	Input    int               `json:"input_tokens"`
	Output   int               `json:"output_tokens"`
	CostUSD  float64           `json:"cost_usd"`
	Sketches map[Signal][]byte `json:"sketches,omitempty"`
}

// Query selects from what is kept. Zero fields do not restrict. From is
// inclusive, To exclusive. Cursor continues a listing where its last page
// ended; Limit 0 means 100, and stores answer at most 1000 (rollups and
// exports: no limit when Limit is negative).
type Query struct {
	Target, Route, Vantage, Canary, Source, State string
	Outcome                                       Outcome
	From, To                                      time.Time
	Cursor                                        string
	Limit                                         int
	Oldest                                        bool // oldest first; newest first by default
	Seconds                                       int  // resolution of rollups: 60 or 3600; 0 means 60
}
