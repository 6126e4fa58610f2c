package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
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
	if r.ContentLength != 0 { // curl -d '' says that nothing is a form
		if err := checkMedia(r, "application/json"); err != nil {
			return err
		}
	}
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
	if name, ok := unknownMember(err); ok {
		detail := "there is no such member; " + suggest(name, members(v))
		p := problem(http.StatusBadRequest, "/%.100s: %s", name, detail)
		p.Errors = []Fault{{Pointer: fmt.Sprintf("/%.100s", name), Detail: detail}}
		return p
	}
	return bodyProblem(err)
}

// unknownMember returns the name in encoding/json's error of an unknown member,
// which has no type of its own.
func unknownMember(err error) (string, bool) {
	quoted, ok := strings.CutPrefix(err.Error(), "json: unknown field ")
	if !ok {
		return "", false
	}
	name, err := strconv.Unquote(quoted)
	return name, err == nil
}

// bodyProblem says what is wrong with a body that could not be read.
func bodyProblem(err error) error {
	if long, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLong(long.Limit)
	}
	p := problem(http.StatusBadRequest, "the body is not what is expected here: %v", err)
	fault := Fault{Detail: err.Error()}
	if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && t.Field != "" {
		fault = Fault{Pointer: pointer(t.Field), Detail: "must not be a " + t.Value}
	}
	p.Errors = []Fault{fault}
	return p
}

func tooLong(limit int64) *Problem {
	return problem(http.StatusRequestEntityTooLarge, "the body is longer than %d bytes", limit)
}

// checkMedia refuses bodies that say that they are something else than the
// allowed media types. A body that does not say is read.
func checkMedia(r *http.Request, allowed ...string) error {
	ct := r.Header.Get("Content-Type")
	if ct == "" {
		return nil
	}
	if media, _, err := mime.ParseMediaType(ct); err == nil && slices.Contains(allowed, media) {
		return nil
	}
	return problem(http.StatusUnsupportedMediaType, "%.100q is not read here; send %s (curl: -H 'Content-Type: application/json')",
		ct, strings.Join(allowed[:min(len(allowed), 2)], " or "))
}

// counted says how many there are of something: "1 fault", "2 faults".
func counted(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return strconv.Itoa(n) + " " + what
}
