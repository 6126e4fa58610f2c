package counterparts

import (
	"errors"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"

	"github.com/bellwether-llm/bellwether/internal/sim"
)

var anthropicConduct = []conduct{
	{"plain message", anthropicPlain}, {"streamed message", anthropicStream}, {"errors", anthropicErrors}, {"refusal", anthropicRefusal}, {"broken streams", anthropicBroken},
	{"parallel tool calls", anthropicTools}, {"streamed tool calls", anthropicStreamedTools}, {"JSON schema", anthropicSchema}, {"stop sequences", anthropicStop},
	{"images in a question", anthropicVision}, {"signed thinking", anthropicThinking}, {"count of tokens", anthropicCount}, {"models", anthropicModels},
}

func anthropicClient(at place) *anthropic.Client {
	c := anthropic.NewClient(option.WithBaseURL(at.anthropic), option.WithAPIKey(at.key), option.WithMaxRetries(0), option.WithHTTPClient(web()))
	return &c
}

func anthropicQuestion(model, prompt string) anthropic.MessageNewParams {
	return anthropic.MessageNewParams{
		Model: anthropic.Model(model), MaxTokens: 100, System: []anthropic.TextBlockParam{{Text: "Be brief."}},
		Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock(prompt))},
	}
}

func anthropicPlain(t testing.TB, at place) {
	r, err := anthropicClient(at).Messages.New(t.Context(), anthropicQuestion(at.model(fast), capital))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Content) != 1 || !strings.HasPrefix(r.Content[0].Text, "Paris") || r.StopReason != anthropic.StopReasonEndTurn {
		t.Errorf("answer = %s, want Paris and end_turn", r.RawJSON())
	}
	if r.Usage.InputTokens < 5 || r.Usage.OutputTokens < 1 || r.Model == "" || r.ID == "" || r.Role != "assistant" {
		t.Errorf("answer = %s, want usage, model, id and role", r.RawJSON())
	}
}

// gather reads a stream of events to its end, and counts the pieces of text.
func gather(t testing.TB, c *anthropic.Client, q anthropic.MessageNewParams) (all anthropic.Message, pieces int, err error) {
	t.Helper()
	stream := c.Messages.NewStreaming(t.Context(), q)
	defer func() { _ = stream.Close() }()
	for stream.Next() {
		ev := stream.Current()
		if err := all.Accumulate(ev); err != nil {
			t.Fatalf("event %s does not fit the others: %v", ev.RawJSON(), err)
		}
		if d, ok := ev.AsAny().(anthropic.ContentBlockDeltaEvent); ok && d.Delta.Text != "" {
			pieces++
		}
	}
	return all, pieces, stream.Err()
}

func anthropicStream(t testing.TB, at place) {
	all, pieces, err := gather(t, anthropicClient(at), anthropicQuestion(at.model(long), prose))
	if err != nil {
		t.Fatal(err)
	}
	if pieces != 40 || all.Usage.OutputTokens != 40 || all.Usage.InputTokens < 5 || all.StopReason != anthropic.StopReasonEndTurn {
		t.Errorf("%d pieces, usage %+v, stop reason %q; want 40, 40, end_turn", pieces, all.Usage, all.StopReason)
	}
}

func wantAnthropicError(t testing.TB, what string, err error, status int, typ string) {
	t.Helper()
	if bad, ok := errors.AsType[*anthropic.Error](err); !ok || bad.StatusCode != status || !strings.Contains(bad.RawJSON(), `"`+typ+`"`) {
		t.Errorf("%s: %v, want %d %s", what, err, status, typ)
	}
}

func anthropicErrors(t testing.TB, at place) {
	for _, r := range refusals {
		fail(t, at.sim, sim.Fault{Kind: sim.KindStatus, Value: float64(r.status)})
		c := anthropicClient(at)
		_, err := c.Messages.New(t.Context(), anthropicQuestion(at.model(fast), capital))
		wantAnthropicError(t, "plain", err, r.status, r.anthropic)
		_, _, err = gather(t, c, anthropicQuestion(at.model(fast), capital))
		wantAnthropicError(t, "streamed", err, r.status, r.anthropic)
	}
	at.key = "wrong"
	_, err := anthropicClient(at).Messages.New(t.Context(), anthropicQuestion(at.model(fast), capital))
	wantAnthropicError(t, "wrong key", err, 401, "authentication_error")
}

