package api

import (
	"context"
	"net/http"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// Probing is what one vantage's scheduler does, and what suspicion used there
// of its budgets today (UTC).
type Probing struct {
	Vantage string    `json:"vantage"`
	Agent   string    `json:"agent,omitempty"` // empty: the server itself
	At      time.Time `json:"at"`              // when this was so
	Jobs    int       `json:"jobs"`            // canaries times targets
	// InFlight probes were sent and are not answered; Waiting are due, without
	// a slot yet.
	InFlight int `json:"in_flight"`
	Waiting  int `json:"waiting"`
	// MaxInFlight bounds InFlight; Providers are the bounds of each.
	MaxInFlight int               `json:"max_in_flight,omitempty"`
	Providers   []ProviderProbing `json:"providers,omitempty"`
	// Sent, Missed and Skipped count since the scheduler's start: probes by
	// trigger, scheduled ones that could not be sent in time, and those of
	// suspicion left out because earlier ones were in flight.
	Sent    map[string]uint64 `json:"sent"`
	Missed  uint64            `json:"missed"`
	Skipped uint64            `json:"skipped"`
	// Lookups count the requests since the start that are no probes: model_list
	// and status_page, and of each how many failed. Of the server itself only.
	Lookups map[string]uint64 `json:"lookups,omitempty"`
	// MissedBy counts, by reason, the missed probes of this vantage that this
	// server was told of since its own start. The server fills it in.
	MissedBy map[string]uint64 `json:"missed_by_reason,omitempty"`
	// TotalBudget bounds suspicion on all targets in a day, TargetBudget on one.
	TotalBudget  Budget `json:"total_budget"`
	TargetBudget Budget `json:"target_budget"`
	Today        Spent  `json:"suspicion_today"`
	// Granted is what agents may spend of this vantage's budgets; it is not in
	// them any more.
	Granted *Grant          `json:"granted,omitempty"`
	Targets []TargetProbing `json:"targets"`
	// Health is what the prober knows of its own condition.
	Health *ProberHealth `json:"health,omitempty"`
}

// Budget bounds a day of suspicion. Nil: no limit.
type Budget struct {
	Probes *int     `json:"probes,omitempty"`
	Tokens *int     `json:"tokens,omitempty"`
	USD    *float64 `json:"usd,omitempty"`
}

// Grant is what suspicion may spend on one day at another vantage.
type Grant struct {
	Day    int64  `json:"day"` // days since 1970, UTC
	Target Budget `json:"target"`
	Total  Budget `json:"total"`
}

// Spent is what suspicion used today. Unprobed counts the probes that were left
// out because a budget was spent.
type Spent struct {
	Probes   int     `json:"probes"`
	Tokens   int     `json:"tokens"`
	USD      float64 `json:"usd"`
	Unprobed int     `json:"unprobed"`
}

// ProviderProbing is what is in flight to one provider, and how much may be.
type ProviderProbing struct {
	Provider    string `json:"provider"`
	InFlight    int    `json:"in_flight"`
	MaxInFlight int    `json:"max_in_flight"`
}

// TargetProbing is the part of one target.
type TargetProbing struct {
	Target   string    `json:"target"`
	InFlight int       `json:"in_flight"`
	Next     time.Time `json:"next,omitzero"`                        // the next scheduled probe
	Interval float64   `json:"suspicion_interval_seconds,omitempty"` // 0: not suspected
	Today    Spent     `json:"suspicion_today"`
}

// Of so many an agent may say something.
const (
	mostTargets   = 20_000
	mostProviders = 1000
)

// sound reports whether what an agent says of its scheduler can be shown.
func (p *Probing) sound() bool {
	ok := p.Jobs >= 0 && p.InFlight >= 0 && p.Waiting >= 0 && p.Today.sound() && p.Health.sound() && len(p.Targets) <= mostTargets && len(p.Sent) <= mostNames
	for trigger := range p.Sent {
		ok = ok && bellwether.ValidID(trigger)
	}
	ok = ok && p.MaxInFlight >= 0 && len(p.Providers) <= mostProviders
	for _, x := range p.Providers {
		ok = ok && len(x.Provider) <= wordLimit && x.InFlight >= 0 && x.MaxInFlight >= 0
	}
	for _, t := range p.Targets {
		ok = ok && bellwether.ValidID(t.Target) && t.InFlight >= 0 && t.Interval >= 0 && t.Today.sound()
	}
	return ok
}

func (s Spent) sound() bool { return s.Probes >= 0 && s.Tokens >= 0 && s.USD >= 0 && s.Unprobed >= 0 }

// everywhere returns what the schedulers do: the server's own first, then the
// agents' as they said last.
func (s *Server) everywhere() []Probing {
	now := time.Now()
	out := []Probing{}
	if s.deps.Probing != nil {
		p := s.deps.Probing()
		p.Vantage, p.Agent, p.At = s.deps.Facts().Vantage, "", now
		out = append(out, p)
	}
	out = append(out, s.agents.probing(now)...)
	for i := range out {
		p := &out[i]
		p.At, p.Targets, p.MissedBy = p.At.UTC(), list(p.Targets), s.misses.of(p.Vantage)
		if h := p.Health; h != nil {
			shown := *h
			shown.Unwell, shown.Controls = list(h.Unwell), list(h.Controls)
			p.Health = &shown
		}
		if p.Sent == nil {
			p.Sent = map[string]uint64{}
		}
	}
	return out
}

func (s *Server) probingNow(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, map[string]any{"vantages": s.everywhere()})
}

func (s *Server) lastResults(w http.ResponseWriter, r *http.Request) error {
	s.results.seed(r.Context(), s)
	return writeJSON(w, map[string]any{"results": s.results.list(s.deps.Facts())})
}

// seed fetches what was before the start, once.
func (rs *results) seed(ctx context.Context, s *Server) {
	rs.seeding.Lock()
	defer rs.seeding.Unlock()
	if rs.seeded {
		return
	}
	page, _, err := s.deps.Store.Observations(ctx, bellwether.Query{Source: bellwether.SourceProbe, Limit: 1000})
	if err != nil {
		if ctx.Err() == nil {
			s.log.Warn("last results are shown without those of before the start", "error", err)
		}
		return
	}
	rs.seeded = true
	for i := range page {
		rs.note(&page[i])
	}
}
