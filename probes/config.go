package probes

import (
	"fmt"
	"slices"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/conf"
)

// Config is what a user writes about probing: the sections canaries and
// probing. It is meant to be inlined into the whole config.
type Config struct {
	// The canaries: what is asked, how often, and what a good answer is.
	Canaries []Canary `yaml:"canaries"`
	// How hard probing may work. All of it may be left out.
	Probing Probing `yaml:"probing"`
}

// Canary is a prompt with what a good answer to it looks like.
type Canary struct {
	// A slug that names the canary: lower-case letters, digits, '.', '_', '-'. Required.
	Name string `yaml:"name"`
	// When it is sent: "@every 30s" (spread over the interval), a five-field cron expression, "@hourly" and the like, each optionally after "CRON_TZ=Europe/Berlin ". Default "@every 30s".
	Schedule string `yaml:"schedule"`
	// A canary of the starter library by its name (docs/canaries.md), such as sentiment. Every field written beside it takes the place of the library's.
	Use string `yaml:"use"`
	// What it tests, for people: factual, extraction, reasoning ... Default the library's or challenge's own.
	Task string `yaml:"task"`
	// What is asked for: chat, an answer in words; embedding, the vectors of the prompt and of the texts that its checks name; image, a picture made after the prompt. Default chat. The other two are never streamed, and must name their targets, which canaries without targets then leave alone.
	Kind string `yaml:"kind" jsonschema:"enum=chat,enum=embedding,enum=image"`
	// What the model is asked. Required, unless use or challenge stand in its place. Keep it short and fixed: every change starts a new baseline.
	Prompt string `yaml:"prompt"`
	// A question made anew for each probe, with its own checks, in place of a prompt, so that answers cannot be cached or memorised: arithmetic, extraction, classification, ordering, json or vision (a number in a picture). Its shape stays the same, so that baselines keep their meaning.
	Challenge string `yaml:"challenge"`
	// A system prompt. Default none.
	System string `yaml:"system"`
	// The most tokens that the model may answer with. Default 64. Reasoning models need room before they answer: see reasoning.
	MaxTokens int `yaml:"max_tokens"`
	// Whether the model reasons before it answers. It then may use 2048 tokens on top of max_tokens, has 180s for the answer and 120s for the first token where these are left out, and the library's temperature is not sent. Default false. Checks of tokens never count reasoning.
	Reasoning bool `yaml:"reasoning"`
	// Tools that the model may call; see the check tool_call. Default none.
	Tools []Tool `yaml:"tools"`
	// Sampling temperature, 0 to 2. Not sent when left out, because some models refuse it; 0 gives the steadiest baselines.
	Temperature *float64 `yaml:"temperature"`
	// Whether the answer is streamed. Default true; without it neither first_token nor inter_token can be measured.
	Stream *bool `yaml:"stream"`
	// What a good answer looks like: a list of one-key maps such as {contains: Paris} or {max_tokens: 8}. Default none: any proper, non-empty answer is good.
	Checks []CheckSpec `yaml:"checks"`
	// Of kind image: the width and height in pixels that are asked for and must come, such as 1024x1024. Default the model's own. Not for gemini.
	Size string `yaml:"size"`
	// What one probe costs in USD where tokens do not tell, such as a picture priced by the piece. Default: by tokens.
	CostUSD float64 `yaml:"cost_usd"`
	// The ids of the targets that it is sent to. When left out, all but those that canaries of kind embedding or image name.
	Targets []string `yaml:"targets"`
	// How long the whole answer may take. Default 60s.
	Timeout conf.Duration `yaml:"timeout"`
	// How long the first token may take, from the start of the request. Default 30s, or the timeout where that is shorter.
	FirstTokenLimit conf.Duration `yaml:"first_token_limit"`
	// How long a stream may be silent after its first token. Default 15s, or the timeout where that is shorter.
	StallLimit conf.Duration `yaml:"stall_limit"`
	// Every how many scheduled probes a fresh connection is opened, measured as a series of its own. 0 means 20, 1 always, -1 never on purpose.
	ColdEvery int `yaml:"cold_every"`
	// Whether a number that is new each time stands before the prompt, so that no prompt cache shortens the first token. Default false.
	Nonce bool `yaml:"nonce"`
	// Whether an answer cut at max_tokens is a good one. Default false: it is bad output.
	AllowLength bool `yaml:"allow_length"`
	// Whether the log-probabilities of the answer are asked for and kept as confidence. Default: whether a check of confidence needs them. Asked of the protocols that offer them only: not of anthropic, and of http where its template has confidence.
	Logprobs bool `yaml:"logprobs"`
	// How many tokens a usual answer has, reasoning not counted, for the plan's estimate of cost. Default the library's or challenge's own, else what a max_tokens check allows, else 20 or what a min_tokens check wants.
	UsualTokens int `yaml:"usual_tokens"`
}

