package sqlite

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/bellwether-llm/bellwether"
	"github.com/bellwether-llm/bellwether/internal/sketch"
	"github.com/bellwether-llm/bellwether/store"
)

// nanos returns t as it is kept: Unix nanoseconds, 0 for no time. Times before
// 1970 and after 2262 cannot be kept and become the nearest that can.
func nanos(t time.Time) int64 {
	switch {
	case t.IsZero() || t.Year() < 1970:
		return 0
	case t.Year() > 2261:
		return 1<<63 - 1
	}
	return t.UnixNano()
}

func timeOf(nanos int64) time.Time {
	if nanos == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanos).UTC()
}

// encodeID returns an observation's id as it is kept: 16 bytes where it is a
// UUID in its usual form, else text.
func encodeID(id string) any {
	if len(id) != 36 || id[8] != '-' || id[13] != '-' || id[18] != '-' || id[23] != '-' || strings.ToLower(id) != id {
		return id
	}
	b, err := hex.DecodeString(strings.ReplaceAll(id, "-", ""))
	if err != nil || len(b) != 16 {
		return id
	}
	return b
}

func decodeID(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []byte:
		if len(v) == 16 {
			h := hex.EncodeToString(v)
			return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
		}
		return string(v)
	}
	return ""
}

// rollupRow is a rollup as it is kept.
type rollupRow struct {
	counts        string
	checks        *string
	input, output int
	cost          float64
	sketches      []byte
}

func (r *rollupRow) dest() []any {
	return []any{&r.counts, &r.checks, &r.input, &r.output, &r.cost, &r.sketches}
}

func rowOf(t *store.Tally) (rollupRow, error) {
	r := rollupRow{counts: "{}", input: t.Input, output: t.Output, cost: t.CostUSD, sketches: encodeSketches(t.Sketches)}
	if len(t.Counts) > 0 {
		b, err := json.Marshal(t.Counts)
		if err != nil {
			return r, err
		}
		r.counts = string(b)
	}
	if len(t.Checks) > 0 {
		b, err := json.Marshal(t.Checks)
		if err != nil {
			return r, err
		}
		r.checks = new(string(b))
	}
	return r, nil
}

func (r *rollupRow) tally() (*store.Tally, error) {
	t := &store.Tally{Input: r.input, Output: r.output, CostUSD: r.cost}
	if err := r.counted(&t.Counts, &t.Checks); err != nil {
		return nil, err
	}
	sketches, err := decodeSketches(r.sketches)
	if err != nil {
		return nil, err
	}
	t.Sketches = make(map[bellwether.Signal]*sketch.Sketch, len(sketches))
	for signal, b := range sketches {
		if t.Sketches[signal], err = sketch.Parse(b); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func (r *rollupRow) counted(counts *map[bellwether.Outcome]int, checks *map[string][2]int) error {
	if err := json.Unmarshal([]byte(r.counts), counts); err != nil {
		return err
	}
	if r.checks == nil {
		return nil
	}
	return json.Unmarshal([]byte(*r.checks), checks)
}

// sketchNames are the signals that are kept as one byte, their place here plus
// one. It is only ever added to.
func sketchNames() [5]bellwether.Signal {
	return [...]bellwether.Signal{bellwether.FirstToken, bellwether.InterToken, bellwether.Total,
		bellwether.OutputTokens, bellwether.Confidence}
}

// encodeSketches writes sketches one after the other: the signal (one byte, or
// 0 and its name), then the sketch without the bytes that all start with; names
// and sketches have their length before them.
func encodeSketches(m map[bellwether.Signal]*sketch.Sketch) []byte {
	if len(m) == 0 {
		return nil
	}
	names, skip := sketchNames(), len(sketch.Prefix())
	var b []byte
	for _, signal := range slices.Sorted(maps.Keys(m)) {
		if m[signal].Count() == 0 {
			continue
		}
		code := slices.Index(names[:], signal) + 1
		b = append(b, byte(code))
		if code == 0 {
			b = binary.AppendUvarint(b, uint64(len(signal)))
			b = append(b, signal...)
		}
		data := m[signal].Bytes()[skip:]
		b = binary.AppendUvarint(b, uint64(len(data)))
		b = append(b, data...)
	}
	return b
}

var errCutSketches = errors.New("the sketches end in the middle")

// decodeSketches reads what encodeSketches wrote into whole sketches.
func decodeSketches(b []byte) (map[bellwether.Signal][]byte, error) {
	if len(b) == 0 {
		return nil, nil
	}
	names, prefix := sketchNames(), sketch.Prefix()
	m := make(map[bellwether.Signal][]byte, 4)
	for len(b) > 0 {
		code := int(b[0])
		b = b[1:]
		if code > len(names) {
			return nil, errors.New("a sketch of an unknown signal")
		}
		var signal bellwether.Signal
		if code > 0 {
			signal = names[code-1]
		} else {
			name, rest, err := cutBytes(b)
			if err != nil {
				return nil, err
			}
			signal, b = bellwether.Signal(name), rest
		}
		data, rest, err := cutBytes(b)
		if err != nil {
			return nil, err
		}
		b = rest
		m[signal] = append(append(make([]byte, 0, len(prefix)+len(data)), prefix...), data...)
	}
	return m, nil
}

// cutBytes takes a length and as many bytes off the front of b.
func cutBytes(b []byte) (head, rest []byte, err error) {
	n, used := binary.Uvarint(b)
	if used <= 0 || n > uint64(len(b)-used) {
		return nil, nil, errCutSketches
	}
	b = b[used:]
	return b[:n], b[n:], nil
}
