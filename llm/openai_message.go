package llm

import (
	"encoding/json"
	"fmt"
	"slices"
)

// openAIRequestMessage reads one message. names is what its raw form holds
// beyond Text and Parts. Beside role and content, members that say nothing
// (null, empty) are dropped: SDKs echo answers with them.
func openAIRequestMessage(raw json.RawMessage) (m Message, names []string, err error) {
	if m, ok := roleAndText(raw); ok {
		return m, nil, nil
	}
	f, err := knownFields(raw)
	if err != nil {
		return m, nil, err
	}
	if _, err := f.take(&m.Role, "role"); err != nil {
		return m, nil, err
	}
	content := f["content"]
	delete(f, "content")
	plain := true
	if s, ok := unquote(content); ok {
		m.Text = s
	} else if !isNull(content) {
		texts, onlyText, err := plainParts(content)
		if err != nil {
			return m, nil, fmt.Errorf("content: %w", err)
		}
		m.Text, plain = joinText(texts), onlyText
	}
	switch m.Role {
	case RoleSystem, RoleUser, RoleAssistant:
	case "developer":
		m.Role = RoleSystem
	case RoleTool:
		plain = false
	case "function":
		m.Role, plain = RoleTool, false
		names = append(names, "role=function")
	default:
		return m, nil, fmt.Errorf("role %q is unknown", m.Role)
	}
	for _, v := range f {
		plain = plain && isEmpty(v)
	}
	if plain {
		return m, nil, nil
	}
	m.Raw = raw
	more := m.openAIParts(content, f)
	names = append(names, more...)
	slices.Sort(names)
	return m, names, nil
}

// roleAndText reads the commonest message, of a role and one text, without a
// map. ok is false for any other.
func roleAndText(raw []byte) (m Message, ok bool) {
	var had once
	ok = walkObject(raw, func(key, value []byte) (ok bool) {
		switch string(key) {
		case `"role"`:
			switch string(value) {
			case `"user"`:
				m.Role = RoleUser
			case `"assistant"`:
				m.Role = RoleAssistant
			case `"system"`, `"developer"`:
				m.Role = RoleSystem
			}
			return m.Role != "" && had.first(0)
		case `"content"`:
			m.Text, ok = unquote(value)
			return ok && had.first(1)
		}
		return false
	})
	return m, ok && had.was(0) && had.was(1)
}

// openAIParts sets m.Parts from content and the other members, f, and names
// what they hold beyond.
func (m *Message) openAIParts(content []byte, f fields) (names []string) {
	reasoning, ok := unquote(f["reasoning_content"])
	if !ok {
		reasoning, _ = unquote(f["reasoning"])
	}
	if reasoning != "" {
		m.Parts = append(m.Parts, Part{Kind: PartReasoning, Text: reasoning})
		delete(f, "reasoning_content")
		delete(f, "reasoning")
	}
	parts, names := openAIContent(content)
	if m.Role == RoleTool {
		id, _ := unquote(f["tool_call_id"])
		name, _ := unquote(f["name"])
		delete(f, "tool_call_id")
		delete(f, "name")
		if len(texts(parts)) < len(parts) {
			names = append(names, "content.image_url")
		}
		parts = []Part{{Kind: PartToolResult, Text: m.Text, Call: &ToolCall{ID: id, Name: name}}}
	}
	m.Parts = append(m.Parts, parts...)
	if calls := f["tool_calls"]; !isEmpty(calls) {
		parts, ok := openAICallParts(calls)
		if !ok {
			names = append(names, "tool_calls")
		}
		m.Parts = append(m.Parts, parts...)
		delete(f, "tool_calls")
	}
	for k, v := range f {
		if !isEmpty(v) {
			names = append(names, k)
		}
	}
	return names
}

// openAIContent reads content, and names the parts that are not understood.
func openAIContent(raw []byte) (parts []Part, names []string) {
	if s, ok := unquote(raw); ok {
		if s != "" {
			parts = []Part{{Kind: PartText, Text: s}}
		}
		return parts, nil
	}
	walkArray(raw, func(e []byte) bool {
		f := object(e)
		text, ok := unquote(f["text"])
		switch kind := partKind(f); {
		case kind == "" && ok:
			parts = append(parts, Part{Kind: PartText, Text: text})
		case kind == "image_url":
			in := object(f["image_url"])
			url, _ := unquote(in["url"])
			detail, _ := unquote(in["detail"])
			image := imageAt(url)
			switch {
			case image == nil || !onlyKeys(f, "type", "image_url") || !onlyKeys(in, "url", "detail"):
				names = append(names, "content.image_url")
			case detail != "" && detail != "auto":
				names = append(names, "content.image_url.detail")
			}
			if image != nil {
				parts = append(parts, Part{Kind: PartImage, Image: image})
			}
		case kind == "file":
			in := object(f["file"])
			p, ok := documentAt(either(in, "file_data"))
			if !ok || !onlyKeys(f, "type", "file") || !onlyKeys(in, "file_data", "filename") {
				names = append(names, "content.file")
				return true
			}
			parts = append(parts, p)
		default:
			names = append(names, "content."+kind)
		}
		return true
	})
	return parts, names
}