// Tool is a function that the model may ask to have called. Nobody calls it.
type Tool struct {
	// The tool's name: letters, digits, '_' and '-'. Required.
	Name string `yaml:"name"`
	// What it does, for the model.
	Description string `yaml:"description"`
	// The JSON schema of its arguments, an object. Default: it takes none.
	Parameters map[string]any `yaml:"parameters"`
}

// Probing bounds the work that probing may do.
type Probing struct {
	// The most probes in flight to one provider. Default 16. Half of them are reserved for targets that have none in flight, so give it twice as many as the provider has targets.
	Concurrency int `yaml:"concurrency"`
	// The most probes in flight with one API key, whatever providers it stands at. Default: as concurrency.
	KeyConcurrency int `yaml:"key_concurrency"`
	// The most probes in flight to one host of a base_url, whatever providers are reached through it. Default: four times concurrency.
	HostConcurrency int `yaml:"host_concurrency"`
	// The most probes in flight in all. Default 256.
	MaxInFlight int `yaml:"max_in_flight"`
	// The shortest interval at which a suspected target is probed. Default 5s, at least 100ms.
	FastInterval conf.Duration `yaml:"fast_interval"`
	// What suspicion may spend in one day (UTC) on probes beyond the schedule, for each target.
	TargetBudget Budget `yaml:"target_budget"`
	// The same for all targets together.
	TotalBudget Budget `yaml:"total_budget"`
	// Hosts that show whether our own network works: web addresses (a plain GET; any answer will do) or host:port (a TCP connection), asked every 30s and whenever a probe gets no answer at all. While none of them can be reached, failures speak against this vantage and not against targets. Two or more of different owners are best. Default none.
	Controls []string `yaml:"controls"`
	// Whether the providers' lists of models are left alone. By default each is asked for once a day, so that a model that is taken out of it is noted.
	SkipModelLists bool `yaml:"skip_model_lists"`
}

// Budget bounds what probes may use in one day (UTC).
type Budget struct {
	// Probes a day. 0 means the default: 20000 for one target (one every 5 s all day is 17280), 200000 for all. -1 means no limit.
	Probes int `yaml:"probes"`
	// Input and output tokens a day. 0 means the default: 2000000 for one target, 20000000 for all. -1 means no limit.
	Tokens int `yaml:"tokens"`
	// USD a day. 0 means the default: 5 for one target, 25 for all. -1 means no limit.
	USD float64 `yaml:"usd"`
}

// The defaults of a canary and of probing.
const (
	defaultSchedule    = "@every 30s"
	defaultMaxTokens   = 64
	defaultTimeout     = 60 * time.Second
	defaultFirstToken  = 30 * time.Second
	defaultStall       = 15 * time.Second
	defaultColdEvery   = 20
	defaultConcurrency = 16
	defaultMaxInFlight = 256
	defaultFast        = 5 * time.Second
	minFast            = 100 * time.Millisecond
	maxTimeout         = time.Hour
	maxPromptBytes     = 1 << 20
)

