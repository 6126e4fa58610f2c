package sim

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"hash/fnv"
	"image"
	"image/color"
	"image/png"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/bellwether-llm/bellwether/llm"
)

// pictureSide is how wide and high a picture is for which no size was asked.
const pictureSide = 64

// Limits of what one request gets.
const (
	maxPictures    = 10
	maxPictureSide = 2048
)

// picturePart is the tokens that a picture counts for, in and out.
const picturePart = 258

// paints are the colours that have a name.
var paints = []struct {
	name string
	is   color.RGBA
}{
	{"red", color.RGBA{200, 30, 30, 255}}, {"green", color.RGBA{30, 150, 60, 255}}, {"blue", color.RGBA{30, 70, 200, 255}},
	{"yellow", color.RGBA{240, 210, 40, 255}}, {"orange", color.RGBA{240, 140, 30, 255}}, {"purple", color.RGBA{130, 50, 170, 255}},
	{"pink", color.RGBA{245, 150, 190, 255}}, {"brown", color.RGBA{120, 75, 40, 255}}, {"black", color.RGBA{15, 15, 15, 255}},
	{"white", color.RGBA{250, 250, 250, 255}}, {"gray", color.RGBA{128, 128, 128, 255}},
}

// readImage reads a request for pictures.
func readImage(codec any, at place, body []byte) (task, error) {
	painter, ok := codec.(llm.Painter)
	if !ok {
		return task{}, fmt.Errorf("%s makes no images", at.proto)
	}
	r, err := painter.DecodeImageRequest(at.path, body)
	if err != nil {
		return task{}, err
	}
	if r.Count > maxPictures {
		return task{}, fmt.Errorf("n: at most %d", maxPictures)
	}
	width, height, err := sizeOf(r.Size)
	if err != nil {
		return task{}, err
	}
	t := task{req: llm.Request{Model: r.Model, Messages: []llm.Message{{Role: llm.RoleUser, Text: r.Prompt}}}}
	t.body = func(p *plan) []byte {
		n := max(1, r.Count)
		if p.bent.empty {
			n = 0
		}
		a := llm.Images{Usage: &llm.Usage{Input: p.usage.Input, Output: n * picturePart}}
		for i := range n {
			a.Images = append(a.Images, llm.Image{MIME: "image/png", Data: p.bent.picture(r.Prompt, width, height, i)})
		}
		return painter.EncodeImages(r, a)
	}
	return t, nil
}

// sizeOf reads "1024x1024"; what is left to the model is small.
func sizeOf(size string) (width, height int, err error) {
	if size == "" || size == "auto" {
		return pictureSide, pictureSide, nil
	}
	w, h, _ := strings.Cut(size, "x")
	width, errW := strconv.Atoi(w)
	height, errH := strconv.Atoi(h)
	if errW != nil || errH != nil || width < 1 || height < 1 || width > maxPictureSide || height > maxPictureSide {
		return 0, 0, fmt.Errorf("size %.40q: write a width and a height up to %d, such as 1024x1024", size, maxPictureSide)
	}
	return width, height, nil
}

// picture is a picture in base64 as faults on content have it.
func (b bent) picture(prompt string, width, height, i int) string {
	switch {
	case b.terse:
		width, height = 1, 1
	case b.factor > 1:
		width, height = min(int(b.factor*float64(width)), maxPictureSide), min(int(b.factor*float64(height)), maxPictureSide)
	}
	if b.offTopic {
		prompt = offTopics[0]
	}
	if b.repeated {
		i = 0
	}
	return base64.StdEncoding.EncodeToString(paint(prompt, width, height, i))
}

// paint returns a PNG in the colour that the prompt names, else in one of its
// own, with a stripe that tells the i-th picture from the others.
func paint(prompt string, width, height, i int) []byte {
	h := fnv.New32a()
	_, _ = h.Write([]byte(prompt))
	main := paints[h.Sum32()%uint32(len(paints))].is
	lower := strings.ToLower(prompt)
	for _, p := range paints {
		if strings.Contains(lower, p.name) {
			main = p.is
			break
		}
	}
	stripe := color.RGBA{main.R / 2, main.G / 2, main.B / 2, 255}
	img := image.NewPaletted(image.Rect(0, 0, width, height), color.Palette{main, stripe}) // two colours: a bit for each pixel
	row := int(h.Sum32()>>8+uint32(7*i)) % height
	for x := range width {
		if height > 4 {
			img.SetColorIndex(x, row, 1)
		}
	}
	var out bytes.Buffer
	_ = png.Encode(&out, img) // to memory, of a size that fits
	return out.Bytes()
}

var (
	colourAsked = regexp.MustCompile(`(?i)\bcolou?r\b`)
	numberAsked = regexp.MustCompile(`(?i)\b(?:numbers?|digits?|read)\b`)
)

// look answers a question about the first picture that came with it: its
// colour, or the digits in it. Pictures that are no PNG it does not see.
func look(text string, parts []llm.Part) (q question, ok bool) {
	if text = focusOf(text); len(parts) > 0 {
		q.brief = brief.MatchString(text)
	}
	for _, p := range parts {
		if p.Kind != llm.PartImage {
			continue
		}
		img := decode(p.Image.Data)
		switch {
		case img == nil:
		case colourAsked.MatchString(text):
			name := nameColour(img)
			q.short, q.long = titled(name), "The picture is mostly "+name+"."
			return q, true
		case numberAsked.MatchString(text):
			if q.short = readDigits(img); q.short != "" {
				q.long = "The picture shows the number " + q.short + "."
				return q, true
			}
		}
	}
	return question{}, false
}

// decode reads a PNG in base64; nil when it is none, or too large.
func decode(data string) image.Image {
	raw, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return nil
	}
	if c, err := png.DecodeConfig(bytes.NewReader(raw)); err != nil || c.Width*c.Height > 1<<22 {
		return nil
	}
	img, err := png.Decode(bytes.NewReader(raw))
	if err != nil {
		return nil
	}
	return img
}

// nameColour names the colour in which most of a picture is: the nearest of
// those with a name, by points on a grid.
func nameColour(img image.Image) string {
	const grid = 16
	votes := make([]int, len(paints))
	b := img.Bounds()
	for i := range grid * grid {
		c := color.RGBAModel.Convert(img.At(b.Min.X+i%grid*b.Dx()/grid, b.Min.Y+i/grid*b.Dy()/grid)).(color.RGBA)
		best, least := 0, 1<<30
		for k, p := range paints {
			r, g, bl := int(c.R)-int(p.is.R), int(c.G)-int(p.is.G), int(c.B)-int(p.is.B)
			if d := r*r + g*g + bl*bl; d < least {
				best, least = k, d
			}
		}
		votes[best]++
	}
	return paints[slices.Index(votes, slices.Max(votes))].name
}