func anthropicRefusal(t testing.TB, at place) {
	fail(t, at.sim, sim.Fault{Kind: sim.KindRefuse})
	r, err := anthropicClient(at).Messages.New(t.Context(), anthropicQuestion(at.model(fast), capital))
	if err != nil || r.StopReason != anthropic.StopReasonRefusal {
		t.Errorf("answer = %+v, %v; want the stop reason refusal", r, err)
	}
}

// anthropicBroken holds what the SDK makes of streams that break, from a
// provider that does not tell: it takes one that is cut off for whole, so that
// only the stop reason is missing.
func anthropicBroken(t testing.TB, at place) {
	for kind, want := range map[sim.Kind]bool{sim.KindTruncate: false, sim.KindReset: true, sim.KindMalformed: true} {
		fail(t, at.sim, sim.Fault{Kind: kind, Value: 5})
		all, pieces, err := gather(t, anthropicClient(at), anthropicQuestion(at.model(long), prose))
		if (err != nil) != want || pieces == 0 || all.StopReason != "" {
			t.Errorf("%s: %v, %d pieces, stop reason %q; want an error %v, the beginning and no reason", kind, err, pieces, all.StopReason, want)
		}
	}
}

func anthropicWeather() []anthropic.ToolUnionParam {
	tool := anthropic.ToolUnionParamOfTool(anthropic.ToolInputSchemaParam{Properties: weatherParameters["properties"], Required: []string{"city", "unit"}}, "get_weather")
	return []anthropic.ToolUnionParam{tool}
}

// wantAnthropicCalls checks that a message calls the tool for both cities.
func wantAnthropicCalls(t testing.TB, m anthropic.Message) (ids []string) {
	t.Helper()
	var cities []string
	for _, b := range m.Content {
		if use, ok := b.AsAny().(anthropic.ToolUseBlock); ok {
			cities, ids = append(cities, string(use.Input)), append(ids, use.ID)
		}
	}
	if len(ids) != 2 || m.StopReason != anthropic.StopReasonToolUse || ids[0] == ids[1] || !strings.HasPrefix(ids[0], "toolu_") {
		t.Fatalf("message = %+v, want two calls", m)
	}
	wantWeather(t, cities[0], "Paris")
	wantWeather(t, cities[1], "Tokyo")
	return ids
}

func anthropicTools(t testing.TB, at place) {
	c, q := anthropicClient(at), anthropicQuestion(at.model(fast), weather)
	q.Tools = anthropicWeather()
	r, err := c.Messages.New(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	ids := wantAnthropicCalls(t, *r)
	q.Messages = append(q.Messages, r.ToParam(), anthropic.NewUserMessage(anthropic.NewToolResultBlock(ids[0], "18 degrees", false), anthropic.NewToolResultBlock(ids[1], "25 degrees", false)))
	r, err = c.Messages.New(t.Context(), q)
	if err != nil || !strings.Contains(r.Content[0].Text, "18 degrees") || !strings.Contains(r.Content[0].Text, "25 degrees") || r.StopReason != anthropic.StopReasonEndTurn {
		t.Errorf("after the results: %+v, %v", r, err)
	}
	q = anthropicQuestion(at.model(fast), prose)
	q.Tools, q.ToolChoice = anthropicWeather(), anthropic.ToolChoiceParamOfTool("get_weather")
	if r, err = c.Messages.New(t.Context(), q); err != nil || r.StopReason != anthropic.StopReasonToolUse {
		t.Errorf("where the tool must be called: %+v, %v", r, err)
	}
}

func anthropicStreamedTools(t testing.TB, at place) {
	q := anthropicQuestion(at.model(fast), weather)
	q.Tools = anthropicWeather()
	all, _, err := gather(t, anthropicClient(at), q)
	if err != nil {
		t.Fatal(err)
	}
	wantAnthropicCalls(t, all)
}

func anthropicSchema(t testing.TB, at place) {
	q := anthropicQuestion(at.model(fast), asked)
	q.OutputConfig = anthropic.OutputConfigParam{Format: anthropic.JSONOutputFormatParam{Schema: citySchema}}
	r, err := anthropicClient(at).Messages.New(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	wantCity(t, r.Content[0].Text)
}

func anthropicStop(t testing.TB, at place) {
	q := anthropicQuestion(at.model(fast), "Count from 1 to 9.")
	q.StopSequences = []string{", 5"}
	c := anthropicClient(at)
	r, err := c.Messages.New(t.Context(), q)
	if err != nil || r.Content[0].Text != "1, 2, 3, 4" || r.StopReason != anthropic.StopReasonStopSequence || r.StopSequence != ", 5" {
		t.Errorf("answer = %+v, %v; want 1 to 4 and the sequence", r, err)
	}
	if all, _, err := gather(t, c, q); err != nil || all.StopSequence != ", 5" {
		t.Errorf("streamed: %+v, %v", all, err)
	}
}

func anthropicVision(t testing.TB, at place) {
	q := anthropicQuestion(at.model(fast), capital)
	q.Messages = []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewImageBlockBase64("image/png", redPixel), anthropic.NewTextBlock("What color is this picture? One word."))}
	r, err := anthropicClient(at).Messages.New(t.Context(), q)
	if err != nil || !strings.HasPrefix(r.Content[0].Text, "Red") || r.Usage.InputTokens < 200 {
		t.Errorf("answer = %+v, %v; want Red", r, err)
	}
}

