package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// Plan is what agents do: which canaries they send to which targets, and whom
// to look at harder. Canaries and targets stand in it as the config writes
// them, without keys: what they mean is between those who probe.
type Plan struct {
	Epoch      string                 `json:"epoch"`
	Revision   uint64                 `json:"revision"`
	Vantages   []string               `json:"vantages"`
	Canaries   []json.RawMessage      `json:"canaries"`
	Targets    []json.RawMessage      `json:"targets"`
	Suspicions []bellwether.Suspicion `json:"suspicions"`
}

// Work is the part of a plan that the config decides.
type Work struct {
	// Vantages are all that probe the same targets, the server's own included.
	Vantages []string
	// Canaries and Targets are JSON objects, and never hold a secret. A target
	// has its id.
	Canaries, Targets []json.RawMessage
}

// Planner keeps the plan that agents follow. Whoever changes it never waits
// for a reader. Safe for concurrent use.
type Planner struct {
	mu       sync.Mutex // serialises changes; guards the next three
	epoch    string
	work     Work
	suspects map[string]bellwether.Suspicion

	current atomic.Pointer[planSheet]
}

// planSheet is a plan as it is sent.
type planSheet struct {
	Plan
	body []byte
	etag string
	next chan struct{} // closed when a newer one is there
}

// NewPlanner returns a planner with an empty plan. The epoch names its
// lifetime: revisions of another one mean nothing here.
func NewPlanner(epoch string) *Planner {
	p := &Planner{epoch: epoch, suspects: map[string]bellwether.Suspicion{}}
	p.current.Store(&planSheet{Plan: Plan{Epoch: epoch}, next: make(chan struct{})})
	return p
}

// Replace puts another config's work in force. Suspicions of targets that are
// gone end. An element that is not JSON is an error, and changes nothing.
func (p *Planner) Replace(w Work) error {
	ids := map[string]bool{}
	for _, raw := range w.Targets {
		var t struct{ ID string }
		if err := json.Unmarshal(raw, &t); err != nil {
			return fmt.Errorf("plan: target: %w", err)
		}
		ids[t.ID] = true
	}
	for _, raw := range w.Canaries {
		if !json.Valid(raw) {
			return fmt.Errorf("plan: canary: %.60q is not JSON", raw)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.work = w
	maps.DeleteFunc(p.suspects, func(id string, _ bellwether.Suspicion) bool { return !ids[id] })
	return p.publish()
}

// Suspect lets agents look harder at a target, or, with an interval of 0, no
// longer. It does not block.
func (p *Planner) Suspect(x bellwether.Suspicion) {
	p.mu.Lock()
	defer p.mu.Unlock()
	x.Interval = finite(x.Interval)
	old, there := p.suspects[x.Target]
	switch {
	case x.Interval <= 0 && !there:
		return
	case x.Interval <= 0:
		delete(p.suspects, x.Target)
	case there && old.Interval == x.Interval && slices.Equal(old.Canaries, x.Canaries):
		return // no news for those who look already
	default:
		p.suspects[x.Target] = x
	}
	_ = p.publish() // what is in it was encoded before
}

// publish makes the plan anew if it differs from the present one. p.mu is held.
func (p *Planner) publish() error {
	old := p.current.Load()
	n := Plan{Epoch: p.epoch, Revision: old.Revision, Vantages: list(p.work.Vantages), Canaries: list(p.work.Canaries),
		Targets: list(p.work.Targets), Suspicions: []bellwether.Suspicion{}}
	for _, id := range slices.Sorted(maps.Keys(p.suspects)) {
		n.Suspicions = append(n.Suspicions, p.suspects[id])
	}
	same, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	if bytes.Equal(append(same, '\n'), old.body) {
		return nil
	}
	n.Revision++
	body, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	p.current.Store(&planSheet{Plan: n, body: append(body, '\n'), next: make(chan struct{}),
		etag: fmt.Sprintf(`"plan-%s-%d"`, n.Epoch, n.Revision)})
	close(old.next)
	return nil
}

// plan answers with the plan of an agent, or blocks for a newer one.
func (s *Server) plan(w http.ResponseWriter, r *http.Request) error {
	if s.deps.Plans == nil {
		return notOffered("plan for agents")
	}
	name := r.PathValue("name")
	if !bellwether.ValidID(name) {
		return problem(http.StatusBadRequest, "%.120q is not an agent's name: lower-case letters, digits, '.', '_' and '-'", name)
	}
	p := readParams(r)
	after, epoch, wait := p.text("after"), p.text("epoch"), p.wait()
	if strings.Trim(after, "0123456789") != "" || len(after) > 20 {
		p.fault("after", "%.40q is not a revision", after)
	}
	if err := p.err(); err != nil {
		return err
	}
	if wait > 0 {
		end, err := s.streams.begin(pollers)
		if err != nil {
			return err
		}
		defer end()
	}
	s.agents.asked(name, time.Now())
	known := func(e *planSheet) bool {
		if after != "" {
			return after == fmt.Sprint(e.Revision) && (epoch == "" || epoch == e.Epoch)
		}
		return matches(r.Header.Get("If-None-Match"), e.etag)
	}
	e := s.awaitPlan(r, wait, known)
	if e == nil {
		return nil
	}
	h := w.Header()
	if e.body == nil {
		return unavailable("there is no plan yet; ask again in a moment")
	}
	h.Set("ETag", e.etag)
	h.Set("Cache-Control", "no-cache")
	if known(e) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	h.Set("Content-Type", "application/json")
	_, _ = w.Write(e.body) // the caller has gone; nothing to do
	return nil
}

// wait reads how long to hold an answer.
func (p *params) wait() time.Duration {
	d, err := parseSeconds(p.text("wait"))
	if err != nil {
		p.fault("wait", "%v", err)
	}
	return min(d, longestWait)
}

// awaitPlan returns the first plan that the caller does not have, or the last
// one when the wait is over. Nil means that the caller left.
func (s *Server) awaitPlan(r *http.Request, wait time.Duration, known func(*planSheet) bool) *planSheet {
	over := time.NewTimer(wait)
	defer over.Stop()
	for {
		e := s.deps.Plans.current.Load()
		if wait <= 0 || (e.body != nil && !known(e)) {
			return e
		}
		select {
		case <-e.next:
		case <-over.C:
			return e
		case <-s.streams.closing:
			return e
		case <-r.Context().Done():
			return nil
		}
	}
}
