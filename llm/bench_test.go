package llm

import (
	"strings"
	"testing"
)

func BenchmarkDecodeOpenAIChunk(b *testing.B) {
	benchDecode(b, OpenAI, strings.TrimSuffix(strings.TrimPrefix(chunkEvent, "data: "), "\n\n"))
}

// BenchmarkDecodeOpenAIChunkLongWay is what a chunk costs that is not the
// common one.
func BenchmarkDecodeOpenAIChunkLongWay(b *testing.B) {
	d, data := &openAIDecoder{p: OpenAI}, []byte(strings.TrimPrefix(chunkEvent, "data: "))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.anyChunk(data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeAnthropicDelta(b *testing.B) {
	benchDecode(b, Anthropic, `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" capital"}}`)
}

func BenchmarkDecodeGeminiChunk(b *testing.B) {
	benchDecode(b, Gemini, `{"candidates": [{"content": {"parts": [{"text": " capital"}],"role": "model"},"index": 0}],"usageMetadata": {"promptTokenCount": 11,"totalTokenCount": 11,"promptTokensDetails": [{"modality": "TEXT","tokenCount": 11}]},"modelVersion": "gemini-2.5-flash","responseId": "abc"}`)
}

func benchDecode(b *testing.B, p Protocol, data string) {
	c, err := For(p)
	if err != nil {
		b.Fatal(err)
	}
	dec, ev := c.Decoder(), Event{Data: []byte(data)}
	b.ReportAllocs()
	for b.Loop() {
		if d, err := dec.Decode(ev); err != nil || d.Text != " capital" {
			b.Fatal(d, err)
		}
	}
}

func BenchmarkEncodeChunk(b *testing.B) {
	for _, p := range chats() {
		b.Run(string(p), func(b *testing.B) {
			c, err := For(p)
			if err != nil {
				b.Fatal(err)
			}
			enc := c.Encoder(Request{Stream: true, StreamUsage: true}, "chatcmpl-0193", "gpt-4o")
			buf := enc.Text(enc.Start(nil, nil), "x")
			b.ReportAllocs()
			for b.Loop() {
				buf = enc.Text(buf[:0], " capital")
			}
		})
	}
}

func BenchmarkDecodeRequest(b *testing.B) {
	body := []byte(`{"model":"chat","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"` + strings.Repeat("What is it? ", 100) + `"}],"temperature":0.2,"max_tokens":100,"stream":true,"stream_options":{"include_usage":true}}`)
	c := openAI{OpenAI}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.DecodeRequest("/v1/chat/completions", body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeRequest(b *testing.B) {
	c, e := openAI{OpenAI}, Endpoint{BaseURL: "https://api.openai.com/v1", Key: "k"}
	r := Request{Model: "gpt-4o", Messages: []Message{{Role: RoleSystem, Text: "Be brief."}, {Role: RoleUser, Text: strings.Repeat("What is it? ", 100)}},
		MaxTokens: 100, Stream: true, StreamUsage: true, Dialect: OpenAI}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Encode(e, r); err != nil {
			b.Fatal(err)
		}
	}
}
