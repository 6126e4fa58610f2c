package llm

import (
	"bytes"
	"encoding/json"
	"io"
	"net/url"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/bellwether-llm/bellwether"
)

// dripReader hands out its bytes in pieces of drawn sizes.
type dripReader struct {
	t *rapid.T
	b []byte
}

func (d *dripReader) Read(p []byte) (int, error) {
	if len(d.b) == 0 {
		return 0, io.EOF
	}
	n := min(len(p), len(d.b), rapid.IntRange(1, 40).Draw(d.t, "piece"))
	copy(p, d.b[:n])
	d.b = d.b[n:]
	return n, nil
}

func ptr[T any](v T) *T { return &v }

// textRequest draws a request of texts that p can express as it is: where the
// protocol has its system messages on top and joins turns, they stand so.
func textRequest(t *rapid.T, p Protocol) Request {
	text := rapid.String()
	r := Request{Model: rapid.StringMatching(`[a-zA-Z0-9][a-zA-Z0-9._-]{0,20}`).Draw(t, "model"), Dialect: p.dialect()}
	n := rapid.IntRange(1, 6).Draw(t, "turns")
	for range rapid.IntRange(0, 3).Draw(t, "systems") {
		r.Messages = append(r.Messages, Message{Role: RoleSystem, Text: text.Draw(t, "system")})
	}
	for i := range n {
		role := []string{RoleUser, RoleAssistant}[i%2]
		if p.dialect() == OpenAI {
			role = rapid.SampledFrom([]string{RoleSystem, RoleUser, RoleAssistant}).Draw(t, "role")
		}
		r.Messages = append(r.Messages, Message{Role: role, Text: text.Draw(t, "text")})
	}
	r.MaxTokens = rapid.IntRange(1, 1<<20).Draw(t, "max")
	if rapid.Bool().Draw(t, "sampling") {
		r.Temperature, r.TopP = ptr(rapid.Float64Range(0, 1).Draw(t, "temperature")), ptr(rapid.Float64Range(0, 1).Draw(t, "top_p"))
	}
	if p != Responses && rapid.Bool().Draw(t, "stops") {
		r.Stop = rapid.SliceOfN(text, 1, 4).Draw(t, "stop")
	}
	if rapid.Bool().Draw(t, "schema") {
		r.JSONSchema = json.RawMessage(rapid.SampledFrom([]string{`{"type":"object"}`, `{"type":"object","additionalProperties":false,"properties":{}}`}).Draw(t, "json schema"))
	}
	r.Stream = rapid.Bool().Draw(t, "stream")
	r.StreamUsage = r.Stream
	if p != Anthropic {
		r.Logprobs = rapid.Bool().Draw(t, "logprobs")
	}
	if p == Gemini || p.dialect() == OpenAI {
		r.Seed = ptr(rapid.Int64().Draw(t, "seed"))
	}
	if p != Gemini {
		r.User = text.Draw(t, "user")
	}
	if rapid.Bool().Draw(t, "extra") {
		r.Extra = map[string]json.RawMessage{"x_new_field": json.RawMessage(`{"a":[1,2.50,"\u00e9"]}`), "y": json.RawMessage(`null`)}
		switch p {
		case Anthropic:
			r.Extra["output_config.effort"], r.Extra["metadata.x"] = json.RawMessage(`"low"`), json.RawMessage(`1`)
		case Gemini:
			r.Extra["generationConfig.topK"] = json.RawMessage(`40`)
		}
	}
	return r
}

func TestARequestThatIsEncodedIsReadBackTheSame(t *testing.T) {
	for _, p := range chats() {
		t.Run(string(p), func(t *testing.T) {
			c, err := For(p)
			if err != nil {
				t.Fatal(err)
			}
			rapid.Check(t, func(t *rapid.T) {
				want := textRequest(t, p)
				call, err := c.Encode(Endpoint{BaseURL: "http://127.0.0.1:1/v1", Key: "k"}, want)
				if err != nil {
					t.Fatalf("Encode(%+v): %v", want, err)
				}
				u, err := url.Parse(call.URL)
				if err != nil {
					t.Fatal(err)
				}
				got, err := c.DecodeRequest(u.Path, call.Body)
				if err != nil || !reflect.DeepEqual(got, want) {
					t.Fatalf("DecodeRequest(%s %s) =\n%+v, %v, want\n%+v", u.Path, call.Body, got, err, want)
				}
			})
		})
	}
}

// expressible returns the finishes that p's streams can tell apart.
func expressible(p Protocol) []Finish {
	switch p {
	case Anthropic:
		return []Finish{FinishStop, FinishLength, FinishToolCalls, FinishRefusal, FinishPause}
	case Gemini, Responses:
		return []Finish{FinishStop, FinishLength, FinishFilter}
	}
	return []Finish{FinishStop, FinishLength, FinishToolCalls, FinishFilter}
}

