package plot

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
)

func TestPicturesAreWellFormedWhateverTheyShow(t *testing.T) {
	for name, svg := range map[string]string{
		"lines": Lines{Title: `a "b" <c> & d`, X: "x", Y: "y", Lines: []Line{
			{Name: "one", Points: []Point{{X: .1, Y: 3}, {X: 10, Y: 1, Label: "<shipped>"}, {X: 0, Y: 5}}},
			{Name: "limit", Hue: 7, Dashed: true, Points: []Point{{X: .1, Y: 2}, {X: 100, Y: .5}}},
		}}.SVG(),
		"nothing": Lines{Title: "empty"}.SVG(),
		"bars":    Bars{Title: "b", Names: []string{"a", "b"}, Hues: []int{0, 1}, Categories: []string{"x", "y"}, Values: [][]float64{{1, 2}, {0, math.NaN()}}}.SVG(),
	} {
		d := xml.NewDecoder(strings.NewReader(svg))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
			t.Errorf("%s has coordinates that are no numbers", name)
		}
		if !strings.Contains(svg, "prefers-color-scheme:dark") {
			t.Errorf("%s does not follow the reader's scheme", name)
		}
	}
}
