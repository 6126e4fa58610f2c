package llm

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/bellwether-llm/bellwether"
)

// embedders are the protocols that have embeddings, and make pictures.
func embedders() []Protocol { return []Protocol{OpenAI, Azure, Responses, Gemini} }

func pathOf(t interface{ Fatal(...any) }, c Call) string {
	u, err := url.Parse(c.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u.EscapedPath()
}

func TestEmbeddingsAreAskedAndAnsweredBothWays(t *testing.T) {
	for _, p := range embedders() {
		t.Run(string(p), func(t *testing.T) {
			c := mustFor(t, p).(Embedder)
			rapid.Check(t, func(t *rapid.T) {
				want := EmbeddingRequest{Model: "embed-1", Input: rapid.SliceOfN(rapid.String(), 1, 3).Draw(t, "input"),
					Dimensions: rapid.IntRange(0, 9).Draw(t, "dimensions"), Base64: p != Gemini && rapid.Bool().Draw(t, "base64")}
				want.Batch = p == Gemini && (len(want.Input) > 1 || rapid.Bool().Draw(t, "batch"))
				call, err := c.EncodeEmbedding(Endpoint{BaseURL: "http://127.0.0.1:1/v1"}, want)
				if err != nil {
					t.Fatal(err)
				}
				got, err := c.DecodeEmbeddingRequest(pathOf(t, call), call.Body)
				if err != nil || !reflect.DeepEqual(got, want) {
					t.Fatalf("DecodeEmbeddingRequest(%s %s) = %+v, %v, want %+v", call.URL, call.Body, got, err, want)
				}
				a := Embeddings{}
				for range want.Input {
					a.Vectors = append(a.Vectors, rapid.SliceOfN(rapid.Float32(), 1, 8).Draw(t, "vector"))
				}
				if p != Gemini {
					a.Model, a.Usage = "embed-1", &Usage{Input: 7}
				}
				b := c.EncodeEmbeddings(want, a)
				if got, err := c.DecodeEmbeddings(b); err != nil || !reflect.DeepEqual(got, a) {
					t.Fatalf("DecodeEmbeddings(%s) = %+v, %v, want %+v", b, got, err, a)
				}
			})
		})
	}
	if _, ok := mustFor(t, Anthropic).(Embedder); ok {
		t.Error("anthropic has embeddings")
	}
}

func TestAnEmbeddingThatIsNoVectorIsRefused(t *testing.T) {
	for _, body := range []string{`{`, `{}`, `{"data":[]}`, `{"data":[{"embedding":[]}]}`, `{"data":[{"embedding":"AAAA"}]}`, `{"data":[{"embedding":"AADAfw=="}]}`,
		`{"data":[{"embedding":[1],"index":1}]}`, `{"data":[{"embedding":[1]},{"embedding":[1]}]}`, `{"data":[{"embedding":{"a":1}}]}`} {
		if got, err := (openAI{OpenAI}).DecodeEmbeddings([]byte(body)); err == nil {
			t.Errorf("%s is %+v, want an error", body, got)
		}
	}
	for _, p := range embedders() {
		_, err := mustFor(t, p).(Embedder).DecodeEmbeddings([]byte(`{"error":{"message":"over","status":"RESOURCE_EXHAUSTED","type":"rate_limit_error"}}`))
		if e, ok := errors.AsType[*Error](err); !ok || e.Outcome != bellwether.RateLimited {
			t.Errorf("%s: an error inside a 200 is %v", p, err)
		}
	}
	got, err := (openAI{OpenAI}).DecodeEmbeddings([]byte(`{"data":[{"index":1,"embedding":[2]},{"index":0,"embedding":"AACAPw=="}]}`))
	if err != nil || !reflect.DeepEqual(got.Vectors, [][]float32{{1}, {2}}) {
		t.Errorf("vectors out of order are %v, %v", got.Vectors, err)
	}
}

func TestPicturesAreAskedAndAnsweredBothWays(t *testing.T) {
	for _, p := range embedders() {
		for _, model := range []string{"imagen-4.0", "gpt-image-1"} {
			c := mustFor(t, p).(Painter)
			want := ImageRequest{Model: model, Prompt: "a lost goat"}
			if p != Gemini {
				want.Count, want.Size = 2, "1024x1024"
			} else if isImagen(model) {
				want.Count = 1
			}
			call, err := c.EncodeImage(Endpoint{BaseURL: "http://127.0.0.1:1/v1"}, want)
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.DecodeImageRequest(pathOf(t, call), call.Body)
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s DecodeImageRequest(%s %s) = %+v, %v, want %+v", p, call.URL, call.Body, got, err, want)
			}
			a := Images{Images: []Image{{MIME: "image/webp", Data: "AAAA"}}}
			b := c.EncodeImages(want, a)
			if got, err := c.DecodeImages(b); err != nil || !reflect.DeepEqual(got, a) {
				t.Errorf("%s DecodeImages(%s) = %+v, %v, want %+v", p, b, got, err, a)
			}
			if _, err := c.DecodeImages([]byte(`{}`)); err == nil {
				t.Errorf("%s: no picture is a picture", p)
			}
		}
	}
	_, err := gemini{}.EncodeImage(Endpoint{}, ImageRequest{Model: "g", Prompt: "p", Count: 2, Size: "1x1"})
	if e, ok := errors.AsType[*UnsupportedError](err); !ok || !slices.Equal(e.Fields, []string{"n", "size"}) {
		t.Errorf("what Gemini cannot say: %v", err)
	}
	_, err = gemini{}.DecodeImages([]byte(`{"candidates":[{"finishReason":"IMAGE_SAFETY"}]}`))
	if e, ok := errors.AsType[*Error](err); !ok || !e.Policy {
		t.Errorf("a refused picture: %v, want a policy error", err)
	}
}

