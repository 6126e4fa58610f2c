package counterparts

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"
	"google.golang.org/genai"

	"context"
)

// inquiry is what a scenario asks, in no dialect's words.
type inquiry struct {
	prompt string
	tool   bool     // offer the weather tool
	round  bool     // ask, answer the calls, ask again
	image  bool     // beside the prompt
	schema bool     // of a city
	stop   []string // sequences
	n      int
	stream bool
}

// heard is what an official client made of the answer, in no dialect's words.
type heard struct {
	Texts  []string // of each choice
	Calls  []string // name and arguments, in order
	Finish []string
	Input  int
	Output int
	Events string // the kinds of events in their order, repetitions once
	Error  string // status and type
}

// voice is an official client.
type voice struct {
	sdk   string
	model string
	ask   func(ctx context.Context, t testing.TB, at place, model string, q inquiry) heard
}

var voices = []voice{
	{"openai", fast, askChat}, {"responses", fast, askResponses}, {"anthropic", fast, askMessages}, {"genai", quick("gemini-2.5-flash"), askGemini},
}

// order joins kinds, each run of the same one once.
func order(kinds []string) string {
	var out []string
	for _, k := range kinds {
		if len(out) == 0 || out[len(out)-1] != k {
			out = append(out, k)
		}
	}
	return strings.Join(out, " ")
}

// settled writes arguments in one form.
func settledJSON(s string) string {
	var v any
	if json.Unmarshal([]byte(s), &v) != nil {
		return s
	}
	b, _ := json.Marshal(v)
	return string(b)
}

func told(err error) string {
	if e, ok := errors.AsType[*openai.Error](err); ok {
		return fmt.Sprint(e.StatusCode, " ", e.Type)
	}
	if e, ok := errors.AsType[*anthropic.Error](err); ok {
		return fmt.Sprint(e.StatusCode, " ", e.Type())
	}
	if e, ok := errors.AsType[genai.APIError](err); ok {
		return fmt.Sprint(e.Code, " ", e.Status)
	}
	if err != nil {
		return "broken"
	}
	return ""
}

func askChat(ctx context.Context, t testing.TB, at place, model string, q inquiry) (h heard) {
	c, p := openAIClient(at), openAIQuestion(at.model(model), q.prompt)
	if q.image {
		p.Messages[1] = openai.UserMessage([]openai.ChatCompletionContentPartUnionParam{
			openai.ImageContentPart(openai.ChatCompletionContentPartImageImageURLParam{URL: "data:image/png;base64," + redPixel}), openai.TextContentPart(q.prompt)})
	}
	if q.tool {
		p.Tools = []openai.ChatCompletionToolUnionParam{openAIWeather}
	}
	if q.schema {
		p.ResponseFormat.OfJSONSchema = &shared.ResponseFormatJSONSchemaParam{JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{Name: "city", Schema: citySchema, Strict: openai.Bool(true)}}
	}
	p.Stop.OfStringArray = q.stop
	if q.n > 0 {
		p.N = openai.Int(int64(q.n))
	}
	if q.round {
		r, err := c.Chat.Completions.New(ctx, p)
		if err != nil {
			return heard{Error: told(err)}
		}
		p.Messages = append(p.Messages, r.Choices[0].Message.ToParam())
		for i, call := range r.Choices[0].Message.ToolCalls {
			p.Messages = append(p.Messages, openai.ToolMessage(fmt.Sprint(18+i, " degrees"), call.ID))
		}
	}
	var all []openai.ChatCompletionChoice
	var u openai.CompletionUsage
	if q.stream {
		p.StreamOptions = openai.ChatCompletionStreamOptionsParam{IncludeUsage: openai.Bool(true)}
		var acc openai.ChatCompletionAccumulator
		var kinds []string
		s := c.Chat.Completions.NewStreaming(ctx, p)
		for s.Next() {
			chunk := s.Current()
			acc.AddChunk(chunk)
			kinds = append(kinds, chunkKind(chunk))
		}
		_ = s.Close()
		all, u, h.Events, h.Error = acc.Choices, acc.Usage, order(kinds), told(s.Err())
	} else {
		r, err := c.Chat.Completions.New(ctx, p)
		if err != nil {
			return heard{Error: told(err)}
		}
		all, u = r.Choices, r.Usage
	}
	h.Input, h.Output = int(u.PromptTokens), int(u.CompletionTokens)
	for _, ch := range all {
		h.Texts, h.Finish = append(h.Texts, ch.Message.Content+ch.Message.Refusal), append(h.Finish, ch.FinishReason)
		for _, call := range ch.Message.ToolCalls {
			h.Calls = append(h.Calls, call.Function.Name+settledJSON(call.Function.Arguments))
		}
	}
	return h
}

