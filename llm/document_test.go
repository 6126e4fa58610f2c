package llm

import (
	"strings"
	"testing"
)

// A PDF by its bytes is told in every pair of dialects.
func TestADocumentSaysTheSameInEveryPairOfDialects(t *testing.T) {
	in := map[Protocol]string{
		OpenAI:    `{"messages":[{"role":"user","content":[{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERg=="}},{"type":"text","text":"q"}]}]}`,
		Responses: `{"input":[{"role":"user","content":[{"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERg=="},{"type":"input_text","text":"q"}]}]}`,
		Anthropic: `{"max_tokens":5,"messages":[{"role":"user","content":[{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBERg=="}},{"type":"text","text":"q"}]}]}`,
		Gemini:    `{"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"application/pdf","data":"JVBERg=="}},{"text":"q"}]}]}`,
	}
	want := map[Protocol]string{
		OpenAI:    `{"type":"file","file":{"filename":"document.pdf","file_data":"data:application/pdf;base64,JVBERg=="}},{"type":"text","text":"q"}`,
		Responses: `{"type":"input_file","filename":"document.pdf","file_data":"data:application/pdf;base64,JVBERg=="},{"type":"input_text","text":"q"}`,
		Anthropic: `{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBERg=="}},{"type":"text","text":"q"}`,
		Gemini:    `{"inlineData":{"mimeType":"application/pdf","data":"JVBERg=="}},{"text":"q"}`,
	}
	for from, body := range in {
		r, err := mustFor(t, from).DecodeRequest("/v1beta/models/m:generateContent", []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		for to, w := range want {
			call, err := mustFor(t, to).Encode(Endpoint{BaseURL: "http://127.0.0.1:1"}, r)
			if from == to {
				w = "JVBERg=="
			}
			if err != nil || !strings.Contains(string(call.Body), w) {
				t.Errorf("%s to %s: %s, %v, want %s in it", from, to, call.Body, err, w)
			}
		}
	}
	r, err := openAI{OpenAI}.DecodeRequest("", []byte(`{"messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"f"}}]}]}`))
	if _, encErr := (anthropic{}).Encode(Endpoint{}, r); err != nil || encErr == nil {
		t.Errorf("a file that only its provider has was told to another: %v", err)
	}
}
