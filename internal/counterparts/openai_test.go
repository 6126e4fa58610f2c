package counterparts

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/azure"
	"github.com/openai/openai-go/v3/option"

	"github.com/bellwether-llm/bellwether/internal/sim"
)

// openAIClients are the SDK as pointed at OpenAI and at Azure OpenAI.
func openAIClients(base, key string) map[string]openai.Client {
	transport := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	common := []option.RequestOption{option.WithMaxRetries(0), option.WithHTTPClient(transport)}
	return map[string]openai.Client{
		"openai": openai.NewClient(append([]option.RequestOption{option.WithBaseURL(base + "/v1"), option.WithAPIKey(key)}, common...)...),
		"azure":  openai.NewClient(append([]option.RequestOption{azure.WithUnsafeAllowHTTP(), azure.WithEndpoint(base, "2024-10-21"), azure.WithAPIKey(key)}, common...)...),
	}
}

func openAIQuestion(model, prompt string) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{
		Model: model, MaxCompletionTokens: openai.Int(100),
		Messages: []openai.ChatCompletionMessageParamUnion{openai.SystemMessage("Be brief."), openai.UserMessage(prompt)},
	}
}

func TestOpenAISDKReadsAPlainAnswer(t *testing.T) {
	_, base := serve(t)
	for name, c := range openAIClients(base, key) {
		t.Run(name, func(t *testing.T) {
			r, err := c.Chat.Completions.New(t.Context(), openAIQuestion(fast, capital))
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Choices) != 1 || !strings.HasPrefix(r.Choices[0].Message.Content, "Paris") || r.Choices[0].FinishReason != "stop" {
				t.Errorf("answer = %s, want Paris and stop", r.RawJSON())
			}
			if r.Usage.PromptTokens < 5 || r.Usage.CompletionTokens < 1 || r.Usage.TotalTokens != r.Usage.PromptTokens+r.Usage.CompletionTokens {
				t.Errorf("usage = %+v", r.Usage)
			}
			if r.Model != "gpt-4o" || r.ID == "" || r.Object != "chat.completion" || r.Created == 0 {
				t.Errorf("model %q, id %q, object %q, created %d", r.Model, r.ID, r.Object, r.Created)
			}
		})
	}
}

func TestOpenAISDKReadsAStream(t *testing.T) {
	_, base := serve(t)
	for name, c := range openAIClients(base, key) {
		t.Run(name, func(t *testing.T) {
			q := openAIQuestion(long, prose)
			q.StreamOptions = openai.ChatCompletionStreamOptionsParam{IncludeUsage: openai.Bool(true)}
			stream := c.Chat.Completions.NewStreaming(t.Context(), q)
			var all openai.ChatCompletionAccumulator
			pieces := 0
			for stream.Next() {
				chunk := stream.Current()
				if !all.AddChunk(chunk) {
					t.Fatalf("chunk %s does not fit the others", chunk.RawJSON())
				}
				if len(chunk.Choices) > 0 && chunk.Choices[0].Delta.Content != "" {
					pieces++
				}
			}
			if err := stream.Err(); err != nil {
				t.Fatal(err)
			}
			if pieces != 40 || all.Usage.CompletionTokens != 40 || len(all.Choices) != 1 || all.Choices[0].FinishReason != "stop" {
				t.Errorf("%d pieces, usage %+v, choices %+v; want 40, 40, one that stopped", pieces, all.Usage, all.Choices)
			}
		})
	}
}

func TestOpenAISDKReadsErrors(t *testing.T) {
	s, base := serve(t)
	fail(t, s, sim.Fault{Kind: sim.KindRateLimit, Value: 3})
	for _, tc := range []struct {
		key    string
		status int
		code   string
	}{{key, 429, "rate_limit_exceeded"}, {"wrong", 401, "invalid_api_key"}} {
		for name, c := range openAIClients(base, tc.key) {
			_, err := c.Chat.Completions.New(t.Context(), openAIQuestion(fast, capital))
			bad, ok := errors.AsType[*openai.Error](err)
			if !ok || bad.StatusCode != tc.status || bad.Code != tc.code || bad.Message == "" {
				t.Errorf("%s: plain: %v, want %d %s with a message", name, err, tc.status, tc.code)
				continue
			}
			if after := bad.Response.Header.Get("Retry-After"); tc.status == 429 && after != "3" {
				t.Errorf("%s: Retry-After %q, want 3", name, after)
			}
			stream := c.Chat.Completions.NewStreaming(t.Context(), openAIQuestion(fast, capital))
			for stream.Next() {
			}
			if bad, ok := errors.AsType[*openai.Error](stream.Err()); !ok || bad.StatusCode != tc.status {
				t.Errorf("%s: streamed: %v, want %d", name, stream.Err(), tc.status)
			}
		}
	}
}

func TestOpenAISDKSeesARefusal(t *testing.T) {
	s, base := serve(t)
	fail(t, s, sim.Fault{Kind: sim.KindRefuse})
	c := openAIClients(base, key)["openai"]
	r, err := c.Chat.Completions.New(t.Context(), openAIQuestion(fast, capital))
	if err != nil || r.Choices[0].Message.Refusal == "" || r.Choices[0].Message.Content != "" {
		t.Errorf("answer = %+v, %v; want a refusal without content", r, err)
	}
}

func TestOpenAISDKListsModels(t *testing.T) {
	_, base := serve(t)
	c := openAIClients(base, key)["openai"]
	page, err := c.Models.List(t.Context())
	if err != nil || len(page.Data) == 0 || page.Data[0].ID == "" {
		t.Errorf("models = %+v, %v", page, err)
	}
}
