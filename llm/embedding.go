package llm

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
)

// EmbeddingRequest asks for the vectors of texts.
type EmbeddingRequest struct {
	Model      string
	Input      []string // one vector each
	Dimensions int      // 0: the model's own
	Base64     bool     // vectors as little-endian float32 in base64, where the protocol has that
	Batch      bool     // a list even of one text, which Gemini asks for by another method
	Encoded    bool     // the input is tokens of the model's own in place of text, and only in Body
	Beyond     []string // further fields that a request had, by name: only Body has them
	// Body is the whole request as it came, for a codec of the same dialect to
	// send on as it is but for the model. No codec sets it.
	Body []byte
}

// Embeddings are the vectors of an [EmbeddingRequest], in the order of its
// input.
type Embeddings struct {
	Model   string // "" where the protocol does not say
	Vectors [][]float32
	Usage   *Usage // nil: the provider did not say
}

// Embedder is a codec whose protocol has embeddings, both ways: OpenAI, Azure,
// Responses and Gemini.
type Embedder interface {
	EncodeEmbedding(e Endpoint, r EmbeddingRequest) (Call, error)
	// DecodeEmbeddings reads an answer with a 2xx status. An error that the
	// provider put into it is returned as *Error.
	DecodeEmbeddings(body []byte) (Embeddings, error)
	// DecodeEmbeddingRequest reads a request as a server gets it.
	DecodeEmbeddingRequest(path string, body []byte) (EmbeddingRequest, error)
	// EncodeEmbeddings writes the answer to r.
	EncodeEmbeddings(r EmbeddingRequest, a Embeddings) []byte
}

func (r EmbeddingRequest) validate(p Protocol) error {
	if r.Encoded {
		return &UnsupportedError{Protocol: p, Fields: []string{"input"}}
	}
	if len(r.Input) == 0 || r.Dimensions < 0 {
		return fmt.Errorf("encode %s request: no input, or negative dimensions", p)
	}
	return nil
}

func (c openAI) EncodeEmbedding(e Endpoint, r EmbeddingRequest) (Call, error) {
	if body, ok := patched(r.Body, map[string][]byte{"model": appendString(nil, r.Model)}); ok {
		return newCall(e, c.url(e, r.Model, "/embeddings"), body, c.auth(e)).finish(e), nil
	}
	if err := r.validate(c.p); err != nil {
		return Call{}, err
	}
	b := stringsField(strField([]byte{'{'}, "model", r.Model), "input", r.Input)
	if r.Base64 {
		b = strField(b, "encoding_format", "base64")
	} else {
		b = strField(b, "encoding_format", "float")
	}
	if r.Dimensions > 0 {
		b = intField(b, "dimensions", int64(r.Dimensions))
	}
	return newCall(e, c.url(e, r.Model, "/embeddings"), append(b, '}'), c.auth(e)).finish(e), nil
}

func (c openAI) DecodeEmbeddings(body []byte) (Embeddings, error) {
	var a struct {
		Data []struct {
			Index     int             `json:"index"`
			Embedding json.RawMessage `json:"embedding"`
		} `json:"data"`
		Model string          `json:"model"`
		Usage *openAIUsage    `json:"usage"`
		Error json.RawMessage `json:"error"`
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return Embeddings{}, answerError(c.p, err)
	}
	if !isEmpty(a.Error) {
		return Embeddings{}, classify(c.p, http.StatusOK, nil, body)
	}
	if len(a.Data) == 0 {
		return Embeddings{}, answerError(c.p, errors.New("no data in it"))
	}
	out := Embeddings{Model: a.Model, Usage: a.Usage.usage(), Vectors: make([][]float32, len(a.Data))}
	for i, d := range a.Data {
		v, err := vectorOf(d.Embedding)
		if err != nil {
			return Embeddings{}, answerError(c.p, fmt.Errorf("data[%d]: %w", i, err))
		}
		if d.Index < 0 || d.Index >= len(a.Data) || out.Vectors[d.Index] != nil {
			return Embeddings{}, answerError(c.p, fmt.Errorf("data[%d]: index %d has no place", i, d.Index))
		}
		out.Vectors[d.Index] = v
	}
	return out, nil
}

// vectorOf reads a vector that is a list of numbers or base64.
func vectorOf(raw []byte) ([]float32, error) {
	s, ok := unquote(raw)
	if !ok {
		var v []float32
		if err := json.Unmarshal(raw, &v); err != nil || len(v) == 0 {
			return nil, errors.Join(errors.New("no vector"), err)
		}
		return v, nil
	}
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil || len(b) == 0 || len(b)%4 != 0 {
		return nil, errors.Join(errors.New("no vector in base64"), err)
	}
	v := make([]float32, len(b)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		if f := float64(v[i]); math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, fmt.Errorf("place %d of the vector is %v", i, f)
		}
	}
	return v, nil
}