// openAICallParts reads the calls of an assistant's message. ok is false where
// one says more than a [ToolCall] can.
func openAICallParts(raw []byte) (parts []Part, ok bool) {
	ok = walkArray(raw, func(e []byte) bool {
		f := object(e)
		fn, extra := object(f["function"]), object(f["extra_content"])
		google := object(extra["google"])
		var c ToolCall
		var okID, okName bool
		c.ID, okID = unquote(f["id"])
		c.Name, okName = unquote(fn["name"])
		c.Arguments = argumentText(fn["arguments"])
		c.Signature, _ = unquote(google["thought_signature"])
		kind, _ := unquote(f["type"])
		if !okID || !okName || c.Name == "" || kind != "function" && kind != "" || !onlyKeys(f, "id", "type", "function", "extra_content", "index") ||
			!onlyKeys(fn, "name", "arguments") || !onlyKeys(extra, "google") || !onlyKeys(google, "thought_signature") {
			return false
		}
		parts = append(parts, Part{Kind: PartToolCall, Call: &c})
		return true
	})
	return parts, ok
}

// appendOpenAIMessage appends m: of results one message each, first, and one of
// what else there is.
func appendOpenAIMessage(b []byte, m Message) []byte {
	switch {
	case m.Raw != nil:
		return append(appendComma(b), m.Raw...)
	case m.Parts == nil:
		b = strField(append(appendComma(b), '{'), "role", m.Role)
		return append(strField(b, "content", m.Text), '}')
	}
	done, rest := results(m.Parts)
	for _, p := range done {
		b = strField(append(appendComma(b), '{'), "role", RoleTool)
		b = strField(b, "tool_call_id", p.Call.ID)
		b = append(strField(b, "content", p.Text), '}')
	}
	if len(rest) == 0 {
		return b
	}
	b = strField(append(appendComma(b), '{'), "role", m.Role)
	if m.Role != RoleAssistant {
		return append(appendOpenAIContent(appendKey(b, "content"), rest), '}')
	}
	return append(appendAssistant(b, rest), '}')
}

// appendAssistant appends the members of an assistant's message.
func appendAssistant(b []byte, parts []Part) []byte {
	var calls []ToolCall
	reasoning := ""
	for _, p := range parts {
		switch p.Kind {
		case PartToolCall:
			calls = append(calls, *p.Call)
		case PartReasoning:
			reasoning += p.Text
		}
	}
	if text := texts(parts); len(text) > 0 {
		b = strField(b, "content", joinText(text))
	} else {
		b = rawField(b, "content", []byte("null"))
	}
	if reasoning != "" {
		b = strField(b, "reasoning_content", reasoning)
	}
	if len(calls) > 0 {
		b = appendOpenAICalls(b, calls)
	}
	return b
}

func appendOpenAIContent(b []byte, parts []Part) []byte {
	b = append(b, '[')
	for _, p := range parts {
		b = append(appendComma(b), '{')
		if p.Kind == PartDocument {
			b = strField(append(b, `"type":"file","file":{`...), "filename", documentName)
			b = append(strField(b, "file_data", p.Image.url()), "}}"...)
			continue
		}
		if p.Kind == PartImage {
			b = append(b, `"type":"image_url","image_url":{`...)
			b = append(strField(b, "url", p.Image.url()), "}}"...)
			continue
		}
		b = append(strField(append(b, `"type":"text"`...), "text", p.Text), '}')
	}
	return append(b, ']')
}

// withoutSignatures returns ms without the proofs of another provider's
// reasoning, which OpenAI refuses as unknown and which are never to be told to
// another than the one whose they are.
func withoutSignatures(ms []Message) []Message {
	for i, m := range ms {
		signed := func(p Part) bool { return p.Kind == PartToolCall && p.Call.Signature != "" }
		if !slices.ContainsFunc(m.Parts, signed) {
			continue
		}
		if m.Raw != nil && len(m.beyond(OpenAI)) > 0 {
			continue // there is more in it, which must go as it came
		}
		ms = slices.Clone(ms)
		ms[i].Raw = nil
		ms[i].Parts = slices.Clone(m.Parts)
		for j, p := range m.Parts {
			if signed(p) {
				call := *p.Call
				call.Signature = ""
				ms[i].Parts[j].Call = &call
			}
		}
	}
	return ms
}
