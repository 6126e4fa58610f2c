package llm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// DecodeRequest reads a generateContent request; model and streaming stand in
// the path. Its callers always want the usage of a stream, so StreamUsage is
// what Stream is. Names in snake case are read too, as Google's servers do.
func (gemini) DecodeRequest(path string, body []byte) (Request, error) {
	r := Request{Dialect: Gemini}
	var err error
	if r.Model, r.Stream, err = geminiPath(path); err != nil {
		return r, decodeError(Gemini, err)
	}
	r.StreamUsage = r.Stream
	f, err := parseFields(bytes.Clone(body))
	if err != nil {
		return r, decodeError(Gemini, err)
	}
	if err := readGemini(&r, f); err != nil {
		return r, decodeError(Gemini, err)
	}
	r.Extra = f.rest()
	return r, nil
}

// geminiPath takes model and streaming from ".../models/x:generateContent".
func geminiPath(path string) (model string, stream bool, err error) {
	path, _, _ = strings.Cut(path, "?")
	i := strings.LastIndexByte(path, ':')
	if i < 0 {
		return "", false, fmt.Errorf("path %q: no method after a colon", cut(path, 200))
	}
	switch path[i+1:] {
	case "generateContent":
	case "streamGenerateContent":
		stream = true
	default:
		return "", false, fmt.Errorf("path %q: the method is neither generateContent nor streamGenerateContent", cut(path, 200))
	}
	name := strings.TrimPrefix(path[:i], "/")
	if first, rest, ok := strings.Cut(name, "/"); ok && strings.HasPrefix(first, "v1") {
		name = rest
	}
	if j := strings.LastIndex(name, "models/"); j == 0 || j > 0 && name[j-1] == '/' {
		name = name[j+len("models/"):]
	}
	model, err = url.PathUnescape(name)
	if err != nil || model == "" {
		return "", false, fmt.Errorf("path %q: no model in it", cut(path, 200))
	}
	return model, stream, nil
}

func readGemini(r *Request, f fields) error {
	var system struct {
		Parts []json.RawMessage `json:"parts"`
	}
	if _, err := f.take(&system, "systemInstruction", "system_instruction"); err != nil {
		return err
	}
	for _, p := range system.Parts {
		var part fields
		if err := json.Unmarshal(p, &part); err != nil {
			return fmt.Errorf("systemInstruction: %w", err)
		}
		text, ok := unquote(part["text"])
		m := Message{Role: RoleSystem, Text: text}
		if !ok || partKind(part) != "" {
			m.Raw = p
		}
		r.Messages = append(r.Messages, m)
	}
	var contents []json.RawMessage
	if _, err := f.take(&contents, "contents"); err != nil {
		return err
	}
	if len(contents) == 0 {
		return errors.New("contents: none")
	}
	for i, raw := range contents {
		m, _, err := geminiContent(raw)
		if err != nil {
			return fmt.Errorf("contents[%d]: %w", i, err)
		}
		r.Messages = append(r.Messages, m)
	}
	pairCalls(r.Messages)
	takeGeminiChoice(r, f)
	return errors.Join(takeGenerationConfig(r, f), takeGeminiTools(r, f))
}

// takeGenerationConfig reads the typed members; others become fields named
// "generationConfig.x".
func takeGenerationConfig(r *Request, f fields) error {
	var conf fields
	if _, err := f.take(&conf, "generationConfig", "generation_config"); err != nil {
		return err
	}
	mime, _ := unquote(conf["responseMimeType"])
	if schema := conf["responseJsonSchema"]; mime == "application/json" && isObject(schema) {
		r.JSONSchema = schema
		delete(conf, "responseJsonSchema")
		delete(conf, "responseMimeType")
	} else if own := conf["responseSchema"]; mime == "application/json" && isObject(own) && isNull(schema) {
		if schema, ok := jsonSchema(own); ok {
			r.JSONSchema = schema
			delete(conf, "responseSchema")
			delete(conf, "responseMimeType")
		}
	}
	for _, step := range []struct {
		names []string
		v     any
	}{
		{[]string{"maxOutputTokens", "max_output_tokens"}, &r.MaxTokens},
		{[]string{"temperature"}, &r.Temperature},
		{[]string{"topP", "top_p"}, &r.TopP},
		{[]string{"stopSequences", "stop_sequences"}, &r.Stop},
		{[]string{"seed"}, &r.Seed},
		{[]string{"responseLogprobs", "response_logprobs"}, &r.Logprobs},
	} {
		if _, err := conf.take(step.v, step.names...); err != nil {
			return fmt.Errorf("generationConfig: %w", err)
		}
	}
	if len(r.Stop) == 0 {
		r.Stop = nil
	}
	if r.MaxTokens < 0 {
		return errors.New("generationConfig: maxOutputTokens: negative")
	}
	for k, v := range conf {
		f["generationConfig."+k] = v
	}
	return nil
}

func geminiFinishWord(f Finish) string {
	switch f {
	case FinishLength:
		return "MAX_TOKENS"
	case FinishFilter, FinishRefusal:
		return "SAFETY"
	case FinishPause:
		return "OTHER"
	}
	return "STOP"
}

