package main

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bellwether-llm/bellwether"
)

// decoder reads observations as the API writes them, several times faster than
// encoding/json, which it leaves everything to that is written in another way:
// it never takes a text that encoding/json refuses, nor reads it otherwise.
// Strings share the memory of the text, except those that repeat, of which it
// keeps one copy each. It belongs to one goroutine.
type decoder struct {
	names map[string]string
	day   string // the last date read
	start int64  // of that day, in Unix seconds
}

// mostNames bounds the strings that are kept: hostile files have new ones for ever.
const mostNames = 1 << 12

func newDecoder() *decoder { return &decoder{names: map[string]string{}} }

// decode reads one observation.
func (d *decoder) decode(text string, o *bellwether.Observation) error {
	c := cursor{s: text, d: d}
	*o = bellwether.Observation{}
	c.observation(o)
	if c.space(); !c.bad && c.i == len(c.s) {
		return nil
	}
	*o = bellwether.Observation{}
	return json.Unmarshal([]byte(text), o)
}

// one returns the kept copy of s.
func (d *decoder) one(s string) string {
	if kept, ok := d.names[s]; ok {
		return kept
	}
	s = strings.Clone(s)
	if len(d.names) < mostNames && len(s) <= 100 {
		d.names[s] = s
	}
	return s
}

// cursor walks through JSON. Once bad, it has met what it does not read, and
// what its methods return means nothing.
type cursor struct {
	s   string
	i   int
	bad bool
	d   *decoder
}

func (c *cursor) observation(o *bellwether.Observation) {
	seen := uint64(0) // a key that comes twice is encoding/json's to judge
	for first := c.open('{'); c.next(&first, '}'); {
		bit := c.field(o, c.key())
		c.bad = c.bad || seen&bit != 0
		seen |= bit
	}
}

// field reads the value of a key, and returns a bit that is the key's own.
func (c *cursor) field(o *bellwether.Observation, key string) (bit uint64) {
	switch key {
	case "id":
		o.ID, bit = c.text(), 1
	case "at":
		o.At, bit = c.time(), 1<<1
	case "source":
		o.Source, bit = c.name(), 1<<2
	case "trigger":
		o.Trigger, bit = c.name(), 1<<3
	case "vantage":
		o.Vantage, bit = c.name(), 1<<4
	case "target":
		o.Target, bit = c.name(), 1<<5
	case "canary":
		o.Canary, bit = c.name(), 1<<6
	case "route":
		o.Route, bit = c.name(), 1<<7
	case "outcome":
		o.Outcome, bit = bellwether.Outcome(c.name()), 1<<8
	case "status":
		o.Status, bit = c.whole(), 1<<9
	case "late_seconds":
		o.Late, bit = c.number(), 1<<10
	case "self_lag_seconds":
		o.SelfLag, bit = c.number(), 1<<11
	case "reused":
		o.Reused, bit = c.truth(), 1<<12
	case "http":
		o.HTTP, bit = c.name(), 1<<13
	case "timing":
		bit = 1 << 14
		c.timing(&o.Timing)
	case "tokens":
		o.Tokens, bit = c.tokens(), 1<<15
	case "cost_usd":
		o.CostUSD, bit = c.number(), 1<<16
	case "checks":
		o.Checks, bit = c.checks(), 1<<17
	default:
		return c.rest(o, key)
	}
	return bit
}

// rest reads the fields that few observations have.
func (c *cursor) rest(o *bellwether.Observation, key string) (bit uint64) {
	switch key {
	case "model":
		o.Model, bit = c.name(), 1<<18
	case "fingerprint":
		o.Fingerprint, bit = c.name(), 1<<19
	case "finish":
		o.Finish, bit = c.name(), 1<<20
	case "confidence":
		v := c.number()
		o.Confidence, bit = &v, 1<<21
	case "excerpt":
		o.Excerpt, bit = c.text(), 1<<22
	case "error":
		o.Error, bit = c.text(), 1<<23
	case "doubtful":
		o.Doubtful, bit = c.name(), 1<<24
	case "retry_after_seconds":
		o.RetryAfter, bit = c.number(), 1<<25
	case "sample_rate":
		o.SampleRate, bit = c.number(), 1<<26
	case "window_seconds":
		o.Window, bit = c.number(), 1<<27
	case "counts":
		o.Counts, bit = map[bellwether.Outcome]int{}, 1<<28
		for first := c.open('{'); c.next(&first, '}'); {
			k := c.d.one(c.key())
			o.Counts[bellwether.Outcome(k)] = c.whole()
		}
	case "sketches":
		o.Sketches, bit = map[bellwether.Signal][]byte{}, 1<<29
		for first := c.open('{'); c.next(&first, '}'); {
			k := c.d.one(c.key())
			o.Sketches[bellwether.Signal(k)] = c.bytes()
		}
	case "signals":
		o.Signals, bit = map[bellwether.Signal]float64{}, 1<<30
		for first := c.open('{'); c.next(&first, '}'); {
			k := c.d.one(c.key())
			o.Signals[bellwether.Signal(k)] = c.number()
		}
	default:
		c.bad = true
	}
	return bit
}

