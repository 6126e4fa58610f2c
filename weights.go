package bellwether

import "time"

// Mode says how a route's shares came about.
type Mode string

// The modes of a route.
const (
	ModeNormal   Mode = "normal"
	ModePanic    Mode = "panic"    // too little healthy capacity
	ModeOverride Mode = "override" // an operator's
	ModeFrozen   Mode = "frozen"   // our own vantage is in doubt
)

// Weights is the published document that routers follow. Comparable by
// Revision within an Epoch.
type Weights struct {
	Epoch    string                  `json:"epoch"`
	Revision uint64                  `json:"revision"`
	IssuedAt time.Time               `json:"issued_at"`
	TTL      float64                 `json:"ttl_seconds"`
	Hold     float64                 `json:"hold_seconds"`
	Routes   map[string]RouteWeights `json:"routes"`
}

// RouteWeights is one route's part of the document. Targets stand in tier
// order; their shares sum to 1.
type RouteWeights struct {
	Mode    Mode           `json:"mode"`
	Rollout *float64       `json:"rollout,omitempty"` // below 1: the part of the traffic that follows; see [TargetWeight.WouldShare]
	Targets []TargetWeight `json:"targets"`
}

// TargetWeight is one target's part of a route.
type TargetWeight struct {
	Target     string   `json:"target"`
	Tier       int      `json:"tier"`
	Weight     float64  `json:"weight"` // at most 4 decimals, as is Share
	Share      float64  `json:"share"`
	BaseWeight float64  `json:"base_weight"`
	Preference float64  `json:"preference,omitempty"`  // scales the share within the tier; 0 means 1
	WouldShare *float64 `json:"would_share,omitempty"` // the share at a rollout of 1, where it is less
	State      State    `json:"state"`
	Cause      Cause    `json:"cause,omitempty"`
	Score      float64  `json:"score"`
	Reasons    []Reason `json:"reasons"`
}

// TierTarget is a target's place in a route. A BaseWeight of 0 in config
// means 1; use [TierTarget.Base].
type TierTarget struct {
	Target     string  `json:"target" yaml:"target"`
	BaseWeight float64 `json:"base_weight" yaml:"base_weight"`
}

// Base returns the base weight, 1 where none was set.
func (t TierTarget) Base() float64 {
	if t.BaseWeight == 0 {
		return 1
	}
	return t.BaseWeight
}

// Route is a logical model that applications ask for.
type Route struct {
	Name          string         `json:"name"`
	Tiers         [][]TierTarget `json:"tiers"`
	StandbyShare  float64        `json:"standby_share"` // 0 to 0.5, kept on the fallback
	Overprovision float64        `json:"overprovision"` // at least 1
	Prefer        Preferences    `json:"prefer,omitzero"`
	Task          string         `json:"task,omitempty"` // what the route is for; canaries are tagged with tasks
	// ShiftWhen holds the user's own limits, in seconds, on the medians of latency
	// signals: a target over one yields to members of its tier, or else of later
	// tiers, that keep it.
	ShiftWhen map[Signal]float64 `json:"shift_when,omitempty"`
	// Rollout is the part of the traffic that follows the weights, 0 to 1; the
	// rest keeps base shares. nil means all, 0 that shares are only shown.
	Rollout *float64 `json:"rollout,omitempty"`
}

// Preferences say how strongly a route favours, among the healthy targets of a
// tier, the faster, the cheaper, the nearer, and the better at its task. 0 is
// not at all, 1 in proportion; values up to 4 favour more strongly.
type Preferences struct {
	Latency  float64 `json:"latency,omitempty" yaml:"latency"`
	Cost     float64 `json:"cost,omitempty" yaml:"cost"`
	Locality float64 `json:"locality,omitempty" yaml:"locality"`
	Task     float64 `json:"task,omitempty" yaml:"task"`
}

// Override is an operator's word on a target: a pin of its weight, or a drain
// (weight 0). It ends at ExpiresAt, or when it is removed.
type Override struct {
	ID        string    `json:"id"`
	Target    string    `json:"target"`
	Weight    float64   `json:"weight"` // 0 drains
	Reason    string    `json:"reason"`
	By        string    `json:"by"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
	Removed   bool      `json:"removed,omitempty"`
}

// Applied is a router's word on which revision it has in force.
type Applied struct {
	Name     string    `json:"name"`
	Epoch    string    `json:"epoch"`
	Revision uint64    `json:"revision"`
	At       time.Time `json:"at"`
	// Split counts, by route and target, the requests sent since the last word.
	Split map[string]map[string]int `json:"split,omitempty"`
}

// Failover is one request, or one run of requests, that a router moved from a
// target to another, and whether that helped.
type Failover struct {
	At     time.Time `json:"at"`
	Router string    `json:"router"`
	Route  string    `json:"route"`
	From   string    `json:"from"`
	To     string    `json:"to"`  // "" when nothing could serve
	Why    Outcome   `json:"why"` // of the attempt at From
	Count  int       `json:"count"`
	Served int       `json:"served"` // of Count, answered whole by To
}
