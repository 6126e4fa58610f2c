package probes

import (
	"errors"
	"fmt"
	"unicode"
)

// defaultSimilar is how similar an answer must be where nobody says.
const defaultSimilar = 0.5

// compileSimilarTo wants the answer to be similar in words to one of several
// references, by at least so much (0.5 when left out). The similarity is the
// larger of two: the overlap (Dice) of the sets of words, and that of the sets
// of letter trigrams. It compares words, not meaning: "it is
// hot" and "it is not hot" are close.
func compileSimilarTo(want any) (test, error) {
	refs, least := want, defaultSimilar
	if m, ok := want.(map[string]any); ok {
		o, err := options(m, "texts", "text", "at_least")
		if err != nil {
			return nil, err
		}
		if o["at_least"] != nil {
			if least, err = float(o["at_least"]); err != nil || !(least > 0 && least <= 1) {
				return nil, errors.New("at_least wants a number above 0, at most 1")
			}
		}
		refs = or(o["texts"], o["text"])
		if o["texts"] != nil && o["text"] != nil {
			return nil, errors.New("wants text or texts, not both")
		}
	}
	texts, err := textList(refs)
	if err != nil {
		return nil, err
	}
	prints := make([]fingerprint, len(texts))
	for i, s := range texts {
		prints[i] = newFingerprint(s)
		if len(prints[i].words) == 0 {
			return nil, fmt.Errorf("entry %d holds no word", i)
		}
	}
	return func(a Answer) string {
		got, best := newFingerprint(a.Text), 0.0
		for _, p := range prints {
			best = max(best, got.similarity(p))
		}
		if best >= least {
			return ""
		}
		return fmt.Sprintf("the answer is similar to its reference by %.2f, less than %.2f", best, least)
	}, nil
}

// fingerprint is what two texts are compared by; both lists are sorted and
// distinct.
type fingerprint struct{ words, letters []uint64 }

func newFingerprint(s string) fingerprint {
	words := wordHashes(s)
	return fingerprint{letters: letterTrigrams(s), words: distinct(words)}
}

func (f fingerprint) similarity(g fingerprint) float64 {
	return max(dice(f.words, g.words), dice(f.letters, g.letters))
}

// letterTrigrams returns the distinct runs of three letters of a text, with
// all that is no letter as one space.
func letterTrigrams(s string) []uint64 {
	s = cutBytes(s, maxCompared)
	out := make([]uint64, 0, min(len(s), 4096))
	a, b := ' ', ' '
	for _, r := range s + " " {
		if !isWordRune(r) {
			r = ' '
		}
		if r == ' ' && b == ' ' {
			continue
		}
		r = unicode.ToLower(r)
		out = append(out, addRune(addRune(addRune(fnvOffset, a), b), r))
		a, b = b, r
	}
	return distinct(out)
}
