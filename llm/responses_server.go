package llm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// DecodeRequest reads a Responses request. Its callers always want the usage
// of a stream, so StreamUsage is what Stream is.
func (responses) DecodeRequest(_ string, body []byte) (Request, error) {
	r := Request{Dialect: Responses}
	f, err := parseFields(bytes.Clone(body))
	if err != nil {
		return r, decodeError(Responses, err)
	}
	if err := readResponses(&r, f); err != nil {
		return r, decodeError(Responses, err)
	}
	r.StreamUsage = r.Stream
	r.Extra = f.rest()
	return r, nil
}

func readResponses(r *Request, f fields) error {
	var instructions string
	if ok, err := f.take(&instructions, "instructions"); err != nil {
		return err
	} else if ok {
		r.Messages = []Message{{Role: RoleSystem, Text: instructions}}
	}
	if err := takeInput(r, f); err != nil {
		return err
	}
	pairCalls(r.Messages)
	takeChoice(r, f, true)
	for _, step := range []struct {
		name string
		v    any
	}{
		{"model", &r.Model}, {"max_output_tokens", &r.MaxTokens}, {"temperature", &r.Temperature}, {"top_p", &r.TopP},
		{"stream", &r.Stream}, {"user", &r.User},
	} {
		if _, err := f.take(step.v, step.name); err != nil {
			return err
		}
	}
	if r.MaxTokens < 0 {
		return errors.New("max_output_tokens: negative")
	}
	if string(bytes.Join(bytes.Fields(f["include"]), nil)) == logprobsInclude {
		r.Logprobs = true
		delete(f, "include")
	}
	return errors.Join(takeTextConfig(r, f), takeTools(r, f, responsesTool))
}

// takeInput reads input, which is one user's text or a list of items.
func takeInput(r *Request, f fields) error {
	if s, ok := unquote(f["input"]); ok {
		delete(f, "input")
		r.Messages = append(r.Messages, Message{Role: RoleUser, Text: s})
		return nil
	}
	var items []json.RawMessage
	if _, err := f.take(&items, "input"); err != nil {
		return err
	}
	if len(items) == 0 {
		return errors.New("input: none")
	}
	for i, raw := range items {
		m, _, err := responsesItem(raw)
		if err != nil {
			return fmt.Errorf("input[%d]: %w", i, err)
		}
		if len(r.Messages) == 0 && m.Role == RoleSystem {
			m.Raw = raw // or it would become the instructions, which have a life of their own
		}
		r.Messages = append(r.Messages, m)
	}
	return nil
}

// takeTextConfig reads the schema; other members become "text.x".
func takeTextConfig(r *Request, f fields) error {
	var text fields
	if _, err := f.take(&text, "text"); err != nil {
		return err
	}
	format := object(text["format"])
	kind, _ := unquote(format["type"])
	switch {
	case kind == "text":
		delete(text, "format")
	case kind == "json_schema" && isObject(format["schema"]):
		r.JSONSchema = format["schema"]
		if string(text["format"]) == string(responsesFormat(r.JSONSchema)) {
			delete(text, "format")
		}
	}
	for k, v := range text {
		f["text."+k] = v
	}
	return nil
}

// responsesTool reads a function. One that does not say whether it is strict
// is so as far as its schema allows, which is no wish of the caller's.
func responsesTool(raw []byte) (Tool, bool) {
	f := object(raw)
	if kind, _ := unquote(f["type"]); kind != "function" {
		return Tool{}, false
	}
	delete(f, "type")
	return functionOf(f, "parameters")
}

