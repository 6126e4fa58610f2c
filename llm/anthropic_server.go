package llm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// DecodeRequest reads a Messages request. Its callers always want the usage of
// a stream, so StreamUsage is what Stream is.
func (anthropic) DecodeRequest(_ string, body []byte) (Request, error) {
	r := Request{Dialect: Anthropic}
	f, err := parseFields(bytes.Clone(body))
	if err != nil {
		return r, decodeError(Anthropic, err)
	}
	if err := readAnthropic(&r, f); err != nil {
		return r, decodeError(Anthropic, err)
	}
	r.StreamUsage = r.Stream
	r.Extra = f.rest()
	return r, nil
}

func readAnthropic(r *Request, f fields) error {
	system, err := anthropicSystem(f["system"])
	if err != nil {
		return fmt.Errorf("system: %w", err)
	}
	delete(f, "system")
	r.Messages = system
	var messages []json.RawMessage
	if _, err := f.take(&messages, "messages"); err != nil {
		return err
	}
	if len(messages) == 0 {
		return errors.New("messages: none")
	}
	for i, raw := range messages {
		m, _, err := anthropicRequestMessage(raw)
		if err != nil {
			return fmt.Errorf("messages[%d]: %w", i, err)
		}
		r.Messages = append(r.Messages, m)
	}
	pairCalls(r.Messages)
	takeAnthropicChoice(r, f)
	for _, step := range []struct {
		name string
		v    any
	}{
		{"model", &r.Model}, {"max_tokens", &r.MaxTokens}, {"temperature", &r.Temperature}, {"top_p", &r.TopP},
		{"stop_sequences", &r.Stop}, {"stream", &r.Stream},
	} {
		if _, err := f.take(step.v, step.name); err != nil {
			return err
		}
	}
	if len(r.Stop) == 0 {
		r.Stop = nil
	}
	if r.MaxTokens < 0 {
		return errors.New("max_tokens: negative")
	}
	return errors.Join(takeMetadata(r, f), takeOutputConfig(r, f), takeTools(r, f, anthropicTool))
}

// takeMetadata reads the user; other members become "metadata.x".
func takeMetadata(r *Request, f fields) error {
	var meta fields
	if _, err := f.take(&meta, "metadata"); err != nil {
		return err
	}
	if _, err := meta.take(&r.User, "user_id"); err != nil {
		return fmt.Errorf("metadata: %w", err)
	}
	for k, v := range meta {
		f["metadata."+k] = v
	}
	return nil
}

// takeOutputConfig reads the schema; other members become "output_config.x".
func takeOutputConfig(r *Request, f fields) error {
	var out fields
	if _, err := f.take(&out, "output_config"); err != nil {
		return err
	}
	var format struct {
		Type   string          `json:"type"`
		Schema json.RawMessage `json:"schema"`
	}
	if json.Unmarshal(out["format"], &format) == nil && format.Type == "json_schema" && isObject(format.Schema) {
		r.JSONSchema = format.Schema
		delete(out, "format")
	}
	for k, v := range out {
		f["output_config."+k] = v
	}
	return nil
}

// anthropicSystem reads the top-level system: each block becomes a message of
// its own, whose Raw is the block where it has more than text (a cache mark).
func anthropicSystem(raw json.RawMessage) ([]Message, error) {
	if isNull(raw) {
		return nil, nil
	}
	if s, ok := unquote(raw); ok {
		return []Message{{Role: RoleSystem, Text: s}}, nil
	}
	var blocks []json.RawMessage
	if err := json.Unmarshal(raw, &blocks); err != nil {
		return nil, err
	}
	var ms []Message
	for _, b := range blocks {
		var f fields
		if err := json.Unmarshal(b, &f); err != nil {
			return nil, err
		}
		text, ok := unquote(f["text"])
		m := Message{Role: RoleSystem, Text: text}
		if !ok || partKind(f) != "" {
			m.Raw = b
		}
		ms = append(ms, m)
	}
	return ms, nil
}

