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

// serveChat answers one chat.
func (s *Server) serveChat(w http.ResponseWriter, r *http.Request, at place) {
	arrived := time.Now()
	codec := s.codecs[at.proto]
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		e := badRequest(err)
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			e.Status = http.StatusRequestEntityTooLarge
		}
		s.refuse(w, at.proto, e)
		return
	}
	req, err := codec.DecodeRequest(at.path, body)
	if err != nil {
		s.refuse(w, at.proto, badRequest(err))
		return
	}
	name, err := parseModel(req.Model)
	if err != nil {
		s.refuse(w, at.proto, badRequest(err))
		return
	}
	p := s.newPlan(req, name, at.region, arrived)
	a := &player{w: w, plan: p, codec: codec, req: req, arrived: arrived, done: r.Context().Done(), control: http.NewResponseController(w)}
	how := a.play()
	s.ledger.end(name.Base, how)
	s.opts.Logger.Debug("chat answered", "model", req.Model, "region", at.region, "tokens", len(p.said), "ending", how, "took", time.Since(arrived))
	if how == endedBroken && (p.breaks != breakTruncate || !req.Stream) { // a truncated stream ends cleanly, without the protocol's end
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

func writeError(w http.ResponseWriter, c llm.Codec, e *llm.Error) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(e.RetryAfter.Seconds()))))
		if c.Protocol() == llm.OpenAI || c.Protocol() == llm.Azure {
			h.Set("Retry-After-Ms", strconv.FormatInt(e.RetryAfter.Milliseconds(), 10))
		}
	}
	w.WriteHeader(e.Status)
	_, _ = w.Write(c.EncodeError(e))
}
