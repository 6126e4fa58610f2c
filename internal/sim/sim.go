package sim

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/conf"
	"github.com/bellwether-llm/bellwether/llm"
)

// Options of a [Server]. The zero value serves everybody, with the fitted
// regions, from seed 0, in silence.
type Options struct {
	// Seed decides every draw: the same seed and the same requests in the same
	// order, by model and region, give the same answers.
	Seed uint64
	// Keys are the API keys that are accepted; none accepts every request.
	Keys []conf.Secret
	// Regions multiply the first token's times by region; a region that is not
	// in it has [RegionFactor].
	Regions map[string]float64
	// Logger gets one debug line a request; nil means none.
	Logger *slog.Logger
}

// Server is the simulated provider. It is safe for concurrent use.
type Server struct {
	opts   Options
	codecs map[llm.Protocol]llm.Codec
	ledger ledger
	memory memory
	faults atomic.Pointer[faultList]
}

// New returns a server. It starts nothing.
func New(o Options) (*Server, error) {
	for region, f := range o.Regions {
		if !(f > 0 && f < 1e4) {
			return nil, fmt.Errorf("simulator: region %q: factor %v: write a number above 0, such as 1.2", region, f)
		}
	}
	if slices.Contains(o.Keys, "") {
		return nil, errors.New("simulator: keys: one is empty: leave keys out to accept every request")
	}
	o.Regions, o.Keys = maps.Clone(o.Regions), slices.Clone(o.Keys)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{opts: o, codecs: map[llm.Protocol]llm.Codec{}}
	s.ledger = ledger{seed: o.Seed, series: map[[2]string]*series{}, counts: map[string]*Counts{}, seen: map[llm.Protocol]map[string]bool{}}
	for _, p := range llm.Known() {
		c, err := llm.For(p)
		if err != nil {
			return nil, fmt.Errorf("simulator: %w", err)
		}
		s.codecs[p] = c
	}
	return s, nil
}

// SetFaults puts a list of faults in place of the present one; their times
// count from now. A bad list changes nothing and is a *[FaultsError].
func (s *Server) SetFaults(faults []Fault) error {
	if err := checkFaults(faults); err != nil {
		return err
	}
	s.faults.Store(&faultList{faults: slices.Clone(faults), since: time.Now()})
	return nil
}

// Faults returns the faults in place, also those whose time has not come or is
// over.
func (s *Server) Faults() []Fault {
	if l := s.faults.Load(); l != nil {
		return slices.Clone(l.faults)
	}
	return nil
}

// Requests returns what was seen so far, by model name without options.
func (s *Server) Requests() map[string]Counts { return s.ledger.snapshot() }

// ServeHTTP answers one request. It returns when the answer is whole, broken
// by a fault, or the client gone.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/_faults":
		s.serveFaults(w, r)
		return
	case "/_requests":
		s.serveRequests(w, r)
		return
	}
	at, ok := locate(r)
	switch {
	case !ok:
		s.refuse(w, at.proto, unknownURL(r))
	case !s.admits(at.house, r):
		s.refuse(w, at.proto, unauthorized(at.house))
	case at.call == callModels:
		s.serveModels(w, r, at)
	default:
		s.serveAnswer(w, r, at)
	}
}

// unknownURL is what a provider says to a path that it does not serve.
func unknownURL(r *http.Request) *llm.Error {
	return &llm.Error{Status: http.StatusNotFound, Outcome: bellwether.ClientError,
		Message: fmt.Sprintf("Invalid URL (%s %s)", r.Method, r.URL.Path)}
}
