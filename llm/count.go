package llm

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
)

// Counter is a codec whose protocol counts what a request would be asked with,
// both ways: Anthropic, Gemini and Responses.
type Counter interface {
	EncodeCount(e Endpoint, r Request) (Call, error)
	// DecodeCount reads the number of tokens of an answer with a 2xx status. An
	// error that the provider put into it is returned as *Error.
	DecodeCount(body []byte) (int, error)
	// DecodeCountRequest reads a request as a server gets it.
	DecodeCountRequest(path string, body []byte) (Request, error)
	// EncodeCounted writes the answer.
	EncodeCounted(n int) []byte
}

// counted returns r with only what counts as a part of its prompt.
func (r Request) counted() Request {
	r.Temperature, r.TopP, r.Stop, r.Seed, r.MaxTokens, r.Stream, r.StreamUsage, r.User, r.Logprobs = nil, nil, nil, nil, 0, false, false, "", false
	return r
}

// decodeCount reads the member name of an answer.
func decodeCount(p Protocol, body []byte, name string) (int, error) {
	var f map[string]json.RawMessage
	if err := json.Unmarshal(body, &f); err != nil {
		return 0, answerError(p, err)
	}
	if !isEmpty(f["error"]) {
		return 0, classify(p, http.StatusOK, nil, body)
	}
	n := -1
	if err := json.Unmarshal(orNull(f[name]), &n); err != nil || n < 0 {
		return 0, answerError(p, errors.New("no count in it"))
	}
	return n, nil
}

func (c anthropic) EncodeCount(e Endpoint, r Request) (Call, error) {
	body, ok := modelPass(Anthropic, r)
	if !ok || unsigned.Match(body) {
		var err error
		if r, err = r.counted().prepared(Anthropic, nil); err != nil {
			return Call{}, err
		}
		r.Messages = withoutUnsigned(r.Messages)
		body, _ = patched(c.body(r), map[string][]byte{"max_tokens": nil})
	}
	call := newCall(e, c.url(e, "/messages/count_tokens"), body, c.auth(e))
	c.version(e, call.Header)
	return call.finish(e), nil
}

func (anthropic) DecodeCount(body []byte) (int, error) {
	return decodeCount(Anthropic, body, "input_tokens")
}

func (c anthropic) DecodeCountRequest(path string, body []byte) (Request, error) {
	return c.DecodeRequest(path, body)
}

func (anthropic) EncodeCounted(n int) []byte {
	return append(intField([]byte{'{'}, "input_tokens", int64(n)), '}')
}

// EncodeCount asks for the whole request in its longer form, the one that has
// room for more than contents; the plain one has not.
func (c gemini) EncodeCount(e Endpoint, r Request) (Call, error) {
	path := "/" + modelPath(r.Model) + ":countTokens"
	model := appendString(nil, modelPath(r.Model))
	body, ok := r.passed(Gemini, nil)
	if inner := member(body, "generateContentRequest"); ok && !isNull(inner) {
		if inner, ok = patched(inner, map[string][]byte{"model": model}); ok {
			body, ok = patched(body, map[string][]byte{"generateContentRequest": inner})
		}
	}
	if !ok {
		var err error
		if r, err = r.counted().prepared(Gemini, nil); err != nil {
			return Call{}, err
		}
		inner, _ := patched(c.body(r), map[string][]byte{"model": model})
		body = append(rawField([]byte{'{'}, "generateContentRequest", inner), '}')
	}
	return newCall(e, c.url(e, path), body, c.auth(e)).finish(e), nil
}

func (gemini) DecodeCount(body []byte) (int, error) { return decodeCount(Gemini, body, "totalTokens") }

func (c gemini) DecodeCountRequest(path string, body []byte) (Request, error) {
	path, _, _ = strings.Cut(path, "?")
	head, _, _ := cutLast(path, ":")
	if inner := member(trimSpace(body), "generateContentRequest"); json.Valid(body) && !isNull(inner) {
		body = inner
	}
	r, err := c.DecodeRequest(head+":generateContent", body)
	delete(r.Extra, "model") // said in the path
	return r, err
}

func (gemini) EncodeCounted(n int) []byte {
	return append(intField([]byte{'{'}, "totalTokens", int64(n)), '}')
}

func (c responses) EncodeCount(e Endpoint, r Request) (Call, error) {
	body, ok := modelPass(Responses, r)
	if !ok {
		var err error
		if r, err = r.counted().prepared(Responses, nil); err != nil {
			return Call{}, err
		}
		body = c.body(r, false)
	}
	return newCall(e, strings.TrimRight(e.BaseURL, "/")+"/responses/input_tokens", body, openAI{OpenAI}.auth(e)).finish(e), nil
}

func (responses) DecodeCount(body []byte) (int, error) {
	return decodeCount(OpenAI, body, "input_tokens")
}

func (c responses) DecodeCountRequest(path string, body []byte) (Request, error) {
	return c.DecodeRequest(path, body)
}

func (responses) EncodeCounted(n int) []byte {
	return append(intField([]byte(`{"object":"response.input_tokens"`), "input_tokens", int64(n)), '}')
}
