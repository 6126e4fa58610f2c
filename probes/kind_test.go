package probes

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/llm"
)

// embedder answers as a provider of a protocol, with vectors of its own making.
func embedder(t *testing.T, p llm.Protocol, vector func(text string) []float32, counts bool) http.HandlerFunc {
	codec, err := llm.For(p)
	if err != nil {
		t.Fatal(err)
	}
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		in, err := codec.(llm.Embedder).DecodeEmbeddingRequest(r.URL.Path, body)
		if err != nil {
			t.Errorf("request %s: %v", body, err)
			return
		}
		a := llm.Embeddings{Model: in.Model}
		for _, text := range in.Input {
			a.Vectors = append(a.Vectors, vector(text))
		}
		if counts {
			a.Usage = &llm.Usage{Input: 7 * len(in.Input)}
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(codec.(llm.Embedder).EncodeEmbeddings(in, a))
	}
}

// meaning is a model that knows three texts.
func meaning(text string) []float32 {
	switch {
	case strings.Contains(text, "cat"):
		return []float32{0.6, 0.8, 0, 0}
	case strings.Contains(text, "kitten"):
		return []float32{0.8, 0.6, 0, 0}
	}
	return []float32{0, 0, 1, 0}
}

func vectorJob(j Job, checks ...CheckSpec) Job {
	j.Canary = Canary{Name: "vectors", Kind: "embedding", Prompt: "The cat sleeps.", Targets: []string{j.Target.ID}, Checks: checks}
	return j
}

var allVectorChecks = []CheckSpec{{"dimensions": 4}, {"norm": 1}, {"cosine": map[string]any{"vector": []any{0.6, 0.8, 0.0, 0.0}}},
	{"nearer": map[string]any{"to": "A kitten naps.", "than": "Revenue fell."}}}

func TestEmbeddingsAreMeasuredByWhatTheyMean(t *testing.T) {
	for _, p := range []llm.Protocol{llm.OpenAI, llm.Responses, llm.Azure, llm.Gemini} {
		j := serve(t, embedder(t, p, meaning, p != llm.Gemini))
		j = vectorJob(j, allVectorChecks...)
		j.Target.Protocol = p
		prober := newProber(t, Options{})
		o := prober.Probe(context.Background(), j)
		if o.Outcome != bellwether.OK || len(o.Checks) != 4 || o.Timing.Total <= 0 || o.Timing.FirstToken != 0 || o.Excerpt != "3 of 4 dimensions" {
			t.Fatalf("%s: %s (%s) %+v %+v %q", p, o.Outcome, o.Error, o.Checks, o.Timing, o.Excerpt)
		}
		if got := o.Signals[embeddingMargin]; math.Abs(got-0.96) > 1e-6 || math.Abs(o.Signals[embeddingNorm]-1) > 1e-6 || math.Abs(o.Signals[embeddingCosine]-1) > 1e-6 {
			t.Errorf("%s: signals = %v", p, o.Signals)
		}
		input := 21
		if p == llm.Gemini {
			input = usualInput(j.Canary)
		}
		if o.Tokens == nil || o.Tokens.Input != input || o.Tokens.Output != 0 || o.Tokens.Estimated != (p == llm.Gemini) || math.Abs(o.CostUSD-float64(input)*2.5/1e6) > 1e-12 {
			t.Errorf("%s: tokens = %+v, %v USD", p, o.Tokens, o.CostUSD)
		}
		if o := prober.Probe(context.Background(), j); math.Abs(o.Signals[embeddingSimilarity]-1) > 1e-6 {
			t.Errorf("%s: the same vector again: %v", p, o.Signals)
		}
	}
}

