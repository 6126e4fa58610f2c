package llm

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
)

// openAIAnswer is a whole answer or one chunk of a streamed one; chunks have
// delta where answers have message.
type openAIAnswer struct {
	ID          string          `json:"id"`
	Model       string          `json:"model"`
	Fingerprint string          `json:"system_fingerprint"`
	Choices     []openAIChoice  `json:"choices"`
	Usage       *openAIUsage    `json:"usage"`
	Error       json.RawMessage `json:"error"`
}

type openAIChoice struct {
	Index    int             `json:"index"`
	Message  *openAIMessage  `json:"message"`
	Delta    *openAIMessage  `json:"delta"`
	Finish   string          `json:"finish_reason"`
	Error    json.RawMessage `json:"error"` // OpenRouter
	Logprobs *struct {
		Content []struct {
			Token   string  `json:"token"`
			Logprob float64 `json:"logprob"`
		} `json:"content"`
	} `json:"logprobs"`
}

type openAIMessage struct {
	Content          json.RawMessage `json:"content"` // string, null, or parts (Mistral)
	ReasoningContent string          `json:"reasoning_content"`
	Reasoning        json.RawMessage `json:"reasoning"` // string where it is text
	Refusal          string          `json:"refusal"`
	ToolCalls        json.RawMessage `json:"tool_calls"`
	FunctionCall     json.RawMessage `json:"function_call"`
}

