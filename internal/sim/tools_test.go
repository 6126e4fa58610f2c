package sim_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/bellwether-llm/bellwether/internal/sim"
	"github.com/bellwether-llm/bellwether/llm"
)

// toolQuestion offers one tool, which the question wants for two cities.
func toolQuestion(stream bool) llm.Request {
	r := question(fast, "What is the weather in Paris and Tokyo?", stream)
	r.Tools = []llm.Tool{{Name: "get_weather", Parameters: json.RawMessage(`{"type":"object","required":["city"],"properties":{"city":{"type":"string"}}}`)},
		{Name: "send_email", Parameters: json.RawMessage(`{"type":"object","properties":{}}`)}}
	return r
}

// said is the arguments of an answer's calls.
func said(a answer) (out []string) {
	for _, c := range a.calls {
		out = append(out, c.Name+c.Arguments)
	}
	return out
}

func TestToolsAreCalledAsTheRequestWants(t *testing.T) {
	_, c := serve(t, sim.Options{})
	each(t, func(t *testing.T, p llm.Protocol, stream bool) {
		for name, tc := range map[string]struct {
			change func(*llm.Request)
			want   string
		}{
			"as it likes":   {func(*llm.Request) {}, `get_weather{"city":"Paris"} get_weather{"city":"Tokyo"}`},
			"none":          {func(r *llm.Request) { r.ToolChoice.Mode = llm.ToolNone }, ""},
			"another":       {func(r *llm.Request) { r.ToolChoice = llm.ToolChoice{Mode: llm.ToolNamed, Name: "send_email"} }, `send_email{}`},
			"required":      {func(r *llm.Request) { r.ToolChoice.Mode, r.Messages[0].Text = llm.ToolRequired, "Hello" }, `get_weather{"city":"gardens"}`},
			"not necessary": {func(r *llm.Request) { r.Messages[0].Text = "Hello" }, ""},
			"no tools":      {func(r *llm.Request) { r.Tools = nil }, ""},
		} {
			r := toolQuestion(stream)
			tc.change(&r)
			a := c.ask(t.Context(), p, false, r)
			want := llm.FinishStop
			if tc.want != "" {
				want = llm.FinishToolCalls
			}
			if got := strings.Join(said(a), " "); a.err != nil || got != tc.want || a.finish != want || (a.text == "") != (tc.want != "") {
				t.Errorf("%s: calls %q, text %q, finish %q, %v; want %q", name, got, a.text, a.finish, a.err, tc.want)
			}
		}
	})
	each(t, func(t *testing.T, p llm.Protocol, stream bool) {
		if p == llm.Gemini {
			return // it has no word for it
		}
		r := toolQuestion(stream)
		r.OneToolCall = true
		if a := c.ask(t.Context(), p, false, r); len(a.calls) != 1 {
			t.Errorf("one at most: calls = %q", said(a))
		}
	})
}

