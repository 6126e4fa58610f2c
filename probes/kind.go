package probes

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/bellwether-llm/bellwether/internal/conf"
	"github.com/bellwether-llm/bellwether/llm"
)

// What a canary can ask for; "" is chat.
const (
	chatKind      = "chat"
	embeddingKind = "embedding"
	imageKind     = "image"
)

const (
	imageTimeout = 3 * time.Minute
	usualImage   = 1056 // output tokens of a square picture of medium quality, where a provider counts any
	dearestImage = 6240 // of a large one of the best
)

func kindNamesOfCanaries() string { return chatKind + ", " + embeddingKind + ", " + imageKind }

// worded reports whether the answer is one in words.
func (c Canary) worded() bool { return c.Kind == "" || c.Kind == chatKind }

// texts are what an embedding canary asks the vectors of: its prompt, then what
// its checks compare it with.
func (c Canary) texts() []string {
	out := []string{c.Prompt}
	for _, spec := range c.Checks {
		m, _ := plain(spec["nearer"]).(map[string]any)
		for _, name := range []string{"to", "than"} {
			if s, err := text(m[name]); err == nil && !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	return out
}

// ranges is how many output tokens one answer usually and at most has. c has
// its defaults filled in.
func (c Canary) ranges() (usual, most int) {
	switch c.Kind {
	case embeddingKind:
		return 0, 0
	case imageKind:
		usual = or(c.UsualTokens, usualImage)
		return usual, max(usual, dearestImage)
	}
	return usualOutput(c), c.room()
}

// price is what one answer of the target costs in USD.
func (j Job) price(input, output int) float64 {
	if j.Canary.CostUSD > 0 {
		return j.Canary.CostUSD
	}
	return j.Target.Price.Cost(input, output)
}

// encode writes the call that asks for what the canary wants.
func encode(codec llm.Codec, j Job) (llm.Call, error) {
	c, e := j.Canary, j.Target.Endpoint
	cannot := func(what string) (llm.Call, error) {
		return llm.Call{}, &llm.UnsupportedError{Protocol: codec.Protocol(), Fields: []string{what}}
	}
	switch c.Kind {
	case embeddingKind:
		x, ok := codec.(llm.Embedder)
		if !ok {
			return cannot("embeddings")
		}
		return x.EncodeEmbedding(e, llm.EmbeddingRequest{Model: j.Target.model(), Input: c.texts()})
	case imageKind:
		x, ok := codec.(llm.Painter)
		if !ok {
			return cannot("images")
		}
		return x.EncodeImage(e, llm.ImageRequest{Model: j.Target.model(), Prompt: c.Prompt, Size: c.Size})
	}
	return codec.Encode(e, request(j))
}

var imageSize = regexp.MustCompile(`^([1-9][0-9]{0,3})x([1-9][0-9]{0,3})$`)

// sizeOf reads "1024x1024"; zeros where it is empty.
func sizeOf(s string) (width, height int, ok bool) {
	if s == "" {
		return 0, 0, true
	}
	m := imageSize.FindStringSubmatch(s)
	if m == nil {
		return 0, 0, false
	}
	width, _ = strconv.Atoi(m[1])
	height, _ = strconv.Atoi(m[2])
	return width, height, width*height <= maxPixels
}

// kinds checks what goes with the kind of answer that is asked for; d is c with
// its defaults.
func (p *problems) kinds(c, d Canary) {
	known := slices.Contains([]string{"", chatKind, embeddingKind, imageKind}, c.Kind)
	p.add(!known, "kind", "use one of "+kindNamesOfCanaries(), "%q is no kind of answer", c.Kind)
	_, _, sized := sizeOf(c.Size)
	p.add(c.Size != "" && c.Kind != imageKind, "size", "remove it, or write kind: image", "is of images only")
	p.add(!sized, "size", `write a width and a height, such as "1024x1024"`, "%q is no size up to 4096x4096", c.Size)
	p.add(!(c.CostUSD >= 0 && c.CostUSD <= 1000), "cost_usd", "write what one probe costs in USD, or leave it out", "%v is out of range", c.CostUSD)
	if known && !d.worded() {
		p.add(len(c.Targets) == 0, "targets", "name the targets that serve it", "is missing: not every target can answer a canary of kind %s", c.Kind)
		p.add(c.Stream != nil && *c.Stream, "stream", "remove it", "is not for kind %s, which has no streams", c.Kind)
		for field, set := range map[string]bool{"use": c.Use != "", "challenge": c.Challenge != "", "system": c.System != "", "tools": c.Tools != nil,
			"reasoning": c.Reasoning, "nonce": c.Nonce, "logprobs": c.Logprobs} {
			p.add(set, field, "remove it, or write it into a canary of its own", "is not for kind %s", c.Kind)
		}
	}
	for i, spec := range c.Checks {
		for name := range spec {
			k := slices.IndexFunc(kinds(), func(k kind) bool { return k.name == name })
			if at := fmt.Sprintf("checks[%d].%s", i, name); k >= 0 && known {
				vectors := kinds()[k].vector != nil
				p.add(vectors && c.Kind != embeddingKind, at, "write kind: embedding, or remove it", "is a check of vectors")
				p.add(!vectors && !d.worded(), at, "remove it", "is a check of words, and the answer has none")
			}
		}
	}
}

// claimed are the targets that canaries of other kinds than chat name. They are
// left to the canaries that name them.
func (c Config) claimed() map[string]bool {
	out := map[string]bool{}
	for _, k := range c.Canaries {
		if !k.worded() {
			for _, id := range k.Targets {
				out[id] = true
			}
		}
	}
	return out
}

// goesTo reports whether k is sent to a target, of which some are claimed.
func (c Canary) goesTo(target string, claimed map[string]bool) bool {
	if len(c.Targets) == 0 {
		return !claimed[target]
	}
	return slices.Contains(c.Targets, target)
}

// ValidateCalls returns what no target's protocol can be asked: canaries of a
// kind that it does not have.
func (c Config) ValidateCalls(targets []Target) []conf.Problem {
	var ps []conf.Problem
	claimed := c.claimed()
	for i, k := range c.Canaries {
		for _, t := range targets {
			codec, err := llm.For(t.Protocol)
			if err != nil || k.worded() || !k.goesTo(t.ID, claimed) {
				continue
			}
			if _, err := encode(codec, Job{Target: t, Canary: k.WithDefaults()}); err != nil {
				ps = append(ps, conf.Problem{Path: fmt.Sprintf("canaries[%d].targets", i), Text: fmt.Sprintf("target %s: %v", t.ID, err), Remedy: "name targets of a protocol that can"})
			}
		}
	}
	return ps
}

// Warnings says, for people, what is valid and yet cannot be had: checks of
// confidence where a protocol has no log-probabilities, and pictures where it
// takes none.
func Warnings(cfg Config, targets []Target) []string {
	var out []string
	claimed := cfg.claimed()
	for _, k := range cfg.Canaries {
		d := k.WithDefaults()
		for _, t := range targets {
			if !k.goesTo(t.ID, claimed) || !k.worded() {
				continue
			}
			if d.Logprobs && !t.offersLogprobs() {
				what := "has no log-probabilities"
				if t.Protocol == llm.HTTP {
					what = "has none unless http.confidence says where"
				}
				out = append(out, fmt.Sprintf("canary %s asks %s for log-probabilities, but protocol %s %s: confidence is neither followed nor checked there", k.Name, t.ID, t.Protocol, what))
			}
			if made, ok := challengeOf(d.Challenge); ok && made.pictured && t.Protocol == llm.HTTP {
				out = append(out, fmt.Sprintf("canary %s shows %s a picture, but protocol %s takes none: every probe will fail; name its targets", k.Name, t.ID, t.Protocol))
			}
		}
	}
	return out
}