func TestEmbeddingsThatMeanNothingAreBad(t *testing.T) {
	for name, c := range map[string]struct {
		vector func(string) []float32
		want   string
	}{
		"all zeros":           {func(string) []float32 { return make([]float32, 4) }, "vectors"},
		"one for all texts":   {func(string) []float32 { return []float32{0.6, 0.8, 0, 0} }, "nearer"},
		"of another model":    {func(s string) []float32 { v := meaning(s); return []float32{v[2], v[3], v[0], v[1]} }, "cosine"},
		"of other dimensions": {func(s string) []float32 { return meaning(s)[:3] }, "dimensions"},
		"not of length one": {func(s string) []float32 {
			v := meaning(s)
			for i := range v {
				v[i] *= 2
			}
			return v
		}, "norm"},
	} {
		j := vectorJob(serve(t, embedder(t, llm.OpenAI, c.vector, true)), allVectorChecks...)
		o := newProber(t, Options{}).Probe(context.Background(), j)
		failed := ""
		for _, r := range o.Checks {
			if !r.OK {
				failed += r.Name + " "
			}
		}
		if o.Outcome != bellwether.BadOutput || !strings.Contains(failed, c.want) {
			t.Errorf("%s: %s (%s), failed %q, want %s", name, o.Outcome, o.Error, failed, c.want)
		}
		for s, v := range o.Signals {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				t.Errorf("%s: %s = %v", name, s, v)
			}
		}
	}
	j := vectorJob(serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"data":[{"index":0,"embedding":[1,0]}],"usage":{"prompt_tokens":1}}`)
	}), allVectorChecks...)
	if o := newProber(t, Options{}).Probe(context.Background(), j); o.Outcome != bellwether.Malformed || !strings.Contains(o.Error, "1 vectors for 3 texts") {
		t.Errorf("too few: %s (%s)", o.Outcome, o.Error)
	}
	j = vectorJob(serve(t, status(429, `{"error":{"message":"slow down","type":"rate_limit_error"}}`)), allVectorChecks...)
	if o := newProber(t, Options{}).Probe(context.Background(), j); o.Outcome != bellwether.RateLimited || o.CostUSD != 0 {
		t.Errorf("refused: %s (%s)", o.Outcome, o.Error)
	}
}

func TestReferencesComeFromFiles(t *testing.T) {
	for name, file := range map[string]string{
		"a list":           `[0.6, 0.8, 0, 0]`,
		"openai's answer":  `{"data":[{"index":0,"embedding":[0.6,0.8,0,0]}],"model":"m"}`,
		"google's answer":  `{"embedding":{"values":[0.6,0.8,0,0]}}`,
		"nothing":          ``,
		"zeros":            `[0,0,0]`,
		"more than one":    `{"data":[{"index":0,"embedding":[1]},{"index":1,"embedding":[1]}]}`,
		"no vector at all": `{"data":"x"}`,
	} {
		cfg := Config{Canaries: []Canary{vectorJob(Job{}, CheckSpec{"cosine": map[string]any{"file": "ref.json"}}).Canary}}
		cfg.Canaries[0].Targets = []string{"a"}
		ps := cfg.ReadFiles(func(path string) ([]byte, error) {
			if path != "ref.json" {
				return nil, os.ErrNotExist
			}
			return []byte(file), nil
		})
		good := strings.HasPrefix(name, "a ") || strings.Contains(name, "'s answer")
		if (len(ps) == 0) != good {
			t.Errorf("%s: %v", name, ps)
		}
		if more := cfg.Validate(); len(more) > 0 {
			t.Errorf("%s: what was read is complained of twice: %v", name, more)
		}
		if !good {
			continue
		}
		b, _ := json.Marshal(cfg.Canaries[0].Checks) // as a plan for agents holds it
		var back []CheckSpec
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatal(err)
		}
		j := vectorJob(serve(t, embedder(t, llm.OpenAI, meaning, true)), back...)
		if o := newProber(t, Options{}).Probe(context.Background(), j); o.Outcome != bellwether.OK || math.Abs(o.Signals[embeddingCosine]-1) > 1e-6 {
			t.Errorf("%s: %s %+v %v", name, o.Outcome, o.Checks, o.Signals)
		}
	}
}

func TestKindsAreToldApartInConfigs(t *testing.T) {
	good := Canary{Name: "v", Kind: "embedding", Prompt: "x", Targets: []string{"e"}, Checks: []CheckSpec{{"dimensions": 3}}}
	yes := true
	for text, c := range map[string]Canary{
		"no kind of answer":   {Name: "a", Prompt: "x", Kind: "video"},
		"is missing":          {Name: "a", Prompt: "x", Kind: "embedding"},
		"check of vectors":    {Name: "a", Prompt: "x", Checks: []CheckSpec{{"norm": 1}}},
		"check of words":      {Name: "a", Prompt: "x", Kind: "image", Targets: []string{"e"}, Checks: []CheckSpec{{"contains": "x"}}},
		"of images only":      {Name: "a", Prompt: "x", Size: "10x10"},
		"no size up to":       {Name: "a", Prompt: "x", Kind: "image", Targets: []string{"e"}, Size: "9999x9999"},
		"has no streams":      {Name: "a", Prompt: "x", Kind: "image", Targets: []string{"e"}, Stream: &yes},
		"not for kind":        {Name: "a", Prompt: "x", Kind: "embedding", Targets: []string{"e"}, System: "s"},
		"file that was not":   {Name: "a", Prompt: "x", Kind: "embedding", Targets: []string{"e"}, Checks: []CheckSpec{{"cosine": map[string]any{"file": "x"}}}},
		"of another meaning":  {Name: "a", Prompt: "x", Kind: "embedding", Targets: []string{"e"}, Checks: []CheckSpec{{"nearer": map[string]any{"to": "x", "than": "x"}}}},
		"number of dimension": {Name: "a", Prompt: "x", Kind: "embedding", Targets: []string{"e"}, Checks: []CheckSpec{{"dimensions": 0}}},
	} {
		if ps := (Config{Canaries: []Canary{c}}).Validate(); len(ps) != 1 || !strings.Contains(ps[0].Error(), text) {
			t.Errorf("%+v: %v, want %q", c, ps, text)
		}
	}
	cfg := Config{Canaries: []Canary{good, {Name: "capital", Prompt: "p", Checks: []CheckSpec{{"confidence": -1}}}}}
	if ps := cfg.Validate(); len(ps) > 0 {
		t.Fatal(ps)
	}
	targets := []Target{{Target: bellwether.Target{ID: "chat"}, Protocol: llm.Anthropic}, {Target: bellwether.Target{ID: "e"}, Protocol: llm.OpenAI}}
	if jobs, err := Jobs(cfg, targets, Place{}); err != nil || len(jobs) != 2 || jobs[0].Target.ID != "e" || jobs[1].Target.ID != "chat" {
		t.Errorf("jobs = %v, %v: want the words for chat and the vectors for e", jobs, err)
	}
	if ps := cfg.ValidateCalls(targets); len(ps) > 0 {
		t.Error(ps)
	}
	if ws := Warnings(cfg, targets); len(ws) != 1 || !strings.Contains(ws[0], "capital asks chat for log-probabilities, but protocol anthropic has no") {
		t.Errorf("warnings = %q", ws)
	}
	targets[1].Protocol = llm.Anthropic
	if ps := cfg.ValidateCalls(targets); len(ps) != 1 || !strings.Contains(ps[0].Text, "anthropic cannot express embeddings") {
		t.Errorf("embeddings of anthropic: %v", ps)
	}
}

func TestEmbeddingsAndImagesArePlannedAndBounded(t *testing.T) {
	target := bellwether.Target{ID: "e", Price: bellwether.Price{Input: 1e6, Output: 1e6}}
	c := vectorJob(Job{}, allVectorChecks...).Canary
	c.Targets, c.Schedule = nil, "@every 24h"
	plan := Plan(Config{Canaries: []Canary{c}}, []bellwether.Target{target})
	if len(plan) != 1 || plan[0].Typical != float64(usualInput(c)) || plan[0].WorstCase != float64(inputTokens(c)) {
		t.Errorf("vectors: %+v, want %d and %d", plan, usualInput(c), inputTokens(c))
	}
	j := Job{Target: Target{Target: target}, Canary: c}
	if w := worst(j, noon); w.tokens != inputTokens(c) || w.usd != float64(w.tokens) {
		t.Errorf("worst = %+v", w)
	}
	c = Canary{Name: "p", Kind: "image", Prompt: "A red ball.", CostUSD: 0.04, Schedule: "@every 12h"}
	plan = Plan(Config{Canaries: []Canary{c}}, []bellwether.Target{target})
	if len(plan) != 1 || plan[0].Typical != 0.08 || plan[0].WorstCase != 0.08 {
		t.Errorf("pictures: %+v, want 0.08 USD a day", plan)
	}
	c.CostUSD = 0
	if w := worst(Job{Target: Target{Target: target}, Canary: c.WithDefaults()}, noon); w.tokens < dearestImage {
		t.Errorf("worst of a picture = %+v", w)
	}
}

// painter answers with the bytes of a picture.
func painter(t *testing.T, p llm.Protocol, data []byte) http.HandlerFunc {
	codec, err := llm.For(p)
	if err != nil {
		t.Fatal(err)
	}
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		in, err := codec.(llm.Painter).DecodeImageRequest(r.URL.Path, body)
		if err != nil {
			t.Errorf("request %s: %v", body, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(codec.(llm.Painter).EncodeImages(in, llm.Images{
			Images: []llm.Image{{MIME: "image/png", Data: base64.StdEncoding.EncodeToString(data)}}, Usage: &llm.Usage{Input: 9, Output: 272}}))
	}
}

func pngOf(t *testing.T, w, h int) []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewNRGBA(image.Rect(0, 0, w, h))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestPicturesAreWholeAndOfTheirSize(t *testing.T) {
	whole := pngOf(t, 64, 32)
	for name, c := range map[string]struct {
		data []byte
		size string
		want string // the check that fails
	}{
		"as asked":        {whole, "64x32", ""},
		"any size":        {whole, "", ""},
		"of another size": {whole, "32x64", "size"},
		"cut short":       {whole[:len(whole)-20], "64x32", "image"},
		"a web page":      {[]byte("<html>sorry</html>"), "", "image"},
		"a bomb":          {bombOf(60000, 60000), "", "image"},
		"nothing":         {[]byte{0}, "", "image"},
		"a JPEG bomb":     {bytes.Repeat([]byte("\xff\xd8\xff\xda"), maxScans+1), "", "image"},
	} {
		j := serve(t, painter(t, llm.OpenAI, c.data))
		j.Canary = Canary{Name: "ball", Kind: "image", Prompt: "A red ball.", Size: c.size, Targets: []string{"gpt-us"}}
		o := newProber(t, Options{}).Probe(context.Background(), j)
		if c.want == "" && (o.Outcome != bellwether.OK || !strings.HasPrefix(o.Excerpt, "a PNG of 64x32, ") || o.Tokens.Output != 272) {
			t.Errorf("%s: %s (%s) %+v %q", name, o.Outcome, o.Error, o.Checks, o.Excerpt)
		}
		if c.want != "" && (o.Outcome != bellwether.BadOutput || len(o.Checks) != 1 || o.Checks[0].Name != c.want) {
			t.Errorf("%s: %s (%s) %+v, want %s to fail", name, o.Outcome, o.Error, o.Checks, c.want)
		}
	}
	j := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"data":[{"url":"https://elsewhere.example/x.png"}]}`)
	})
	j.Canary = Canary{Name: "ball", Kind: "image", Prompt: "A red ball.", Size: "64x32", CostUSD: 0.02, Targets: []string{"gpt-us"}}
	if o := newProber(t, Options{}).Probe(context.Background(), j); o.Outcome != bellwether.OK || !strings.Contains(o.Error, "not fetched") || o.CostUSD != 0.02 {
		t.Errorf("an address: %s (%s), %v USD", o.Outcome, o.Error, o.CostUSD)
	}
}

