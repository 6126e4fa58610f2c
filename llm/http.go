package llm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"unicode/utf8"
)

// httpJSON speaks whatever its template says. Its server side speaks the
// default template only, and it never streams.
type httpJSON struct {
	t     Template
	paths []Path // as Template.paths has them
	bound bool
}

// Bind returns c as it is to be used for e. Only HTTP's codec, whose answers
// are read as the endpoint's template says, is another one then. A template
// that makes no sense is an error.
func Bind(c Codec, e Endpoint) (Codec, error) {
	if _, ok := c.(httpJSON); !ok || e.HTTP == nil {
		return c, nil
	}
	return newHTTP(*e.HTTP, true)
}

func newHTTP(t Template, bound bool) (httpJSON, error) {
	if ps := t.Validate(); len(ps) > 0 {
		return httpJSON{}, fmt.Errorf("http template: %s: %s", ps[0].Path, ps[0].Text)
	}
	c := httpJSON{t: t, bound: bound}
	for _, f := range t.paths() {
		p, err := ParsePath(f.text)
		if err != nil {
			return httpJSON{}, err
		}
		c.paths = append(c.paths, p)
	}
	return c, nil
}

// defaultHTTP is the codec of the default template, which is valid.
func defaultHTTP() httpJSON {
	c, _ := newHTTP(DefaultTemplate(), false)
	return c
}

func (httpJSON) Protocol() Protocol { return HTTP }

// Encode fills the template in. A prompt is the one turn of the user's; more
// turns, and all that has no placeholder, are refused. The answer is never
// streamed; a limit of tokens without a place in the template is not sent, nor
// is a temperature of 0: a model that takes none is as exact as it is.
func (c httpJSON) Encode(e Endpoint, r Request) (Call, error) {
	if e.HTTP != nil && !c.bound {
		bound, err := newHTTP(*e.HTTP, true)
		if err != nil {
			return Call{}, fmt.Errorf("encode http request: %w", err)
		}
		c = bound
	}
	a, no := c.asked(r)
	if _, err := r.prepared(HTTP, no); err != nil {
		return Call{}, err
	}
	var body []byte
	if c.t.Body != "" {
		body = fill(c.t.Body, a, jsonEscape)
	}
	call := newCall(e, c.t.address(strings.TrimRight(e.BaseURL, "/"), a), body, openAI{OpenAI}.auth(e))
	call.Method = c.t.method()
	for k, v := range c.t.Headers {
		call.Header.Set(k, string(fill(v.Reveal(), a, headerEscape)))
	}
	return call.finish(e), nil
}

// asked returns what the placeholders stand for, and names what has none.
func (c httpJSON) asked(r Request) (a asked, no []string) {
	a = asked{model: r.Model, maxTokens: r.MaxTokens}
	users := 0
	for i, m := range r.Messages {
		switch {
		case m.Role == RoleSystem && strings.Contains(c.t.Path+c.t.Body, "{{system}}"):
			a.system = joinText(append(keep(a.system), m.Text))
		case m.Role == RoleUser && users == 0 && m.Parts == nil:
			a.prompt = m.Text
			users++
		default:
			no = append(no, fmt.Sprintf("messages[%d]", i))
		}
	}
	for name, set := range map[string]bool{
		"temperature": r.Temperature != nil && *r.Temperature != 0, "top_p": r.TopP != nil, "stop": len(r.Stop) > 0, "seed": r.Seed != nil, "user": r.User != "",
		schemaField: r.JSONSchema != nil, "logprobs": r.Logprobs && c.t.Confidence == "", toolsField: len(r.Tools) > 0,
		choiceField: r.ToolChoice.Mode != ToolDefault, parallelField: r.OneToolCall,
	} {
		if set {
			no = append(no, name)
		}
	}
	return a, no
}

