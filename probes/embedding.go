package probes

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/conf"
	"github.com/bellwether-llm/bellwether/llm"
)

// embed takes a whole answer of vectors, one for each text that was sent.
func (r *reply) embed(codec llm.Codec, j Job, body []byte) {
	x, ok := codec.(llm.Embedder)
	if !ok { // it wrote the call; it reads the answer
		r.fail = failure{bellwether.ClientError, "read answer: the protocol has no embeddings"}
		return
	}
	a, err := x.DecodeEmbeddings(body)
	if !r.decoded(err) {
		return
	}
	texts := j.Canary.texts()
	if len(a.Vectors) != len(texts) {
		r.fail = failure{bellwether.Malformed, fmt.Sprintf("read answer: it has %d vectors for %d texts", len(a.Vectors), len(texts))}
		return
	}
	r.model, r.usage = a.Model, a.Usage
	r.vectors = make(map[string][]float32, len(texts))
	for i, text := range texts {
		r.vectors[text] = a.Vectors[i]
	}
	r.summary = fmt.Sprintf("%d of %d dimensions", len(a.Vectors), len(a.Vectors[0]))
}

// decoded notes why an answer could not be read, and reports whether it could.
func (r *reply) decoded(err error) bool {
	var inBand *llm.Error
	switch {
	case errors.As(err, &inBand):
		r.refuse(inBand)
	case err != nil:
		r.fail = failure{bellwether.Malformed, "read answer: " + err.Error()}
	}
	return err == nil
}

// examineVectors runs the checks on an embedding. One test stands before the
// user's own, reported only when it fails: that every vector points somewhere.
func examineVectors(j Job, r *reply) (outcome bellwether.Outcome, results []bellwether.CheckResult, signals map[bellwether.Signal]float64) {
	outcome = bellwether.OK
	for i, text := range j.Canary.texts() {
		if !usable(r.vectors[text]) {
			results = append(results, bellwether.CheckResult{Name: "vectors", Detail: fmt.Sprintf("vector %d of %d is all zeros, or holds what is no number", i+1, len(r.vectors))})
			return bellwether.BadOutput, results, nil
		}
	}
	signals = map[bellwether.Signal]float64{embeddingNorm: norm(r.vectors[j.Canary.Prompt])}
	answer := Answer{Prompt: j.Canary.Prompt, Vectors: r.vectors}
	for _, c := range j.compiled() {
		res := c.Run(answer)
		if !res.OK {
			outcome = c.fails
		}
		results = append(results, res)
		if v := c.vector; v != nil && v.signal != "" {
			if x := v.value(answer); !math.IsNaN(x) && !math.IsInf(x, 0) {
				signals[v.signal] = x
			}
		}
	}
	return outcome, results, signals
}

const maxBearings = 10_000 // targets and canaries whose last vector is kept: 6 KiB each, or so

// bearing is where the vector of one series pointed last.
type bearing struct {
	text   string
	vector []float32
}

// steady compares a good vector with the last one of the same target and text,
// as a signal, and keeps it in its place.
func (p *pasts) steady(j Job, v []float32, into map[bellwether.Signal]float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	last, known := p.bearings[j.key()]
	if c := cosine(v, last.vector); known && last.text == j.Canary.Prompt {
		if math.IsNaN(c) {
			c = 0 // of another dimension: it has nothing to do with it
		}
		into[embeddingSimilarity] = c
	}
	if !known && len(p.bearings) >= maxBearings || len(v) > maxDimensions {
		return
	}
	if p.bearings == nil {
		p.bearings = map[jobKey]bearing{}
	}
	p.bearings[j.key()] = bearing{j.Canary.Prompt, v}
}

// ReadFiles puts the vectors of the files that checks of cosine name in the
// place of the names. A file holds a list of numbers, or a provider's answer to
// a request for one embedding, as it came. It writes to c's checks.
func (c Config) ReadFiles(read func(path string) ([]byte, error)) []conf.Problem {
	var ps []conf.Problem
	for i, k := range c.Canaries {
		for n, spec := range k.Checks {
			o, _ := plain(spec["cosine"]).(map[string]any)
			path, err := text(o["file"])
			if err != nil || o["vector"] != nil {
				continue // the check says what is wrong with it
			}
			b, err := read(path)
			var v []float32
			if err == nil {
				v, err = readVector(b)
			}
			if err != nil {
				ps = append(ps, conf.Problem{Path: fmt.Sprintf("canaries[%d].checks[%d].cosine", i, n), Text: "read the reference: " + err.Error(),
					Remedy: "write a file with a list of numbers, or with a provider's answer to a request for one embedding"})
				v = []float32{1} // so that the file is not complained of twice
			}
			delete(o, "file")
			o["vector"] = written(v)
			k.Checks[n] = CheckSpec{"cosine": o}
		}
	}
	return ps
}

// written is v in base64.
func written(v []float32) string {
	var b []byte
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return base64.StdEncoding.EncodeToString(b)
}

// readVector reads a list of numbers, or the one vector of an answer in any
// protocol.
func readVector(b []byte) ([]float32, error) {
	var v []float32
	if json.Unmarshal(b, &v) != nil {
		for _, p := range []llm.Protocol{llm.OpenAI, llm.Gemini} {
			codec, err := llm.For(p)
			if err != nil {
				return nil, err
			}
			if a, err := codec.(llm.Embedder).DecodeEmbeddings(b); err == nil && len(a.Vectors) == 1 {
				v = a.Vectors[0]
				break
			}
		}
	}
	if len(v) == 0 || len(v) > maxDimensions || !usable(v) {
		return nil, errors.New("it holds no vector")
	}
	return slices.Clip(v), nil
}
