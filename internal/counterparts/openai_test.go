package counterparts

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/azure"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/shared"

	"github.com/bellwether-llm/bellwether/internal/sim"
)

var openAIConduct = []conduct{
	{"plain chat", openAIPlain}, {"streamed chat", openAIStream}, {"errors", openAIErrors}, {"refusal", openAIRefusal}, {"broken streams", openAIBroken},
	{"parallel tool calls", openAITools}, {"streamed tool calls", openAIStreamedTools}, {"JSON schema", openAISchema}, {"log-probabilities", openAILogprobs},
	{"choices", openAIChoices}, {"stop sequences", openAIStop}, {"images in a question", openAIVision}, {"hidden reasoning", openAIReasoning},
	{"embeddings", openAIEmbeddings}, {"images", openAIImages}, {"completions", openAICompletions}, {"models", openAIModels},
	{"responses", responsesPlain}, {"streamed responses", responsesStream}, {"tools of responses", responsesTools}, {"reasoning of responses", responsesReasoning},
	{"JSON schema of responses", responsesSchema}, {"errors of responses", responsesErrors}, {"broken streams of responses", responsesBroken}, {"tokens of responses", responsesCount},
}

// openAIClients are the SDK as pointed at OpenAI and at Azure OpenAI, where
// they are spoken.
func openAIClients(at place) map[string]openai.Client {
	common := []option.RequestOption{option.WithMaxRetries(0), option.WithHTTPClient(web())}
	out := map[string]openai.Client{}
	if at.openai != "" {
		out["openai"] = openai.NewClient(append([]option.RequestOption{option.WithBaseURL(at.openai), option.WithAPIKey(at.key)}, common...)...)
	}
	if at.azure != "" {
		out["azure"] = openai.NewClient(append([]option.RequestOption{azure.WithUnsafeAllowHTTP(), azure.WithEndpoint(at.azure, "2024-10-21"), azure.WithAPIKey(at.key)}, common...)...)
	}
	return out
}

func openAIClient(at place) *openai.Client {
	c := openAIClients(at)["openai"]
	return &c
}

func openAIQuestion(model, prompt string) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{
		Model: model, MaxCompletionTokens: openai.Int(100),
		Messages: []openai.ChatCompletionMessageParamUnion{openai.SystemMessage("Be brief."), openai.UserMessage(prompt)},
	}
}

func openAIPlain(t testing.TB, at place) {
	for name, c := range openAIClients(at) {
		r, err := c.Chat.Completions.New(t.Context(), openAIQuestion(at.model(fast), capital))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(r.Choices) != 1 || !strings.HasPrefix(r.Choices[0].Message.Content, "Paris") || r.Choices[0].FinishReason != "stop" {
			t.Errorf("%s: answer = %s, want Paris and stop", name, r.RawJSON())
		}
		if r.Usage.PromptTokens < 5 || r.Usage.CompletionTokens < 1 || r.Usage.TotalTokens != r.Usage.PromptTokens+r.Usage.CompletionTokens {
			t.Errorf("%s: usage = %+v", name, r.Usage)
		}
		if r.Model == "" || r.ID == "" || r.Object != "chat.completion" || r.Created == 0 {
			t.Errorf("%s: model %q, id %q, object %q, created %d", name, r.Model, r.ID, r.Object, r.Created)
		}
	}
}

func openAIStream(t testing.TB, at place) {
	for name, c := range openAIClients(at) {
		q := openAIQuestion(at.model(long), prose)
		q.StreamOptions = openai.ChatCompletionStreamOptionsParam{IncludeUsage: openai.Bool(true)}
		all, usages, err := accumulate(t, &c, q)
		if err != nil || usages != 1 || all.Usage.CompletionTokens != 40 || len(all.Choices) != 1 || all.Choices[0].FinishReason != "stop" || len(all.Choices[0].Message.Content) < 100 {
			t.Errorf("%s: %v, %d usages, %+v, choices %+v; want one usage of 40 and one choice that stopped", name, err, usages, all.Usage, all.Choices)
		}
		if _, usages, err = accumulate(t, &c, openAIQuestion(at.model(long), prose)); err != nil || usages != 0 {
			t.Errorf("%s: unasked: %d usages, %v", name, usages, err)
		}
	}
}

