package probes

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/bellwether-llm/bellwether"
)

// vectoring is a check of an embedding: a number, which is a signal as well,
// and why it is not good enough, "" when it is.
type vectoring struct {
	signal bellwether.Signal // "" for none
	value  func(Answer) float64
	wrong  func(v float64) string
}

func (v *vectoring) test(a Answer) string {
	if a.Vectors == nil {
		return "the answer has no vectors"
	}
	return v.wrong(v.value(a))
}

// The signals of an embedding.
const (
	embeddingNorm       bellwether.Signal = "embedding.norm"       // Euclidean length of the prompt's vector
	embeddingCosine     bellwether.Signal = "embedding.cosine"     // to the reference, -1 to 1
	embeddingMargin     bellwether.Signal = "embedding.margin"     // how much nearer the text that ought to be, -2 to 2
	embeddingSimilarity bellwether.Signal = "embedding.similarity" // cosine to the last good vector of this target and text
)

// compileDimensions wants the prompt's vector to have so many.
func compileDimensions(want any) (*vectoring, error) {
	n, err := count(want)
	if err != nil || n == 0 {
		return nil, errors.New("wants the number of dimensions")
	}
	return &vectoring{
		value: func(a Answer) float64 { return float64(len(a.Vectors[a.Prompt])) },
		wrong: func(v float64) string {
			if int(v) != n {
				return fmt.Sprintf("the vector has %v dimensions, not %d", v, n)
			}
			return ""
		},
	}, nil
}

// compileNorm wants the prompt's vector to be of a length, within a tolerance
// (0.01 when left out).
func compileNorm(want any) (*vectoring, error) {
	if v, err := float(want); err == nil {
		want = map[string]any{"value": v}
	}
	o, err := options(want, "value", "tolerance")
	if err != nil {
		return nil, err
	}
	value, err := float(o["value"])
	if err != nil || value < 0 {
		return nil, errors.New("value wants a length of at least 0")
	}
	within := 0.01
	if o["tolerance"] != nil {
		if within, err = float(o["tolerance"]); err != nil || within < 0 {
			return nil, errors.New("tolerance wants a number of at least 0")
		}
	}
	return &vectoring{
		signal: embeddingNorm,
		value:  func(a Answer) float64 { return norm(a.Vectors[a.Prompt]) },
		wrong: func(v float64) string {
			if !(math.Abs(v-value) <= within) {
				return fmt.Sprintf("the vector's length is %.4g, not %v within %v", v, value, within)
			}
			return ""
		},
	}, nil
}

// compileCosine wants the prompt's vector to point where a reference does: the
// one in a file (see [Config.ReadFiles]), or one that is written here.
func compileCosine(want any) (*vectoring, error) {
	o, err := options(want, "file", "vector", "at_least")
	if err != nil {
		return nil, err
	}
	least := 0.99
	if o["at_least"] != nil {
		if least, err = float(o["at_least"]); err != nil || least < -1 || least > 1 {
			return nil, errors.New("at_least wants a cosine, -1 to 1")
		}
	}
	reference, err := vectorOf(o["vector"])
	switch {
	case (o["file"] == nil) == (o["vector"] == nil):
		return nil, errors.New("wants either a file or a vector")
	case o["file"] != nil:
		return nil, errors.New("has a file that was not read")
	case err != nil:
		return nil, err
	}
	return &vectoring{
		signal: embeddingCosine,
		value:  func(a Answer) float64 { return cosine(a.Vectors[a.Prompt], reference) },
		wrong: func(v float64) string {
			switch {
			case math.IsNaN(v):
				return fmt.Sprintf("the vector cannot be compared with the reference of %d dimensions", len(reference))
			case v < least:
				return fmt.Sprintf("the cosine to the reference is %.4f, less than %v", v, least)
			}
			return ""
		},
	}, nil
}

// compileNearer wants the prompt's vector to be nearer to one text's than to
// another's, by a difference of cosines of more than 0 or at least by.
func compileNearer(want any) (*vectoring, error) {
	o, err := options(want, "to", "than", "by")
	if err != nil {
		return nil, err
	}
	to, err := text(o["to"])
	if err != nil {
		return nil, fmt.Errorf("to %w", err)
	}
	than, err := text(o["than"])
	if err != nil || than == to {
		return nil, errors.New("than wants a text of another meaning")
	}
	by := 0.0
	if o["by"] != nil {
		if by, err = float(o["by"]); err != nil || by < 0 || by > 2 {
			return nil, errors.New("by wants a difference of cosines, 0 to 2")
		}
	}
	return &vectoring{
		signal: embeddingMargin,
		value: func(a Answer) float64 {
			v := a.Vectors[a.Prompt]
			return cosine(v, a.Vectors[to]) - cosine(v, a.Vectors[than])
		},
		wrong: func(v float64) string {
			if !(v > 0 && v >= by) {
				return fmt.Sprintf("the vector is nearer by %.4f, not by %v, to the text that is like it than to the one that is not", v, by)
			}
			return ""
		},
	}, nil
}

// norm is the Euclidean length of v.
func norm(v []float32) float64 {
	sum := 0.0
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	return math.Sqrt(sum)
}

// cosine of the angle between a and b; NaN where they are of different
// dimensions, or one is zero.
func cosine(a, b []float32) float64 {
	if len(a) != len(b) || len(a) == 0 {
		return math.NaN()
	}
	dot := 0.0
	for i := range a {
		dot += float64(a[i]) * float64(b[i])
	}
	return max(-1, min(1, dot/(norm(a)*norm(b)))) // NaN stays
}

const maxDimensions = 65536

// vectorOf reads a list of numbers, or little-endian float32 in base64.
func vectorOf(v any) ([]float32, error) {
	bad := errors.New("vector wants a list of numbers, not all 0")
	var out []float32
	switch v := v.(type) {
	case nil:
		return nil, nil
	case string:
		b, err := base64.StdEncoding.DecodeString(v)
		if err != nil || len(b)%4 != 0 || len(b) > 4*maxDimensions {
			return nil, bad
		}
		for ; len(b) > 0; b = b[4:] {
			out = append(out, math.Float32frombits(binary.LittleEndian.Uint32(b)))
		}
	case []any:
		if len(v) > maxDimensions {
			return nil, bad
		}
		for _, x := range v {
			f, err := float(x)
			if err != nil {
				return nil, bad
			}
			out = append(out, float32(f))
		}
	default:
		return nil, bad
	}
	if !usable(out) {
		return nil, bad
	}
	return out, nil
}

// usable reports whether v points anywhere.
func usable(v []float32) bool {
	n := norm(v)
	return n > 0 && !math.IsInf(n, 0) // and NaN is not above 0
}
