package llm

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// sayable draws text that is whole UTF-8 and not empty.
func sayable(t *rapid.T, label string) string { return rapid.StringN(1, 30, -1).Draw(t, label) }

func drawCall(t *rapid.T, id string) *ToolCall {
	args := rapid.SampledFrom([]string{`{}`, `{"city":"Paris"}`, `{"n":[1,2.5,null],"s":"\u00e9\n"}`, `{"a" : {"b":"}"}}`}).Draw(t, "arguments")
	return &ToolCall{ID: id, Name: rapid.SampledFrom([]string{"get_weather", "f", "a-b_1"}).Draw(t, "tool"), Arguments: args}
}

// toolRequest draws a conversation with tools and images that every protocol
// can say: calls are answered in the next turn, in any order.
func toolRequest(t *rapid.T) Request {
	r := Request{Model: "m", MaxTokens: rapid.IntRange(1, 9999).Draw(t, "max")}
	if rapid.Bool().Draw(t, "system") {
		r.Messages = append(r.Messages, Message{Role: RoleSystem, Text: sayable(t, "instruction")})
	}
	for turn := range rapid.IntRange(0, 3).Draw(t, "rounds") {
		r.Messages = append(r.Messages, drawUser(t, r.Model))
		calls := Message{Role: RoleAssistant}
		var answers []Part
		if rapid.Bool().Draw(t, "says first") {
			calls.Parts = append(calls.Parts, Part{Kind: PartText, Text: sayable(t, "said")})
		}
		for i := range rapid.IntRange(1, 3).Draw(t, "calls") {
			call := drawCall(t, strings.Repeat("c", turn+1)+string(rune('0'+i)))
			calls.Parts = append(calls.Parts, Part{Kind: PartToolCall, Call: call})
			answers = append(answers, Part{Kind: PartToolResult, Text: rapid.String().Draw(t, "result"), Call: &ToolCall{ID: call.ID, Name: call.Name}})
		}
		calls.Text = joinText(texts(calls.Parts))
		r.Messages = append(r.Messages, calls, Message{Role: RoleTool, Parts: answers})
		r.Messages = append(r.Messages, Message{Role: RoleAssistant, Text: sayable(t, "answer")})
	}
	r.Messages = append(r.Messages, drawUser(t, r.Model))
	for i := range rapid.IntRange(0, 3).Draw(t, "tools") {
		tool := Tool{Name: "tool" + string(rune('a'+i)), Parameters: json.RawMessage(`{"type":"object","properties":{"a":{"type":"string"}}}`)}
		if rapid.Bool().Draw(t, "described") {
			tool.Description = sayable(t, "description")
		}
		r.Tools = append(r.Tools, tool)
	}
	if len(r.Tools) > 0 {
		r.ToolChoice = rapid.SampledFrom([]ToolChoice{{}, {Mode: ToolAuto}, {Mode: ToolNone}, {Mode: ToolRequired}, {Mode: ToolNamed, Name: "toola"}}).Draw(t, "choice")
	}
	return r
}

func drawUser(t *rapid.T, _ string) Message {
	m := Message{Role: RoleUser, Text: sayable(t, "question")}
	if !rapid.Bool().Draw(t, "image") {
		return m
	}
	image := &Image{MIME: "image/png", Data: "iVBORw0KGgo="}
	m.Parts = []Part{{Kind: PartText, Text: m.Text}, {Kind: PartImage, Image: image}}
	if rapid.Bool().Draw(t, "image first") {
		slices.Reverse(m.Parts)
	}
	return m
}

