package trials

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/evaluate/policies"
	"github.com/bellwether-llm/bellwether/internal/evaluate/world"
	"github.com/bellwether-llm/bellwether/scoring"
)

// Engine says how Bellwether is set in a cell. The zero value means that it
// takes no part.
type Engine struct {
	Budget   float64          `json:",omitempty"` // false alarms per target-month
	Adaptive bool             `json:",omitempty"`
	Every    time.Duration    `json:",omitempty"` // between scheduled probes
	Ablation scoring.Ablation `json:",omitempty"`
}

// Work says what a cell does.
type Work string

// The kinds of work.
const (
	Months    Work = "months"    // fault-free target-months
	Faults    Work = "faults"    // trials of one scenario
	Places    Work = "places"    // whose fault: a random group of the grid
	Blame     Work = "blame"     // faults of our vantage: whom do we blame
	Incidents Work = "incidents" // months of faults as they come
	Downs     Work = "downs"     // recorded "downs" that were nobody's outage
)

// Cell is one piece of work. Equal cells have equal results.
type Cell struct {
	Work     Work
	Scenario string `json:",omitempty"`
	Noise    world.Kind
	Diurnal  world.Diurnal `json:",omitzero"`
	Engine   Engine
	Rules    []policies.Spec `json:",omitempty"`
	Traffic  float64         `json:",omitempty"` // calls a second
	First, N int             // trials, or months, First to First+N-1
	Warm     int             // so many different pasts are shared
	Short    bool            `json:",omitempty"` // trials end when all have told
	Mix      string          `json:",omitempty"` // of incidents: "errors", or everything
}

// Key is the cell as text.
func (c Cell) Key() string {
	b, err := json.Marshal(c)
	if err != nil {
		panic(fmt.Sprintf("trials: cell: %v", err)) // plain data always marshals
	}
	return string(b)
}

// Result is what a cell found. Column 0 is Bellwether where it takes part, the
// rules follow in their order.
type Result struct {
	Columns []Column
}

// Column is what one policy did.
type Column struct {
	Months  float64         // target-months without fault
	False   int             // verdicts in them
	Probes  float64         // in them
	Tokens  float64         // in them
	Kept    float64         // hours of weight withheld in them
	Ill     float64         // target-months with incidents
	ToBad   float64         // hours misrouted to ill targets in those
	Held    float64         // hours withheld in those
	Sources map[string]Calm `json:",omitempty"` // of recorded noise, by where it is from
	Trials  []Trial         `json:",omitempty"`
	Seconds []float64       `json:",omitempty"`
}

// Calm is target-months without fault, and the verdicts in them.
type Calm struct {
	Months float64
	False  int
}

// Trial is what one policy made of one fault.
type Trial struct {
	Void    bool    `json:",omitempty"` // it was ill already
	Found   bool    `json:",omitempty"`
	Seconds float64 `json:",omitempty"` // from onset to the verdict
	Probes  int     `json:",omitempty"` // of the victim, sent since the onset
	Tokens  int     `json:",omitempty"`
	Right   bool    `json:",omitempty"` // the cause at the first verdict is
	Settled bool    `json:",omitempty"` // and 30 s later
	Half    float64 `json:",omitempty"` // seconds to a weight below .5; negative never
	HalfAt  int     `json:",omitempty"` // probes until then
	Exit    float64 `json:",omitempty"` // seconds from the end to no verdict; negative never
	Back    float64 `json:",omitempty"` // seconds from the end to a weight of .95; negative never
	Flaps   int     `json:",omitempty"` // changes between well and ill beyond two
	ToBad   float64 `json:",omitempty"` // hours, all targets
	Kept    float64 `json:",omitempty"`
	Misled  float64 `json:",omitempty"` // hours of a pool's traffic
	Wrong   int     `json:",omitempty"` // verdicts on targets that were well
	Blamed  int     `json:",omitempty"` // verdicts that blame somebody else for our own fault
	Kind    string  `json:",omitempty"` // of Places and Blame: what it was
}

// Seed is what the random numbers of a trial follow from. They are none of
// those that scoring's own tests use.
const seed = 0x6265_6c6c_0000_0000

// seedOf mixes what distinguishes one trial from another (FNV-1a).
func seedOf(base uint64, parts ...any) uint64 {
	h := uint64(0xcbf29ce484222325) ^ seed ^ base*0x9e3779b97f4a7c15
	for _, b := range fmt.Appendln(nil, parts...) {
		h = (h ^ uint64(b)) * 0x100000001b3
	}
	return h
}

// setup returns the world of a cell.
func (c *Cell) setup(s *Scenario, warm int) world.Setup {
	w := world.Setup{
		Targets: s.Fleet.Targets(), Noise: c.Noise, Levels: world.Usual(), Every: c.Engine.Every, Canaries: s.Canaries,
		Adaptive: c.Engine.Adaptive, Diurnal: c.Diurnal, Reel: warm, Pool: s.Fleet == Pool,
	}
	if s.Errors > 0 {
		w.Levels.Errors = s.Errors
	}
	if w.Every == 0 {
		w.Every = usual
	}
	return w
}

// usual is between probes as users configure them.
const usual = 30 * time.Second

// config returns the engine's.
func (c *Cell) config(targets []bellwether.Target) scoring.Config {
	config := scoring.Config{
		Policy: scoring.Policy{FalseAlarms: c.Engine.Budget}, Targets: targets, Interval: map[string]time.Duration{}, Ablation: c.Engine.Ablation,
	}
	route := bellwether.Route{Name: "pool", Tiers: [][]bellwether.TierTarget{nil}}
	for _, t := range targets {
		config.Interval[t.ID] = usual // also where the schedule is slower, to make up for suspicion
		route.Tiers[0] = append(route.Tiers[0], bellwether.TierTarget{Target: t.ID})
	}
	config.Routes = []bellwether.Route{route}
	return config
}