func (c *cursor) timing(t *bellwether.Timing) {
	for first := c.open('{'); c.next(&first, '}'); {
		switch c.key() {
		case "dns_seconds":
			t.DNS = c.number()
		case "connect_seconds":
			t.Connect = c.number()
		case "tls_seconds":
			t.TLS = c.number()
		case "first_byte_seconds":
			t.FirstByte = c.number()
		case "first_token_seconds":
			t.FirstToken = c.number()
		case "inter_token_seconds":
			t.InterToken = c.number()
		case "inter_token_p95_seconds":
			t.InterTokenP95 = c.number()
		case "inter_token_max_seconds":
			t.InterTokenMax = c.number()
		case "total_seconds":
			t.Total = c.number()
		default:
			c.bad = true
		}
	}
}

func (c *cursor) tokens() *bellwether.Tokens {
	t := new(bellwether.Tokens)
	for first := c.open('{'); c.next(&first, '}'); {
		switch c.key() {
		case "input":
			t.Input = c.whole()
		case "output":
			t.Output = c.whole()
		case "cached":
			t.Cached = c.whole()
		case "reasoning":
			t.Reasoning = c.whole()
		case "estimated":
			t.Estimated = c.truth()
		default:
			c.bad = true
		}
	}
	return t
}

func (c *cursor) checks() []bellwether.CheckResult {
	out := []bellwether.CheckResult{}
	for first := c.open('['); c.next(&first, ']'); {
		var r bellwether.CheckResult
		for first := c.open('{'); c.next(&first, '}'); {
			switch c.key() {
			case "name":
				r.Name = c.name()
			case "ok":
				r.OK = c.truth()
			case "detail":
				r.Detail = c.text()
			default:
				c.bad = true
			}
		}
		out = append(out, r)
	}
	return out
}

func (c *cursor) space() {
	for c.i < len(c.s) && (c.s[c.i] == ' ' || c.s[c.i] == '\t' || c.s[c.i] == '\n' || c.s[c.i] == '\r') {
		c.i++
	}
}

// take steps over b if that comes next.
func (c *cursor) take(b byte) bool {
	c.space()
	if c.i < len(c.s) && c.s[c.i] == b {
		c.i++
		return true
	}
	return false
}

func (c *cursor) must(b byte) { c.bad = !c.take(b) || c.bad }

// open enters an object or a list; it returns true, for next.
func (c *cursor) open(b byte) bool {
	c.must(b)
	return true
}

// next reports whether another element follows, and steps up to it.
func (c *cursor) next(first *bool, end byte) bool {
	if c.bad || c.take(end) {
		return false
	}
	if !*first {
		c.must(',')
	}
	*first = false
	return !c.bad
}

func (c *cursor) key() string {
	k := c.plain()
	c.must(':')
	return k
}

// quoted returns what stands between the next two quotation marks, and whether
// that is ASCII without escapes.
func (c *cursor) quoted() (s string, simple bool) {
	if c.must('"'); c.bad {
		return "", true
	}
	from := c.i
	simple = true
	for ; c.i < len(c.s); c.i++ {
		switch b := c.s[c.i]; {
		case b == '"':
			c.i++
			return c.s[from : c.i-1], simple
		case b == '\\':
			simple = false
			c.i++
		case b < ' ' || b >= utf8.RuneSelf:
			simple = false
		}
	}
	c.i, c.bad = len(c.s), true // an escape may have stepped beyond the end
	return "", simple
}

