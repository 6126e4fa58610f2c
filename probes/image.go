package probes

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/llm"
)

const (
	maxPixels    = 4096 * 4096 // decoded one picture at a time: 64 MiB at most
	maxImageBody = 32 << 20    // of an answer with a picture, in base64
	maxScans     = 64          // of a progressive JPEG; usual are ten
)

// paint takes a whole answer with a picture.
func (r *reply) paint(codec llm.Codec, body []byte) {
	x, ok := codec.(llm.Painter)
	if !ok { // it wrote the call; it reads the answer
		r.fail = failure{bellwether.ClientError, "read answer: the protocol has no images"}
		return
	}
	a, err := x.DecodeImages(body)
	if r.decoded(err) {
		r.usage, r.pictures = a.Usage, a.Images
	}
}

// picture is what is known of one.
type picture struct {
	format        string
	width, height int
}

// decodePicture decodes the whole of a picture: what is cut short is none.
func decodePicture(b []byte) (p picture, err error) {
	var config func() (image.Config, error)
	var decode func() (image.Image, error)
	switch {
	case bytes.HasPrefix(b, []byte("\x89PNG")):
		p.format = "PNG"
		config = func() (image.Config, error) { return png.DecodeConfig(bytes.NewReader(b)) }
		decode = func() (image.Image, error) { return png.Decode(bytes.NewReader(b)) }
	case bytes.HasPrefix(b, []byte("\xff\xd8")):
		p.format = "JPEG"
		if bytes.Count(b, []byte("\xff\xda")) > maxScans {
			return p, errors.New("is a JPEG of so many scans that decoding it could take minutes")
		}
		config = func() (image.Config, error) { return jpeg.DecodeConfig(bytes.NewReader(b)) }
		decode = func() (image.Image, error) { return jpeg.Decode(bytes.NewReader(b)) }
	case bytes.HasPrefix(b, []byte("GIF8")):
		p.format = "GIF"
		config = func() (image.Config, error) { return gif.DecodeConfig(bytes.NewReader(b)) }
		decode = func() (image.Image, error) { return gif.Decode(bytes.NewReader(b)) }
	default:
		return p, errors.New("is neither PNG nor JPEG nor GIF")
	}
	c, err := config()
	if err != nil {
		return p, fmt.Errorf("is no %s: %w", p.format, err)
	}
	p.width, p.height = c.Width, c.Height
	if c.Width <= 0 || c.Height <= 0 || c.Width > maxPixels/c.Height {
		return p, fmt.Errorf("is %d x %d, which is too large to be looked at", c.Width, c.Height)
	}
	if _, err = decode(); err != nil {
		return p, fmt.Errorf("is a broken %s: %w", p.format, err)
	}
	return p, nil
}

// examineImage looks at the first picture of an answer: that it is a whole one,
// and of the size that was asked for. Both are reported only when they fail.
// Pictures are decoded one at a time.
func (p *Prober) examineImage(ctx context.Context, j Job, r *reply) (outcome bellwether.Outcome, results []bellwether.CheckResult, notes []string) {
	bad := func(name, text string, args ...any) {
		outcome = bellwether.BadOutput
		results = append(results, bellwether.CheckResult{Name: name, Detail: cutBytes(printable(fmt.Sprintf(text, args...)), 200)})
	}
	outcome = bellwether.OK
	first := r.pictures[0]
	if first.Data == "" {
		r.summary = "the address of a picture"
		return outcome, nil, []string{"image: the answer is the address of a picture, which is not fetched"}
	}
	select {
	case p.looking <- struct{}{}:
		defer func() { <-p.looking }()
	case <-ctx.Done():
		return outcome, nil, []string{"image: there was no time to look at it"}
	}
	b, err := base64.StdEncoding.DecodeString(first.Data)
	if err != nil {
		bad("image", "the picture cannot be read: %v", err)
		return outcome, results, nil
	}
	got, err := decodePicture(b)
	if err != nil {
		bad("image", "the picture %v", err)
		return outcome, results, nil
	}
	r.summary = fmt.Sprintf("a %s of %dx%d, %d bytes", got.format, got.width, got.height, len(b))
	if w, h, _ := sizeOf(j.Canary.Size); w > 0 && (got.width != w || got.height != h) {
		bad("size", "the picture is %dx%d, not %s", got.width, got.height, j.Canary.Size)
	}
	return outcome, results, nil
}