// bombOf is the head of a PNG that claims to be of a size.
func bombOf(w, h uint32) []byte {
	b := drawDigits("1")
	copy(b[16:], []byte{byte(w >> 24), byte(w >> 16), byte(w >> 8), byte(w), byte(h >> 24), byte(h >> 16), byte(h >> 8), byte(h)})
	return b
}

func TestVisionShowsTheNumberThatItAsksFor(t *testing.T) {
	seen := map[byte]bool{}
	for i := range 200 {
		q := poseVision(rand.New(rand.NewPCG(uint64(i), 1)))
		checks, wrong := Compile(q.checks)
		if len(wrong) > 0 {
			t.Fatal(wrong)
		}
		shown := readDigits(t, q.picture)
		if len(shown) != 3 || !checks[0].Run(Answer{Text: shown}).OK || strings.Contains(q.prompt, shown) {
			t.Fatalf("%q shows %q, which the check %+v does not want", q.prompt, shown, q.checks)
		}
		for _, d := range []byte(shown) {
			seen[d] = true
		}
	}
	if len(seen) != 10 {
		t.Errorf("only the digits %v are ever shown", seen)
	}
}

// readDigits reads what drawDigits drew, by another way than it was drawn.
func readDigits(t *testing.T, b []byte) (out string) {
	img, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	for x := 10; x+50 <= img.Bounds().Dx(); x += 60 {
		best, dots := -1, -1
		for d, rows := range font {
			same := 0
			for y, row := range rows {
				for c := range 5 {
					r, _, _, _ := img.At(x+10*c+5, 10+10*y+5).RGBA()
					if (r == 0) == (row>>(4-c)&1 == 1) {
						same++
					}
				}
			}
			if same > dots {
				best, dots = d, same
			}
		}
		if dots != 35 {
			t.Fatalf("a digit is like none: %d of 35 dots", dots)
		}
		out += fmt.Sprint(best)
	}
	return out
}

