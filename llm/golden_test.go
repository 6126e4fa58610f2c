package llm

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
)

var update = flag.Bool("update", false, "rewrite what the golden files want")

const wantMark = "-- want --\n"

// story is what a stream said, summed up.
type story struct {
	ID, Model, Fingerprint   string     `json:",omitempty"`
	Text, Reasoning, Refusal string     `json:",omitempty"`
	Content                  int        // events that carried a token
	ToolCall                 bool       `json:",omitempty"`
	Calls                    []ToolCall `json:",omitempty"`
	Finish                   Finish     // the last one
	Usage                    *Usage     `json:",omitempty"`
	Logprobs                 []float64  `json:",omitempty"`
	Done                     bool
	Err                      *Error `json:",omitempty"`
	Malformed                int    `json:",omitempty"`
}

// tell decodes a whole stream.
func tell(c Codec, r io.Reader) (story, error) {
	sc, dec := NewScanner(r, 0), c.Decoder()
	var s story
	for {
		ev, err := sc.Next()
		if err != nil {
			return s, err
		}
		d, err := dec.Decode(ev)
		if err != nil {
			s.Malformed++
			continue
		}
		s.add(d)
	}
}

func (s *story) add(d Delta) {
	for _, p := range []struct {
		to   *string
		from string
	}{{&s.ID, d.ID}, {&s.Model, d.Model}, {&s.Fingerprint, d.Fingerprint}} {
		if p.from != "" {
			*p.to = p.from
		}
	}
	s.Text, s.Reasoning, s.Refusal = s.Text+d.Text, s.Reasoning+d.Reasoning, s.Refusal+d.Refusal
	if d.Content() {
		s.Content++
	}
	s.Calls = AppendToolCalls(s.Calls, d.ToolCalls)
	s.ToolCall, s.Done = s.ToolCall || d.ToolCall, s.Done || d.Done
	s.Logprobs = append(s.Logprobs, d.Logprobs...)
	if d.Finish != FinishNone {
		s.Finish = d.Finish
	}
	if d.Usage != nil {
		s.Usage = d.Usage
	}
	if d.Err != nil {
		s.Err = d.Err
	}
}

// golden runs f on the input of every file of a kind, and compares its answer
// as JSON.
func golden(t *testing.T, kind string, f func(t *testing.T, c Codec, in []byte) any) {
	t.Helper()
	files, err := filepath.Glob("testdata/*/" + kind + "-*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files of %s: %v", kind, err)
	}
	for _, file := range files {
		protocol := filepath.Base(filepath.Dir(file))
		t.Run(protocol+"/"+strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			c, err := For(Protocol(protocol))
			if err != nil {
				t.Fatal(err)
			}
			all, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			in, want, ok := bytes.Cut(all, []byte(wantMark))
			if !ok {
				t.Fatalf("%s has no %q", file, wantMark)
			}
			got := indent(t, f(t, c, in))
			if *update {
				if err := os.WriteFile(file, append(append(in, wantMark...), got...), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if !bytes.Equal(got, want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func indent(t *testing.T, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestAnswersOfEveryProviderAreToldInOneSetOfWords(t *testing.T) {
	golden(t, "answer", func(t *testing.T, c Codec, in []byte) any {
		r, err := c.Decode(in)
		if e, ok := errors.AsType[*Error](err); ok {
			return map[string]*Error{"Error": e}
		}
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(r.Raw, in) {
			t.Error("Raw is not the body as it came")
		}
		r.Raw = nil
		return r
	})
}

func TestStreamsOfEveryProviderAreToldInOneSetOfWords(t *testing.T) {
	golden(t, "stream", func(t *testing.T, c Codec, in []byte) any {
		whole, err := tell(c, bytes.NewReader(in))
		if err != io.EOF {
			t.Fatal(err)
		}
		pieces, err := tell(c, iotest.OneByteReader(bytes.NewReader(in)))
		if a, b := indent(t, whole), indent(t, pieces); err != io.EOF || !bytes.Equal(a, b) {
			t.Errorf("byte by byte the stream says\n%s\n%v, at once\n%s", b, err, a)
		}
		return whole
	})
}

func TestErrorsOfEveryProviderAreClassified(t *testing.T) {
	golden(t, "error", func(t *testing.T, c Codec, in []byte) any {
		status, h, body := readError(t, in)
		e := c.Error(status, h, body)
		if e.Status != status {
			t.Errorf("status = %d, want %d", e.Status, status)
		}
		return struct {
			Outcome, Type, Code, Message string
			RetryAfter                   string
			OwnLimit, Context, Policy    bool
		}{string(e.Outcome), e.Type, e.Code, e.Message, e.RetryAfter.String(), e.OwnLimit, e.Context, e.Policy}
	})
}

// readError reads a status, headers, a blank line and a body.
func readError(t *testing.T, in []byte) (int, http.Header, []byte) {
	t.Helper()
	first, rest, _ := bytes.Cut(in, []byte("\n"))
	status, err := strconv.Atoi(string(first))
	if err != nil {
		t.Fatal(err)
	}
	r := textproto.NewReader(bufio.NewReader(bytes.NewReader(rest)))
	h, err := r.ReadMIMEHeader()
	if err != nil && err != io.EOF { // a status alone
		t.Fatal(err)
	}
	body, err := io.ReadAll(r.R)
	if err != nil {
		t.Fatal(err)
	}
	return status, http.Header(h), body
}
