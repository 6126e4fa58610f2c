package sim

import (
	"unicode"
	"unicode/utf8"
)

// maxPiece is the most letters that one token holds. Real tokenizers hold
// about four characters a token over English prose; with this limit so do we.
const maxPiece = 7

// nextPiece returns the length in bytes of the first token of s: at most one
// space and then a run of letters, a run of up to three digits, or one other
// character. Pieces joined give s again.
func nextPiece(s string) int {
	i := 0
	if len(s) > 1 && s[0] == ' ' {
		i = 1
	}
	r, n := utf8.DecodeRuneInString(s[i:])
	i += n
	limit, same := 0, unicode.IsLetter
	switch {
	case unicode.IsLetter(r):
		limit = maxPiece
	case unicode.IsDigit(r):
		limit, same = 3, unicode.IsDigit
	}
	for k := 1; k < limit && i < len(s); k++ {
		if r, n = utf8.DecodeRuneInString(s[i:]); !same(r) {
			break
		}
		i += n
	}
	return i
}

// pieces cuts s into tokens.
func pieces(s string) []string {
	var out []string
	for s != "" {
		n := nextPiece(s)
		out = append(out, s[:n])
		s = s[n:]
	}
	return out
}

// countPieces is len(pieces(s)) without the memory.
func countPieces(s string) int {
	n := 0
	for ; s != ""; n++ {
		s = s[nextPiece(s):]
	}
	return n
}
