package sim

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/bellwether-llm/bellwether/llm"
)

// maxBody bounds a request, in bytes.
const maxBody = 8 << 20

// ending is how an answer ended.
type ending int

const (
	endedWhole ending = iota
	endedCancelled
	endedBroken
)

// serveAnswer answers one request.
func (s *Server) serveAnswer(w http.ResponseWriter, r *http.Request, at place) {
	arrived := time.Now()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		e := badRequest(err)
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			e.Status = http.StatusRequestEntityTooLarge
		}
		s.refuse(w, at.proto, e)
		return
	}
	t, err := s.read(at, r, body)
	if err != nil {
		s.refuse(w, at.proto, badRequest(err))
		return
	}
	name, err := parseModel(t.req.Model)
	if err != nil {
		s.refuse(w, at.proto, badRequest(err))
		return
	}
	s.ledger.see(at.house, name.Base)
	s.answer(w, r, at, t, name, arrived)
}

// serveModels answers a listing, which takes no time unless a fault says so.
func (s *Server) serveModels(w http.ResponseWriter, r *http.Request, at place) {
	arrived := time.Now()
	body, gone := s.listModels(at, arrived)
	if gone != nil {
		s.refuse(w, at.proto, gone)
		return
	}
	t := task{speak: s.codecs[at.proto], exact: true, body: func(*plan) []byte { return body }}
	s.answer(w, r, at, t, modelName{Base: listingName, First: -1, Inter: -1, Tokens: -1}, arrived)
}

// answer plans and plays the answer to a task.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, at place, t task, name modelName, arrived time.Time) {
	p, err := s.newPlan(t, name, at.region, arrived)
	if err != nil {
		s.refuse(w, at.proto, badRequest(err))
		return
	}
	a := &player{w: w, plan: p, task: t, arrived: arrived, done: r.Context().Done(), control: http.NewResponseController(w)}
	how := a.play()
	s.ledger.end(name.Base, how)
	s.opts.Logger.Debug("answered", "path", at.path, "model", name.Base, "region", at.region, "tokens", p.usage.Output, "ending", how, "took", time.Since(arrived))
	if how == endedBroken && (p.breaks != breakTruncate || !t.req.Stream) { // a truncated stream ends cleanly, without the protocol's end
		a.reset(p.breaks == breakReset)
	}
}

// fingerprint names a model's configuration, as OpenAI does.
func fingerprint(model string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(model))
	return fmt.Sprintf("fp_%08x", h.Sum32())
}

// refuse answers with an error in the protocol's shape.
func (s *Server) refuse(w http.ResponseWriter, p llm.Protocol, e *llm.Error) {
	writeError(w, s.codecs[p], e)
}

func writeError(w http.ResponseWriter, c speaker, e *llm.Error) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(e.RetryAfter.Seconds()))))
		if p := c.Protocol(); p == llm.OpenAI || p == llm.Azure || p == llm.Responses {
			h.Set("Retry-After-Ms", strconv.FormatInt(e.RetryAfter.Milliseconds(), 10))
		}
	}
	w.WriteHeader(e.Status)
	_, _ = w.Write(c.EncodeError(e))
}
