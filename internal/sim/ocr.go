package sim

import (
	"image"
	"image/color"
	"math/bits"
)

// glyphs are the digits from 0 on as a small font has them, five columns by
// seven rows.
var glyphs = [10][7]uint8{
	{0b01110, 0b10001, 0b10011, 0b10101, 0b11001, 0b10001, 0b01110}, {0b00100, 0b01100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110},
	{0b01110, 0b10001, 0b00001, 0b00010, 0b00100, 0b01000, 0b11111}, {0b11111, 0b00010, 0b00100, 0b00010, 0b00001, 0b10001, 0b01110},
	{0b00010, 0b00110, 0b01010, 0b10010, 0b11111, 0b00010, 0b00010}, {0b11111, 0b10000, 0b11110, 0b00001, 0b00001, 0b10001, 0b01110},
	{0b00110, 0b01000, 0b10000, 0b11110, 0b10001, 0b10001, 0b01110}, {0b11111, 0b00001, 0b00010, 0b00100, 0b01000, 0b01000, 0b01000},
	{0b01110, 0b10001, 0b10001, 0b01110, 0b10001, 0b10001, 0b01110}, {0b01110, 0b10001, 0b10001, 0b01111, 0b00001, 0b00010, 0b01100},
}

// ink is where a picture is dark.
type ink struct {
	at   func(x, y int) bool
	w, h int
}

func inkOf(img image.Image) ink {
	b := img.Bounds()
	return ink{w: b.Dx(), h: b.Dy(), at: func(x, y int) bool {
		return color.GrayModel.Convert(img.At(b.Min.X+x, b.Min.Y+y)).(color.Gray).Y < 128
	}}
}

// maxDigits bounds what is read in one picture.
const maxDigits = 32

// readDigits reads dark digits in one line on a light ground: it cuts where a
// column is empty and takes each piece for the digit whose shape, stretched to
// the same size, is nearest. "" where nothing is to be read.
func readDigits(img image.Image) string {
	p := inkOf(img)
	var out []byte
	for x := 0; x < p.w && len(out) < maxDigits; {
		if !p.column(x) {
			x++
			continue
		}
		from := x
		for x < p.w && p.column(x) {
			x++
		}
		if d, ok := p.digit(from, x); ok {
			out = append(out, '0'+byte(d))
		}
	}
	return string(out)
}

func (p ink) column(x int) bool {
	for y := range p.h {
		if p.at(x, y) {
			return true
		}
	}
	return false
}

// digit takes what is between two columns for a digit.
func (p ink) digit(from, to int) (int, bool) {
	row := func(y int) bool {
		for x := from; x < to; x++ {
			if p.at(x, y) {
				return true
			}
		}
		return false
	}
	top, bottom := 0, p.h
	for top < p.h && !row(top) {
		top++
	}
	for bottom > top && !row(bottom-1) {
		bottom--
	}
	seen := stretched(func(x, y int) bool { return p.at(from+x, top+y) }, to-from, bottom-top)
	best, least := 0, 65
	for d, g := range glyphs {
		left, right := trim(g)
		known := stretched(func(x, y int) bool { return g[y]>>(4-left-x)&1 == 1 }, right-left, 7)
		if n := bits.OnesCount64(seen ^ known); n < least {
			best, least = d, n
		}
	}
	return best, least < 16
}

// trim returns the columns between which a glyph has ink.
func trim(g [7]uint8) (left, right int) {
	all := uint8(0)
	for _, row := range g {
		all |= row
	}
	return bits.LeadingZeros8(all) - 3, 5 - bits.TrailingZeros8(all)
}

// stretched is a shape on a grid of eight by eight.
func stretched(at func(x, y int) bool, w, h int) (grid uint64) {
	for i := range 64 {
		if at((2*(i%8)+1)*w/16, (2*(i/8)+1)*h/16) {
			grid |= 1 << i
		}
	}
	return grid
}
