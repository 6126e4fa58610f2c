package llm

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// geminiAnyContent reads a message by its raw form, which of a system one is a
// part of the instruction.
func geminiAnyContent(role string, raw json.RawMessage) (Message, []string, error) {
	if role != RoleSystem {
		return geminiContent(raw)
	}
	f, err := knownFields(raw)
	if err != nil {
		return Message{}, nil, err
	}
	return Message{Role: RoleSystem, Raw: raw}, []string{partKind(f)}, nil
}

// geminiContent reads a turn. names is what its raw form holds beyond Text and
// Parts.
func geminiContent(raw json.RawMessage) (m Message, names []string, err error) {
	f, err := knownFields(raw)
	if err != nil {
		return m, nil, err
	}
	var role string
	if _, err := f.take(&role, "role"); err != nil {
		return m, nil, err
	}
	plain := true
	switch role {
	case "", "user":
		m.Role = RoleUser
	case "model":
		m.Role = RoleAssistant
	case "function":
		m.Role, plain = RoleUser, false
	default:
		return m, nil, fmt.Errorf("role %q is neither user nor model", role)
	}
	parts := f["parts"]
	delete(f, "parts")
	ts, onlyText, err := plainParts(parts)
	if err != nil {
		return m, nil, fmt.Errorf("parts: %w", err)
	}
	m.Text = joinText(ts)
	if plain && onlyText && len(f) == 0 {
		return m, nil, nil
	}
	m.Raw = raw
	m.Parts, names = geminiParts(parts, m.Role)
	m.Text = joinText(texts(m.Parts))
	for k, v := range f {
		if !isEmpty(v) {
			names = append(names, k)
		}
	}
	return m, names, nil
}

func geminiParts(raw []byte, role string) (parts []Part, names []string) {
	walkArray(raw, func(e []byte) bool {
		f := object(e)
		p, used, ok := geminiPartOf(f)
		if !ok || p.validate(role) != nil {
			names = append(names, "parts."+partKind(f))
			return true
		}
		for k, v := range f {
			if !isNull(v) && !slices.Contains(used, k) {
				names = append(names, "parts."+k)
			}
		}
		parts = append(parts, p)
		return true
	})
	return parts, names
}

// geminiPartOf reads a part, by either spelling of its members, and says which
// members it has understood.
func geminiPartOf(f fields) (p Part, used []string, ok bool) {
	member := func(names ...string) (fields, bool) {
		for _, n := range names {
			if in := object(f[n]); in != nil {
				used = append(used, n)
				return in, true
			}
		}
		return nil, false
	}
	signature, _ := unquote(f["thoughtSignature"])
	if text, isText := unquote(f["text"]); isText {
		p.Kind, p.Text = PartText, text
		if string(f["thought"]) == "true" || text == "" && signature != "" {
			p.Kind = PartReasoning
		}
		return p, []string{"text", "thought", "thoughtSignature"}, true // no other provider is told a signature
	}
	if in, is := member("functionCall", "function_call"); is {
		p.Kind, p.Call = PartToolCall, &ToolCall{Arguments: orNoArguments(argumentText(in["args"])), Signature: signature}
		p.Call.ID, _ = unquote(in["id"])
		p.Call.Name, _ = unquote(in["name"])
		return p, append(used, "thoughtSignature"), p.Call.Name != "" && onlyKeys(in, "id", "name", "args")
	}
	if in, is := member("functionResponse", "function_response"); is {
		p.Kind, p.Call = PartToolResult, &ToolCall{}
		p.Call.ID, _ = unquote(in["id"])
		p.Call.Name, _ = unquote(in["name"])
		p.Text, p.Error = resultOf(in["response"])
		return p, used, p.Call.Name != "" && onlyKeys(in, "id", "name", "response")
	}
	if in, is := member("inlineData", "inline_data"); is {
		p.Kind = PartImage
		p.Image = imageAt("data:" + either(in, "mimeType", "mime_type") + ";base64," + either(in, "data"))
		if p.Image != nil && p.Image.MIME == pdf {
			p.Kind = PartDocument
		}
		return p, used, p.Image != nil && (p.Kind == PartDocument || strings.HasPrefix(p.Image.MIME, "image/")) && onlyKeys(in, "mimeType", "mime_type", "data")
	}
	if in, is := member("fileData", "file_data"); is {
		url := either(in, "fileUri", "file_uri")
		p.Kind = PartImage
		if p.Image = imageAt(url); p.Image == nil || p.Image.URL == "" || ownFile.MatchString(url) {
			return p, used, false // in Google's own store, where nobody else can look
		}
		p.Image.MIME = either(in, "mimeType", "mime_type")
		return p, used, strings.HasPrefix(p.Image.MIME, "image/") && onlyKeys(in, "mimeType", "mime_type", "fileUri", "file_uri")
	}
	return p, nil, false
}