// Streams reports whether the answer is streamed.
func (c Canary) Streams() bool { return c.worded() && (c.Stream == nil || *c.Stream) }

// WithDefaults returns c with every field that was left out filled in, Stream
// excepted (see [Canary.Streams]). What it uses of the library is in it, and
// Use is empty.
func (c Canary) WithDefaults() Canary {
	c = c.fromLibrary()
	if made, ok := challengeOf(c.Challenge); ok {
		c.UsualTokens, c.Task = or(c.UsualTokens, made.output), or(c.Task, made.kind)
	}
	if c.Reasoning {
		c.Timeout = or(c.Timeout, conf.Duration(reasoningTimeout))
		c.FirstTokenLimit = or(c.FirstTokenLimit, min(c.Timeout, conf.Duration(reasoningFirstToken)))
	}
	if !c.worded() {
		c.Task = or(c.Task, c.Kind)
	}
	if c.Kind == imageKind {
		c.Timeout = or(c.Timeout, conf.Duration(imageTimeout))
	}
	c.Logprobs = c.Logprobs || slices.ContainsFunc(c.Checks, func(s CheckSpec) bool { return s["confidence"] != nil })
	c.Schedule = or(c.Schedule, defaultSchedule)
	c.MaxTokens = or(c.MaxTokens, defaultMaxTokens)
	c.Timeout = or(c.Timeout, conf.Duration(defaultTimeout))
	c.FirstTokenLimit = or(c.FirstTokenLimit, min(c.Timeout, conf.Duration(defaultFirstToken)))
	c.StallLimit = or(c.StallLimit, min(c.Timeout, conf.Duration(defaultStall)))
	c.ColdEvery = or(c.ColdEvery, defaultColdEvery)
	return c
}

// WithDefaults returns p with every field that was left out filled in. A limit
// of -1 stays so.
func (p Probing) WithDefaults() Probing {
	p.Concurrency = or(p.Concurrency, defaultConcurrency)
	p.KeyConcurrency = or(p.KeyConcurrency, p.Concurrency)
	p.HostConcurrency = or(p.HostConcurrency, 4*p.Concurrency)
	p.MaxInFlight = or(p.MaxInFlight, defaultMaxInFlight)
	p.FastInterval = or(p.FastInterval, conf.Duration(defaultFast))
	p.TargetBudget = p.TargetBudget.or(Budget{Probes: 20_000, Tokens: 2_000_000, USD: 5})
	p.TotalBudget = p.TotalBudget.or(Budget{Probes: 200_000, Tokens: 20_000_000, USD: 25})
	return p
}

func (b Budget) or(d Budget) Budget {
	return Budget{Probes: or(b.Probes, d.Probes), Tokens: or(b.Tokens, d.Tokens), USD: or(b.USD, d.USD)}
}

func or[T comparable](v, d T) T {
	var zero T
	if v == zero {
		return d
	}
	return v
}

// Validate returns everything that is wrong with c, whatever the targets are.
func (c Config) Validate() []conf.Problem {
	var ps []conf.Problem
	seen := map[string]int{}
	for i, k := range c.Canaries {
		at := fmt.Sprintf("canaries[%d]", i)
		if j, twice := seen[k.Name]; twice && k.Name != "" {
			ps = append(ps, conf.Problem{Path: at + ".name", Text: fmt.Sprintf("%q already names canaries[%d]", k.Name, j), Remedy: "give it another name"})
		}
		seen[k.Name] = i
		ps = append(ps, k.problems(at)...)
	}
	return append(ps, c.Probing.problems("probing")...)
}

