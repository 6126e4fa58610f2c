package llm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// geminiAnswer is a whole answer and every chunk of a streamed one.
type geminiAnswer struct {
	Candidates []geminiCandidate `json:"candidates"`
	Feedback   *struct {
		BlockReason string `json:"blockReason"`
	} `json:"promptFeedback"`
	Usage *geminiUsage    `json:"usageMetadata"`
	Model string          `json:"modelVersion"`
	ID    string          `json:"responseId"`
	Error json.RawMessage `json:"error"`
}

type geminiCandidate struct {
	Index   int `json:"index"`
	Content struct {
		Parts []geminiPart `json:"parts"`
	} `json:"content"`
	Finish      string   `json:"finishReason"`
	AvgLogprobs *float64 `json:"avgLogprobs"`
	Logprobs    *struct {
		Chosen []struct {
			Token   string  `json:"token"`
			Logprob float64 `json:"logProbability"`
		} `json:"chosenCandidates"`
	} `json:"logprobsResult"`
}

type geminiPart struct {
	Text    string          `json:"text"`
	Thought bool            `json:"thought"`
	Call    json.RawMessage `json:"functionCall"`
	// Signature proves a call's reasoning; it must come back with the call.
	Signature string `json:"thoughtSignature"`
}

type geminiUsage struct {
	Prompt     int `json:"promptTokenCount"`
	Candidates int `json:"candidatesTokenCount"`
	Thoughts   int `json:"thoughtsTokenCount"`
	ToolPrompt int `json:"toolUsePromptTokenCount"`
	Cached     int `json:"cachedContentTokenCount"`
}

func (u *geminiUsage) usage() *Usage {
	if u == nil {
		return nil
	}
	return &Usage{Input: u.Prompt + u.ToolPrompt, Output: u.Candidates + u.Thoughts, Cached: u.Cached, Reasoning: u.Thoughts}
}

// geminiFinish translates a finishReason. Gemini says STOP for tool calls too;
// OTHER, LANGUAGE, MALFORMED_FUNCTION_CALL and what is unknown are no proper
// end.
func geminiFinish(s string, toolCall bool) Finish {
	switch s {
	case "STOP":
		if toolCall {
			return FinishToolCalls
		}
		return FinishStop
	case "MAX_TOKENS":
		return FinishLength
	case "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR",
		"IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION":
		return FinishFilter
	}
	return FinishNone
}

// candidate returns the first candidate; nil when there is none.
func (a *geminiAnswer) candidate() *geminiCandidate {
	for i := range a.Candidates {
		if a.Candidates[i].Index == 0 {
			return &a.Candidates[i]
		}
	}
	return nil
}

func (a *geminiAnswer) blocked() bool {
	return a.Feedback != nil && a.Feedback.BlockReason != "" && a.Feedback.BlockReason != "BLOCK_REASON_UNSPECIFIED"
}

// delta returns what a carries; called is how many functions were called
// before in the same answer.
func (a *geminiAnswer) delta(called int) Delta {
	d := Delta{ID: a.ID, Model: a.Model, Usage: a.Usage.usage()}
	if a.blocked() {
		d.Finish = FinishFilter
	}
	if c := a.candidate(); c != nil {
		c.add(&d, called)
	}
	return d
}

// add adds what a candidate says.
func (c *geminiCandidate) add(d *Delta, called int) {
	answer := d.ID
	if c.Index > 0 { // ids that are made must differ from those of the first
		answer = fmt.Sprintf("%s/%d", answer, c.Index)
	}
	for _, p := range c.Content.Parts {
		switch {
		case !isEmpty(p.Call):
			d.ToolCall = true
			d.ToolCalls = append(d.ToolCalls, p.call(called+len(d.ToolCalls), answer))
		case p.Thought:
			d.Reasoning += p.Text
		default:
			d.Text += p.Text
		}
	}
	if c.Finish != "" {
		d.Finish = geminiFinish(c.Finish, called > 0 || d.ToolCall)
	}
	if c.Logprobs != nil {
		for _, t := range c.Logprobs.Chosen {
			d.Tokens, d.Logprobs = append(d.Tokens, t.Token), append(d.Logprobs, t.Logprob)
		}
	}
}

// response returns what d, the whole of a candidate, says.
func (c *geminiCandidate) response(d Delta) Response {
	r := Response{Text: d.Text, Reasoning: d.Reasoning, Finish: d.Finish, ToolCalls: wholeCalls(d.ToolCalls),
		MeanLogprob: mean(d.Logprobs), Logprobs: d.Logprobs, Tokens: d.Tokens}
	if c != nil && r.MeanLogprob == nil {
		r.MeanLogprob = c.AvgLogprobs
	}
	return r
}

// Decode reads a whole answer. Where a provider put an error into a 200, the
// error is the *Error that it says. A blocked prompt is an answer with
// FinishFilter and no text.
func (gemini) Decode(body []byte) (Response, error) {
	var a geminiAnswer
	if err := json.Unmarshal(body, &a); err != nil {
		if e := listedError(Gemini, body); e != nil {
			return Response{}, e
		}
		return Response{}, answerError(Gemini, err)
	}
	if !isEmpty(a.Error) {
		return Response{}, classify(Gemini, http.StatusOK, nil, body)
	}
	if a.candidate() == nil && !a.blocked() {
		return Response{}, answerError(Gemini, errors.New("no candidate in it"))
	}
	first := a.candidate()
	r := first.response(a.delta(0))
	r.ID, r.Model, r.Usage, r.Raw = a.ID, a.Model, a.Usage.usage(), body
	for i := range a.Candidates {
		if c := &a.Candidates[i]; c != first {
			d := Delta{ID: a.ID}
			c.add(&d, 0)
			r.More = append(r.More, c.response(d))
		}
	}
	return r, nil
}

func (gemini) Error(status int, h http.Header, body []byte) *Error {
	return classify(Gemini, status, h, body)
}

func (gemini) Decoder() StreamDecoder { return &geminiDecoder{} }

// geminiDecoder counts the functions called, because the finish
// does not say so. The protocol has no sentinel: a finish is the end, and Done
// is set with it.
type geminiDecoder struct{ called int }

func (d *geminiDecoder) Decode(ev Event) (Delta, error) {
	data := bytes.TrimSpace(ev.Data)
	if len(data) == 0 || string(data) == "[DONE]" { // some gateways add OpenAI's
		return Delta{}, nil
	}
	var a geminiAnswer
	if err := json.Unmarshal(data, &a); err != nil {
		if e := listedError(Gemini, data); e != nil {
			return Delta{Err: e}, nil
		}
		return Delta{}, answerError(Gemini, err)
	}
	if !isEmpty(a.Error) {
		return Delta{Err: classify(Gemini, http.StatusOK, nil, data)}, nil
	}
	out := a.delta(d.called)
	d.called += len(out.ToolCalls)
	out.Done = out.Finish != FinishNone
	return out, nil
}
