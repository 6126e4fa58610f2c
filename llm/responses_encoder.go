package llm

import (
	"strconv"
	"strings"
)

// EncodeResponse writes a whole answer.
func (responses) EncodeResponse(r Response) []byte {
	e := newResponsesEncoder(r.ID, r.Model)
	e.quiet = true
	e.Reasoning(nil, r.Reasoning)
	e.Signature(nil, r.Signature)
	if r.Text != "" || r.Refusal == "" && len(r.ToolCalls) == 0 {
		e.begin(nil, textItem)
		e.tokens, e.logprobs = r.Tokens, r.Logprobs
		e.text.WriteString(r.Text)
	}
	e.Refusal(nil, r.Refusal)
	for i, c := range r.ToolCalls {
		e.ToolCall(nil, ToolCallDelta{Index: i, ID: c.ID, Name: c.Name, Arguments: c.Arguments})
	}
	e.closeItem(nil)
	return e.response(nil, r.Finish, r.Usage)
}

func (responses) Encoder(_ Request, id, model string) StreamEncoder {
	return newResponsesEncoder(id, model)
}

func newResponsesEncoder(id, model string) *responsesEncoder {
	return &responsesEncoder{id: id, model: model, call: -1}
}

// itemKind is what kind of output an item is.
type itemKind string

const (
	noItem        itemKind = ""
	textItem      itemKind = "output_text"
	refusalItem   itemKind = "refusal"
	reasoningItem itemKind = "reasoning"
	callItem      itemKind = "function_call"
)

// responsesEncoder keeps all that was said: the protocol's last events repeat
// it. It allocates with the length of the answer.
type responsesEncoder struct {
	id, model string
	quiet     bool // keep, write no events
	seq       int
	kind      itemKind        // the open item's
	text      strings.Builder // the open item's
	tokens    []string        // of the open item's text
	logprobs  []float64
	signature string // of the open item's reasoning
	callOpen  ToolCall
	call      int  // index of the last call
	late      bool // part of a call came after the next had begun
	refused   bool
	items     []byte // those that are done, separated by commas
	n         int    // how many
}

// event begins an event; the caller adds members and ends it.
func (e *responsesEncoder) event(dst []byte, kind string) []byte {
	dst = append(append(append(dst, "event: "...), kind...), "\ndata: {"...)
	dst = strField(dst, "type", kind)
	dst = intField(dst, "sequence_number", int64(e.seq))
	e.seq++
	return dst
}

func (e *responsesEncoder) Sequence(n int) { e.seq = n }

const endEvent = "}\n\n"

// itemID names the open item.
func (e *responsesEncoder) itemID() string {
	prefix := map[itemKind]string{textItem: "msg_", refusalItem: "msg_", reasoningItem: "rs_", callItem: "fc_"}[e.kind]
	return prefix + strings.TrimPrefix(e.id, "resp_") + "_" + strconv.Itoa(e.n)
}

// place appends which item an event is about.
func (e *responsesEncoder) place(dst []byte) []byte {
	dst = strField(dst, "item_id", e.itemID())
	return intField(dst, "output_index", int64(e.n))
}

func (e *responsesEncoder) Start(dst []byte, _ *Usage) []byte {
	for _, kind := range []string{"response.created", "response.in_progress"} {
		dst = appendKey(e.event(dst, kind), "response")
		dst = append(e.head(dst, "in_progress"), `,"incomplete_details":null,"output":[],"usage":null}`...)
		dst = append(dst, endEvent...)
	}
	return dst
}

// head appends a response up to its status.
func (e *responsesEncoder) head(dst []byte, status string) []byte {
	dst = strField(append(dst, '{'), "id", e.id)
	dst = intField(append(dst, `,"object":"response"`...), "created_at", createdOf(e.id))
	dst = strField(dst, "status", status)
	dst = strField(append(dst, `,"error":null`...), "model", e.model)
	return append(dst, `,"instructions":null,"metadata":{},"parallel_tool_calls":true,"temperature":null,"tool_choice":"auto","tools":[],"top_p":null`...)
}

// response appends the whole response.
func (e *responsesEncoder) response(dst []byte, f Finish, u *Usage) []byte {
	status, reason := "completed", ""
	switch {
	case f == FinishLength, f == FinishPause: // the nearest: there is more to come
		status, reason = "incomplete", "max_output_tokens"
	case f == FinishFilter, f == FinishRefusal && !e.refused:
		status, reason = "incomplete", "content_filter"
	case f == FinishNone:
		status = "in_progress"
	}
	dst = appendKey(e.head(dst, status), "incomplete_details")
	if reason == "" {
		dst = append(dst, "null"...)
	} else {
		dst = append(strField(append(dst, '{'), "reason", reason), '}')
	}
	dst = append(append(append(appendKey(dst, "output"), '['), e.items...), ']')
	if u != nil {
		dst = appendResponsesUsage(appendKey(dst, "usage"), *u)
	}
	return append(dst, '}')
}