func TestPicturesGoOutInEveryProtocolThatTakesThem(t *testing.T) {
	for _, p := range llm.Protocols() {
		codec, _ := llm.For(p)
		var got llm.Request
		j := serve(t, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			got, _ = codec.DecodeRequest(r.URL.Path, body)
			w.WriteHeader(http.StatusTeapot)
		})
		j.Target.Protocol = p
		j.Canary = Canary{Name: "see", Use: "vision"}
		newProber(t, Options{}).Probe(context.Background(), j)
		n := len(got.Messages)
		if n != 1 || len(got.Messages[0].Parts) != 2 || got.Messages[0].Parts[0].Image == nil || !strings.Contains(got.Messages[0].Text, "three digits") {
			t.Errorf("%s: asked %+v", p, got.Messages)
			continue
		}
		b, err := base64.StdEncoding.DecodeString(got.Messages[0].Parts[0].Image.Data)
		if err != nil || len(readDigits(t, b)) != 3 {
			t.Errorf("%s: the picture did not arrive: %v", p, err)
		}
	}
}

func FuzzPicture(f *testing.F) {
	f.Add(drawDigits("42"))
	f.Add(bombOf(1<<31-1, 1))
	f.Add([]byte("GIF89a\x01\x00\x01\x00\x00\x00\x00;"))
	f.Add([]byte("\xff\xd8\xff\xe0"))
	f.Fuzz(func(t *testing.T, b []byte) {
		start := time.Now()
		if p, err := decodePicture(b); err == nil && (p.width <= 0 || p.height <= 0 || p.width*p.height > maxPixels) {
			t.Errorf("decodePicture = %+v", p)
		}
		if d := time.Since(start); d > 20*time.Second {
			t.Errorf("it took %v", d)
		}
	})
}

func FuzzReadVector(f *testing.F) {
	f.Add([]byte(`[1,2]`))
	f.Add([]byte(`{"data":[{"index":0,"embedding":"AACAPw=="}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := readVector(b)
		if err != nil {
			return
		}
		if !usable(v) {
			t.Errorf("readVector(%q) = %v", b, v)
		}
		if back, err := vectorOf(written(v)); err != nil || len(back) != len(v) {
			t.Errorf("vectorOf(written(%v)) = %v, %v", v, back, err)
		}
	})
}