func drawUsage(t *rapid.T) *Usage {
	u := &Usage{Cached: rapid.IntRange(0, 1000).Draw(t, "cached"), Reasoning: rapid.IntRange(0, 1000).Draw(t, "reasoning")}
	u.Input = u.Cached + rapid.IntRange(0, 1000).Draw(t, "input")
	u.Output = u.Reasoning + rapid.IntRange(0, 1000).Draw(t, "output")
	return u
}

func TestAStreamThatIsEncodedIsReadBackTheSameUnderEverySplit(t *testing.T) {
	for _, p := range chats() {
		t.Run(string(p), func(t *testing.T) {
			c, err := For(p)
			if err != nil {
				t.Fatal(err)
			}
			rapid.Check(t, func(t *rapid.T) { checkStream(t, c) })
		})
	}
}

func checkStream(t *rapid.T, c Codec) {
	finish, usage := rapid.SampledFrom(expressible(c.Protocol())).Draw(t, "finish"), drawUsage(t)
	want := story{ID: "id-1", Model: "m-1", Finish: finish, Usage: usage, Done: true}
	enc := c.Encoder(Request{Stream: true, StreamUsage: true}, "id-1", "m-1").(FullStreamEncoder)
	b := enc.Start(nil, usage)
	for range rapid.IntRange(0, 3).Draw(t, "thoughts") {
		s := rapid.String().Draw(t, "thought")
		want.Reasoning += s
		b = enc.Reasoning(b, s)
	}
	for range rapid.IntRange(0, 8).Draw(t, "pieces") {
		s := rapid.String().Draw(t, "text")
		want.Text += s
		b = enc.Text(b, s)
	}
	b = enc.End(b, finish, usage)
	got, err := tell(c, &dripReader{t, b})
	want.Content = got.Content
	if err != io.EOF || !reflect.DeepEqual(got, want) {
		t.Fatalf("stream\n%s\nsays %+v, %v, want %+v", b, got, err, want)
	}
}

func TestAnAnswerThatIsEncodedIsReadBackTheSame(t *testing.T) {
	for _, p := range chats() {
		t.Run(string(p), func(t *testing.T) {
			c, err := For(p)
			if err != nil {
				t.Fatal(err)
			}
			rapid.Check(t, func(t *rapid.T) {
				want := Response{ID: rapid.String().Draw(t, "id"), Model: "m", Text: rapid.String().Draw(t, "text"),
					Reasoning: rapid.String().Draw(t, "reasoning"), Finish: rapid.SampledFrom(expressible(p)).Draw(t, "finish"), Usage: drawUsage(t)}
				b := c.EncodeResponse(want)
				got, err := c.Decode(b)
				got.Raw = nil
				if err != nil || !reflect.DeepEqual(got, want) {
					t.Fatalf("Decode(%s) =\n%+v, %v, want\n%+v", b, got, err, want)
				}
			})
		})
	}
}

func TestAStreamWithoutAProperFinishNeverLooksWhole(t *testing.T) {
	for _, p := range chats() {
		c, err := For(p)
		if err != nil {
			t.Fatal(err)
		}
		enc := c.Encoder(Request{Stream: true, StreamUsage: true}, "i", "m")
		b := enc.End(enc.Text(enc.Start(nil, nil), "half"), FinishNone, &Usage{Input: 1, Output: 1})
		if got, err := tell(c, bytes.NewReader(b)); err != io.EOF || got.Done || got.Finish != FinishNone || got.Text != "half" {
			t.Errorf("%s: %+v, %v, want half and no end", p, got, err)
		}
	}
}

// outcomes are those that a provider can say.
func outcomes() []bellwether.Outcome {
	return []bellwether.Outcome{bellwether.ServerError, bellwether.Overloaded, bellwether.Gone, bellwether.RateLimited,
		bellwether.AuthError, bellwether.NoCredit, bellwether.Blocked, bellwether.ClientError, bellwether.Timeout}
}

func TestAnErrorKeepsItsOutcomeThroughEveryProtocol(t *testing.T) {
	for _, p := range chats() {
		c, err := For(p)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range outcomes() {
			for _, dialect := range chats() { // whose words the error has
				e := &Error{Outcome: o, Message: "it broke", Dialect: dialect.dialect()}
				if got := c.Error(e.HTTPStatus(), nil, c.EncodeError(e)); got.Outcome != o || got.Message != "it broke" {
					t.Errorf("%s: %s is read back as %+v from %s", p, o, got, c.EncodeError(e))
				}
			}
			if o == bellwether.Timeout || o == bellwether.Blocked {
				continue // said by the status only
			}
			enc := c.Encoder(Request{Stream: true}, "i", "m")
			b := enc.Error(enc.Text(enc.Start(nil, nil), "half"), &Error{Outcome: o, Message: "it broke"})
			got, err := tell(c, bytes.NewReader(b))
			if err != io.EOF || got.Err == nil || got.Err.Outcome != o || got.Done || got.Text != "half" {
				t.Errorf("%s: %s in a stream is read back as %+v, %v from\n%s", p, o, got, err, b)
			}
		}
	}
}
