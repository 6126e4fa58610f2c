package probes

import (
	"unicode"
	"unicode/utf8"
)

// What the usual tokenizers make of text, roughly: a word with the space before
// it is one token, a long word several, three digits one, any other character
// one. No tokenizer is linked; providers differ by a fifth or so.
const (
	wordToken  = 7 // letters of one token at most
	digitToken = 3
	perMessage = 4 // around each message
)

// usualInput is how many tokens a canary's prompt usually has. It is for saying
// what a day costs; what bounds a budget is inputTokens, which errs upwards.
func usualInput(c Canary) int {
	if c.Kind == embeddingKind {
		n := 0
		for _, text := range c.texts() {
			n += usualTokens(text)
		}
		return n
	}
	n := perMessage + usualTokens(c.sample())
	if made, ok := challengeOf(c.Challenge); ok && made.pictured {
		n += usualPicture
	}
	if c.System != "" {
		n += perMessage + usualTokens(c.System)
	}
	for _, t := range c.tools() {
		n += perMessage + usualTokens(t.Name) + usualTokens(t.Description) + usualTokens(string(t.Parameters))
	}
	if c.Nonce {
		n += usualTokens("[123456789] ")
	}
	return n
}

// usualTokens is how many tokens s usually has. O(len(s)).
func usualTokens(s string) int {
	n := 0
	for len(s) > 0 {
		n++
		if s[0] == ' ' && len(s) > 1 {
			s = s[1:]
		}
		r, size := utf8.DecodeRuneInString(s)
		s = s[size:]
		same, most := unicode.IsLetter, wordToken
		switch {
		case unicode.IsDigit(r):
			same, most = unicode.IsDigit, digitToken
		case isUnspaced(r) || !unicode.IsLetter(r):
			continue
		}
		for i := 1; i < most && len(s) > 0; i++ {
			r, size := utf8.DecodeRuneInString(s)
			if !same(r) || isUnspaced(r) {
				break
			}
			s = s[size:]
		}
	}
	return n
}