func TestFaultsStrikeToolCallsToo(t *testing.T) {
	s, c := serve(t, sim.Options{})
	for kind, tc := range map[sim.Kind]struct {
		value float64
		want  func(a answer, stream bool) bool
	}{
		sim.KindTruncate:  {3, func(a answer, stream bool) bool { return a.finish == llm.FinishNone && (stream || a.err != nil) }},
		sim.KindReset:     {3, func(a answer, _ bool) bool { return a.finish == llm.FinishNone && a.err != nil }},
		sim.KindMalformed: {2, func(a answer, stream bool) bool { return stream && a.broken == 1 || !stream && a.err != nil }},
		sim.KindNoDone:    {0, func(a answer, _ bool) bool { return len(a.calls) == 2 && a.finish == llm.FinishToolCalls }},
		sim.KindEmpty:     {0, func(a answer, _ bool) bool { return a.calls == nil && a.text == "" && a.finish == llm.FinishStop }},
		sim.KindOffTopic:  {0, func(a answer, _ bool) bool { return a.calls == nil && a.text != "" && a.finish == llm.FinishStop }},
		sim.KindRefuse: {0, func(a answer, _ bool) bool {
			return a.calls == nil && a.finish != llm.FinishToolCalls && a.refusal+a.text != ""
		}},
		sim.KindTerse:   {0, func(a answer, _ bool) bool { return slices.Equal(said(a), []string{"get_weather{}", "get_weather{}"}) }},
		sim.KindRepeat:  {0, func(a answer, _ bool) bool { return len(a.calls) == 4 && said(a)[3] == said(a)[0] }},
		sim.KindVerbose: {3, func(a answer, _ bool) bool { return len(a.calls) == 2 && a.text != "" }},
	} {
		if err := s.SetFaults([]sim.Fault{{Kind: kind, Value: tc.value}}); err != nil {
			t.Fatal(err)
		}
		each(t, func(t *testing.T, p llm.Protocol, stream bool) {
			if p == llm.Gemini && kind == sim.KindMalformed && stream {
				return // its calls come whole: one garbled event may hold none
			}
			if a := c.ask(t.Context(), p, false, toolQuestion(stream)); !tc.want(a, stream) {
				t.Errorf("%s: calls %q, text %q, refusal %q, finish %q, broken %d, %v", kind, said(a), a.text, a.refusal, a.finish, a.broken, a.err)
			}
		})
	}
}

func TestReasoningIsShownHiddenAndSignedAsEachDialectHasIt(t *testing.T) {
	_, c := serve(t, sim.Options{})
	raw := func(s string) map[string]json.RawMessage {
		var m map[string]json.RawMessage
		if err := json.Unmarshal([]byte(s), &m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	for name, tc := range map[string]struct {
		p             llm.Protocol
		model, extra  string
		shown, signed bool
		counted       bool
	}{
		"OpenAI's own":        {llm.OpenAI, "o3", `{}`, false, false, true},
		"a compatible server": {llm.OpenAI, "deepseek-r1", `{}`, true, false, true},
		"no such model":       {llm.OpenAI, "gpt-4o", `{}`, false, false, false},
		"responses":           {llm.Responses, "gpt-5", `{}`, false, false, true},
		"responses, asked":    {llm.Responses, "gpt-5", `{"reasoning":{"summary":"auto"}}`, true, false, true},
		"responses, signed":   {llm.Responses, "gpt-5", `{"include":["reasoning.encrypted_content"]}`, true, true, true},
		"anthropic":           {llm.Anthropic, "claude", `{}`, false, false, false},
		"anthropic, asked":    {llm.Anthropic, "claude", `{"thinking":{"type":"enabled","budget_tokens":1024}}`, true, true, true},
		"gemini":              {llm.Gemini, "gemini-3-pro", `{}`, false, false, true},
		"gemini, asked":       {llm.Gemini, "gemini-2.5-pro", `{"generationConfig.thinkingConfig":{"includeThoughts":true}}`, true, false, true},
		"gemini, none":        {llm.Gemini, "gemini-3-pro", `{"generationConfig.thinkingConfig":{"thinkingBudget":0}}`, false, false, false},
	} {
		for _, stream := range []bool{false, true} {
			r := question(tc.model+"?first_token=1ms&inter_token=0ms", capital, stream)
			r.Dialect, r.Extra = tc.p, raw(tc.extra)
			a := c.ask(t.Context(), tc.p, false, r)
			if a.err != nil || !strings.HasPrefix(a.text, "Paris") || a.usage == nil {
				t.Errorf("%s: %+v", name, a)
				continue
			}
			if (a.reasoning != "") != tc.shown || (a.signature != "") != tc.signed || (a.usage.Reasoning > 10) != tc.counted {
				t.Errorf("%s, stream %v: reasoning %q, signature %q, usage %+v", name, stream, a.reasoning, a.signature, a.usage)
			}
		}
	}
}