// redPixel is a PNG of one red point.
const redPixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"

func anthropicThinking(t testing.TB, at place) {
	c, q := anthropicClient(at), anthropicQuestion(at.model(fast), weather)
	q.MaxTokens, q.Tools, q.Thinking = 3000, anthropicWeather(), anthropic.ThinkingConfigParamOfEnabled(1024)
	all, _, err := gather(t, c, q)
	if err != nil {
		t.Fatal(err)
	}
	thinking, ok := all.Content[0].AsAny().(anthropic.ThinkingBlock)
	if !ok || thinking.Thinking == "" || thinking.Signature == "" {
		t.Fatalf("message = %+v, want thinking first, signed", all)
	}
	ids := wantAnthropicCalls(t, all)
	results := anthropic.NewUserMessage(anthropic.NewToolResultBlock(ids[0], "18 degrees", false), anthropic.NewToolResultBlock(ids[1], "25 degrees", false))
	asked := q.Messages
	q.Messages = append(asked, all.ToParam(), results)
	if r, err := c.Messages.New(t.Context(), q); err != nil || !strings.Contains(r.Content[1].Text, "18 degrees") {
		t.Errorf("with the signature: %+v, %v", r, err)
	}
	forged := all.ToParam()
	forged.Content[0] = anthropic.NewThinkingBlock("forged", thinking.Thinking)
	q.Messages = append(asked, forged, results)
	_, err = c.Messages.New(t.Context(), q)
	wantAnthropicError(t, "with another signature", err, 400, "invalid_request_error")
}

func anthropicCount(t testing.TB, at place) {
	q := anthropicQuestion(at.model(fast), capital)
	c := anthropicClient(at)
	n, err := c.Messages.CountTokens(t.Context(), anthropic.MessageCountTokensParams{Model: q.Model, Messages: q.Messages, System: anthropic.MessageCountTokensParamsSystemUnion{OfTextBlockArray: q.System}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.Messages.New(t.Context(), q)
	if err != nil || n.InputTokens != r.Usage.InputTokens || n.InputTokens < 10 {
		t.Errorf("%d tokens counted, %+v used, %v", n.InputTokens, r.Usage, err)
	}
}

func anthropicModels(t testing.TB, at place) {
	c, id := anthropicClient(at), at.model("claude-haiku-4-5")
	listed := func() bool {
		pages := c.Models.ListAutoPaging(t.Context(), anthropic.ModelListParams{})
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
	if m, err := c.Models.Get(t.Context(), id, anthropic.ModelGetParams{}); err != nil || m.ID != id || m.CreatedAt.IsZero() || !listed() {
		t.Errorf("model = %+v, %v; listed %v", m, err, listed())
	}
	fail(t, at.sim, sim.Fault{Kind: sim.KindVanish, Model: "claude-haiku-4-5"})
	_, err := c.Models.Get(t.Context(), id, anthropic.ModelGetParams{})
	wantAnthropicError(t, "vanished", err, 404, "not_found_error")
	if listed() {
		t.Error("vanished, yet listed")
	}
	_, err = c.Messages.New(t.Context(), anthropicQuestion(id, capital))
	wantAnthropicError(t, "a vanished model asked", err, 404, "not_found_error")
}
