package llm

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// DecodeRequest reads a chat completion request. Azure's path tells the model.
func (c openAI) DecodeRequest(path string, body []byte) (Request, error) {
	r := Request{Dialect: OpenAI}
	f, err := parseFields(bytes.Clone(body))
	if err != nil {
		return r, decodeError(c.p, err)
	}
	if err := c.readFields(&r, f); err != nil {
		return r, decodeError(c.p, err)
	}
	if m, ok := deploymentOf(path); ok && c.p == Azure {
		r.Model = m
	}
	r.Extra = f.rest()
	return r, nil
}

func (c openAI) readFields(r *Request, f fields) error {
	var messages []json.RawMessage
	var older int
	_, err := f.take(&messages, "messages")
	if err == nil && len(messages) == 0 {
		err = errors.New("messages: none")
	}
	for i := 0; i < len(messages) && err == nil; i++ {
		var m Message
		if m, _, err = openAIRequestMessage(messages[i]); err != nil {
			err = fmt.Errorf("messages[%d]: %w", i, err)
		}
		r.Messages = append(r.Messages, m)
	}
	pairCalls(r.Messages)
	takeChoice(r, f, false)
	for _, step := range []struct {
		name string
		v    any
	}{
		{"model", &r.Model}, {"temperature", &r.Temperature}, {"top_p", &r.TopP}, {"seed", &r.Seed},
		{"logprobs", &r.Logprobs}, {"stream", &r.Stream}, {"user", &r.User},
		{"max_tokens", &older}, {"max_completion_tokens", &r.MaxTokens},
	} {
		if err == nil {
			_, err = f.take(step.v, step.name)
		}
	}
	if r.MaxTokens == 0 {
		r.MaxTokens = older
	}
	if err == nil && r.MaxTokens < 0 {
		err = errors.New("max_tokens: negative")
	}
	return errors.Join(err, takeStop(r, f), takeStreamOptions(r, f), takeResponseFormat(r, f), takeTools(r, f, openAITool))
}

// takeStop reads stop, which is a string or a list of them.
func takeStop(r *Request, f fields) error {
	if s, ok := unquote(f["stop"]); ok {
		delete(f, "stop")
		r.Stop = []string{s}
		return nil
	}
	_, err := f.take(&r.Stop, "stop")
	if len(r.Stop) == 0 {
		r.Stop = nil
	}
	return err
}

// takeStreamOptions reads include_usage; other options become fields named
// "stream_options.x".
func takeStreamOptions(r *Request, f fields) error {
	var opts fields
	if _, err := f.take(&opts, "stream_options"); err != nil {
		return err
	}
	if _, err := opts.take(&r.StreamUsage, "include_usage"); err != nil {
		return fmt.Errorf("stream_options: %w", err)
	}
	for k, v := range opts {
		f["stream_options."+k] = v
	}
	return nil
}

// takeResponseFormat reads the schema of a response_format. A format that says
// more than [responseFormat] would (a name, strictness) also stays as it is.
func takeResponseFormat(r *Request, f fields) error {
	raw := f[schemaField]
	if isNull(raw) {
		delete(f, schemaField)
		return nil
	}
	var format struct {
		Type   string `json:"type"`
		Schema struct {
			Schema json.RawMessage `json:"schema"`
		} `json:"json_schema"`
	}
	if err := json.Unmarshal(raw, &format); err != nil {
		return fmt.Errorf("%s: %w", schemaField, err)
	}
	switch {
	case format.Type == "text":
		delete(f, schemaField)
	case format.Type == "json_schema" && isObject(format.Schema.Schema):
		r.JSONSchema = format.Schema.Schema
		if string(raw) == string(responseFormat(r.JSONSchema)) {
			delete(f, schemaField)
		}
	}
	return nil
}

// deploymentOf returns the deployment in an Azure path.
func deploymentOf(path string) (string, bool) {
	_, rest, ok := strings.Cut(path, "/deployments/")
	if !ok {
		return "", false
	}
	name, _, _ := strings.Cut(rest, "/")
	name, err := url.PathUnescape(name)
	return name, err == nil && name != ""
}

// EncodeResponse writes a chat completion. The time of creation is read from
// the ID where that ends in a time-ordered UUID, else 0.
func (c openAI) EncodeResponse(r Response) []byte {
	b := strField([]byte{'{'}, "id", r.ID)
	b = strField(b, "object", "chat.completion")
	b = intField(b, "created", createdOf(r.ID))
	b = strField(b, "model", r.Model)
	b = appendOpenAIChoice(append(appendKey(b, "choices"), '['), 0, r)
	for i, more := range r.More {
		b = appendOpenAIChoice(append(b, ','), i+1, more)
	}
	b = append(b, ']')
	if r.Usage != nil {
		b = appendOpenAIUsage(appendKey(b, "usage"), *r.Usage)
	}
	if r.Fingerprint != "" {
		b = strField(b, "system_fingerprint", r.Fingerprint)
	}
	return append(b, '}')
}

