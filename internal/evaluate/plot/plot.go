// Package plot writes the evaluation's two kinds of pictures as SVG: lines on
// logarithmic axes, and bars by category. They follow the reader's light or
// dark scheme, need no script or font, and are the same bytes for the same
// data. It is not a plotting library.
package plot

import (
	"fmt"
	"math"
	"strings"
)

// Point is one measured point; Marked ones are drawn larger and labelled.
type Point struct {
	X, Y  float64
	Label string
}

// Line is one named line. Hue is its place in the palette, from 0; Dashed for
// what is computed, not measured.
type Line struct {
	Name   string
	Hue    int
	Dashed bool
	Points []Point
}

// Lines is a picture with logarithmic axes.
type Lines struct {
	Title, X, Y string
	Lines       []Line
}

const (
	width, height            = 820, 500
	left, right, top, bottom = 70, 200, 46, 56
)

const style = `<style>
text{font:13px system-ui,sans-serif;fill:#222}
.t{font-size:16px;font-weight:600}.s{font-size:11px;fill:#555}
.g{stroke:#ddd}.a{stroke:#888}.b{fill:#fff}
.h0{--c:#1668c7}.h1{--c:#0a8f5b}.h2{--c:#c2410c}.h3{--c:#9333ea}.h4{--c:#b45309}.h5{--c:#be185d}.h6{--c:#0e7490}.h7{--c:#6b7280}.h8{--c:#4d7c0f}
.l{fill:none;stroke:var(--c);stroke-width:2}.d{stroke-dasharray:6 5}.p{fill:var(--c)}.n{fill:var(--c);font-weight:600}
@media(prefers-color-scheme:dark){
text{fill:#e6e6e6}.s{fill:#aaa}.g{stroke:#333}.a{stroke:#888}.b{fill:#15181c}
.h0{--c:#6bb1ff}.h1{--c:#4ade80}.h2{--c:#fb923c}.h3{--c:#c084fc}.h4{--c:#fbbf24}.h5{--c:#f472b6}.h6{--c:#22d3ee}.h7{--c:#9ca3af}.h8{--c:#a3e635}}
</style>`

