package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Problem is an RFC 9457 problem document, and an error that handlers return.
type Problem struct {
	Type     string  `json:"type"` // about:blank: the status says it all
	Title    string  `json:"title"`
	Status   int     `json:"status"`
	Detail   string  `json:"detail,omitempty"`
	Instance string  `json:"instance,omitempty"`
	Errors   []Fault `json:"errors,omitempty"`

	retryAfter time.Duration // sent as Retry-After
	header     http.Header   // sent beside
}

// Fault is one thing that is wrong. Pointer is a JSON pointer into the body
// ("/3/target") or a parameter's name ("?wait"); Line and Column count from 1.
type Fault struct {
	Pointer string `json:"pointer,omitempty"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Detail  string `json:"detail"`
}

func (p *Problem) Error() string { return fmt.Sprintf("%d %s: %s", p.Status, p.Title, p.Detail) }

// problem returns a problem of the given status with a formatted detail.
func problem(status int, format string, args ...any) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: fmt.Sprintf(format, args...)}
}

// badParameter says what is wrong with one query parameter.
func badParameter(name, format string, args ...any) *Problem {
	detail := fmt.Sprintf(format, args...)
	p := problem(http.StatusBadRequest, "parameter %s: %s", name, detail)
	p.Errors = []Fault{{Pointer: "?" + name, Detail: detail}}
	return p
}

func unavailable(format string, args ...any) *Problem {
	p := problem(http.StatusServiceUnavailable, format, args...)
	p.retryAfter = time.Second
	return p
}

func notFound(kind, id string) *Problem {
	return problem(http.StatusNotFound, "there is no %s %.120q", kind, id)
}

// found turns a store's "not found" into a 404; other errors pass unchanged.
func found(err error, kind, id string) error {
	if errors.Is(err, fs.ErrNotExist) {
		return notFound(kind, id)
	}
	return err
}

var errPanicked = errors.New("panic")

// problemOf returns the problem that err is or amounts to. Errors of what the
// server rests on may say whose fault they are by a method BadRequest or
// Temporary; all others are ours.
func problemOf(err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	if e, ok := errors.AsType[interface {
		error
		BadRequest() bool
	}](err); ok && e.BadRequest() {
		return problem(http.StatusBadRequest, "%v", e)
	}
	if e, ok := errors.AsType[interface {
		error
		Temporary() bool
	}](err); ok && e.Temporary() {
		return unavailable("%v", e)
	}
	return problem(http.StatusInternalServerError, "the server could not answer; its log says why")
}

func (p *Problem) write(w http.ResponseWriter) {
	h := w.Header()
	for k, vs := range p.header {
		h[k] = vs
	}
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int((p.retryAfter+time.Second-1)/time.Second)))
	}
	h.Del("ETag")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // nothing is left to tell a caller who is gone
}

// pointer turns encoding/json's "a.b" into the JSON pointer "/a/b".
func pointer(field string) string { return "/" + strings.ReplaceAll(field, ".", "/") }
