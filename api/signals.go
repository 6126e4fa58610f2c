package api

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/id"
)

const (
	wordsBody   = 1 << 20 // bytes of one batch of signals or feedback
	userVantage = "user"  // where what people and their machines say comes from, unless they say it
	mostValue   = 1e15
)

// builtin are the signals that Bellwether measures itself, and the roots of
// the names of those that it derives ("text.repetition").
var builtin = []bellwether.Signal{
	bellwether.Availability, bellwether.Quota, bellwether.FirstToken, bellwether.InterToken, bellwether.Total, bellwether.OutputTokens,
	bellwether.Sanity, bellwether.Confidence, bellwether.Text, bellwether.Feedback, bellwether.Identity, "judge", "provider",
}

// reserved reports whether a user's own signal may not have that name.
func reserved(name bellwether.Signal) bool {
	root, _, _ := strings.Cut(string(name), ".")
	return slices.Contains(builtin, bellwether.Signal(root))
}

// userSignal is one number that a user measured.
type userSignal struct {
	ID      string            `json:"id"`
	At      time.Time         `json:"at"`
	Target  string            `json:"target"`
	Vantage string            `json:"vantage"`
	Signal  bellwether.Signal `json:"signal"`
	Value   *float64          `json:"value"`
}

// observation returns u as an observation, once it is checked. One that has a
// time and no id gets that of what it says, so that sending it again is safe;
// one that has neither counts each time.
func (u *userSignal) observation(now time.Time) bellwether.Observation {
	u.Vantage = orElse(u.Vantage, userVantage)
	if u.At.IsZero() {
		u.At, u.ID = now, orElse(u.ID, "signal:"+id.New(now))
	}
	if u.ID == "" {
		u.ID = "signal:" + digest(u.Target, u.Vantage, string(u.Signal), u.At.UTC().Format(time.RFC3339Nano), strconv.FormatFloat(*u.Value, 'g', -1, 64))
	}
	return bellwether.Observation{ID: u.ID, At: u.At.UTC(), Source: bellwether.SourceUser, Vantage: u.Vantage, Target: u.Target,
		Signals: map[bellwether.Signal]float64{u.Signal: *u.Value}}
}

// check calls fault with everything that is wrong with u.
func (u *userSignal) check(known map[string]bool, now time.Time, fault func(field, detail string)) {
	if u.ID != "" && !validName(u.ID) {
		fault("/id", "must be 1 to 100 printable bytes; leave it out to have one made of what is said")
	}
	checkPlace(u.At, u.Target, u.Vantage, known, now, fault)
	switch {
	case u.Signal == "":
		fault("/signal", "is required: what was measured, such as gpu_memory")
	case !bellwether.ValidID(string(u.Signal)):
		fault("/signal", fmt.Sprintf("%.120q is not a signal's name: lower-case letters, digits, '.', '_' and '-'", u.Signal))
	case reserved(u.Signal):
		fault("/signal", fmt.Sprintf("%.120q is measured by Bellwether itself; give yours another name, such as my_%.100s", u.Signal, u.Signal))
	}
	if u.Value == nil {
		fault("/value", "is required: a number")
	} else if math.IsNaN(*u.Value) || math.Abs(*u.Value) > mostValue {
		fault("/value", "must be from -1e15 to 1e15")
	}
}

// checkPlace checks what all that people send has: when, and about what. A
// time that is left out is now.
func checkPlace(at time.Time, target, vantage string, known map[string]bool, now time.Time, fault func(field, detail string)) {
	if !at.IsZero() && at.Year() < 2000 {
		fault("/at", "must be a time after 2000, or left out for now")
	} else if at.After(now.Add(aheadLimit)) {
		fault("/at", fmt.Sprintf("lies more than %v ahead of this server's clock", aheadLimit))
	}
	if target == "" {
		fault("/target", "is required: which target this is about; GET /v1/targets lists them")
	} else if !known[target] {
		fault("/target", fmt.Sprintf("there is no target %.120q; GET /v1/targets lists them", target))
	}
	if vantage != "" && !bellwether.ValidID(vantage) {
		fault("/vantage", fmt.Sprintf("%.120q is not an id: lower-case letters, digits, '.', '_' and '-'", vantage))
	}
}

// digest returns a short name for parts, the same for the same parts.
func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		_, _ = fmt.Fprintf(h, "%d:%s", len(p), p) // a hash takes everything
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// takeSignals takes numbers that users measure: all of them, or none.
func (s *Server) takeSignals(w http.ResponseWriter, r *http.Request) error {
	return takeWords(s, w, r, (*userSignal).check, (*userSignal).observation)
}

// takeWords reads a batch of what people or their machines say, and hands it
// to the one ingest path as observations.
func takeWords[T any](s *Server, w http.ResponseWriter, r *http.Request,
	check func(*T, map[string]bool, time.Time, func(field, detail string)), observation func(*T, time.Time) bellwether.Observation) error {
	if s.deps.Ingest == nil {
		return notOffered("way to take observations")
	}
	all, faults, err := readWords[T](w, r)
	if err != nil {
		return err
	}
	known, now := s.deps.Facts().known(), time.Now()
	for i := range all {
		check(&all[i].v, known, now, all[i].faults(&faults))
	}
	if len(faults) > 0 {
		return refused(faults)
	}
	batch := make([]bellwether.Observation, len(all))
	for i := range all {
		batch[i] = observation(&all[i].v, now)
	}
	return s.keep(w, r, batch)
}

// readWords reads an array, JSON lines, or one object over several lines. An
// unknown member is a fault: in what people send, it is a slip.
func readWords[T any](w http.ResponseWriter, r *http.Request) (all []placed[T], faults []Fault, err error) {
	if err := checkMedia(r, batchMedia...); err != nil {
		return nil, nil, err
	}
	body, err := plainBody(w, r, wordsBody)
	if err != nil {
		return nil, nil, err
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return nil, nil, bodyProblem(err)
	}
	all, faults, err = readBatch[T](compacted(text), true)
	if err != nil {
		return nil, nil, bodyProblem(err)
	}
	return all, faults, nil
}