func (c openAI) DecodeEmbeddingRequest(path string, body []byte) (EmbeddingRequest, error) {
	var r EmbeddingRequest
	f, err := parseFields(bytes.Clone(body))
	if err != nil {
		return r, decodeError(c.p, err)
	}
	format := either(f, "encoding_format")
	delete(f, "encoding_format")
	if r.Base64 = format == "base64"; !r.Base64 && format != "" && format != "float" {
		return r, decodeError(c.p, fmt.Errorf("encoding_format %q is neither float nor base64", cut(format, 50)))
	}
	_, err = f.take(&r.Model, "model")
	if s, ok := unquote(f["input"]); ok {
		r.Input = []string{s}
		delete(f, "input")
	} else if err == nil {
		if raw := f["input"]; tokenList(raw) {
			r.Encoded = true
			delete(f, "input")
		}
		_, err = f.take(&r.Input, "input")
	}
	if err == nil {
		_, err = f.take(&r.Dimensions, "dimensions")
	}
	if m, ok := deploymentOf(path); ok && c.p == Azure {
		r.Model = m
	}
	if err == nil && (len(r.Input) == 0 && !r.Encoded || r.Dimensions < 0) {
		err = errors.New("no input, or negative dimensions")
	}
	if err != nil {
		return r, decodeError(c.p, err)
	}
	r.Beyond = f.said()
	return r, nil
}

// tokenList reports whether raw is a list of numbers, or of lists of them.
func tokenList(raw []byte) bool {
	n := 0
	ok := walkArray(raw, func(e []byte) bool {
		n++
		return e[0] == '[' || e[0] >= '0' && e[0] <= '9'
	})
	return ok && n > 0
}

func (openAI) EncodeEmbeddings(r EmbeddingRequest, a Embeddings) []byte {
	b := []byte(`{"object":"list","data":[`)
	for i, v := range a.Vectors {
		b = intField(append(appendComma(b), `{"object":"embedding"`...), "index", int64(i))
		b = appendKey(b, "embedding")
		if r.Base64 {
			var raw []byte
			for _, x := range v {
				raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x))
			}
			b = appendString(b, base64.StdEncoding.EncodeToString(raw))
		} else {
			b = appendVector(b, v)
		}
		b = append(b, '}')
	}
	b = strField(append(b, ']'), "model", a.Model)
	if a.Usage != nil {
		b = intField(append(appendKey(b, "usage"), '{'), "prompt_tokens", int64(a.Usage.Input))
		b = append(intField(b, "total_tokens", int64(a.Usage.Input)), '}')
	}
	return append(b, '}')
}

func appendVector(b []byte, v []float32) []byte {
	b = append(b, '[')
	for _, x := range v {
		b = appendFloat32(appendComma(b), x)
	}
	return append(b, ']')
}

// Embeddings beside Responses are those of OpenAI.

func (responses) EncodeEmbedding(e Endpoint, r EmbeddingRequest) (Call, error) {
	return openAI{OpenAI}.EncodeEmbedding(e, r)
}

func (responses) DecodeEmbeddings(body []byte) (Embeddings, error) {
	return openAI{OpenAI}.DecodeEmbeddings(body)
}

func (responses) DecodeEmbeddingRequest(path string, body []byte) (EmbeddingRequest, error) {
	return openAI{OpenAI}.DecodeEmbeddingRequest(path, body)
}

func (responses) EncodeEmbeddings(r EmbeddingRequest, a Embeddings) []byte {
	return openAI{OpenAI}.EncodeEmbeddings(r, a)
}

// EncodeEmbedding asks embedContent for one text, batchEmbedContents for more.
// Base64 is not the protocol's and is ignored: vectors come as numbers.
func (c gemini) EncodeEmbedding(e Endpoint, r EmbeddingRequest) (Call, error) {
	path := "/" + modelPath(r.Model)
	if body, ok := embedBody(r); ok {
		method := ":embedContent"
		if r.Batch {
			method = ":batchEmbedContents"
		}
		return newCall(e, c.url(e, path+method), body, c.auth(e)).finish(e), nil
	}
	if err := r.validate(Gemini); err != nil {
		return Call{}, err
	}
	one := func(b []byte, text string) []byte {
		b = strField(append(b, '{'), "model", "models/"+strings.TrimPrefix(r.Model, "models/"))
		b = append(appendKey(b, "content"), `{"parts":[{`...)
		b = append(strField(b, "text", text), "}]}"...)
		if r.Dimensions > 0 {
			b = intField(b, "outputDimensionality", int64(r.Dimensions))
		}
		return append(b, '}')
	}
	if len(r.Input) == 1 && !r.Batch {
		return newCall(e, c.url(e, path+":embedContent"), one(nil, r.Input[0]), c.auth(e)).finish(e), nil
	}
	b := []byte(`{"requests":[`)
	for _, text := range r.Input {
		b = one(appendComma(b), text)
	}
	return newCall(e, c.url(e, path+":batchEmbedContents"), append(b, "]}"...), c.auth(e)).finish(e), nil
}

