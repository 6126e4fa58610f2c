package bellwether

import "time"

// State is how a target is doing.
type State string

// The states, in no order of severity; see [State.Severity].
const (
	Unknown, Healthy, Recovering State = "unknown", "healthy", "recovering"
	Degraded, Failing, Down      State = "degraded", "failing", "down"
)

// Severity orders states: 0 for healthy, unknown and recovering, then 1 for
// degraded, 2 for failing, 3 for down.
func (s State) Severity() int {
	switch s {
	case Degraded:
		return 1
	case Failing:
		return 2
	case Down:
		return 3
	}
	return 0
}

// Cause is whose fault a verdict most likely is.
type Cause string

// The causes. CauseAccount is our key, quota or bill; CauseVantage our own
// network or host.
const (
	CauseTarget, CauseModel, CauseProvider  Cause = "target", "model", "provider"
	CauseRegion, CauseVantage, CauseAccount Cause = "region", "vantage", "account"
)

// Reason explains a verdict.
type Reason struct {
	Signal   Signal  `json:"signal"`
	Code     string  `json:"code"`     // stable, for machines: "first_token_slow"
	Text     string  `json:"text"`     // one clause, for people
	Evidence float64 `json:"evidence"` // nats
}

// Change is one change of a target's verdict.
type Change struct {
	At      time.Time `json:"at"`
	Seq     uint64    `json:"seq,omitempty"` // the record that brought it
	Target  string    `json:"target"`
	From    State     `json:"from"`
	To      State     `json:"to"`
	Cause   Cause     `json:"cause,omitempty"`
	Score   float64   `json:"score"`
	Weight  float64   `json:"weight"`
	Since   time.Time `json:"since,omitzero"` // estimated onset of what is wrong
	Reasons []Reason  `json:"reasons"`
}

// Evidence is how strongly the latest observations speak for one hypothesis.
type Evidence struct {
	Hypothesis string    `json:"hypothesis"` // "first token x2"
	Signal     Signal    `json:"signal"`
	Nats       float64   `json:"nats"`
	Threshold  float64   `json:"threshold_nats"`
	Since      time.Time `json:"since,omitzero"` // last time the evidence was zero
	Effect     float64   `json:"effect,omitempty"`
	EffectLow  float64   `json:"effect_low,omitempty"` // 90 % interval
	EffectHigh float64   `json:"effect_high,omitempty"`
}

// Usual is what a signal of a target is like when all is well: 5th, 50th and
// 95th percentile for measured signals, a rate in Median for counted ones.
type Usual struct {
	Signal  Signal  `json:"signal"`
	P05     float64 `json:"p05"`
	Median  float64 `json:"median"`
	P95     float64 `json:"p95"`
	Samples float64 `json:"samples"`
}

// Assessment is everything the engine thinks of one target now.
type Assessment struct {
	Target    string     `json:"target"`
	State     State      `json:"state"`
	Suspected bool       `json:"suspected"` // evidence builds, no verdict yet
	Cause     Cause      `json:"cause,omitempty"`
	Score     float64    `json:"score"`  // 0 to 100
	Weight    float64    `json:"weight"` // 0 to 1
	Since     time.Time  `json:"since,omitzero"`
	LastSeen  time.Time  `json:"last_seen,omitzero"`
	Reasons   []Reason   `json:"reasons"`
	Evidence  []Evidence `json:"evidence"`
	Usual     []Usual    `json:"usual"`
	Factors   []Factor   `json:"factors,omitempty"` // why the score is below 100, the largest first
	Skills    []Skill    `json:"skills,omitempty"`  // by task
}

// Factor is what one hypothesis takes off a score: the sum of all factors is
// 100 less the score.
type Factor struct {
	Hypothesis  string  `json:"hypothesis"`
	Signal      Signal  `json:"signal"`
	Probability float64 `json:"probability"` // that it is so, 0 to 1
	Health      float64 `json:"health"`      // what is left of a target of which it is so, 0 to 1
	Points      float64 `json:"points"`      // taken off
}

// Skill is how often a target gets a task right, by the checks of its canaries.
type Skill struct {
	Task    string  `json:"task"`
	Success float64 `json:"success"` // drawn towards the mean of all targets while samples are few
	Samples float64 `json:"samples"`
}

// Suspicion asks schedulers to look harder at a target. An Interval of 0 ends
// it. No Canaries means all.
type Suspicion struct {
	Target   string    `json:"target"`
	Since    time.Time `json:"since"`
	Interval float64   `json:"interval_seconds"`
	Canaries []string  `json:"canaries,omitempty"`
}
