package llm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// ImageRequest asks for pictures.
type ImageRequest struct {
	Model  string
	Prompt string
	Count  int    // 0: one
	Size   string // "1024x1024"; "": the model's own
	// Beyond are further fields that a request had, by name: only Body has them.
	Beyond []string
	// Body is the whole request as it came, for a codec of the same dialect to
	// send on as it is but for the model. No codec sets it.
	Body []byte
}

// Images are what an [ImageRequest] got.
type Images struct {
	Images []Image
	Usage  *Usage // nil: the provider did not say
}

// Painter is a codec whose protocol makes pictures, both ways: OpenAI, Azure,
// Responses and Gemini.
type Painter interface {
	EncodeImage(e Endpoint, r ImageRequest) (Call, error)
	// DecodeImages reads an answer with a 2xx status. An error that the
	// provider put into it, or a refusal, is returned as *Error.
	DecodeImages(body []byte) (Images, error)
	// DecodeImageRequest reads a request as a server gets it.
	DecodeImageRequest(path string, body []byte) (ImageRequest, error)
	// EncodeImages writes the answer to r.
	EncodeImages(r ImageRequest, a Images) []byte
}

func (r ImageRequest) validate(p Protocol) error {
	if r.Prompt == "" || r.Count < 0 {
		return fmt.Errorf("encode %s request: no prompt, or a negative count", p)
	}
	return nil
}

func (c openAI) EncodeImage(e Endpoint, r ImageRequest) (Call, error) {
	if body, ok := patched(r.Body, map[string][]byte{"model": appendString(nil, r.Model)}); ok {
		return newCall(e, c.url(e, r.Model, "/images/generations"), body, c.auth(e)).finish(e), nil
	}
	if err := r.validate(c.p); err != nil {
		return Call{}, err
	}
	b := strField(strField([]byte{'{'}, "model", r.Model), "prompt", r.Prompt)
	if r.Count > 0 {
		b = intField(b, "n", int64(r.Count))
	}
	if r.Size != "" {
		b = strField(b, "size", r.Size)
	}
	return newCall(e, c.url(e, r.Model, "/images/generations"), append(b, '}'), c.auth(e)).finish(e), nil
}

func (c openAI) DecodeImages(body []byte) (Images, error) {
	var a struct {
		Data []struct {
			Data string `json:"b64_json"`
			URL  string `json:"url"`
		} `json:"data"`
		Format string `json:"output_format"`
		Usage  *struct {
			Input  int `json:"input_tokens"`
			Output int `json:"output_tokens"`
		} `json:"usage"`
		Error json.RawMessage `json:"error"`
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return Images{}, answerError(c.p, err)
	}
	if !isEmpty(a.Error) {
		return Images{}, classify(c.p, http.StatusOK, nil, body)
	}
	var out Images
	if a.Usage != nil {
		out.Usage = &Usage{Input: a.Usage.Input, Output: a.Usage.Output}
	}
	for i, d := range a.Data {
		switch {
		case d.Data != "":
			out.Images = append(out.Images, Image{MIME: "image/" + orPNG(a.Format), Data: d.Data})
		case d.URL != "":
			out.Images = append(out.Images, Image{URL: d.URL})
		default:
			return Images{}, answerError(c.p, fmt.Errorf("data[%d]: no image", i))
		}
	}
	if len(out.Images) == 0 {
		return Images{}, answerError(c.p, errors.New("no data in it"))
	}
	return out, nil
}

// orPNG is the format of images whose answer does not say one.
func orPNG(format string) string {
	if format == "" {
		return "png"
	}
	return format
}

