package sim

import (
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"strings"
	"unicode"

	"github.com/bellwether-llm/bellwether/llm"
)

// Limits of what an embedding request may ask for.
const (
	maxDimensions = 4096
	maxInputs     = 2048
	maxFeatures   = 20_000 // of one text; the rest of a longer one does not count
)

// dimensionsOf is how long a model's vectors are by themselves.
func dimensionsOf(model string) int {
	switch lower := strings.ToLower(model); {
	case strings.Contains(lower, "large"), strings.HasPrefix(lower, "gemini"):
		return 3072
	case strings.HasPrefix(lower, "text-embedding-004"), strings.Contains(lower, "nomic"), strings.Contains(lower, "bge"):
		return 768
	}
	return 1536
}

// readEmbedding reads a request for vectors.
func readEmbedding(codec any, at place, body []byte) (task, error) {
	embedder, ok := codec.(llm.Embedder)
	if !ok {
		return task{}, fmt.Errorf("%s has no embeddings", at.proto)
	}
	r, err := embedder.DecodeEmbeddingRequest(at.path, body)
	if err != nil {
		return task{}, err
	}
	if r.Encoded {
		return task{}, fmt.Errorf("input: write text, not tokens")
	}
	if len(r.Input) > maxInputs || r.Dimensions > maxDimensions {
		return task{}, fmt.Errorf("input: at most %d texts; dimensions: at most %d", maxInputs, maxDimensions)
	}
	t := task{req: llm.Request{Model: r.Model}}
	for _, text := range r.Input {
		t.req.Messages = append(t.req.Messages, llm.Message{Role: llm.RoleUser, Text: text})
	}
	t.body = func(p *plan) []byte {
		a := llm.Embeddings{Model: p.model, Usage: &llm.Usage{}}
		for _, text := range r.Input {
			a.Usage.Input += countPieces(text) // nothing is wrapped around texts that are not messages
			if p.bent.empty {
				break
			}
			a.Vectors = append(a.Vectors, p.bent.vector(p.model, text, r.Dimensions))
		}
		return embedder.EncodeEmbeddings(r, a)
	}
	return t, nil
}

// vector is a text's vector as faults on content have it.
func (b bent) vector(model, text string, dims int) []float32 {
	if b.offTopic {
		text = offTopics[0]
	}
	v := embed(model, text, dims)
	switch {
	case b.terse:
		v = v[:max(1, len(v)/4)]
	case b.factor > 1:
		n := min(int(b.factor*float64(len(v))), 4*maxDimensions)
		for len(v) < n {
			v = append(v, v[len(v)-1])
		}
	case b.repeated:
		for i := range v {
			v[i] = v[i%min(4, len(v))]
		}
	}
	return v
}

// embed returns the unit vector of a text: the sum of one vector of random
// signs for each word and each three letters in it, so that texts that share
// much lie close together. Another model has another space. Fewer dimensions
// are the first of the model's own, made a unit vector again. O(len(text) *
// dimensions / 64).
func embed(model, text string, dims int) []float32 {
	own := dimensionsOf(model)
	if dims > own {
		own = dims
	}
	sums := make([]float64, own)
	left := maxFeatures
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	if len(words) == 0 {
		words = []string{""}
	}
	for _, w := range words {
		addFeature(sums, model, w, 2)
		letters := []rune(" " + w + " ")
		for i := 0; i+3 <= len(letters) && left > 0; i++ {
			addFeature(sums, model, string(letters[i:i+3]), 0.5)
			left--
		}
		if left--; left <= 0 {
			break
		}
	}
	if dims == 0 {
		dims = own
	}
	return unit(sums[:dims])
}

// addFeature adds a feature's signs, 64 places from each random number.
func addFeature(sums []float64, model, feature string, weight float64) {
	h := fnv.New64a()
	_, _ = h.Write([]byte(model + "\x00" + feature))
	state := h.Sum64()
	for from := 0; from < len(sums); from += 64 {
		state += 0x9e3779b97f4a7c15 // splitmix64
		bits := (state ^ state>>30) * 0xbf58476d1ce4e5b9
		bits = (bits ^ bits>>27) * 0x94d049bb133111eb
		bits ^= bits >> 31
		for i := from; i < min(from+64, len(sums)); i++ {
			if bits&1 == 0 {
				sums[i] += weight
			} else {
				sums[i] -= weight
			}
			bits >>= 1
		}
	}
}

// unit returns v with length 1; a vector of zeros becomes the first axis.
func unit(v []float64) []float32 {
	sum := 0.0
	for _, x := range v {
		sum += x * x
	}
	out := make([]float32, len(v))
	if sum == 0 {
		out[0] = 1
		return slices.Clip(out)
	}
	norm := math.Sqrt(sum)
	for i, x := range v {
		out[i] = float32(x / norm)
	}
	return out
}
