package sim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/bellwether-llm/bellwether/internal/conf"
)

// maxFaultBody bounds what PUT /_faults reads, in bytes.
const maxFaultBody = 1 << 20

// problem is an RFC 9457 problem document.
type problem struct {
	Type   string      `json:"type"`
	Title  string      `json:"title"`
	Status int         `json:"status"`
	Detail string      `json:"detail,omitempty"`
	Errors []placeText `json:"errors,omitempty"`
}

// placeText is one thing wrong: where, what, and what to write instead.
type placeText struct {
	Path   string `json:"path"`
	Text   string `json:"text"`
	Remedy string `json:"remedy,omitempty"`
}

// serveFaults lists (GET), replaces (PUT) and clears (DELETE) the faults.
func (s *Server) serveFaults(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodDelete:
		s.faults.Store(nil)
	case http.MethodPut:
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxFaultBody))
		if err != nil {
			writeProblem(w, http.StatusRequestEntityTooLarge, "faults: read: "+err.Error(), nil)
			return
		}
		faults, err := ParseFaults(body)
		if err == nil {
			err = s.SetFaults(faults)
		}
		if err != nil {
			writeProblem(w, http.StatusBadRequest, "nothing was changed", err)
			return
		}
		s.opts.Logger.Info("faults put in place", "count", len(faults))
	default:
		w.Header().Set("Allow", "GET, PUT, DELETE")
		writeProblem(w, http.StatusMethodNotAllowed, fmt.Sprintf("%s: use GET, PUT or DELETE", r.Method), nil)
		return
	}
	faults := s.Faults()
	if faults == nil {
		faults = []Fault{}
	}
	writeJSON(w, http.StatusOK, "application/json", faults)
}

// serveRequests tells what was seen so far, by model.
func (s *Server) serveRequests(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, "application/json", s.Requests())
}

func writeProblem(w http.ResponseWriter, status int, detail string, err error) {
	p := problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail}
	if bad, ok := errors.AsType[*FaultsError](err); ok {
		for _, e := range bad.Problems {
			p.Errors = append(p.Errors, placeText(e))
		}
	}
	writeJSON(w, status, "application/problem+json", p)
}

func writeJSON(w http.ResponseWriter, status int, mime string, v any) {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil { // none of our own types can fail; say so rather than nothing
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", mime)
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}

var _ = placeText(conf.Problem{}) // the two have the same fields
