package llm

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
)

type anthropicMessage struct {
	Type       string           `json:"type"`
	ID         string           `json:"id"`
	Model      string           `json:"model"`
	Content    []anthropicBlock `json:"content"`
	StopReason string           `json:"stop_reason"`
	StoppedBy  string           `json:"stop_sequence"`
	Usage      *anthropicUsage  `json:"usage"`
}

type anthropicBlock struct {
	Type      string `json:"type"`
	Text      string `json:"text"`
	Thinking  string `json:"thinking"`
	Signature string `json:"signature"`

	// Of tool_use.
	ID    string          `json:"id"`
	Name  string          `json:"name"`
	Input json.RawMessage `json:"input"`
}

// anthropicUsage has pointers, because a message_delta repeats only some.
type anthropicUsage struct {
	Input      *int `json:"input_tokens"`
	CacheRead  *int `json:"cache_read_input_tokens"`
	CacheWrite *int `json:"cache_creation_input_tokens"`
	Output     *int `json:"output_tokens"`
	OutputMore *struct {
		Thinking int `json:"thinking_tokens"`
	} `json:"output_tokens_details"`
}

// merge takes what newer says over u.
func (u *anthropicUsage) merge(newer *anthropicUsage) {
	for _, p := range []struct{ to, from **int }{
		{&u.Input, &newer.Input}, {&u.CacheRead, &newer.CacheRead},
		{&u.CacheWrite, &newer.CacheWrite}, {&u.Output, &newer.Output},
	} {
		if *p.from != nil {
			*p.to = *p.from
		}
	}
	if newer.OutputMore != nil {
		u.OutputMore = newer.OutputMore
	}
}

// usage sums what Anthropic tells apart: its input excludes what was read from
// and written to the cache.
func (u *anthropicUsage) usage() *Usage {
	if u == nil {
		return nil
	}
	val := func(p *int) int {
		if p == nil {
			return 0
		}
		return *p
	}
	out := &Usage{Output: val(u.Output), Cached: val(u.CacheRead)}
	out.Input = val(u.Input) + val(u.CacheRead) + val(u.CacheWrite)
	if u.OutputMore != nil {
		out.Reasoning = u.OutputMore.Thinking
	}
	return out
}

// anthropicFinish translates a stop_reason; an unknown one is no proper end.
func anthropicFinish(s string) Finish {
	switch s {
	case "end_turn", "stop_sequence":
		return FinishStop
	case "max_tokens", "model_context_window_exceeded":
		return FinishLength
	case "tool_use":
		return FinishToolCalls
	case "refusal":
		return FinishRefusal
	case "pause_turn":
		return FinishPause
	}
	return FinishNone
}

// Decode reads a whole message. Where a provider put an error into a 200, the
// error is the *Error that it says.
func (anthropic) Decode(body []byte) (Response, error) {
	var m anthropicMessage
	if err := json.Unmarshal(body, &m); err != nil {
		return Response{}, answerError(Anthropic, err)
	}
	if m.Type == "error" {
		return Response{}, classify(Anthropic, http.StatusOK, nil, body)
	}
	if m.Content == nil {
		return Response{}, answerError(Anthropic, errors.New("no content in it"))
	}
	r := Response{ID: m.ID, Model: m.Model, Finish: anthropicFinish(m.StopReason), Usage: m.Usage.usage(), StopSequence: m.StoppedBy, Raw: body}
	for _, b := range m.Content {
		r.Text += b.Text
		r.Reasoning += b.Thinking
		if b.Signature != "" {
			r.Signature = b.Signature
		}
		if b.Type == "tool_use" {
			r.ToolCalls = append(r.ToolCalls, ToolCall{ID: b.ID, Name: b.Name, Arguments: orNoArguments(argumentText(b.Input))})
		}
	}
	return r, nil
}

func (anthropic) Error(status int, h http.Header, body []byte) *Error {
	return classify(Anthropic, status, h, body)
}