// begin writes what all pictures begin with.
func begin(b *strings.Builder, title string, h int) {
	fmt.Fprintf(b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="%s">`+"\n", width, h, escape(title))
	b.WriteString(style + "\n")
	fmt.Fprintf(b, `<rect class="b" width="%d" height="%d"/>`+"\n", width, h)
	fmt.Fprintf(b, `<text class="t" x="%d" y="26">%s</text>`+"\n", left-50, escape(title))
}

// scale maps values to pixels by their logarithms.
type scale struct{ lo, hi, from, to float64 }

func (s scale) at(v float64) float64 {
	return s.from + (s.to-s.from)*(math.Log10(v)-s.lo)/(s.hi-s.lo)
}

// fit makes a scale of whole and half decades around the values.
func fit(vs []float64, from, to float64) scale {
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, v := range vs {
		if v > 0 && !math.IsInf(v, 0) {
			lo, hi = math.Min(lo, math.Log10(v)), math.Max(hi, math.Log10(v))
		}
	}
	if lo > hi {
		lo, hi = 0, 1
	}
	lo, hi = math.Floor(2*lo-.2)/2, math.Ceil(2*hi+.2)/2
	return scale{lo, hi, from, to}
}

// ticks are 1, 2 and 5 of every decade, or 1 only where there are many.
func (s scale) ticks() []float64 {
	steps := []float64{1, 2, 5}
	if s.hi-s.lo > 4 {
		steps = steps[:1]
	}
	var vs []float64
	for e := math.Floor(s.lo); e <= s.hi; e++ {
		for _, m := range steps {
			if v := m * math.Pow(10, e); math.Log10(v) >= s.lo-1e-9 && math.Log10(v) <= s.hi+1e-9 {
				vs = append(vs, v)
			}
		}
	}
	return vs
}

// SVG draws the lines.
func (p Lines) SVG() string {
	var b strings.Builder
	begin(&b, p.Title, height)
	var xs, ys []float64
	for _, l := range p.Lines {
		for _, q := range l.Points {
			xs, ys = append(xs, q.X), append(ys, q.Y)
		}
	}
	x, y := fit(xs, left, width-right), fit(ys, height-bottom, top)
	p.axes(&b, x, y)
	for i, l := range p.Lines {
		p.line(&b, l, x, y)
		at := top + 20*i
		dash := ""
		if l.Dashed {
			dash = " d"
		}
		fmt.Fprintf(&b, `<path class="l h%d%s" d="M%d %dh22"/><text class="n h%d" x="%d" y="%d">%s</text>`+"\n", l.Hue, dash, width-right+14, at+8, l.Hue, width-right+42, at+12, escape(l.Name))
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func (p Lines) axes(b *strings.Builder, x, y scale) {
	for _, v := range x.ticks() {
		fmt.Fprintf(b, `<path class="g" d="M%.1f %dV%d"/><text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n", x.at(v), top, height-bottom, x.at(v), height-bottom+18, number(v))
	}
	for _, v := range y.ticks() {
		fmt.Fprintf(b, `<path class="g" d="M%d %.1fH%d"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n", left, y.at(v), width-right, left-6, y.at(v)+4, number(v))
	}
	fmt.Fprintf(b, `<path class="a" fill="none" d="M%d %dV%dH%d"/>`+"\n", left, top, height-bottom, width-right)
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", (left+width-right)/2, height-14, escape(p.X))
	fmt.Fprintf(b, `<text transform="translate(18 %d) rotate(-90)" text-anchor="middle">%s</text>`+"\n", (top+height-bottom)/2, escape(p.Y))
}

func (p Lines) line(b *strings.Builder, l Line, x, y scale) {
	var path strings.Builder
	step := "M"
	for _, q := range l.Points {
		if q.X > 0 && q.Y > 0 {
			fmt.Fprintf(&path, "%s%.1f %.1f", step, x.at(q.X), y.at(q.Y))
			step = "L"
		}
	}
	dash := ""
	if l.Dashed {
		dash = " d"
	}
	fmt.Fprintf(b, `<path class="l h%d%s" d="%s"/>`+"\n", l.Hue, dash, path.String())
	for _, q := range l.Points {
		if !(q.X > 0 && q.Y > 0) || l.Dashed {
			continue
		}
		r := 3.0
		if q.Label != "" {
			r = 5.5
			fmt.Fprintf(b, `<text class="s" x="%.1f" y="%.1f">%s</text>`+"\n", x.at(q.X)+7, y.at(q.Y)-7, escape(q.Label))
		}
		fmt.Fprintf(b, `<circle class="p h%d" cx="%.1f" cy="%.1f" r="%.1f"/>`+"\n", l.Hue, x.at(q.X), y.at(q.Y), r)
	}
}

// Bars is a picture of several values for each category, on a linear axis that
// begins at zero.
type Bars struct {
	Title, X   string
	Names      []string // of the values
	Hues       []int
	Categories []string
	Values     [][]float64 // by category, then by name
}

// SVG draws the bars, lying down.
func (p Bars) SVG() string {
	const bar, gap, names = 11, 14, 190
	block := bar*len(p.Names) + gap
	h := top + 34 + block*len(p.Categories) + bottom
	var b strings.Builder
	begin(&b, p.Title, h)
	most := 0.0
	for _, vs := range p.Values {
		for _, v := range vs {
			if !math.IsNaN(v) {
				most = math.Max(most, v)
			}
		}
	}
	if most == 0 {
		most = 1
	}
	unit := (width - names - 90) / most
	for i, n := range p.Names {
		fmt.Fprintf(&b, `<rect class="p h%d" x="%d" y="%d" width="14" height="12"/><text class="n h%d" x="%d" y="%d">%s</text>`+"\n", p.Hues[i], left-50+i*250, top-4, p.Hues[i], left-30+i*250, top+7, escape(n))
	}
	for c, vs := range p.Values {
		y := top + 34 + c*block
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", names-8, y+block/2, escape(p.Categories[c]))
		for i, v := range vs {
			if math.IsNaN(v) {
				continue
			}
			at := y + i*bar
			fmt.Fprintf(&b, `<rect class="p h%d" x="%d" y="%d" width="%.1f" height="%d"/><text class="s" x="%.1f" y="%d">%s</text>`+"\n", p.Hues[i], names, at, math.Max(1, v*unit), bar-2, names+v*unit+5, at+9, number(v))
		}
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d">%s</text>`+"\n</svg>\n", names, h-18, escape(p.X))
	return b.String()
}

// number writes three digits at most.
func number(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v >= 1000:
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")

func escape(s string) string { return escaper.Replace(s) }