func (c openAI) DecodeImageRequest(path string, body []byte) (ImageRequest, error) {
	var r ImageRequest
	f, err := parseFields(bytes.Clone(body))
	if err != nil {
		return r, decodeError(c.p, err)
	}
	for _, step := range []struct {
		name string
		v    any
	}{{"model", &r.Model}, {"prompt", &r.Prompt}, {"n", &r.Count}, {"size", &r.Size}} {
		if _, err := f.take(step.v, step.name); err != nil {
			return r, decodeError(c.p, err)
		}
	}
	if m, ok := deploymentOf(path); ok && c.p == Azure {
		r.Model = m
	}
	if r.Prompt == "" || r.Count < 0 {
		return r, decodeError(c.p, errors.New("no prompt, or a negative count"))
	}
	if s, _ := unquote(f["response_format"]); s == "b64_json" { // which is what others answer with
		delete(f, "response_format")
	}
	r.Beyond = f.said()
	return r, nil
}

func (openAI) EncodeImages(_ ImageRequest, a Images) []byte {
	b := []byte(`{"created":0,"data":[`)
	format := ""
	for _, i := range a.Images {
		b = append(appendComma(b), '{')
		if i.URL != "" {
			b = strField(b, "url", i.URL)
		} else {
			b = strField(b, "b64_json", i.Data)
			format = strings.TrimPrefix(i.MIME, "image/")
		}
		b = append(b, '}')
	}
	b = append(b, ']')
	if format != "" {
		b = strField(b, "output_format", format)
	}
	if a.Usage != nil {
		b = appendResponsesUsage(appendKey(b, "usage"), *a.Usage)
	}
	return append(b, '}')
}

// Images beside Responses are those of OpenAI.

func (responses) EncodeImage(e Endpoint, r ImageRequest) (Call, error) {
	return openAI{OpenAI}.EncodeImage(e, r)
}

func (responses) DecodeImages(body []byte) (Images, error) { return openAI{OpenAI}.DecodeImages(body) }

func (responses) DecodeImageRequest(path string, body []byte) (ImageRequest, error) {
	return openAI{OpenAI}.DecodeImageRequest(path, body)
}

func (responses) EncodeImages(r ImageRequest, a Images) []byte {
	return openAI{OpenAI}.EncodeImages(r, a)
}

// EncodeImage asks Imagen's models by predict and all others by
// generateContent, which makes one picture and has no sizes.
func (c gemini) EncodeImage(e Endpoint, r ImageRequest) (Call, error) {
	if err := r.validate(Gemini); err != nil {
		return Call{}, err
	}
	imagen := isImagen(r.Model)
	if r.Body != nil {
		method := ":generateContent"
		if imagen {
			method = ":predict"
		}
		return newCall(e, c.url(e, "/"+modelPath(r.Model)+method), r.Body, c.auth(e)).finish(e), nil
	}
	var no []string
	if r.Count > 1 && !imagen {
		no = append(no, "n")
	}
	if r.Size != "" {
		no = append(no, "size")
	}
	if no != nil {
		return Call{}, &UnsupportedError{Protocol: Gemini, Fields: no}
	}
	if imagen {
		b := append(strField([]byte(`{"instances":[{`), "prompt", r.Prompt), "}]"...)
		b = append(appendKey(b, "parameters"), '{')
		b = append(intField(b, "sampleCount", int64(max(1, r.Count))), "}}"...)
		return newCall(e, c.url(e, "/"+modelPath(r.Model)+":predict"), b, c.auth(e)).finish(e), nil
	}
	b := append(strField([]byte(`{"contents":[{"role":"user","parts":[{`), "text", r.Prompt), "}]}]"...)
	b = append(b, `,"generationConfig":{"responseModalities":["TEXT","IMAGE"]}}`...)
	return newCall(e, c.url(e, "/"+modelPath(r.Model)+":generateContent"), b, c.auth(e)).finish(e), nil
}

func isImagen(model string) bool {
	_, name, ok := cutLast(model, "/")
	if !ok {
		name = model
	}
	return strings.HasPrefix(name, "imagen")
}

