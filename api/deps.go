package api

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// History is where observations and their sums are read from. What is not
// there gives an error that wraps fs.ErrNotExist, here and in [Cases].
type History interface {
	Observations(context.Context, bellwether.Query) (page []bellwether.Observation, next string, err error)
	Observation(ctx context.Context, id string) (bellwether.Observation, error)
	Rollups(context.Context, bellwether.Query) ([]bellwether.Rollup, error)
}

// Ledger is where past verdicts and weights, and the overrides in force, are
// read from.
type Ledger interface {
	Changes(context.Context, bellwether.Query) (page []bellwether.Change, next string, err error)
	Revisions(context.Context, bellwether.Query) (page []bellwether.Weights, next string, err error)
	Overrides(ctx context.Context, now time.Time) ([]bellwether.Override, error)
}

// Cases is where incidents and the alerts about them are read from.
type Cases interface {
	Incidents(context.Context, bellwether.Query) (page []bellwether.Incident, next string, err error)
	Incident(ctx context.Context, id string) (bellwether.Incident, error)
	Deliveries(ctx context.Context, incident string) ([]bellwether.Delivery, error)
}

// Store is all that is read from what is kept.
type Store interface {
	History
	Ledger
	Cases
}

// Deps is what the server needs from others. Board, Store and Facts are
// required; without one of the functions, the endpoints that need it answer
// 501. All of them are called concurrently.
type Deps struct {
	Board *Board
	Store Store
	// Facts returns what the config says, as it is now.
	Facts func() Facts
	// Assessments returns what the engine thinks of every target now. The
	// slices are only read. Nil: every target is unknown.
	Assessments func() []bellwether.Assessment

	// Ingest takes observations from outside and returns when they are on
	// disk. Those that are known already count as duplicates.
	Ingest func(context.Context, []bellwether.Observation) (accepted, duplicates int, err error)
	// Override puts an override in force, or ends it when it is Removed.
	Override func(context.Context, bellwether.Override) error
	// Probe probes now and returns what came back.
	Probe func(context.Context, ProbeFilter) ([]bellwether.Observation, error)
	// Probing returns what this server's own scheduler does.
	Probing func() Probing
	// Grant returns what an agent may spend on suspicion today, by what it has
	// spent. Nil: agents have budgets of their own.
	Grant func(agent string, spent Probing) Grant
	// Plans is the plan that agents follow.
	Plans *Planner
	// Acknowledge and Annotate write to an incident's timeline and return it
	// as it is then. An unknown id gives an error that wraps fs.ErrNotExist.
	Acknowledge func(ctx context.Context, id, by string) (bellwether.Incident, error)
	Annotate    func(ctx context.Context, id, by, text string) (bellwether.Incident, error)
	// Attainments returns how the objectives stand in [from, to); zero times
	// mean each objective's own window up to now.
	Attainments func(ctx context.Context, from, to time.Time) ([]bellwether.Attainment, error)
	// WriteSLOs writes attainments as CSV.
	WriteSLOs func(io.Writer, []bellwether.Attainment) error
	// Ready returns the checks that readiness rests on, beside the server's
	// own (weights published). Nil: none.
	Ready func(context.Context) []Check

	// Lost returns how many records could not be kept since the start. Nil:
	// nobody counts.
	Lost func() int64

	// UI serves everything that is not the API. Nil: a line of text at /.
	UI http.Handler
	// Log gets one debug line a request, and panics. Nil discards.
	Log *slog.Logger
}

// ProbeFilter says what to probe; an empty list means all.
type ProbeFilter struct {
	Targets  []string `json:"targets"`
	Canaries []string `json:"canaries"`
}

// Check is one thing that readiness rests on. A nil Err means that it is well.
type Check struct {
	Name string
	Err  error
}

// Facts is what the config says.
type Facts struct {
	Version   string
	Vantage   string   // where this server's own probes are sent from
	Vantages  []string // all that the config lists, the server's own included
	Simulated bool     // some of the history is invented, for the demo
	Targets   []bellwether.Target
	Routes    []bellwether.Route
	Canaries  []Canary
}

// known returns the ids of the targets.
func (f Facts) known() map[string]bool {
	all := make(map[string]bool, len(f.Targets))
	for _, t := range f.Targets {
		all[t.ID] = true
	}
	return all
}

func (f Facts) target(id string) (bellwether.Target, bool) {
	for _, t := range f.Targets {
		if t.ID == id {
			return t, true
		}
	}
	return bellwether.Target{}, false
}

func (f Facts) route(name string) (bellwether.Route, bool) {
	for _, r := range f.Routes {
		if r.Name == name {
			return r, true
		}
	}
	return bellwether.Route{}, false
}

// Canary is a canary as the API shows it.
type Canary struct {
	Name         string   `json:"name"`
	Schedule     string   `json:"schedule"`
	Task         string   `json:"task,omitempty"`
	Prompt       string   `json:"prompt"`
	MaxTokens    int      `json:"max_tokens,omitempty"`
	Stream       bool     `json:"stream"`
	Checks       []string `json:"checks"` // in words: "contains: Paris"
	Targets      []string `json:"targets"`
	ProbesPerDay float64  `json:"probes_per_day"`
	CostPerDay   float64  `json:"cost_per_day_usd"` // an estimate
}
