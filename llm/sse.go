package llm

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// DefaultEventLimit is the limit of a [Scanner] that was given none, in bytes.
const DefaultEventLimit = 8 << 20

// ErrEventTooLong is wrapped by the error of a [Scanner] that met an event
// longer than its limit.
var ErrEventTooLong = errors.New("event too long")

const (
	scanBuffer   = 1 << 10 // first size of a scanner's buffer: thousands of streams are open at once, and most events are shorter
	maxTypeCache = 32      // names of event types kept, so that they allocate once
)

// Scanner reads server-sent events as the HTML standard defines them: lines
// ended by LF, CR or CRLF, comments, data of several lines, a byte order mark.
// An event is returned as soon as the blank line that ends it is there; a CR
// never waits for its LF. In two points it hears more than the standard:
//
//   - an event that the end of the input ends is returned, not dropped;
//   - a line that begins with { or [ where an event may begin starts a bare
//     JSON body that lasts to the next blank line or the end, because providers
//     write errors into streams without "data:".
//
// A Scanner belongs to one goroutine. In steady state it does not allocate.
type Scanner struct {
	r     io.Reader
	limit int
	err   error // sticky; returned when buf holds no further event

	buf     []byte
	line    int // start of the line being read
	scanned int // buf[line:scanned] holds no line end
	end     int // end of what was read

	data, dataEnd int // the event's data so far, joined in place in buf
	hasData       bool
	bare          bool // inside a bare JSON body
	skipLF        bool // the last line ended by CR; a LF now belongs to it
	begun         bool // the byte order mark was looked for
	typ           string
	types         map[string]string

	next  Event // what Ready found
	ready bool
}

// NewScanner returns a scanner of r. limit bounds the bytes held for one event
// (its data and the line being read); 0 means [DefaultEventLimit].
func NewScanner(r io.Reader, limit int) *Scanner {
	if limit <= 0 {
		limit = DefaultEventLimit
	}
	return &Scanner{r: r, limit: limit, buf: make([]byte, min(scanBuffer, limit+1))}
}

// Next returns the next event. It reads only when no whole event is buffered.
// At the end of the input it returns io.EOF; an error of the reader is
// returned after the events whose lines arrived before it.
func (s *Scanner) Next() (Event, error) {
	for {
		if s.Ready() {
			s.ready = false
			return s.next, nil
		}
		if s.err != nil {
			if ev, ok := s.last(); ok {
				return ev, nil
			}
			return Event{}, s.err
		}
		s.fill()
	}
}

// Ready reports whether Next will return an event without reading. It leaves
// the last event valid.
func (s *Scanner) Ready() bool {
	for !s.ready {
		line, ok := s.takeLine()
		if !ok {
			return false
		}
		s.addLine(line)
	}
	return true
}

// takeLine returns the next whole line of the buffer without its end.
func (s *Scanner) takeLine() ([]byte, bool) {
	if s.skipLF && s.line < s.end {
		s.skipLF = false
		if s.buf[s.line] == '\n' {
			s.line++
			s.scanned = max(s.scanned, s.line)
		}
	}
	rest := s.buf[s.scanned:s.end]
	i := bytes.IndexByte(rest, '\n')
	if i >= 0 {
		rest = rest[:i]
	}
	if j := bytes.IndexByte(rest, '\r'); j >= 0 {
		i = j
	}
	if i < 0 {
		s.scanned = s.end
		return nil, false
	}
	line := s.buf[s.line : s.scanned+i]
	s.skipLF = s.buf[s.scanned+i] == '\r'
	s.scanned += i + 1
	s.line = s.scanned
	return line, true
}

// addLine takes one line into the event; a blank one ends it.
func (s *Scanner) addLine(line []byte) {
	if !s.begun {
		s.begun = true
		line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
	}
	if len(line) == 0 {
		s.dispatch()
		return
	}
	name, value, found := bytes.Cut(line, []byte{':'})
	if !found {
		value = line[len(line):]
	}
	known := string(name) == "data" || string(name) == "event"
	switch {
	case s.bare && known:
		s.bare, s.hasData = false, false // it was noise before an event, not a body
	case s.bare, !s.hasData && (line[0] == '{' || line[0] == '['):
		s.bare = true
		s.addData(line)
		return
	}
	if len(value) > 0 && value[0] == ' ' {
		value = value[1:]
	}
	switch string(name) {
	case "data":
		s.addData(value)
	case "event":
		s.typ = s.intern(value)
	}
}

