package llm

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// prepared returns r as it is to be written for p: what only r's own dialect
// can say is left out where p is of another, after it was found to say nothing;
// calls and results are paired. It refuses what no codec could encode, and with
// an [UnsupportedError] what p cannot say. more are fields that the protocol
// cannot express.
func (r Request) prepared(p Protocol, more []string) (Request, error) {
	if err := r.validate(); err != nil {
		return r, fmt.Errorf("encode %s request: %w", p, err)
	}
	foreign := r.foreign(p)
	names := more
	if foreign {
		said, told := r.kindred(p)
		names = append(names, r.beyond(told)...)
		r.Extra = said
	}
	r.Messages = settled(r.Messages, foreign)
	for i, m := range r.Messages {
		if m.Raw == nil && (m.Parts != nil || m.Role == RoleTool) {
			names = append(names, m.unsayable(p, foreign, fmt.Sprintf("messages[%d].", i))...)
		}
	}
	if len(names) == 0 {
		if foreign {
			r.Messages = joined(r.Messages)
		}
		return r, nil
	}
	slices.Sort(names)
	return r, &UnsupportedError{Protocol: p, Fields: slices.Compact(names)}
}

// beyond names what r says in words of its own dialect only; told are fields
// that the other one has too.
func (r Request) beyond(told []string) []string {
	var names []string
	for k, v := range r.Extra {
		switch {
		case (k == schemaField || k == "text.format") && r.JSONSchema != nil, saysNothing(k, v), slices.Contains(told, k):
		default:
			names = append(names, k)
		}
	}
	for i, m := range r.Messages {
		if m.Raw == nil {
			continue
		}
		for _, n := range m.beyond(r.Dialect) {
			names = append(names, strings.TrimSuffix(fmt.Sprintf("messages[%d].%s", i, n), "."))
		}
	}
	// What stands last of the assistant's would be gone on with by some and
	// answered by others: a capability of models, never assumed.
	if n := len(r.Messages); r.Dialect != "" && n > 0 && r.Messages[n-1].Role == RoleAssistant {
		names = append(names, prefillField)
	}
	return names
}

// prefillField is how the beginning of an answer that a model is to go on with
// is called in errors.
const prefillField = "prefill"

// beyond names what m's raw form in dialect d holds beyond Text and Parts; ""
// for all of it.
func (m Message) beyond(d Protocol) []string {
	var names []string
	var err error
	switch d.dialect() {
	case OpenAI:
		_, names, err = openAIRequestMessage(m.Raw)
	case Anthropic:
		_, names, err = anthropicAnyMessage(m.Role, m.Raw)
	case Gemini:
		_, names, err = geminiAnyContent(m.Role, m.Raw)
	case Responses:
		_, names, err = responsesItem(m.Raw)
	default:
		return []string{""}
	}
	if err != nil {
		return []string{""}
	}
	return names
}

// unsayable names what p cannot say of a message without a raw form. head goes
// before each name.
func (m Message) unsayable(p Protocol, foreign bool, head string) []string {
	if m.Role == RoleTool && m.Parts == nil {
		return []string{head + "role=tool"}
	}
	var names []string
	for _, part := range m.Parts {
		name := ""
		switch {
		case part.Kind == PartReasoning && foreign:
			name = reasoningName
		case part.Kind == PartImage && m.Role != RoleUser:
			name = "content.image"
		case part.Kind == PartDocument && m.Role != RoleUser:
			name = "content.document"
		case part.Kind == PartImage && p == Gemini && part.Image.MIME == "":
			name = "content.image_url" // its type is not to be guessed
		case part.Kind == PartToolResult:
			name = unsayableResult(p, part)
		}
		if name != "" {
			names = append(names, head+name)
		}
	}
	return names
}

// How parts of messages are called in errors that may be dropped.
const (
	reasoningName = "reasoning"
	errorName     = "tool_result.is_error"
)

func unsayableResult(p Protocol, part Part) string {
	switch {
	case p == Gemini && part.Call.Name == "", p != Gemini && part.Call.ID == "":
		return "tool_call_id"
	case part.Error && p != Gemini && p != Anthropic:
		return errorName
	}
	return ""
}

// settled returns ms as a codec may write them: without raw forms where those
// are foreign, with calls and results paired. What it changes, it copies.
func settled(ms []Message, foreign bool) []Message {
	if !slices.ContainsFunc(ms, func(m Message) bool { return m.Raw != nil && foreign || m.Parts != nil }) {
		return ms
	}
	ms = slices.Clone(ms)
	for i := range ms {
		m := &ms[i]
		if foreign {
			m.Raw = nil
		}
		m.Parts = slices.Clone(m.Parts)
		for j, p := range m.Parts {
			if p.Call != nil {
				call := *p.Call
				m.Parts[j].Call = &call
			}
		}
	}
	pairCalls(ms)
	return ms
}

// joined makes one message of consecutive ones of the assistant's with calls
// among them: some dialects have an item for each, others want all in one turn.
// ms was settled, so that it is ours to change.
func joined(ms []Message) []Message {
	calls := func(m Message) bool {
		return m.Role == RoleAssistant && slices.ContainsFunc(m.Parts, func(p Part) bool { return p.Kind == PartToolCall })
	}
	if !slices.ContainsFunc(ms, calls) {
		return ms
	}
	out := ms[:0]
	for _, m := range ms {
		n := len(out)
		if n == 0 || m.Role != RoleAssistant || out[n-1].Role != RoleAssistant || !calls(m) && !calls(out[n-1]) {
			out = append(out, m)
			continue
		}
		last := &out[n-1]
		last.Parts = append(last.content(), m.content()...)
		last.Text = joinText(texts(last.Parts))
	}
	return out
}

