package sketch

import (
	"errors"
	"fmt"
	"math"

	enc "github.com/DataDog/sketches-go/ddsketch/encoding"
	"github.com/DataDog/sketches-go/ddsketch/mapping"
)

// Limits of what [Parse] reads. A sketch of ours has at most 2,073 bins of at
// most 12 bytes each.
const (
	maxBytes = 64 << 10
	maxBins  = 4096
	maxCount = 1e15 // in all; beyond 2^53 counting by one has no effect
)

var errCut = errors.New("sketch: parse: the data ends in the middle")

// Bytes returns the sketch in the encoding of DataDog's sketches-go: first the
// index mapping (17 bytes, the same for every sketch), then the counts. Equal
// sketches have equal bytes.
func (s *Sketch) Bytes() []byte {
	var b []byte
	s.d.Encode(&b, false)
	if zero := s.d.GetZeroCount(); zero != 0 {
		b = zeroLast(b, zero)
	}
	return b
}

// zeroLast moves the count of zeros, which the library writes first, behind
// the mapping, so that every sketch starts with the same bytes.
func zeroLast(b []byte, zero float64) []byte {
	n := 1 + enc.Varfloat64Size(zero)
	return append(append(make([]byte, 0, len(b)), b[n:]...), b[:n]...)
}

// prefix is the index mapping as it is written; a string, so that nobody can
// change it.
var prefix = string(New().Bytes())

// Prefix returns the bytes that every sketch starts with. Whoever keeps many
// small sketches may leave them out; [Parse] reads a sketch without them.
func Prefix() string { return prefix }

// Parse reads what [Sketch.Bytes] wrote. It trusts nothing: data that is too
// long, cut, of another accuracy, or holding negative values or counts is an
// error, and no input makes it allocate more than a full sketch.
func Parse(b []byte) (*Sketch, error) {
	if len(b) > maxBytes {
		return nil, fmt.Errorf("sketch: parse: %d bytes, at most %d are read", len(b), maxBytes)
	}
	s := New()
	for len(b) > 0 {
		flag, err := enc.DecodeFlag(&b)
		if err != nil {
			return nil, errCut
		}
		switch {
		case flag.Type() == enc.FlagTypeIndexMapping:
			err = s.parseMapping(&b, flag)
		case flag.Type() == enc.FlagTypePositiveStore:
			err = parseBins(&b, flag.SubFlag(), s.addBin)
		case flag == enc.FlagZeroCountVarFloat:
			var n float64
			if n, err = parseCount(&b); err == nil && n > 0 {
				err = s.d.AddWithCount(0, n)
			}
		case flag == enc.FlagCount || flag == enc.FlagSum || flag == enc.FlagMin || flag == enc.FlagMax:
			err = skipSummary(&b, flag)
		default:
			err = errors.New("sketch: parse: a part of a kind that is not read here")
		}
		if err != nil {
			return nil, err
		}
	}
	if n := s.Count(); n > maxCount {
		return nil, fmt.Errorf("sketch: parse: %v values, at most %v are read", n, maxCount)
	}
	return s, nil
}

func (s *Sketch) addBin(index int64, n float64) error {
	if index < int64(s.d.Index(Smallest)) || index > int64(s.d.Index(Largest)) {
		return fmt.Errorf("sketch: parse: bin %d is out of range", index)
	}
	s.d.GetPositiveValueStore().AddWithCount(int(index), n)
	return nil
}

// skipSummary passes over exact statistics that other writers may add: the
// count as a varfloat, the others as eight bytes.
func skipSummary(b *[]byte, flag enc.Flag) error {
	if flag == enc.FlagCount {
		_, err := parseCount(b)
		return err
	}
	if _, err := enc.DecodeFloat64LE(b); err != nil {
		return errCut
	}
	return nil
}

func (s *Sketch) parseMapping(b *[]byte, flag enc.Flag) error {
	m, err := mapping.Decode(b, flag)
	if err != nil {
		return fmt.Errorf("sketch: parse: mapping: %w", err)
	}
	if !s.d.IndexMapping.Equals(m) {
		return errors.New("sketch: parse: not a logarithmic sketch of 1 % relative accuracy")
	}
	return nil
}

// parseBins reads bins in any of the three encodings. It does not use the
// library's own reader, which swallows errors and believes any index.
func parseBins(b *[]byte, mode enc.SubFlag, add func(index int64, n float64) error) error {
	bins, err := enc.DecodeUvarint64(b)
	if err != nil {
		return errCut
	}
	if bins > maxBins {
		return fmt.Errorf("sketch: parse: %d bins, at most %d are read", bins, maxBins)
	}
	var index, step int64
	if mode == enc.BinEncodingContiguousCounts {
		if index, step, err = parseRun(b); err != nil {
			return err
		}
	}
	for range bins {
		n := 1.0
		if mode != enc.BinEncodingContiguousCounts {
			if step, err = enc.DecodeVarint64(b); err != nil {
				return errCut
			}
			index += step
		}
		if mode != enc.BinEncodingIndexDeltas {
			if n, err = parseCount(b); err != nil {
				return err
			}
		}
		if n > 0 {
			if err := add(index, n); err != nil {
				return err
			}
		}
		if mode == enc.BinEncodingContiguousCounts {
			index += step
		}
	}
	return nil
}

// parseRun reads where a run of contiguous bins starts and how far apart they
// stand.
func parseRun(b *[]byte) (index, step int64, err error) {
	if index, err = enc.DecodeVarint64(b); err != nil {
		return 0, 0, errCut
	}
	if step, err = enc.DecodeVarint64(b); err != nil {
		return 0, 0, errCut
	}
	return index, step, nil
}

func parseCount(b *[]byte) (float64, error) {
	n, err := enc.DecodeVarfloat64(b)
	if err != nil {
		return 0, errCut
	}
	if math.IsNaN(n) || n < 0 || n > maxCount {
		return 0, fmt.Errorf("sketch: parse: a count of %v", n)
	}
	return n, nil
}
