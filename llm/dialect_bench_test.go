package llm

import (
	"bytes"
	"strings"
	"testing"
)

// benchDeltas are an event with a piece of text in each dialect.
func benchDeltas() map[Protocol]string {
	return map[Protocol]string{
		OpenAI:    strings.TrimSuffix(strings.TrimPrefix(chunkEvent, "data: "), "\n\n"),
		Anthropic: `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" capital"}}`,
		Gemini:    `{"candidates":[{"content":{"parts":[{"text":" capital"}],"role":"model"},"index":0}],"modelVersion":"gemini-2.5-flash","responseId":"abc"}`,
		Responses: `{"type":"response.output_text.delta","item_id":"msg_1","output_index":0,"content_index":0,"delta":" capital","sequence_number":7,"logprobs":[]}`,
	}
}

// BenchmarkTranslateChunk is what a streamed piece of text costs that was said
// in one dialect and is told in another.
func BenchmarkTranslateChunk(b *testing.B) {
	for from, data := range benchDeltas() {
		for to := range benchDeltas() {
			if from == to {
				continue
			}
			b.Run(string(from)+"-to-"+string(to), func(b *testing.B) {
				src, _ := For(from)
				dst, _ := For(to)
				dec, ev := src.Decoder(), Event{Data: []byte(data)}
				enc := dst.Encoder(Request{Stream: true}, "id", "m")
				buf := enc.Text(enc.Start(nil, nil), "x")
				b.ReportAllocs()
				for b.Loop() {
					d, err := dec.Decode(ev)
					if err != nil || d.Text != " capital" {
						b.Fatal(d, err)
					}
					buf = enc.Text(buf[:0], d.Text)
					if r, ok := enc.(*responsesEncoder); ok && r.text.Len() > 1<<16 { // an answer has an end
						r.text.Reset()
					}
				}
			})
		}
	}
}

// BenchmarkPassRequest is reading a request and writing it for a provider of
// its own dialect.
func BenchmarkPassRequest(b *testing.B) {
	for name, size := range map[string]int{"1KB": 1 << 10, "1MB": 1 << 20} {
		b.Run(name, func(b *testing.B) {
			body := []byte(`{"model":"chat","messages":[{"role":"user","content":"` + string(bytes.Repeat([]byte("word "), size/5)) + `"}],"stream":true,"stream_options":{"include_usage":true},"x":{"y":1}}`)
			c, e := openAI{OpenAI}, Endpoint{BaseURL: "http://127.0.0.1:1/v1"}
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				r, err := c.DecodeRequest("", body)
				if err != nil {
					b.Fatal(err)
				}
				r.Body, r.Model = body, "gpt-4o"
				if _, err := c.Encode(e, r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Whatever a stream says, what another dialect is told of it reads back as the
// same words, and nothing panics.
func FuzzTranslatedStreamsLoseNoText(f *testing.F) {
	for _, data := range benchDeltas() {
		f.Add([]byte(data))
	}
	f.Add([]byte(`{"choices":[{"index":0,"delta":{"content":"a\ud83d","reasoning_content":"r","refusal":"n","tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"{"}}]}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		for from := range benchDeltas() {
			src, _ := For(from)
			d, err := src.Decoder().Decode(Event{Data: data})
			if err != nil || d.Err != nil {
				continue
			}
			for to := range benchDeltas() {
				dst, _ := For(to)
				enc := dst.Encoder(Request{Stream: true, StreamUsage: true}, "id", "m").(FullStreamEncoder)
				buf := enc.Text(enc.Start(nil, nil), d.Text)
				for _, call := range d.ToolCalls {
					buf = enc.ToolCall(buf, call)
				}
				buf = enc.End(buf, FinishStop, nil)
				dec, scan, text := dst.Decoder(), NewScanner(bytes.NewReader(buf), 0), ""
				for {
					ev, err := scan.Next()
					if err != nil {
						break
					}
					got, err := dec.Decode(ev)
					if err != nil {
						t.Fatalf("%s writes %s: %v", to, ev.Data, err)
					}
					text += got.Text
				}
				if want := strings.ToValidUTF8(d.Text, "\uFFFD"); strings.ToValidUTF8(text, "\uFFFD") != want {
					t.Errorf("%s said %q, %s tells %q", from, want, to, text)
				}
			}
		}
	})
}