func appendStopReason(dst []byte, f Finish) []byte {
	switch f {
	case FinishNone:
		return append(dst, "null"...)
	case FinishLength:
		return append(dst, `"max_tokens"`...)
	case FinishToolCalls:
		return append(dst, `"tool_use"`...)
	case FinishFilter, FinishRefusal:
		return append(dst, `"refusal"`...)
	case FinishPause:
		return append(dst, `"pause_turn"`...)
	}
	return append(dst, `"end_turn"`...)
}

// appendStopped appends why an answer ended, and by which stop sequence.
func appendStopped(dst []byte, f Finish, by string) []byte {
	dst = append(dst, `"stop_reason":`...)
	if f == FinishStop && by != "" {
		return strField(append(dst, `"stop_sequence"`...), "stop_sequence", by)
	}
	return append(appendStopReason(dst, f), `,"stop_sequence":null`...)
}

// appendAnthropicUsage appends u; nil is all zeros, which clients need.
func appendAnthropicUsage(dst []byte, u *Usage) []byte {
	if u == nil {
		u = &Usage{}
	}
	dst = intField(append(dst, '{'), "input_tokens", int64(u.Input-u.Cached))
	dst = intField(dst, "cache_creation_input_tokens", 0)
	dst = intField(dst, "cache_read_input_tokens", int64(u.Cached))
	dst = intField(dst, "output_tokens", int64(u.Output))
	if u.Reasoning > 0 {
		dst = intField(append(appendKey(dst, "output_tokens_details"), '{'), "thinking_tokens", int64(u.Reasoning))
		dst = append(dst, '}')
	}
	return append(dst, '}')
}

// appendMessageHead appends a message up to its content.
func appendMessageHead(dst []byte, id, model string) []byte {
	dst = strField(append(dst, '{'), "id", id)
	dst = append(dst, `,"type":"message","role":"assistant"`...)
	return append(appendKey(strField(dst, "model", model), "content"), '[')
}

func (anthropic) EncodeResponse(r Response) []byte {
	b := appendMessageHead(nil, r.ID, r.Model)
	if r.Reasoning != "" {
		b = strField(append(b, `{"type":"thinking"`...), "thinking", r.Reasoning)
		b = append(strField(b, "signature", r.Signature), '}')
	}
	if text := r.Text + r.Refusal; text != "" || len(r.ToolCalls) == 0 {
		b = appendTextBlock(appendComma(b), text)
	}
	for _, c := range r.ToolCalls {
		b = appendToolUse(appendComma(b), c)
	}
	b = append(appendStopped(append(b, "],"...), r.Finish, r.StopSequence), `,"usage":`...)
	return append(appendAnthropicUsage(b, r.Usage), '}')
}

func (anthropic) EncodeError(e *Error) []byte {
	typ, _ := e.words(Anthropic)
	b := strField([]byte(`{"type":"error","error":{`), "type", typ)
	return append(strField(b, "message", e.Message), "}}"...)
}

func (c anthropic) Encoder(_ Request, id, model string) StreamEncoder {
	return &anthropicEncoder{codec: c, id: id, model: model, block: -1, call: -1}
}

// anthropicEncoder opens and closes content blocks as kinds of content change.
type anthropicEncoder struct {
	codec     anthropic
	id, model string
	block     int    // index of the last block; -1 before the first
	kind      string // the open block's; "" when none is open
	call      int    // index of the last tool call; calls follow one another
	late      bool   // part of a call came after the next had begun
	stopped   string // the stop sequence that ended it
}

func (e *anthropicEncoder) Start(dst []byte, u *Usage) []byte {
	start := Usage{}
	if u != nil {
		start = Usage{Input: u.Input, Cached: u.Cached, Output: 1}
	}
	dst = append(dst, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":"...)
	dst = appendMessageHead(dst, e.id, e.model)
	dst = append(dst, `],"stop_reason":null,"stop_sequence":null,"usage":`...)
	dst = append(appendAnthropicUsage(dst, &start), "}}\n\n"...)
	return append(dst, "event: ping\ndata: {\"type\":\"ping\"}\n\n"...)
}