// plain reads a string that is ASCII without escapes.
func (c *cursor) plain() string {
	s, simple := c.quoted()
	c.bad = c.bad || !simple
	return s
}

// text reads any string.
func (c *cursor) text() string {
	c.space()
	from := c.i
	s, simple := c.quoted()
	if simple || c.bad {
		return s
	}
	var out string
	c.bad = json.Unmarshal([]byte(c.s[from:c.i]), &out) != nil
	return out
}

// name reads a string that repeats from line to line.
func (c *cursor) name() string { return c.d.one(c.plain()) }

func (c *cursor) bytes() []byte {
	b, err := base64.StdEncoding.DecodeString(c.plain())
	c.bad = c.bad || err != nil
	return b
}

func (c *cursor) truth() bool {
	c.space()
	switch rest := c.s[c.i:]; {
	case strings.HasPrefix(rest, "true"):
		c.i += 4
		return true
	case strings.HasPrefix(rest, "false"):
		c.i += 5
	default:
		c.bad = true
	}
	return false
}

// digits steps over digits and returns how many there were.
func (c *cursor) digits() int {
	from := c.i
	for c.i < len(c.s) && c.s[c.i] >= '0' && c.s[c.i] <= '9' {
		c.i++
	}
	return c.i - from
}

// integer steps over the part of a number before its point, as JSON has it.
func (c *cursor) integer() (from int) {
	c.space()
	from = c.i
	c.take('-')
	zero := c.i < len(c.s) && c.s[c.i] == '0'
	if n := c.digits(); n == 0 || zero && n > 1 {
		c.bad = true
	}
	return from
}

func (c *cursor) number() float64 {
	from := c.integer()
	if c.i < len(c.s) && c.s[c.i] == '.' {
		c.i++
		c.bad = c.digits() == 0 || c.bad
	}
	if c.i < len(c.s) && (c.s[c.i] == 'e' || c.s[c.i] == 'E') {
		c.i++
		if c.i < len(c.s) && (c.s[c.i] == '+' || c.s[c.i] == '-') {
			c.i++
		}
		c.bad = c.digits() == 0 || c.bad
	}
	v, err := strconv.ParseFloat(c.s[from:c.i], 64)
	c.bad = c.bad || err != nil
	return v
}

func (c *cursor) whole() int {
	from := c.integer()
	v, err := strconv.Atoi(c.s[from:c.i])
	c.bad = c.bad || err != nil || c.i < len(c.s) && strings.IndexByte(".eE", c.s[c.i]) >= 0
	return v
}

// time reads a time in UTC, such as 2026-11-20T16:20:00.123Z.
func (c *cursor) time() time.Time {
	s := c.plain()
	if c.bad || len(s) < len("2006-01-02T15:04:05Z") || len(s) > len("2006-01-02T15:04:05.999999999Z") || s[10] != 'T' || s[13] != ':' || s[16] != ':' || s[len(s)-1] != 'Z' {
		c.bad = true
		return time.Time{}
	}
	if s[:10] != c.d.day {
		day, err := time.Parse(time.DateOnly, s[:10])
		if err != nil {
			c.bad = true
			return time.Time{}
		}
		c.d.day, c.d.start = strings.Clone(s[:10]), day.Unix()
	}
	h, m, sec := two(s[11:13]), two(s[14:16]), two(s[17:19])
	nanos, ok := fraction(s[19 : len(s)-1])
	if h < 0 || h > 23 || m < 0 || m > 59 || sec < 0 || sec > 59 || !ok {
		c.bad = true
	}
	return time.Unix(c.d.start+int64(h*3600+m*60+sec), nanos).UTC()
}

// two reads two digits; below 0 means that they are none.
func two(s string) int {
	if s[0] < '0' || s[0] > '9' || s[1] < '0' || s[1] > '9' {
		return -1
	}
	return int(s[0]-'0')*10 + int(s[1]-'0')
}

// fraction reads what may stand after the seconds, "" or up to nine digits
// after a point, as nanoseconds.
func fraction(s string) (nanos int64, ok bool) {
	if s == "" {
		return 0, true
	}
	if s[0] != '.' || len(s) < 2 {
		return 0, false
	}
	for i := 1; i <= 9; i++ {
		nanos *= 10
		if i >= len(s) {
			continue
		}
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		nanos += int64(s[i] - '0')
	}
	return nanos, true
}
