package probes

import (
	"slices"
	"unicode"
)

// maxCompared bounds how much of a text is taken apart into words, in bytes.
// It keeps the cost of one answer at a few milliseconds, whatever it holds.
const maxCompared = 64 << 10

// FNV-1a, 64 bits.
const (
	fnvOffset = 14695981039346656037
	fnvPrime  = 1099511628211
)

// wordHashes returns one hash for each word of s, in order: runs of letters,
// digits and the marks on them, upper and lower case alike. In scripts written
// without spaces (Chinese, Japanese, Thai) every character is a word. At most
// [maxCompared] bytes are read.
func wordHashes(s string) []uint64 {
	s = cutBytes(s, maxCompared)
	hashes := make([]uint64, 0, min(len(s)/5+1, 1024))
	var h uint64
	for _, r := range s {
		switch {
		case isUnspaced(r):
			if h != 0 {
				hashes = append(hashes, h)
			}
			hashes, h = append(hashes, addRune(fnvOffset, r)), 0
		case isWordRune(r):
			if h == 0 {
				h = fnvOffset
			}
			h = addRune(h, unicode.ToLower(r))
		case h != 0:
			hashes, h = append(hashes, h), 0
		}
	}
	if h != 0 {
		hashes = append(hashes, h)
	}
	return hashes
}

func addRune(h uint64, r rune) uint64 {
	for range 4 {
		h = (h ^ uint64(r&0xff)) * fnvPrime
		r >>= 8
	}
	return h
}

func isWordRune(r rune) bool {
	if r < 0x80 {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
	}
	return unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsDigit(r)
}

func isUnspaced(r rune) bool {
	return r >= 0x0e00 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai)
}

// shingles returns a hash for every n neighbouring words; for fewer words than
// n, one hash of them all.
func shingles(words []uint64, n int) []uint64 {
	if len(words) == 0 {
		return nil
	}
	n = min(n, len(words))
	out := make([]uint64, 0, len(words)-n+1)
	for i := 0; i+n <= len(words); i++ {
		h := uint64(fnvOffset)
		for _, w := range words[i : i+n] {
			h = mix(h ^ w)
		}
		out = append(out, h)
	}
	return out
}

// mix scatters h over all its bits (the finaliser of SplitMix64).
func mix(h uint64) uint64 {
	h += 0x9e3779b97f4a7c15
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// distinct sorts hashes in place and returns them without what occurs twice.
func distinct(hashes []uint64) []uint64 {
	slices.Sort(hashes)
	return slices.Compact(hashes)
}

// repetition is the share of word trigrams that occurred before in the text:
// 1 - distinct / all. Range [0, 1); 0 for texts of fewer than four words.
func repetition(words []uint64) float64 {
	tri := shingles(words, 3)
	all := len(tri)
	if all < 2 {
		return 0
	}
	return 1 - float64(len(distinct(tri)))/float64(all)
}

// dice is how much of two sets is common to both: 2 |a and b| / (|a| + |b|).
// Both are sorted and distinct. Range [0, 1]; 0 when either is empty.
func dice(a, b []uint64) float64 {
	if len(a) == 0 || len(b) == 0 {
		return 0
	}
	common := 0
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i] < b[j]:
			i++
		case a[i] > b[j]:
			j++
		default:
			common, i, j = common+1, i+1, j+1
		}
	}
	return 2 * float64(common) / float64(len(a)+len(b))
}