// plainWords is what r says whatever its dialect: a turn is a role and what is
// in it, in order; arguments and schemas are compared as JSON.
func plainWords(t interface{ Fatal(...any) }, r Request) string {
	type said struct{ Role, Kind, What string }
	var all []said
	for _, m := range r.Messages {
		parts := m.Parts
		if parts == nil {
			parts = []Part{{Kind: PartText, Text: m.Text}}
		}
		done, rest := results(parts)
		slices.SortFunc(done, func(a, b Part) int { return strings.Compare(a.Call.ID, b.Call.ID) })
		for _, p := range append(done, rest...) {
			s := said{m.Role, string(p.Kind), p.Text}
			if p.Image != nil {
				s.What = p.Image.url()
			}
			if p.Call != nil {
				args := bytes.NewBuffer(nil)
				_ = json.Compact(args, []byte(p.Call.Arguments))
				s.What += "|" + p.Call.ID + "|" + p.Call.Name + "|" + args.String()
			}
			if p.Kind == PartToolResult {
				s.Role = RoleTool
			}
			all = append(all, s)
		}
	}
	b, err := json.MarshalIndent([]any{all, r.Tools, r.ToolChoice, r.OneToolCall, r.MaxTokens, r.Temperature, r.TopP, r.Stop, r.JSONSchema}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// said encodes r for p and reads it as p's server does.
func said(t *rapid.T, p Protocol, r Request) Request {
	c, err := For(p)
	if err != nil {
		t.Fatal(err)
	}
	call, err := c.Encode(Endpoint{BaseURL: "http://127.0.0.1:1/v1"}, r)
	if err != nil {
		t.Fatalf("%s Encode(%+v): %v", p, r, err)
	}
	u, err := url.Parse(call.URL)
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.DecodeRequest(u.Path, call.Body)
	if err != nil {
		t.Fatalf("%s DecodeRequest(%s): %v", p, call.Body, err)
	}
	got.Model = r.Model
	return got
}

// chats are the protocols of chat.
func chats() []Protocol {
	return slices.DeleteFunc(Known(), func(p Protocol) bool { return p == HTTP })
}

func TestAConversationWithToolsAndImagesSaysTheSameInEveryPairOfProtocols(t *testing.T) {
	for _, from := range chats() {
		for _, to := range chats() {
			t.Run(string(from)+" to "+string(to), func(t *testing.T) {
				rapid.Check(t, func(t *rapid.T) {
					want := toolRequest(t)
					if from != Gemini && to != Gemini && len(want.Tools) > 0 {
						want.OneToolCall = rapid.Bool().Draw(t, "one call") && want.ToolChoice.Mode != ToolNone
						if want.OneToolCall && want.ToolChoice.Mode == ToolDefault {
							want.ToolChoice.Mode = ToolAuto // Anthropic has no other place for it
						}
					}
					if rapid.Bool().Draw(t, "schema") {
						want.JSONSchema = json.RawMessage(`{"type":"object"}`)
					}
					got := said(t, to, said(t, from, want))
					if a, b := plainWords(t, got), plainWords(t, want); a != b {
						t.Fatalf("got\n%s\nwant\n%s", a, b)
					}
				})
			})
		}
	}
}

func drawAnswer(t *rapid.T) Response {
	r := Response{ID: "id-1", Model: "m-1", Text: rapid.String().Draw(t, "text"), Usage: drawUsage(t), Finish: FinishStop}
	for i := range rapid.IntRange(0, 3).Draw(t, "calls") {
		r.ToolCalls = append(r.ToolCalls, *drawCall(t, "call_"+string(rune('a'+i))))
		r.Finish = FinishToolCalls
	}
	if len(r.ToolCalls) == 0 && rapid.Bool().Draw(t, "cut") {
		r.Finish = FinishLength
	}
	return r
}

func TestAnAnswerWithToolCallsSaysTheSameInEveryPairOfProtocols(t *testing.T) {
	for _, from := range chats() {
		for _, to := range chats() {
			t.Run(string(from)+" to "+string(to), func(t *testing.T) {
				rapid.Check(t, func(t *rapid.T) {
					want := drawAnswer(t)
					got := want
					for _, p := range []Protocol{from, to} {
						c, err := For(p)
						if err != nil {
							t.Fatal(err)
						}
						b := c.EncodeResponse(got)
						if got, err = c.Decode(b); err != nil {
							t.Fatalf("%s Decode(%s): %v", p, b, err)
						}
						got.Raw = nil
					}
					if !reflect.DeepEqual(got, want) {
						t.Fatalf("got\n%+v\nwant\n%+v", got, want)
					}
				})
			})
		}
	}
}

// toldStream writes r as a stream of c, its text and arguments in pieces.
func toldStream(t *rapid.T, c Codec, r Response) []byte {
	enc := c.Encoder(Request{Stream: true, StreamUsage: true}, r.ID, r.Model).(FullStreamEncoder)
	b := enc.Start(nil, r.Usage)
	b = enc.Text(b, r.Text)
	for i, call := range r.ToolCalls {
		b = enc.ToolCall(b, ToolCallDelta{Index: i, ID: call.ID, Name: call.Name})
		for _, s := range strings.SplitAfter(call.Arguments, ":") {
			b = enc.ToolCall(b, ToolCallDelta{Index: i, Arguments: s})
		}
	}
	return enc.End(b, r.Finish, r.Usage)
}

func TestAStreamWithToolCallsIsReadBackTheSameUnderEverySplit(t *testing.T) {
	for _, p := range chats() {
		t.Run(string(p), func(t *testing.T) {
			c := mustFor(t, p)
			rapid.Check(t, func(t *rapid.T) {
				want := drawAnswer(t)
				b := toldStream(t, c, want)
				got, err := tell(c, &dripReader{t, b})
				if err != io.EOF || got.Text != want.Text || !reflect.DeepEqual(got.Calls, want.ToolCalls) || got.Finish != want.Finish || !got.Done {
					t.Fatalf("stream\n%s\nsays %+v, %v, want %+v", b, got, err, want)
				}
			})
		})
	}
}

func TestCallsWithoutAnIDArePairedByNameAndOrder(t *testing.T) {
	const in = `{"contents":[{"role":"user","parts":[{"text":"a"}]},
		{"role":"model","parts":[{"functionCall":{"name":"f","args":{"n":1}}},{"functionCall":{"name":"g"}},{"functionCall":{"name":"f","args":{"n":2}}}]},
		{"role":"user","parts":[{"functionResponse":{"name":"g","response":{"output":"G"}}},{"functionResponse":{"name":"f","response":{"output":"F1"}}},{"functionResponse":{"name":"f","response":{"error":"F2"}}}]}]}`
	r, err := gemini{}.DecodeRequest("/v1beta/models/m:generateContent", []byte(in))
	if err != nil {
		t.Fatal(err)
	}
	call, err := anthropic{}.Encode(Endpoint{}, r)
	const want = `"content":[{"type":"tool_use","id":"call_nameless_0000000000000001","name":"f","input":{"n":1}},{"type":"tool_use","id":"call_nameless_0000000000000002","name":"g","input":{}},` +
		`{"type":"tool_use","id":"call_nameless_0000000000000003","name":"f","input":{"n":2}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"call_nameless_0000000000000002","content":"G"},` +
		`{"type":"tool_result","tool_use_id":"call_nameless_0000000000000001","content":"F1"},{"type":"tool_result","tool_use_id":"call_nameless_0000000000000003","content":"F2","is_error":true}]}`
	if err != nil || !strings.Contains(string(call.Body), want) {
		t.Errorf("to anthropic = %s, %v, want in it\n%s", call.Body, err, want)
	}
	_, err = openAI{OpenAI}.Encode(Endpoint{}, r) // which has no word for a tool that failed
	if e, ok := errors.AsType[*UnsupportedError](err); !ok || !slices.Equal(e.Fields, []string{"messages[2].tool_result.is_error"}) {
		t.Errorf("to openai: %v, want it to refuse the error", err)
	}
}

func TestIDsThatWereMadeNeverGoBackToGeminiAndResultsFollowTheirCalls(t *testing.T) {
	answer, err := gemini{}.Decode([]byte(`{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"n":1}},"thoughtSignature":"c2ln"},{"functionCall":{"name":"f","args":{"n":2}}}]},"finishReason":"STOP"}],"responseId":"r"}`))
	if err != nil || len(answer.ToolCalls) != 2 || answer.ToolCalls[0].ID == answer.ToolCalls[1].ID || len(answer.ToolCalls[0].ID) > 40 {
		t.Fatalf("calls = %+v, %v", answer.ToolCalls, err)
	}
	// The caller speaks OpenAI's protocol, echoes the answer and gives results.
	var echo struct {
		Choices []struct{ Message json.RawMessage }
	}
	if err := json.Unmarshal(openAI{OpenAI}.EncodeResponse(answer), &echo); err != nil {
		t.Fatal(err)
	}
	body := `{"model":"m","messages":[{"role":"user","content":"a"},` + string(echo.Choices[0].Message) +
		`,{"role":"tool","tool_call_id":"` + answer.ToolCalls[1].ID + `","content":"two"},{"role":"tool","tool_call_id":"` + answer.ToolCalls[0].ID + `","content":"one"}]}`
	r, err := openAI{OpenAI}.DecodeRequest("", []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	call, err := gemini{}.Encode(Endpoint{}, r)
	const want = `{"role":"model","parts":[{"functionCall":{"name":"f","args":{"n":1}},"thoughtSignature":"c2ln"},{"functionCall":{"name":"f","args":{"n":2}}}]},` +
		`{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"output":"one"}}},{"functionResponse":{"name":"f","response":{"output":"two"}}}]}`
	if err != nil || !strings.Contains(string(call.Body), want) {
		t.Errorf("to gemini = %s, %v, want in it\n%s", call.Body, err, want)
	}
	for base, keeps := range map[string]bool{"https://api.openai.com/v1": false, "https://generativelanguage.googleapis.com/v1beta/openai": true} {
		call, err := openAI{OpenAI}.Encode(Endpoint{BaseURL: base}, r)
		if err != nil || strings.Contains(string(call.Body), "c2ln") != keeps {
			t.Errorf("to %s = %s, %v, want the signature kept: %v", base, call.Body, err, keeps)
		}
	}
	r.Model = "gemini-3-pro"
	r.Messages[1].Parts[0].Call.Signature = ""
	r.Messages[1].Raw = nil
	if call, err = (gemini{}).Encode(Endpoint{}, r); err != nil || strings.Count(string(call.Body), otherSignature) != 1 {
		t.Errorf("to a model that wants signatures = %s, %v, want one", call.Body, err)
	}
}

func TestArgumentsThatAreNoJSONAreTheModelsErrorAndArePassedOn(t *testing.T) {
	for _, args := range []string{`{"a":`, `[1]`, `null`, "rm -rf"} {
		want := Response{Finish: FinishToolCalls, ToolCalls: []ToolCall{{ID: "c", Name: "f", Arguments: args}}}
		got, err := openAI{OpenAI}.Decode(openAI{OpenAI}.EncodeResponse(want))
		if err != nil || !reflect.DeepEqual(got.ToolCalls, want.ToolCalls) {
			t.Errorf("openai reads back %+v, %v, want %+v", got.ToolCalls, err, want.ToolCalls)
		}
		for _, p := range []Protocol{Anthropic, Gemini} {
			b := mustFor(t, p).EncodeResponse(want)
			got, err := mustFor(t, p).Decode(b)
			if err != nil || got.ToolCalls[0].Arguments != string(appendArguments(nil, args)) || !strings.Contains(got.ToolCalls[0].Arguments, "INVALID_JSON") {
				t.Errorf("%s reads back %+v, %v from %s", p, got.ToolCalls, err, b)
			}
		}
	}
}

func TestIDsThatAnthropicWouldRefuseAreEscapedReversibly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"functions.get:0", "esc_x", "call_1", "toolu_01"})).Draw(t, "id")
		got := anthropicID(id)
		if strings.Trim(got, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" || originalID(got) != id {
			t.Fatalf("anthropicID(%q) = %q, which was %q", id, got, originalID(got))
		}
	})
}

