package api

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// placed is one element of a batch with its place in the body.
type placed[T any] struct {
	v     T
	index int
	line  int // of JSON lines, counting from 1; 0 in an array
}

// faults returns what notes a fault of e in all, with its place.
func (e *placed[T]) faults(all *[]Fault) func(field, detail string) {
	return func(field, detail string) {
		*all = append(*all, Fault{Pointer: fmt.Sprintf("/%d%s", e.index, field), Line: e.line, Detail: detail})
	}
}

var errTooMany = fmt.Errorf("there are more than %d elements; send them in parts", batchMost)

// readBatch reads a JSON array or JSON lines, whichever body begins as.
// Elements of the wrong type are faults, as are members that T does not have
// where strict; an error means that the rest cannot be read.
func readBatch[T any](body io.Reader, strict bool) (all []placed[T], faults []Fault, err error) {
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
			return readArray[T](b, strict)
		default:
			return readLines[T](b, strict)
		}
	}
}

func readArray[T any](b io.Reader, strict bool) (all []placed[T], faults []Fault, err error) {
	d := json.NewDecoder(b)
	if strict {
		d.DisallowUnknownFields()
	}
	if _, err := d.Token(); err != nil {
		return nil, nil, err
	}
	for i := 0; d.More(); i++ {
		if i == batchMost {
			return nil, nil, errTooMany
		}
		e := placed[T]{index: i}
		if err := d.Decode(&e.v); err != nil {
			f, ok := elementFault(err, i, &e.v)
			if !ok {
				return nil, nil, err
			}
			faults = append(faults, f)
			continue
		}
		all = append(all, e)
	}
	if _, err := d.Token(); err != nil { // the closing bracket
		return nil, nil, endless(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, nil, errors.New("there is more after the array")
	}
	return all, faults, nil
}

func readLines[T any](b io.Reader, strict bool) (all []placed[T], faults []Fault, err error) {
	lines := bufio.NewScanner(b)
	lines.Buffer(make([]byte, 0, 64<<10), batchBody+1)
	for line := 1; lines.Scan(); line++ {
		text := bytes.TrimSpace(lines.Bytes())
		if len(text) == 0 {
			continue
		}
		i := len(all) + len(faults)
		if i == batchMost {
			return nil, nil, errTooMany
		}
		e := placed[T]{index: i, line: line}
		if err := readLine(text, &e.v, strict); err != nil {
			f, ok := elementFault(err, i, &e.v)
			if !ok {
				f = Fault{Pointer: fmt.Sprintf("/%d", i), Detail: err.Error()}
			}
			f.Line = line
			faults = append(faults, f)
			continue
		}
		all = append(all, e)
	}
	return all, faults, lines.Err()
}

// readLine reads the one value of a line.
func readLine(text []byte, v any, strict bool) error {
	if !strict {
		return json.Unmarshal(text, v)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return endless(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more than one value in the line")
	}
	return nil
}

// elementFault returns the fault of the element at index i, read into v, that
// is of the wrong type or has a member that there is not; false when err is of
// another kind.
func elementFault(err error, i int, v any) (Fault, bool) {
	if name, ok := unknownMember(err); ok {
		return Fault{Pointer: fmt.Sprintf("/%d/%.100s", i, name), Detail: "there is no such member; " + suggest(name, members(v))}, true
	}
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

// compacted returns a reader of text, on one line where it is a single object
// over several: such a one is no JSON lines.
func compacted(text []byte) io.Reader {
	if t := bytes.TrimSpace(text); len(t) > 0 && t[0] == '{' {
		var one bytes.Buffer
		if json.Compact(&one, t) == nil {
			return &one
		}
	}
	return bytes.NewReader(text)
}
