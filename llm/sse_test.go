package llm

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

type event struct{ typ, data string }

// readAll returns every event of r and the error that ended it.
func readAll(r io.Reader, limit int) ([]event, error) {
	s := NewScanner(r, limit)
	var out []event
	for {
		ev, err := s.Next()
		if err != nil {
			return out, err
		}
		out = append(out, event{ev.Type, string(ev.Data)})
	}
}

func TestScannerReadsEveryShapeOfEventUnderEverySplit(t *testing.T) {
	cases := []struct {
		name, in string
		want     []event
	}{
		{"one event", "data: a\n\n", []event{{"", "a"}}},
		{"no space after the colon", "data:a\n\n", []event{{"", "a"}}},
		{"only one space is dropped", "data:  a\n\n", []event{{"", " a"}}},
		{"CRLF", "event: x\r\ndata: a\r\n\r\ndata: b\r\n\r\n", []event{{"x", "a"}, {"", "b"}}},
		{"CR", "data: a\r\rdata: b\r\r", []event{{"", "a"}, {"", "b"}}},
		{"mixed ends", "data: a\r\n\ndata: b\n\r\n", []event{{"", "a"}, {"", "b"}}},
		{"comments and unknown fields", ": keep-alive\n\nid: 1\nretry: 5\n:\ndata: a\n: c\n\n", []event{{"", "a"}}},
		{"several data lines", "data: a\ndata\ndata: b\n\n", []event{{"", "a\n\nb"}}},
		{"comments between data lines", "data: a\n: x\ndata: b\n\n", []event{{"", "a\nb"}}},
		{"empty data", "data\n\n", []event{{"", ""}}},
		{"empty data first", "data:\ndata: x\n\n", []event{{"", "\nx"}}},
		{"a type without data", "event: ping\n\ndata: a\n\n", []event{{"", "a"}}},
		{"byte order mark", "\xef\xbb\xbfdata: a\n\n", []event{{"", "a"}}},
		{"end without blank line", "data: a\n\ndata: b\n", []event{{"", "a"}, {"", "b"}}},
		{"end without line end", "data: a\n\ndata: b", []event{{"", "a"}, {"", "b"}}},
		{"characters of several bytes", "data: déjà 🐑\n\n", []event{{"", "déjà 🐑"}}},
		{"a bare JSON body", "data: a\n\n{\n  \"error\": {}\n}\n", []event{{"", "a"}, {"", "{\n  \"error\": {}\n}"}}},
		{"a bare list", "[{\"error\":1}]", []event{{"", "[{\"error\":1}]"}}},
		{"noise before an event", "[DEBUG] x\ndata: a\n\n", []event{{"", "a"}}},
		{"nothing", "", nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for _, r := range []io.Reader{strings.NewReader(c.in), iotest.OneByteReader(strings.NewReader(c.in)),
				iotest.HalfReader(strings.NewReader(c.in)), iotest.DataErrReader(strings.NewReader(c.in))} {
				got, err := readAll(r, 0)
				if err != io.EOF || !equal(got, c.want) {
					t.Errorf("events of %q = %q, %v, want %q, EOF", c.in, got, err, c.want)
				}
			}
		})
	}
}

func equal(a, b []event) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// step is a reader that fails the test when it is read after its last piece.
type step struct {
	t      *testing.T
	pieces []string
}

func (s *step) Read(p []byte) (int, error) {
	if len(s.pieces) == 0 {
		s.t.Fatal("the scanner waited for more than the event needs")
	}
	n := copy(p, s.pieces[0])
	s.pieces = s.pieces[1:]
	return n, nil
}

func TestScannerReturnsAnEventAsSoonAsItsBytesAreThere(t *testing.T) {
	for _, in := range []string{"data: a\n\n", "data: a\r\n\r\n", "data: a\r\n\r", "data: a\r\r"} {
		s := NewScanner(&step{t, []string{in}}, 0)
		if ev, err := s.Next(); err != nil || string(ev.Data) != "a" {
			t.Errorf("Next() of %q = %q, %v, want a", in, ev.Data, err)
		}
	}
	s := NewScanner(&step{t, []string{"data: a\n\ndata: b\n\ndata: c"}}, 0)
	ev, _ := s.Next()
	if !s.Ready() || string(ev.Data) != "a" {
		t.Errorf("Ready() after a = false, or it spoiled the event: %q", ev.Data)
	}
	if ev, _ = s.Next(); string(ev.Data) != "b" || s.Ready() {
		t.Errorf("Next() = %q, want b and no further event ready", ev.Data)
	}
}

