package llm

import (
	"bytes"
	"encoding/json"
	"errors"
)

// responsesAnswer is a whole answer, and the response that events carry.
type responsesAnswer struct {
	ID         string          `json:"id"`
	Model      string          `json:"model"`
	Status     string          `json:"status"`
	Error      json.RawMessage `json:"error"`
	Incomplete *struct {
		Reason string `json:"reason"`
	} `json:"incomplete_details"`
	Output []responsesOutput `json:"output"`
	Usage  *struct {
		Input     int `json:"input_tokens"`
		Output    int `json:"output_tokens"`
		InputMore struct {
			Cached int `json:"cached_tokens"`
		} `json:"input_tokens_details"`
		OutputMore struct {
			Reasoning int `json:"reasoning_tokens"`
		} `json:"output_tokens_details"`
	} `json:"usage"`
}

type responsesOutput struct {
	Type      string              `json:"type"`
	CallID    string              `json:"call_id"`
	Name      string              `json:"name"`
	Arguments string              `json:"arguments"`
	Content   []responsesText     `json:"content"`
	Summary   []responsesText     `json:"summary"`
	Logprobs  []responsesLogprobs `json:"logprobs"`
	Encrypted string              `json:"encrypted_content"`
}

type responsesText struct {
	Type     string              `json:"type"`
	Text     string              `json:"text"`
	Refusal  string              `json:"refusal"`
	Logprobs []responsesLogprobs `json:"logprobs"`
}

type responsesLogprobs struct {
	Token   string  `json:"token"`
	Logprob float64 `json:"logprob"`
}

func (a *responsesAnswer) usage() *Usage {
	if a.Usage == nil {
		return nil
	}
	return &Usage{Input: a.Usage.Input, Output: a.Usage.Output, Cached: a.Usage.InputMore.Cached, Reasoning: a.Usage.OutputMore.Reasoning}
}

// finish translates the status; one that is no end is no finish.
func (a *responsesAnswer) finish(called, refused bool) Finish {
	switch a.Status {
	case "completed":
		switch {
		case called:
			return FinishToolCalls
		case refused:
			return FinishRefusal
		}
		return FinishStop
	case "incomplete":
		if a.Incomplete != nil && a.Incomplete.Reason == "content_filter" {
			return FinishFilter
		}
		return FinishLength
	}
	return FinishNone
}

// failure returns the error of an answer that failed.
func (a *responsesAnswer) failure() *Error {
	if isEmpty(a.Error) && a.Status != "failed" {
		return nil
	}
	return classify(OpenAI, 200, nil, append(append([]byte(`{"error":`), orNull(a.Error)...), '}'))
}

func orNull(raw []byte) []byte {
	if len(raw) == 0 {
		return []byte("null")
	}
	return raw
}

// delta returns all that the output says.
func (a *responsesAnswer) delta() Delta {
	d := Delta{ID: a.ID, Model: a.Model, Usage: a.usage()}
	for _, o := range a.Output {
		switch o.Type {
		case "message":
			for _, t := range o.Content {
				d.Text, d.Refusal = d.Text+t.Text, d.Refusal+t.Refusal
				d.addLogprobs(t.Logprobs)
			}
		case "reasoning":
			for _, t := range append(o.Summary, o.Content...) {
				d.Reasoning += t.Text
			}
			d.Signature = o.Encrypted
		case "function_call":
			d.ToolCall = true
			d.ToolCalls = append(d.ToolCalls, ToolCallDelta{Index: len(d.ToolCalls), ID: o.CallID, Name: o.Name, Arguments: o.Arguments})
		default:
			d.ToolCall = true // one that the provider ran, or of a kind that only the raw answer tells
		}
	}
	d.Finish = a.finish(len(d.ToolCalls) > 0, d.Refusal != "")
	return d
}

func (d *Delta) addLogprobs(ls []responsesLogprobs) {
	for _, l := range ls {
		d.Tokens, d.Logprobs = append(d.Tokens, l.Token), append(d.Logprobs, l.Logprob)
	}
}

// Decode reads a whole answer. One that failed is the *Error that it says.
func (responses) Decode(body []byte) (Response, error) {
	var a responsesAnswer
	if err := json.Unmarshal(body, &a); err != nil {
		return Response{}, answerError(Responses, err)
	}
	if e := a.failure(); e != nil {
		return Response{}, e
	}
	if a.Output == nil {
		return Response{}, answerError(Responses, errors.New("no output in it"))
	}
	d := a.delta()
	return Response{ID: d.ID, Model: d.Model, Text: d.Text, Reasoning: d.Reasoning, Signature: d.Signature, Refusal: d.Refusal, ToolCalls: wholeCalls(d.ToolCalls),
		Finish: d.Finish, Usage: d.Usage, MeanLogprob: mean(d.Logprobs), Logprobs: d.Logprobs, Tokens: d.Tokens, Raw: body}, nil
}

func (responses) Decoder() StreamDecoder { return &responsesDecoder{} }

