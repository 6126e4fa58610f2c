package api

import (
	"encoding/json"
	"io"
	"maps"
	"math"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/bellwether-llm/bellwether"
)

const (
	mostAgents   = 500
	agentForgets = 24 * time.Hour
	agentSilent  = time.Minute // silent for longer, it counts as away; it says hello every 15 s
	clockLimit   = 2.0         // seconds; a clock that is off by more is corrected for
	helloBody    = 4 << 20
	mostTroubles = 20
)

// Hello is what an agent says of itself, at its start and every 15 s.
type Hello struct {
	Vantage string    `json:"vantage"`
	Version string    `json:"version"`
	Started time.Time `json:"started_at"`
	// ClockOffset is the agent's clock minus the server's, in seconds, by the
	// midpoint of an exchange; ClockError bounds its error. Nil before the
	// first exchange.
	ClockOffset *float64 `json:"clock_offset_seconds,omitempty"`
	ClockError  float64  `json:"clock_error_seconds,omitempty"`
	// Spooled observations wait on its disk; Dropped were too many for the
	// spool, Damaged could not be read from it again, Lost not be written to
	// it, and Refused are those that the server would not take, ever.
	Spooled      int    `json:"spooled"`
	SpooledBytes int64  `json:"spooled_bytes"`
	Dropped      uint64 `json:"dropped"`
	Damaged      uint64 `json:"damaged"`
	Lost         uint64 `json:"lost"`
	Refused      uint64 `json:"refused"`
	// Plan is what it follows.
	Plan PlanInForce `json:"plan"`
	// Troubles are what of the plan it cannot do, for people.
	Troubles []string `json:"troubles"`
	// Probing is what its scheduler does.
	Probing *Probing `json:"probing,omitempty"`
}

// PlanInForce is the plan that an agent follows: the server's, of an epoch and
// a revision, or that of its own file.
type PlanInForce struct {
	Source   string `json:"source"` // server, file, or none
	Epoch    string `json:"epoch,omitempty"`
	Revision uint64 `json:"revision,omitempty"`
}

// agents remembers who probes from elsewhere. Names are the agents' own word;
// two of one name are shown as one.
type agents struct {
	mu  sync.Mutex
	all map[string]*agent
}

type agent struct {
	hello Hello
	said  time.Time // the last hello; zero before
	seen  time.Time // the last sign of life
}

func newAgents() *agents { return &agents{all: map[string]*agent{}} }

// at returns the agent of that name, in the place of the one not heard of for
// longest where there are too many. as.mu is held.
func (as *agents) at(name string, now time.Time) *agent {
	a := as.all[name]
	if a != nil {
		return a
	}
	if len(as.all) >= mostAgents {
		oldest, at := "", now
		for n, o := range as.all {
			if oldest == "" || o.seen.Before(at) {
				oldest, at = n, o.seen
			}
		}
		delete(as.all, oldest)
	}
	a = &agent{}
	as.all[name] = a
	return a
}

// asked notes that an agent follows the plan.
func (as *agents) asked(name string, now time.Time) {
	as.mu.Lock()
	defer as.mu.Unlock()
	if a := as.all[name]; a != nil { // strangers are known from their hello
		a.seen = now
	}
}

// greet notes a hello; first is that nothing was known of the agent.
func (as *agents) greet(name string, h Hello, now time.Time) (first bool) {
	as.mu.Lock()
	defer as.mu.Unlock()
	a := as.at(name, now)
	first = a.said.IsZero()
	a.hello, a.said, a.seen = h, now, now
	return first
}

// agentView is an agent as the API shows it.
type agentView struct {
	Name string `json:"name"`
	Hello
	Probing  *struct{} `json:"probing,omitempty"` // shown by GET /v1/probing
	LastSeen time.Time `json:"last_seen"`
	Away     bool      `json:"away"`   // silent for a minute
	Listed   bool      `json:"listed"` // its vantage stands in the config
	Clock    string    `json:"clock"`  // unknown, ok, or corrected
	Behind   bool      `json:"behind"` // it follows an older plan of this server
}