func appendResponsesUsage(dst []byte, u Usage) []byte {
	dst = intField(append(dst, '{'), "input_tokens", int64(u.Input))
	dst = intField(append(appendKey(dst, "input_tokens_details"), '{'), "cached_tokens", int64(u.Cached))
	dst = intField(append(dst, '}'), "output_tokens", int64(u.Output))
	dst = intField(append(appendKey(dst, "output_tokens_details"), '{'), "reasoning_tokens", int64(u.Reasoning))
	return append(intField(append(dst, '}'), "total_tokens", int64(u.Input+u.Output)), '}')
}

// begin makes sure that the open item is of kind.
func (e *responsesEncoder) begin(dst []byte, kind itemKind) []byte {
	if e.kind == kind && kind != callItem {
		return dst
	}
	dst = e.closeItem(dst)
	e.kind = kind
	if e.quiet {
		return dst
	}
	dst = intField(e.event(dst, "response.output_item.added"), "output_index", int64(e.n))
	dst = append(e.item(appendKey(dst, "item"), false), endEvent...)
	switch kind {
	case textItem, refusalItem:
		dst = intField(e.place(e.event(dst, "response.content_part.added")), "content_index", 0)
		dst = append(e.part(appendKey(dst, "part"), ""), endEvent...)
	case reasoningItem:
		dst = intField(e.place(e.event(dst, "response.reasoning_summary_part.added")), "summary_index", 0)
		dst = append(dst, `,"part":{"type":"summary_text","text":""}}`+"\n\n"...)
	}
	return dst
}

// part appends the content part of the open message.
func (e *responsesEncoder) part(dst []byte, text string) []byte {
	if e.kind == refusalItem {
		return append(strField(append(dst, `{"type":"refusal"`...), "refusal", text), '}')
	}
	dst = strField(append(dst, `{"type":"output_text","annotations":[]`...), "text", text)
	return append(appendTokens(appendKey(dst, "logprobs"), e.tokens, e.logprobs), '}')
}

func appendTokens(dst []byte, tokens []string, logprobs []float64) []byte {
	dst = append(dst, '[')
	for i, l := range logprobs {
		token := ""
		if i < len(tokens) {
			token = tokens[i]
		}
		dst = strField(append(appendComma(dst), '{'), "token", token)
		dst = append(floatField(dst, "logprob", l), `,"bytes":[],"top_logprobs":[]}`...)
	}
	return append(dst, ']')
}

// item appends the open item, as it begins or as it is done.
func (e *responsesEncoder) item(dst []byte, done bool) []byte {
	status := "in_progress"
	if done {
		status = "completed"
	}
	switch e.kind {
	case callItem:
		c := e.callOpen
		c.Arguments = ""
		if done {
			c.Arguments = orNoArguments(e.text.String())
		}
		return appendFunctionItem(dst, e.itemID(), c)
	case reasoningItem:
		dst = append(strField(append(dst, `{"type":"reasoning"`...), "id", e.itemID()), `,"summary":[`...)
		if done && e.text.Len() > 0 {
			dst = append(strField(append(dst, `{"type":"summary_text"`...), "text", e.text.String()), '}')
		}
		dst = append(dst, ']')
		if done && e.signature != "" {
			dst = strField(dst, "encrypted_content", e.signature)
		}
		return append(dst, '}')
	}
	dst = strField(append(dst, `{"type":"message"`...), "id", e.itemID())
	dst = append(strField(dst, "status", status), `,"role":"assistant","content":[`...)
	if done {
		dst = e.part(dst, e.text.String())
	}
	return append(dst, "]}"...)
}

// closeItem ends the open item and keeps it.
func (e *responsesEncoder) closeItem(dst []byte) []byte {
	if e.kind == noItem {
		return dst
	}
	if !e.quiet {
		dst = e.doneEvents(dst)
		dst = intField(e.event(dst, "response.output_item.done"), "output_index", int64(e.n))
		dst = append(e.item(appendKey(dst, "item"), true), endEvent...)
	}
	if e.n > 0 {
		e.items = append(e.items, ',')
	}
	e.items = e.item(e.items, true)
	e.n++
	e.kind, e.tokens, e.logprobs, e.signature = noItem, nil, nil, ""
	e.text.Reset()
	return dst
}

