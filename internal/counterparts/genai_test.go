package counterparts

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/genai"

	"github.com/bellwether-llm/bellwether/internal/sim"
)

func genaiClient(t *testing.T, base, key string) *genai.Client {
	t.Helper()
	c, err := genai.NewClient(t.Context(), &genai.ClientConfig{
		APIKey: key, Backend: genai.BackendGeminiAPI, HTTPOptions: genai.HTTPOptions{BaseURL: base},
		HTTPClient: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var genaiConfig = &genai.GenerateContentConfig{MaxOutputTokens: 100, SystemInstruction: genai.NewContentFromText("Be brief.", genai.RoleUser)}

func TestGenaiSDKReadsAPlainAnswer(t *testing.T) {
	_, base := serve(t)
	r, err := genaiClient(t, base, key).Models.GenerateContent(t.Context(), "gemini-2.5-flash", genai.Text(capital), genaiConfig)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Candidates) != 1 || !strings.HasPrefix(r.Text(), "Paris") || r.Candidates[0].FinishReason != genai.FinishReasonStop {
		t.Errorf("answer = %+v, want Paris and STOP", r)
	}
	if u := r.UsageMetadata; u == nil || u.PromptTokenCount < 5 || u.CandidatesTokenCount < 1 || u.TotalTokenCount != u.PromptTokenCount+u.CandidatesTokenCount {
		t.Errorf("usage = %+v", u)
	}
	if r.ModelVersion != "gemini-2.5-flash" {
		t.Errorf("model version = %q", r.ModelVersion)
	}
}

func TestGenaiSDKReadsAStream(t *testing.T) {
	_, base := serve(t)
	var text strings.Builder
	var last *genai.GenerateContentResponse
	pieces := 0
	for r, err := range genaiClient(t, base, key).Models.GenerateContentStream(t.Context(), "gemini-2.5-flash", genai.Text("Count from 1 to 12."), genaiConfig) {
		if err != nil {
			t.Fatal(err)
		}
		if r.Text() != "" {
			pieces++
		}
		text.WriteString(r.Text())
		last = r
	}
	if text.String() != "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12" || pieces != 23 {
		t.Errorf("stream = %q in %d pieces, want 1 to 12 in 23", text.String(), pieces)
	}
	if last == nil || last.Candidates[0].FinishReason != genai.FinishReasonStop || last.UsageMetadata == nil || last.UsageMetadata.CandidatesTokenCount != 23 {
		t.Errorf("last = %+v, want STOP and 23 tokens", last)
	}
}

func TestGenaiSDKReadsErrors(t *testing.T) {
	s, base := serve(t)
	fail(t, s, sim.Fault{Kind: sim.KindRateLimit, Value: 3})
	for _, tc := range []struct {
		key    string
		code   int
		status string
	}{{key, 429, "RESOURCE_EXHAUSTED"}, {"wrong", 401, "UNAUTHENTICATED"}} {
		c := genaiClient(t, base, tc.key)
		_, err := c.Models.GenerateContent(t.Context(), "gemini-2.5-flash", genai.Text(capital), genaiConfig)
		if bad, ok := errors.AsType[genai.APIError](err); !ok || bad.Code != tc.code || bad.Status != tc.status || bad.Message == "" {
			t.Errorf("plain: %v, want %d %s with a message", err, tc.code, tc.status)
		}
		var streamed error
		for _, err := range c.Models.GenerateContentStream(t.Context(), "gemini-2.5-flash", genai.Text(capital), genaiConfig) {
			streamed = err
		}
		if bad, ok := errors.AsType[genai.APIError](streamed); !ok || bad.Code != tc.code {
			t.Errorf("streamed: %v, want %d", streamed, tc.code)
		}
	}
}

func TestGenaiSDKListsModels(t *testing.T) {
	_, base := serve(t)
	page, err := genaiClient(t, base, key).Models.List(t.Context(), nil)
	if err != nil || len(page.Items) == 0 || !strings.HasPrefix(page.Items[0].Name, "models/gemini") {
		t.Errorf("models = %+v, %v", page, err)
	}
}
