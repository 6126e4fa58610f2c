package counterparts

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"google.golang.org/genai"

	"github.com/bellwether-llm/bellwether/internal/sim"
)

var genaiConduct = []conduct{
	{"plain answer", genaiPlain}, {"streamed answer", genaiStream}, {"errors", genaiErrors}, {"broken streams", genaiBroken}, {"parallel tool calls", genaiTools},
	{"signed tool calls", genaiSignedTools}, {"JSON schema", genaiSchema}, {"log-probabilities", genaiLogprobs}, {"candidates", genaiCandidates}, {"stop sequences", genaiStop},
	{"images in a question", genaiVision}, {"thoughts", genaiThoughts}, {"embeddings", genaiEmbeddings}, {"images", genaiImages}, {"count of tokens", genaiCount}, {"models", genaiModels},
}

// flash is a model that answers at once.
var flash = quick("gemini-2.5-flash")

func genaiClient(t testing.TB, at place) genai.Models {
	t.Helper()
	c, err := genai.NewClient(t.Context(), &genai.ClientConfig{
		APIKey: at.key, Backend: genai.BackendGeminiAPI, HTTPOptions: genai.HTTPOptions{BaseURL: at.gemini}, HTTPClient: web(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return *c.Models
}

// genaiModel is a model's name as it may stand in a path.
func genaiModel(at place, name string) string {
	return strings.NewReplacer("?", "%3F", "&", "%26", "=", "%3D").Replace(at.model(name))
}

func genaiConfig() *genai.GenerateContentConfig {
	return &genai.GenerateContentConfig{MaxOutputTokens: 200, SystemInstruction: genai.NewContentFromText("Be brief.", genai.RoleUser)}
}

func genaiPlain(t testing.TB, at place) {
	r, err := genaiClient(t, at).GenerateContent(t.Context(), genaiModel(at, flash), genai.Text(capital), genaiConfig())
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Candidates) != 1 || !strings.HasPrefix(r.Text(), "Paris") || r.Candidates[0].FinishReason != genai.FinishReasonStop {
		t.Errorf("answer = %+v, want Paris and STOP", r)
	}
	if u := r.UsageMetadata; u == nil || u.PromptTokenCount < 5 || u.CandidatesTokenCount < 1 || u.TotalTokenCount != u.PromptTokenCount+u.CandidatesTokenCount {
		t.Errorf("usage = %+v", u)
	}
	if r.ModelVersion == "" || r.ResponseID == "" {
		t.Errorf("model version %q, id %q", r.ModelVersion, r.ResponseID)
	}
}

// pour reads a stream to its end.
func pour(t testing.TB, c genai.Models, model, prompt string, config *genai.GenerateContentConfig) (text string, parts []*genai.Part, last *genai.GenerateContentResponse, err error) {
	t.Helper()
	for r, err := range c.GenerateContentStream(t.Context(), model, genai.Text(prompt), config) {
		if err != nil {
			return text, parts, last, err
		}
		if len(r.Candidates) > 0 && r.Candidates[0].Content != nil {
			parts = append(parts, r.Candidates[0].Content.Parts...)
			text += r.Text()
		}
		last = r
	}
	return text, parts, last, nil
}

func genaiStream(t testing.TB, at place) {
	text, parts, last, err := pour(t, genaiClient(t, at), genaiModel(at, flash), "Count from 1 to 12.", genaiConfig())
	if err != nil {
		t.Fatal(err)
	}
	if text != "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12" || len(parts) < 10 {
		t.Errorf("stream = %q in %d parts, want 1 to 12", text, len(parts))
	}
	if last == nil || last.Candidates[0].FinishReason != genai.FinishReasonStop || last.UsageMetadata == nil || last.UsageMetadata.CandidatesTokenCount != 23 {
		t.Errorf("last = %+v, want STOP and 23 tokens", last)
	}
}

func wantGenaiError(t testing.TB, what string, err error, code int, status string) {
	t.Helper()
	if bad, ok := errors.AsType[genai.APIError](err); !ok || bad.Code != code || bad.Status != status || bad.Message == "" {
		t.Errorf("%s: %v, want %d %s with a message", what, err, code, status)
	}
}

func genaiErrors(t testing.TB, at place) {
	for _, r := range refusals {
		fail(t, at.sim, sim.Fault{Kind: sim.KindStatus, Value: float64(r.status)})
		c := genaiClient(t, at)
		_, err := c.GenerateContent(t.Context(), genaiModel(at, flash), genai.Text(capital), genaiConfig())
		wantGenaiError(t, "plain", err, r.status, r.google)
		_, _, _, err = pour(t, c, genaiModel(at, flash), capital, genaiConfig())
		wantGenaiError(t, "streamed", err, r.status, r.google)
	}
	at.key = "wrong"
	_, err := genaiClient(t, at).GenerateContent(t.Context(), genaiModel(at, flash), genai.Text(capital), genaiConfig())
	wantGenaiError(t, "wrong key", err, 401, "UNAUTHENTICATED")
}

// genaiBroken holds what the SDK makes of streams that break, from a provider
// that does not tell: it takes one that is cut off for whole, so that only the
// finish is missing.
func genaiBroken(t testing.TB, at place) {
	for kind, want := range map[sim.Kind]bool{sim.KindTruncate: false, sim.KindReset: true, sim.KindMalformed: true} {
		fail(t, at.sim, sim.Fault{Kind: kind, Value: 5})
		text, _, last, err := pour(t, genaiClient(t, at), genaiModel(at, flash), "Count from 1 to 12.", genaiConfig())
		if (err != nil) != want || text == "" || last == nil || last.Candidates[0].FinishReason != "" {
			t.Errorf("%s: %v, %q; want an error %v, the beginning and no finish", kind, err, text, want)
		}
	}
}

func genaiWeather() []*genai.Tool {
	return []*genai.Tool{{FunctionDeclarations: []*genai.FunctionDeclaration{{Name: "get_weather", Description: "Returns the weather of a city.", Parameters: &genai.Schema{
		Type: genai.TypeObject, Required: []string{"city", "unit"}, Properties: map[string]*genai.Schema{
			"city": {Type: genai.TypeString}, "unit": {Type: genai.TypeString, Enum: []string{"celsius", "fahrenheit"}}}}}}}}
}

// wantGenaiCalls checks that parts call the tool for both cities.
func wantGenaiCalls(t testing.TB, parts []*genai.Part) (calls []*genai.Part) {
	t.Helper()
	for _, p := range parts {
		if p.FunctionCall != nil {
			calls = append(calls, p)
		}
	}
	if len(calls) != 2 || calls[0].FunctionCall.Name != "get_weather" {
		t.Fatalf("%d calls, want two", len(calls))
	}
	for i, city := range []string{"Paris", "Tokyo"} {
		arguments, err := json.Marshal(calls[i].FunctionCall.Args)
		if err != nil {
			t.Fatal(err)
		}
		wantWeather(t, string(arguments), city)
	}
	return calls
}

// genaiResults is the conversation after a tool was called for both cities.
func genaiResults(calls []*genai.Part) []*genai.Content {
	return []*genai.Content{genai.NewContentFromText(weather, genai.RoleUser), genai.NewContentFromParts(calls, genai.RoleModel), genai.NewContentFromParts([]*genai.Part{
		genai.NewPartFromFunctionResponse("get_weather", map[string]any{"output": "18 degrees"}),
		genai.NewPartFromFunctionResponse("get_weather", map[string]any{"output": "25 degrees"})}, genai.RoleUser)}
}

func genaiTools(t testing.TB, at place) {
	c, config := genaiClient(t, at), genaiConfig()
	config.Tools = genaiWeather()
	_, parts, last, err := pour(t, c, genaiModel(at, flash), weather, config)
	if err != nil || last.Candidates[0].FinishReason != genai.FinishReasonStop {
		t.Fatalf("stream: %v, %+v", err, last)
	}
	wantGenaiCalls(t, parts)
	r, err := c.GenerateContent(t.Context(), genaiModel(at, flash), genai.Text(weather), config)
	if err != nil {
		t.Fatal(err)
	}
	calls := wantGenaiCalls(t, r.Candidates[0].Content.Parts)
	r, err = c.GenerateContent(t.Context(), genaiModel(at, flash), genaiResults(calls), config)
	if err != nil || !strings.Contains(r.Text(), "18 degrees") || !strings.Contains(r.Text(), "25 degrees") {
		t.Errorf("after the results: %+v, %v", r, err)
	}
}

func genaiSignedTools(t testing.TB, at place) {
	c, config, model := genaiClient(t, at), genaiConfig(), genaiModel(at, quick("gemini-3-pro"))
	config.Tools = genaiWeather()
	_, parts, _, err := pour(t, c, model, weather, config)
	if err != nil {
		t.Fatal(err)
	}
	calls := wantGenaiCalls(t, parts)
	if len(calls[0].ThoughtSignature) == 0 || len(calls[1].ThoughtSignature) != 0 {
		t.Errorf("signatures = %q, %q, want one, on the first", calls[0].ThoughtSignature, calls[1].ThoughtSignature)
	}
	if r, err := c.GenerateContent(t.Context(), model, genaiResults(calls), config); err != nil || !strings.Contains(r.Text(), "18 degrees") {
		t.Errorf("with the signature: %+v, %v", r, err)
	}
	calls[0].ThoughtSignature = nil
	_, err = c.GenerateContent(t.Context(), model, genaiResults(calls), config)
	wantGenaiError(t, "without the signature", err, 400, "INVALID_ARGUMENT")
}

func genaiSchema(t testing.TB, at place) {
	config := genaiConfig()
	config.ResponseMIMEType, config.ResponseJsonSchema = "application/json", citySchema
	r, err := genaiClient(t, at).GenerateContent(t.Context(), genaiModel(at, flash), genai.Text(asked), config)
	if err != nil {
		t.Fatal(err)
	}
	wantCity(t, r.Text())
	config = genaiConfig()
	config.ResponseMIMEType, config.ResponseSchema = "application/json", &genai.Schema{Type: genai.TypeObject, Properties: map[string]*genai.Schema{"city": {Type: genai.TypeString}, "country": {Type: genai.TypeString}}}
	if r, err = genaiClient(t, at).GenerateContent(t.Context(), genaiModel(at, flash), genai.Text(asked), config); err != nil {
		t.Fatal(err)
	}
	wantCity(t, r.Text())
}

func genaiLogprobs(t testing.TB, at place) {
	config := genaiConfig()
	config.ResponseLogprobs = true
	r, err := genaiClient(t, at).GenerateContent(t.Context(), genaiModel(at, flash), genai.Text(capital), config)
	if err != nil || r.Candidates[0].AvgLogprobs >= 0 || r.Candidates[0].LogprobsResult == nil || r.Candidates[0].LogprobsResult.ChosenCandidates[0].Token != "Paris" {
		t.Errorf("answer = %+v, %v", r, err)
	}
}

func genaiCandidates(t testing.TB, at place) {
	config := genaiConfig()
	config.CandidateCount = 3
	r, err := genaiClient(t, at).GenerateContent(t.Context(), genaiModel(at, flash), genai.Text(prose), config)
	if err != nil || len(r.Candidates) != 3 || r.Candidates[2].Index != 2 || r.Candidates[2].FinishReason == "" {
		t.Errorf("answer = %+v, %v; want three candidates", r, err)
	}
}

func genaiStop(t testing.TB, at place) {
	config := genaiConfig()
	config.StopSequences = []string{", 5"}
	r, err := genaiClient(t, at).GenerateContent(t.Context(), genaiModel(at, flash), genai.Text("Count from 1 to 9."), config)
	if err != nil || r.Text() != "1, 2, 3, 4" {
		t.Errorf("answer = %+v, %v; want 1 to 4", r, err)
	}
}

func genaiVision(t testing.TB, at place) {
	png, err := base64.StdEncoding.DecodeString(redPixel)
	if err != nil {
		t.Fatal(err)
	}
	q := []*genai.Content{genai.NewContentFromParts([]*genai.Part{genai.NewPartFromText("What color is this picture? One word."), genai.NewPartFromBytes(png, "image/png")}, genai.RoleUser)}
	r, err := genaiClient(t, at).GenerateContent(t.Context(), genaiModel(at, flash), q, genaiConfig())
	if err != nil || !strings.HasPrefix(r.Text(), "Red") {
		t.Errorf("answer = %+v, %v; want Red", r, err)
	}
}

func genaiThoughts(t testing.TB, at place) {
	config := genaiConfig()
	config.ThinkingConfig = &genai.ThinkingConfig{IncludeThoughts: true}
	text, parts, last, err := pour(t, genaiClient(t, at), genaiModel(at, flash), capital, config)
	if err != nil || !strings.HasPrefix(text, "Paris") || !parts[0].Thought || parts[0].Text == "" {
		t.Fatalf("stream = %q, %v", text, err)
	}
	if u := last.UsageMetadata; u.ThoughtsTokenCount < 10 || u.TotalTokenCount != u.PromptTokenCount+u.CandidatesTokenCount+u.ThoughtsTokenCount {
		t.Errorf("usage = %+v", u)
	}
}

func genaiEmbeddings(t testing.TB, at place) {
	c := genaiClient(t, at)
	three := int32(300)
	texts := []*genai.Content{genai.NewContentFromText("the cat sat on the mat", genai.RoleUser), genai.NewContentFromText("a cat sat on a mat", genai.RoleUser), genai.NewContentFromText("quarterly revenue grew", genai.RoleUser)}
	r, err := c.EmbedContent(t.Context(), genaiModel(at, quick("gemini-embedding-001")), texts, &genai.EmbedContentConfig{OutputDimensionality: &three})
	if err != nil || len(r.Embeddings) != 3 || len(r.Embeddings[0].Values) != 300 {
		t.Fatalf("embeddings = %+v, %v", r, err)
	}
	if near, far := dot(r.Embeddings[0].Values, r.Embeddings[1].Values), dot(r.Embeddings[0].Values, r.Embeddings[2].Values); near < 0.4 || far > 0.25 {
		t.Errorf("cosine to a like text %.3f, to another %.3f", near, far)
	}
	if r, err = c.EmbedContent(t.Context(), genaiModel(at, quick("gemini-embedding-001")), texts[:1], nil); err != nil || len(r.Embeddings) != 1 || len(r.Embeddings[0].Values) != 3072 {
		t.Errorf("one: %+v, %v", r, err)
	}
}

func genaiImages(t testing.TB, at place) {
	c := genaiClient(t, at)
	config := genaiConfig()
	config.SystemInstruction, config.ResponseModalities = nil, []string{"TEXT", "IMAGE"}
	g, err := c.GenerateContent(t.Context(), genaiModel(at, quick("gemini-2.5-flash-image")), genai.Text("a red house"), config)
	if err != nil || g.Candidates[0].Content.Parts[0].InlineData == nil {
		t.Fatalf("by generateContent: %+v, %v", g, err)
	}
	wantPNG(t, base64.StdEncoding.EncodeToString(g.Candidates[0].Content.Parts[0].InlineData.Data))
}

func genaiCount(t testing.TB, at place) {
	n, err := genaiClient(t, at).CountTokens(t.Context(), genaiModel(at, flash), genai.Text(capital), nil)
	if err != nil || n.TotalTokens < 10 || n.TotalTokens > 40 {
		t.Errorf("tokens = %+v, %v", n, err)
	}
}

func genaiModels(t testing.TB, at place) {
	c, id := genaiClient(t, at), "models/"+at.model("gemini-2.5-flash")
	listed := func() bool {
		for m, err := range c.All(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if m.Name == id {
				return true
			}
		}
		return false
	}
	if m, err := c.Get(t.Context(), id, nil); err != nil || m.Name != id || m.InputTokenLimit == 0 || !listed() {
		t.Errorf("model = %+v, %v; listed %v", m, err, listed())
	}
	fail(t, at.sim, sim.Fault{Kind: sim.KindVanish, Model: "gemini-2.5-flash"})
	_, err := c.Get(t.Context(), id, nil)
	wantGenaiError(t, "vanished", err, 404, "NOT_FOUND")
	if listed() {
		t.Error("vanished, yet listed")
	}
}