func chunkKind(c openai.ChatCompletionChunk) string {
	switch {
	case len(c.Choices) == 0:
		return "usage"
	case c.Choices[0].FinishReason != "":
		return "finish"
	case len(c.Choices[0].Delta.ToolCalls) > 0:
		return "call"
	case c.Choices[0].Delta.Content != "":
		return "text"
	}
	return "begin"
}

func askResponses(ctx context.Context, t testing.TB, at place, model string, q inquiry) (h heard) {
	c, p := openAIClient(at), responsesQuestion(at.model(model), q.prompt)
	if q.image {
		p.Input = responses.ResponseNewParamsInputUnion{OfInputItemList: responses.ResponseInputParam{responses.ResponseInputItemParamOfMessage(responses.ResponseInputMessageContentListParam{
			{OfInputImage: &responses.ResponseInputImageParam{ImageURL: openai.String("data:image/png;base64," + redPixel), Detail: "auto"}}, responses.ResponseInputContentParamOfInputText(q.prompt)}, "user")}}
	}
	if q.tool {
		p.Tools = []responses.ToolUnionParam{{OfFunction: &responses.FunctionToolParam{Name: "get_weather", Description: openai.String("Returns the weather of a city."), Parameters: weatherParameters, Strict: openai.Bool(false)}}}
	}
	if q.schema {
		p.Text = responses.ResponseTextConfigParam{Format: responses.ResponseFormatTextConfigUnionParam{OfJSONSchema: &responses.ResponseFormatTextJSONSchemaConfigParam{Name: "city", Schema: citySchema, Strict: openai.Bool(true)}}}
	}
	if q.round {
		r, err := c.Responses.New(ctx, p)
		if err != nil {
			return heard{Error: told(err)}
		}
		var calls, results responses.ResponseInputParam
		for _, o := range r.Output {
			if o.Type == "function_call" {
				calls = append(calls, responses.ResponseInputItemParamOfFunctionCall(o.Arguments.OfString, o.CallID, o.Name))
				result := responses.ResponseInputItemParamOfFunctionCallOutput(fmt.Sprint(17+len(calls), " degrees"))
				result.OfFunctionCallOutput.CallID = openai.String(o.CallID)
				results = append(results, result)
			}
		}
		items := results
		if at.name == nil { // the simulator keeps nothing
			items = append(append(responses.ResponseInputParam{responses.ResponseInputItemParamOfMessage(q.prompt, "user")}, calls...), results...)
		} else {
			p.PreviousResponseID = openai.String(r.ID)
		}
		p.Input = responses.ResponseNewParamsInputUnion{OfInputItemList: items}
	}
	var r *responses.Response
	var err error
	if q.stream {
		var kinds []string
		s := c.Responses.NewStreaming(ctx, p)
		for s.Next() {
			ev := s.Current()
			kinds = append(kinds, ev.Type)
			if strings.HasPrefix(ev.Type, "response.completed") || ev.Type == "response.incomplete" {
				r = &ev.Response
			}
			if ev.Type == "error" {
				h.Error = "broken"
			}
		}
		_ = s.Close()
		err = s.Err()
		h.Events = order(kinds)
	} else {
		r, err = c.Responses.New(ctx, p)
	}
	if err != nil {
		h.Error = told(err)
	}
	if r == nil {
		return h
	}
	h.Texts, h.Finish, h.Input, h.Output = []string{r.OutputText()}, []string{string(r.Status)}, int(r.Usage.InputTokens), int(r.Usage.OutputTokens)
	for _, o := range r.Output {
		if o.Type == "function_call" {
			h.Calls = append(h.Calls, o.Name+settledJSON(o.Arguments.OfString))
		}
	}
	return h
}

