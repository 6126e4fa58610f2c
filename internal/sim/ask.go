package sim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/bellwether-llm/bellwether/llm"
)

// speaker is the half of a codec that answers.
type speaker interface {
	Protocol() llm.Protocol
	DecodeRequest(path string, body []byte) (llm.Request, error)
	EncodeResponse(r llm.Response) []byte
	Encoder(r llm.Request, id, model string) llm.StreamEncoder
	EncodeError(e *llm.Error) []byte
}

// task is a request that was read. Its req tells the model and, whatever was
// asked for, the texts whose tokens count.
type task struct {
	req   llm.Request
	speak speaker
	// body is the answer to what is no chat; nil for a chat.
	body func(p *plan) []byte
	// quick: the answer takes no thought, only a small part of a first token's time.
	quick bool
	// exact: nothing is drawn for it; only faults make it slow or fail.
	exact bool
}

// read reads a request as its place has it.
func (s *Server) read(at place, r *http.Request, body []byte) (t task, err error) {
	codec := s.codecs[at.proto]
	switch at.call {
	case callChat:
		t, err = s.readChat(codec, at, r, body)
	case callCompletion:
		t.speak = llm.Completions{}
		t.req, err = t.speak.DecodeRequest(at.path, body)
	case callCount:
		t, err = readCount(codec, at, body)
	case callEmbedding:
		t, err = readEmbedding(codec, at, body)
	case callImage:
		t, err = readImage(codec, at, body)
	case callPing:
		t = ping(at, r)
	}
	if t.speak == nil {
		t.speak = codec
	}
	t.req.Stream = t.req.Stream && t.body == nil
	return t, err
}

func (s *Server) readChat(codec llm.Codec, at place, r *http.Request, body []byte) (task, error) {
	if at.proto == llm.HTTP {
		return readHTTP(at, r, body)
	}
	req, err := codec.DecodeRequest(at.path, body)
	if err != nil {
		return task{}, err
	}
	if at.proto == llm.Gemini && bytes.Contains(req.Extra["generationConfig.responseModalities"], []byte(`"IMAGE"`)) {
		return readImage(codec, at, body)
	}
	if at.proto == llm.Gemini {
		if len(req.Tools) == 0 {
			req.Tools = googleTools(req.Extra["tools"])
		}
		if req.JSONSchema == nil {
			req.JSONSchema = req.Extra["generationConfig.responseSchema"]
		}
	}
	return task{req: req}, checkSignatures(at.proto, req)
}

// readCount reads a request to count what a chat would be asked with.
func readCount(codec llm.Codec, at place, body []byte) (task, error) {
	path := at.path
	if at.proto == llm.Gemini {
		path = strings.TrimSuffix(path, ":countTokens") + ":generateContent"
		var inner struct {
			Request json.RawMessage `json:"generateContentRequest"`
		}
		if json.Unmarshal(body, &inner) == nil && len(inner.Request) > 0 {
			body = inner.Request
		}
	}
	req, err := codec.DecodeRequest(path, body)
	t := task{req: req, quick: true}
	t.body = func(p *plan) []byte {
		shape := `{"input_tokens":%d}`
		switch at.proto {
		case llm.Gemini:
			shape = `{"totalTokens":%d,"promptTokensDetails":[{"modality":"TEXT","tokenCount":%[1]d}]}`
		case llm.Responses:
			shape = `{"object":"response.input_tokens","input_tokens":%d}`
		}
		n := p.usage.Input
		if p.bent.empty {
			n = 0
		}
		return fmt.Appendf(nil, shape, n)
	}
	return t, err
}

// inputTokens counts what a request asks with.
func inputTokens(req llm.Request) int {
	n := 0
	for _, m := range req.Messages {
		n += 4 + countPieces(messageText(m))
		for _, p := range m.Parts {
			switch p.Kind {
			case llm.PartImage:
				n += picturePart
			case llm.PartToolCall:
				n += countPieces(p.Call.Name) + countPieces(p.Call.Arguments)
			case llm.PartToolResult:
				n += countPieces(p.Text)
			}
		}
	}
	for _, t := range req.Tools {
		n += countPieces(t.Name) + countPieces(t.Description) + countPieces(string(t.Parameters))
	}
	return n + countPieces(string(req.JSONSchema))
}

// choicesOf is how many choices a request wants, where its protocol has that.
func choicesOf(p llm.Protocol, req llm.Request) (int, error) {
	field, most := "n", 128
	switch {
	case p == llm.OpenAI || p == llm.Azure:
	case p == llm.Gemini && !req.Stream:
		field, most = "generationConfig.candidateCount", 8
	default:
		return 1, nil
	}
	raw := req.Extra[field]
	if len(raw) == 0 || string(raw) == "null" {
		return 1, nil
	}
	var n int
	if json.Unmarshal(raw, &n) != nil || n < 1 || n > most {
		return 0, errors.New(field + ": write a whole number from 1 to " + fmt.Sprint(most))
	}
	return n, nil
}
