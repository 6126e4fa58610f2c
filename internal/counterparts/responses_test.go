package counterparts

import (
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"

	"github.com/bellwether-llm/bellwether/internal/sim"
)

func responsesQuestion(model, prompt string) responses.ResponseNewParams {
	return responses.ResponseNewParams{
		Model: model, MaxOutputTokens: openai.Int(100), Instructions: openai.String("Be brief."),
		Input: responses.ResponseNewParamsInputUnion{OfString: openai.String(prompt)},
	}
}

func responsesPlain(t testing.TB, at place) {
	c := openAIClient(at)
	r, err := c.Responses.New(t.Context(), responsesQuestion(at.model(fast), capital))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(r.OutputText(), "Paris") || r.Status != responses.ResponseStatusCompleted || !strings.HasPrefix(r.ID, "resp_") || r.Object != "response" || r.CreatedAt == 0 {
		t.Errorf("answer = %s", r.RawJSON())
	}
	if r.Usage.InputTokens < 5 || r.Usage.OutputTokens < 1 || r.Usage.TotalTokens != r.Usage.InputTokens+r.Usage.OutputTokens {
		t.Errorf("usage = %+v", r.Usage)
	}
	q := responsesQuestion(at.model(long), prose)
	q.MaxOutputTokens = openai.Int(20)
	if r, err = c.Responses.New(t.Context(), q); err != nil || r.Status != responses.ResponseStatusIncomplete || r.IncompleteDetails.Reason != "max_output_tokens" {
		t.Errorf("cut: %+v, %v", r, err)
	}
}

// events reads a stream of events to its end.
func events(t testing.TB, c *openai.Client, q responses.ResponseNewParams) (text string, kinds map[string]int, last *responses.Response, err error) {
	t.Helper()
	stream := c.Responses.NewStreaming(t.Context(), q)
	defer func() { _ = stream.Close() }()
	kinds = map[string]int{}
	sequence := int64(-1)
	for stream.Next() {
		ev := stream.Current()
		kinds[ev.Type]++
		if ev.SequenceNumber != sequence+1 {
			t.Errorf("event %s is number %d after %d", ev.Type, ev.SequenceNumber, sequence)
		}
		sequence = ev.SequenceNumber
		switch ev := ev.AsAny().(type) {
		case responses.ResponseTextDeltaEvent:
			text += ev.Delta
		case responses.ResponseCompletedEvent:
			last = &ev.Response
		}
	}
	return text, kinds, last, stream.Err()
}

func responsesStream(t testing.TB, at place) {
	text, kinds, last, err := events(t, openAIClient(at), responsesQuestion(at.model(long), prose))
	if err != nil || last == nil {
		t.Fatalf("stream of %v: %v", kinds, err)
	}
	if last.OutputText() != text || len(text) < 100 || last.Usage.OutputTokens != 40 || kinds["response.output_text.delta"] != 40 {
		t.Errorf("stream = %q in %v, usage %+v, ends with %q", text, kinds, last.Usage, last.OutputText())
	}
	for _, once := range []string{"response.created", "response.in_progress", "response.output_item.added", "response.content_part.added", "response.output_text.done", "response.output_item.done", "response.completed"} {
		if kinds[once] != 1 {
			t.Errorf("%d events %s, want one", kinds[once], once)
		}
	}
}