func (gemini) EncodeResponse(r Response) []byte {
	b := appendCandidate([]byte(`{"candidates":[`), 0, r)
	for i, more := range r.More {
		b = appendCandidate(append(b, ','), i+1, more)
	}
	return append(appendGeminiTail(append(b, ']'), r.Usage, r.Model, r.ID), '}')
}

// appendCandidate appends what r says as candidate i.
func appendCandidate(b []byte, i int, r Response) []byte {
	b = append(b, `{"content":{"parts":[`...)
	if r.Reasoning != "" {
		b = append(strField(append(b, '{'), "text", r.Reasoning), `,"thought":true}`...)
	}
	if text := r.Text + r.Refusal; text != "" || len(r.ToolCalls) == 0 {
		b = append(strField(append(appendComma(b), '{'), "text", text), '}')
	}
	for _, c := range r.ToolCalls {
		b = appendFunctionCall(appendComma(b), c)
	}
	b = append(b, `],"role":"model"}`...)
	if r.Finish != FinishNone {
		b = strField(b, "finishReason", geminiFinishWord(r.Finish))
	}
	if r.MeanLogprob != nil {
		b = floatField(b, "avgLogprobs", *r.MeanLogprob)
	}
	if len(r.Logprobs) > 0 {
		b = appendLogprobsResult(b, r.Tokens, r.Logprobs)
	}
	return append(intField(b, "index", int64(i)), '}')
}

// appendGeminiTail appends what follows the candidates.
func appendGeminiTail(b []byte, u *Usage, model, id string) []byte {
	if u != nil {
		b = intField(append(appendKey(b, "usageMetadata"), '{'), "promptTokenCount", int64(u.Input))
		b = intField(b, "candidatesTokenCount", int64(u.Output-u.Reasoning))
		b = intField(b, "totalTokenCount", int64(u.Input+u.Output))
		if u.Cached > 0 {
			b = intField(b, "cachedContentTokenCount", int64(u.Cached))
		}
		if u.Reasoning > 0 {
			b = intField(b, "thoughtsTokenCount", int64(u.Reasoning))
		}
		b = append(b, '}')
	}
	b = strField(b, "modelVersion", model)
	return strField(b, "responseId", id)
}

// EncodeError writes Google's shape, whose code is the HTTP status.
func (gemini) EncodeError(e *Error) []byte {
	status, reason := e.words(Gemini)
	b := intField([]byte(`{"error":{`), "code", int64(e.HTTPStatus()))
	b = strField(b, "message", e.Message)
	b = strField(b, "status", status)
	if reason != "" {
		b = append(b, `,"details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo"`...)
		b = append(strField(b, "reason", reason), `}]`...)
	}
	return append(b, "}}"...)
}

func (c gemini) Encoder(_ Request, id, model string) StreamEncoder {
	return &geminiEncoder{codec: c, tail: string(appendGeminiTail([]byte(`"index":0}]`), nil, model, id)) + "}\n\n", id: id, model: model}
}

// geminiEncoder writes whole objects; nothing stands before the first token.
type geminiEncoder struct {
	codec           gemini
	tail, id, model string
	calls           []ToolCallDelta // the call that is not yet whole
	call            int             // its index
}

const geminiHead = `data: {"candidates":[{"content":{"parts":[{"text":`

func (e *geminiEncoder) Start(dst []byte, _ *Usage) []byte { return dst }

func (e *geminiEncoder) part(dst []byte, s, more string) []byte {
	if s == "" {
		return dst
	}
	dst = appendString(append(e.flushCalls(dst), geminiHead...), s)
	dst = append(append(dst, more...), `}],"role":"model"},`...)
	return append(dst, e.tail...)
}

func (e *geminiEncoder) Text(dst []byte, s string) []byte { return e.part(dst, s, "") }

func (e *geminiEncoder) Reasoning(dst []byte, s string) []byte {
	return e.part(dst, s, `,"thought":true`)
}

// Refusal appends s as text: the protocol sets a refusal apart by its finish.
func (e *geminiEncoder) Refusal(dst []byte, s string) []byte { return e.Text(dst, s) }

func (e *geminiEncoder) End(dst []byte, f Finish, u *Usage) []byte {
	if f == FinishNone {
		return dst
	}
	dst = append(append(e.flushCalls(dst), geminiHead...), `""}],"role":"model"},`...)
	dst = append(append(append(dst, `"finishReason":"`...), geminiFinishWord(f)...), `","index":0}]`...)
	return append(appendGeminiTail(dst, u, e.model, e.id), "}\n\n"...)
}

// Error appends the error as data, where today's clients look for it, and then
// as a bare body, where older ones do, to whom the data is an empty chunk.
func (e *geminiEncoder) Error(dst []byte, err *Error) []byte {
	body := e.codec.EncodeError(err)
	dst = append(append(append(dst, "data: "...), body...), "\n\n"...)
	return append(append(dst, body...), "\n\n"...)
}