// responsesDecoder numbers the calls by the places of their items, and
// remembers what was said, because the last event repeats all of it.
type responsesDecoder struct {
	calls   map[int]int // from an item's place in the output to its call
	bare    map[int]bool
	said    bool
	refused bool
}

type responsesEvent struct {
	Type     string              `json:"type"`
	Place    int                 `json:"output_index"`
	Delta    json.RawMessage     `json:"delta"`
	Item     *responsesOutput    `json:"item"`
	Response *responsesAnswer    `json:"response"`
	Logprobs []responsesLogprobs `json:"logprobs"`
	Error    json.RawMessage     `json:"error"`
}

func (d *responsesDecoder) Decode(ev Event) (Delta, error) {
	data := bytes.TrimSpace(ev.Data)
	if len(data) == 0 || string(data) == "[DONE]" { // some compatible servers add it after the end
		return Delta{}, nil
	}
	var e responsesEvent
	if err := json.Unmarshal(data, &e); err != nil {
		if e := listedError(OpenAI, data); e != nil {
			return Delta{Err: e}, nil
		}
		return Delta{}, answerError(Responses, err)
	}
	if e.Type == "error" || ev.Type == "error" || !isEmpty(e.Error) {
		return Delta{Err: eventError(data)}, nil
	}
	out, err := d.event(&e)
	d.said = d.said || out.Content()
	d.refused = d.refused || out.Refusal != ""
	return out, err
}

// eventError reads an error event, whose type is no word of the error's.
func eventError(data []byte) *Error {
	f := object(data)
	if isEmpty(f["error"]) {
		b := rawField([]byte(`{"error":{`), "code", orNull(f["code"]))
		data = append(rawField(b, "message", orNull(f["message"])), "}}"...)
	}
	return classify(OpenAI, 200, nil, data)
}

func (d *responsesDecoder) event(e *responsesEvent) (out Delta, err error) {
	switch e.Type {
	case "response.created", "response.in_progress", "response.queued":
		if e.Response != nil {
			out.ID, out.Model = e.Response.ID, e.Response.Model
		}
	case "response.output_text.delta":
		out.Text, err = e.text()
		out.addLogprobs(e.Logprobs)
	case "response.refusal.delta":
		out.Refusal, err = e.text()
	case "response.reasoning_summary_text.delta", "response.reasoning_text.delta":
		out.Reasoning, err = e.text()
	case "response.output_item.added":
		out = d.begin(e)
	case "response.function_call_arguments.delta":
		out.ToolCall = true
		if call, ok := d.calls[e.Place]; ok {
			var s string
			s, err = e.text()
			delete(d.bare, e.Place)
			out.ToolCalls = []ToolCallDelta{{Index: call, Arguments: s}}
		}
	case "response.output_item.done":
		if e.Item != nil && e.Item.Type == "reasoning" {
			out.Signature = e.Item.Encrypted
		}
		if d.bare[e.Place] && e.Item != nil { // its arguments came only now
			delete(d.bare, e.Place)
			out.ToolCall = true
			out.ToolCalls = []ToolCallDelta{{Index: d.calls[e.Place], Arguments: orNoArguments(e.Item.Arguments)}}
		}
	case "response.completed", "response.incomplete", "response.failed", "response.cancelled":
		return d.end(e)
	}
	return out, err
}

func (e *responsesEvent) text() (string, error) {
	s, ok := unquote(e.Delta)
	if !ok && !isNull(e.Delta) {
		return "", answerError(Responses, errors.New("delta: no string"))
	}
	return s, nil
}

// begin takes the start of an item.
func (d *responsesDecoder) begin(e *responsesEvent) (out Delta) {
	if e.Item == nil || e.Item.Type == "message" || e.Item.Type == "reasoning" {
		return out
	}
	out.ToolCall = true
	if e.Item.Type != "function_call" || len(d.calls) >= maxCalls {
		return out
	}
	if d.calls == nil {
		d.calls, d.bare = map[int]int{}, map[int]bool{}
	}
	call := len(d.calls)
	d.calls[e.Place], d.bare[e.Place] = call, e.Item.Arguments == ""
	out.ToolCalls = []ToolCallDelta{{Index: call, ID: e.Item.CallID, Name: e.Item.Name, Arguments: e.Item.Arguments}}
	return out
}

// end takes the last event. What it repeats counts only where nothing was
// said before.
func (d *responsesDecoder) end(e *responsesEvent) (Delta, error) {
	a := e.Response
	if a == nil {
		return Delta{}, answerError(Responses, errors.New(e.Type+" without a response"))
	}
	if a.Status == "" && e.Type != "response.failed" {
		a.Status = e.Type[len("response."):]
	}
	if err := a.failure(); err != nil || e.Type == "response.failed" {
		if err == nil {
			err = classify(OpenAI, 200, nil, nil)
		}
		return Delta{Err: err}, nil
	}
	out := a.delta()
	if d.said {
		out = Delta{ID: out.ID, Model: out.Model, Usage: out.Usage, Finish: a.finish(len(d.calls) > 0, d.refused)}
	}
	out.Done = out.Finish != FinishNone
	return out, nil
}