func responsesTools(t testing.TB, at place) {
	c := openAIClient(at)
	q := responsesQuestion(at.model(fast), weather)
	q.Tools = []responses.ToolUnionParam{{OfFunction: &responses.FunctionToolParam{Name: "get_weather", Parameters: weatherParameters, Strict: openai.Bool(true)}}}
	_, _, streamed, err := events(t, c, q)
	if err != nil || streamed == nil {
		t.Fatal(err)
	}
	plain, err := c.Responses.New(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []*responses.Response{streamed, plain} {
		if len(r.Output) != 2 {
			t.Fatalf("output = %s, want two calls", r.RawJSON())
		}
		for i, city := range []string{"Paris", "Tokyo"} {
			call := r.Output[i].AsFunctionCall()
			if call.Name != "get_weather" || call.CallID == "" || call.Status != "completed" {
				t.Errorf("call = %s", call.RawJSON())
			}
			wantWeather(t, call.Arguments, city)
		}
	}
	items := responses.ResponseInputParam{responses.ResponseInputItemParamOfMessage(weather, responses.EasyInputMessageRoleUser)}
	for i, said := range []string{"18 degrees", "25 degrees"} {
		call := plain.Output[i].AsFunctionCall()
		result := responses.ResponseInputItemParamOfFunctionCallOutput(said)
		result.OfFunctionCallOutput.CallID = openai.String(call.CallID)
		items = append(items, responses.ResponseInputItemParamOfFunctionCall(call.Arguments, call.CallID, call.Name), result)
	}
	q.Input = responses.ResponseNewParamsInputUnion{OfInputItemList: items}
	r, err := c.Responses.New(t.Context(), q)
	if err != nil || !strings.Contains(r.OutputText(), "18 degrees") || !strings.Contains(r.OutputText(), "25 degrees") {
		t.Errorf("after the results: %+v, %v", r, err)
	}
}

func responsesReasoning(t testing.TB, at place) {
	q := responsesQuestion(at.model(quick("o4-mini")), capital)
	q.Reasoning = shared.ReasoningParam{Summary: shared.ReasoningSummaryAuto}
	q.Include = []responses.ResponseIncludable{responses.ResponseIncludableReasoningEncryptedContent}
	text, kinds, last, err := events(t, openAIClient(at), q)
	if err != nil || last == nil || !strings.HasPrefix(text, "Paris") || kinds["response.reasoning_summary_text.delta"] < 10 {
		t.Fatalf("stream = %q of %v, %v", text, kinds, err)
	}
	if r := last.Output[0].AsReasoning(); len(r.Summary) != 1 || r.Summary[0].Text == "" || r.EncryptedContent == "" || last.Usage.OutputTokensDetails.ReasoningTokens < 10 {
		t.Errorf("reasoning = %s, usage %+v", r.RawJSON(), last.Usage)
	}
}

func responsesSchema(t testing.TB, at place) {
	q := responsesQuestion(at.model(fast), asked)
	q.Text.Format = responses.ResponseFormatTextConfigParamOfJSONSchema("city", citySchema)
	r, err := openAIClient(at).Responses.New(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	wantCity(t, r.OutputText())
}

func responsesErrors(t testing.TB, at place) {
	c := openAIClient(at)
	for _, r := range refusals {
		fail(t, at.sim, sim.Fault{Kind: sim.KindStatus, Value: float64(r.status)})
		_, err := c.Responses.New(t.Context(), responsesQuestion(at.model(fast), capital))
		if r.status != 429 {
			wantOpenAIError(t, "plain", err, r.status, r.openai)
		}
		_, _, _, err = events(t, c, responsesQuestion(at.model(fast), capital))
		if err == nil {
			t.Errorf("%d streamed: no error", r.status)
		}
	}
}

// responsesBroken holds what the SDK makes of broken streams: one that is cut
// off it takes for whole, but then there is no last event.
func responsesBroken(t testing.TB, at place) {
	for kind, want := range map[sim.Kind]bool{sim.KindTruncate: false, sim.KindReset: true, sim.KindMalformed: true} {
		fail(t, at.sim, sim.Fault{Kind: kind, Value: 5})
		text, _, last, err := events(t, openAIClient(at), responsesQuestion(at.model(long), prose))
		if (err != nil) != want || last != nil || text == "" {
			t.Errorf("%s: %v, %q, last %v; want an error %v, the beginning and no end", kind, err, text, last, want)
		}
	}
}

func responsesCount(t testing.TB, at place) {
	n, err := openAIClient(at).Responses.InputTokens.Count(t.Context(), responses.InputTokenCountParams{
		Model: openai.String(at.model(fast)), Input: responses.InputTokenCountParamsInputUnion{OfString: openai.String(capital)}})
	if err != nil || n.InputTokens < 10 || n.InputTokens > 40 {
		t.Errorf("tokens = %+v, %v", n, err)
	}
}