func (gemini) DecodeImages(body []byte) (Images, error) {
	type data struct {
		MIME string `json:"mimeType"`
		Data string `json:"data"`
	}
	var a struct {
		Predictions []struct {
			MIME string `json:"mimeType"`
			Data string `json:"bytesBase64Encoded"`
		} `json:"predictions"`
		Candidates []struct {
			Content struct {
				Parts []struct {
					Inline *data `json:"inlineData"`
				} `json:"parts"`
			} `json:"content"`
			Finish string `json:"finishReason"`
		} `json:"candidates"`
		Usage *geminiUsage    `json:"usageMetadata"`
		Error json.RawMessage `json:"error"`
	}
	if err := json.Unmarshal(body, &a); err != nil {
		if e := listedError(Gemini, body); e != nil {
			return Images{}, e
		}
		return Images{}, answerError(Gemini, err)
	}
	if !isEmpty(a.Error) {
		return Images{}, classify(Gemini, http.StatusOK, nil, body)
	}
	out := Images{Usage: a.Usage.usage()}
	for _, p := range a.Predictions {
		if p.Data != "" {
			out.Images = append(out.Images, Image{MIME: p.MIME, Data: p.Data})
		}
	}
	filtered := false
	for _, c := range a.Candidates {
		filtered = filtered || geminiFinish(c.Finish, false) == FinishFilter
		for _, p := range c.Content.Parts {
			if p.Inline != nil && p.Inline.Data != "" {
				out.Images = append(out.Images, Image{MIME: p.Inline.MIME, Data: p.Inline.Data})
			}
		}
	}
	switch {
	case len(out.Images) > 0:
		return out, nil
	case filtered:
		return Images{}, classify(Gemini, http.StatusOK, nil, []byte(`{"error":{"code":400,"status":"FAILED_PRECONDITION","message":"the image was refused by the provider's safety system"}}`))
	}
	return Images{}, answerError(Gemini, errors.New("no image in it"))
}

func (gemini) DecodeImageRequest(path string, body []byte) (ImageRequest, error) {
	var r ImageRequest
	path, _, _ = strings.Cut(path, "?")
	head, method, _ := cutLast(path, ":")
	model, _, err := geminiPath(head + ":generateContent")
	if err != nil || method != "predict" && method != "generateContent" {
		return r, decodeError(Gemini, fmt.Errorf("path %q: no model and method in it", cut(path, 200)))
	}
	var in struct {
		Instances []struct {
			Prompt string `json:"prompt"`
		} `json:"instances"`
		Parameters struct {
			Count int `json:"sampleCount"`
		} `json:"parameters"`
		Contents []struct {
			Parts []struct {
				Text string `json:"text"`
			} `json:"parts"`
		} `json:"contents"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return r, decodeError(Gemini, err)
	}
	r.Model, r.Count = model, in.Parameters.Count
	for _, i := range in.Instances {
		r.Prompt += i.Prompt
	}
	for _, c := range in.Contents {
		for _, p := range c.Parts {
			r.Prompt += p.Text
		}
	}
	if r.Prompt == "" || r.Count < 0 {
		return r, decodeError(Gemini, errors.New("no prompt, or a negative count"))
	}
	return r, nil
}

func (gemini) EncodeImages(r ImageRequest, a Images) []byte {
	if isImagen(r.Model) {
		b := []byte(`{"predictions":[`)
		for _, i := range a.Images {
			b = strField(append(appendComma(b), '{'), "mimeType", i.MIME)
			b = append(strField(b, "bytesBase64Encoded", i.Data), '}')
		}
		return append(b, "]}"...)
	}
	b := []byte(`{"candidates":[{"content":{"parts":[`)
	for _, i := range a.Images {
		b = strField(append(appendComma(b), `{"inlineData":{`...), "mimeType", i.MIME)
		b = append(strField(b, "data", i.Data), "}}"...)
	}
	b = append(b, `],"role":"model"},"finishReason":"STOP","index":0}]`...)
	return append(appendGeminiTail(b, a.Usage, r.Model, ""), '}')
}
