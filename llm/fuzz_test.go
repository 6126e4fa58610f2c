package llm

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"
)

// seed adds the inputs of all golden files of a kind.
func seed(f *testing.F, kind string, add func(in []byte)) {
	f.Helper()
	files, err := filepath.Glob("testdata/*/" + kind + "-*.txt")
	if err != nil || len(files) == 0 {
		f.Fatalf("no golden files of %s: %v", kind, err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		in, _, _ := bytes.Cut(b, []byte(wantMark))
		add(in)
	}
}

// FuzzScanner: whatever comes, in whatever pieces, the events are the same, no
// event is over the limit, and what was scanned is scanned again the same.
func FuzzScanner(f *testing.F) {
	seed(f, "stream", func(in []byte) { f.Add(in) })
	f.Add([]byte("data: a\r\rdata\r\n:x\ndata: b\n\n\xef\xbb\xbf"))
	f.Add([]byte("[x]\ndata: a\nevent: b\n{\n\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		const limit = 512
		whole, err1 := readAll(bytes.NewReader(in), limit)
		bytewise, err2 := readAll(iotest.OneByteReader(bytes.NewReader(in)), limit)
		if err1 == io.EOF && err2 == io.EOF && !equal(whole, bytewise) {
			t.Fatalf("at once %q, byte by byte %q", whole, bytewise)
		}
		var again []byte
		for _, ev := range bytewise {
			if len(ev.data) > limit {
				t.Fatalf("an event of %d bytes passed the limit of %d", len(ev.data), limit)
			}
			again = AppendEvent(again, Event{ev.typ, []byte(ev.data)})
		}
		if got, err := readAll(bytes.NewReader(again), 0); err != io.EOF || !equal(got, bytewise) {
			t.Fatalf("written and read again %q, %v, want %q", got, err, bytewise)
		}
	})
}

// FuzzDecode: whole answers.
func FuzzDecode(f *testing.F) {
	seed(f, "answer", func(in []byte) { f.Add(in) })
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, p := range chats() {
			c := mustFor(t, p)
			r, err := c.Decode(in)
			if err != nil {
				continue
			}
			// What was understood survives being told in the same protocol.
			again, err := c.Decode(c.EncodeResponse(r))
			if err != nil || again.Text+again.Refusal != r.Text+r.Refusal {
				t.Fatalf("%s: told again %q, %v, want %q", p, again.Text, err, r.Text)
			}
		}
	})
}

// FuzzDecoder: streams.
func FuzzDecoder(f *testing.F) {
	seed(f, "stream", func(in []byte) { f.Add(in) })
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, p := range Known() {
			if s, err := tell(mustFor(t, p), bytes.NewReader(in)); err != io.EOF {
				t.Fatalf("%s: %+v, %v, want EOF", p, s, err)
			}
		}
	})
}

// FuzzError: always a classified error, bounded, valid, its key redacted.
func FuzzError(f *testing.F) {
	seed(f, "error", func(in []byte) {
		_, body, _ := bytes.Cut(in, []byte("\n\n"))
		f.Add(429, body, "1")
	})
	f.Add(403, []byte("<html><title>x"), "Fri, 20 Nov 2026 16:20:00 GMT")
	f.Fuzz(func(t *testing.T, status int, body []byte, after string) {
		h := http.Header{"Retry-After": {after}, "X-Ratelimit-Remaining-Tokens": {"0"}, "X-Ratelimit-Reset-Tokens": {after}, "Date": {"Fri, 20 Nov 2026 16:20:00 GMT"}}
		for _, p := range Known() {
			c := mustFor(t, p)
			e := c.Error(status, h, body)
			if e == nil || e.Outcome == "" || len(e.Message) > maxMessage || !utf8.ValidString(e.Error()) ||
				e.RetryAfter < 0 || e.RetryAfter > maxRetryAfter {
				t.Fatalf("%s Error(%d, %q) = %+v", p, status, body, e)
			}
			if !json.Valid(c.EncodeError(e)) {
				t.Fatalf("%s EncodeError(%+v) is no JSON", p, e)
			}
		}
	})
}

