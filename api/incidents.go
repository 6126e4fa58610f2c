package api

import (
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bellwether-llm/bellwether"
)

func (s *Server) incidents(w http.ResponseWriter, r *http.Request) error {
	p := readParams(r)
	q := p.page()
	q.Target = p.id("target")
	q.State = p.oneOf("state", bellwether.IncidentOpen, bellwether.IncidentResolved)
	return servePage(w, r, "incidents", p, q, s.deps.Store.Incidents)
}

// incidentDetail is an incident with the alerts about it.
type incidentDetail struct {
	Incident   bellwether.Incident `json:"incident"`
	Deliveries []deliveryView      `json:"deliveries"`
}

// deliveryView is a delivery without its payload and its channel's receipt.
type deliveryView struct {
	ID        string    `json:"id"`
	Channel   string    `json:"channel"`
	Kind      string    `json:"kind"`
	CreatedAt time.Time `json:"created_at"`
	Attempts  int       `json:"attempts"`
	Status    string    `json:"status"` // owed, sent, given_up
	SentAt    time.Time `json:"sent_at,omitzero"`
	NextAt    time.Time `json:"next_at,omitzero"`
	Error     string    `json:"error,omitempty"`
}

func viewDelivery(d bellwether.Delivery) deliveryView {
	v := deliveryView{ID: d.ID, Channel: d.Channel, Kind: d.Kind, CreatedAt: d.CreatedAt, Attempts: d.Attempts, SentAt: d.SentAt, Error: d.Error}
	switch {
	case d.GivenUp:
		v.Status = "given_up"
	case !d.SentAt.IsZero():
		v.Status = "sent"
	default:
		v.Status, v.NextAt = "owed", d.NextAt
	}
	return v
}

func (s *Server) incident(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	in, err := s.deps.Store.Incident(r.Context(), id)
	if err != nil {
		return found(err, "incident", id)
	}
	ds, err := s.deps.Store.Deliveries(r.Context(), id)
	if err != nil {
		return fmt.Errorf("deliveries of incident: %w", err)
	}
	detail := incidentDetail{Incident: in, Deliveries: []deliveryView{}}
	for _, d := range ds {
		detail.Deliveries = append(detail.Deliveries, viewDelivery(d))
	}
	return writeJSON(w, detail)
}

func (s *Server) acknowledge(w http.ResponseWriter, r *http.Request) error {
	if s.deps.Acknowledge == nil {
		return notOffered("incidents")
	}
	var in struct {
		By string `json:"by"`
	}
	if err := readJSON(r, &in, true); err != nil {
		return err
	}
	if err := checkText("by", in.By, 0, 100); err != nil {
		return err
	}
	got, err := s.deps.Acknowledge(r.Context(), r.PathValue("id"), who(r, in.By))
	if err != nil {
		return found(err, "incident", r.PathValue("id"))
	}
	return writeJSON(w, got)
}

func (s *Server) annotate(w http.ResponseWriter, r *http.Request) error {
	if s.deps.Annotate == nil {
		return notOffered("incidents")
	}
	var in struct {
		By   string `json:"by"`
		Text string `json:"text"`
	}
	if err := readJSON(r, &in, false); err != nil {
		return err
	}
	in.Text = strings.TrimSpace(in.Text)
	if err := checkText("text", in.Text, 1, 4000); err != nil {
		return err
	}
	if err := checkText("by", in.By, 0, 100); err != nil {
		return err
	}
	got, err := s.deps.Annotate(r.Context(), r.PathValue("id"), who(r, in.By), in.Text)
	if err != nil {
		return found(err, "incident", r.PathValue("id"))
	}
	return writeJSON(w, got)
}

// checkText says what is wrong with a text of a body: its length in bytes must
// be in [low, high], and it must be valid UTF-8 without control characters
// other than line ends and tabs.
func checkText(field, s string, low, high int) error {
	if fault := textFault(s, low, high); fault != "" {
		return unprocessable(Fault{Pointer: "/" + field, Detail: fault})
	}
	return nil
}

func textFault(s string, low, high int) string {
	switch {
	case len(s) < low:
		return "must not be empty"
	case len(s) > high:
		return fmt.Sprintf("is longer than %d bytes", high)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' && r != '\r' }):
		return "holds control characters"
	}
	return ""
}

// unprocessable says which parts of a body that could be read make no sense.
func unprocessable(faults ...Fault) *Problem {
	p := problem(http.StatusUnprocessableEntity, "the body can be read, but not used")
	if len(faults) == 1 {
		p.Detail = faults[0].Pointer + " " + faults[0].Detail
	}
	p.Errors = faults
	return p
}

func notOffered(what string) *Problem {
	return problem(http.StatusNotImplemented, "this server has no %s", what)
}