var ownFile = regexp.MustCompile(`^https?://[^/]*\.googleapis\.com/`)

func either(f fields, names ...string) string {
	for _, n := range names {
		if s, ok := unquote(f[n]); ok {
			return s
		}
	}
	return ""
}

// resultOf reads a function's response: what it holds under "output" or
// "error", as the API defines them, else all of it.
func resultOf(raw []byte) (text string, failed bool) {
	f := object(raw)
	for _, k := range []string{"output", "error"} {
		if v, ok := f[k]; ok && len(f) == 1 {
			return argumentText(v), k == "error"
		}
	}
	return string(raw), false
}

// appendResponse appends the opposite of [resultOf].
func appendResponse(b []byte, p Part) []byte {
	key := "output"
	if p.Error {
		key = "error"
	}
	b = appendKey(append(b, '{'), key)
	if isObject([]byte(p.Text)) {
		return append(append(b, p.Text...), '}')
	}
	return append(appendString(b, p.Text), '}')
}

// appendContent appends a turn. Results stand in the order of their calls,
// since those that have no id of Gemini's own are matched by it; first is the
// rank of each call by its id.
func appendContent(b []byte, t turn, first map[string]int, model string) []byte {
	if len(t.ms) == 1 && t.ms[0].Raw != nil {
		return append(b, t.ms[0].Raw...)
	}
	role := t.role
	if role == RoleAssistant {
		role = "model"
	}
	b = append(appendKey(strField(append(b, '{'), "role", role), "parts"), '[')
	var done []Part
	for _, m := range t.ms {
		if m.Raw == nil {
			rs, _ := results(m.Parts)
			done = append(done, rs...)
		}
	}
	slices.SortStableFunc(done, func(x, y Part) int { return cmp.Compare(first[x.Call.ID], first[y.Call.ID]) })
	for _, p := range done {
		b = appendFunctionResponse(appendComma(b), p)
	}
	unsigned := needsSignature.MatchString(model)
	for _, m := range t.ms {
		_, rest := results(m.Parts)
		switch {
		case m.Raw != nil:
			walkArray(object(m.Raw)["parts"], func(p []byte) bool {
				b = append(appendComma(b), p...)
				return true
			})
		case m.Parts == nil:
			b = append(strField(append(appendComma(b), '{'), "text", m.Text), '}')
		default:
			for _, p := range rest {
				b = appendGeminiPart(b, p, &unsigned)
			}
		}
	}
	return append(b, "]}"...)
}

// needsSignature fits the models that refuse a turn whose first call is not
// signed; otherSignature is what the documentation wants written where the
// call was another provider's.
var needsSignature = regexp.MustCompile(`(^|/)gemini-([3-9]|[1-9][0-9])`)

const otherSignature = "skip_thought_signature_validator"

// appendGeminiPart appends p. unsigned is whether a call without a signature is
// to be given one; only the first of a turn is.
func appendGeminiPart(b []byte, p Part, unsigned *bool) []byte {
	b = appendComma(b)
	switch p.Kind {
	case PartToolCall:
		c := *p.Call
		if *unsigned && c.Signature == "" {
			c.Signature = otherSignature
		}
		*unsigned = false
		return appendFunctionCall(b, c)
	case PartImage, PartDocument:
		if p.Image.URL != "" {
			b = strField(append(b, `{"fileData":{`...), "mimeType", p.Image.MIME)
			return append(strField(b, "fileUri", p.Image.URL), "}}"...)
		}
		b = strField(append(b, `{"inlineData":{`...), "mimeType", p.Image.MIME)
		return append(strField(b, "data", p.Image.Data), "}}"...)
	case PartReasoning:
		return append(strField(append(b, '{'), "text", p.Text), `,"thought":true}`...)
	}
	return append(strField(append(b, '{'), "text", p.Text), '}')
}

