package api

import (
	"net/http"
	"time"

	"github.com/bellwether-llm/bellwether"
)

const (
	batchBody  = 8 << 20 // bytes of one batch of observations
	batchMost  = 5000    // observations in one
	mostFaults = 100     // faults that are named; more are counted
	keepAgain  = 5 * time.Second
)

// batchMedia are the media types of a batch; the first two are what we say.
var batchMedia = []string{"application/json", "application/x-ndjson", "application/ndjson", "application/jsonl", "application/json-lines"}

// ingest takes observations from outside: all of them, or none.
func (s *Server) ingest(w http.ResponseWriter, r *http.Request) error {
	if s.deps.Ingest == nil {
		return notOffered("way to take observations")
	}
	if err := checkMedia(r, batchMedia...); err != nil {
		return err
	}
	body, err := plainBody(w, r, batchBody)
	if err != nil {
		return err
	}
	obs, faults, err := readBatch[bellwether.Observation](body, false)
	if err != nil {
		return bodyProblem(err)
	}
	known, now := s.deps.Facts().known(), time.Now()
	batch := make([]bellwether.Observation, len(obs))
	for i := range obs {
		foreign{&obs[i].v}.check(known, now, obs[i].faults(&faults))
		batch[i] = obs[i].v
	}
	if len(faults) > 0 {
		return refused(faults)
	}
	return s.keep(w, r, batch)
}

// keep hands a batch that was checked to the one ingest path, and answers.
func (s *Server) keep(w http.ResponseWriter, r *http.Request, batch []bellwether.Observation) error {
	accepted, duplicates := 0, 0
	if len(batch) > 0 {
		var err error
		if accepted, duplicates, err = s.deps.Ingest(r.Context(), batch); err != nil {
			return s.notKept(r, err)
		}
	}
	return writeJSON(w, map[string]int{"accepted": accepted, "duplicates": duplicates})
}

// notKept says that a batch was not taken. Whatever the store's trouble is, it
// is not the sender's, who keeps what it has and sends it again; a full disk
// would otherwise be a line of the log with every batch of every router.
func (s *Server) notKept(r *http.Request, err error) error {
	p := problemOf(err)
	if p.Status != http.StatusInternalServerError {
		return err
	}
	if r.Context().Err() == nil {
		s.unkept.add(err, time.Now())
	}
	p = unavailable("nothing was taken: the server cannot keep observations now, its log says why; send them again later")
	p.retryAfter = keepAgain
	return p
}

func refused(faults []Fault) error {
	p := problem(http.StatusUnprocessableEntity, "nothing was taken: %s; mend or leave out the elements named and send the rest again", counted(len(faults), "fault"))
	p.Errors = faults[:min(len(faults), mostFaults)]
	return p
}
