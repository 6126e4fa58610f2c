package api

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	obs, faults, err := readObservations(body)
	if err != nil {
		return bodyProblem(err)
	}
	known := map[string]bool{}
	for _, t := range s.deps.Facts().Targets {
		known[t.ID] = true
	}
	now := time.Now()
	for i := range obs {
		obs[i].check(known, now, func(field, detail string) {
			faults = append(faults, Fault{Pointer: fmt.Sprintf("/%d%s", obs[i].index, field), Line: obs[i].line, Detail: detail})
		})
	}
	if len(faults) > 0 {
		return refused(faults)
	}
	batch := make([]bellwether.Observation, len(obs))
	for i := range obs {
		batch[i] = obs[i].Observation
	}
	accepted, duplicates := 0, 0
	if len(batch) > 0 {
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

// read is one observation with its place in the body.
type read struct {
	bellwether.Observation
	index int
	line  int // of JSON lines, counting from 1; 0 in an array
}

var errTooMany = fmt.Errorf("there are more than %d observations; send them in parts", batchMost)

// readObservations reads a JSON array or JSON lines, whichever body begins as.
// Elements of the wrong type are faults; an error means that the rest cannot
// be read.
func readObservations(body io.Reader) (obs []read, faults []Fault, err error) {
	b := bufio.NewReaderSize(body, 32<<10)
	for {
		_, err := b.Peek(1) // fills the buffer
		if errors.Is(err, io.EOF) {
			return nil, nil, errors.New("the body is empty")
		}
		if err != nil {
			return nil, nil, err
		}
		have, _ := b.Peek(b.Buffered())
		text := bytes.TrimLeft(have, " \t\r\n")
		_, _ = b.Discard(len(have) - len(text)) // what is buffered
		switch {
		case len(text) == 0:
		case text[0] == '[':
			return readArray(b)
		default:
			return readLines(b)
		}
	}
}

func readArray(b io.Reader) (obs []read, faults []Fault, err error) {
	d := json.NewDecoder(b)
	if _, err := d.Token(); err != nil {
		return nil, nil, err
	}
	for i := 0; d.More(); i++ {
		if i == batchMost {
			return nil, nil, errTooMany
		}
		o := read{index: i}
		if err := d.Decode(&o.Observation); err != nil {
			f, ok := typeFault(err, i)
			if !ok {
				return nil, nil, err
			}
			faults = append(faults, f)
			continue
		}
		obs = append(obs, o)
	}
	if _, err := d.Token(); err != nil { // the closing bracket
		return nil, nil, endless(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, nil, errors.New("there is more after the array")
	}
	return obs, faults, nil
}

func readLines(b io.Reader) (obs []read, faults []Fault, err error) {
	lines := bufio.NewScanner(b)
	lines.Buffer(make([]byte, 0, 64<<10), batchBody+1)
	for line := 1; lines.Scan(); line++ {
		text := bytes.TrimSpace(lines.Bytes())
		if len(text) == 0 {
			continue
		}
		i := len(obs) + len(faults)
		if i == batchMost {
			return nil, nil, errTooMany
		}
		o := read{index: i, line: line}
		if err := json.Unmarshal(text, &o.Observation); err != nil {
			f, ok := typeFault(err, i)
			if !ok {
				f = Fault{Pointer: fmt.Sprintf("/%d", i), Detail: err.Error()}
			}
			f.Line = line
			faults = append(faults, f)
			continue
		}
		obs = append(obs, o)
	}
	return obs, faults, lines.Err()
}

// typeFault returns the fault of a value of the wrong type at index i; false
// when err is of another kind.
func typeFault(err error, i int) (Fault, bool) {
	if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		f := Fault{Pointer: fmt.Sprintf("/%d", i), Detail: "must not be a " + t.Value}
		if t.Field != "" {
			f.Pointer += pointer(t.Field)
		}
		return f, true
	}
	if t, ok := errors.AsType[*time.ParseError](err); ok {
		return Fault{Pointer: fmt.Sprintf("/%d/at", i), Detail: fmt.Sprintf("%.60q is not a time as RFC 3339 has it", t.Value)}, true
	}
	return Fault{}, false
}

func endless(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