// addData appends a line of data, value being its part of buf, in place. There
// is always room before value: each line but the first frees at least its line
// end, and a joined newline needs no more.
func (s *Scanner) addData(value []byte) {
	if !s.hasData {
		s.hasData = true
		s.data = cap(s.buf) - cap(value) // value's offset, as it is a tail of buf
		s.dataEnd = s.data + len(value)
		return
	}
	s.buf[s.dataEnd] = '\n'
	s.dataEnd += 1 + copy(s.buf[s.dataEnd+1:], value)
}

// dispatch makes the collected event the next one, if it has data.
func (s *Scanner) dispatch() {
	if s.hasData {
		s.next = Event{Type: s.typ, Data: s.buf[s.data:s.dataEnd:s.dataEnd]}
		s.ready = true
	}
	s.hasData, s.bare, s.typ = false, false, ""
	s.data, s.dataEnd = 0, 0
}

// last returns the event that the end of the input, or an error, ends. A last
// line without its end counts only at a proper end of the input.
func (s *Scanner) last() (Event, bool) {
	if errors.Is(s.err, ErrEventTooLong) {
		return Event{}, false
	}
	if s.line < s.end && s.err == io.EOF {
		line := s.buf[s.line:s.end]
		s.line, s.scanned = s.end, s.end
		s.addLine(line)
	}
	s.dispatch()
	ok := s.ready
	s.ready = false
	return s.next, ok
}

// intern returns b as a string that is allocated once per stream.
func (s *Scanner) intern(b []byte) string {
	if t, ok := s.types[string(b)]; ok {
		return t
	}
	if s.types == nil {
		s.types = make(map[string]string, 8)
	}
	t := string(b)
	if len(s.types) < maxTypeCache {
		s.types[t] = t
	}
	return t
}

// fill reads once more, after making room. It sets err at the end.
func (s *Scanner) fill() {
	s.compact()
	if s.end >= s.limit {
		s.err = fmt.Errorf("read events: more than %d bytes: %w", s.limit, ErrEventTooLong)
		return
	}
	if s.end == len(s.buf) {
		s.buf = append(s.buf, make([]byte, min(len(s.buf), s.limit-s.end))...)
		s.buf = s.buf[:min(cap(s.buf), max(s.limit, len(s.buf)))]
	}
	for range 100 {
		n, err := s.r.Read(s.buf[s.end:])
		s.end += n
		s.err = err
		if n > 0 || err != nil {
			return
		}
	}
	s.err = io.ErrNoProgress
}

// compact moves the event's data and the line being read to the front.
func (s *Scanner) compact() {
	kept := 0
	if s.hasData {
		kept = copy(s.buf, s.buf[s.data:s.dataEnd])
		s.data, s.dataEnd = 0, kept
	}
	if s.line == kept {
		return
	}
	// One byte stays free for the newline that may join the next line.
	if s.hasData && s.line > kept {
		kept++
	}
	if s.line > kept {
		n := copy(s.buf[kept:], s.buf[s.line:s.end])
		s.scanned -= s.line - kept
		s.line, s.end = kept, kept+n
	}
}

// AppendEvent appends ev as a server-sent event, each line of its data on a
// data line of its own.
func AppendEvent(dst []byte, ev Event) []byte {
	if ev.Type != "" {
		dst = append(append(append(dst, "event: "...), ev.Type...), '\n')
	}
	for data := ev.Data; ; {
		line, rest, more := bytes.Cut(data, []byte{'\n'})
		dst = append(append(append(dst, "data: "...), line...), '\n')
		if !more {
			return append(dst, '\n')
		}
		data = rest
	}
}