func askMessages(ctx context.Context, t testing.TB, at place, model string, q inquiry) (h heard) {
	c, p := anthropicClient(at), anthropicQuestion(at.model(model), q.prompt)
	p.StopSequences = q.stop
	if q.image {
		p.Messages = []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewImageBlockBase64("image/png", redPixel), anthropic.NewTextBlock(q.prompt))}
	}
	if q.tool {
		p.Tools = anthropicWeather()
	}
	if q.schema {
		p.OutputConfig = anthropic.OutputConfigParam{Format: anthropic.JSONOutputFormatParam{Schema: citySchema}}
	}
	if q.round {
		r, err := c.Messages.New(ctx, p)
		if err != nil {
			return heard{Error: told(err)}
		}
		var results []anthropic.ContentBlockParamUnion
		for _, b := range r.Content {
			if b.Type == "tool_use" {
				results = append(results, anthropic.NewToolResultBlock(b.ID, fmt.Sprint(18+len(results), " degrees"), false))
			}
		}
		p.Messages = append(p.Messages, r.ToParam(), anthropic.NewUserMessage(results...))
	}
	var all anthropic.Message
	if q.stream {
		var kinds []string
		s := c.Messages.NewStreaming(ctx, p)
		for s.Next() {
			ev := s.Current()
			if err := all.Accumulate(ev); err != nil {
				t.Errorf("event %s does not fit: %v", ev.RawJSON(), err)
			}
			kinds = append(kinds, ev.Type)
		}
		_ = s.Close()
		h.Events, h.Error = order(kinds), told(s.Err())
	} else {
		r, err := c.Messages.New(ctx, p)
		if err != nil {
			return heard{Error: told(err)}
		}
		all = *r
	}
	text := ""
	for _, b := range all.Content {
		text += b.Text
		if b.Type == "tool_use" {
			h.Calls = append(h.Calls, b.Name+settledJSON(string(b.Input)))
		}
	}
	h.Texts, h.Finish, h.Input, h.Output = []string{text}, []string{string(all.StopReason)}, int(all.Usage.InputTokens), int(all.Usage.OutputTokens)
	return h
}

func askGemini(ctx context.Context, t testing.TB, at place, model string, q inquiry) (h heard) {
	c, config := genaiClient(t, at), genaiConfig()
	config.MaxOutputTokens, config.StopSequences, config.CandidateCount = 100, q.stop, int32(q.n)
	parts := []*genai.Part{genai.NewPartFromText(q.prompt)}
	if q.image {
		png, _ := base64.StdEncoding.DecodeString(redPixel)
		parts = append([]*genai.Part{genai.NewPartFromBytes(png, "image/png")}, parts...)
	}
	if q.tool {
		config.Tools = []*genai.Tool{{FunctionDeclarations: []*genai.FunctionDeclaration{{Name: "get_weather", Description: "Returns the weather of a city.", ParametersJsonSchema: weatherParameters}}}}
	}
	if q.schema {
		config.ResponseMIMEType, config.ResponseJsonSchema = "application/json", citySchema
	}
	talk := []*genai.Content{genai.NewContentFromParts(parts, genai.RoleUser)}
	if q.round {
		r, err := c.GenerateContent(ctx, genaiModel(at, model), talk, config)
		if err != nil {
			return heard{Error: told(err)}
		}
		var results []*genai.Part
		for i, call := range r.FunctionCalls() {
			results = append(results, genai.NewPartFromFunctionResponse(call.Name, map[string]any{"output": fmt.Sprint(18+i, " degrees")}))
		}
		talk = append(talk, r.Candidates[0].Content, genai.NewContentFromParts(results, genai.RoleUser))
	}
	add := func(r *genai.GenerateContentResponse) {
		for i, cand := range r.Candidates {
			for len(h.Texts) <= i {
				h.Texts, h.Finish = append(h.Texts, ""), append(h.Finish, "")
			}
			if cand.FinishReason != "" {
				h.Finish[i] = string(cand.FinishReason)
			}
			if cand.Content == nil {
				continue
			}
			for _, p := range cand.Content.Parts {
				if !p.Thought {
					h.Texts[i] += p.Text
				}
				if p.FunctionCall != nil {
					b, _ := json.Marshal(p.FunctionCall.Args)
					h.Calls = append(h.Calls, p.FunctionCall.Name+settledJSON(string(b)))
				}
			}
		}
		if u := r.UsageMetadata; u != nil {
			h.Input, h.Output = int(u.PromptTokenCount), int(u.CandidatesTokenCount+u.ThoughtsTokenCount)
		}
	}
	if !q.stream {
		r, err := c.GenerateContent(ctx, genaiModel(at, model), talk, config)
		if err != nil {
			return heard{Error: told(err)}
		}
		add(r)
		return h
	}
	for r, err := range c.GenerateContentStream(ctx, genaiModel(at, model), talk, config) {
		if err != nil {
			h.Error = told(err)
			break
		}
		add(r)
	}
	return h
}