// accumulate reads a stream to its end, and counts the chunks with a usage.
func accumulate(t testing.TB, c *openai.Client, q openai.ChatCompletionNewParams) (all openai.ChatCompletionAccumulator, usages int, err error) {
	t.Helper()
	stream := c.Chat.Completions.NewStreaming(t.Context(), q)
	defer func() { _ = stream.Close() }()
	for stream.Next() {
		chunk := stream.Current()
		if !all.AddChunk(chunk) {
			t.Fatalf("chunk %s does not fit the others", chunk.RawJSON())
		}
		if chunk.JSON.Usage.Valid() {
			usages++
		}
	}
	return all, usages, stream.Err()
}

// wantOpenAIError checks what an SDK made of a refusal.
func wantOpenAIError(t testing.TB, what string, err error, status int, typ string) {
	t.Helper()
	bad, ok := errors.AsType[*openai.Error](err)
	if !ok || bad.StatusCode != status || bad.Message == "" || typ != "" && bad.Type != typ {
		t.Errorf("%s: %v, want %d %s with a message", what, err, status, typ)
		return
	}
	if after := bad.Response.Header.Get("Retry-After"); status == 429 && after == "" {
		t.Errorf("%s: no Retry-After", what)
	}
}

func openAIErrors(t testing.TB, at place) {
	for _, r := range refusals {
		fault := sim.Fault{Kind: sim.KindStatus, Value: float64(r.status)}
		if r.status == 429 {
			fault = sim.Fault{Kind: sim.KindRateLimit, Value: 3}
		}
		fail(t, at.sim, fault)
		for name, c := range openAIClients(at) {
			_, err := c.Chat.Completions.New(t.Context(), openAIQuestion(at.model(fast), capital))
			wantOpenAIError(t, name, err, r.status, r.openai)
			_, _, err = accumulate(t, &c, openAIQuestion(at.model(fast), capital))
			wantOpenAIError(t, name+" streamed", err, r.status, r.openai)
		}
	}
	fail(t, at.sim, sim.Fault{Kind: sim.KindVanish, Model: "gpt-4o"})
	_, err := openAIClient(at).Chat.Completions.New(t.Context(), openAIQuestion(at.model(fast), capital))
	if bad, ok := errors.AsType[*openai.Error](err); !ok || bad.StatusCode != 404 || bad.Code != "model_not_found" {
		t.Errorf("a model that vanished: %v", err)
	}
	at.key = "wrong"
	for name, c := range openAIClients(at) {
		_, err := c.Chat.Completions.New(t.Context(), openAIQuestion(at.model(fast), capital))
		wantOpenAIError(t, name+" with a wrong key", err, 401, "")
	}
}

func openAIRefusal(t testing.TB, at place) {
	fail(t, at.sim, sim.Fault{Kind: sim.KindRefuse})
	c := openAIClient(at)
	r, err := c.Chat.Completions.New(t.Context(), openAIQuestion(at.model(fast), capital))
	if err != nil || r.Choices[0].Message.Refusal == "" || r.Choices[0].Message.Content != "" {
		t.Errorf("answer = %+v, %v; want a refusal without content", r, err)
	}
	all, _, err := accumulate(t, c, openAIQuestion(at.model(fast), capital))
	if err != nil || all.Choices[0].Message.Refusal == "" || all.Choices[0].Message.Content != "" {
		t.Errorf("streamed: %+v, %v; want a refusal without content", all.Choices, err)
	}
}

// openAIBroken holds what the SDK makes of streams that break, from a provider
// that does not tell: it takes one that is cut off for whole, so that only the
// finish is missing.
func openAIBroken(t testing.TB, at place) {
	for kind, want := range map[sim.Kind]bool{sim.KindTruncate: false, sim.KindReset: true, sim.KindMalformed: true} {
		fail(t, at.sim, sim.Fault{Kind: kind, Value: 5})
		c := openAIClient(at)
		all, _, err := accumulate(t, c, openAIQuestion(at.model(long), prose))
		if (err != nil) != want || len(all.Choices) != 1 || all.Choices[0].FinishReason != "" || all.Choices[0].Message.Content == "" {
			t.Errorf("%s: %v, %+v; want an error %v, the beginning and no finish", kind, err, all.Choices, want)
		}
		if _, err := c.Chat.Completions.New(t.Context(), openAIQuestion(at.model(long), prose)); err == nil {
			t.Errorf("%s, plain: no error", kind)
		}
	}
	fail(t, at.sim, sim.Fault{Kind: sim.KindNoDone})
	if all, _, err := accumulate(t, openAIClient(at), openAIQuestion(at.model(long), prose)); err != nil || all.Choices[0].FinishReason != "stop" {
		t.Errorf("without [DONE]: %v, %+v", err, all.Choices)
	}
}

