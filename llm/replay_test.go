package llm

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// deltas decodes a whole stream, event by event. What could not be parsed is a
// nil.
func deltas(t *testing.T, c Codec, r io.Reader) []any {
	t.Helper()
	sc, dec := NewScanner(r, 0), c.Decoder()
	var all []any
	for {
		ev, err := sc.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		d, err := dec.Decode(ev)
		if err != nil {
			all = append(all, nil)
			continue
		}
		all = append(all, d)
	}
}

// transcripts calls f with every recorded stream.
func transcripts(t *testing.T, f func(t *testing.T, c Codec, in []byte)) {
	t.Helper()
	files, err := filepath.Glob("testdata/*/stream-*.txt")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d transcripts, %v", len(files), err)
	}
	for _, file := range files {
		p := filepath.Base(filepath.Dir(file))
		t.Run(p+"/"+strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			in, _, _ := bytes.Cut(b, []byte(wantMark))
			f(t, mustFor(t, Protocol(p)), in)
		})
	}
}

func TestATranscriptSaysTheSameHoweverItIsSplit(t *testing.T) {
	transcripts(t, func(t *testing.T, c Codec, in []byte) {
		want := deltas(t, c, bytes.NewReader(in))
		for i := 1; i < len(in); i++ {
			got := deltas(t, c, io.MultiReader(bytes.NewReader(in[:i]), bytes.NewReader(in[i:])))
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("split after %q it says\n%+v\nwant\n%+v", in[max(0, i-20):i], got, want)
			}
		}
	})
}

func TestATranscriptSaysTheSameWhateverEndsItsLinesAndStandsBetweenThem(t *testing.T) {
	between := func(with string) func(string) string {
		return func(s string) string {
			var b strings.Builder
			for event := range strings.SplitAfterSeq(s, "\n\n") {
				if strings.HasPrefix(event, "data:") || strings.HasPrefix(event, "event:") {
					b.WriteString(with)
				}
				b.WriteString(event)
			}
			return b.String()
		}
	}
	for name, change := range map[string]func(string) string{
		"CRLF":             func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") },
		"CR":               func(s string) string { return strings.ReplaceAll(s, "\n", "\r") },
		"a byte order":     func(s string) string { return "\xef\xbb\xbf" + s },
		"comments":         between(": keep-alive\n\n"),
		"comments inside":  between(": keep-alive\n"),
		"retries and ids":  between("retry: 10\nid: 7\n"),
		"blank lines":      between("\n\n"),
		"no space":         func(s string) string { return strings.ReplaceAll(s, "\ndata: ", "\ndata:") },
		"no last newline":  func(s string) string { return strings.TrimRight(s, "\n") },
		"a line in pieces": func(s string) string { return strings.ReplaceAll(s, `,"choices"`, ",\ndata: \"choices\"") },
	} {
		t.Run(name, func(t *testing.T) {
			transcripts(t, func(t *testing.T, c Codec, in []byte) {
				if strings.Contains(string(in), "\n{") || bytes.HasPrefix(in, []byte("{")) || bytes.HasPrefix(in, []byte("[")) {
					t.Skip("a body that is no event stream")
				}
				want := deltas(t, c, bytes.NewReader(in))
				got := deltas(t, c, strings.NewReader(change(string(in))))
				if !reflect.DeepEqual(got, want) {
					t.Errorf("it says\n%+v\nwant\n%+v", got, want)
				}
			})
		})
	}
}

func TestAPingSaysNothingInAnyProtocol(t *testing.T) {
	for _, p := range chats() {
		d := mustFor(t, p).Decoder()
		for _, ev := range []Event{{Type: "ping", Data: []byte(`{"type":"ping"}`)}, {Data: []byte("  ")}, {Type: "keepalive", Data: []byte(`{"type":"keepalive","sequence_number":3}`)}} {
			if got, err := d.Decode(ev); err != nil || !reflect.DeepEqual(got, Delta{}) {
				t.Errorf("%s: %q says %+v, %v", p, ev.Data, got, err)
			}
		}
	}
}

func TestAHugePieceOfTextArrivesWhole(t *testing.T) {
	huge := strings.Repeat("löng \u2028\n", 200_000)
	for _, p := range Known() {
		c := mustFor(t, p)
		enc := c.Encoder(Request{Stream: true}, "i", "m")
		b := enc.End(enc.Text(enc.Start(nil, nil), huge), FinishStop, nil)
		if got, err := tell(c, bytes.NewReader(b)); err != io.EOF || got.Text != huge || !got.Done {
			t.Errorf("%s: %d bytes of %d, done %v, %v", p, len(got.Text), len(huge), got.Done, err)
		}
	}
}