func TestListsOfModelsAreReadInEveryShape(t *testing.T) {
	for _, p := range chats() {
		c := mustFor(t, p).(Lister)
		want := []Model{{ID: "m-1", Created: 1700000000}, {ID: "m-2", Created: 1700000001}}
		switch p {
		case Anthropic:
			want[0].Name = "M one"
		case Gemini:
			want = []Model{{ID: "m-1", Name: "M", InputLimit: 5, OutputLimit: 6}}
		}
		got, next, err := c.DecodeModels(c.EncodeModels(want))
		if err != nil || next != "" || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %q, %v, want %+v", p, got, next, err, want)
		}
	}
	for body, want := range map[string]string{
		`[{"id":"a","created":"yesterday","created_at":5}]`:                               "[a] ",
		`{"data":[{"id":"a"}],"has_more":true,"last_id":"a"}`:                             "[a] a",
		`{"models":[{"name":"models/a"},{"name":"tunedModels/b"}],"nextPageToken":"t/1"}`: "[a tunedModels/b] t/1",
		`{"data":[]}`: "[] ",
	} {
		ms, next, err := readModels(OpenAI, []byte(body))
		ids := []string{}
		for _, m := range ms {
			ids = append(ids, m.ID)
		}
		if got := fmt.Sprint(ids, " ", next); err != nil || strings.ReplaceAll(got, "  ", " ") != want {
			t.Errorf("%s = %q, %v, want %q", body, got, err, want)
		}
	}
	for _, body := range []string{``, `{}`, `[5]`, `{"error":"x"}`, `[{"error":{"code":401}}]`} {
		if got, _, err := readModels(Gemini, []byte(body)); err == nil {
			t.Errorf("%s = %+v, want an error", body, got)
		}
	}
	e := Endpoint{BaseURL: "http://x"}
	for p, want := range map[Protocol]string{Anthropic: "http://x/v1/models?limit=1000&after_id=a%2Fb", Gemini: "http://x/v1beta/models?pageSize=1000&pageToken=a%2Fb",
		OpenAI: "http://x/models?after=a%2Fb", Azure: "http://x/openai/models?api-version=2024-10-21&after=a%2Fb"} {
		if got := mustFor(t, p).(Lister).MoreModels(e, "a/b").URL; got != want {
			t.Errorf("%s asks for more at %s, want %s", p, got, want)
		}
	}
}

// FuzzBeside: embeddings, pictures and lists, as answers and as requests. What
// is understood survives being told again.
func FuzzBeside(f *testing.F) {
	for _, s := range []string{`{"data":[{"embedding":"AACAPw=="}],"usage":{}}`, `{"embedding":{"values":[1]}}`, `{"embeddings":[{"values":[1,2e9]}]}`,
		`{"data":[{"b64_json":"AA"}]}`, `{"predictions":[{"bytesBase64Encoded":"AA"}]}`, `{"data":[{"id":"a"}]}`, `{"models":[{"name":"x"}]}`,
		`{"model":"m","input":"a","dimensions":3,"prompt":"p","content":{"parts":[{"text":"a"}]},"contents":[{"parts":[{"text":"a"}]}]}`} {
		f.Add([]byte(s), "/v1beta/models/m:embedContent")
	}
	f.Fuzz(func(t *testing.T, in []byte, path string) {
		for _, p := range embedders() {
			c := mustFor(t, p)
			if a, err := c.(Embedder).DecodeEmbeddings(in); err == nil {
				again, err := c.(Embedder).DecodeEmbeddings(c.(Embedder).EncodeEmbeddings(EmbeddingRequest{Input: make([]string, len(a.Vectors)), Base64: p != Gemini}, a))
				if err != nil || !reflect.DeepEqual(again.Vectors, a.Vectors) {
					t.Fatalf("%s: %v told again is %v, %v", p, a.Vectors, again.Vectors, err)
				}
			}
			if r, err := c.(Embedder).DecodeEmbeddingRequest(path, in); err == nil {
				if call, err := c.(Embedder).EncodeEmbedding(Endpoint{BaseURL: "http://x"}, r); err != nil || !json.Valid(call.Body) {
					t.Fatalf("%s: %+v told again is %s, %v", p, r, call.Body, err)
				}
			}
			if a, err := c.(Painter).DecodeImages(in); err == nil && len(a.Images) == 0 {
				t.Fatalf("%s: no picture is no answer", p)
			}
			if r, err := c.(Painter).DecodeImageRequest(path, in); err == nil && r.Prompt == "" {
				t.Fatalf("%s: no prompt is no request", p)
			}
			if ms, _, err := c.(Lister).DecodeModels(in); err == nil && !json.Valid(c.(Lister).EncodeModels(ms)) {
				t.Fatalf("%s: %+v is told as no JSON", p, ms)
			}
		}
	})
}