// content returns m's parts, its text as one where it is nothing else.
func (m Message) content() []Part {
	if m.Parts == nil && m.Text != "" {
		return []Part{{Kind: PartText, Text: m.Text}}
	}
	return m.Parts
}

// pairCalls gives every call an id, every result the name of its call, and
// results without an id that of the first call of their name that has no
// result yet. O(n).
func pairCalls(ms []Message) {
	if !slices.ContainsFunc(ms, func(m Message) bool { return m.Parts != nil }) {
		return
	}
	byID, byName, done := map[string]*ToolCall{}, map[string][]*ToolCall{}, map[*ToolCall]bool{}
	made := 0
	for _, m := range ms {
		for _, p := range m.Parts {
			switch {
			case p.Kind == PartToolCall:
				if p.Call.ID == "" {
					made++
					p.Call.ID = fmt.Sprintf("%s%016x", namelessCall, made)
				}
				byName[p.Call.Name] = append(byName[p.Call.Name], p.Call)
				byID[p.Call.ID] = p.Call
			case p.Kind != PartToolResult:
			case p.Call.ID != "":
				c := byID[p.Call.ID]
				if c == nil {
					continue
				}
				if p.Call.Name == "" {
					p.Call.Name = c.Name
				}
				done[c] = true
			default:
				open := byName[p.Call.Name]
				for len(open) > 0 && done[open[0]] {
					open = open[1:]
				}
				if len(open) > 0 {
					p.Call.ID, open = open[0].ID, open[1:]
				}
				byName[p.Call.Name] = open
			}
		}
	}
}

// validate reports a part that is not what its kind says.
func (p Part) validate(role string) error {
	switch p.Kind {
	case PartText:
		return nil
	case PartReasoning:
		if role != RoleAssistant {
			return errors.New("reasoning that is not the assistant's")
		}
		return nil
	case PartImage:
		if p.Image == nil || (p.Image.Data == "") == (p.Image.URL == "") || p.Image.Data != "" && p.Image.MIME == "" {
			return errors.New("an image needs its type and data, or a URL")
		}
		return nil
	case PartDocument:
		if p.Image == nil || p.Image.Data == "" || p.Image.MIME != pdf {
			return errors.New("a document needs its data, as PDF")
		}
		return nil
	case PartToolCall:
		if p.Call == nil || p.Call.Name == "" || role != RoleAssistant {
			return errors.New("a tool call needs a name, and is the assistant's")
		}
		return nil
	case PartToolResult:
		if p.Call == nil || role != RoleTool && role != RoleUser {
			return errors.New("a tool's result needs its call, and is not the assistant's")
		}
		return nil
	}
	return fmt.Errorf("kind %q is unknown", p.Kind)
}

// validateTools reports tools that make no sense.
func (r Request) validateTools() error {
	for i, t := range r.Tools {
		if t.Name == "" {
			return fmt.Errorf("tools[%d]: no name", i)
		}
		if t.Parameters != nil && !isObject(t.Parameters) {
			return fmt.Errorf("tools[%d]: parameters: no JSON object", i)
		}
	}
	switch r.ToolChoice.Mode {
	case ToolDefault, ToolAuto, ToolNone, ToolRequired:
		return nil
	case ToolNamed:
		if r.ToolChoice.Name != "" {
			return nil
		}
	}
	return fmt.Errorf("tool choice: %+v makes no sense", r.ToolChoice)
}

// texts returns the texts of parts that are text.
func texts(parts []Part) []string {
	var ts []string
	for _, p := range parts {
		if p.Kind == PartText {
			ts = append(ts, p.Text)
		}
	}
	return ts
}

// results returns the parts that are results, and the others.
func results(parts []Part) (results, others []Part) {
	for _, p := range parts {
		if p.Kind == PartToolResult {
			results = append(results, p)
		} else {
			others = append(others, p)
		}
	}
	return results, others
}

// imageAt reads an image's URL: a data URI, or an address on the web. nil for
// any other.
func imageAt(s string) *Image {
	if rest, ok := strings.CutPrefix(s, "data:"); ok {
		mime, data, ok := strings.Cut(rest, ";base64,")
		if !ok || data == "" || !strings.Contains(mime, "/") || strings.ContainsAny(mime, "; ,") {
			return nil
		}
		return &Image{MIME: mime, Data: data}
	}
	if strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://") {
		return &Image{URL: s}
	}
	return nil
}

// pdf is the type of the documents that all dialects of chats take.
const pdf = "application/pdf"

// documentAt reads a PDF's data URI; ok is false for any other.
func documentAt(s string) (Part, bool) {
	i := imageAt(s)
	return Part{Kind: PartDocument, Image: i}, i != nil && i.MIME == pdf && i.Data != ""
}

// documentName is a document's where the protocol wants a name: the caller's
// is not kept.
const documentName = "document.pdf"

// url is the opposite of [imageAt].
func (i *Image) url() string {
	if i.URL != "" {
		return i.URL
	}
	return "data:" + i.MIME + ";base64," + i.Data
}

// onlyKeys reports whether f has no members that say something but those named.
func onlyKeys(f fields, names ...string) bool {
	for k, v := range f {
		if !slices.Contains(names, k) && !isNull(v) {
			return false
		}
	}
	return true
}

// parameters returns the schema of t's arguments; without one, that of none.
func (t Tool) parameters() json.RawMessage {
	if t.Parameters == nil {
		return json.RawMessage(`{"type":"object","properties":{}}`)
	}
	return t.Parameters
}

// object reads a member that must be an object; nil where it is none.
func object(raw []byte) fields {
	if len(raw) == 0 || raw[0] != '{' {
		return nil
	}
	f, err := knownFields(raw)
	if err != nil {
		return nil
	}
	return f
}
