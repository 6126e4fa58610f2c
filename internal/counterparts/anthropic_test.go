package counterparts

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"

	"github.com/bellwether-llm/bellwether/internal/sim"
)

func anthropicClient(base, key string) *anthropic.Client {
	c := anthropic.NewClient(option.WithBaseURL(base), option.WithAPIKey(key), option.WithMaxRetries(0),
		option.WithHTTPClient(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}))
	return &c
}

func anthropicQuestion(model, prompt string) anthropic.MessageNewParams {
	return anthropic.MessageNewParams{
		Model: anthropic.Model(model), MaxTokens: 100, System: []anthropic.TextBlockParam{{Text: "Be brief."}},
		Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock(prompt))},
	}
}

func TestAnthropicSDKReadsAPlainAnswer(t *testing.T) {
	_, base := serve(t)
	r, err := anthropicClient(base, key).Messages.New(t.Context(), anthropicQuestion(fast, capital))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Content) != 1 || !strings.HasPrefix(r.Content[0].Text, "Paris") || r.StopReason != anthropic.StopReasonEndTurn {
		t.Errorf("answer = %s, want Paris and end_turn", r.RawJSON())
	}
	if r.Usage.InputTokens < 5 || r.Usage.OutputTokens < 1 || r.Model != "gpt-4o" || r.ID == "" || r.Role != "assistant" {
		t.Errorf("answer = %s, want usage, model, id and role", r.RawJSON())
	}
}

func TestAnthropicSDKReadsAStream(t *testing.T) {
	_, base := serve(t)
	stream := anthropicClient(base, key).Messages.NewStreaming(t.Context(), anthropicQuestion(long, prose))
	var all anthropic.Message
	pieces := 0
	for stream.Next() {
		ev := stream.Current()
		if err := all.Accumulate(ev); err != nil {
			t.Fatalf("event %s does not fit the others: %v", ev.RawJSON(), err)
		}
		if d, ok := ev.AsAny().(anthropic.ContentBlockDeltaEvent); ok && d.Delta.Text != "" {
			pieces++
		}
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
	if pieces != 40 || all.Usage.OutputTokens != 40 || all.Usage.InputTokens < 5 || all.StopReason != anthropic.StopReasonEndTurn {
		t.Errorf("%d pieces, usage %+v, stop reason %q; want 40, 40, end_turn", pieces, all.Usage, all.StopReason)
	}
}

func TestAnthropicSDKReadsErrors(t *testing.T) {
	s, base := serve(t)
	fail(t, s, sim.Fault{Kind: sim.KindRateLimit, Value: 3})
	for _, tc := range []struct {
		key    string
		status int
		typ    string
	}{{key, 429, "rate_limit_error"}, {"wrong", 401, "authentication_error"}} {
		c := anthropicClient(base, tc.key)
		_, err := c.Messages.New(t.Context(), anthropicQuestion(fast, capital))
		bad, ok := errors.AsType[*anthropic.Error](err)
		if !ok || bad.StatusCode != tc.status || !strings.Contains(bad.RawJSON(), tc.typ) {
			t.Errorf("plain: %v, want %d %s", err, tc.status, tc.typ)
		}
		stream := c.Messages.NewStreaming(t.Context(), anthropicQuestion(fast, capital))
		for stream.Next() {
		}
		if bad, ok := errors.AsType[*anthropic.Error](stream.Err()); !ok || bad.StatusCode != tc.status {
			t.Errorf("streamed: %v, want %d", stream.Err(), tc.status)
		}
	}
}

func TestAnthropicSDKSeesARefusal(t *testing.T) {
	s, base := serve(t)
	fail(t, s, sim.Fault{Kind: sim.KindRefuse})
	r, err := anthropicClient(base, key).Messages.New(t.Context(), anthropicQuestion(fast, capital))
	if err != nil || r.StopReason != anthropic.StopReasonRefusal {
		t.Errorf("answer = %+v, %v; want the stop reason refusal", r, err)
	}
}

func TestAnthropicSDKListsModels(t *testing.T) {
	_, base := serve(t)
	page, err := anthropicClient(base, key).Models.List(t.Context(), anthropic.ModelListParams{})
	if err != nil || len(page.Data) == 0 || page.Data[0].ID == "" || page.HasMore {
		t.Errorf("models = %+v, %v", page, err)
	}
}