// embedBody returns a body as it came, with the model's name where it stands.
func embedBody(r EmbeddingRequest) ([]byte, bool) {
	name := map[string][]byte{"model": appendString(nil, "models/"+strings.TrimPrefix(r.Model, "models/"))}
	if !r.Batch {
		if isNull(member(r.Body, "model")) {
			return r.Body, r.Body != nil
		}
		return patched(r.Body, name)
	}
	b := []byte{'['}
	ok := walkArray(member(r.Body, "requests"), func(q []byte) bool {
		one, ok := patched(q, name)
		b = append(appendComma(b), one...)
		return ok
	})
	if !ok {
		return nil, false
	}
	return patched(r.Body, map[string][]byte{"requests": append(b, ']')})
}

func (gemini) DecodeEmbeddings(body []byte) (Embeddings, error) {
	type values struct {
		Values []float32 `json:"values"`
	}
	var a struct {
		One   *values         `json:"embedding"`
		More  []values        `json:"embeddings"`
		Usage *geminiUsage    `json:"usageMetadata"`
		Error json.RawMessage `json:"error"`
	}
	if err := json.Unmarshal(body, &a); err != nil {
		if e := listedError(Gemini, body); e != nil {
			return Embeddings{}, e
		}
		return Embeddings{}, answerError(Gemini, err)
	}
	if !isEmpty(a.Error) {
		return Embeddings{}, classify(Gemini, http.StatusOK, nil, body)
	}
	if a.One != nil {
		a.More = []values{*a.One}
	}
	out := Embeddings{Usage: a.Usage.usage()}
	for _, v := range a.More {
		out.Vectors = append(out.Vectors, v.Values)
	}
	if len(out.Vectors) == 0 || slices.ContainsFunc(out.Vectors, func(v []float32) bool { return len(v) == 0 }) {
		return Embeddings{}, answerError(Gemini, errors.New("no vector in it"))
	}
	return out, nil
}

func (gemini) DecodeEmbeddingRequest(path string, body []byte) (EmbeddingRequest, error) {
	var r EmbeddingRequest
	path, _, _ = strings.Cut(path, "?")
	head, method, _ := cutLast(path, ":")
	model, _, err := geminiPath(head + ":generateContent")
	if err != nil || method != "embedContent" && method != "batchEmbedContents" {
		return r, decodeError(Gemini, fmt.Errorf("path %q: no model and embedContent in it", cut(path, 200)))
	}
	type request struct {
		Content struct {
			Parts []struct {
				Text string `json:"text"`
			} `json:"parts"`
		} `json:"content"`
		Dimensions int    `json:"outputDimensionality"`
		Task       string `json:"taskType"`
		Title      string `json:"title"`
	}
	var in struct {
		request
		Requests []request `json:"requests"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return r, decodeError(Gemini, err)
	}
	if method == "embedContent" {
		in.Requests = []request{in.request}
	}
	r.Model, r.Batch = model, method != "embedContent"
	for i, q := range in.Requests {
		var ts []string
		for _, p := range q.Content.Parts {
			ts = append(ts, p.Text)
		}
		if len(ts) == 0 || q.Dimensions < 0 {
			return r, decodeError(Gemini, fmt.Errorf("request %d: no content, or negative dimensions", i))
		}
		r.Input, r.Dimensions = append(r.Input, joinText(ts)), q.Dimensions
		if q.Task != "" && q.Task != "TASK_TYPE_UNSPECIFIED" && !slices.Contains(r.Beyond, "taskType") {
			r.Beyond = append(r.Beyond, "taskType")
		}
		if q.Title != "" && !slices.Contains(r.Beyond, "title") {
			r.Beyond = append(r.Beyond, "title")
		}
	}
	if len(r.Input) == 0 {
		return r, decodeError(Gemini, errors.New("requests: none"))
	}
	return r, nil
}

func (gemini) EncodeEmbeddings(r EmbeddingRequest, a Embeddings) []byte {
	if len(r.Input) == 1 && len(a.Vectors) == 1 && !r.Batch {
		return append(appendVector([]byte(`{"embedding":{"values":`), a.Vectors[0]), "}}"...)
	}
	b := []byte(`{"embeddings":[`)
	for _, v := range a.Vectors {
		b = append(appendVector(append(appendComma(b), `{"values":`...), v), '}')
	}
	return append(b, "]}"...)
}

// cutLast cuts s around the last sep.
func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
