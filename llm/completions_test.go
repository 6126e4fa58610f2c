package llm_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/bellwether-llm/bellwether/llm"
)

// completion is what a client reads of an answer or a chunk.
type completion struct {
	ID, Object, Model string
	Choices           []struct {
		Text     string
		Index    int
		Finish   *string `json:"finish_reason"`
		Logprobs *struct {
			Tokens   []string
			Logprobs []float64 `json:"token_logprobs"`
			Offsets  []int     `json:"text_offset"`
		}
	}
	Usage *struct {
		Total int `json:"total_tokens"`
	}
}

func TestCompletionsReadABarePrompt(t *testing.T) {
	r, err := llm.Completions{}.DecodeRequest("/v1/completions", []byte(`{"model":"m","prompt":["Hello"],"max_tokens":3,"stop":"\n","logprobs":0,"stream":true,"stream_options":{"include_usage":true},"n":2,"echo":false}`))
	if err != nil || len(r.Messages) != 1 || r.Messages[0].Text != "Hello" || r.MaxTokens != 3 || !r.Logprobs || !r.Stream || !r.StreamUsage || r.Stop[0] != "\n" || string(r.Extra["n"]) != "2" {
		t.Errorf("read %+v, %v", r, err)
	}
	for _, bad := range []string{`{`, `{"model":"m"}`, `{"prompt":["a","b"]}`, `{"prompt":[1,2]}`, `{"prompt":"a","max_tokens":-1}`} {
		if _, err := (llm.Completions{}).DecodeRequest("/v1/completions", []byte(bad)); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
}

func TestCompletionsWriteEveryChoiceWhole(t *testing.T) {
	body := llm.Completions{}.EncodeResponse(llm.Response{ID: "cmpl-1", Model: "m", Text: "ab", Finish: llm.FinishStop, Usage: &llm.Usage{Input: 1, Output: 4},
		Tokens: []string{"a", "b"}, Logprobs: []float64{-1, -2}, More: []llm.Response{{Text: "cd", Finish: llm.FinishLength}}})
	var c completion
	if err := json.Unmarshal(body, &c); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	if c.Object != "text_completion" || len(c.Choices) != 2 || c.Choices[0].Text != "ab" || c.Choices[1].Index != 1 || *c.Choices[1].Finish != "length" ||
		c.Choices[0].Logprobs.Offsets[1] != 1 || c.Choices[1].Logprobs != nil || c.Usage.Total != 5 {
		t.Errorf("wrote %s", body)
	}
}

func TestStreamedCompletionsAddUpByChoice(t *testing.T) {
	e := llm.Completions{}.Encoder(llm.Request{StreamUsage: true}, "cmpl-1", "m")
	full, ok := e.(llm.FullStreamEncoder)
	chooser, more := e.(llm.Chooser)
	if !ok || !more {
		t.Fatal("the encoder lacks a method")
	}
	b := full.Start(nil, nil)
	b = full.Logprobs(full.Text(b, "a"), []string{"a"}, []float64{-1})
	chooser.Choice(1)
	b = chooser.EndChoice(full.Text(b, "b"), llm.FinishLength)
	chooser.Choice(0)
	b = full.End(b, llm.FinishStop, &llm.Usage{Input: 1, Output: 2})
	text, ends, last := map[int]string{}, map[int]string{}, completion{}
	events := strings.Split(strings.TrimSpace(string(b)), "\n\n")
	for _, ev := range events[:len(events)-1] {
		last = completion{}
		if err := json.Unmarshal([]byte(strings.TrimPrefix(ev, "data: ")), &last); err != nil {
			t.Fatalf("%s: %v", ev, err)
		}
		for _, c := range last.Choices {
			text[c.Index] += c.Text
			if c.Finish != nil {
				ends[c.Index] = *c.Finish
			}
		}
	}
	if text[0] != "a" || text[1] != "b" || ends[0] != "stop" || ends[1] != "length" || last.Usage == nil || len(last.Choices) != 0 || events[len(events)-1] != "data: [DONE]" {
		t.Errorf("streamed %s", b)
	}
}

func FuzzCompletionsRequest(f *testing.F) {
	f.Add([]byte(`{"model":"m","prompt":"x","logprobs":1}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if r, err := (llm.Completions{}).DecodeRequest("", body); err == nil && len(r.Messages) != 1 {
			t.Errorf("%s: read %+v", body, r)
		}
	})
}