func keep(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

// Models returns a plain GET of the base URL: there is no list, but it shows
// whether somebody is there.
func (httpJSON) Models(e Endpoint) Call {
	return newCall(e, strings.TrimRight(e.BaseURL, "/"), nil, openAI{OpenAI}.auth(e)).finish(e)
}

// Decode reads an answer by the template's paths.
func (c httpJSON) Decode(body []byte) (Response, error) {
	r := Response{Raw: body, Finish: FinishStop}
	if c.t.Text == "" {
		r.Text = strings.ToValidUTF8(string(body), "\uFFFD")
	}
	if !json.Valid(body) {
		if c.needsJSON() {
			return Response{}, answerError(HTTP, errors.New("no JSON"))
		}
		return r, nil
	}
	if c.t.Text != "" {
		found := c.paths[0].find(body)
		if isNull(found) {
			if f := object(body); !isEmpty(f["error"]) {
				return Response{}, classify(HTTP, http.StatusOK, nil, body)
			}
			return Response{}, answerError(HTTP, fmt.Errorf("nothing at %s", c.t.Text))
		}
		r.Text = argumentText(found)
	}
	if c.t.Confidence != "" {
		var p float64
		if json.Unmarshal(orNull(c.paths[1].find(body)), &p) == nil && p > 0 && p <= 1 {
			l := math.Log(p)
			r.MeanLogprob = &l
		}
	}
	if c.t.Finish != "" {
		word := argumentText(c.paths[2].find(body))
		if r.Finish = openAIFinish(word); word == "true" {
			r.Finish = FinishStop
		}
	}
	r.Usage = c.usage(body)
	return r, nil
}

func (c httpJSON) needsJSON() bool {
	for _, f := range c.t.paths() {
		if f.text != "" {
			return true
		}
	}
	return false
}

// usage returns the tokens counted; nil where neither path leads to a number.
func (c httpJSON) usage(body []byte) *Usage {
	var u Usage
	known := false
	for i, to := range []*int{&u.Input, &u.Output} {
		if c.t.paths()[3+i].text == "" {
			continue
		}
		var n float64
		if raw := c.paths[3+i].find(body); !isNull(raw) && json.Unmarshal(raw, &n) == nil && n >= 0 && n < 1<<40 {
			*to, known = int(n), true
		}
	}
	if !known {
		return nil
	}
	return &u
}

func (c httpJSON) Error(status int, h http.Header, body []byte) *Error {
	return classify(HTTP, status, h, body)
}

// Decoder reads the one event that a whole answer is, should it come as a
// stream.
func (c httpJSON) Decoder() StreamDecoder { return httpDecoder{c} }

type httpDecoder struct{ c httpJSON }

func (d httpDecoder) Decode(ev Event) (Delta, error) {
	r, err := d.c.Decode(bytes.Clone(ev.Data))
	if e, ok := errors.AsType[*Error](err); ok {
		return Delta{Err: e}, nil
	}
	if err != nil {
		return Delta{}, err
	}
	out := Delta{Text: r.Text, Finish: r.Finish, Usage: r.Usage, Done: r.Finish != FinishNone}
	if r.MeanLogprob != nil {
		out.Tokens, out.Logprobs = []string{""}, []float64{*r.MeanLogprob}
	}
	return out, nil
}

// DecodeRequest reads a request in the default template's shape.
func (httpJSON) DecodeRequest(_ string, body []byte) (Request, error) {
	r := Request{Dialect: HTTP}
	f, err := parseFields(bytes.Clone(body))
	if err != nil {
		return r, decodeError(HTTP, err)
	}
	var system, prompt string
	for _, step := range []struct {
		name string
		v    any
	}{{"model", &r.Model}, {"system", &system}, {"prompt", &prompt}, {"max_tokens", &r.MaxTokens}} {
		if _, err := f.take(step.v, step.name); err != nil {
			return r, decodeError(HTTP, err)
		}
	}
	if r.MaxTokens < 0 {
		return r, decodeError(HTTP, errors.New("max_tokens: negative"))
	}
	if system != "" {
		r.Messages = append(r.Messages, Message{Role: RoleSystem, Text: system})
	}
	r.Messages = append(r.Messages, Message{Role: RoleUser, Text: prompt})
	return r, nil
}

// EncodeResponse writes an answer in the default template's shape.
func (httpJSON) EncodeResponse(r Response) []byte {
	b := strField([]byte{'{'}, "text", r.Text+r.Refusal)
	if r.MeanLogprob != nil {
		b = floatField(b, "confidence", math.Exp(*r.MeanLogprob))
	}
	if r.Finish != FinishNone {
		b = strField(b, "finish", string(r.Finish))
	}
	if r.Usage != nil {
		b = intField(append(appendKey(b, "usage"), '{'), "input", int64(r.Usage.Input))
		b = append(intField(b, "output", int64(r.Usage.Output)), '}')
	}
	return append(b, '}')
}

func (httpJSON) EncodeError(e *Error) []byte { return openAI{OpenAI}.EncodeError(e) }

// Encoder returns an encoder that writes the whole answer at its end.
func (httpJSON) Encoder(Request, string, string) StreamEncoder { return &httpEncoder{} }

type httpEncoder struct {
	text     strings.Builder
	sum      float64 // of log-probabilities
	logprobs int
}

func (e *httpEncoder) Start(dst []byte, _ *Usage) []byte { return dst }

func (e *httpEncoder) Text(dst []byte, s string) []byte {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	e.text.WriteString(s)
	return dst
}

func (e *httpEncoder) Reasoning(dst []byte, _ string) []byte { return dst }

func (e *httpEncoder) Refusal(dst []byte, s string) []byte { return e.Text(dst, s) }

func (e *httpEncoder) ToolCall(dst []byte, _ ToolCallDelta) []byte { return dst }

func (e *httpEncoder) Logprobs(dst []byte, _ []string, ls []float64) []byte {
	for _, l := range ls {
		e.sum += l
	}
	e.logprobs += len(ls)
	return dst
}

func (e *httpEncoder) End(dst []byte, f Finish, u *Usage) []byte {
	if f == FinishNone {
		return dst
	}
	r := Response{Text: e.text.String(), Finish: f, Usage: u}
	if e.logprobs > 0 {
		mean := e.sum / float64(e.logprobs)
		r.MeanLogprob = &mean
	}
	return append(append(dst, httpJSON{}.EncodeResponse(r)...), "\n\n"...)
}

func (e *httpEncoder) Error(dst []byte, err *Error) []byte {
	return append(append(dst, httpJSON{}.EncodeError(err)...), "\n\n"...)
}