var openAIWeather = openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{Name: "get_weather", Description: openai.String("Returns the weather of a city."), Parameters: weatherParameters})

func openAITools(t testing.TB, at place) {
	c := openAIClient(at)
	q := openAIQuestion(at.model(fast), weather)
	q.Tools = []openai.ChatCompletionToolUnionParam{openAIWeather}
	r, err := c.Chat.Completions.New(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	calls := r.Choices[0].Message.ToolCalls
	if len(calls) != 2 || r.Choices[0].FinishReason != "tool_calls" || calls[0].ID == "" || calls[0].ID == calls[1].ID || calls[0].Function.Name != "get_weather" {
		t.Fatalf("answer = %s, want two calls", r.RawJSON())
	}
	wantWeather(t, calls[0].Function.Arguments, "Paris")
	wantWeather(t, calls[1].Function.Arguments, "Tokyo")
	q.Messages = append(q.Messages, r.Choices[0].Message.ToParam(), openai.ToolMessage("18 degrees", calls[0].ID), openai.ToolMessage("25 degrees", calls[1].ID))
	r, err = c.Chat.Completions.New(t.Context(), q)
	if err != nil || !strings.Contains(r.Choices[0].Message.Content, "18 degrees") || !strings.Contains(r.Choices[0].Message.Content, "25 degrees") {
		t.Errorf("after the results: %+v, %v", r, err)
	}
	q = openAIQuestion(at.model(fast), weather)
	q.Tools, q.ParallelToolCalls = []openai.ChatCompletionToolUnionParam{openAIWeather}, openai.Bool(false)
	if r, err = c.Chat.Completions.New(t.Context(), q); err != nil || len(r.Choices[0].Message.ToolCalls) != 1 {
		t.Errorf("one call at most: %+v, %v", r, err)
	}
	q = openAIQuestion(at.model(fast), prose)
	q.Tools = []openai.ChatCompletionToolUnionParam{openAIWeather}
	if r, err = c.Chat.Completions.New(t.Context(), q); err != nil || len(r.Choices[0].Message.ToolCalls) != 0 {
		t.Errorf("a question that has nothing to do with the tool: %+v, %v", r, err)
	}
}

func openAIStreamedTools(t testing.TB, at place) {
	q := openAIQuestion(at.model(fast), weather)
	q.Tools = []openai.ChatCompletionToolUnionParam{openAIWeather}
	all, _, err := accumulate(t, openAIClient(at), q)
	if err != nil || len(all.Choices) != 1 || all.Choices[0].FinishReason != "tool_calls" || len(all.Choices[0].Message.ToolCalls) != 2 {
		t.Fatalf("stream = %+v, %v; want two calls", all.Choices, err)
	}
	for i, city := range []string{"Paris", "Tokyo"} {
		call := all.Choices[0].Message.ToolCalls[i]
		if call.ID == "" || call.Function.Name != "get_weather" {
			t.Errorf("call = %+v", call)
		}
		wantWeather(t, call.Function.Arguments, city)
	}
}

func openAISchema(t testing.TB, at place) {
	q := openAIQuestion(at.model(fast), asked)
	q.ResponseFormat.OfJSONSchema = &shared.ResponseFormatJSONSchemaParam{JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{Name: "city", Schema: citySchema, Strict: openai.Bool(true)}}
	r, err := openAIClient(at).Chat.Completions.New(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	wantCity(t, r.Choices[0].Message.Content)
}

func openAILogprobs(t testing.TB, at place) {
	q := openAIQuestion(at.model(fast), capital)
	q.Logprobs = openai.Bool(true)
	c := openAIClient(at)
	r, err := c.Chat.Completions.New(t.Context(), q)
	if err != nil || len(r.Choices[0].Logprobs.Content) == 0 || r.Choices[0].Logprobs.Content[0].Token != "Paris" || r.Choices[0].Logprobs.Content[0].Logprob >= 0 {
		t.Errorf("plain: %+v, %v", r, err)
	}
	all, _, err := accumulate(t, c, q)
	if err != nil || len(all.Choices[0].Logprobs.Content) == 0 || all.Choices[0].Logprobs.Content[0].Token != "Paris" {
		t.Errorf("streamed: %+v, %v", all.Choices, err)
	}
}

func openAIChoices(t testing.TB, at place) {
	q := openAIQuestion(at.model(long), prose)
	q.N = openai.Int(3)
	c := openAIClient(at)
	r, err := c.Chat.Completions.New(t.Context(), q)
	if err != nil || len(r.Choices) != 3 || r.Choices[2].Index != 2 || r.Choices[0].Message.Content == r.Choices[1].Message.Content || r.Usage.CompletionTokens != 120 {
		t.Errorf("plain: %+v, %v; want three choices", r, err)
	}
	all, _, err := accumulate(t, c, q)
	if err != nil || len(all.Choices) != 3 {
		t.Fatalf("streamed: %+v, %v; want three choices", all.Choices, err)
	}
	for _, ch := range all.Choices {
		if ch.FinishReason != "stop" || len(ch.Message.Content) < 100 {
			t.Errorf("streamed: choice = %+v", ch)
		}
	}
}

func openAIStop(t testing.TB, at place) {
	q := openAIQuestion(at.model(fast), "Count from 1 to 9.")
	q.Stop.OfStringArray = []string{", 5"}
	r, err := openAIClient(at).Chat.Completions.New(t.Context(), q)
	if err != nil || r.Choices[0].Message.Content != "1, 2, 3, 4" || r.Choices[0].FinishReason != "stop" {
		t.Errorf("answer = %+v, %v; want 1 to 4", r, err)
	}
}

func openAIVision(t testing.TB, at place) {
	c := openAIClient(at)
	p, err := c.Images.Generate(t.Context(), openai.ImageGenerateParams{Model: at.model(quick("gpt-image-1")), Prompt: "a plain green wall"})
	if err != nil || len(p.Data) != 1 {
		t.Fatalf("picture = %+v, %v", p, err)
	}
	q := openAIQuestion(at.model(fast), "")
	q.Messages = []openai.ChatCompletionMessageParamUnion{openai.UserMessage([]openai.ChatCompletionContentPartUnionParam{
		openai.TextContentPart("What color is this picture? One word."),
		openai.ImageContentPart(openai.ChatCompletionContentPartImageImageURLParam{URL: "data:image/png;base64," + p.Data[0].B64JSON}),
	})}
	r, err := c.Chat.Completions.New(t.Context(), q)
	if err != nil || !strings.HasPrefix(r.Choices[0].Message.Content, "Green") || r.Usage.PromptTokens < 200 {
		t.Errorf("answer = %+v, %v; want Green", r, err)
	}
}

func openAIReasoning(t testing.TB, at place) {
	q := openAIQuestion(at.model(quick("o4-mini")), capital)
	r, err := openAIClient(at).Chat.Completions.New(t.Context(), q)
	if err != nil || r.Usage.CompletionTokensDetails.ReasoningTokens < 10 || !strings.HasPrefix(r.Choices[0].Message.Content, "Paris") {
		t.Errorf("answer = %+v, %v; want reasoning tokens and Paris", r, err)
	}
	q.MaxCompletionTokens = openai.Int(5)
	if r, err = openAIClient(at).Chat.Completions.New(t.Context(), q); err != nil || r.Choices[0].FinishReason != "length" || r.Choices[0].Message.Content != "" {
		t.Errorf("without room: %+v, %v; want nothing, cut at length", r, err)
	}
}

func openAIEmbeddings(t testing.TB, at place) {
	c := openAIClient(at)
	ask := func(q openai.EmbeddingNewParams) *openai.CreateEmbeddingResponse {
		t.Helper()
		q.Model = at.model(quick("text-embedding-3-small"))
		r, err := c.Embeddings.New(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	q := openai.EmbeddingNewParams{Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"the cat sat on the mat", "a cat sat on a mat", "quarterly revenue grew"}}}
	r := ask(q)
	if len(r.Data) != 3 || len(r.Data[0].Embedding) != 1536 || r.Usage.PromptTokens < 3 {
		t.Fatalf("embeddings = %d, usage %+v", len(r.Data), r.Usage)
	}
	again := ask(q)
	if dot(r.Data[0].Embedding, again.Data[0].Embedding) < 0.9999 {
		t.Error("the same text has another vector")
	}
	if near, far := dot(r.Data[0].Embedding, r.Data[1].Embedding), dot(r.Data[0].Embedding, r.Data[2].Embedding); near < 0.4 || far > 0.2 {
		t.Errorf("cosine to a like text %.3f, to another %.3f", near, far)
	}
	q = openai.EmbeddingNewParams{Input: openai.EmbeddingNewParamsInputUnion{OfString: openai.String("x")}, Dimensions: openai.Int(256)}
	if r = ask(q); len(r.Data[0].Embedding) != 256 || dot(r.Data[0].Embedding, r.Data[0].Embedding) < 0.999 {
		t.Errorf("of %d dimensions, want 256 and length 1", len(r.Data[0].Embedding))
	}
	q.EncodingFormat = openai.EmbeddingNewParamsEncodingFormatBase64
	raw := ask(q).Data[0].JSON.Embedding.Raw()
	if b, err := base64.StdEncoding.DecodeString(strings.Trim(raw, `"`)); err != nil || len(b) != 4*256 {
		t.Errorf("base64: %d bytes, %v", len(b), err)
	}
	fail(t, at.sim, sim.Fault{Kind: sim.KindRateLimit, Value: 2})
	_, err := c.Embeddings.New(t.Context(), openai.EmbeddingNewParams{Model: at.model(quick("text-embedding-3-small")), Input: q.Input})
	wantOpenAIError(t, "limited", err, 429, "")
}

func dot[T float32 | float64](a, b []T) float64 {
	sum := 0.0
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

func openAIImages(t testing.TB, at place) {
	c := openAIClient(at)
	q := openai.ImageGenerateParams{Model: at.model(quick("gpt-image-1")), Prompt: "a red house", N: openai.Int(2)}
	r, err := c.Images.Generate(t.Context(), q)
	if err != nil || len(r.Data) != 2 || r.Data[0].B64JSON == r.Data[1].B64JSON || r.Usage.OutputTokens == 0 {
		t.Fatalf("images = %+v, %v", r, err)
	}
	wantPNG(t, r.Data[0].B64JSON)
	fail(t, at.sim, sim.Fault{Kind: sim.KindRefuse})
	_, err = c.Images.Generate(t.Context(), q)
	wantOpenAIError(t, "refused", err, 400, "")
}

func wantPNG(t testing.TB, data string) {
	t.Helper()
	if b, err := base64.StdEncoding.DecodeString(data); err != nil || !strings.HasPrefix(string(b), "\x89PNG") {
		t.Errorf("no PNG: %.40s, %v", data, err)
	}
}

func openAICompletions(t testing.TB, at place) {
	c := openAIClient(at)
	q := openai.CompletionNewParams{Model: openai.CompletionNewParamsModel(at.model(fast)), Prompt: openai.CompletionNewParamsPromptUnion{OfString: openai.String("Count from 1 to 12.")}, MaxTokens: openai.Int(100)}
	r, err := c.Completions.New(t.Context(), q)
	if err != nil || len(r.Choices) != 1 || !strings.HasSuffix(r.Choices[0].Text, "11, 12") || r.Choices[0].FinishReason != "stop" || r.Object != "text_completion" || r.Usage.TotalTokens == 0 {
		t.Errorf("answer = %+v, %v", r, err)
	}
	stream := c.Completions.NewStreaming(t.Context(), q)
	text, finish := "", ""
	for stream.Next() {
		for _, ch := range stream.Current().Choices {
			text += ch.Text
			finish += string(ch.FinishReason)
		}
	}
	if stream.Err() != nil || !strings.HasSuffix(text, "11, 12") || finish != "stop" {
		t.Errorf("stream = %q, %q, %v", text, finish, stream.Err())
	}
}

func openAIModels(t testing.TB, at place) {
	c := openAIClient(at)
	listed := func(id string) bool {
		pages := c.Models.ListAutoPaging(t.Context())
		for pages.Next() {
			if pages.Current().ID == id {
				return true
			}
		}
		if pages.Err() != nil {
			t.Error(pages.Err())
		}
		return false
	}
	id := at.model("gpt-4o")
	if m, err := c.Models.Get(t.Context(), id); !listed(id) || err != nil || m.ID != id {
		t.Errorf("model = %+v, %v; listed %v", m, err, listed(id))
	}
	fail(t, at.sim, sim.Fault{Kind: sim.KindVanish, Model: "gpt-4o"})
	if _, err := c.Models.Get(t.Context(), id); listed(id) || err == nil {
		t.Errorf("vanished: %v; listed %v", err, listed(id))
	}
}