// list returns the agents by name, and forgets those silent for a day.
func (as *agents) list(now time.Time, vantages []string, plan Plan) []agentView {
	as.mu.Lock()
	defer as.mu.Unlock()
	out := []agentView{}
	for _, name := range slices.Sorted(maps.Keys(as.all)) {
		a := as.all[name]
		if now.Sub(a.seen) > agentForgets {
			delete(as.all, name)
			continue
		}
		v := agentView{Name: name, Hello: a.hello, LastSeen: a.seen.UTC(), Away: now.Sub(a.seen) > agentSilent,
			Listed: slices.Contains(vantages, a.hello.Vantage), Clock: "unknown"}
		if o := a.hello.ClockOffset; o != nil {
			v.Clock = "ok"
			if math.Abs(*o) > clockLimit {
				v.Clock = "corrected"
			}
		}
		f := a.hello.Plan
		v.Behind = f.Source == "server" && (f.Epoch != plan.Epoch || f.Revision != plan.Revision)
		out = append(out, v)
	}
	return out
}

// probing returns what the agents' schedulers do.
func (as *agents) probing(now time.Time) []Probing {
	as.mu.Lock()
	defer as.mu.Unlock()
	var out []Probing
	for _, name := range slices.Sorted(maps.Keys(as.all)) {
		a := as.all[name]
		if a.hello.Probing == nil || now.Sub(a.seen) > agentForgets {
			continue
		}
		p := *a.hello.Probing
		p.Agent, p.Vantage, p.At = name, a.hello.Vantage, a.said
		out = append(out, p)
	}
	return out
}

func (s *Server) listAgents(w http.ResponseWriter, _ *http.Request) error {
	var plan Plan
	if s.deps.Plans != nil {
		plan = s.deps.Plans.current.Load().Plan
	}
	return writeJSON(w, map[string]any{"agents": s.agents.list(time.Now(), s.deps.Facts().Vantages, plan)})
}

// hello takes what an agent says of itself, and tells it the time.
func (s *Server) hello(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	if !bellwether.ValidID(name) {
		return problem(http.StatusBadRequest, "%.120q is not an agent's name: lower-case letters, digits, '.', '_' and '-'", name)
	}
	var h Hello
	body, err := io.ReadAll(r.Body)
	received := time.Now()
	if err == nil {
		err = json.Unmarshal(body, &h) // unknown members are a newer agent's
	}
	if err != nil {
		return bodyProblem(err)
	}
	if faults := h.check(); len(faults) > 0 {
		return unprocessable(faults...)
	}
	if h.Probing != nil { // what the config does not have is not remembered
		h.Probing.Targets = s.configured(h.Probing.Targets)
	}
	if s.agents.greet(name, h, received) {
		s.log.Info("agent", "name", name, "vantage", h.Vantage, "version", h.Version, "listed", slices.Contains(s.deps.Facts().Vantages, h.Vantage))
	}
	answer := map[string]any{"received_at": received.UTC()}
	if s.deps.Plans != nil {
		p := s.deps.Plans.current.Load()
		answer["plan"] = PlanInForce{Source: "server", Epoch: p.Epoch, Revision: p.Revision}
	}
	if s.deps.Grant != nil && h.Probing != nil {
		answer["suspicion_budget"] = s.deps.Grant(name, *h.Probing)
	}
	answer["sent_at"] = time.Now().UTC()
	return writeJSON(w, answer)
}

// check returns what is wrong with h, and cuts its texts.
func (h *Hello) check() []Fault {
	var faults []Fault
	bad := func(wrong bool, pointer, detail string) {
		if wrong {
			faults = append(faults, Fault{Pointer: pointer, Detail: detail})
		}
	}
	bad(!bellwether.ValidID(h.Vantage), "/vantage", "is required: where the agent probes from, as an id")
	bad(h.ClockOffset != nil && !(math.Abs(*h.ClockOffset) < 1e10), "/clock_offset_seconds", "must be a number of seconds")
	bad(h.ClockError < 0, "/clock_error_seconds", "must not be below 0")
	bad(h.Spooled < 0 || h.SpooledBytes < 0, "/spooled", "must not be below 0")
	bad(len(h.Plan.Epoch) > 100, "/plan/epoch", "longer than 100 bytes")
	bad(!slices.Contains([]string{"server", "file", "none"}, h.Plan.Source), "/plan/source", "must be server, file or none")
	if h.Probing != nil {
		bad(!h.Probing.sound(), "/probing", "has a number below 0, or a name that is no id")
	}
	h.Version = cut(h.Version, wordLimit)
	h.Troubles = list(h.Troubles[:min(len(h.Troubles), mostTroubles)])
	for i := range h.Troubles {
		h.Troubles[i] = cut(h.Troubles[i], textLimit)
	}
	return faults
}
