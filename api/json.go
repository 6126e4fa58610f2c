package api

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
)

// writeJSON answers 200 with v.
func writeJSON(w http.ResponseWriter, v any) error { return writeStatus(w, http.StatusOK, v) }

// writeStatus encodes before it answers, so that what cannot be encoded is a
// 500 and not half an answer.
func writeStatus(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if w.Header().Get("Cache-Control") == "" {
		w.Header().Set("Cache-Control", "no-store")
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // the caller has gone; nothing to do
	return nil
}

// readJSON reads one JSON value into v. An unknown member is an error: in what
// operators send, it is a slip. An empty body is one unless optional.
func readJSON(r *http.Request, v any, optional bool) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if errors.Is(err, io.EOF) && optional {
		return nil
	}
	if err == nil {
		if _, err = d.Token(); errors.Is(err, io.EOF) {
			return nil
		}
		err = errors.New("there is more than one JSON value")
	}
	return bodyProblem(err)
}

// bodyProblem says what is wrong with a body that could not be read.
func bodyProblem(err error) error {
	if tooLong, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return problem(http.StatusRequestEntityTooLarge, "the body is longer than %d bytes", tooLong.Limit)
	}
	p := problem(http.StatusBadRequest, "the body is not what is expected here: %v", err)
	fault := Fault{Detail: err.Error()}
	if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && t.Field != "" {
		fault = Fault{Pointer: pointer(t.Field), Detail: "must not be a " + t.Value}
	}
	p.Errors = []Fault{fault}
	return p
}