func TestScannerNamesTheLimitThatALineBroke(t *testing.T) {
	fits := "data: " + strings.Repeat("x", 10_000) + "\n\n"
	if got, err := readAll(strings.NewReader(fits), 10_020); err != io.EOF || len(got) != 1 || len(got[0].data) != 10_000 {
		t.Errorf("a line within the limit: %d events, %v", len(got), err)
	}
	got, err := readAll(strings.NewReader("data: ok\n\n"+fits), 9_000)
	if !errors.Is(err, ErrEventTooLong) || !strings.Contains(err.Error(), "9000") || len(got) != 1 {
		t.Errorf("a line beyond the limit: %d events, %v, want 1 and an error naming 9000", len(got), err)
	}
	many := strings.Repeat("data: 0123456789\n", 1_000) + "\n"
	if _, err := readAll(strings.NewReader(many), 2_000); !errors.Is(err, ErrEventTooLong) {
		t.Errorf("many data lines beyond the limit: %v", err)
	}
	comments := strings.Repeat(": 0123456789\n", 1_000) + "data: a\n\n"
	if got, err := readAll(strings.NewReader(comments), 100); err != io.EOF || len(got) != 1 {
		t.Errorf("comments must not count against the limit: %v, %v", got, err)
	}
}

func TestScannerReturnsWholeEventsBeforeTheReadersError(t *testing.T) {
	broken := errors.New("connection reset")
	r := io.MultiReader(strings.NewReader("data: a\n\ndata: b\ndata: {\"cut"), iotest.ErrReader(broken))
	got, err := readAll(r, 0)
	if !errors.Is(err, broken) || !equal(got, []event{{"", "a"}, {"", "b"}}) {
		t.Errorf("got %q, %v, want a, b and the reader's error", got, err)
	}
	if _, err := readAll(iotest.ErrReader(nil), 0); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a reader without progress: %v, want %v", err, io.ErrNoProgress)
	}
}

func TestAppendEventIsReadBackByTheScanner(t *testing.T) {
	want := []event{{"x", "a\nb"}, {"", ""}, {"", "{}"}}
	var b []byte
	for _, ev := range want {
		b = AppendEvent(b, Event{ev.typ, []byte(ev.data)})
	}
	if got, err := readAll(bytes.NewReader(b), 0); err != io.EOF || !equal(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

// endless repeats one event for ever, in pieces of a packet's size.
type endless struct {
	b   []byte
	off int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p[:min(len(p), 1400)], e.b[e.off:])
	e.off = (e.off + n) % len(e.b)
	return n, nil
}

const chunkEvent = `data: {"id":"chatcmpl-9abc","object":"chat.completion.chunk","created":1732118400,"model":"gpt-4o-2024-08-06","service_tier":"default","system_fingerprint":"fp_44709d","choices":[{"index":0,"delta":{"content":" capital"},"logprobs":null,"finish_reason":null}],"usage":null}` + "\n\n"

func BenchmarkScanner(b *testing.B) {
	s := NewScanner(&endless{b: []byte(chunkEvent)}, 0)
	b.ReportAllocs()
	b.SetBytes(int64(len(chunkEvent)))
	for b.Loop() {
		if _, err := s.Next(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkScannerTypedEvents(b *testing.B) {
	s := NewScanner(&endless{b: []byte("event: content_block_delta\r\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hello\"}}\r\n\r\n: ping\n\n")}, 0)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Next(); err != nil {
			b.Fatal(err)
		}
	}
}

func TestScannerDoesNotAllocateInSteadyState(t *testing.T) {
	s := NewScanner(&endless{b: []byte("event: a\n" + chunkEvent)}, 0)
	n := testing.AllocsPerRun(1000, func() {
		if _, err := s.Next(); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("allocations per event = %v, want 0", n)
	}
}
