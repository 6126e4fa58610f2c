package llm

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// anthropicAnyMessage reads a message by its raw form, which of a system one is
// a block of the top-level system.
func anthropicAnyMessage(role string, raw json.RawMessage) (Message, []string, error) {
	if role != RoleSystem {
		return anthropicRequestMessage(raw)
	}
	f, err := knownFields(raw)
	if err != nil {
		return Message{}, nil, err
	}
	return Message{Role: RoleSystem, Raw: raw}, []string{partKind(f)}, nil
}

// anthropicRequestMessage reads a turn. names is what its raw form holds beyond
// Text and Parts.
func anthropicRequestMessage(raw json.RawMessage) (m Message, names []string, err error) {
	f, err := knownFields(raw)
	if err != nil {
		return m, nil, err
	}
	if _, err := f.take(&m.Role, "role"); err != nil {
		return m, nil, err
	}
	if m.Role != RoleUser && m.Role != RoleAssistant && m.Role != RoleSystem {
		return m, nil, fmt.Errorf("role %q is neither user nor assistant", m.Role)
	}
	content := f["content"]
	delete(f, "content")
	plain := len(f) == 0
	if s, ok := unquote(content); ok {
		m.Text = s
	} else {
		texts, onlyText, err := plainParts(content)
		if err != nil {
			return m, nil, fmt.Errorf("content: %w", err)
		}
		m.Text, plain = joinText(texts), plain && onlyText
	}
	switch {
	case plain:
		return m, nil, nil
	case m.Role == RoleSystem: // the Raw of a system message is a block of the top-level system
		return m, nil, errors.New("role system with more than text: put it in the top-level system")
	}
	m.Raw = raw
	m.Parts, names = anthropicParts(content)
	for k, v := range f {
		if !isEmpty(v) {
			names = append(names, k)
		}
	}
	return m, names, nil
}

// anthropicParts reads content, and names what is not understood.
func anthropicParts(raw []byte) (parts []Part, names []string) {
	if s, ok := unquote(raw); ok {
		return []Part{{Kind: PartText, Text: s}}, nil
	}
	walkArray(raw, func(e []byte) bool {
		f := object(e)
		kind, _ := unquote(f["type"])
		part, known := anthropicPart(kind, f)
		allowed := map[string]string{"text": "text", "image": "source", "document": "source", "tool_use": "id name input caller",
			"tool_result": "tool_use_id content is_error", "thinking": "thinking signature", "redacted_thinking": "data"}[kind]
		beyond := ""
		for k, v := range f {
			if k != "type" && !isNull(v) && !strings.Contains(" "+allowed+" ", " "+k+" ") {
				beyond = k
			}
		}
		switch {
		case !known:
			names = append(names, "content."+kind)
			return true
		case beyond != "":
			names = append(names, "content."+beyond)
		}
		parts = append(parts, part)
		return true
	})
	return parts, names
}

func anthropicPart(kind string, f fields) (p Part, ok bool) {
	switch kind {
	case "text":
		p.Kind = PartText
		p.Text, ok = unquote(f["text"])
	case "thinking":
		p.Kind = PartReasoning
		p.Text, ok = unquote(f["thinking"])
	case "redacted_thinking":
		p.Kind, ok = PartReasoning, true
	case "document":
		if i := anthropicImage(object(f["source"])); i != nil && i.MIME == pdf {
			return Part{Kind: PartDocument, Image: i}, i.Data != ""
		}
	case "image":
		p.Kind = PartImage
		p.Image = anthropicImage(object(f["source"]))
		ok = p.Image != nil
	case "tool_use":
		p.Kind, p.Call = PartToolCall, &ToolCall{Arguments: orNoArguments(argumentText(f["input"]))}
		p.Call.ID, _ = unquote(f["id"])
		p.Call.Name, ok = unquote(f["name"])
		ok = ok && p.Call.Name != ""
	case "tool_result":
		p.Kind, p.Call, p.Error = PartToolResult, &ToolCall{}, string(f["is_error"]) == "true"
		p.Call.ID, _ = unquote(f["tool_use_id"])
		if p.Text, ok = unquote(f["content"]); !ok && isNull(f["content"]) {
			ok = true
		} else if !ok {
			var ts []string
			var err error
			ts, ok, err = plainParts(f["content"])
			p.Text, ok = joinText(ts), ok && err == nil
		}
	}
	return p, ok
}

func anthropicImage(source fields) *Image {
	kind, _ := unquote(source["type"])
	switch {
	case kind == "url" && onlyKeys(source, "type", "url"):
		if url, _ := unquote(source["url"]); !strings.HasPrefix(url, "data:") {
			return imageAt(url)
		}
	case kind == "base64" && onlyKeys(source, "type", "media_type", "data"):
		mime, _ := unquote(source["media_type"])
		data, _ := unquote(source["data"])
		return imageAt("data:" + mime + ";base64," + data)
	}
	return nil
}

// appendTurn appends a turn of one or more messages. Results stand first, in
// one turn, or the API refuses them.
func appendTurn(b []byte, t turn) []byte {
	if len(t.ms) == 1 && t.ms[0].Raw != nil {
		return append(b, t.ms[0].Raw...)
	}
	b = strField(append(b, '{'), "role", t.role)
	if len(t.ms) == 1 && t.ms[0].Parts == nil {
		return append(strField(b, "content", t.ms[0].Text), '}')
	}
	b = append(appendKey(b, "content"), '[')
	for _, m := range t.ms {
		done, _ := results(m.Parts)
		if m.Raw == nil {
			b = appendBlockParts(b, done)
		}
	}
	for _, m := range t.ms {
		b = appendBlocks(b, m)
	}
	return append(b, "]}"...)
}

