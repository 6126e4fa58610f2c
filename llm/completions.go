package llm

import (
	"bytes"
	"errors"
	"strconv"
)

// Completions is the answering half of OpenAI's older protocol of bare
// prompts: POST /completions. Nobody is asked in it, so it is no [Codec].
type Completions struct{}

// Protocol is whose errors, keys and models it shares.
func (Completions) Protocol() Protocol { return OpenAI }

// DecodeRequest reads a completion request: its prompt as the one message of
// a user's. Several prompts, or tokens in place of text, are refused.
func (Completions) DecodeRequest(path string, body []byte) (Request, error) {
	r := Request{Dialect: OpenAI}
	f, err := parseFields(bytes.Clone(body))
	if err != nil {
		return r, decodeError(OpenAI, err)
	}
	prompt, ok := unquote(f["prompt"])
	if !ok {
		var prompts []string
		if _, err := f.take(&prompts, "prompt"); err != nil || len(prompts) != 1 {
			return r, decodeError(OpenAI, errors.Join(errors.New("prompt: neither a string nor a list of one"), err))
		}
		prompt = prompts[0]
	}
	delete(f, "prompt")
	r.Messages = []Message{{Role: RoleUser, Text: prompt}}
	var logprobs *int
	for _, step := range []struct {
		name string
		v    any
	}{
		{"model", &r.Model}, {"max_tokens", &r.MaxTokens}, {"temperature", &r.Temperature}, {"top_p", &r.TopP},
		{"seed", &r.Seed}, {"stream", &r.Stream}, {"user", &r.User}, {"logprobs", &logprobs},
	} {
		if _, err := f.take(step.v, step.name); err != nil {
			return r, decodeError(OpenAI, err)
		}
	}
	if m, ok := deploymentOf(path); ok {
		r.Model = m
	}
	r.Logprobs = logprobs != nil
	if r.MaxTokens < 0 {
		return r, decodeError(OpenAI, errors.New("max_tokens: negative"))
	}
	if err := errors.Join(takeStop(&r, f), takeStreamOptions(&r, f)); err != nil {
		return r, decodeError(OpenAI, err)
	}
	r.Extra = f.rest()
	return r, nil
}

// EncodeResponse writes a whole answer.
func (Completions) EncodeResponse(r Response) []byte {
	b := append(appendCompletionHead(nil, r.ID, r.Model), `,"choices":[`...)
	for i, c := range append([]Response{r}, r.More...) {
		b = appendCompletionChoice(appendComma(b), i, c.Text+c.Refusal, c.Tokens, c.Logprobs)
		b = append(appendFinishReason(appendKey(b, "finish_reason"), c.Finish, c.Refusal != ""), '}')
	}
	b = append(b, ']')
	if r.Usage != nil {
		b = appendOpenAIUsage(appendKey(b, "usage"), *r.Usage)
	}
	return append(b, '}')
}

// EncodeError writes an error as OpenAI's chats do.
func (Completions) EncodeError(e *Error) []byte { return openAI{OpenAI}.EncodeError(e) }

// appendCompletionHead appends what answer and chunk begin with; the object is
// left open.
func appendCompletionHead(b []byte, id, model string) []byte {
	b = strField(append(b, '{'), "id", id)
	b = intField(append(b, `,"object":"text_completion"`...), "created", createdOf(id))
	return strField(b, "model", model)
}

// appendCompletionChoice appends a choice up to its finish.
func appendCompletionChoice(b []byte, i int, text string, tokens []string, logprobs []float64) []byte {
	b = strField(append(b, '{'), "text", text)
	b = intField(b, "index", int64(i))
	b = appendKey(b, "logprobs")
	if len(logprobs) == 0 {
		return append(b, "null"...)
	}
	b = stringsField(append(b, '{'), "tokens", tokens)
	b = append(appendKey(b, "token_logprobs"), '[')
	for _, l := range logprobs {
		b = strconv.AppendFloat(appendComma(b), l, 'g', -1, 64)
	}
	b = append(appendKey(append(b, ']'), "text_offset"), '[')
	at := 0
	for _, t := range tokens {
		b = appendInt(appendComma(b), int64(at))
		at += len(t)
	}
	return append(b, `],"top_logprobs":null}`...)
}

// Encoder returns an encoder for one streamed answer. Reasoning and tool calls
// have no place in it.
func (Completions) Encoder(r Request, id, model string) StreamEncoder {
	return &completionsEncoder{head: "data: " + string(appendCompletionHead(nil, id, model)), usage: r.StreamUsage}
}

type completionsEncoder struct {
	head  string
	usage bool
	index int
}

func (e *completionsEncoder) Start(dst []byte, _ *Usage) []byte { return dst }

func (e *completionsEncoder) Choice(i int) { e.index = i }

// chunk appends an event of one choice.
func (e *completionsEncoder) chunk(dst []byte, text string, tokens []string, logprobs []float64, f Finish) []byte {
	dst = append(append(dst, e.head...), `,"choices":[`...)
	dst = appendCompletionChoice(dst, e.index, text, tokens, logprobs)
	dst = append(appendFinishReason(appendKey(dst, "finish_reason"), f, true), "}]"...)
	if e.usage {
		dst = append(dst, `,"usage":null`...)
	}
	return append(dst, "}\n\n"...)
}

func (e *completionsEncoder) Text(dst []byte, s string) []byte {
	if s == "" {
		return dst
	}
	return e.chunk(dst, s, nil, nil, FinishNone)
}

func (e *completionsEncoder) Refusal(dst []byte, s string) []byte { return e.Text(dst, s) }

func (e *completionsEncoder) Reasoning(dst []byte, _ string) []byte { return dst }

func (e *completionsEncoder) ToolCall(dst []byte, _ ToolCallDelta) []byte { return dst }

func (e *completionsEncoder) Logprobs(dst []byte, tokens []string, logprobs []float64) []byte {
	if len(logprobs) == 0 {
		return dst
	}
	return e.chunk(dst, "", tokens, logprobs, FinishNone)
}

func (e *completionsEncoder) EndChoice(dst []byte, f Finish) []byte {
	return e.chunk(dst, "", nil, nil, f)
}

func (e *completionsEncoder) End(dst []byte, f Finish, u *Usage) []byte {
	if f == FinishNone {
		return dst
	}
	dst = e.EndChoice(dst, f)
	if e.usage && u != nil {
		dst = append(append(dst, e.head...), `,"choices":[],"usage":`...)
		dst = append(appendOpenAIUsage(dst, *u), "}\n\n"...)
	}
	return append(dst, "data: [DONE]\n\n"...)
}

func (e *completionsEncoder) Error(dst []byte, err *Error) []byte {
	dst = append(append(dst, "data: "...), Completions{}.EncodeError(err)...)
	return append(dst, "\n\n"...)
}
