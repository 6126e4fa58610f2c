package probes

import (
	"slices"
	"sync"
	"unicode/utf8"

	"github.com/bellwether-llm/bellwether"
)

// The text features of an answer. They are no checks: what is usual differs
// from prompt to prompt, so they are signals to be compared with the prompt's
// own past. All are at least 0.
const (
	// textRepetition is the share of word trigrams that occurred before in the
	// answer: 1 - distinct / all. Range [0, 1).
	textRepetition bellwether.Signal = "text.repetition"
	// textDistinct is distinct words / words, of the first distinctSpan words,
	// so that long answers do not look poorer than short ones. Range (0, 1].
	textDistinct bellwether.Signal = "text.distinct"
	// textSimilarity is the largest similarity (Jaccard, of word trigrams) to
	// one of the last pastAnswers good answers of this target to this prompt.
	// Range [0, 1]. Absent before the first, and for challenges.
	textSimilarity bellwether.Signal = "text.similarity"
	// textLength is the answer's characters over the mean of the same answers.
	// Absent likewise. Range [0, maxLengthRatio].
	textLength bellwether.Signal = "text.length_ratio"
)

const (
	distinctSpan   = 200
	pastAnswers    = 4
	pastSample     = 32
	maxPasts       = 100_000
	maxLengthRatio = 1000
)

// past is what is remembered of the last good answers to one prompt: about
// 600 bytes. It is forgotten when the prompt changes, or the process ends.
type past struct {
	prompt  string // shares the canary's memory
	answers [pastAnswers]sampled
	n       int // kept so far, ever
}

// sampled is an answer as the smallest of its trigrams' hashes (a bottom-k
// sketch), from which the Jaccard similarity of two answers can be estimated:
// exact for up to pastSample distinct trigrams, +-0.09 (one standard
// deviation, at most) beyond.
type sampled struct {
	chars  int
	count  int
	hashes [pastSample]uint32 // sorted
}

// pasts remembers good answers by series. Safe for concurrent use.
type pasts struct {
	mu sync.Mutex
	of map[jobKey]*past

	bearings map[jobKey]bearing // of embeddings
}

// features measures a proper answer, and remembers it when it is good. Answers
// without a word have none.
func (p *pasts) features(j Job, text string, good bool) map[bellwether.Signal]float64 {
	words := wordHashes(text)
	if len(words) == 0 {
		return nil
	}
	first := slices.Clone(words[:min(len(words), distinctSpan)])
	out := map[bellwether.Signal]float64{
		textRepetition: repetition(words),
		textDistinct:   float64(len(distinct(first))) / float64(min(len(words), distinctSpan)),
	}
	if j.Canary.Challenge != "" {
		return out
	}
	now := sample(words, utf8.RuneCountInString(text))
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.of[j.key()]
	if m != nil && m.prompt == j.Canary.Prompt {
		m.compare(&now, out)
	}
	if good {
		p.keep(j, m, now)
	}
	return out
}

// compare adds the features that are relative to the past.
func (m *past) compare(now *sampled, out map[bellwether.Signal]float64) {
	kept := m.answers[:min(m.n, pastAnswers)]
	similar, chars := 0.0, 0
	for i := range kept {
		similar = max(similar, jaccard(&kept[i], now))
		chars += kept[i].chars
	}
	out[textSimilarity] = similar
	out[textLength] = min(maxLengthRatio, float64(now.chars)*float64(len(kept))/float64(max(1, chars)))
}

func (p *pasts) keep(j Job, m *past, now sampled) {
	if m == nil {
		if len(p.of) >= maxPasts {
			return
		}
		if p.of == nil {
			p.of = map[jobKey]*past{}
		}
		m = &past{}
		p.of[j.key()] = m
	}
	if m.prompt != j.Canary.Prompt {
		*m = past{prompt: j.Canary.Prompt}
	}
	m.answers[m.n%pastAnswers] = now
	m.n++
}

// sample takes an answer's words to what is remembered of it.
func sample(words []uint64, chars int) sampled {
	s := sampled{chars: chars}
	all := shingles(words, 3)
	for i := range all {
		all[i] >>= 32
	}
	for _, h := range distinct(all) {
		if s.count == pastSample {
			break
		}
		s.hashes[s.count] = uint32(h)
		s.count++
	}
	return s
}

// jaccard estimates |a and b| / |a or b| from the smallest hashes of both: of
// the pastSample smallest of the union, the share that is in both.
func jaccard(a, b *sampled) float64 {
	union, both := 0, 0
	for i, j := 0, 0; union < pastSample && (i < a.count || j < b.count); union++ {
		switch {
		case j >= b.count || i < a.count && a.hashes[i] < b.hashes[j]:
			i++
		case i >= a.count || a.hashes[i] > b.hashes[j]:
			j++
		default:
			both, i, j = both+1, i+1, j+1
		}
	}
	if union == 0 {
		return 0
	}
	return float64(both) / float64(union)
}