// appendBlocks appends m's content as blocks, its results left out where m has
// no raw form.
func appendBlocks(b []byte, m Message) []byte {
	switch {
	case m.Raw == nil && m.Parts == nil:
		return appendTextBlock(appendComma(b), m.Text)
	case m.Raw == nil:
		_, rest := results(m.Parts)
		return appendBlockParts(b, rest)
	}
	content := object(m.Raw)["content"]
	if s, ok := unquote(content); ok {
		return appendTextBlock(appendComma(b), s)
	}
	walkArray(content, func(block []byte) bool {
		b = append(appendComma(b), block...)
		return true
	})
	return b
}

// appendBlockParts appends parts as blocks. Empty text, which the API refuses
// beside others, is left out.
func appendBlockParts(b []byte, parts []Part) []byte {
	for _, p := range parts {
		switch p.Kind {
		case PartText:
			if p.Text != "" || len(parts) == 1 {
				b = appendTextBlock(appendComma(b), p.Text)
			}
		case PartReasoning:
			b = strField(append(appendComma(b), `{"type":"thinking"`...), "thinking", p.Text)
			b = append(b, `,"signature":""}`...)
		case PartImage:
			b = append(appendComma(b), `{"type":"image","source":`...)
			b = append(appendSource(b, p.Image), '}')
		case PartDocument:
			b = append(appendComma(b), `{"type":"document","source":`...)
			b = append(appendSource(b, p.Image), '}')
		case PartToolCall:
			c := *p.Call
			c.ID = anthropicID(c.ID)
			b = appendToolUse(appendComma(b), c)
		case PartToolResult:
			b = strField(append(appendComma(b), `{"type":"tool_result"`...), "tool_use_id", anthropicID(p.Call.ID))
			b = strField(b, "content", p.Text)
			if p.Error {
				b = rawField(b, "is_error", []byte("true"))
			}
			b = append(b, '}')
		}
	}
	return b
}

func appendSource(b []byte, i *Image) []byte {
	if i.URL != "" {
		return append(strField(append(b, `{"type":"url"`...), "url", i.URL), '}')
	}
	b = strField(append(b, `{"type":"base64"`...), "media_type", i.MIME)
	return append(strField(b, "data", i.Data), '}')
}

// escapedID begins the ids that were written in letters that the API takes.
const escapedID = "esc_"

// anthropicID returns id in the letters that the API takes, [a-zA-Z0-9_-]: the
// same one as it is, any other escaped. No two become one.
func anthropicID(id string) string {
	ok := id != "" && !strings.HasPrefix(id, escapedID)
	for i := 0; i < len(id) && ok; i++ {
		c := id[i]
		ok = c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
	}
	if ok {
		return id
	}
	return escapedID + base64.RawURLEncoding.EncodeToString([]byte(id))
}

// originalID is the opposite of [anthropicID].
func originalID(id string) string {
	if rest, ok := strings.CutPrefix(id, escapedID); ok {
		if b, err := base64.RawURLEncoding.DecodeString(rest); err == nil && anthropicID(string(b)) == id {
			return string(b)
		}
	}
	return id
}

// anthropicTool reads a tool of the caller's.
func anthropicTool(raw []byte) (t Tool, ok bool) {
	f := object(raw)
	if kind, _ := unquote(f["type"]); kind != "" && kind != "custom" {
		return t, false
	}
	delete(f, "type")
	t, ok = functionOf(f, "input_schema")
	return t, ok && t.Parameters != nil // which the API requires: the provider says what is wrong
}

// takeAnthropicChoice reads tool_choice with its inverted word on parallel calls.
func takeAnthropicChoice(r *Request, f fields) {
	c := object(f[choiceField])
	kind, _ := unquote(c["type"])
	mode, ok := map[string]ToolMode{"auto": ToolAuto, "any": ToolRequired, "none": ToolNone, "tool": ToolNamed}[kind]
	one := string(c["disable_parallel_tool_use"])
	name, named := unquote(c["name"])
	if !ok || !onlyKeys(c, "type", "name", "disable_parallel_tool_use") || one != "" && one != "true" && one != "false" ||
		named != (mode == ToolNamed) || named && name == "" {
		return
	}
	r.ToolChoice, r.OneToolCall = ToolChoice{Mode: mode, Name: name}, one == "true"
	delete(f, choiceField)
}

// appendAnthropicTools appends what r says of tools. The word on parallel
// calls needs a choice to stand in.
func appendAnthropicTools(b []byte, r Request) []byte {
	if len(r.Tools) > 0 {
		b = append(appendKey(b, toolsField), '[')
		for _, t := range r.Tools {
			t.Parameters = t.parameters()
			b = append(appendFunction(append(appendComma(b), '{'), t, "input_schema"), '}')
		}
		b = append(b, ']')
	}
	mode := r.ToolChoice.Mode
	if mode == ToolDefault && r.OneToolCall {
		mode = ToolAuto
	}
	if mode == ToolDefault {
		return b
	}
	word := map[ToolMode]string{ToolAuto: "auto", ToolRequired: "any", ToolNone: "none", ToolNamed: "tool"}[mode]
	b = strField(append(appendKey(b, choiceField), '{'), "type", word)
	if mode == ToolNamed {
		b = strField(b, "name", r.ToolChoice.Name)
	}
	if r.OneToolCall && mode != ToolNone {
		b = rawField(b, "disable_parallel_tool_use", []byte("true"))
	}
	return append(b, '}')
}