// open makes sure that the open block is of kind, whose empty form is empty.
func (e *anthropicEncoder) open(dst []byte, kind, empty string) []byte {
	if e.kind == kind {
		return dst
	}
	dst = e.closeBlock(dst)
	e.block++
	e.kind = kind
	dst = append(dst, "event: content_block_start\ndata: {\"type\":\"content_block_start\""...)
	dst = intField(dst, "index", int64(e.block))
	dst = append(append(dst, `,"content_block":`...), empty...)
	return append(dst, "}\n\n"...)
}

func (e *anthropicEncoder) closeBlock(dst []byte) []byte {
	if e.kind == "" {
		return dst
	}
	e.kind = ""
	dst = append(dst, "event: content_block_stop\ndata: {\"type\":\"content_block_stop\""...)
	return append(intField(dst, "index", int64(e.block)), "}\n\n"...)
}

func (e *anthropicEncoder) delta(dst []byte, kind, field, s string) []byte {
	dst = append(dst, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\""...)
	dst = intField(dst, "index", int64(e.block))
	dst = strField(append(appendKey(dst, "delta"), '{'), "type", kind)
	return append(strField(dst, field, s), "}}\n\n"...)
}

func (e *anthropicEncoder) Text(dst []byte, s string) []byte {
	if s == "" {
		return dst
	}
	return e.delta(e.open(dst, "text", `{"type":"text","text":""}`), "text_delta", "text", s)
}

func (e *anthropicEncoder) Reasoning(dst []byte, s string) []byte {
	if s == "" {
		return dst
	}
	dst = e.open(dst, "thinking", `{"type":"thinking","thinking":"","signature":""}`)
	return e.delta(dst, "thinking_delta", "thinking", s)
}

// Signature ends a block of thinking; elsewhere it has no place.
func (e *anthropicEncoder) Signature(dst []byte, s string) []byte {
	if e.kind != "thinking" || s == "" {
		return dst
	}
	return e.delta(dst, "signature_delta", "signature", s)
}

// Stopped is told to End.
func (e *anthropicEncoder) Stopped(by string) { e.stopped = by }

// Refusal appends s as text: the protocol sets a refusal apart by its finish.
func (e *anthropicEncoder) Refusal(dst []byte, s string) []byte { return e.Text(dst, s) }

// ToolCall appends part of a call as a block of its own, which the protocol
// cannot go back to once another has begun.
func (e *anthropicEncoder) ToolCall(dst []byte, d ToolCallDelta) []byte {
	switch {
	case d.Index < e.call, d.Index == e.call && e.kind != "tool_use":
		e.late = true
		return dst
	case d.Index > e.call:
		e.call = d.Index
		dst = e.closeBlock(dst)
		dst = e.open(dst, "tool_use", string(appendToolUse(nil, ToolCall{ID: d.ID, Name: d.Name})))
	}
	if d.Arguments == "" {
		return dst
	}
	return e.delta(dst, "input_json_delta", "partial_json", d.Arguments)
}

// Logprobs appends nothing: the protocol has none.
func (e *anthropicEncoder) Logprobs(dst []byte, _ []string, _ []float64) []byte { return dst }

func (e *anthropicEncoder) End(dst []byte, f Finish, u *Usage) []byte {
	if f == FinishNone {
		return dst
	}
	if e.late {
		return e.Error(dst, disorder())
	}
	dst = e.closeBlock(dst)
	dst = append(dst, "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{"...)
	dst = append(appendStopped(dst, f, e.stopped), `},"usage":`...)
	dst = append(appendAnthropicUsage(dst, u), "}\n\n"...)
	return append(dst, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"...)
}

func (e *anthropicEncoder) Error(dst []byte, err *Error) []byte {
	dst = append(append(dst, "event: error\ndata: "...), e.codec.EncodeError(err)...)
	return append(dst, "\n\n"...)
}