// ValidateTargets returns what is wrong between the canaries and the targets
// that there are: canaries that name an unknown target, or one twice, and
// judges that are no target.
func (c Config) ValidateTargets(targets []bellwether.Target) []conf.Problem {
	known := map[string]bool{}
	for _, t := range targets {
		known[t.ID] = true
	}
	var ps []conf.Problem
	for i, k := range c.Canaries {
		named := map[string]bool{}
		for j, id := range k.Targets {
			at := fmt.Sprintf("canaries[%d].targets[%d]", i, j)
			if !known[id] {
				ps = append(ps, conf.Problem{Path: at, Text: fmt.Sprintf("there is no target %q", id), Remedy: "write the id of one of the targets, or leave targets out for all"})
			}
			if named[id] {
				ps = append(ps, conf.Problem{Path: at, Text: fmt.Sprintf("target %q stands here twice", id), Remedy: "remove one"})
			}
			named[id] = true
		}
		checks, _ := Compile(k.WithDefaults().Checks)
		for _, c := range checks {
			if c.judge != nil && !known[c.judge.target] {
				ps = append(ps, conf.Problem{Path: fmt.Sprintf("canaries[%d].checks", i), Text: fmt.Sprintf("%s: there is no target %q", c.Name, c.judge.target), Remedy: "write the id of one of the targets"})
			}
		}
	}
	return ps
}

// problems collects what is wrong under one path.
type problems struct {
	at   string
	list []conf.Problem
}

func (p *problems) add(bad bool, field, remedy, text string, args ...any) {
	if bad {
		p.list = append(p.list, conf.Problem{Path: p.at + "." + field, Text: fmt.Sprintf(text, args...), Remedy: remedy})
	}
}

// limits checks the three time limits of a canary against each other; d has
// its defaults filled in.
func (p *problems) limits(d Canary) {
	p.add(d.Timeout < conf.Duration(10*time.Millisecond) || d.Timeout > conf.Duration(maxTimeout), "timeout", "write 10ms to 1h, such as 60s", "%v is out of range", d.Timeout.Std())
	p.add(d.FirstTokenLimit < conf.Duration(time.Millisecond) || d.FirstTokenLimit > d.Timeout, "first_token_limit", "write a time no longer than the timeout", "%v is not within the timeout of %v", d.FirstTokenLimit.Std(), d.Timeout.Std())
	p.add(d.StallLimit < conf.Duration(time.Millisecond) || d.StallLimit > d.Timeout, "stall_limit", "write a time no longer than the timeout", "%v is not within the timeout of %v", d.StallLimit.Std(), d.Timeout.Std())
}

func (b Probing) problems(at string) []conf.Problem {
	p := &problems{at: at}
	p.add(b.Concurrency < 0 || b.Concurrency > 10_000, "concurrency", "write 1 to 10000, or leave it out for 16", "%d is out of range", b.Concurrency)
	p.add(b.KeyConcurrency < 0 || b.KeyConcurrency > 10_000, "key_concurrency", "write 1 to 10000, or leave it out for as many as concurrency", "%d is out of range", b.KeyConcurrency)
	p.add(b.HostConcurrency < 0 || b.HostConcurrency > 10_000, "host_concurrency", "write 1 to 10000, or leave it out for four times concurrency", "%d is out of range", b.HostConcurrency)
	p.add(b.MaxInFlight < 0 || b.MaxInFlight > 100_000, "max_in_flight", "write 1 to 100000, or leave it out for 256", "%d is out of range", b.MaxInFlight)
	p.add(b.FastInterval != 0 && b.FastInterval < conf.Duration(minFast), "fast_interval", "write 100ms or more, such as 5s", "%v is too short", b.FastInterval.Std())
	p.budget("target_budget", b.TargetBudget)
	p.budget("total_budget", b.TotalBudget)
	p.controls(b.Controls)
	return p.list
}

func (p *problems) budget(field string, b Budget) {
	const remedy = "write a positive number, 0 for the default, or -1 for no limit"
	p.add(b.Probes < -1, field+".probes", remedy, "%d is out of range", b.Probes)
	p.add(b.Tokens < -1, field+".tokens", remedy, "%d is out of range", b.Tokens)
	p.add(!(b.USD >= 0 || b.USD == -1), field+".usd", remedy, "%v is out of range", b.USD)
}
