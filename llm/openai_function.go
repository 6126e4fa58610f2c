package llm

import (
	"encoding/json"
	"fmt"
)

// The fields of a request about tools, by OpenAI's names, which errors use.
const (
	toolsField    = "tools"
	choiceField   = "tool_choice"
	parallelField = "parallel_tool_calls"
	strictField   = "tools.strict"
)

// takeTools reads what a request says of tools. Tools that say more than [Tool]
// can (a provider's own, custom ones) stay as they are, all of them.
func takeTools(r *Request, f fields, read func(raw []byte) (Tool, bool)) error {
	if raw := f[toolsField]; !isEmpty(raw) {
		tools, ok, err := readTools(raw, read)
		if err != nil {
			return fmt.Errorf("%s: %w", toolsField, err)
		}
		if ok {
			r.Tools = tools
			delete(f, toolsField)
		}
	}
	return nil
}

// readTools reads a list of tools. ok is false where one is not understood.
func readTools(raw []byte, read func(raw []byte) (Tool, bool)) (tools []Tool, ok bool, err error) {
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, false, err
	}
	for _, e := range list {
		t, ok := read(e)
		if !ok {
			return nil, false, nil
		}
		tools = append(tools, t)
	}
	return tools, true, nil
}

// openAITool reads {"type":"function","function":{...}}.
func openAITool(raw []byte) (t Tool, ok bool) {
	f := object(raw)
	fn := object(f["function"])
	if kind, _ := unquote(f["type"]); kind != "function" || !onlyKeys(f, "type", "function") {
		return t, false
	}
	return functionOf(fn, "parameters")
}

// functionOf reads a function's members, its schema under the name schema.
func functionOf(fn fields, schema string) (t Tool, ok bool) {
	if !onlyKeys(fn, "name", "description", schema, "strict") {
		return t, false
	}
	t.Name, ok = unquote(fn["name"])
	if !ok || t.Name == "" {
		return t, false
	}
	if raw := fn["description"]; !isNull(raw) {
		if t.Description, ok = unquote(raw); !ok {
			return t, false
		}
	}
	if raw := fn["strict"]; !isNull(raw) {
		t.Strict = string(raw) == "true"
		if !t.Strict && string(raw) != "false" {
			return t, false
		}
	}
	if raw := fn[schema]; !isNull(raw) {
		if !isObject(raw) {
			return t, false
		}
		t.Parameters = raw
	}
	return t, true
}

// takeChoice reads OpenAI's tool_choice and parallel_tool_calls; flat is the
// form of Responses, whose named tool is not wrapped.
func takeChoice(r *Request, f fields, flat bool) {
	if s, ok := unquote(f[choiceField]); ok {
		switch m := ToolMode(s); m {
		case ToolAuto, ToolNone, ToolRequired:
			r.ToolChoice.Mode = m
			delete(f, choiceField)
		}
	} else if c := object(f[choiceField]); len(c) > 0 {
		named, members := object(c["function"]), "function"
		if flat {
			named, members = c, "name"
		}
		kind, _ := unquote(c["type"])
		name, ok := unquote(named["name"])
		if ok && name != "" && kind == "function" && onlyKeys(c, "type", members) && (flat || onlyKeys(named, "name")) {
			r.ToolChoice = ToolChoice{Mode: ToolNamed, Name: name}
			delete(f, choiceField)
		}
	}
	if string(f[parallelField]) == "false" {
		r.OneToolCall = true
		delete(f, parallelField)
	}
}

// appendOpenAITools appends what r says of tools.
func appendOpenAITools(b []byte, r Request) []byte {
	if len(r.Tools) > 0 {
		b = append(appendKey(b, toolsField), '[')
		for _, t := range r.Tools {
			b = append(appendComma(b), `{"type":"function","function":{`...)
			b = append(appendFunction(b, t, "parameters"), "}}"...)
		}
		b = append(b, ']')
	}
	switch c := r.ToolChoice; c.Mode {
	case ToolDefault:
	case ToolNamed:
		b = append(appendKey(b, choiceField), `{"type":"function","function":{`...)
		b = append(strField(b, "name", c.Name), "}}"...)
	default:
		b = strField(b, choiceField, string(c.Mode))
	}
	if r.OneToolCall {
		b = rawField(b, parallelField, []byte("false"))
	}
	return b
}

// appendFunction appends a function's members.
func appendFunction(b []byte, t Tool, schema string) []byte {
	b = strField(b, "name", t.Name)
	if t.Description != "" {
		b = strField(b, "description", t.Description)
	}
	if t.Parameters != nil {
		b = rawField(b, schema, t.Parameters)
	}
	if t.Strict {
		b = rawField(b, "strict", []byte("true"))
	}
	return b
}