// FuzzDecodeRequest: a request that is understood is told again in the same
// dialect without loss, and to others either all of its text or an error.
func FuzzDecodeRequest(f *testing.F) {
	f.Add([]byte(`{"model":"m","messages":[{"role":"developer","content":"s"},{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url"}]},{"role":"user","content":"b"}],"stop":["x"],"stream":true,"stream_options":{"include_usage":true,"y":1},"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{}}},"n":2}`))
	f.Add([]byte(`{"model":"m","max_tokens":5,"system":[{"type":"text","text":"s","cache_control":{}}],"messages":[{"role":"user","content":[{"type":"text","text":"a"}]},{"role":"user","content":"b"}],"metadata":{"user_id":"u","x":1},"output_config":{"effort":"low","format":{"type":"json_schema","schema":{}}}}`))
	f.Add([]byte(`{"systemInstruction":{"parts":[{"text":"s"}]},"contents":[{"parts":[{"text":"a"}]},{"role":"model","parts":[{"text":"b"},{"functionCall":{}}]}],"generationConfig":{"topK":1,"responseMimeType":"application/json","responseJsonSchema":{}}}`))
	f.Add([]byte(`{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}}]},{"role":"assistant","content":null,"tool_calls":[{"id":"c:1","type":"function","function":{"name":"f","arguments":"{\"n\":"}}]},{"role":"tool","tool_call_id":"c:1","content":"r"},{"role":"user","content":"b"}],"tools":[{"type":"function","function":{"name":"f","parameters":{}}}],"tool_choice":{"type":"function","function":{"name":"f"}},"parallel_tool_calls":false}`))
	f.Add([]byte(`{"model":"m","messages":[{"role":"user","content":[{"type":"image","source":{"type":"url","url":"https://x/a.png"}}]},{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"s"},{"type":"tool_use","id":"c","name":"f","input":{"a":1}}]},{"role":"user","content":[{"type":"text","text":"x"},{"type":"tool_result","tool_use_id":"c","content":[{"type":"text","text":"r"}],"is_error":true}]}],"tools":[{"name":"f","input_schema":{}}],"tool_choice":{"type":"any","disable_parallel_tool_use":true}}`))
	f.Add([]byte(`{"contents":[{"parts":[{"inlineData":{"mimeType":"image/png","data":"AA"}}]},{"role":"model","parts":[{"functionCall":{"name":"f"},"thoughtSignature":"s"}]},{"parts":[{"functionResponse":{"name":"f","response":{"output":1}}}]}],"tools":[{"functionDeclarations":[{"name":"f","parametersJsonSchema":{}}]}],"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f"]}}}`))
	f.Add([]byte(`{"model":"m","instructions":"i","input":[{"role":"system","content":"s"},{"role":"user","content":[{"type":"input_text","text":"a"},{"type":"input_image","image_url":"https://x/a.png"}]},{"type":"reasoning","summary":[]},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"r"}],"tools":[{"type":"function","name":"f","parameters":{},"strict":false}],"tool_choice":"required","text":{"format":{"type":"json_schema","name":"n","schema":{}}},"include":["message.output_text.logprobs"]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, p := range chats() {
			r, err := mustFor(t, p).DecodeRequest("/v1beta/models/m:generateContent", body)
			if err != nil {
				continue
			}
			for _, to := range chats() {
				call, err := mustFor(t, to).Encode(Endpoint{BaseURL: "http://x"}, r)
				if err != nil {
					if p.dialect() == to.dialect() {
						t.Fatalf("%s cannot tell its own request: %v", p, err)
					}
					continue
				}
				if !json.Valid(call.Body) {
					t.Fatalf("%s to %s: no JSON: %s", p, to, call.Body)
				}
				for _, m := range r.Messages {
					if quoted := string(appendString(nil, m.Text)); m.Raw == nil && !strings.Contains(string(call.Body), quoted) {
						t.Fatalf("%s to %s: lost %s from %s", p, to, quoted, call.Body)
					}
					for _, part := range m.Parts {
						if part.Call != nil && part.Kind == PartToolCall && !strings.Contains(string(call.Body), string(appendString(nil, part.Call.Name))) && p != to {
							t.Fatalf("%s to %s: lost the call of %q from %s", p, to, part.Call.Name, call.Body)
						}
					}
				}
			}
		}
	})
}

// FuzzAppendString: what encoding/json reads back is what was written.
func FuzzAppendString(f *testing.F) {
	f.Add("a\"\\\n\r\t\x00\x1f\u2028\u0085\xff🐑")
	f.Fuzz(func(t *testing.T, s string) {
		var got string
		if err := json.Unmarshal(appendString(nil, s), &got); err != nil || got != strings.ToValidUTF8(s, "\uFFFD") && utf8.ValidString(s) {
			t.Fatalf("%q is read back as %q, %v", s, got, err)
		}
	})
}

// FuzzParseFields: the walker reads objects as encoding/json does.
func FuzzParseFields(f *testing.F) {
	f.Add([]byte(` {"a" : [1,{"b":"}\"]"}] ,"c":null,"c":-1.5e3,"\u0064":{}, "":[]} `))
	f.Add([]byte(`{"messages":[{"role":"user","content":"a"},[],"x\\"]}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := parseFields(in)
		var want fields
		wantErr := json.Unmarshal(in, &want)
		if (err == nil) != (wantErr == nil && want != nil) {
			t.Fatalf("parseFields(%q) = %v, encoding/json %v", in, err, wantErr)
		}
		if err == nil && !reflect.DeepEqual(got, want) {
			t.Fatalf("parseFields(%q) = %q, want %q", in, got, want)
		}
		walkObject(in, func(k, v []byte) bool { return walkArray(v, func([]byte) bool { return len(k) > 0 }) }) // must not panic on what is no JSON
	})
}

// FuzzCommonChunk: the short way reads nothing otherwise than the long way.
func FuzzCommonChunk(f *testing.F) {
	f.Add([]byte(strings.TrimPrefix(chunkEvent, "data: ")))
	f.Add([]byte(`{"id":null,"model":"m\u00e9","choices":[{"delta":{"role":"assistant","content":"","tool_calls":null},"finish_reason":null}]}`))
	seed(f, "stream", func(in []byte) {
		for _, line := range bytes.Split(in, []byte("\n")) {
			f.Add(bytes.TrimPrefix(line, []byte("data: ")))
		}
	})
	f.Fuzz(func(t *testing.T, data []byte) {
		short := &openAIDecoder{p: OpenAI}
		got, ok := short.commonChunk(data)
		if !ok {
			return
		}
		want, err := (&openAIDecoder{p: OpenAI}).anyChunk(data)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("commonChunk(%s) = %+v, the whole decoder %+v, %v", data, got, want, err)
		}
		if again, ok := short.commonChunk(data); !ok || !reflect.DeepEqual(again, want) {
			t.Fatalf("a second time %+v, want %+v", again, want)
		}
	})
}
