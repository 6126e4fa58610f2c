package sim

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/bellwether-llm/bellwether/llm"
)

// What stands behind /http speaks no LLM protocol. A POST of any JSON is
// asked what its member "prompt", "input", "inputs", "text", "question" or
// "query" says, a GET what ?prompt= says; a GET without it is a plain canary
// that gets "ok". The answer has the shape of [llm.DefaultTemplate], or holds
// each thing where the query says: ?text=outputs[0].label&confidence=score.

// httpModel is the model of a request that names none.
const httpModel = "http"

// ping is the plain GET.
func ping(at place, r *http.Request) task {
	model := r.URL.Query().Get("model")
	if model == "" {
		model = httpModel
	}
	return task{req: llm.Request{Model: model}, quick: true, speak: webSpeaker{}, body: func(p *plan) []byte {
		switch {
		case p.bent.empty:
			return nil
		case p.bent.offTopic:
			return []byte(offTopics[0])
		case p.bent.repeated:
			return bytes.Repeat([]byte("ok "), 20)
		}
		return bytes.Repeat([]byte("ok\n"), int(max(1, min(p.bent.factor, 1000))))
	}}
}

func readHTTP(at place, r *http.Request, body []byte) (task, error) {
	in := webRequest{Model: httpModel}
	if r.Method == http.MethodGet {
		in.Prompt = promptText(r.URL.Query().Get("prompt"))
	} else if err := json.Unmarshal(body, &in); err != nil {
		return task{}, errors.Join(errors.New("the body is no JSON object"), err)
	}
	req := llm.Request{Dialect: llm.HTTP, Model: in.Model, MaxTokens: in.MaxTokens, Logprobs: true}
	if m := r.URL.Query().Get("model"); m != "" {
		req.Model = m
	}
	if in.System != "" {
		req.Messages = append(req.Messages, llm.Message{Role: llm.RoleSystem, Text: in.System})
	}
	prompt := ""
	for _, p := range []promptText{in.Prompt, in.Input, in.Inputs, in.Text, in.Question, in.Query} {
		if prompt = string(p); prompt != "" {
			break
		}
	}
	if prompt == "" || in.MaxTokens < 0 {
		return task{}, errors.New(`no prompt in it, or a negative max_tokens: write {"prompt": "..."}`)
	}
	req.Messages = append(req.Messages, llm.Message{Role: llm.RoleUser, Text: prompt})
	return task{req: req, speak: webSpeaker{at: r.URL.Query()}}, nil
}

type webRequest struct {
	Model                                        string
	System                                       string
	Prompt, Input, Inputs, Text, Question, Query promptText
	MaxTokens                                    int `json:"max_tokens"`
}

// promptText is a string, or the first text in a list or object.
type promptText string

func (p *promptText) UnmarshalJSON(b []byte) error {
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	*p = promptText(firstText(v))
	return nil
}

func firstText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []any:
		for _, e := range v {
			if s := firstText(e); s != "" {
				return s
			}
		}
	case map[string]any:
		for _, k := range []string{"text", "prompt", "content", "input"} {
			if s := firstText(v[k]); s != "" {
				return s
			}
		}
	}
	return ""
}

// webSpeaker answers in the shape of the default template, or in the one that
// a query asks for.
type webSpeaker struct{ at url.Values }

func (webSpeaker) Protocol() llm.Protocol { return llm.HTTP }

func (webSpeaker) codec() llm.Codec {
	c, err := llm.For(llm.HTTP)
	if err != nil { // it is in the table
		panic(err)
	}
	return c
}

func (w webSpeaker) DecodeRequest(path string, body []byte) (llm.Request, error) {
	return w.codec().DecodeRequest(path, body)
}

func (w webSpeaker) EncodeError(e *llm.Error) []byte { return w.codec().EncodeError(e) }

func (w webSpeaker) Encoder(r llm.Request, id, model string) llm.StreamEncoder {
	return w.codec().Encoder(r, id, model)
}

func (w webSpeaker) EncodeResponse(r llm.Response) []byte {
	body := w.codec().EncodeResponse(r)
	var flat struct {
		Text       string   `json:"text"`
		Confidence *float64 `json:"confidence"`
		Finish     string   `json:"finish"`
		Usage      struct {
			Input  int `json:"input"`
			Output int `json:"output"`
		} `json:"usage"`
	}
	if json.Unmarshal(body, &flat) != nil {
		return body
	}
	var out any
	asked := false
	for _, f := range []struct {
		name  string
		value any
	}{{"text", flat.Text}, {"confidence", flat.Confidence}, {"finish", flat.Finish}, {"input_tokens", flat.Usage.Input}, {"output_tokens", flat.Usage.Output}} {
		if path := w.at.Get(f.name); path != "" {
			out, asked = putAt(out, steps(path), f.value), true
		}
	}
	if !asked {
		return body
	}
	shaped, err := json.Marshal(out)
	if err != nil {
		return body
	}
	return shaped
}

// maxPlace bounds a place in a list that a path names.
const maxPlace = 100

// steps takes "output.items[0].text" apart: names, and places as "[0]".
func steps(path string) []string {
	path = strings.TrimPrefix(strings.TrimPrefix(path, "$"), ".")
	return strings.FieldsFunc(strings.ReplaceAll(path, "[", ".["), func(r rune) bool { return r == '.' })
}

// putAt puts v into tree where a path leads, making what is not there.
func putAt(tree any, path []string, v any) any {
	if len(path) == 0 {
		return v
	}
	if i, ok := placeIn(path[0]); ok {
		list, _ := tree.([]any)
		for len(list) <= i {
			list = append(list, nil)
		}
		list[i] = putAt(list[i], path[1:], v)
		return list
	}
	object, ok := tree.(map[string]any)
	if !ok {
		object = map[string]any{}
	}
	object[path[0]] = putAt(object[path[0]], path[1:], v)
	return object
}

func placeIn(step string) (int, bool) {
	inner, ok := strings.CutPrefix(step, "[")
	if !ok {
		return 0, false
	}
	i, err := strconv.Atoi(strings.TrimSuffix(inner, "]"))
	return i, err == nil && i >= 0 && i < maxPlace
}
