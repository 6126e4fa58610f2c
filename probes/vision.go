package probes

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/adler32"
	"hash/crc32"
	"math/rand/v2"
	"strconv"

	"github.com/bellwether-llm/bellwether/llm"
)

// What a picture of a challenge counts as input tokens: from 33 (Anthropic) to
// 8500 (the smallest models of OpenAI).
const (
	usualPicture   = 260
	dearestPicture = 8600
)

// poseVision shows a number of three digits and asks for it. Every number from
// 100 to 999 is as likely.
func poseVision(r *rand.Rand) question {
	n := 100 + r.IntN(900)
	return question{
		prompt:  "The picture shows a number of three digits. Which number is it? Answer with the number only.",
		checks:  []CheckSpec{{"number": n}},
		picture: drawDigits(strconv.Itoa(n)),
	}
}

// font is the digits from 0 on, five columns by seven rows.
var font = [10][7]byte{
	{0b01110, 0b10001, 0b10011, 0b10101, 0b11001, 0b10001, 0b01110},
	{0b00100, 0b01100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110},
	{0b01110, 0b10001, 0b00001, 0b00010, 0b00100, 0b01000, 0b11111},
	{0b11111, 0b00010, 0b00100, 0b00010, 0b00001, 0b10001, 0b01110},
	{0b00010, 0b00110, 0b01010, 0b10010, 0b11111, 0b00010, 0b00010},
	{0b11111, 0b10000, 0b11110, 0b00001, 0b00001, 0b10001, 0b01110},
	{0b00110, 0b01000, 0b10000, 0b11110, 0b10001, 0b10001, 0b01110},
	{0b11111, 0b00001, 0b00010, 0b00100, 0b01000, 0b01000, 0b01000},
	{0b01110, 0b10001, 0b10001, 0b01110, 0b10001, 0b10001, 0b01110},
	{0b01110, 0b10001, 0b10001, 0b01111, 0b00001, 0b00010, 0b01100},
}

// drawDigits returns a PNG of black digits on white, each dot of the font of
// ten by ten pixels. The pixels are stored, not compressed: 3 KiB for three
// digits, and no work to speak of.
func drawDigits(digits string) []byte {
	const dot, wide, high = 10, 5 + 1, 7 + 2 // with what stands around a digit
	width, height := dot*(wide*len(digits)+1), dot*high
	row := (width + 7) / 8
	pixels := bytes.Repeat([]byte{0xff}, (1+row)*height) // a bit each; a byte before every row says: as it is
	for y := range height {
		line := pixels[y*(1+row):]
		line[0] = 0
		dy := y/dot - 1
		if dy < 0 || dy > 6 {
			continue
		}
		for x := range width {
			k, dx := (x/dot-1)/wide, (x/dot-1)%wide
			if x >= dot && dx < 5 && k < len(digits) && font[digits[k]-'0'][dy]>>(4-dx)&1 == 1 {
				line[1+x/8] &^= 0x80 >> (x % 8)
			}
		}
	}
	head := binary.BigEndian.AppendUint32(nil, uint32(width))
	head = binary.BigEndian.AppendUint32(head, uint32(height))
	head = append(head, 1, 0, 0, 0, 0) // one bit of grey
	n := uint16(len(pixels))
	data := binary.LittleEndian.AppendUint16([]byte{0x78, 0x01, 1}, n)
	data = append(binary.LittleEndian.AppendUint16(data, ^n), pixels...)
	data = binary.BigEndian.AppendUint32(data, adler32.Checksum(pixels))
	out := []byte("\x89PNG\r\n\x1a\n")
	for _, c := range []struct {
		name string
		data []byte
	}{{"IHDR", head}, {"IDAT", data}, {"IEND", nil}} {
		out = binary.BigEndian.AppendUint32(out, uint32(len(c.data)))
		at := len(out)
		out = append(append(out, c.name...), c.data...)
		out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[at:]))
	}
	return out
}

// shows is the user's message with the picture that goes with its text.
func shows(text string, png []byte) llm.Message {
	return llm.Message{Role: llm.RoleUser, Text: text, Parts: []llm.Part{
		{Kind: llm.PartImage, Image: &llm.Image{MIME: "image/png", Data: base64.StdEncoding.EncodeToString(png)}},
		{Kind: llm.PartText, Text: text},
	}}
}