// appendOpenAIChoice appends what r says as choice i.
func appendOpenAIChoice(b []byte, i int, r Response) []byte {
	b = append(appendInt(append(b, `{"index":`...), int64(i)), `,"message":{"role":"assistant"`...)
	if r.Text == "" && (r.Refusal != "" || len(r.ToolCalls) > 0) {
		b = rawField(b, "content", []byte("null"))
	} else {
		b = strField(b, "content", r.Text)
	}
	if r.Reasoning != "" {
		b = strField(b, "reasoning_content", r.Reasoning)
	}
	if r.Refusal != "" {
		b = strField(b, "refusal", r.Refusal)
	} else {
		b = rawField(b, "refusal", []byte("null"))
	}
	if len(r.ToolCalls) > 0 {
		b = appendOpenAICalls(b, r.ToolCalls)
	}
	b = append(b, `},"logprobs":`...)
	if len(r.Logprobs) > 0 {
		b = appendOpenAILogprobs(b, r.Tokens, r.Logprobs)
	} else {
		b = append(b, "null"...)
	}
	b = append(b, `,"finish_reason":`...)
	return append(appendFinishReason(b, r.Finish, r.Refusal != ""), '}')
}

// appendFinishReason appends OpenAI's finish_reason. A refusal ends with stop
// beside a refusal's words, with content_filter where there are none.
func appendFinishReason(dst []byte, f Finish, refused bool) []byte {
	switch {
	case f == FinishNone:
		return append(dst, "null"...)
	case f == FinishRefusal && refused:
		f = FinishStop
	case f == FinishRefusal:
		f = FinishFilter
	case f == FinishPause:
		f = FinishLength // the nearest: there is more to come
	}
	return appendString(dst, string(f))
}

func appendOpenAIUsage(dst []byte, u Usage) []byte {
	dst = intField(append(dst, '{'), "prompt_tokens", int64(u.Input))
	dst = intField(dst, "completion_tokens", int64(u.Output))
	dst = intField(dst, "total_tokens", int64(u.Input+u.Output))
	dst = intField(append(appendKey(dst, "prompt_tokens_details"), '{'), "cached_tokens", int64(u.Cached))
	dst = append(dst, '}')
	dst = intField(append(appendKey(dst, "completion_tokens_details"), '{'), "reasoning_tokens", int64(u.Reasoning))
	return append(dst, "}}"...)
}

// createdOf returns the Unix time in seconds that a UUIDv7 at the end of id
// holds, 0 where there is none.
func createdOf(id string) int64 {
	if len(id) < 36 || id[len(id)-22] != '7' {
		return 0
	}
	u := id[len(id)-36:]
	ms, err := hex.DecodeString(u[:8] + u[9:13])
	if err != nil {
		return 0
	}
	n := int64(0)
	for _, b := range ms {
		n = n<<8 | int64(b)
	}
	return n / 1000
}

func (c openAI) EncodeError(e *Error) []byte {
	typ, code := e.words(OpenAI)
	b := strField([]byte(`{"error":{`), "message", e.Message)
	b = strField(b, "type", typ)
	b = rawField(b, "param", []byte("null"))
	if code == "" {
		b = rawField(b, "code", []byte("null"))
	} else {
		b = strField(b, "code", code)
	}
	return append(b, "}}"...)
}

func (c openAI) Encoder(r Request, id, model string) StreamEncoder {
	head := strField([]byte(`data: {`), "id", id)
	head = strField(head, "object", "chat.completion.chunk")
	head = intField(head, "created", createdOf(id))
	head = strField(head, "model", model)
	e := &openAIEncoder{codec: c, usage: r.StreamUsage}
	e.tail = "}\n\n"
	if r.StreamUsage {
		e.tail = ",\"usage\":null}\n\n"
	}
	e.head = string(head) + `,"choices":[`
	e.Choice(0)
	return e
}

// openAIEncoder keeps what every chunk begins and ends with.
type openAIEncoder struct {
	codec            openAI
	head, open, tail string
	usage            bool
	refused          bool
}

func (e *openAIEncoder) Choice(i int) {
	e.open = e.head + `{"index":` + strconv.Itoa(i) + `,"delta":{`
}

func (e *openAIEncoder) EndChoice(dst []byte, f Finish) []byte {
	dst = append(append(dst, e.open...), `},"finish_reason":`...)
	dst = append(appendFinishReason(dst, f, e.refused), `}]`...)
	return append(dst, e.tail...)
}

func (e *openAIEncoder) delta(dst []byte, field, s string) []byte {
	if s == "" {
		return dst
	}
	dst = append(append(dst, e.open...), field...)
	dst = append(appendString(dst, s), `},"finish_reason":null}]`...)
	return append(dst, e.tail...)
}

func (e *openAIEncoder) Start(dst []byte, _ *Usage) []byte {
	dst = append(append(dst, e.open...), `"role":"assistant","content":""},"finish_reason":null}]`...)
	return append(dst, e.tail...)
}

func (e *openAIEncoder) Text(dst []byte, s string) []byte { return e.delta(dst, `"content":`, s) }

func (e *openAIEncoder) Reasoning(dst []byte, s string) []byte {
	return e.delta(dst, `"reasoning_content":`, s)
}

func (e *openAIEncoder) Refusal(dst []byte, s string) []byte {
	e.refused = e.refused || s != ""
	return e.delta(dst, `"refusal":`, s)
}

func (e *openAIEncoder) End(dst []byte, f Finish, u *Usage) []byte {
	if f == FinishNone {
		return dst
	}
	dst = e.EndChoice(dst, f)
	if e.usage && u != nil {
		dst = append(append(dst, e.head...), `],"usage":`...)
		dst = append(appendOpenAIUsage(dst, *u), "}\n\n"...)
	}
	return append(dst, "data: [DONE]\n\n"...)
}

func (e *openAIEncoder) Error(dst []byte, err *Error) []byte {
	dst = append(append(dst, "data: "...), e.codec.EncodeError(err)...)
	return append(dst, "\n\n"...)
}
