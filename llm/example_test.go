package llm_test

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/bellwether-llm/bellwether/llm"
)

func ExampleFor() {
	codec, err := llm.For(llm.Anthropic)
	if err != nil {
		fmt.Println(err)
		return
	}
	call, err := codec.Encode(
		llm.Endpoint{BaseURL: "https://api.anthropic.com", Key: "sk-ant-..."},
		llm.Request{Model: "claude-sonnet-4-5", MaxTokens: 16, Messages: []llm.Message{
			{Role: llm.RoleSystem, Text: "Answer with one word."},
			{Role: llm.RoleUser, Text: "What is the capital of France?"},
		}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(call.Method, call.URL)
	fmt.Println(string(call.Body))
	// Output:
	// POST https://api.anthropic.com/v1/messages
	// {"model":"claude-sonnet-4-5","max_tokens":16,"system":"Answer with one word.","messages":[{"role":"user","content":"What is the capital of France?"}]}
}

// A stream is read event by event; it is whole when a finish was seen.
func ExampleNewScanner() {
	body := strings.NewReader("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Par\"}}]}\n\n" +
		": keep-alive\n\n" +
		"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"is\"},\"finish_reason\":\"stop\"}]}\n\n" +
		"data: [DONE]\n\n")
	codec, _ := llm.For(llm.OpenAI)
	events, decoder := llm.NewScanner(body, 1<<20), codec.Decoder()
	finish := llm.FinishNone
	for {
		ev, err := events.Next()
		if err != nil {
			fmt.Printf("finish %q, end of stream %v\n", finish, errors.Is(err, io.EOF))
			return
		}
		d, err := decoder.Decode(ev)
		if err != nil {
			continue // one malformed event amid good ones
		}
		fmt.Print(d.Text, " ")
		if d.Finish != llm.FinishNone {
			finish = d.Finish
		}
	}
	// Output: Par is  finish "stop", end of stream true
}

// What a protocol cannot express is refused by name, and can be dropped.
func ExampleRequest_Without() {
	openai, _ := llm.For(llm.OpenAI)
	r, _ := openai.DecodeRequest("/v1/chat/completions", []byte(`{"model":"chat","seed":7,"messages":[{"role":"user","content":"Hi"}]}`))
	anthropic, _ := llm.For(llm.Anthropic)
	_, err := anthropic.Encode(llm.Endpoint{}, r)
	fmt.Println(err)
	if e, ok := errors.AsType[*llm.UnsupportedError](err); ok {
		r, _ = r.Without(e.Fields)
		_, err = anthropic.Encode(llm.Endpoint{}, r)
		fmt.Println(err)
	}
	// Output:
	// anthropic cannot express seed
	// <nil>
}

func ExampleCodec_error() {
	codec, _ := llm.For(llm.OpenAI)
	e := codec.Error(429, nil, []byte(`{"error":{"message":"You exceeded your current quota.","type":"insufficient_quota","code":"insufficient_quota"}}`))
	fmt.Println(e.Outcome)
	// Output: no_credit
}

// A classifier is asked by a template, and read by JSON paths.
func ExampleBind() {
	e := llm.Endpoint{BaseURL: "https://models.example", HTTP: &llm.Template{
		Path: "/predict", Body: `{"inputs": ["{{prompt}}"]}`, Text: "outputs[0].label", Confidence: "outputs[0].score",
	}}
	codec, err := llm.For(llm.HTTP)
	if err != nil {
		fmt.Println(err)
		return
	}
	if codec, err = llm.Bind(codec, e); err != nil {
		fmt.Println(err)
		return
	}
	call, err := codec.Encode(e, llm.Request{Messages: []llm.Message{{Role: llm.RoleUser, Text: `I "like" it`}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	answer, err := codec.Decode([]byte(`{"outputs": [{"label": "positive", "score": 1}]}`))
	fmt.Println(call.Method, call.URL, string(call.Body))
	fmt.Println(answer.Text, *answer.MeanLogprob, err)
	// Output:
	// POST https://models.example/predict {"inputs": ["I \"like\" it"]}
	// positive 0 <nil>
}

// The parts of tool calls in a stream add up to calls.
func ExampleAppendToolCalls() {
	var calls []llm.ToolCall
	for _, parts := range [][]llm.ToolCallDelta{
		{{Index: 0, ID: "call_1", Name: "get_weather"}},
		{{Index: 0, Arguments: `{"city":`}},
		{{Index: 0, Arguments: `"Paris"}`}},
	} {
		calls = llm.AppendToolCalls(calls, parts)
	}
	fmt.Println(calls[0].Name, calls[0].Arguments)
	// Output: get_weather {"city":"Paris"}
}

// Some codecs know embeddings, too.
func ExampleEmbedder() {
	codec, err := llm.For(llm.Gemini)
	if err != nil {
		fmt.Println(err)
		return
	}
	embedder, ok := codec.(llm.Embedder)
	if !ok {
		fmt.Println("no embeddings")
		return
	}
	got, err := embedder.DecodeEmbeddings([]byte(`{"embedding": {"values": [0.6, 0.8]}}`))
	fmt.Println(got.Vectors, err)
	// Output: [[0.6 0.8]] <nil>
}