// doneEvents appends what ends an item's content.
func (e *responsesEncoder) doneEvents(dst []byte) []byte {
	text := e.text.String()
	switch e.kind {
	case textItem, refusalItem:
		field := "text"
		if e.kind == refusalItem {
			field = "refusal"
		}
		dst = intField(e.place(e.event(dst, "response."+string(e.kind)+".done")), "content_index", 0)
		dst = strField(dst, field, text)
		if e.kind == textItem {
			dst = rawField(dst, "logprobs", []byte("[]"))
		}
		dst = intField(e.place(e.event(append(dst, endEvent...), "response.content_part.done")), "content_index", 0)
		return append(e.part(appendKey(dst, "part"), text), endEvent...)
	case reasoningItem:
		dst = intField(e.place(e.event(dst, "response.reasoning_summary_text.done")), "summary_index", 0)
		dst = append(strField(dst, "text", text), endEvent...)
		dst = intField(e.place(e.event(dst, "response.reasoning_summary_part.done")), "summary_index", 0)
		dst = append(appendKey(dst, "part"), `{"type":"summary_text"`...)
		return append(strField(dst, "text", text), "}}\n\n"...)
	case callItem:
		dst = strField(e.place(e.event(dst, "response.function_call_arguments.done")), "arguments", orNoArguments(text))
		return append(strField(dst, "name", e.callOpen.Name), endEvent...)
	}
	return dst
}

// say appends a piece of the open item.
func (e *responsesEncoder) say(dst []byte, kind, index, s string) []byte {
	e.text.WriteString(s)
	if e.quiet {
		return dst
	}
	dst = e.place(e.event(dst, kind))
	if index != "" {
		dst = intField(dst, index, 0)
	}
	return append(strField(dst, "delta", s), endEvent...)
}

func (e *responsesEncoder) Text(dst []byte, s string) []byte {
	if s == "" {
		return dst
	}
	return e.say(e.begin(dst, textItem), "response.output_text.delta", "content_index", s)
}

func (e *responsesEncoder) Reasoning(dst []byte, s string) []byte {
	if s == "" {
		return dst
	}
	return e.say(e.begin(dst, reasoningItem), "response.reasoning_summary_text.delta", "summary_index", s)
}

// Signature stands with the reasoning's item when that is done.
func (e *responsesEncoder) Signature(dst []byte, s string) []byte {
	if e.kind == reasoningItem {
		e.signature = s
	}
	return dst
}

func (e *responsesEncoder) Refusal(dst []byte, s string) []byte {
	if s == "" {
		return dst
	}
	e.refused = true
	return e.say(e.begin(dst, refusalItem), "response.refusal.delta", "content_index", s)
}

// ToolCall appends part of a call as an item of its own, which is not gone back
// to once another has begun.
func (e *responsesEncoder) ToolCall(dst []byte, d ToolCallDelta) []byte {
	switch {
	case d.Index < e.call, d.Index == e.call && e.kind != callItem:
		e.late = true
		return dst
	case d.Index > e.call:
		dst = e.closeItem(dst)
		e.call, e.callOpen = d.Index, ToolCall{ID: d.ID, Name: d.Name}
		dst = e.begin(dst, callItem)
	}
	if d.Arguments == "" {
		return dst
	}
	return e.say(dst, "response.function_call_arguments.delta", "", d.Arguments)
}

// Logprobs appends a piece of text without text: the protocol has them beside
// the text that they are of.
func (e *responsesEncoder) Logprobs(dst []byte, tokens []string, logprobs []float64) []byte {
	if len(logprobs) == 0 {
		return dst
	}
	dst = e.begin(dst, textItem)
	e.tokens, e.logprobs = append(e.tokens, tokens...), append(e.logprobs, logprobs...)
	dst = intField(e.place(e.event(dst, "response.output_text.delta")), "content_index", 0)
	dst = appendKey(strField(dst, "delta", ""), "logprobs")
	return append(appendTokens(dst, tokens, logprobs), endEvent...)
}

func (e *responsesEncoder) End(dst []byte, f Finish, u *Usage) []byte {
	if f == FinishNone {
		return dst
	}
	if e.late {
		return e.Error(dst, disorder())
	}
	dst = e.closeItem(dst)
	kind := "response.completed"
	switch f {
	case FinishLength, FinishPause, FinishFilter:
		kind = "response.incomplete"
	case FinishRefusal:
		if !e.refused {
			kind = "response.incomplete"
		}
	}
	dst = e.response(appendKey(e.event(dst, kind), "response"), f, u)
	return append(dst, endEvent...)
}

// Error appends the protocol's error event, whose type is its own.
func (e *responsesEncoder) Error(dst []byte, err *Error) []byte {
	typ, code := err.words(OpenAI)
	if code == "" {
		code = typ
	}
	dst = strField(e.event(dst, "error"), "code", code)
	dst = strField(dst, "message", err.Message)
	return append(rawField(dst, "param", []byte("null")), endEvent...)
}
