package llm

import "encoding/json"

// Tool is a function that the model may ask to have called.
type Tool struct {
	Name        string
	Description string
	// Parameters is the JSON schema of the arguments, an object. nil: the tool
	// takes none.
	Parameters json.RawMessage
	// Strict asks the provider to hold the arguments to the schema.
	Strict bool
}

// ToolMode says whether the model may or must call tools.
type ToolMode string

// The modes. The zero value is the provider's default, which is auto where
// there are tools.
const (
	ToolDefault  ToolMode = ""
	ToolAuto     ToolMode = "auto"
	ToolNone     ToolMode = "none"
	ToolRequired ToolMode = "required" // at least one, whichever
	ToolNamed    ToolMode = "named"    // the one that ToolChoice names
)

// ToolChoice is which tool the model may or must call.
type ToolChoice struct {
	Mode ToolMode
	Name string // with ToolNamed
}

// ToolCall is a call of a tool that a model asks for.
type ToolCall struct {
	// ID pairs the call with its result. Where a provider gives none, the codec
	// makes one that it knows again.
	ID   string
	Name string
	// Arguments is JSON text as the model wrote it, "{}" for none. It may be no
	// JSON at all: that is the model's error, not the protocol's, and the
	// caller's to judge.
	Arguments string
	// Signature is the provider's opaque proof of its own reasoning (Gemini's
	// thoughtSignature, base64), which must come back with the call. "": none.
	Signature string
}

// ToolCallDelta is part of a [ToolCall] in a streamed answer. The first of a
// call has ID and Name; fragments of the arguments follow.
type ToolCallDelta struct {
	Index     int // of the call in the answer, from 0
	ID, Name  string
	Arguments string // to be appended
	Signature string
}

// maxCalls bounds the calls of one answer that [AppendToolCalls] keeps.
const maxCalls = 1024

// AppendToolCalls adds what one event carried to the calls of an answer so far
// and returns them. An index out of all bounds is ignored.
func AppendToolCalls(calls []ToolCall, deltas []ToolCallDelta) []ToolCall {
	for _, d := range deltas {
		if d.Index < 0 || d.Index >= maxCalls {
			continue
		}
		for len(calls) <= d.Index {
			calls = append(calls, ToolCall{})
		}
		c := &calls[d.Index]
		if d.ID != "" {
			c.ID = d.ID
		}
		if d.Name != "" {
			c.Name = d.Name
		}
		if d.Signature != "" {
			c.Signature = d.Signature
		}
		c.Arguments += d.Arguments
	}
	return calls
}

// PartKind is what a [Part] of a message is.
type PartKind string

// The kinds of parts.
const (
	PartText       PartKind = "text"
	PartImage      PartKind = "image"
	PartDocument   PartKind = "document"    // a PDF by its bytes, in Image
	PartToolCall   PartKind = "tool_call"   // of an assistant
	PartToolResult PartKind = "tool_result" // what the caller answers to a call
	PartReasoning  PartKind = "reasoning"   // of an assistant; never told to another provider
)

// Part is a piece of a message's content. Only the fields of its kind are set.
type Part struct {
	Kind  PartKind
	Text  string    // of a text, reasoning or result
	Image *Image    // of an image or a document
	Call  *ToolCall // of a call; of a result its ID and, where known, Name
	Error bool      // of a result: the tool did not succeed
}

// Image is a picture by its bytes or by where it lies.
type Image struct {
	MIME string // "image/png"; "" where only the URL is known
	Data string // base64; "" with a URL
	URL  string // http or https; "" with Data
}