func (anthropic) Decoder() StreamDecoder { return &anthropicDecoder{} }

// anthropicDecoder adds up the usage, which message_start begins and
// message_delta continues.
type anthropicDecoder struct {
	usage  anthropicUsage
	called int  // tool calls begun
	open   bool // inside a block of tool_use
	empty  bool // no arguments in it so far
}

type anthropicEvent struct {
	Type    string            `json:"type"`
	Message *anthropicMessage `json:"message"`
	Block   *anthropicBlock   `json:"content_block"`
	Delta   struct {
		Text        string `json:"text"`
		Thinking    string `json:"thinking"`
		Signature   string `json:"signature"`
		PartialJSON string `json:"partial_json"`
		StopReason  string `json:"stop_reason"`
	} `json:"delta"`
	Usage *anthropicUsage `json:"usage"`
	Error json.RawMessage `json:"error"`
}

func (d *anthropicDecoder) Decode(ev Event) (Delta, error) {
	data := bytes.TrimSpace(ev.Data)
	if len(data) == 0 || ev.Type == "ping" {
		return Delta{}, nil
	}
	var e anthropicEvent
	if err := json.Unmarshal(data, &e); err != nil {
		if e := listedError(Anthropic, data); e != nil {
			return Delta{Err: e}, nil
		}
		return Delta{}, answerError(Anthropic, err)
	}
	if e.Type == "error" || ev.Type == "error" || !isEmpty(e.Error) {
		return Delta{Err: classify(Anthropic, http.StatusOK, nil, data)}, nil
	}
	var out Delta
	switch e.Type {
	case "message_start":
		if e.Message == nil {
			return out, answerError(Anthropic, errors.New("message_start without a message"))
		}
		out.ID, out.Model = e.Message.ID, e.Message.Model
		out.Usage = d.add(e.Message.Usage)
	case "content_block_start":
		if e.Block != nil {
			out.Text, out.Reasoning, out.Signature = e.Block.Text, e.Block.Thinking, e.Block.Signature
			out.ToolCall = isToolBlock(e.Block.Type)
			out.ToolCalls = d.begin(e.Block)
		}
	case "content_block_delta":
		out.Text, out.Reasoning, out.Signature = e.Delta.Text, e.Delta.Thinking, e.Delta.Signature
		out.ToolCall = e.Delta.PartialJSON != ""
		if out.ToolCall && d.open {
			d.empty = false
			out.ToolCalls = []ToolCallDelta{{Index: d.called - 1, Arguments: e.Delta.PartialJSON}}
		}
	case "content_block_stop":
		if d.open && d.empty { // a call without arguments: say so, as JSON
			out.ToolCalls = []ToolCallDelta{{Index: d.called - 1, Arguments: "{}"}}
		}
		d.open = false
	case "message_delta":
		out.Finish = anthropicFinish(e.Delta.StopReason)
		out.Usage = d.add(e.Usage)
	case "message_stop":
		out.Done = true
	}
	return out, nil
}

func isToolBlock(kind string) bool {
	return kind == "tool_use" || kind == "server_tool_use" || kind == "mcp_tool_use"
}

// begin takes the start of a block. Its input is {} until the fragments have
// come; one that holds more is whole.
func (d *anthropicDecoder) begin(b *anthropicBlock) []ToolCallDelta {
	if d.open = b.Type == "tool_use"; !d.open {
		return nil
	}
	d.called++
	call := ToolCallDelta{Index: d.called - 1, ID: b.ID, Name: b.Name}
	if d.empty = isEmpty(b.Input); !d.empty {
		call.Arguments = argumentText(b.Input)
	}
	return []ToolCallDelta{call}
}

// add returns the usage so far after u; nil when u says nothing.
func (d *anthropicDecoder) add(u *anthropicUsage) *Usage {
	if u == nil {
		return nil
	}
	d.usage.merge(u)
	return d.usage.usage()
}