type openAIUsage struct {
	Prompt     int `json:"prompt_tokens"`
	Completion int `json:"completion_tokens"`
	CacheHit   int `json:"prompt_cache_hit_tokens"` // DeepSeek
	PromptMore *struct {
		Cached int `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
	CompletionMore *struct {
		Reasoning int `json:"reasoning_tokens"`
	} `json:"completion_tokens_details"`
}

func (u *openAIUsage) usage() *Usage {
	if u == nil {
		return nil
	}
	out := &Usage{Input: u.Prompt, Output: u.Completion, Cached: u.CacheHit}
	if u.PromptMore != nil {
		out.Cached = max(out.Cached, u.PromptMore.Cached)
	}
	if u.CompletionMore != nil {
		out.Reasoning = u.CompletionMore.Reasoning
	}
	return out
}

// parts returns what m says: text, reasoning, refusal and tool calls, of which
// there were called before it.
func (m *openAIMessage) parts(called int) (d Delta, err error) {
	if m == nil {
		return d, nil
	}
	d.Reasoning, d.Refusal = m.ReasoningContent, m.Refusal
	if s, ok := unquote(m.Reasoning); ok && d.Reasoning == "" {
		d.Reasoning = s
	}
	if d.ToolCall = !isEmpty(m.ToolCalls) || !isEmpty(m.FunctionCall); d.ToolCall {
		d.ToolCalls = m.toolCalls(called)
	}
	if isNull(m.Content) {
		return d, nil
	}
	if s, ok := unquote(m.Content); ok {
		d.Text = s
		return d, nil
	}
	text, thinking, err := contentParts(m.Content)
	d.Text, d.Reasoning = text, d.Reasoning+thinking
	return d, err
}

// contentParts reads an answer's content that came as a list: parts of text,
// and of thinking, which is a list again.
func contentParts(raw []byte) (text, thinking string, err error) {
	var parts []struct {
		Type     string          `json:"type"`
		Text     string          `json:"text"`
		Thinking json.RawMessage `json:"thinking"`
	}
	if err := json.Unmarshal(raw, &parts); err != nil {
		return "", "", err
	}
	for _, p := range parts {
		text += p.Text
		if s, ok := unquote(p.Thinking); ok {
			thinking += s
			continue
		}
		var inner []struct {
			Text string `json:"text"`
		}
		if json.Unmarshal(p.Thinking, &inner) == nil {
			for _, t := range inner {
				thinking += t.Text
			}
		}
	}
	return text, thinking, nil
}

// openAIFinish translates a finish_reason, also in the words of compatible
// servers. What is unknown ("error", "abort") is no proper end.
func openAIFinish(s string) Finish {
	switch strings.ToLower(s) {
	case "stop", "eos", "eos_token", "stop_sequence", "end_turn", "complete", "completed":
		return FinishStop
	case "length", "max_tokens", "model_length", "max_output_tokens":
		return FinishLength
	case "tool_calls", "tool_call", "tool_use", "function_call":
		return FinishToolCalls
	case "content_filter", "safety", "recitation":
		return FinishFilter
	case "refusal":
		return FinishRefusal
	case "pause":
		return FinishPause
	}
	return FinishNone
}

// told is what a stop was: it is also said of a refusal, and of calls where
// the caller named the tool.
func told(f Finish, called, refused bool) Finish {
	switch {
	case f != FinishStop:
	case called:
		return FinishToolCalls
	case refused:
		return FinishRefusal
	}
	return f
}

// choice returns the first choice by index; nil when there is none.
func (a *openAIAnswer) choice() *openAIChoice {
	for i := range a.Choices {
		if a.Choices[i].Index == 0 {
			return &a.Choices[i]
		}
	}
	return nil
}

// failure returns the error that an answer of status 200 carries, if any.
func (a *openAIAnswer) failure(p Protocol, body []byte) *Error {
	if !isEmpty(a.Error) {
		return classify(p, 200, nil, body)
	}
	if c := a.choice(); c != nil && !isEmpty(c.Error) {
		return classify(p, 200, nil, append(append([]byte(`{"error":`), c.Error...), '}'))
	}
	return nil
}

// Decode reads a whole answer. Where a provider put an error into a 200, the
// error is the *Error that it says.
func (c openAI) Decode(body []byte) (Response, error) {
	if r, ok := c.commonAnswer(body); ok {
		return r, nil
	}
	return c.anyAnswer(body)
}

func (c openAI) anyAnswer(body []byte) (Response, error) {
	var a openAIAnswer
	if err := json.Unmarshal(body, &a); err != nil {
		return Response{}, answerError(c.p, err)
	}
	if e := a.failure(c.p, body); e != nil {
		return Response{}, e
	}
	ch := a.choice()
	if ch == nil || ch.Message == nil {
		return Response{}, answerError(c.p, errors.New("no message in it"))
	}
	d, err := ch.Message.parts(0)
	if err != nil {
		return Response{}, answerError(c.p, err)
	}
	r := ch.response(d)
	r.ID, r.Model, r.Fingerprint, r.Usage, r.Raw = a.ID, a.Model, a.Fingerprint, a.Usage.usage(), body
	for i := range a.Choices {
		more := &a.Choices[i]
		if more == ch || more.Message == nil {
			continue
		}
		d, err := more.Message.parts(0)
		if err != nil {
			return Response{}, answerError(c.p, err)
		}
		r.More = append(r.More, more.response(d))
	}
	return r, nil
}

// response returns what a choice says, its message being d.
func (c *openAIChoice) response(d Delta) Response {
	r := Response{Text: d.Text, Reasoning: d.Reasoning, Refusal: d.Refusal, ToolCalls: wholeCalls(d.ToolCalls)}
	r.Tokens, r.Logprobs = c.logprobs()
	r.MeanLogprob = mean(r.Logprobs)
	r.Finish = told(openAIFinish(c.Finish), len(r.ToolCalls) > 0, r.Refusal != "")
	return r
}

func (c *openAIChoice) logprobs() (tokens []string, logprobs []float64) {
	if c.Logprobs == nil {
		return nil, nil
	}
	for _, t := range c.Logprobs.Content {
		tokens, logprobs = append(tokens, t.Token), append(logprobs, t.Logprob)
	}
	return tokens, logprobs
}

// mean returns the mean of vs, nil when there are none.
func mean(vs []float64) *float64 {
	if len(vs) == 0 {
		return nil
	}
	sum := 0.0
	for _, v := range vs {
		sum += v
	}
	sum /= float64(len(vs))
	return &sum
}

func (c openAI) Decoder() StreamDecoder { return &openAIDecoder{p: c.p} }

type openAIDecoder struct {
	p                      Protocol
	refused                bool
	called                 int // tool calls begun
	id, model, fingerprint repeated
}

// Decode reads one chunk. The usage chunk has no choices; Azure's first, with
// the prompt's filter results, has none either.
func (d *openAIDecoder) Decode(ev Event) (Delta, error) {
	data := bytes.TrimSpace(ev.Data)
	if len(data) == 0 {
		return Delta{}, nil
	}
	if string(data) == "[DONE]" {
		return Delta{Done: true}, nil
	}
	if out, ok := d.commonChunk(data); ok {
		return out, nil
	}
	return d.anyChunk(data)
}

func (d *openAIDecoder) anyChunk(data []byte) (Delta, error) {
	var a openAIAnswer
	if err := json.Unmarshal(data, &a); err != nil {
		if e := listedError(d.p, data); e != nil {
			return Delta{Err: e}, nil
		}
		return Delta{}, answerError(d.p, err)
	}
	if e := a.failure(d.p, data); e != nil {
		return Delta{Err: e}, nil
	}
	ch := a.choice()
	if ch == nil {
		return Delta{ID: a.ID, Model: a.Model, Fingerprint: a.Fingerprint, Usage: a.Usage.usage()}, nil
	}
	m := ch.Delta
	if m == nil {
		m = ch.Message // a server that answers a stream with one whole answer
	}
	out, err := m.parts(d.called)
	if err != nil {
		return Delta{}, answerError(d.p, err)
	}
	out.ID, out.Model, out.Fingerprint = a.ID, a.Model, a.Fingerprint
	out.Usage, out.Finish = a.Usage.usage(), openAIFinish(ch.Finish)
	out.Tokens, out.Logprobs = ch.logprobs()
	for _, call := range out.ToolCalls {
		d.called = max(d.called, min(call.Index, maxCalls)+1)
	}
	d.refused = d.refused || out.Refusal != ""
	out.Finish = told(out.Finish, d.called > 0, d.refused)
	return out, nil
}