func appendFunctionResponse(b []byte, p Part) []byte {
	b = append(b, `{"functionResponse":{`...)
	if p.Call.ID != "" && !strings.HasPrefix(p.Call.ID, namelessCall) {
		b = strField(b, "id", p.Call.ID)
	}
	b = strField(b, "name", p.Call.Name)
	return append(appendResponse(appendKey(b, "response"), p), "}}"...)
}

// callRanks returns the place of each call in the conversation, by its id.
func callRanks(ms []Message) map[string]int {
	ranks := map[string]int{}
	for _, m := range ms {
		for _, p := range m.Parts {
			if p.Kind == PartToolCall {
				ranks[p.Call.ID] = len(ranks)
			}
		}
	}
	return ranks
}

// takeGeminiTools reads the functions of tools, which stand in one list or
// several. A tool of Google's leaves all as they are.
func takeGeminiTools(r *Request, f fields) error {
	raw := f[toolsField]
	if isEmpty(raw) {
		return nil
	}
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return fmt.Errorf("%s: %w", toolsField, err)
	}
	var tools []Tool
	for _, e := range list {
		in := object(e)
		decls := in["functionDeclarations"]
		if isNull(decls) {
			decls = in["function_declarations"]
		}
		more, ok, err := readTools(decls, geminiTool)
		if err != nil || !ok || !onlyKeys(in, "functionDeclarations", "function_declarations") {
			return nil
		}
		tools = append(tools, more...)
	}
	r.Tools = tools
	delete(f, toolsField)
	return nil
}

func geminiTool(raw []byte) (Tool, bool) {
	f := object(raw)
	if own := f["parameters"]; !isNull(own) && isNull(f["parametersJsonSchema"]) {
		schema, ok := jsonSchema(own)
		if !ok {
			return Tool{}, false
		}
		f["parametersJsonSchema"] = schema
		delete(f, "parameters")
	}
	t, ok := functionOf(f, "parametersJsonSchema")
	return t, ok && !t.Strict
}

// takeGeminiChoice reads toolConfig. Of several names allowed, none is chosen.
func takeGeminiChoice(r *Request, f fields) {
	for _, key := range []string{"toolConfig", "tool_config"} {
		conf := object(f[key])
		calling := object(conf["functionCallingConfig"])
		if calling == nil || !onlyKeys(conf, "functionCallingConfig") || !onlyKeys(calling, "mode", "allowedFunctionNames") {
			continue
		}
		var names []string
		if raw := calling["allowedFunctionNames"]; !isNull(raw) && json.Unmarshal(raw, &names) != nil || len(names) > 1 {
			continue
		}
		word, _ := unquote(calling["mode"])
		mode, ok := map[string]ToolMode{"AUTO": ToolAuto, "ANY": ToolRequired, "NONE": ToolNone}[strings.ToUpper(word)]
		switch {
		case !ok, len(names) == 1 && (mode != ToolRequired || names[0] == ""):
			continue
		case len(names) == 1:
			r.ToolChoice = ToolChoice{Mode: ToolNamed, Name: names[0]}
		default:
			r.ToolChoice.Mode = mode
		}
		delete(f, key)
	}
}

// appendGeminiTools appends what r says of tools.
func appendGeminiTools(b []byte, r Request) []byte {
	if len(r.Tools) > 0 {
		b = append(appendKey(b, toolsField), `[{"functionDeclarations":[`...)
		for _, t := range r.Tools {
			b = append(appendFunction(append(appendComma(b), '{'), t, "parametersJsonSchema"), '}')
		}
		b = append(b, "]}]"...)
	}
	if r.ToolChoice.Mode == ToolDefault {
		return b
	}
	word := map[ToolMode]string{ToolAuto: "AUTO", ToolRequired: "ANY", ToolNone: "NONE", ToolNamed: "ANY"}[r.ToolChoice.Mode]
	b = strField(append(appendKey(b, "toolConfig"), `{"functionCallingConfig":{`...), "mode", word)
	if r.ToolChoice.Mode == ToolNamed {
		b = stringsField(b, "allowedFunctionNames", []string{r.ToolChoice.Name})
	}
	return append(b, "}}"...)
}