func TestReasoningIsNeverToldToAnotherProvider(t *testing.T) {
	const body = `{"model":"m","messages":[{"role":"user","content":"a"},{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"sig"},{"type":"text","text":"b"}]},{"role":"user","content":"c"}]}`
	r, err := anthropic{}.DecodeRequest("", []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	call, err := anthropic{}.Encode(Endpoint{}, r)
	if err != nil || !strings.Contains(string(call.Body), `{"type":"thinking","thinking":"hm","signature":"sig"}`) {
		t.Errorf("to its own provider %s, %v, want the signature kept", call.Body, err)
	}
	for _, p := range chats() {
		if p == Anthropic {
			continue
		}
		_, err := mustFor(t, p).Encode(Endpoint{BaseURL: "http://x"}, r)
		e, ok := errors.AsType[*UnsupportedError](err)
		if !ok || !slices.Equal(e.Fields, []string{"messages[1].reasoning"}) {
			t.Errorf("to %s: %v, want the reasoning refused", p, err)
			continue
		}
		less, ok := r.Without(e.Fields)
		call, err := mustFor(t, p).Encode(Endpoint{BaseURL: "http://x"}, less)
		if !ok || err != nil || strings.Contains(string(call.Body), "hm") || strings.Contains(string(call.Body), "sig") || !strings.Contains(string(call.Body), `"b"`) {
			t.Errorf("to %s without it: %s, %v", p, call.Body, err)
		}
	}
	if len(r.Messages[1].Parts) != 2 || r.Messages[1].Raw == nil {
		t.Error("Without changed the request that it was given")
	}
}

func TestTheBeginningOfAnAnswerIsNotTakenForATurn(t *testing.T) {
	r, err := anthropic{}.DecodeRequest("", []byte(`{"model":"m","messages":[{"role":"user","content":"a"},{"role":"assistant","content":"{"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []Protocol{OpenAI, Gemini} {
		_, err := mustFor(t, p).Encode(Endpoint{}, r)
		if e, ok := errors.AsType[*UnsupportedError](err); !ok || !slices.Equal(e.Fields, []string{"prefill"}) {
			t.Errorf("to %s: %v, want the prefill refused", p, err)
		}
	}
	if _, ok := r.Without([]string{"prefill"}); ok {
		t.Error("a prefill was dropped")
	}
	if _, err := (anthropic{}).Encode(Endpoint{}, r); err != nil {
		t.Errorf("to its own provider: %v", err)
	}
}

func TestAnImageWhoseTypeIsNotKnownIsNotGuessed(t *testing.T) {
	r, err := openAI{OpenAI}.DecodeRequest("", []byte(`{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://example.com/a.png","detail":"auto"}}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	_, err = gemini{}.Encode(Endpoint{}, r)
	if e, ok := errors.AsType[*UnsupportedError](err); !ok || !slices.Equal(e.Fields, []string{"messages[0].content.image_url"}) {
		t.Errorf("to gemini: %v, want it refused", err)
	}
	call, err := anthropic{}.Encode(Endpoint{}, r)
	if err != nil || !strings.Contains(string(call.Body), `{"type":"image","source":{"type":"url","url":"https://example.com/a.png"}}`) {
		t.Errorf("to anthropic: %s, %v", call.Body, err)
	}
}

func TestWhatOfToolsAProtocolCannotSayIsRefusedByName(t *testing.T) {
	const head = `{"messages":[{"role":"user","content":"a"}],`
	cases := []struct {
		to   Protocol
		body string
		want []string
	}{
		{Gemini, head + `"tools":[{"type":"function","function":{"name":"f","strict":true}}],"parallel_tool_calls":false}`, []string{"parallel_tool_calls", "tools.strict"}},
		{Anthropic, head + `"tools":[{"type":"function","function":{"name":"f"}},{"type":"custom","custom":{"name":"g"}}],"tool_choice":{"type":"allowed_tools"}}`, []string{"tool_choice", "tools"}},
		{Anthropic, `{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x/a.png","detail":"low"}}]}]}`, []string{"messages[0].content.image_url.detail"}},
		{Gemini, `{"messages":[{"role":"user","content":"a"},{"role":"tool","tool_call_id":"unknown","content":"r"}]}`, []string{"messages[1].tool_call_id"}},
	}
	for _, c := range cases {
		_, err := translate(t, c.to, c.body)
		e, ok := errors.AsType[*UnsupportedError](err)
		if !ok || !slices.Equal(e.Fields, c.want) {
			t.Errorf("%s to %s: %v, want it to refuse %q", c.body, c.to, err, c.want)
			continue
		}
		r, _ := openAI{OpenAI}.DecodeRequest("", []byte(c.body))
		if less, ok := r.Without(e.Fields); ok {
			if _, err := mustFor(t, c.to).Encode(Endpoint{}, less); err != nil {
				t.Errorf("without %q: %v", e.Fields, err)
			}
		}
	}
}
