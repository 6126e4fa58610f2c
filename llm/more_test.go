package llm_test

import (
	"strings"
	"testing"

	"github.com/bellwether-llm/bellwether/llm"
)

// streamed encodes an answer by write and reads it again.
func streamed(t *testing.T, p llm.Protocol, write func(e llm.FullStreamEncoder, dst []byte) []byte) (d llm.Delta, body string) {
	t.Helper()
	codec, err := llm.For(p)
	if err != nil {
		t.Fatal(err)
	}
	e := codec.Encoder(llm.Request{Stream: true}, "id", "m").(llm.FullStreamEncoder)
	b := write(e, e.Start(nil, nil))
	events, dec := llm.NewScanner(strings.NewReader(string(b)), 0), codec.Decoder()
	for {
		ev, err := events.Next()
		if err != nil {
			return d, string(b)
		}
		got, err := dec.Decode(ev)
		if err != nil {
			t.Fatal(err)
		}
		d.Text, d.Reasoning, d.Signature = d.Text+got.Text, d.Reasoning+got.Reasoning, d.Signature+got.Signature
		if got.Finish != "" {
			d.Finish = got.Finish
		}
	}
}

func TestSignedReasoningComesBackAsItWas(t *testing.T) {
	for _, p := range []llm.Protocol{llm.Anthropic, llm.Responses} {
		d, body := streamed(t, p, func(e llm.FullStreamEncoder, b []byte) []byte {
			b = e.(llm.Signer).Signature(e.Reasoning(b, "I think"), "c2lnbg==")
			return e.End(e.Text(b, "Paris"), llm.FinishStop, nil)
		})
		if d.Signature != "c2lnbg==" || d.Reasoning != "I think" || d.Text != "Paris" {
			t.Errorf("%s: streamed %+v from %s", p, d, body)
		}
		codec, _ := llm.For(p)
		r, err := codec.Decode(codec.EncodeResponse(llm.Response{Text: "Paris", Reasoning: "I think", Signature: "c2lnbg==", Finish: llm.FinishStop}))
		if err != nil || r.Signature != "c2lnbg==" || r.Reasoning != "I think" {
			t.Errorf("%s: plain %+v, %v", p, r, err)
		}
	}
}

func TestAnthropicSaysWhichSequenceStoppedIt(t *testing.T) {
	codec, _ := llm.For(llm.Anthropic)
	r, err := codec.Decode(codec.EncodeResponse(llm.Response{Text: "a", Finish: llm.FinishStop, StopSequence: "END"}))
	if err != nil || r.StopSequence != "END" || r.Finish != llm.FinishStop {
		t.Errorf("plain %+v, %v", r, err)
	}
	d, body := streamed(t, llm.Anthropic, func(e llm.FullStreamEncoder, b []byte) []byte {
		e.(llm.Stopper).Stopped("END")
		return e.End(e.Text(b, "a"), llm.FinishStop, nil)
	})
	if d.Finish != llm.FinishStop || !strings.Contains(body, `"stop_reason":"stop_sequence","stop_sequence":"END"`) {
		t.Errorf("streamed %s", body)
	}
}

func TestChoicesStandSideBySide(t *testing.T) {
	for p, want := range map[llm.Protocol]string{llm.OpenAI: `"content":"b","refusal":null},"logprobs":null,"finish_reason":"length"}]`, llm.Gemini: `"finishReason":"MAX_TOKENS","index":1}]`} {
		codec, _ := llm.For(p)
		body := codec.EncodeResponse(llm.Response{Text: "a", Finish: llm.FinishStop, More: []llm.Response{{Text: "b", Finish: llm.FinishLength}}})
		if r, err := codec.Decode(body); err != nil || r.Text != "a" || !strings.Contains(string(body), want) {
			t.Errorf("%s: %+v, %v from %s", p, r, err, body)
		}
	}
	d, body := streamed(t, llm.OpenAI, func(e llm.FullStreamEncoder, b []byte) []byte {
		c := e.(llm.Chooser)
		b = e.Text(b, "a")
		c.Choice(1)
		b = c.EndChoice(e.Text(b, "b"), llm.FinishLength)
		c.Choice(0)
		return e.End(b, llm.FinishStop, nil)
	})
	if d.Text != "a" || d.Finish != llm.FinishStop || !strings.Contains(body, `{"index":1,"delta":{"content":"b"}`) || !strings.Contains(body, `{"index":1,"delta":{},"finish_reason":"length"}`) {
		t.Errorf("streamed %+v from %s", d, body)
	}
}