// responsesItem reads one item as a message. names is what its raw form holds
// beyond Text and Parts.
func responsesItem(raw json.RawMessage) (m Message, names []string, err error) {
	f, err := knownFields(raw)
	if err != nil {
		return m, nil, err
	}
	kind, _ := unquote(f["type"])
	if kind == "message" || kind == "" {
		return responsesMessage(raw, f)
	}
	m.Raw = raw
	used := []string{"type", "id", "status", "call_id"}
	p := Part{Call: &ToolCall{ID: either(f, "call_id")}}
	switch kind {
	case "function_call":
		m.Role, p.Kind = RoleAssistant, PartToolCall
		p.Call.Name, p.Call.Arguments = either(f, "name"), either(f, "arguments")
		used = append(used, "name", "arguments")
	case "function_call_output":
		m.Role, p.Kind = RoleTool, PartToolResult
		var ok bool
		if p.Text, ok = unquote(f["output"]); !ok {
			parts, more := responsesContent(f["output"])
			names = append(names, more...)
			if len(texts(parts)) < len(parts) || isNull(f["output"]) {
				names = append(names, "output")
			}
			p.Text = joinText(texts(parts))
		}
		used = append(used, "output")
	case "reasoning":
		m.Role, p = RoleAssistant, Part{Kind: PartReasoning, Text: summaryText(f)}
		used = append(used, "summary", "content", "encrypted_content")
	default:
		m.Role = RoleAssistant
		return m, []string{""}, nil
	}
	if p.validate(m.Role) != nil {
		return m, []string{""}, nil
	}
	m.Parts = []Part{p}
	for k, v := range f {
		if !isNull(v) && !slices.Contains(used, k) {
			names = append(names, k)
		}
	}
	return m, names, nil
}

// summaryText joins the text of a reasoning item.
func summaryText(f fields) string {
	var all []string
	for _, k := range []string{"summary", "content"} {
		walkArray(f[k], func(e []byte) bool {
			all = append(all, either(object(e), "text"))
			return true
		})
	}
	return joinText(all)
}

func responsesMessage(raw json.RawMessage, f fields) (m Message, names []string, err error) {
	m.Role, _ = unquote(f["role"])
	switch m.Role {
	case "developer":
		m.Role = RoleSystem
	case RoleSystem, RoleUser, RoleAssistant:
	default:
		return m, nil, fmt.Errorf("role %q is unknown", m.Role)
	}
	content := f["content"]
	for _, k := range []string{"type", "role", "content", "id", "status"} {
		delete(f, k) // an id and a status say nothing to another provider
	}
	var parts []Part
	if s, ok := unquote(content); ok {
		m.Text, parts = s, []Part{{Kind: PartText, Text: s}}
	} else {
		if !walkArray(content, func([]byte) bool { return true }) {
			return m, nil, errors.New("content: neither a string nor a list of parts")
		}
		parts, names = responsesContent(content)
		m.Text = joinText(texts(parts))
	}
	for k, v := range f {
		if !isNull(v) {
			names = append(names, k)
		}
	}
	if len(texts(parts)) < len(parts) {
		m.Parts = parts
	}
	if plain := append(appendTextItem([]byte{'['}, m.Role, m.Text), ']'); string(plain[1:len(plain)-1]) != string(raw) {
		m.Raw = raw
	}
	return m, names, nil
}

// responsesContent reads parts, and names those that are not understood.
func responsesContent(raw []byte) (parts []Part, names []string) {
	walkArray(raw, func(e []byte) bool {
		f := object(e)
		switch kind := either(f, "type"); kind {
		case "input_text", "output_text":
			if !isEmpty(f["annotations"]) {
				names = append(names, "content.annotations")
			}
			parts = append(parts, Part{Kind: PartText, Text: either(f, "text")})
		case "input_image":
			image := imageAt(either(f, "image_url"))
			detail := either(f, "detail")
			if image == nil || detail != "" && detail != "auto" || !onlyKeys(f, "type", "image_url", "detail") {
				names = append(names, "content.input_image")
				return true
			}
			parts = append(parts, Part{Kind: PartImage, Image: image})
		case "input_file":
			p, ok := documentAt(either(f, "file_data"))
			if !ok || !onlyKeys(f, "type", "file_data", "filename") {
				names = append(names, "content.input_file")
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
