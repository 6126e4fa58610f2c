package api

import (
	"fmt"
	"net/http"
	"time"

	"github.com/bellwether-llm/bellwether"
)

// probeLimit bounds how long a request for probes may take.
const probeLimit = 5 * time.Minute

func (s *Server) canaries(w http.ResponseWriter, _ *http.Request) error {
	views := []Canary{}
	for _, c := range s.deps.Facts().Canaries {
		c.Checks, c.Targets = list(c.Checks), list(c.Targets)
		c.ProbesPerDay, c.CostPerDay = finite(c.ProbesPerDay), finite(c.CostPerDay)
		views = append(views, c)
	}
	return writeJSON(w, map[string]any{"canaries": views})
}

// probe probes now. One request at a time: probes cost money.
func (s *Server) probe(w http.ResponseWriter, r *http.Request) error {
	if s.deps.Probe == nil {
		return notOffered("prober")
	}
	var f ProbeFilter
	if err := readJSON(r, &f, true); err != nil {
		return err
	}
	if faults := checkFilter(f, s.deps.Facts()); len(faults) > 0 {
		return unprocessable(faults...)
	}
	select {
	case s.probing <- struct{}{}:
		defer func() { <-s.probing }()
	default:
		p := problem(http.StatusTooManyRequests, "probes are being made for another request; ask again when it is done")
		p.retryAfter = 5 * time.Second
		return p
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(probeLimit)) // best effort
	obs, err := s.deps.Probe(r.Context(), f)
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	return writeJSON(w, map[string]any{"observations": list(obs)})
}

func checkFilter(f ProbeFilter, facts Facts) []Fault {
	var faults []Fault
	for i, t := range f.Targets {
		if _, ok := facts.target(t); !ok {
			faults = append(faults, Fault{Pointer: fmt.Sprintf("/targets/%d", i), Detail: fmt.Sprintf("there is no target %.120q", t)})
		}
	}
	names := map[string]bool{}
	for _, c := range facts.Canaries {
		names[c.Name] = true
	}
	for i, c := range f.Canaries {
		if !names[c] {
			faults = append(faults, Fault{Pointer: fmt.Sprintf("/canaries/%d", i), Detail: fmt.Sprintf("there is no canary %.120q", c)})
		}
	}
	return faults[:min(len(faults), mostFaults)]
}

// attainments reads the range and asks for the objectives.
func (s *Server) attainments(r *http.Request) ([]bellwether.Attainment, error) {
	p := readParams(r)
	from, to := p.span()
	if err := p.err(); err != nil {
		return nil, err
	}
	if s.deps.Attainments == nil {
		return nil, notOffered("objectives")
	}
	end, err := s.heavy(r)
	if err != nil {
		return nil, err
	}
	defer end()
	as, err := s.deps.Attainments(r.Context(), from, to)
	if err != nil {
		return nil, fmt.Errorf("attainments: %w", err)
	}
	return as, nil
}

func (s *Server) slos(w http.ResponseWriter, r *http.Request) error {
	as, err := s.attainments(r)
	if err != nil {
		return err
	}
	views := []attainmentView{}
	for _, a := range as {
		views = append(views, viewAttainment(a))
	}
	return writeJSON(w, map[string]any{"slos": views})
}

func (s *Server) sloReport(w http.ResponseWriter, r *http.Request) error {
	if s.deps.WriteSLOs == nil {
		return notOffered("objectives")
	}
	as, err := s.attainments(r)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8; header=present")
	w.Header().Set("Content-Disposition", `attachment; filename="slo.csv"`)
	w.Header().Set("Cache-Control", "no-store")
	return s.deps.WriteSLOs(w, as)
}

// heavy admits a few requests at a time that read much; the others wait.
func (s *Server) heavy(r *http.Request) (end func(), err error) {
	select {
	case s.reading <- struct{}{}:
		return func() { <-s.reading }, nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}
