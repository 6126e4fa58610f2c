package bellwether

import (
	"encoding/json"
	"time"
)

// The states of an incident.
const (
	IncidentOpen     = "open"
	IncidentResolved = "resolved"
)

// Incident is one degradation from first evidence to recovery.
type Incident struct {
	ID         string          `json:"id"`
	State      string          `json:"state"`
	Severity   State           `json:"severity"` // the worst so far: degraded, failing or down
	Cause      Cause           `json:"cause,omitempty"`
	Targets    []string        `json:"targets"`
	Title      string          `json:"title"`
	FirstAt    time.Time       `json:"first_evidence_at"`
	OpenedAt   time.Time       `json:"opened_at"`
	ResolvedAt time.Time       `json:"resolved_at,omitzero"`
	AckedBy    string          `json:"acknowledged_by,omitempty"`
	AckedAt    time.Time       `json:"acknowledged_at,omitzero"`
	Timeline   []IncidentEvent `json:"timeline"`
}

// IncidentEvent is one line of an incident's timeline. Kind is one of
// opened, changed, joined, acknowledged, note, resolved.
type IncidentEvent struct {
	At     time.Time `json:"at"`
	Kind   string    `json:"kind"`
	Target string    `json:"target,omitempty"`
	State  State     `json:"state,omitempty"`
	Text   string    `json:"text"`
	By     string    `json:"by,omitempty"`
}

// Delivery is one message owed to one channel: the outbox that makes alerts
// survive a crash and a channel that is down.
type Delivery struct {
	ID        string          `json:"id"` // also the idempotency key that the channel stores
	Channel   string          `json:"channel"`
	Incident  string          `json:"incident"`
	Kind      string          `json:"kind"`    // the event's kind
	Payload   json.RawMessage `json:"payload"` // an alerting.Notice, as it was when owed
	CreatedAt time.Time       `json:"created_at"`
	NextAt    time.Time       `json:"next_at"`
	Attempts  int             `json:"attempts"`
	Started   bool            `json:"started"`            // a send began; ask the channel before sending again
	SentAt    time.Time       `json:"sent_at,omitzero"`   // done
	GivenUp   bool            `json:"given_up,omitempty"` // done, undelivered
	Receipt   string          `json:"receipt,omitempty"`  // the channel's own id of the message
	Error     string          `json:"error,omitempty"`    // of the last attempt
}

// Attainment is how one objective stands over one window; the columns of the
// SLO CSV. Ratios, seconds and costs that have no data are NaN. Objective, SLI
// and the budget's parts are ratios; Remaining falls below 0 when overspent.
type Attainment struct {
	GeneratedAt, From, To                          time.Time
	SLO, Scope, Provider, Model, Region, Indicator string
	Status                                         string // met, at_risk, missed, no_data
	Good, Bad, Total, Excluded, Incidents, Tokens  int    // the first four: time slices or requests
	Objective, Completeness, SLI                   float64
	Budget, Consumed, Remaining                    float64
	Burn1h, Burn6h, Burn3d                         float64
	Downtime, Longest                              float64 // seconds
	P50, P95, P99                                  float64 // seconds of the indicator's latency, else of the first token
	CostUSD, CostPerSuccess                        float64
}
